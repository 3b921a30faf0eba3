// The port to time, chance and threads. Production: Asio on one core thread (asio_runtime.hpp). Tests and the
// simulator: a queue of virtual time (sim/sim_runtime.hpp). Nothing else in the house may ask a clock or a random
// device.
#pragma once

#include <functional>
#include <memory>
#include <stdexcept>
#include <string>

#include "base/time.hpp"

namespace gyre {

// Randomness for ids, tokens and back-off. Production draws from the operating system, the simulator from its seed.
class Random {
 public:
  virtual ~Random() = default;
  virtual std::uint64_t next() = 0;

  std::uint64_t below(std::uint64_t limit);           // uniform in [0, limit); limit > 0
  double unit();                                      // uniform in [0, 1)
  std::string bytes(std::size_t count);               // raw
  std::string letters_and_digits(std::size_t count);  // lower-case [a-z0-9], the alphabet of every id
};

using TimerId = std::uint64_t;

// The queue of the worker pool is full. Thrown into the task that wanted more work, which undoes it: better one refusal
// now than a queue that only grows.
struct WorkersBusy : std::runtime_error {
  WorkersBusy() : std::runtime_error("too much work is waiting for the worker pool") {}
};

class Runtime {
 public:
  virtual ~Runtime() = default;

  virtual Time now() const = 0;         // wall clock, UTC; may jump
  virtual Duration uptime() const = 0;  // monotonic since the runtime was made; use it for time-outs
  virtual Random& random() = 0;

  // All callbacks run on the core thread, one at a time, each to its end. Timers run on the monotonic clock.
  virtual TimerId after(Duration delay, std::function<void()> callback) = 0;
  virtual void cancel(TimerId timer) = 0;                 // unknown or fired: nothing happens
  virtual void post(std::function<void()> callback) = 0;  // from any thread

  // `slow` on a worker thread (hashing, files, a blocking socket), then `then` on the core thread. Bounded: throws
  // WorkersBusy when too many wait. `slow` keeps its troubles in what it returns: if an exception escapes it, it is
  // logged and `then` is not called.
  virtual void work(std::function<void()> slow, std::function<void()> then) = 0;
};

// A timer that ends with its owner. `start` replaces what was waiting.
class Timer {
 public:
  explicit Timer(Runtime& runtime) : runtime_(runtime) {}
  ~Timer() { stop(); }
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  void start(Duration delay, std::function<void()> callback);
  void repeat(Duration period, std::function<void()> callback);  // first call after one period
  void stop();
  bool waiting() const { return id_ != 0; }

 private:
  Runtime& runtime_;
  TimerId id_ = 0;
};

// Guards callbacks that may come back after their owner is gone: `alive.guard(f)` does nothing once `alive` is
// destroyed. Core thread only.
class Alive {
 public:
  template <class F>
  auto guard(F callback) const {
    return [weak = std::weak_ptr<int>(token_), callback = std::move(callback)](auto&&... args) mutable {
      if (weak.lock()) callback(std::forward<decltype(args)>(args)...);
    };
  }

 private:
  std::shared_ptr<int> token_ = std::make_shared<int>(0);
};

}  // namespace gyre
