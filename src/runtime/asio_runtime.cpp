#include "runtime/asio_runtime.hpp"

#include <pthread.h>

#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <unordered_map>

#include "base/check.hpp"
#include "base/log.hpp"
#include "runtime/os_random.hpp"

namespace gyre {
namespace {

namespace asio = boost::asio;
using Clock = std::chrono::steady_clock;
using Executor = asio::io_context::executor_type;
using Alarm = asio::basic_waitable_timer<Clock, asio::wait_traits<Clock>, Executor>;
using SignalSet = asio::basic_signal_set<Executor>;

}  // namespace

// Posts and timers wait in containers of our own rather than in Asio's queue: what is left at the end is then destroyed
// while the runtime is whole, so that a destructor among it may still cancel a timer.
struct AsioRuntime::Impl {
  struct Work {
    std::function<void()> slow, then;
  };
  struct Watch {
    Watch(const Executor& executor, std::function<void(int)> calls) : signals(executor), callback(std::move(calls)) {}
    SignalSet signals;
    std::function<void(int)> callback;
  };

  explicit Impl(Options with) : options(with), alarm(context.get_executor()) {}

  // ---- the core thread ----

  void run() {
    {
      const std::lock_guard lock(mutex);
      CHECK(state == State::fresh || state == State::stopped);
      if (state == State::fresh) state = State::running;
      core = std::this_thread::get_id();
    }
    const auto busy = asio::make_work_guard(context);
    context.run();
    let_go();
    const std::lock_guard lock(mutex);
    state = State::finished;
    core = std::thread::id{};
    finished.notify_all();
  }

  bool on_core() const {
    const auto thread = core.load();
    return thread == std::thread::id{} || thread == std::this_thread::get_id();
  }

  void guarded(const std::function<void()>& callback) {
    try {
      callback();
    } catch (const std::exception& problem) {
      // One bad request must not take the server down; the core's tasks have undone their rows before this.
      ++failed_callbacks;
      log::error("callback failed", {{"problem", problem.what()}});
    }
  }

  void run_posted() {
    std::deque<std::function<void()>> batch;
    {
      const std::lock_guard lock(mutex);
      batch.swap(posted);
      wake_sent = false;
    }
    posted_in_batch = batch.size();
    while (!batch.empty() && !stopping) {
      const auto callback = std::move(batch.front());
      batch.pop_front();
      --posted_in_batch;
      guarded(callback);
    }
    posted_in_batch = 0;
    const std::lock_guard lock(mutex);  // stopped half-way: let_go destroys the rest
    for (auto& left : batch) dropped.push_back(std::move(left));
  }

  void arm() {
    if (timers.empty() || stopping) return;
    const auto first = timers.begin()->first.first;
    if (armed_for && *armed_for <= first) return;
    armed_for = first;
    alarm.expires_at(first);  // cancels the wait that was there
    alarm.async_wait([this](const boost::system::error_code& cancelled) {
      if (!cancelled) run_due();
    });
  }

  void run_due() {
    armed_for.reset();
    const auto now = Clock::now();
    const auto made_before = next_timer;  // a timer of zero delay that makes itself again waits for the next round
    for (auto at = timers.begin(); at != timers.end() && at->first.first <= now && !stopping;) {
      if (at->first.second >= made_before) {
        ++at;
        continue;
      }
      const auto callback = std::move(at->second);
      due_of.erase(at->first.second);
      timers.erase(at);
      guarded(callback);
      at = timers.begin();
    }
    arm();
  }

  void wait_for(const std::shared_ptr<Watch>& watch) {
    watch->signals.async_wait([this, watch](const boost::system::error_code& cancelled, int signal) {
      if (cancelled || stopping) return;
      guarded([&] { watch->callback(signal); });
      if (!stopping) wait_for(watch);
    });
  }

  // ---- workers ----

  void start_workers() {  // with the mutex held
    while (workers.size() < std::max(1u, options.workers))
      workers.emplace_back([this] {
        ::pthread_setname_np(::pthread_self(), "gyre-work");
        work_loop();
      });
  }

  void work_loop() {
    std::unique_lock lock(mutex);
    for (;;) {
      work_ready.wait(lock, [this] { return stopping || !work.empty(); });
      if (stopping) return;
      auto mine = std::move(work.front());
      work.pop_front();
      ++work_running;
      lock.unlock();
      std::function<void()> next = std::move(mine.then);
      try {
        mine.slow();
      } catch (const std::exception& problem) {
        // `then` would read a result that was never made; the loss is reported where callbacks' accidents are.
        next = [what = std::string(problem.what())] { throw std::runtime_error("work failed: " + what); };
      }
      mine.slow = nullptr;  // what it owned goes before `then` is told
      enqueue(std::move(next));
      lock.lock();
      --work_running;
    }
  }

  void enqueue(std::function<void()> callback) {
    {
      const std::lock_guard lock(mutex);
      if (!stopping) {
        posted.push_back(std::move(callback));
        if (wake_sent) return;
        wake_sent = true;
        asio::post(context, [this] { run_posted(); });
        return;
      }
    }
    // Stopping: `callback` is destroyed here, outside the lock, as its destructor may come back to us.
  }

