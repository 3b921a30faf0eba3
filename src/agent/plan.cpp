#include "agent/plan.hpp"

#include <algorithm>
#include <charconv>

namespace gyre::agent {
namespace {

using engine::Container;
using engine::ContainerState;
using link::PodPhase;
using Containers = std::vector<const Container*>;

constexpr Duration removing_poll{500};
constexpr Duration ended_at_once{10000};

std::vector<std::string> running_ids(const Containers& containers) {
  std::vector<std::string> ids;
  for (const auto* container : containers)
    if (container->state == ContainerState::running) ids.push_back(container->id);
  return ids;
}

const Container* find(const Containers& containers, const std::string& name) {
  for (const auto* container : containers)
    if (label_of(*container, label::container) == name) return container;
  return nullptr;
}

Plan act(PodPhase phase, Step step, std::string container = {}, std::vector<std::string> ids = {}) {
  return {.phase = phase, .step = step, .container = std::move(container), .ids = std::move(ids)};
}

Plan because(Plan plan, const Error& error) {
  plan.reason = error.reason;
  plan.args = error.args;
  return plan;
}

// Stops what runs of these, then removes them one by one. Empty when none is left.
std::optional<Plan> clear_away(const Containers& containers, PodPhase phase, Duration uptime) {
  if (auto ids = running_ids(containers); !ids.empty()) return act(phase, Step::stop, {}, std::move(ids));
  for (const auto* container : containers)
    if (container->state != ContainerState::removing)
      return act(phase, Step::remove, label_of(*container, label::container), {container->id});
  if (containers.empty()) return std::nullopt;
  auto waiting = act(phase, Step::wait);
  waiting.until = uptime + removing_poll;
  return waiting;
}

const Restarts* noted(const Memory& memory, const Container& container) {
  const auto found = memory.restarts.find(label_of(container, label::container));
  if (found == memory.restarts.end()) return nullptr;
  const bool this_exit = found->second.exit_seen == container.finished_at.value_or(Time{});
  return this_exit ? &found->second : nullptr;
}

Plan towards_stopped(const Situation& s, const Containers& all) {
  if (auto clearing = clear_away(all, PodPhase::stopping, s.uptime)) return *clearing;
  const auto& memory = s.memory;
  if (memory.started_run != -1 || memory.rebooted || memory.outcome || !memory.restarts.empty())
    return act(PodPhase::stopped, Step::note_stopped);
  return act(PodPhase::stopped, Step::rest);
}

Plan towards_deleted(const Situation& s, const Containers& all) {
  if (auto clearing = clear_away(all, PodPhase::stopping, s.uptime)) return *clearing;
  if (!s.volume_removed) return act(PodPhase::stopping, Step::remove_volume);
  if (!s.network_settled) return act(PodPhase::stopping, Step::remove_network);
  return act(PodPhase::deleted, Step::rest);
}

// The run is over. Containers that have run are kept for their logs, until the next run, a stop or a deletion.
Plan after_outcome(const Situation& s, const Containers& mine) {
  const auto& outcome = *s.memory.outcome;
  const auto phase = outcome.kind == OutcomeKind::failed ? PodPhase::failed : PodPhase::exited;
  auto plan = act(phase, Step::rest);
  if (auto ids = running_ids(mine); !ids.empty())
    plan = act(PodPhase::stopping, Step::stop, {}, std::move(ids));
  else
    for (const auto* container : mine)
      if (container->state == ContainerState::created)
        plan = act(phase, Step::remove, label_of(*container, label::container), {container->id});
  plan.reason = outcome.reason;
  plan.args = outcome.args;
  return plan;
}

// The main container runs; bring the others to it.
Plan with_main_running(const Situation& s, const Container& main, const Containers& mine) {
  std::optional<Plan> waiting;
  for (std::size_t i = 1; i < s.order.spec.containers.size(); ++i) {
    const auto& wanted = s.order.spec.containers[i];
    const auto* there = find(mine, wanted.name);
    if (there && label_of(*there, label::network_of) != main.id)  // of a main container that is gone, with its network
      return *clear_away({there}, PodPhase::starting, s.uptime);
    if (!there) {
      if (!s.images_ready.contains(wanted.image)) return act(PodPhase::pulling, Step::pull, wanted.name);
      return act(PodPhase::starting, Step::create, wanted.name);
    }
    if (there->state == ContainerState::created) return act(PodPhase::starting, Step::start, wanted.name, {there->id});
    if (there->state != ContainerState::exited) continue;
    const auto* exit = noted(s.memory, *there);
    if (!exit) return act(PodPhase::backing_off, Step::note_exit, wanted.name, {there->id});
    if (exit->resting) continue;
    if (exit->due <= s.uptime) return act(PodPhase::starting, Step::start, wanted.name, {there->id});
    if (waiting && *waiting->until <= exit->due) continue;
    waiting = because(act(PodPhase::backing_off, Step::wait, wanted.name), exit_error(*there));
    waiting->until = exit->due;
  }
  if (waiting) return *waiting;
  return act(PodPhase::running, Step::rest);
}

// The main container ended: its companions share its network and end with it; then the policy decides.
Plan with_main_exited(const Situation& s, const Container& main, const Containers& mine) {
  const auto error = exit_error(main);
  const auto& name = s.order.spec.containers.front().name;
  const auto* exit = noted(s.memory, main);
  if (!exit) return because(act(PodPhase::backing_off, Step::note_exit, name, {main.id}), error);
  if (auto ids = running_ids(mine); !ids.empty())
    return because(act(PodPhase::backing_off, Step::stop, {}, std::move(ids)), error);
  if (exit->due > s.uptime) {
    auto plan = because(act(PodPhase::backing_off, Step::wait, name), error);
    plan.until = exit->due;
    return plan;
  }
  if (s.gpu_trouble) return because(act(PodPhase::accepted, Step::rest), *s.gpu_trouble);
  return because(act(PodPhase::starting, Step::start, name, {main.id}), error);
}

// The main container is not there, or has never run.
Plan with_main_to_start(const Situation& s, const Container* main, const Containers& mine) {
  const auto& wanted = s.order.spec.containers;
  if (!main && s.memory.started_run == s.order.run && s.order.spec.restart == link::RestartPolicy::never) {
    // It has run once and nobody can say how it ended; running it twice is what `never` forbids.
    auto plan = act(PodPhase::failed, Step::note_outcome);
    plan.outcome = {s.order.run, OutcomeKind::failed, Reason::container_vanished, {{"container", wanted.front().name}}};
    return plan;
  }
  if (!main)
    if (auto clearing = clear_away(mine, PodPhase::starting, s.uptime)) return *clearing;
  if (s.gpu_trouble) return because(act(PodPhase::accepted, Step::rest), *s.gpu_trouble);
  for (const auto& container : wanted)
    if (!find(mine, container.name) && !s.images_ready.contains(container.image))
      return act(PodPhase::pulling, Step::pull, container.name);
  if (!main && !s.network_ready) return act(PodPhase::starting, Step::make_network);
  if (!main && !s.volume_ready && s.order.spec.volume_bytes > 0) return act(PodPhase::starting, Step::make_volume);
  for (const auto& container : wanted)
    if (!find(mine, container.name)) return act(PodPhase::starting, Step::create, container.name);
  return act(PodPhase::starting, Step::start, wanted.front().name, {main->id});
}

Plan towards_running(const Situation& s, const Containers& all) {
  Containers mine, others;
  for (const auto* container : all)
    (number_label(*container, label::run) == s.order.run ? mine : others).push_back(container);
  if (auto clearing = clear_away(others, PodPhase::stopping, s.uptime)) return *clearing;

  if (s.memory.rebooted) {
    // A container that runs did not go down with the host, whatever the boot id says: it is not ours to kill.
    if (!running_ids(mine).empty()) return act(PodPhase::starting, Step::note_reboot);
    if (auto clearing = clear_away(mine, PodPhase::starting, s.uptime)) return *clearing;
    return act(PodPhase::starting, Step::note_reboot);
  }
  if (s.memory.outcome && s.memory.outcome->run == s.order.run) return after_outcome(s, mine);

  const auto* main = find(mine, s.order.spec.containers.front().name);
  if (!main || main->state == ContainerState::created) return with_main_to_start(s, main, mine);
  if (main->state == ContainerState::running) return with_main_running(s, *main, mine);
  if (main->state == ContainerState::exited) return with_main_exited(s, *main, mine);
  auto plan = act(PodPhase::starting, Step::wait);  // being removed by someone else
  plan.until = s.uptime + removing_poll;
  return plan;
}

}  // namespace

std::string label_of(const Container& container, const char* name) {
  const auto found = container.labels.find(name);
  return found == container.labels.end() ? std::string() : found->second;
}

std::int64_t number_label(const Container& container, const char* name) {
  const auto text = label_of(container, name);
  std::int64_t number = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() ? number : -1;
}

std::vector<std::string> list_label(const Container& container, const char* name) {
  std::vector<std::string> out;
  const auto text = label_of(container, name);
  for (std::size_t begin = 0; begin < text.size();) {
    const auto end = std::min(text.find(',', begin), text.size());
    if (end > begin) out.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return out;
}

std::string ports_label(const std::vector<link::PortFacts>& ports) {
  std::string out;
  for (const auto& port : ports) {
    if (!out.empty()) out += ',';
    out += std::to_string(port.container_port) + ":" + std::to_string(port.host_port) + (port.http ? "/http" : "/tcp");
    if (!port.address.empty()) out += "@" + port.address;
  }
  return out;
}

std::vector<link::PortFacts> ports_of(const Container& container) {
  std::vector<link::PortFacts> out;
  for (const auto& text : list_label(container, label::ports)) {
    const auto colon = text.find(':');
    const auto slash = text.find('/');
    if (colon == std::string::npos || slash == std::string::npos || slash < colon) continue;
    link::PortFacts port;
    std::from_chars(text.data(), text.data() + colon, port.container_port);
    std::from_chars(text.data() + colon + 1, text.data() + slash, port.host_port);
    const auto at = std::min(text.find('@', slash), text.size());
    port.http = text.substr(slash, at - slash) == "/http";
    if (at < text.size()) port.address = text.substr(at + 1);
    out.push_back(port);
  }
  return out;
}

Plan plan(const Situation& s) {
  if (!s.looked) return act(PodPhase::accepted, Step::rest);
  Containers all;
  for (const auto& container : s.seen) all.push_back(&container);
  Plan out;
  switch (s.order.desired) {
    case link::Desired::running:
      out = towards_running(s, all);
      break;
    case link::Desired::stopped:
      out = towards_stopped(s, all);
      break;
    case link::Desired::deleted:
      out = towards_deleted(s, all);
      break;
  }
  if (s.trouble && s.trouble->step == out.step) {
    out = because(std::move(out), s.trouble->error);
    if (s.uptime < s.trouble->retry_at) {
      out.step = Step::wait;
      out.until = s.trouble->retry_at;
    }
  }
  return out;
}

Restarts after_exit(const Restarts& before, const Container& container, link::RestartPolicy policy,
                    const Backoff& backoff, Duration uptime) {
  Restarts after = before;
  after.exit_seen = container.finished_at.value_or(Time{});
  after.resting = policy == link::RestartPolicy::never ||
                  (policy == link::RestartPolicy::on_failure && container.exit_code == 0 && !container.oom_killed);
  if (after.resting) return after;
  Duration ran{0};
  if (container.started_at && container.finished_at) ran = *container.finished_at - *container.started_at;
  if (after.delay == Duration(0) || ran >= backoff.good_run)
    after.delay = backoff.first;
  else
    after.delay = std::min(after.delay * 2, backoff.max);
  after.due = uptime + after.delay;
  ++after.count;
  return after;
}

Error exit_error(const Container& container) {
  const auto name = label_of(container, label::container);
  const auto code = std::to_string(container.exit_code);
  if (container.oom_killed) return {Reason::container_out_of_memory, {{"container", name}}, {}};
  if (container.exit_code == 126 || container.exit_code == 127)
    return {Reason::container_command_unusable, {{"container", name}, {"exit_code", code}}, {}};
  if (container.exit_code == 0 && container.started_at && container.finished_at) {
    const auto ran = *container.finished_at - *container.started_at;
    if (ran >= Duration(0) && ran < ended_at_once)
      return {Reason::container_ended_at_once, {{"container", name}, {"seconds", std::to_string(ran / 1s)}}, {}};
  }
  return {Reason::container_exited, {{"container", name}, {"exit_code", code}}, {}};
}

bool is_final(Reason reason) {
  switch (reason) {
    case Reason::image_not_found:
    case Reason::image_access_denied:
    case Reason::image_wrong_platform:
    case Reason::image_for_windows:
    case Reason::image_name_invalid:
    case Reason::command_not_found:
      return true;
    default:
      return false;
  }
}

}  // namespace gyre::agent
