// Hostile worlds: every seed is another history of calls, crashes and lost messages; the invariants of World::check
// hold at every simulated minute, and once the faults end, what runs is what was asked for.
//
// GYRE_SIM_SEEDS (default 200) says how many, GYRE_SIM_FIRST with which to begin; GYRE_SIM_SEED runs one, as a failing
// test names it. GYRE_SIM_SHORTEN=0 leaves a failing history as long as it is. GYRE_SIM_MINUTES goes on with new seeds
// for that long instead: the night mode.
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>

#include "sim/history.hpp"

namespace gyre::sim {
namespace {

constexpr int minutes = 90;
constexpr int blocks = 8;  // so that shards of the test program share the seeds

std::uint64_t number(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

void hold(std::uint64_t seed) {
  const auto history = make_history(seed, minutes);
  const auto outcome = play_apart(history);
  if (!outcome.failure) return;
  if (number("GYRE_SIM_SHORTEN", 1) == 0) {
    ADD_FAILURE() << "GYRE_SIM_SEED=" << seed << ", minute " << outcome.failure->minute << ": "
                  << outcome.failure->words;
    return;
  }
  const auto fails = [](const History& candidate) { return play_apart(candidate).failure; };
  const auto found = shortest(history, fails);
  const auto again = play_apart(found).failure;
  ADD_FAILURE() << "GYRE_SIM_SEED=" << seed << ", minute " << outcome.failure->minute << ": " << outcome.failure->words
                << "\n\nThe shortest history found that fails (" << found.steps.size() << " of " << history.steps.size()
                << " steps):\n"
                << to_text(found) << "\nfails with: " << (again ? again->words : "nothing, the second time");
}

class HostileWorlds : public testing::TestWithParam<int> {};

TEST_P(HostileWorlds, EveryPromiseIsKept) {
  if (std::getenv("GYRE_SIM_SEED")) {
    if (GetParam() == 0) hold(number("GYRE_SIM_SEED", 1));
    return;
  }
  const auto first = number("GYRE_SIM_FIRST", 1);
  if (std::getenv("GYRE_SIM_MINUTES")) {
    const auto until =
        std::chrono::steady_clock::now() + std::chrono::minutes(number("GYRE_SIM_MINUTES", 1)) / blocks * 2;
    auto seed = first + static_cast<std::uint64_t>(GetParam()) * 1'000'000;
    const auto began = seed;
    for (; std::chrono::steady_clock::now() < until && !HasFailure(); ++seed) hold(seed);
    std::printf("%llu worlds held, from seed %llu\n", static_cast<unsigned long long>(seed - began),
                static_cast<unsigned long long>(began));
    return;
  }
  const auto count = number("GYRE_SIM_SEEDS", 200);
  for (auto seed = first + static_cast<std::uint64_t>(GetParam()); seed < first + count; seed += blocks) {
    hold(seed);
    if (HasFailure()) return;  // one history at a time is enough to read
  }
}

INSTANTIATE_TEST_SUITE_P(Block, HostileWorlds, testing::Range(0, blocks));

}  // namespace
}  // namespace gyre::sim
