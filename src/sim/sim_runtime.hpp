// The runtime of the simulated world: virtual time, a seeded dice, one thread. Timers and posts are one queue ordered
// by (time, order of arrival), so that the same seed gives the same run; `events_run` is the cheap way to check that.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <unordered_map>
#include <utility>

#include "runtime/runtime.hpp"

namespace gyre::sim {

// splitmix64. Split the seed for independent streams: `SimRandom dice(seed ^ 0x5eed)`.
class SimRandom final : public Random {
 public:
  explicit SimRandom(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next() override;
  bool chance(double probability) { return unit() < probability; }

 private:
  std::uint64_t state_;
};

class SimRuntime final : public Runtime {
 public:
  explicit SimRuntime(std::uint64_t seed = 1);
  SimRuntime(const SimRuntime&) = delete;
  SimRuntime& operator=(const SimRuntime&) = delete;

  Time now() const override { return wall_at_start_ + uptime_; }
  Duration uptime() const override { return uptime_; }
  Random& random() override { return random_; }

  TimerId after(Duration delay, std::function<void()> callback) override;  // a negative delay counts as none
  void cancel(TimerId timer) override;
  void post(std::function<void()> callback) override;  // runs at this very time, after what waits for it already
  // `slow` runs at once, `then` between 0 and `work_delay_max` later, as the seed will have it.
  void work(std::function<void()> slow, std::function<void()> then) override;

  // Runs everything due within `span`, in order, and leaves the clock exactly `span` later.
  void run_for(Duration span);
  // Runs until nothing waits, or until the next event lies more than `max` ahead of where the clock was at the call.
  // True when nothing waits any more. Something that repeats for ever never becomes idle: hence the limit.
  bool run_until_idle(Duration max);
  // Runs the next event, however far ahead; false when there is none.
  bool step();

  void jump_clock(Duration by) { wall_at_start_ += by; }  // the wall clock jumps; timers and uptime do not notice
  void set_work_delay_max(Duration max) { work_delay_max_ = max; }

  std::uint64_t events_run() const { return events_run_; }
  std::size_t waiting() const { return queue_.size(); }

 private:
  using Key = std::pair<Duration, std::uint64_t>;  // when, then in the order they were asked for

  std::map<Key, std::function<void()>> queue_;
  std::unordered_map<TimerId, Key> timers_;
  std::uint64_t order_ = 0;
  std::uint64_t events_run_ = 0;
  Duration uptime_{0};
  Duration work_delay_max_{20};
  Time wall_at_start_;
  SimRandom random_;
  SimRandom work_dice_;  // its own stream: how slow a worker is must not change what ids are drawn
};

}  // namespace gyre::sim
