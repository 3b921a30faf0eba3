#include <gtest/gtest.h>
#include <signal.h>

#include <atomic>
#include <future>
#include <set>
#include <thread>

#include "runtime/asio_runtime.hpp"
#include "runtime/os_random.hpp"

namespace gyre {
namespace {

// Gives what the test says, then zeros.
class ScriptedRandom final : public Random {
 public:
  explicit ScriptedRandom(std::vector<std::uint64_t> numbers) : numbers_(std::move(numbers)) {}
  std::uint64_t next() override {
    ++drawn;
    return at_ < numbers_.size() ? numbers_[at_++] : 0;
  }
  int drawn = 0;

 private:
  std::vector<std::uint64_t> numbers_;
  std::size_t at_ = 0;
};

TEST(Random, DrawsAgainRatherThanPreferSmallNumbers) {
  // 2^64 mod 10 is 6: the numbers 0 to 5 would make 0 to 5 likelier than 6 to 9.
  ScriptedRandom random({0, 5, 16});
  EXPECT_EQ(random.below(10), 6u);
  EXPECT_EQ(random.drawn, 3);
}

TEST(Random, IsSpreadEvenly) {
  OsRandom random;
  std::array<int, 6> seen{};
  for (int i = 0; i < 60'000; ++i) ++seen[random.below(6)];
  for (const int count : seen) EXPECT_NEAR(count, 10'000, 600);  // over six standard deviations
  for (int i = 0; i < 1000; ++i) {
    const double unit = random.unit();
    EXPECT_GE(unit, 0.0);
    EXPECT_LT(unit, 1.0);
  }
}

TEST(Random, NeverGivesTheSameIdTwice) {
  std::set<std::string> ids;
  std::mutex mutex;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      OsRandom random;
      for (int i = 0; i < 2000; ++i) {
        const auto id = random.letters_and_digits(14);
        EXPECT_EQ(id.size(), 14u);
        EXPECT_EQ(id.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789"), std::string::npos);
        const std::lock_guard lock(mutex);
        EXPECT_TRUE(ids.insert(id).second);
      }
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(OsRandom().bytes(13).size(), 13u);
}

TEST(Timer, FiresOnceAndInTheOrderOfTime) {
  AsioRuntime runtime;
  std::string order;
  Timer early(runtime), late(runtime), replaced(runtime);
  late.start(30ms, [&] {
    order += "late ";
    EXPECT_FALSE(late.waiting());
    runtime.stop();
  });
  early.start(5ms, [&] { order += "early "; });
  replaced.start(1ms, [&] { order += "never "; });
  replaced.start(10ms, [&] { order += "replaced "; });
  EXPECT_TRUE(early.waiting());
  const auto before = runtime.uptime();
  runtime.run();
  EXPECT_EQ(order, "early replaced late ");
  EXPECT_GE(runtime.uptime() - before, 30ms);
}

TEST(Timer, OfTheSameTimeFireInTheOrderTheyWereMade) {
  AsioRuntime runtime;
  std::vector<int> order;
  for (int i = 0; i < 100; ++i) runtime.after(0ms, [&, i] { order.push_back(i); });
  runtime.after(20ms, [&] { runtime.stop(); });
  runtime.run();
  ASSERT_EQ(order.size(), 100u);
  EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
}

TEST(Timer, MayStopRestartOrDestroyItselfInItsCallback) {
  AsioRuntime runtime;
  int stopped = 0, destroyed = 0, restarted = 0;
  Timer stops(runtime);
  stops.repeat(1ms, [&] {
    if (++stopped == 3) stops.stop();
  });
  auto destroys = std::make_unique<Timer>(runtime);
  destroys->repeat(1ms, [&, alive = std::make_shared<int>(7)] {
    destroys.reset();
    destroyed += *alive;  // the callback's own captures live until it returns
  });
  Timer restarts(runtime);
  restarts.start(1ms, [&] { restarts.start(1ms, [&] { ++restarted; }); });
  runtime.after(60ms, [&] { runtime.stop(); });
  runtime.run();
  EXPECT_EQ(stopped, 3);
  EXPECT_EQ(destroyed, 7);
  EXPECT_EQ(restarted, 1);
}

TEST(Timer, ThatCancelsItsNeighbourInTheSameMomentKeepsItFromFiring) {
  AsioRuntime runtime;
  bool fired = false;
  TimerId second = 0;
  runtime.after(1ms, [&] { runtime.cancel(second); });
  second = runtime.after(1ms, [&] { fired = true; });
  runtime.after(15ms, [&] { runtime.stop(); });
  std::this_thread::sleep_for(2ms);  // both are due when the loop looks at them
  runtime.run();
  EXPECT_FALSE(fired);
}

TEST(Timer, OfNoDelayThatMakesItselfAgainDoesNotStarvePosts) {
  AsioRuntime runtime;
  int rounds = 0;
  std::function<void()> again = [&] {
    ++rounds;
    runtime.after(0ms, again);
  };
  runtime.after(0ms, again);
  runtime.after(5ms, [&] { runtime.post([&] { runtime.stop(); }); });
  runtime.run();
  EXPECT_GT(rounds, 1);
}

TEST(Timer, EndsWithItsOwner) {
  AsioRuntime runtime;
  bool fired = false;
  {
    Timer timer(runtime);
    timer.start(1ms, [&] { fired = true; });
  }
  runtime.after(10ms, [&] { runtime.stop(); });
  runtime.run();
  EXPECT_FALSE(fired);
}

TEST(Alive, SilencesCallbacksOfAnOwnerThatIsGone) {
  int calls = 0;
  auto alive = std::make_unique<Alive>();
  auto guarded = alive->guard([&](int by) { calls += by; });
  guarded(2);
  alive.reset();
  guarded(5);
  EXPECT_EQ(calls, 2);
}

TEST(AsioRuntime, RunsPostsOfManyThreadsOneAtATimeAndInEachOnesOrder) {
  AsioRuntime runtime;
  constexpr int threads = 4, each = 5000;
  std::array<int, threads> last{};
  int done = 0;
  std::thread::id core;
  std::vector<std::thread> posting;
  for (int t = 0; t < threads; ++t)
    posting.emplace_back([&, t] {
      for (int i = 1; i <= each; ++i)
        runtime.post([&, t, i] {  // plain ints: the thread sanitizer would see a second thread
          EXPECT_EQ(last[t] + 1, i);
          last[t] = i;
          EXPECT_EQ(core, std::this_thread::get_id());
          if (++done == threads * each) runtime.stop();
        });
    });
  core = std::this_thread::get_id();
  runtime.run();
  for (auto& thread : posting) thread.join();
  EXPECT_EQ(done, threads * each);
}

TEST(AsioRuntime, DoesSlowWorkElsewhereAndComesBackToTheCore) {
  AsioRuntime runtime({.workers = 2});
  const auto core = std::this_thread::get_id();
  std::thread::id worker;
  bool timer_meanwhile = false;
  std::promise<void> release;
  runtime.work(
      [&] {
        worker = std::this_thread::get_id();
        release.get_future().wait();  // the core goes on while this waits
      },
      [&] {
        EXPECT_EQ(std::this_thread::get_id(), core);
        EXPECT_TRUE(timer_meanwhile);
        runtime.stop();
      });
  runtime.after(1ms, [&] {
    timer_meanwhile = true;
    release.set_value();
  });
  runtime.run();
  EXPECT_NE(worker, core);
  EXPECT_NE(worker, std::thread::id{});
}

TEST(AsioRuntime, RefusesWorkBeyondItsQueueAndTakesItAgainLater) {
  AsioRuntime runtime({.workers = 1, .work_queue_max = 2});
  std::promise<void> release, started;
  int done = 0;
  const auto count = [&] {
    if (++done == 3) runtime.stop();
  };
  runtime.work(
      [&] {
        started.set_value();
        release.get_future().wait();
      },
      count);
  started.get_future().wait();
  runtime.work([] {}, count);
  runtime.work([] {}, count);
  EXPECT_EQ(runtime.counters().work_waiting, 2u);
  EXPECT_THROW(runtime.work([] {}, [] { FAIL() << "was refused"; }), WorkersBusy);
  release.set_value();
  runtime.run();
  EXPECT_EQ(done, 3);
  EXPECT_EQ(runtime.counters().work_waiting, 0u);
}

TEST(AsioRuntime, OutlivesAnExceptionAndCountsIt) {
  AsioRuntime runtime;
  bool then_called = false, later = false;
  runtime.post([] { throw std::runtime_error("a post"); });
  runtime.after(0ms, [] { throw std::runtime_error("a timer"); });
  runtime.work([] { throw std::runtime_error("work"); }, [&] { then_called = true; });
  Timer poll(runtime);
  poll.repeat(1ms, [&] {
    if (runtime.counters().failed_callbacks < 3) return;
    later = true;
    runtime.stop();
  });
  runtime.run();
  EXPECT_TRUE(later);
  EXPECT_FALSE(then_called);
  EXPECT_EQ(runtime.counters().failed_callbacks, 3u);
}

TEST(AsioRuntime, RunsNothingAfterStopHasReturned) {
  for (int round = 0; round < 50; ++round) {
    AsioRuntime runtime;
    std::atomic<bool> stopped = false, too_late = false;
    std::function<void()> forever = [&] {
      if (stopped) too_late = true;
      runtime.post(forever);
      runtime.work([&] { too_late = too_late || stopped; }, [&] { too_late = too_late || stopped; });
    };
    runtime.post(forever);
    std::thread core([&] { runtime.run(); });
    while (runtime.counters().work_running == 0) std::this_thread::yield();
    runtime.stop();
    stopped = true;
    runtime.post([&] { too_late = true; });
    std::this_thread::sleep_for(1ms);  // time for a mistake to show
    EXPECT_FALSE(too_late);
    core.join();
  }
}

TEST(AsioRuntime, StoppedBeforeItRunsItReturnsAtOnce) {
  AsioRuntime runtime;
  runtime.post([] { FAIL(); });
  runtime.stop();
  runtime.run();
}

// What a forgotten callback owns may hold timers, and may post, while it is destroyed.
struct Owner {
  explicit Owner(Runtime& with, int& count) : runtime(with), timer(with), destroyed(count) {
    timer.start(1h, [] {});
  }
  ~Owner() {
    runtime.post([] { FAIL(); });
    runtime.after(0ms, [] { FAIL(); });
    ++destroyed;
  }
  Runtime& runtime;
  Timer timer;
  int& destroyed;
};

TEST(AsioRuntime, DestroysWhatStillWaitedBeforeRunReturns) {
  int destroyed = 0;
  AsioRuntime runtime({.workers = 1});
  runtime.after(1h, [owner = std::make_shared<Owner>(runtime, destroyed)] {});
  runtime.post([&] {
    runtime.stop();
    runtime.post([] { FAIL(); });
  });
  runtime.post([owner = std::make_shared<Owner>(runtime, destroyed)] { FAIL(); });
  runtime.run();
  EXPECT_EQ(destroyed, 2);
}

TEST(AsioRuntime, TellsOfSignalsOnTheCoreThread) {
  AsioRuntime runtime;
  std::vector<int> seen;
  runtime.on_signal({SIGUSR1, SIGUSR2}, [&](int signal) {
    seen.push_back(signal);
    if (seen.size() == 1)
      ::raise(SIGUSR2);
    else
      runtime.stop();
  });
  runtime.after(1ms, [] { ::raise(SIGUSR1); });
  runtime.run();
  EXPECT_EQ(seen, (std::vector<int>{SIGUSR1, SIGUSR2}));
}

TEST(AsioRuntime, KnowsTheTime) {
  AsioRuntime runtime;
  const auto wall = std::chrono::system_clock::now();
  EXPECT_LT(std::chrono::abs(runtime.now() - wall), 1s);
  const auto first = runtime.uptime();
  EXPECT_GE(runtime.uptime(), first);
  EXPECT_LT(first, 10s);
}

}  // namespace
}  // namespace gyre
