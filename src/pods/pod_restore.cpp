// After a restore from a backup the world is ahead of the table: agents have obeyed orders that it does not know, pods
// run that it thinks stopped, or elsewhere, or not at all. Nothing that works may end because of that, so:
//
//   1. New orders begin at a generation above any that was given out before (the time of the restore, in milliseconds),
//   and
//      new runs of a pod likewise: no number means two things.
//   2. Until every host has said what it has (or some minutes have passed) nothing is placed and no order is sent;
//   verbs on
//      pods that the backup knew are refused for that while.
//   3. Then each pod is compared with the host that knows most of it (the highest generation). What is up there is
//   taken
//      over as it is, with its host, its GPUs and its shares, whatever the table said. What was stopped there stays so.
//   4. A pod that no host knows any more is `failed` with gone_since_backup. Nothing is made in its place by guess.
//
// A host that comes back later is compared by itself, with the same rules; what it has up and the table has elsewhere
// by then is left alone and shown.
#include <algorithm>

#include "base/check.hpp"
#include "base/log.hpp"
#include "pods/pod_service.hpp"

namespace gyre {
namespace {

bool wants_up(PodState state) {
  return state == PodState::provisioning || state == PodState::running || state == PodState::host_lost;
}

// The highest run among containers named "gyre-<pod>-<container>-<run>"; empty when none is this pod's.
std::optional<std::int64_t> newest_run(const PodId& pod, const std::vector<std::string>& containers) {
  std::optional<std::int64_t> out;
  const auto prefix = "gyre-" + pod.str() + "-";
  for (const auto& name : containers) {
    if (!name.starts_with(prefix)) continue;
    const auto run = std::atoll(name.c_str() + name.rfind('-') + 1);
    out = std::max<std::int64_t>(out.value_or(0), run);
  }
  return out;
}

}  // namespace

// An order since the restore has a generation of the floor or above.
bool PodService::unsettled(const Pod& pod) const {
  return generation_floor_ > 0 && pod.generation < generation_floor_ &&
         pod.created_at.time_since_epoch().count() < generation_floor_;
}

Result<> PodService::settled(const Pod& pod) const {
  if (settling_ && unsettled(pod)) return fail(Reason::pod_host_unreachable);
  return {};
}

std::int64_t PodService::next_run(const Pod& pod) const {
  return unsettled(pod) ? std::max(pod.run + 1, generation_floor_ / 1000) : pod.run + 1;
}

void PodService::hear(const HostId& host, const link::Report& report) {
  heard_[host] = report;
  for (const auto& one : hosts_.store().list(false))
    if (one.state != HostState::retired && !heard_.contains(one.id)) return;
  settle_all();
}

void PodService::settle_all() {
  settling_ = false;
  struct Claim {
    HostId host;
    const link::PodFacts* facts = nullptr;
  };
  std::map<PodId, Claim> claims;
  for (const auto& [host, report] : heard_)
    for (const auto& facts : report.pods) {
      // That a host has deleted it says nothing about where it went.
      if (facts.phase == link::PodPhase::deleted) continue;
      auto& claim = claims[facts.pod];
      if (!claim.facts || facts.generation > claim.facts->generation) claim = {host, &facts};
    }
  for (const auto& [id, claim] : claims)
    if (auto pod = store_.find(id); pod && pod->state != PodState::deleted && unsettled(*pod))
      settle(std::move(*pod), claim.host, *claim.facts);
  for (const auto& [host, report] : heard_)
    for (auto& pod : store_.on_host(host))
      if (unsettled(pod) && !claims.contains(pod.id)) settle_unseen(std::move(pod), report.stray_containers);
  heard_.clear();
  store_.restore_settled(core_.now());
  log::info("the restored table and the hosts have been compared", {{"pods", std::to_string(claims.size())}});
  capacity_changed();
}

void PodService::settle(Pod pod, const HostId& host, const link::PodFacts& facts) {
  if (facts.generation < pod.generation) return;  // it has not obeyed what the table ordered: said again as always
  if (facts.generation == pod.generation) {
    if (pod.host == host) order(pod);
    return;
  }
  log::warn("an agent has obeyed a newer order than the table knows", {{"pod", pod.id.str()},
                                                                       {"host", host.str()},
                                                                       {"state", std::string(enum_text(pod.state))},
                                                                       {"phase", std::string(enum_text(facts.phase))}});
  pod.generation = facts.generation;
  pod.run = std::max(pod.run, facts.run);
  const auto must = [](const Result<>& moved) { CHECK(moved); };
  const Because because{Reason::adopted_after_restore, {}, {}};
  if (pod.state != PodState::deleting && is_up(facts.phase)) {
    pod.run = facts.run;
    take_shares(pod, host, facts);
    must(move(pod, PodEvent::adopted, because));
  } else if ((facts.phase == link::PodPhase::stopped || facts.phase == link::PodPhase::stopping) && pod.host == host &&
             wants_up(pod.state)) {
    must(move(pod, PodEvent::stop, because));  // what its next report says completes it
  } else {
    save(pod);
  }
  order(pod);
}

void PodService::settle_unseen(Pod pod, const std::vector<std::string>& strays) {
  if (const auto run = newest_run(pod.id, strays); run && wants_up(pod.state)) {
    pod.run = std::max(pod.run, *run);  // its agent has lost the order: the containers of that run are kept by it
  } else if (wants_up(pod.state)) {
    const auto moved = move(pod, PodEvent::broke, {Reason::gone_since_backup, {}, {}});
    CHECK(moved);
    let_go(pod);
  }
  order(pod);
}

void PodService::take_shares(Pod& pod, const HostId& host, const link::PodFacts& facts) {
  const auto wish = wish_from_text(pod.wish);
  const auto before = hosts_.store().allocation(pod.id);
  hosts_.store().release(pod.id);
  hosts_.store().take_gpus(host, facts.gpus, pod.id);
  const bool unknown = facts.vcpus <= 0 && before && before->host == host;
  hosts_.store().allocate({pod.id, host, unknown ? before->vcpus : facts.vcpus,
                           unknown ? before->memory_bytes : facts.memory_bytes, disk_bytes(wish)});
  pod.host = host;
  pod.zero_gpu = wish.gpu_count > 0 && facts.gpus.empty();
  live_.erase(pod.id);
}

}  // namespace gyre
