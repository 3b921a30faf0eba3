#include "scheduler/eviction.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "scheduler/test_worlds.hpp"

namespace gyre::scheduler {
namespace {

// A pod that holds `gpus` of the host, beginning with its first free one.
Occupant holds(std::vector<Host>& hosts, const std::string& on, const std::string& pod, int gpus,
               std::optional<int> cents = std::nullopt, int minute = 0) {
  Occupant out;
  out.pod = PodId(pod);
  out.host = HostId(on);
  if (cents) out.bid = Money::micros(*cents * 10'000);
  out.began = Time(Duration(minute * 60'000));
  out.vcpus = gpus;
  for (auto& host : hosts) {
    if (host.id != out.host) continue;
    host.vcpus_free -= gpus;
    for (auto& gpu : host.gpus)
      if (gpu.free && static_cast<int>(out.gpus.size()) < gpus) {
        gpu.free = false;
        out.gpus.push_back(gpu.uuid);
      }
  }
  EXPECT_EQ(static_cast<int>(out.gpus.size()), gpus);
  return out;
}

std::vector<PodId> pods(std::vector<std::string> names) {
  std::vector<PodId> out;
  for (auto& name : names) out.emplace_back(std::move(name));
  return out;
}

TEST(Eviction, TheLowestBidGoesFirst) {
  std::vector hosts{host("h1", "NVIDIA A40", 2), host("h2", "NVIDIA A40", 1)};
  const std::vector here{holds(hosts, "h1", "high", 1, 30), holds(hosts, "h1", "middle", 1, 20),
                         holds(hosts, "h2", "low", 1, 10)};
  EXPECT_EQ(whom_to_stop(wants("p", 1), hosts, here), pods({"low"}));
}

TEST(Eviction, NobodyIsStoppedWhereThereIsRoom) {
  std::vector hosts{host("h", "NVIDIA A40", 2)};
  const std::vector here{holds(hosts, "h", "spot", 1, 10)};
  EXPECT_EQ(whom_to_stop(wants("p", 1), hosts, here), pods({}));
}

TEST(Eviction, APodOnDemandIsNeverStopped) {
  std::vector hosts{host("h", "NVIDIA A40", 2)};
  const std::vector here{holds(hosts, "h", "theirs", 1), holds(hosts, "h", "spot", 1, 10)};
  EXPECT_EQ(whom_to_stop(wants("p", 2), hosts, here), std::nullopt);
  EXPECT_EQ(whom_to_stop(bids(wants("p", 2), 500), hosts, here), std::nullopt);
}

TEST(Eviction, NobodyIsStoppedWhenThatWouldNotBeEnough) {
  std::vector hosts{host("h1", "NVIDIA A40", 1), host("h2", "NVIDIA A40", 1)};
  const std::vector here{holds(hosts, "h1", "a", 1, 10), holds(hosts, "h2", "b", 1, 10)};
  EXPECT_EQ(whom_to_stop(wants("p", 2), hosts, here), std::nullopt);
}

TEST(Eviction, AHigherBidTakesFromALowerOneAndFromNoOther) {
  std::vector hosts{host("h", "NVIDIA A40", 1)};
  const std::vector here{holds(hosts, "h", "spot", 1, 20)};
  EXPECT_EQ(whom_to_stop(bids(wants("p", 1), 21), hosts, here), pods({"spot"}));
  EXPECT_EQ(whom_to_stop(bids(wants("p", 1), 20), hosts, here), std::nullopt);
  EXPECT_EQ(whom_to_stop(bids(wants("p", 1), 19), hosts, here), std::nullopt);
}

TEST(Eviction, ManyLowBidsGoBeforeOneThatIsHigher) {
  std::vector hosts{host("h1", "NVIDIA A40", 2), host("h2", "NVIDIA A40", 2)};
  const std::vector here{holds(hosts, "h1", "high", 2, 30), holds(hosts, "h2", "a", 1, 29),
                         holds(hosts, "h2", "b", 1, 10)};
  EXPECT_EQ(whom_to_stop(wants("p", 2), hosts, here), pods({"a", "b"}));
}

TEST(Eviction, OfEqualBidsTheFewestGoAndTheSmallest) {
  std::vector hosts{host("h", "NVIDIA A40", 8)};
  const std::vector here{holds(hosts, "h", "four", 4, 10, 9), holds(hosts, "h", "two", 2, 10, 1),
                         holds(hosts, "h", "one", 1, 10, 5), holds(hosts, "h", "single", 1, 10, 4)};
  EXPECT_EQ(whom_to_stop(wants("p", 2), hosts, here), pods({"two"})) << "not two small ones, and not the large one";
  EXPECT_EQ(whom_to_stop(wants("p", 1), hosts, here), pods({"one"})) << "the younger of two alike";
  EXPECT_EQ(whom_to_stop(wants("p", 3), hosts, here), pods({"four"}));
}

TEST(Eviction, NobodyIsStoppedOnAHostThatCannotTakeIt) {
  std::vector hosts{host("h", "NVIDIA A40", 1), host("old", "NVIDIA A40", 1), host("away", "NVIDIA A40", 1)};
  hosts[1].listed = false;
  hosts[2].online = false;
  const std::vector here{holds(hosts, "h", "dear", 1, 90), holds(hosts, "old", "cheap", 1, 1),
                         holds(hosts, "away", "cheaper", 1, 0)};
  EXPECT_EQ(whom_to_stop(wants("p", 1), hosts, here), pods({"dear"}));
}

TEST(Eviction, WhoeverCannotGetItsTurnTakesNothing) {
  std::vector hosts{host("h", "NVIDIA A40", 2)};
  const std::vector here{holds(hosts, "h", "theirs", 1), holds(hosts, "h", "spot", 1, 10)};
  EXPECT_TRUE(evict_for_queue({wants("large", 2), wants("small", 1)}, hosts, here).empty())
      << "the small one may not overtake: what was freed for it would lie idle";
}

TEST(Eviction, WhatIsLeavingIsWaitedForAndNobodyElseIsStopped) {
  std::vector hosts{host("h", "NVIDIA A40", 2)};
  std::vector here{holds(hosts, "h", "going", 1), holds(hosts, "h", "spot", 1, 10)};
  here.front().leaving = true;
  EXPECT_TRUE(evict_for_queue({wants("first", 1)}, hosts, here).empty());
  const auto both = evict_for_queue({wants("first", 1), wants("second", 1)}, hosts, here);
  ASSERT_EQ(both.size(), 1u);
  EXPECT_EQ(both.front().taker, PodId("second"));
  EXPECT_EQ(both.front().stopped, pods({"spot"}));
}

TEST(Eviction, DiskAndProcessorAreRoomToo) {
  std::vector hosts{host("h", "NVIDIA A40", 2)};
  auto spot = holds(hosts, "h", "spot", 1, 10);
  spot.disk_bytes = 900 * gb;
  hosts.front().disk_free -= spot.disk_bytes;
  auto request = wants("p", 1);
  request.disk_bytes = 200 * gb;
  EXPECT_EQ(whom_to_stop(request, hosts, {spot}), pods({"spot"}));
  spot.disk_bytes = 50 * gb;  // the rest is its volume, which stays
  EXPECT_EQ(whom_to_stop(request, hosts, {spot}), std::nullopt);
}

TEST(Eviction, WhoOnlyWantsToReachItsDataStopsNobody) {
  std::vector hosts{host("h", "NVIDIA A40", 1)};
  hosts.front().disk_free = 0;
  auto spot = holds(hosts, "h", "spot", 1, 10);
  spot.disk_bytes = 900 * gb;
  auto rescue = wants("p", 0, {});
  rescue.rescue = true;
  rescue.disk_bytes = gb;
  EXPECT_EQ(whom_to_stop(rescue, hosts, {spot}), std::nullopt);
}

TEST(Eviction, AHostFullOfUnlikePodsIsNotSearchedForEver) {
  std::vector hosts{host("h", "NVIDIA A40", 40), host("cheaper", "NVIDIA A40", 20)};
  for (auto& host : hosts) host.vcpus = host.vcpus_free = 10'000;
  std::vector<Occupant> here;
  for (int i = 0; i < 40; ++i) {
    here.push_back(holds(hosts, "h", "p" + std::to_string(i), 1, 10));
    here.back().vcpus += i;  // all hold something else and bid the same: any twenty of them would do
    hosts.front().vcpus_free -= i;
  }
  EXPECT_EQ(whom_to_stop(wants("p", 20), hosts, here), std::vector<PodId>()) << "the other host is free";
  here.push_back(holds(hosts, "cheaper", "low", 20, 9));
  EXPECT_EQ(whom_to_stop(wants("p", 20), hosts, here), pods({"low"})) << "whatever is left untried";
  here.pop_back();
  EXPECT_EQ(whom_to_stop(wants("p", 20), hosts, here)->size(), 20u);
}

// ---- the plain rule ----

// Is it worse to stop the first set than the second? Word by word as eviction.hpp says it.
bool is_worse(std::vector<Occupant> a, std::vector<Occupant> b) {
  const auto bids_down = [](const Occupant& x, const Occupant& y) { return *x.bid > *y.bid; };
  std::sort(a.begin(), a.end(), bids_down);
  std::sort(b.begin(), b.end(), bids_down);
  for (std::size_t i = 0; i < std::max(a.size(), b.size()); ++i) {
    if (i == a.size()) return false;
    if (i == b.size()) return true;
    if (*a[i].bid != *b[i].bid) return *a[i].bid > *b[i].bid;
  }
  const auto gpus = [](const std::vector<Occupant>& set) {
    std::size_t count = 0;
    for (const auto& one : set) count += one.gpus.size();
    return count;
  };
  if (gpus(a) != gpus(b)) return gpus(a) > gpus(b);
  const auto youngest_first = [](const Occupant& x, const Occupant& y) { return x.began > y.began; };
  std::sort(a.begin(), a.end(), youngest_first);
  std::sort(b.begin(), b.end(), youngest_first);
  for (std::size_t i = 0; i < a.size(); ++i)
    if (a[i].began != b[i].began) return a[i].began < b[i].began;
  const auto by_id = [](const Occupant& x, const Occupant& y) { return x.pod < y.pod; };
  std::sort(a.begin(), a.end(), by_id);
  std::sort(b.begin(), b.end(), by_id);
  for (std::size_t i = 0; i < a.size(); ++i)
    if (a[i].pod != b[i].pod) return a[i].pod > b[i].pod;
  return false;
}

// Every set of those who may be stopped is tried.
std::optional<std::vector<PodId>> plainly(const Request& request, const std::vector<Host>& hosts,
                                          const std::vector<Occupant>& occupants,
                                          const std::set<std::string>& blocked) {
  std::vector<Occupant> may_go;
  for (const auto& one : occupants)
    if (one.bid && !one.leaving && (!request.bid || *one.bid < *request.bid)) may_go.push_back(one);
  std::optional<std::vector<Occupant>> best;
  for (std::size_t set = 0; set < (std::size_t{1} << may_go.size()); ++set) {
    if (request.rescue && set > 0) break;
    std::vector<Occupant> stopped;
    auto after = hosts;
    for (std::size_t i = 0; i < may_go.size(); ++i)
      if ((set >> i & 1) != 0) {
        stopped.push_back(may_go[i]);
        vacate(after, may_go[i]);
      }
    if (fit(request, after, blocked).placement && (!best || is_worse(*best, stopped))) best = std::move(stopped);
  }
  if (!best) return std::nullopt;
  std::vector<PodId> out;
  for (const auto& one : *best) out.push_back(one.pod);
  std::sort(out.begin(), out.end());
  return out;
}

TEST(EvictionProperty, TheSearchAnswersAsTheTrialOfEverySetDoes) {
  int stopped = 0, several = 0;
  for (unsigned seed = 0; seed < 4000; ++seed) {
    Dice dice(seed);
    auto hosts = some_hosts(dice);
    auto occupants = some_occupants(dice, hosts);
    while (occupants.size() > 10) occupants.pop_back();
    const auto request = some_request(dice, "p", hosts);
    std::set<std::string> blocked;
    if (dice.pick(0, 4) == 0) blocked.insert(some_types()[static_cast<std::size_t>(dice.pick(0, 2))]);
    auto found = whom_to_stop(request, hosts, occupants, blocked);
    ASSERT_EQ(found, plainly(request, hosts, occupants, blocked)) << "seed " << seed;
    stopped += found && !found->empty();
    several += found && found->size() > 1;
  }
  EXPECT_GT(stopped, 100) << "the worlds ask the question";
  EXPECT_GT(several, 30);
}

// What is decided for a queue, whatever the search does inside.
TEST(EvictionProperty, OnlyWhoGoesAfterIsStoppedAndNobodyWithoutNeed) {
  int evictions = 0;
  for (unsigned seed = 0; seed < 3000; ++seed) {
    Dice dice(seed);
    auto hosts = some_hosts(dice);
    const auto occupants = some_occupants(dice, hosts);
    std::vector<Request> queue;
    for (int p = dice.pick(1, 6); p > 0; --p) queue.push_back(some_request(dice, "p" + std::to_string(p), hosts));
    std::stable_sort(queue.begin(), queue.end(),
                     [](const auto& a, const auto& b) { return precedence(a.bid) < precedence(b.bid); });
    const auto said = "seed " + std::to_string(seed);
    std::set<PodId> gone;
    for (const auto& eviction : evict_for_queue(queue, hosts, occupants)) {
      ++evictions;
      const auto taker =
          std::find_if(queue.begin(), queue.end(), [&](const auto& r) { return r.pod == eviction.taker; });
      ASSERT_NE(taker, queue.end()) << said;
      ASSERT_FALSE(eviction.stopped.empty()) << said;
      std::set<HostId> where;
      for (const auto& pod : eviction.stopped) {
        EXPECT_TRUE(gone.insert(pod).second) << said << ": " << pod.str() << " is stopped twice";
        const auto who = std::find_if(occupants.begin(), occupants.end(), [&](const auto& o) { return o.pod == pod; });
        ASSERT_NE(who, occupants.end()) << said;
        ASSERT_TRUE(who->bid) << said << ": on demand";
        EXPECT_FALSE(who->leaving) << said;
        EXPECT_TRUE(!taker->bid || *who->bid < *taker->bid) << said;
        where.insert(who->host);
      }
      EXPECT_EQ(where.size(), 1u) << said << ": one host is enough for one pod";
    }
  }
  EXPECT_GT(evictions, 300);
}

// With several who wait, one of them may find a tighter place by then and another has to ask again; who is alone gets
// what was made for it.
TEST(EvictionProperty, OnceTheyHaveGoneTheTakerIsPlacedAndStopsNobodyElse) {
  int takers = 0;
  for (unsigned seed = 0; seed < 3000; ++seed) {
    Dice dice(seed);
    auto hosts = some_hosts(dice);
    const auto occupants = some_occupants(dice, hosts);
    const std::vector queue{some_request(dice, "p", hosts)};
    const auto evictions = evict_for_queue(queue, hosts, occupants);
    if (evictions.empty()) continue;
    ++takers;
    const auto& gone = evictions.front().stopped;
    auto going = occupants;
    for (auto& occupant : going)
      if (std::find(gone.begin(), gone.end(), occupant.pod) != gone.end()) occupant.leaving = true;
    EXPECT_TRUE(evict_for_queue(queue, hosts, going).empty()) << "seed " << seed << ": while they go";
    for (const auto& occupant : going)
      if (occupant.leaving) vacate(hosts, occupant);
    EXPECT_TRUE(place_queue(queue, hosts).front().placement) << "seed " << seed;
  }
  EXPECT_GT(takers, 50);
}

}  // namespace
}  // namespace gyre::scheduler
