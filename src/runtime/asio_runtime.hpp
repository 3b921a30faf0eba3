// The production Runtime: one core thread (the one that calls `run`), timers on the monotonic clock, a bounded pool of
// worker threads, randomness from the operating system, and POSIX signals as callbacks.
#pragma once

#include <memory>
#include <vector>

#include "runtime/runtime.hpp"

namespace gyre {

class AsioRuntime final : public Runtime {
 public:
  struct Options {
    unsigned workers = 2;               // threads for `work`; they start with the first piece of work
    std::size_t work_queue_max = 1024;  // pieces of work that may wait; one more and `work` throws WorkersBusy
  };

  AsioRuntime();
  explicit AsioRuntime(Options options);
  ~AsioRuntime() override;  // not while `run` is running

  // The calling thread becomes the core thread until `stop`. Once. When it returns, no callback and no work is running,
  // none will run, and all that still waited has been destroyed (so what those callbacks owned is gone too).
  void run();

  // From any thread, but not from within `slow` work. No further callback begins. From another thread than the core's,
  // it also waits until `run` has let go of everything. Later posts and timers are dropped.
  void stop();

  // Calls back on the core thread with the number of each signal that arrives, until `stop`. Core thread, or before
  // run.
  void on_signal(std::vector<int> signals, std::function<void(int)> callback);

  Time now() const override;
  Duration uptime() const override;
  Random& random() override;  // any thread

  // `after` and `cancel`: on the core thread (or before and after `run`). Timers due at the same time fire in the order
  // they were made. `post` and `work`: from any thread, in order.
  TimerId after(Duration delay, std::function<void()> callback) override;
  void cancel(TimerId timer) override;
  void post(std::function<void()> callback) override;
  void work(std::function<void()> slow, std::function<void()> then) override;

  struct Counters {
    std::size_t posts_waiting = 0, work_waiting = 0, work_running = 0;
    std::uint64_t failed_callbacks = 0;  // an exception escaped; it was logged and the loop went on
  };
  Counters counters() const;  // any thread

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace gyre
