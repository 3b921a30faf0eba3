// A Runtime for tests of this folder: the test's own thread is the core. In virtual time it jumps to the next timer; in
// real time (for engines that are real) it waits for timers and for what other threads post.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <thread>
#include <vector>

#include "runtime/runtime.hpp"

namespace gyre::engine {

class TestRandom final : public Random {
 public:
  explicit TestRandom(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next() override {  // splitmix64
    state_ += 0x9e3779b97f4a7c15;
    auto z = state_;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }

 private:
  std::uint64_t state_;
};

class TestRuntime final : public Runtime {
 public:
  enum class Clock { virtual_time, real_time };
  explicit TestRuntime(Clock clock, std::uint64_t seed = 1) : clock_(clock), random_(seed) {}
  ~TestRuntime() override {
    for (auto& thread : threads_) thread.join();
  }

  // Runs callbacks until `until` is true; false when `limit` has passed before.
  bool run_until(const std::function<bool()>& until, Duration limit) {
    const auto deadline = uptime() + limit;
    while (!until()) {
      if (run_one()) continue;
      const auto next = timers_.empty() ? deadline : std::min(deadline, timers_.begin()->first.first);
      if (uptime() >= deadline) return false;
      wait_until(next);
    }
    return true;
  }
  void run_for(Duration time) {
    run_until([] { return false; }, time);
  }

  Time now() const override {
    if (clock_ == Clock::virtual_time) return Time{std::chrono::days{20'000}} + virtual_now_;
    return std::chrono::time_point_cast<Duration>(std::chrono::system_clock::now());
  }
  Duration uptime() const override {
    if (clock_ == Clock::virtual_time) return virtual_now_;
    return std::chrono::duration_cast<Duration>(std::chrono::steady_clock::now() - began_);
  }
  Random& random() override { return random_; }

  TimerId after(Duration delay, std::function<void()> callback) override {
    const auto id = ++next_timer_;
    const auto due = uptime() + delay;
    timers_[{due, id}] = std::move(callback);
    due_[id] = due;
    return id;
  }
  void cancel(TimerId timer) override {
    const auto found = due_.find(timer);
    if (found == due_.end()) return;
    timers_.erase({found->second, timer});
    due_.erase(found);
  }
  void post(std::function<void()> callback) override {
    {
      const std::lock_guard lock(mutex_);
      posted_.push_back(std::move(callback));
    }
    wake_.notify_one();
  }
  void work(std::function<void()> slow, std::function<void()> then) override {
    threads_.emplace_back([this, slow = std::move(slow), then = std::move(then)]() mutable {
      slow();
      post(std::move(then));
    });
  }

 private:
  bool run_one() {
    std::function<void()> callback;
    {
      const std::lock_guard lock(mutex_);
      if (!posted_.empty()) {
        callback = std::move(posted_.front());
        posted_.pop_front();
      }
    }
    if (!callback && !timers_.empty() && timers_.begin()->first.first <= uptime()) {
      callback = std::move(timers_.begin()->second);
      due_.erase(timers_.begin()->first.second);
      timers_.erase(timers_.begin());
    }
    if (callback) callback();
    return callback != nullptr;
  }
  void wait_until(Duration when) {
    if (clock_ == Clock::virtual_time) {
      virtual_now_ = when;
      return;
    }
    std::unique_lock lock(mutex_);
    wake_.wait_until(lock, began_ + when, [&] { return !posted_.empty(); });
  }

  Clock clock_;
  TestRandom random_;
  Duration virtual_now_{0};
  std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
  TimerId next_timer_ = 0;
  std::map<std::pair<Duration, TimerId>, std::function<void()>> timers_;
  std::map<TimerId, Duration> due_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> posted_;
  std::vector<std::thread> threads_;
};

}  // namespace gyre::engine
