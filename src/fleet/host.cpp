#include "fleet/host.hpp"

#include "base/enum_text.hpp"

namespace gyre {

Result<> apply(Host& host, HostEvent event) {
  const auto to = next_state(host.state, event);
  if (!to) {
    std::string allowed;
    for (const auto& row : host_transitions)
      if (row.from == host.state && row.event != HostEvent::facts_seen)
        allowed += (allowed.empty() ? "" : ", ") + std::string(enum_text(row.event));
    return fail(Reason::host_transition_refused, {{"host", host.id.str()},
                                                  {"state", std::string(enum_text(host.state))},
                                                  {"asked", std::string(enum_text(event))},
                                                  {"allowed", allowed.empty() ? "-" : allowed}});
  }
  host.state = *to;
  return {};
}

bool is_data_center_id(const std::string& text) {
  return !text.empty() && text.size() <= 40 &&
         text.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") == std::string::npos;
}

}  // namespace gyre
