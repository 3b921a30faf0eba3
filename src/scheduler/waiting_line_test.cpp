#include "scheduler/waiting_line.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <tuple>

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

TEST(WaitingLine, PodsOnDemandGoBeforeSpotPodsAndTheseByTheirBids) {
  WaitingLine line;
  line.put(1, bids(wants("low", 1), 10));
  line.put(2, bids(wants("high", 1), 30));
  line.put(3, bids(wants("also high", 1), 30));
  line.put(4, wants("on demand", 1));
  EXPECT_EQ(line.last_order(), 4);
  line.against({host("h", "NVIDIA A40", 4, 4)});
  EXPECT_EQ(line.standing(PodId("on demand"))->position, 1);
  EXPECT_EQ(line.standing(PodId("high"))->position, 2);
  EXPECT_EQ(line.standing(PodId("also high"))->position, 3);
  EXPECT_EQ(line.standing(PodId("low"))->position, 4);
  line.against({host("h", "NVIDIA A40", 4, 1)});
  ASSERT_EQ(line.placed().size(), 3u);
  EXPECT_EQ(line.placed()[0].pod, PodId("on demand"));
  EXPECT_EQ(line.placed()[2].pod, PodId("also high"));
}

TEST(WaitingLine, ASpotPodsNewBidIsAnotherPlace) {
  WaitingLine line;
  line.against({host("h", "NVIDIA A40", 1, 1)});
  line.put(1, bids(wants("a", 1), 10));
  line.put(2, bids(wants("b", 1), 20));
  EXPECT_EQ(line.standing(PodId("a"))->position, 2);
  EXPECT_TRUE(line.put(1, bids(wants("a", 1), 30)));
  EXPECT_FALSE(line.put(1, bids(wants("a", 1), 30)));
  EXPECT_EQ(line.standing(PodId("a"))->position, 1);
  EXPECT_EQ(line.size(), 2u);
}

TEST(WaitingLine, WhatABoundPodWaitsForIsNotGivenToOthers) {
  WaitingLine line;
  auto bound = wants("bound", 2);
  bound.bound_to = HostId("h1");
  line.put(1, bound);
  line.put(2, wants("later", 1));
  line.against({host("h1", "NVIDIA A40", 2, 1), host("h2", "NVIDIA A40", 1, 1)});
  EXPECT_TRUE(line.placed().empty());
  line.against({host("h1", "NVIDIA A40", 2, 1), host("h2", "NVIDIA A40", 1)});
  ASSERT_EQ(line.placed().size(), 1u) << "it holds up its own host alone";
  EXPECT_EQ(line.placed()[0].placement.host, HostId("h2"));
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
  for (unsigned seed = 0; seed < 150; ++seed) {
    Dice dice(seed);
    WaitingLine line;
    using Who = std::pair<std::int64_t, PodId>;
    std::map<Who, Request> asked;  // the model
    const auto in_line = [&] {
      std::vector<std::tuple<std::int64_t, Who, Request>> out;
      for (const auto& [who, request] : asked) out.emplace_back(precedence(request.bid), who, request);
      std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) {
        return std::tie(std::get<0>(a), std::get<1>(a)) < std::tie(std::get<0>(b), std::get<1>(b));
      });
      std::vector<Request> requests;
      for (auto& one : out) requests.push_back(std::move(std::get<2>(one)));
      return requests;
    };
    auto hosts = some_hosts(dice);
    auto occupants = some_occupants(dice, hosts);
    line.against(hosts, occupants);
    std::int64_t order = 0;
    for (int step = 0; step < 40; ++step) {
      switch (dice.pick(0, 5)) {
        case 0:
        case 1:
        case 2: {
          const auto request = some_request(dice, "p" + std::to_string(++order), hosts);
          asked[{order, request.pod}] = request;
          EXPECT_TRUE(line.put(order, request));
          break;
        }
        case 3: {
          if (asked.empty()) break;
          const auto who = std::next(asked.begin(), dice.pick(0, static_cast<int>(asked.size()) - 1));
          const auto pod = who->first.second;
          asked.erase(who);
          EXPECT_TRUE(line.leave(pod));
          EXPECT_FALSE(line.leave(pod));
          break;
        }
        case 4: {
          if (asked.empty()) break;
          const auto who = std::next(asked.begin(), dice.pick(0, static_cast<int>(asked.size()) - 1));
          who->second = some_request(dice, who->first.second.str(), hosts);
          line.put(who->first.first, who->second);
          break;
        }
        case 5:
          hosts = some_hosts(dice);
          occupants = some_occupants(dice, hosts);
          line.against(hosts, occupants);
          break;
      }
      if (dice.pick(0, 2) == 0) continue;  // nobody asks after every step
      const auto requests = in_line();
      const auto said = "seed " + std::to_string(seed) + " step " + std::to_string(step);
      const auto verdicts = place_queue(requests, hosts);
      std::vector<WaitingLine::Placed> expected;
      for (std::size_t i = 0; i < requests.size(); ++i)
        if (verdicts[i].placement) expected.push_back({requests[i].pod, *verdicts[i].placement});
      const auto placed = line.placed();
      ASSERT_EQ(placed.size(), expected.size()) << said;
      for (std::size_t i = 0; i < placed.size(); ++i) {
        ASSERT_EQ(placed[i].pod, expected[i].pod) << said;
        ASSERT_EQ(placed[i].placement, expected[i].placement) << said;
      }
      const auto evictions = line.evictions();
      const auto plainly = evict_for_queue(requests, hosts, occupants);
      ASSERT_EQ(evictions.size(), plainly.size()) << said;
      for (std::size_t i = 0; i < evictions.size(); ++i) {
        ASSERT_EQ(evictions[i].taker, plainly[i].taker) << said;
        ASSERT_EQ(evictions[i].stopped, plainly[i].stopped) << said;
      }
      const auto last = some_request(dice, "last", hosts);
      std::vector<Request> up_to_it;
      for (const auto& request : requests)
        if (precedence(request.bid) <= precedence(last.bid)) up_to_it.push_back(request);
      up_to_it.push_back(last);
      const auto of_last = place_queue(up_to_it, hosts).back();
      const auto at_end = line.at_end(last);
      ASSERT_EQ(at_end.placement, of_last.placement) << said;
      ASSERT_EQ(text(at_end), text(of_last)) << said;
      if (!at_end.placement) {
        const auto made = line.room_made(last);
        const auto all = evict_for_queue(up_to_it, hosts, occupants);
        const bool expected_room = !all.empty() && all.back().taker == last.pod;
        ASSERT_EQ(made.has_value(), expected_room) << said;
        ASSERT_EQ(made ? made->stopped : 0, made ? static_cast<int>(all.back().stopped.size()) : 0) << said;
      }
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
