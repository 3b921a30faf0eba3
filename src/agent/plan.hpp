// What to do next with one pod, as a pure function: from its order, what the agent remembers of it and what the engine
// showed last, to its phase and the single next step. No clock, no engine, no journal: agent.cpp carries the step out,
// looks again, and asks again.
#pragma once

#include <boost/describe.hpp>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "engine/engine.hpp"
#include "link/messages.hpp"

namespace gyre::agent {

// The labels by which an agent knows its own containers again, without any journal.
namespace label {
inline constexpr const char* host = "gyre.host";
inline constexpr const char* pod = "gyre.pod";
inline constexpr const char* container = "gyre.container";
inline constexpr const char* run = "gyre.run";
inline constexpr const char* generation = "gyre.generation";  // of the order that made it
inline constexpr const char* workspace = "gyre.workspace";
inline constexpr const char* ports = "gyre.ports";            // main container: "22:34001/tcp,8888:34002/http"
inline constexpr const char* gpus = "gyre.gpus";              // main container: "GPU-1,GPU-2", simulated ones too
inline constexpr const char* network_of = "gyre.network_of";  // others: the id of the main container they belong to
inline constexpr const char* image_digest = "gyre.image_digest";
}  // namespace label

std::string label_of(const engine::Container& container, const char* name);       // "" when there is none
std::int64_t number_label(const engine::Container& container, const char* name);  // -1 when there is none
std::vector<std::string> list_label(const engine::Container& container, const char* name);
std::string ports_label(const std::vector<link::PortFacts>& ports);
std::vector<link::PortFacts> ports_of(const engine::Container& container);

// ---- what is remembered of a pod, beside its order ----

enum class OutcomeKind { exited, failed };
BOOST_DESCRIBE_ENUM(OutcomeKind, exited, failed)

// How a run came to its end; nothing is started again for it.
struct Outcome {
  std::int64_t run = 0;
  OutcomeKind kind = OutcomeKind::failed;
  std::optional<Reason> reason;
  Args args;
  bool operator==(const Outcome&) const = default;
};

// The exits of one container.
struct Restarts {
  int count = 0;                  // how often it was or will be started again
  Duration delay{0};              // the last back-off
  std::optional<Time> exit_seen;  // the exit (by its time) that `due` and `resting` speak of
  Duration due{0};                // start it again at this uptime
  bool resting = false;           // the policy lets it rest
  bool operator==(const Restarts&) const = default;
};

// What an image's name meant at its first pull; the pod keeps running that until its order names another image.
struct Pin {
  std::string digest;  // empty for an image without a registry
  std::string id;
  bool operator==(const Pin&) const = default;
};

struct Memory {
  std::int64_t started_run = -1;  // the run whose main container has run
  bool rebooted = false;  // the host restarted: what is left of before is replaced, with an empty container disk
  std::optional<Outcome> outcome;
  std::map<std::string, Restarts> restarts;  // by container
  std::map<std::string, Pin> pins;           // by image as ordered
  bool operator==(const Memory&) const = default;
};

// ---- the question ----

enum class Step {
  rest,          // nothing to do until something changes
  wait,          // until Plan::until
  note_reboot,   // what was left of before the reboot is gone
  note_exit,     // a container ended: ask the restart policy
  note_outcome,  // the run is over
  note_stopped,  // every container is gone: the run's memory may go too
  pull,          // the image of `container`
  make_network,
  make_volume,
  create,  // `container`
  start,   // ids[0]
  stop,    // all of `ids`, at once
  remove,  // ids[0]
  remove_volume,
  remove_network,
};
BOOST_DESCRIBE_ENUM(Step, rest, wait, note_reboot, note_exit, note_outcome, note_stopped, pull, make_network,
                    make_volume, create, start, stop, remove, remove_volume, remove_network)

// A step that did not work and is tried again.
struct Trouble {
  Step step = Step::rest;
  Error error;
  int attempts = 0;
  Duration since{0}, retry_at{0};  // uptime
};

struct Situation {
  const link::PodOrder& order;
  const Memory& memory;
  const std::vector<engine::Container>& seen;  // of this pod, any run
  bool looked = false;                         // `seen` is what the engine said, at some time
  Duration uptime{0};
  std::set<std::string> images_ready = {};  // by name as ordered
  bool network_ready = false, volume_ready = false;
  bool volume_removed = false, network_settled = false;
  std::optional<Error> gpu_trouble = {};  // why its GPUs cannot be used now
  std::optional<Trouble> trouble = {};
};

struct Plan {
  link::PodPhase phase = link::PodPhase::accepted;
  Step step = Step::rest;
  std::string container = {};  // its name in the pod
  std::vector<std::string> ids = {};
  std::optional<Duration> until = {};  // uptime; also the next restart
  std::optional<Reason> reason = {};
  Args args = {};
  std::optional<Outcome> outcome = {};  // with note_outcome
};

Plan plan(const Situation& situation);

// ---- the restart policy ----

struct Backoff {
  Duration first{10000}, max{300000};
  Duration good_run{600000};  // after a run as long as this the back-off begins anew
};
// What an exit means: when to start the container again, or to let it rest.
Restarts after_exit(const Restarts& before, const engine::Container& container, link::RestartPolicy policy,
                    const Backoff& backoff, Duration uptime);
Error exit_error(const engine::Container& container);  // an exit in words

// Trying again cannot help: the image or the command is wrong.
bool is_final(Reason reason);

}  // namespace gyre::agent
