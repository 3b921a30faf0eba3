// Turns what the machine counts into what people read: percent of the vCPUs assigned, MB, Kbps; samples into slots of
// ten seconds; and keeps the slots until the server has written them down. No clock and no engine: whoever looks at the
// machine says when it looked. What was not measured stays a gap, never a zero and never a guess.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "engine/engine.hpp"
#include "link/messages.hpp"

namespace gyre::agent {

class Meter {
 public:
  static constexpr Duration longest_gap{30'000};        // between two readings that still make a rate
  static constexpr std::size_t slots_max = 6 * 360;     // kept while the server is away: six hours
  static constexpr std::size_t subjects_max = 200'000;  // ... of at most so many lines, the oldest go first
  static constexpr std::size_t slots_per_message = 60;
  static constexpr std::size_t subjects_per_message = 5'000;
  static constexpr Duration say_again_after{30'000};

  // One look at one running container. `stats` is absent when the engine did not say.
  struct Container {
    PodId pod;
    std::string name, id;
    double vcpus = 0;       // assigned
    Duration looked_at{0};  // uptime
    std::optional<engine::ContainerStats> stats;
  };
  struct Pod {
    PodId id;
    std::optional<std::int64_t> container_disk_bytes, volume_bytes;
  };
  struct Gpu {
    std::string uuid;
    PodId pod;  // empty: nobody's
    int utilisation_percent = 0;
    std::int64_t memory_bytes = 0;
    int temperature_celsius = 0, power_watts = 0;
  };
  struct Host {
    std::int64_t cpu_busy_ticks = 0, cpu_all_ticks = 0;  // since it was booted
    std::int64_t memory_bytes = 0, disk_free_bytes = 0;
  };
  struct Look {
    Time at{};  // by the wall clock, which may jump: it only names the slot
    std::vector<Container> containers;
    std::vector<Pod> pods;  // those of which something runs
    std::vector<Gpu> gpus;
    std::optional<Host> host;
  };
  void add(const Look& look);

  // What to say now. Closed slots are said again until `taken` names a message that had them.
  link::Metrics message(Duration uptime);
  void taken(std::uint64_t number);
  void disconnected();  // what was said last may not have arrived

  std::size_t kept() const { return kept_.size(); }

 private:
  using Key = std::tuple<link::MetricKind, PodId, std::string>;
  struct Sum {
    double sum = 0;
    int count = 0;
  };
  struct Kept {
    link::MetricSlot slot;
    std::uint64_t said_in = 0;  // 0: not yet
    Duration said_at{0};
  };
  struct Before {
    Duration at{0};
    engine::ContainerStats stats;
  };
  void count(const link::MetricSubject& subject);
  link::MetricSlot open_slot() const;
  void close_slot();

  std::map<std::string, Before> before_;  // by container id
  std::optional<Host> host_before_;
  std::optional<Time> open_start_;
  int open_samples_ = 0;
  std::map<Key, std::vector<Sum>> open_;
  std::optional<link::MetricSlot> last_;  // the last sample alone; said once
  std::deque<Kept> kept_;
  std::size_t kept_subjects_ = 0;
  std::uint64_t number_ = 0;
};

}  // namespace gyre::agent
