#include "sim/sim_runtime.hpp"

#include <algorithm>

namespace gyre::sim {

std::uint64_t SimRandom::next() {
  state_ += 0x9e3779b97f4a7c15;
  auto mixed = state_;
  mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9;
  mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111eb;
  return mixed ^ (mixed >> 31);
}

SimRuntime::SimRuntime(std::uint64_t seed)
    : wall_at_start_(std::chrono::sys_days(std::chrono::year(2026) / 1 / 1)), random_(seed), work_dice_(~seed) {}

TimerId SimRuntime::after(Duration delay, std::function<void()> callback) {
  const Key key{uptime_ + std::max(delay, Duration(0)), ++order_};
  queue_.emplace(key, std::move(callback));
  timers_.emplace(key.second, key);
  return key.second;
}

void SimRuntime::cancel(TimerId timer) {
  const auto found = timers_.find(timer);
  if (found == timers_.end()) return;
  // Kept until the entry is out of both maps: destroying a callback may cancel other timers.
  const auto ended = queue_.extract(found->second);
  timers_.erase(found);
}

void SimRuntime::post(std::function<void()> callback) { after(Duration(0), std::move(callback)); }

void SimRuntime::work(std::function<void()> slow, std::function<void()> then) {
  slow();
  const auto choices = static_cast<std::uint64_t>(work_delay_max_.count()) + 1;
  after(Duration(static_cast<Duration::rep>(work_dice_.below(choices))), std::move(then));
}

bool SimRuntime::step() {
  if (queue_.empty()) return false;
  auto entry = queue_.extract(queue_.begin());
  timers_.erase(entry.key().second);
  uptime_ = entry.key().first;
  ++events_run_;
  entry.mapped()();
  return true;
}

void SimRuntime::run_for(Duration span) {
  const auto until = uptime_ + span;
  while (!queue_.empty() && queue_.begin()->first.first <= until) step();
  uptime_ = until;
}

bool SimRuntime::run_until_idle(Duration max) {
  const auto until = uptime_ + max;
  while (!queue_.empty() && queue_.begin()->first.first <= until) step();
  return queue_.empty();
}

}  // namespace gyre::sim