  // ---- the end ----

  void begin_stop() {
    {
      const std::lock_guard lock(mutex);
      stopping = true;
      if (state == State::fresh) state = State::stopped;
    }
    work_ready.notify_all();
    context.stop();
  }

  // Joins the workers and destroys what waited, with nothing locked.
  void let_go() {
    std::vector<std::thread> joined;
    {
      const std::lock_guard lock(mutex);
      joined.swap(workers);
    }
    for (auto& worker : joined) worker.join();
    for (;;) {
      decltype(posted) old_posts, old_dropped;
      decltype(work) old_work;
      decltype(timers) old_timers;
      decltype(watches) old_watches;
      {
        const std::lock_guard lock(mutex);
        old_posts.swap(posted);
        old_dropped.swap(dropped);
        old_work.swap(work);
      }
      old_timers.swap(timers);
      old_watches.swap(watches);
      due_of.clear();
      if (old_posts.empty() && old_dropped.empty() && old_work.empty() && old_timers.empty() && old_watches.empty())
        return;
      for (auto& watch : old_watches) watch->callback = nullptr;
    }
  }

  enum class State { fresh, running, stopped, finished };

  const Options options;
  const Clock::time_point made = Clock::now();
  OsRandom random;

  asio::io_context context{1};
  Alarm alarm;
  std::optional<Clock::time_point> armed_for;
  std::map<std::pair<Clock::time_point, TimerId>, std::function<void()>> timers;
  std::unordered_map<TimerId, Clock::time_point> due_of;
  TimerId next_timer = 1;
  std::vector<std::shared_ptr<Watch>> watches;
  std::atomic<std::thread::id> core{};
  std::atomic<std::size_t> posted_in_batch = 0;
  std::atomic<std::uint64_t> failed_callbacks = 0;

  mutable std::mutex mutex;
  std::condition_variable work_ready, finished;
  std::atomic<bool> stopping = false;  // written with the mutex held
  State state = State::fresh;
  std::deque<std::function<void()>> posted, dropped;
  bool wake_sent = false;
  std::deque<Work> work;
  std::size_t work_running = 0;
  std::vector<std::thread> workers;
};

AsioRuntime::AsioRuntime() : AsioRuntime(Options{}) {}
AsioRuntime::AsioRuntime(Options options) : impl_(std::make_unique<Impl>(options)) {}

AsioRuntime::~AsioRuntime() {
  impl_->begin_stop();
  impl_->let_go();
}

void AsioRuntime::run() { impl_->run(); }

void AsioRuntime::stop() {
  impl_->begin_stop();
  if (impl_->core.load() == std::this_thread::get_id()) return;
  std::unique_lock lock(impl_->mutex);
  impl_->finished.wait(lock, [this] { return impl_->state != Impl::State::running; });
}

void AsioRuntime::on_signal(std::vector<int> signals, std::function<void(int)> callback) {
  CHECK(impl_->on_core());
  if (impl_->stopping) return;
  auto watch = std::make_shared<Impl::Watch>(impl_->context.get_executor(), std::move(callback));
  for (const int signal : signals) watch->signals.add(signal);
  impl_->watches.push_back(watch);
  impl_->wait_for(watch);
}

Time AsioRuntime::now() const { return std::chrono::floor<Duration>(std::chrono::system_clock::now()); }
Duration AsioRuntime::uptime() const { return std::chrono::floor<Duration>(Clock::now() - impl_->made); }
Random& AsioRuntime::random() { return impl_->random; }

TimerId AsioRuntime::after(Duration delay, std::function<void()> callback) {
  CHECK(impl_->on_core());
  const auto id = impl_->next_timer++;
  if (impl_->stopping) return id;
  const auto due = Clock::now() + std::max(delay, Duration::zero());
  impl_->timers.emplace(std::pair(due, id), std::move(callback));
  impl_->due_of.emplace(id, due);
  impl_->arm();
  return id;
}

void AsioRuntime::cancel(TimerId timer) {
  CHECK(impl_->on_core());
  const auto found = impl_->due_of.find(timer);
  if (found == impl_->due_of.end()) return;
  const auto waiting = impl_->timers.extract(std::pair(found->second, timer));
  impl_->due_of.erase(found);
  // `waiting` is destroyed last: what it owns may come back to us.
}

void AsioRuntime::post(std::function<void()> callback) { impl_->enqueue(std::move(callback)); }

void AsioRuntime::work(std::function<void()> slow, std::function<void()> then) {
  {
    const std::lock_guard lock(impl_->mutex);
    if (impl_->stopping) return;
    if (impl_->work.size() >= impl_->options.work_queue_max) throw WorkersBusy();
    impl_->work.push_back({std::move(slow), std::move(then)});
    impl_->start_workers();
  }
  impl_->work_ready.notify_one();
}

AsioRuntime::Counters AsioRuntime::counters() const {
  const std::lock_guard lock(impl_->mutex);
  return {.posts_waiting = impl_->posted.size() + impl_->posted_in_batch,
          .work_waiting = impl_->work.size(),
          .work_running = impl_->work_running,
          .failed_callbacks = impl_->failed_callbacks};
}

}  // namespace gyre
