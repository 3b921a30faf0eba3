#include "sim/history.hpp"

#include <gtest/gtest.h>

namespace gyre::sim {
namespace {

TEST(History, TheSameSeedIsTheSameHistoryAndTheSameWorld) {
  const auto history = make_history(7, 30);
  EXPECT_EQ(to_text(history), to_text(make_history(7, 30)));
  EXPECT_NE(to_text(history), to_text(make_history(8, 30)));
  const auto first = play(history), second = play_apart(history);
  ASSERT_FALSE(first.failure) << first.failure->words;
  EXPECT_EQ(first.events, second.events);
  EXPECT_EQ(first.last_answer, second.last_answer);
  EXPECT_GT(first.events, 1000u);
}

TEST(History, EveryKindOfStepHappensInAHandfulOfSeeds) {
  std::set<Step::Kind> kinds;
  for (std::uint64_t seed = 1; seed <= 20; ++seed)
    for (const auto& step : make_history(seed, 90).steps) kinds.insert(step.kind);
  EXPECT_EQ(kinds.size(), 19u);
}

// A history is shortened to just what its failure needs.
TEST(History, OnlyTheStepsThatAFailureNeedsAreLeft) {
  const auto whole = make_history(3, 90);
  int plays = 0;
  const auto fails = [&](const History& history) -> std::optional<Failure> {
    ++plays;
    std::optional<int> created;
    for (const auto& step : history.steps) {
      if (step.kind == Step::Kind::create && step.which == 2) created = step.minute;
      if (created && step.kind == Step::Kind::stop) return Failure{step.minute, "it breaks"};
    }
    return std::nullopt;
  };
  ASSERT_TRUE(fails(whole));
  const auto found = shortest(whole, fails);
  ASSERT_EQ(found.steps.size(), 2u) << to_text(found);
  EXPECT_EQ(found.steps[0].kind, Step::Kind::create);
  EXPECT_EQ(found.steps[1].kind, Step::Kind::stop);
  EXPECT_EQ(found.minutes, found.steps[1].minute + 1);
  EXPECT_EQ(found.link.drop, 0.0);
  EXPECT_LE(plays, 400);
}

TEST(History, ShorteningEndsWhenItsTriesDo) {
  int plays = 0;
  const auto always = [&](const History&) -> std::optional<Failure> {
    ++plays;
    return Failure{1000, "it never holds"};
  };
  shortest(make_history(3, 90), always, 5);
  EXPECT_EQ(plays, 5);
}

TEST(History, AnAbortIsAFailureWithItsSignal) {
  auto impossible = make_history(1, 1);
  impossible.gpus_of_hosts.clear();  // a step on a host, where there is none, divides by zero
  impossible.steps = {{.kind = Step::Kind::cut_link}};
  const auto outcome = play_apart(impossible);
  ASSERT_TRUE(outcome.failure);
  EXPECT_NE(outcome.failure->words.find("ended "), std::string::npos) << outcome.failure->words;
}

}  // namespace
}  // namespace gyre::sim
