// A pod and its life. Pure: no clock, no database. The life is one table of (from, event, to) that the compiler checks;
// `apply` is the only way to move. States are those of requirements B.3.1; `deleting` is ours (docs/decisions/0007): a
// deleted pod holds its GPUs until its agent says that the containers are gone, and no sooner.
#pragma once

#include <array>
#include <boost/describe.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.hpp"
#include "base/money.hpp"
#include "base/result.hpp"
#include "base/time.hpp"
#include "link/messages.hpp"
#include "quotas/quota.hpp"

namespace gyre {

enum class PodState {
  registered,
  queued,
  provisioning,
  running,
  interrupting,
  host_lost,
  stopping,
  stopped,
  failed,
  deleting,
  deleted
};
BOOST_DESCRIBE_ENUM(PodState, registered, queued, provisioning, running, interrupting, host_lost, stopping, stopped,
                    failed, deleting, deleted)

enum class PodEvent {
  deploy,           // start was asked and admitted
  placed,           // the scheduler found a host
  container_up,     // all its containers run
  starting_again,   // its host makes new containers (after a reboot), or restart was asked
  stop,             // asked by a user, or by us with a reason
  interrupt,        // of a spot pod: somebody with precedence needs the room
  containers_gone,  // the agent says that nothing of it runs any more
  ended,            // the main container ended well and the restart policy lets it rest
  broke,            // it cannot run, or ended badly and the restart policy lets it rest
  gave_up,          // it was stopped because it never came up
  host_silent,      // its host is offline
  host_retired,     // its host will not come back
  remove,           // delete was asked and something of it may be on a host
  remove_now,       // delete was asked and nothing of it is on any host
  removed,          // the agent says that nothing of it is left
  adopted,          // its host has it up by an order that a restored table does not know
};
BOOST_DESCRIBE_ENUM(PodEvent, deploy, placed, container_up, starting_again, stop, interrupt, containers_gone, ended,
                    broke, gave_up, host_silent, host_retired, remove, remove_now, removed, adopted)

struct PodTransition {
  PodState from;
  PodEvent event;
  PodState to;
};

inline constexpr std::array pod_transitions{
    PodTransition{PodState::registered, PodEvent::deploy, PodState::queued},
    PodTransition{PodState::registered, PodEvent::remove_now, PodState::deleted},

    PodTransition{PodState::queued, PodEvent::placed, PodState::provisioning},
    PodTransition{PodState::queued, PodEvent::stop, PodState::stopped},
    PodTransition{PodState::queued, PodEvent::remove, PodState::deleting},
    PodTransition{PodState::queued, PodEvent::remove_now, PodState::deleted},
    PodTransition{PodState::queued, PodEvent::host_retired, PodState::failed},
    PodTransition{PodState::queued, PodEvent::adopted, PodState::provisioning},

    PodTransition{PodState::provisioning, PodEvent::container_up, PodState::running},
    PodTransition{PodState::provisioning, PodEvent::starting_again, PodState::provisioning},
    PodTransition{PodState::provisioning, PodEvent::ended, PodState::stopped},
    PodTransition{PodState::provisioning, PodEvent::broke, PodState::failed},
    PodTransition{PodState::provisioning, PodEvent::stop, PodState::stopping},
    PodTransition{PodState::provisioning, PodEvent::interrupt, PodState::interrupting},
    PodTransition{PodState::provisioning, PodEvent::host_silent, PodState::host_lost},
    PodTransition{PodState::provisioning, PodEvent::host_retired, PodState::failed},
    PodTransition{PodState::provisioning, PodEvent::remove, PodState::deleting},
    PodTransition{PodState::provisioning, PodEvent::adopted, PodState::provisioning},

    PodTransition{PodState::running, PodEvent::container_up, PodState::running},  // up again after a back-off
    PodTransition{PodState::running, PodEvent::starting_again, PodState::provisioning},
    PodTransition{PodState::running, PodEvent::ended, PodState::stopped},
    PodTransition{PodState::running, PodEvent::broke, PodState::failed},
    PodTransition{PodState::running, PodEvent::stop, PodState::stopping},
    PodTransition{PodState::running, PodEvent::interrupt, PodState::interrupting},
    PodTransition{PodState::running, PodEvent::host_silent, PodState::host_lost},
    PodTransition{PodState::running, PodEvent::host_retired, PodState::failed},
    PodTransition{PodState::running, PodEvent::remove, PodState::deleting},
    PodTransition{PodState::running, PodEvent::adopted, PodState::provisioning},

    PodTransition{PodState::host_lost, PodEvent::container_up, PodState::running},
    PodTransition{PodState::host_lost, PodEvent::starting_again, PodState::provisioning},
    PodTransition{PodState::host_lost, PodEvent::ended, PodState::stopped},
    PodTransition{PodState::host_lost, PodEvent::broke, PodState::failed},
    PodTransition{PodState::host_lost, PodEvent::stop, PodState::stopping},
    PodTransition{PodState::host_lost, PodEvent::host_retired, PodState::failed},
    PodTransition{PodState::host_lost, PodEvent::remove, PodState::deleting},
    PodTransition{PodState::host_lost, PodEvent::adopted, PodState::provisioning},

    PodTransition{PodState::interrupting, PodEvent::containers_gone, PodState::stopped},
    PodTransition{PodState::interrupting, PodEvent::host_retired, PodState::failed},
    PodTransition{PodState::interrupting, PodEvent::remove, PodState::deleting},
    PodTransition{PodState::interrupting, PodEvent::adopted, PodState::provisioning},

    PodTransition{PodState::stopping, PodEvent::containers_gone, PodState::stopped},
    PodTransition{PodState::stopping, PodEvent::gave_up, PodState::failed},
    PodTransition{PodState::stopping, PodEvent::host_retired, PodState::failed},
    PodTransition{PodState::stopping, PodEvent::remove, PodState::deleting},
    PodTransition{PodState::stopping, PodEvent::adopted, PodState::provisioning},

    PodTransition{PodState::stopped, PodEvent::deploy, PodState::queued},
    PodTransition{PodState::stopped, PodEvent::host_retired, PodState::failed},
    PodTransition{PodState::stopped, PodEvent::remove, PodState::deleting},
    PodTransition{PodState::stopped, PodEvent::remove_now, PodState::deleted},
    PodTransition{PodState::stopped, PodEvent::adopted, PodState::provisioning},

    PodTransition{PodState::failed, PodEvent::deploy, PodState::queued},
    PodTransition{PodState::failed, PodEvent::remove, PodState::deleting},
    PodTransition{PodState::failed, PodEvent::remove_now, PodState::deleted},
    PodTransition{PodState::failed, PodEvent::adopted, PodState::provisioning},

    PodTransition{PodState::deleting, PodEvent::removed, PodState::deleted},
    PodTransition{PodState::deleting, PodEvent::host_retired, PodState::deleted},
};

constexpr std::optional<PodState> next_state(PodState from, PodEvent event) {
  for (const auto& row : pod_transitions)
    if (row.from == from && row.event == event) return row.to;
  return std::nullopt;
}

// What an agent does on the order to run.
constexpr bool is_up(link::PodPhase phase) {
  return phase == link::PodPhase::accepted || phase == link::PodPhase::pulling || phase == link::PodPhase::starting ||
         phase == link::PodPhase::running || phase == link::PodPhase::backing_off;
}

// In these states containers of the pod may be on its host, and it holds its GPUs, vCPUs and memory.
constexpr bool holds_shares(PodState state) {
  return state == PodState::provisioning || state == PodState::running || state == PodState::interrupting ||
         state == PodState::host_lost || state == PodState::stopping || state == PodState::deleting;
}

// What it holds is being given up, and nothing more need be done for that.
constexpr bool is_leaving(PodState state) {
  return state == PodState::interrupting || state == PodState::stopping || state == PodState::deleting;
}

// A spot pod in these states may be interrupted.
constexpr bool can_be_interrupted(PodState state) {
  return state == PodState::provisioning || state == PodState::running;
}

// In these states it counts against its workspace's quota: it runs, may run, or will.
constexpr bool uses_quota(PodState state) { return state == PodState::queued || holds_shares(state); }

// What its agent is to bring about. Nothing is ordered before a host was found. A pod that ended by itself needs no
// order to stay so; one is sent all the same when an agent claims otherwise.
constexpr std::optional<link::Desired> ordered(PodState state) {
  switch (state) {
    case PodState::provisioning:
    case PodState::running:
    case PodState::host_lost:
      return link::Desired::running;
    case PodState::stopping:
    case PodState::interrupting:
    case PodState::stopped:
    case PodState::failed:
      return link::Desired::stopped;
    case PodState::deleting:
    case PodState::deleted:
      return link::Desired::deleted;
    case PodState::registered:
    case PodState::queued:
      return std::nullopt;
  }
  return std::nullopt;
}

consteval bool pod_table_is_sound() {
  for (std::size_t i = 0; i < pod_transitions.size(); ++i) {
    if (pod_transitions[i].from == PodState::deleted) return false;  // nothing comes back
    for (std::size_t j = i + 1; j < pod_transitions.size(); ++j)
      if (pod_transitions[i].from == pod_transitions[j].from && pod_transitions[i].event == pod_transitions[j].event)
        return false;
  }
  for (auto state : {PodState::provisioning, PodState::running, PodState::interrupting, PodState::host_lost,
                     PodState::stopping, PodState::deleting})
    if (!next_state(state, PodEvent::host_retired)) return false;  // a dead host never pins a pod
  return true;
}
static_assert(pod_table_is_sound());

struct Pod {
  PodId id;
  WorkspaceId workspace;
  AccountId account;
  std::string name;
  PodState state = PodState::registered;
  std::string reason;  // a Reason's code, or empty
  std::string reason_args = "{}";
  std::optional<Time> reason_until;
  std::int64_t generation = 0;
  std::int64_t run = 0;
  std::optional<HostId> host;
  bool zero_gpu = false;
  std::string wish;  // JSON of PodWish
  std::string seen = "{}";
  std::string host_name;
  std::string key_sealed;
  std::optional<std::int64_t> queue_order;
  Time created_at{};
  Time state_changed_at{};
  std::optional<Time> started_at;
  std::int64_t version = 0;
  std::optional<MachineTypeId> machine_type;  // what of its workspace's quota it uses while it is not stopped
  std::optional<Money> bid;                   // of a spot pod, for each GPU and hour; none: on demand
  std::optional<Time> stop_at, terminate_at;  // by itself
};
BOOST_DESCRIBE_STRUCT(Pod, (),
                      (id, workspace, account, name, state, reason, reason_args, reason_until, generation, run, host,
                       zero_gpu, wish, seen, host_name, key_sealed, queue_order, created_at, state_changed_at,
                       started_at, version, machine_type, bid, stop_at, terminate_at))

// Why a pod is in the state it is in; kept with it and shown in the reader's language.
struct Because {
  std::optional<Reason> reason;
  Args args;
  std::optional<Time> until;
};

Because why(const Pod& pod);  // as its row keeps it

// Moves the pod, or refuses and names what a user may do instead.
Result<> apply(Pod& pod, PodEvent event, Time now, Because because = {});

// The verbs a user has in this state: start, stop, restart, delete.
std::vector<std::string_view> verbs_of(PodState state);
std::string allowed_verbs(PodState state);  // "start, delete"

}  // namespace gyre
