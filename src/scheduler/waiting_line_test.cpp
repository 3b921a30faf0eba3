#include "scheduler/waiting_line.hpp"

#include <gtest/gtest.h>

#include <random>

#include "scheduler/test_worlds.hpp"

namespace gyre::scheduler {
namespace {

std::string text(const Verdict& verdict) {
  std::string out = verdict.possible ? "possible" : "impossible";
  for (const auto& refusal : verdict.refusals) {
    out += "; " + refusal.host.str() + " " + std::string(reason_text(refusal.reason));
    for (const auto& [name, value] : refusal.args) out += " " + name + "=" + value;
  }
  return out;
}

TEST(WaitingLine, SaysWhereOneStandsAmongThoseWhoWantTheSame) {
  WaitingLine line;
  line.put(1, wants("first", 4));
  line.put(2, wants("other", 1, {"NVIDIA L4"}));
  line.put(3, wants("second", 1));
  line.against({host("h1", "NVIDIA A40", 4, 2)});
  EXPECT_TRUE(line.placed().empty());
  EXPECT_EQ(line.standing(PodId("first"))->position, 1);
  EXPECT_EQ(line.standing(PodId("other"))->position, 1);
  const auto second = line.standing(PodId("second")).value();
  EXPECT_EQ(second.position, 2);
  EXPECT_EQ(second.verdict.refusals.at(0).reason, Reason::earlier_pod_waits);
  EXPECT_EQ(line.standing(PodId("first"))->verdict.refusals.at(0).reason, Reason::gpu_too_few);
  EXPECT_EQ(line.lengths(), (std::map<std::string, int>{{"NVIDIA A40", 2}, {"NVIDIA L4", 1}}));
  line.leave(PodId("first"));
  ASSERT_EQ(line.placed().size(), 1u);
  EXPECT_EQ(line.placed()[0].pod, PodId("second"));
}

TEST(WaitingLine, OneWhoAsksForSomethingElseMeanwhileKeepsTheirPlace) {
  WaitingLine line;
  line.put(1, wants("p", 8));
  line.put(2, wants("q", 1));
  line.against({host("h", "NVIDIA A40", 8, 1)});
  EXPECT_TRUE(line.placed().empty());
  EXPECT_FALSE(line.put(1, wants("p", 8)));
  EXPECT_TRUE(line.put(1, wants("p", 2)));
  ASSERT_EQ(line.placed().size(), 2u);
  EXPECT_EQ(line.placed()[0].pod, PodId("p"));
}

// Random lines that live: people come, ask for something else, leave, get places, hosts change. Whatever was worked out
// before, the answers are those of the plain rule.
TEST(WaitingLineProperty, AnswersAsThePlainRuleDoes) {
  for (unsigned seed = 0; seed < 400; ++seed) {
    Dice dice(seed);
    WaitingLine line;
    std::map<std::pair<std::int64_t, PodId>, Request> queue;  // the model
    auto hosts = some_hosts(dice);
    line.against(hosts);
    std::int64_t order = 0;
    for (int step = 0; step < 40; ++step) {
      switch (dice.pick(0, 5)) {
        case 0:
        case 1:
        case 2: {
          const auto request = some_request(dice, "p" + std::to_string(++order), hosts);
          queue[{order, request.pod}] = request;
          EXPECT_TRUE(line.put(order, request));
          break;
        }
        case 3: {
          if (queue.empty()) break;
          const auto who = std::next(queue.begin(), dice.pick(0, static_cast<int>(queue.size()) - 1));
          const auto pod = who->first.second;
          queue.erase(who);
          EXPECT_TRUE(line.leave(pod));
          EXPECT_FALSE(line.leave(pod));
          break;
        }
        case 4: {
          if (queue.empty()) break;
          const auto who = std::next(queue.begin(), dice.pick(0, static_cast<int>(queue.size()) - 1));
          who->second = some_request(dice, who->first.second.str(), hosts);
          line.put(who->first.first, who->second);
          break;
        }
        case 5:
          hosts = some_hosts(dice);
          line.against(hosts);
          break;
      }
      if (dice.pick(0, 2) == 0) continue;  // nobody asks after every step
      std::vector<Request> requests;
      for (const auto& [key, request] : queue) requests.push_back(request);
      const auto said = "seed " + std::to_string(seed) + " step " + std::to_string(step);
      auto verdicts = place_queue(requests, hosts);
      std::vector<WaitingLine::Placed> expected;
      for (std::size_t i = 0; i < requests.size(); ++i)
        if (verdicts[i].placement) expected.push_back({requests[i].pod, *verdicts[i].placement});
      const auto placed = line.placed();
      ASSERT_EQ(placed.size(), expected.size()) << said;
      for (std::size_t i = 0; i < placed.size(); ++i) {
        ASSERT_EQ(placed[i].pod, expected[i].pod) << said;
        ASSERT_EQ(placed[i].placement, expected[i].placement) << said;
      }
      const auto last = some_request(dice, "last", hosts);
      requests.push_back(last);
      verdicts = place_queue(requests, hosts);
      const auto at_end = line.at_end(last);
      ASSERT_EQ(at_end.placement, verdicts.back().placement) << said;
      ASSERT_EQ(text(at_end), text(verdicts.back())) << said;
      requests.pop_back();
      if (!placed.empty()) continue;  // what later ones take is not in the plain rule's reasons for earlier ones
      for (std::size_t i = 0; i < requests.size(); ++i) {
        const auto standing = line.standing(requests[i].pod).value();
        ASSERT_FALSE(standing.verdict.placement) << said;
        ASSERT_EQ(text(standing.verdict), text(verdicts[i])) << said;
        int position = 0;
        const auto mine = pools_of(requests[i], hosts);
        for (std::size_t j = 0; j <= i; ++j) {
          const auto theirs = pools_of(requests[j], hosts);
          position += std::find_first_of(theirs.begin(), theirs.end(), mine.begin(), mine.end()) != theirs.end();
        }
        ASSERT_EQ(standing.position, std::max(position, 1)) << said;
      }
    }
  }
}

}  // namespace
}  // namespace gyre::scheduler
