// A hostile afternoon as data: what is asked and what goes wrong, minute by minute. A seed makes one; playing it builds
// a World, does what it says, checks the invariants each simulated minute, and at the end heals everything and asks
// that every acknowledged promise is kept. Because it is data, a history that fails can be shortened to what the
// failure needs.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "sim/world.hpp"

namespace gyre::sim {

struct Step {
  enum class Kind {
    create,  // pod number `which`: with `image`, `volume_gb`, `gpus`, `bid`
    remove,  // ... and the verbs, on the pod of that number, if it was acknowledged
    stop,
    start,
    restart,
    sync,          // of its volume to a bucket
    fail_commits,  // the server's next 1 + `image` do
    crash_server,
    restart_server,
    crash_agent,  // of host number `which`, as all that follow
    lose_journal,
    reboot,  // away for `span`
    engine_down,
    cut_link,
    fill_disk,
    engine_faults,
    crash_container,  // the one of number `image`, counted round
    mend_host,        // its agent, engine, disk and link are well again
    jump_clock,       // by `span`
  };
  BOOST_DESCRIBE_NESTED_ENUM(Kind, create, remove, stop, start, restart, sync, fail_commits, crash_server,
                             restart_server, crash_agent, lose_journal, reboot, engine_down, cut_link, fill_disk,
                             engine_faults, crash_container, mend_host, jump_clock)

  int minute = 0;
  Kind kind = Kind::create;
  int which = 0;
  int image = 0, volume_gb = 0, gpus = 0;
  int bid = 0;  // cents; 0: on demand
  Duration span{};
};

struct History {
  std::uint64_t seed = 1;  // of the world's own dice: latencies, losses, ids
  LinkFaults link;
  std::vector<int> gpus_of_hosts;
  int minutes = 0;  // then the faults end
  std::vector<Step> steps;
};

// The seed also picks how hostile the world is, so that every run stresses something else.
History make_history(std::uint64_t seed, int minutes);

// "minute 12: agent of host 1 crashes", a line a step, after a line about the world.
std::string to_text(const History& history);

struct Failure {
  int minute = 0;     // when it was seen; `minutes` and more: after the faults had ended
  std::string words;  // the first thing that was wrong
};
struct Outcome {
  std::optional<Failure> failure;
  std::uint64_t events = 0;  // that the world ran: the same history has the same number
  std::string last_answer;   // the list of pods at the end
};
Outcome play(const History& history);

// `play` in a process of its own, so that an abort or a history that never ends is a failure like any other.
Outcome play_apart(const History& history, Duration limit = 120s);

// The shortest history found that still fails, by leaving out steps (delta debugging), hosts' faults and the time after
// the failure; at most `tries` plays. `fails` is asked each time; whatever the failure's words then are, it counts.
History shortest(History failing, const std::function<std::optional<Failure>(const History&)>& fails, int tries = 400);

}  // namespace gyre::sim
