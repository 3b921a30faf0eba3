#include "pods/pod.hpp"

#include <boost/json/object.hpp>
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

std::string allowed_verbs(PodState state) {
  std::string out;
  for (const auto& row : pod_transitions) {
    const auto word = verb(row.event);
    if (row.from != state || word.empty() || out.find(word) != std::string::npos) continue;
    if (row.event == PodEvent::starting_again && state == PodState::host_lost) continue;  // its host must answer first
    out += (out.empty() ? "" : ", ") + std::string(word);
  }
  return out.empty() ? "-" : out;
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
