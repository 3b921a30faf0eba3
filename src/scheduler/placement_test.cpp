#include "scheduler/placement.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "scheduler/test_worlds.hpp"

namespace gyre::scheduler {
namespace {

Reason only_reason(const Verdict& verdict) {
  EXPECT_EQ(verdict.refusals.size(), 1u);
  return verdict.refusals.at(0).reason;
}

TEST(Placement, TheTightestHostIsChosenSoThatLargeGapsStayWhole) {
  const auto verdict =
      fit(wants("p", 2), {host("h1", "NVIDIA A40", 8), host("h2", "NVIDIA A40", 4, 2), host("h3", "NVIDIA A40", 4)});
  ASSERT_TRUE(verdict.placement);
  EXPECT_EQ(verdict.placement->host, HostId("h2"));
  EXPECT_EQ(verdict.placement->gpus.size(), 2u);
}

// A host and where it is.
Host placed(Host host, std::string data_center, std::string country = "") {
  host.data_center = std::move(data_center);
  host.country = std::move(country);
  return host;
}

TEST(Placement, APodIsOnlyWhereItAsksToBe) {
  const std::vector<Host> hosts{placed(host("h1", "NVIDIA A40", 1), "LOCAL"),
                                placed(host("h2", "NVIDIA A40", 4), "KR-1", "KR"),
                                placed(host("h3", "NVIDIA A40", 8), "SE-1", "SE")};
  auto asks = wants("p", 1);
  EXPECT_EQ(fit(asks, hosts).placement->host, HostId("h1"));
  asks.data_centers = {"SE-1", "KR-1"};
  EXPECT_EQ(fit(asks, hosts).placement->host, HostId("h2")) << "the best fit of the two";
  asks.centers_in_order = true;
  EXPECT_EQ(fit(asks, hosts).placement->host, HostId("h3")) << "the first of the two";
  asks.gpu_count = 0;
  EXPECT_EQ(fit(asks, hosts).placement->host, HostId("h3")) << "without GPUs, too";
  asks = wants("p", 1);
  asks.countries = {"KR"};
  EXPECT_EQ(fit(asks, hosts).placement->host, HostId("h2"));
  EXPECT_EQ(only_reason(fit(asks, {hosts[0]})), Reason::host_in_other_country);
  asks.countries.clear();
  asks.data_centers = {"KR-1"};
  EXPECT_EQ(only_reason(fit(asks, {hosts[0]})), Reason::host_in_other_data_center);
}

TEST(Placement, WhoWaitsForADataCentreHoldsNothingOfAnother) {
  const std::vector<Host> hosts{placed(host("h1", "NVIDIA A40", 1, 1), "KR-1", "KR"),
                                placed(host("h2", "NVIDIA A40", 1), "LOCAL")};
  for (const bool by_country : {false, true}) {
    auto first = wants("first", 1), there = wants("there", 1);
    (by_country ? first.countries : first.data_centers) = {by_country ? "KR" : "KR-1"};
    auto free = hosts;
    free.push_back(placed(host("h0", "NVIDIA A40", 4, 3), "KR-1", "KR"));
    first.gpu_count = 2;
    there.data_centers = {"KR-1"};
    const auto verdicts = place_queue({first, wants("anywhere", 1), there}, free);
    EXPECT_FALSE(verdicts[0].placement);
    ASSERT_TRUE(verdicts[1].placement);
    EXPECT_EQ(verdicts[1].placement->host, HostId("h2"));
    EXPECT_FALSE(verdicts[2].placement);
    EXPECT_EQ(verdicts[2].refusals.back().reason, Reason::earlier_pod_waits);
  }
}

// The rule in one line, beside what `fit` does.
TEST(Placement, NobodyIsEverPlacedWhereItDidNotAsk) {
  int somewhere = 0;
  for (unsigned seed = 1; seed <= 2000; ++seed) {
    Dice dice(seed);
    const auto hosts = some_hosts(dice);
    const auto asks = some_request(dice, "p", hosts);
    const auto among = [](const std::vector<std::string>& list, const std::string& one) {
      return list.empty() || std::find(list.begin(), list.end(), one) != list.end();
    };
    const auto verdict = fit(asks, hosts);
    // As if the hosts elsewhere were not there: the same answer.
    std::vector<Host> there;
    for (const auto& host : hosts)
      if (among(asks.data_centers, host.data_center) && among(asks.countries, host.country)) there.push_back(host);
    auto anywhere = asks;
    anywhere.countries.clear();
    if (!asks.centers_in_order) anywhere.data_centers.clear();
    EXPECT_EQ(verdict.placement, fit(anywhere, there).placement) << "seed " << seed;
    EXPECT_EQ(verdict.possible, fit(anywhere, there).possible) << "seed " << seed;
    somewhere += verdict.placement && (!asks.data_centers.empty() || !asks.countries.empty());
  }
  EXPECT_GT(somewhere, 50);
}

TEST(Placement, APodGetsAllItsGpusOnOneHostOrNone) {
  const auto verdict = fit(wants("p", 4), {host("h1", "NVIDIA A40", 2), host("h2", "NVIDIA A40", 2)});
  EXPECT_FALSE(verdict.placement);
  EXPECT_FALSE(verdict.possible);
  EXPECT_EQ(verdict.refusals.at(0).reason, Reason::gpu_too_few);
}

TEST(Placement, EachHostSaysWhatIsInTheWay) {
  auto offline = host("h", "NVIDIA A40", 1);
  offline.online = false;
  EXPECT_EQ(only_reason(fit(wants("p", 1), {offline})), Reason::host_offline);
  auto draining = host("h", "NVIDIA A40", 1);
  draining.listed = false;
  draining.state_text = "draining";
  EXPECT_EQ(only_reason(fit(wants("p", 1), {draining})), Reason::host_not_listed);
  EXPECT_EQ(only_reason(fit(wants("p", 1, {"NVIDIA L4"}), {host("h", "NVIDIA A40", 1)})), Reason::gpu_type_absent);
  auto cuda = wants("p", 1);
  cuda.cuda_min = "12.10";
  EXPECT_EQ(only_reason(fit(cuda, {host("h", "NVIDIA A40", 1)})), Reason::cuda_too_old);
  auto memory = wants("p", 1, {});
  memory.gpu_memory_min = 80 * gb;
  EXPECT_EQ(only_reason(fit(memory, {host("h", "NVIDIA A40", 1)})), Reason::gpu_memory_too_small);
  auto vcpus = wants("p", 1);
  vcpus.vcpus = 33;
  EXPECT_EQ(only_reason(fit(vcpus, {host("h", "NVIDIA A40", 1)})), Reason::vcpu_too_few);
  auto ram = wants("p", 1);
  ram.memory_bytes = 129 * gb;
  EXPECT_EQ(only_reason(fit(ram, {host("h", "NVIDIA A40", 1)})), Reason::memory_too_little);
  auto disk = wants("p", 1);
  disk.disk_bytes = 1001 * gb;
  EXPECT_EQ(only_reason(fit(disk, {host("h", "NVIDIA A40", 1)})), Reason::disk_too_little);
  auto shared = wants("p", 1);
  shared.network_volume = true;
  EXPECT_EQ(only_reason(fit(shared, {host("h", "NVIDIA A40", 1)})), Reason::host_without_network_volumes);
  auto sharing = host("h", "NVIDIA A40", 1);
  sharing.network_volumes = true;
  EXPECT_TRUE(fit(shared, {sharing}).placement);
  auto bound = wants("p", 1);
  bound.bound_to = HostId("other");
  EXPECT_EQ(only_reason(fit(bound, {host("h", "NVIDIA A40", 1)})), Reason::bound_to_other_host);
}

TEST(Placement, AMinimumCudaVersionKeepsOlderDriversOut) {
  EXPECT_TRUE(version_at_least("12.4", "12.4"));
  EXPECT_TRUE(version_at_least("12.10", "12.4"));
  EXPECT_TRUE(version_at_least("13.0", "12.9"));
  EXPECT_FALSE(version_at_least("12.2", "12.4"));
  EXPECT_FALSE(version_at_least("", "11.8"));
}

TEST(Placement, AGpuBringsItsEvenShareOfTheHost) {
  const auto verdict = fit(wants("p", 2), {host("h", "NVIDIA A40", 8)});
  ASSERT_TRUE(verdict.placement);
  EXPECT_DOUBLE_EQ(verdict.placement->vcpus, 0.9 * 8);
  EXPECT_EQ(verdict.placement->memory_bytes, 288 * gb / 10);
}

TEST(Placement, APodStartedToRescueItsDataFitsBesideWhatTookItsGpus) {
  auto full = host("h", "NVIDIA A40", 1, 1);
  full.vcpus_free = 3.2;
  full.memory_free = 128 * gb / 10;
  auto rescue = wants("p", 0, {});
  rescue.rescue = true;
  rescue.bound_to = HostId("h");
  const auto verdict = fit(rescue, {full});
  ASSERT_TRUE(verdict.placement);
  EXPECT_DOUBLE_EQ(verdict.placement->vcpus, 2);
  EXPECT_EQ(verdict.placement->memory_bytes, 4 * gb);
}

TEST(Placement, TypesAreTakenInTheOrderGivenWhenThatIsAsked) {
  auto request = wants("p", 1, {"NVIDIA L4", "NVIDIA A40"});
  request.types_in_order = true;
  const std::vector<Host> hosts{host("h1", "NVIDIA A40", 1), host("h2", "NVIDIA L4", 8)};
  EXPECT_EQ(fit(request, hosts).placement->host, HostId("h2"));
  request.types_in_order = false;
  EXPECT_EQ(fit(request, hosts).placement->host, HostId("h1"));
}

TEST(Queue, ALaterSmallerPodDoesNotOvertakeInItsPool) {
  const auto verdicts = place_queue({wants("big", 4), wants("small", 1), wants("other", 1, {"NVIDIA L4"})},
                                    {host("h1", "NVIDIA A40", 4, 2), host("h2", "NVIDIA L4", 1)});
  EXPECT_FALSE(verdicts[0].placement);
  EXPECT_TRUE(verdicts[0].possible);
  EXPECT_FALSE(verdicts[1].placement);
  EXPECT_EQ(verdicts[1].refusals.at(0).reason, Reason::earlier_pod_waits);
  EXPECT_TRUE(verdicts[2].placement) << "another pool does not wait";
}

TEST(Queue, APodThatNoHostCouldEverTakeStopsNobody) {
  const auto verdicts = place_queue({wants("impossible", 16), wants("small", 1)}, {host("h1", "NVIDIA A40", 4)});
  EXPECT_FALSE(verdicts[0].placement);
  EXPECT_FALSE(verdicts[0].possible);
  EXPECT_TRUE(verdicts[1].placement);
}

TEST(Queue, WhatAnEarlierPodGetsOfADiskIsNotGivenAgain) {
  auto first = wants("first", 1), second = wants("second", 1);
  first.disk_bytes = second.disk_bytes = 600 * gb;
  const auto verdicts = place_queue({first, second}, {host("h", "NVIDIA A40", 4)});
  EXPECT_TRUE(verdicts[0].placement);
  ASSERT_FALSE(verdicts[1].placement);
  EXPECT_EQ(verdicts[1].refusals.at(0).reason, Reason::disk_too_little);
}

// Random worlds: what the queue hands out is checked against the plain rules.
TEST(QueueProperty, NothingIsGivenTwiceAndNobodyOvertakes) {
  for (unsigned seed = 0; seed < 2000; ++seed) {
    Dice dice(seed);
    const auto hosts = some_hosts(dice);
    std::vector<Request> queue;
    for (int p = dice.pick(0, 12); p > 0; --p) queue.push_back(some_request(dice, "p" + std::to_string(p), hosts));
    const auto verdicts = place_queue(queue, hosts);
    ASSERT_EQ(verdicts.size(), queue.size());
    std::set<std::string> given;
    std::map<HostId, double> vcpus;
    std::map<HostId, std::int64_t> disk;
    for (std::size_t i = 0; i < queue.size(); ++i) {
      const auto& placement = verdicts[i].placement;
      if (!placement) {
        EXPECT_EQ(verdicts[i].refusals.size(), hosts.size()) << "seed " << seed << ": every host says why not";
        continue;
      }
      EXPECT_EQ(placement->gpus.size(), static_cast<std::size_t>(queue[i].gpu_count));
      const auto& at =
          *std::find_if(hosts.begin(), hosts.end(), [&](const auto& h) { return h.id == placement->host; });
      EXPECT_TRUE(at.online && (at.listed || queue[i].bound_to)) << "seed " << seed;
      for (const auto& uuid : placement->gpus) {
        EXPECT_TRUE(given.insert(uuid).second) << "seed " << seed << ": " << uuid << " given twice";
        const auto& gpu = *std::find_if(at.gpus.begin(), at.gpus.end(), [&](const auto& g) { return g.uuid == uuid; });
        EXPECT_TRUE(gpu.free) << "seed " << seed;
        if (!queue[i].gpu_types.empty()) {
          EXPECT_NE(std::find(queue[i].gpu_types.begin(), queue[i].gpu_types.end(), gpu.type_id),
                    queue[i].gpu_types.end());
        }
        // No earlier pod that could run one day waits for this type. Who is bound to a host holds up only those there,
        // and passes by all who are not bound to it, unless it is a spot pod.
        for (std::size_t earlier = 0; earlier < i; ++earlier) {
          if (verdicts[earlier].placement || !verdicts[earlier].possible) continue;
          const auto& bound_to = queue[earlier].bound_to;
          if (bound_to ? *bound_to != placement->host : queue[i].bound_to && !queue[i].bid) continue;
          // Nor does who waits for a data centre or a country hold up anything elsewhere.
          const auto elsewhere = [](const std::vector<std::string>& list, const std::string& one) {
            return !list.empty() && std::find(list.begin(), list.end(), one) == list.end();
          };
          const bool by_center = !queue[earlier].data_centers.empty();
          if (!bound_to && (by_center ? elsewhere(queue[earlier].data_centers, at.data_center)
                                      : elsewhere(queue[earlier].countries, at.country)))
            continue;
          const auto pools = pools_of(queue[earlier], hosts);
          EXPECT_EQ(std::find(pools.begin(), pools.end(), gpu.type_id), pools.end())
              << "seed " << seed << ": overtaken";
        }
      }
      vcpus[placement->host] += placement->vcpus;
      disk[placement->host] += queue[i].disk_bytes;
    }
    for (const auto& [id, used] : vcpus) EXPECT_LE(used, 32.0001) << "seed " << seed;
    for (const auto& [id, used] : disk) EXPECT_LE(used, 1000 * gb) << "seed " << seed;
  }
}

}  // namespace
}  // namespace gyre::scheduler
