#include "sim/sim_runtime.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace gyre::sim {
namespace {

TEST(SimRuntime, TimersFireInOrderOfTimeAndThenOfArrival) {
  SimRuntime runtime;
  std::string told;
  runtime.after(20ms, [&] { told += 'c'; });
  runtime.after(10ms, [&] { told += 'a'; });
  runtime.after(10ms, [&] { told += 'b'; });
  runtime.run_for(10ms);
  EXPECT_EQ(told, "ab");
  EXPECT_EQ(runtime.uptime(), 10ms);
  runtime.run_for(1s);
  EXPECT_EQ(told, "abc");
  EXPECT_EQ(runtime.uptime(), 1010ms);
}

TEST(SimRuntime, ACancelledTimerDoesNotFireAndAnUnknownOneIsNoTrouble) {
  SimRuntime runtime;
  int fired = 0;
  const auto timer = runtime.after(5ms, [&] { ++fired; });
  runtime.cancel(timer);
  runtime.cancel(timer);
  runtime.cancel(12345);
  runtime.run_for(1s);
  EXPECT_EQ(fired, 0);
}

TEST(SimRuntime, AClockJumpMovesTheWallClockOnly) {
  SimRuntime runtime;
  const auto before = runtime.now();
  int fired = 0;
  runtime.after(1min, [&] { ++fired; });
  runtime.jump_clock(-1h);
  EXPECT_EQ(runtime.now(), before - 1h);
  runtime.run_for(59s);
  EXPECT_EQ(fired, 0);
  runtime.run_for(1s);
  EXPECT_EQ(fired, 1);
}

TEST(SimRuntime, WorkIsDoneAtOnceAndAnsweredALittleLater) {
  SimRuntime runtime(7);
  bool slow = false, then = false;
  runtime.work([&] { slow = true; }, [&] { then = true; });
  EXPECT_TRUE(slow);
  EXPECT_FALSE(then);
  EXPECT_TRUE(runtime.run_until_idle(1s));
  EXPECT_TRUE(then);
}

TEST(SimRuntime, WhatRepeatsForEverIsNeverIdle) {
  SimRuntime runtime;
  Timer timer(runtime);
  int rounds = 0;
  timer.repeat(10s, [&] { ++rounds; });
  EXPECT_FALSE(runtime.run_until_idle(1min));
  EXPECT_EQ(rounds, 6);
  timer.stop();
  EXPECT_TRUE(runtime.run_until_idle(1min));
}

TEST(SimRuntime, TheSameSeedGivesTheSameRunAndAnotherSeedAnotherOne) {
  const auto run = [](std::uint64_t seed) {
    SimRuntime runtime(seed);
    std::vector<std::int64_t> told;
    std::function<void()> chain = [&] {
      told.push_back(runtime.uptime().count());
      if (told.size() < 100) runtime.work([] {}, chain);
    };
    chain();
    runtime.run_until_idle(1h);
    return std::pair(told, runtime.events_run());
  };
  EXPECT_EQ(run(3), run(3));
  EXPECT_NE(run(3), run(4));
}

}  // namespace
}  // namespace gyre::sim
