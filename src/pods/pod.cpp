#include "pods/pod.hpp"

#include <algorithm>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "base/enum_text.hpp"

namespace gyre {
namespace {

// The verb a person knows for an event; empty for what happens by itself.
std::string_view verb(PodEvent event) {
  switch (event) {
    case PodEvent::deploy:
      return "start";
    case PodEvent::stop:
      return "stop";
    case PodEvent::starting_again:
      return "restart";
    case PodEvent::remove:
    case PodEvent::remove_now:
      return "delete";
    default:
      return "";
  }
}

}  // namespace

std::vector<std::string_view> verbs_of(PodState state) {
  std::vector<std::string_view> out;
  for (const auto& row : pod_transitions) {
    const auto word = verb(row.event);
    if (row.from != state || word.empty() || std::find(out.begin(), out.end(), word) != out.end()) continue;
    if (row.event == PodEvent::starting_again && state == PodState::host_lost) continue;  // its host must answer first
    out.push_back(word);
  }
  return out;
}

std::string allowed_verbs(PodState state) {
  std::string out;
  for (const auto word : verbs_of(state)) out += (out.empty() ? "" : ", ") + std::string(word);
  return out.empty() ? "-" : out;
}

Because why(const Pod& pod) {
  Because out{reason_from_text(pod.reason), {}, pod.reason_until};
  const auto stored = boost::json::parse(pod.reason_args.empty() ? "{}" : pod.reason_args);
  for (const auto& [name, value] : stored.as_object()) out.args.emplace_back(name, value.as_string());
  return out;
}

Result<> apply(Pod& pod, PodEvent event, Time now, Because because) {
  const auto to = next_state(pod.state, event);
  if (!to) {
    const auto word = verb(event);
    return fail(Reason::pod_transition_refused, {{"pod", pod.id.str()},
                                                 {"state", std::string(enum_text(pod.state))},
                                                 {"asked", std::string(word.empty() ? enum_text(event) : word)},
                                                 {"allowed", allowed_verbs(pod.state)}});
  }
  pod.state = *to;
  pod.state_changed_at = now;
  pod.reason = because.reason ? std::string(reason_text(*because.reason)) : std::string();
  boost::json::object args;
  for (const auto& [name, value] : because.args) args[name] = value;
  pod.reason_args = boost::json::serialize(args);
  pod.reason_until = because.until;
  if (*to != PodState::queued) pod.queue_order.reset();
  return {};
}

}  // namespace gyre
