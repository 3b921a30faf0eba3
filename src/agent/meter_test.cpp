#include "agent/meter.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "agent/test_host.hpp"

namespace gyre::agent {
namespace {

using link::MetricKind;
using link::PodMetric;

constexpr Time noon{Duration(1'790'000'000'000)};

float value(const link::MetricSlot& slot, MetricKind kind, int which, const std::string& part = {}) {
  for (const auto& subject : slot.subjects)
    if (subject.kind == kind && subject.part == part) return subject.values.at(static_cast<std::size_t>(which));
  ADD_FAILURE() << "no such subject";
  return link::not_measured;
}
float pod_value(const link::MetricSlot& slot, PodMetric which) {
  return value(slot, MetricKind::pod, static_cast<int>(which));
}

Meter::Look look(Duration since_noon, std::optional<engine::ContainerStats> stats, double vcpus = 2) {
  Meter::Look out;
  out.at = noon + since_noon;
  out.containers.push_back({PodId("p1"), "main", "c1", vcpus, since_noon, stats});
  out.pods.push_back({PodId("p1"), 1'000'000, std::nullopt});
  return out;
}

TEST(Meter, AHundredPercentIsEveryAssignedVcpuBusyAndNetworkIsInKilobitsASecond) {
  Meter meter;
  meter.add(look(0s, engine::ContainerStats{0, 3'950'000'000, 0, 0}));
  const auto first = meter.message(0s);
  ASSERT_TRUE(first.now);
  EXPECT_TRUE(std::isnan(pod_value(*first.now, PodMetric::cpu))) << "one reading makes no rate";
  EXPECT_FLOAT_EQ(pod_value(*first.now, PodMetric::memory), 3950);
  EXPECT_FLOAT_EQ(pod_value(*first.now, PodMetric::container_disk), 1);
  EXPECT_TRUE(std::isnan(pod_value(*first.now, PodMetric::volume)));
  // Five seconds of two vCPUs, 125,000 bytes each second in and half of it out.
  meter.add(look(5s, engine::ContainerStats{10'000'000, 0, 625'000, 312'500}));
  const auto second = meter.message(5s);
  ASSERT_TRUE(second.now);
  EXPECT_FLOAT_EQ(pod_value(*second.now, PodMetric::cpu), 100);
  EXPECT_FLOAT_EQ(pod_value(*second.now, PodMetric::network_received), 1000);
  EXPECT_FLOAT_EQ(pod_value(*second.now, PodMetric::network_sent), 500);
  EXPECT_FALSE(meter.message(6s).now) << "the last sample is said once";
}

TEST(Meter, ACounterThatFellBackAnEngineThatWasSilentAndALongPauseMakeGaps) {
  Meter meter;
  meter.add(look(0s, engine::ContainerStats{5'000'000, 1, 100, 100}));
  meter.add(look(5s, engine::ContainerStats{1'000'000, 1, 0, 0}));  // started again
  EXPECT_TRUE(std::isnan(pod_value(*meter.message(5s).now, PodMetric::cpu)));
  meter.add(look(10s, std::nullopt));
  EXPECT_TRUE(std::isnan(pod_value(*meter.message(10s).now, PodMetric::memory)));
  meter.add(look(15s, engine::ContainerStats{9'000'000, 1, 0, 0}));
  EXPECT_TRUE(std::isnan(pod_value(*meter.message(15s).now, PodMetric::cpu))) << "the one before was not read";
  meter.add(look(15s + Meter::longest_gap + 1ms, engine::ContainerStats{10'000'000, 1, 0, 0}));
  EXPECT_TRUE(std::isnan(pod_value(*meter.message(60s).now, PodMetric::cpu)));
}

TEST(Meter, OfSeveralContainersThePodIsTheSumAndEachIsShown) {
  Meter meter;
  const auto both = [&](Duration at, std::int64_t main_us, std::int64_t side_us) {
    auto out = look(at, engine::ContainerStats{main_us, 10'000'000, 0, 0});
    out.containers.push_back({PodId("p1"), "side", "c2", 2, at, engine::ContainerStats{side_us, 5'000'000, 0, 0}});
    return out;
  };
  meter.add(both(0s, 0, 0));
  meter.add(both(5s, 5'000'000, 1'000'000));
  const auto now = *meter.message(5s).now;
  EXPECT_FLOAT_EQ(pod_value(now, PodMetric::cpu), 60);
  EXPECT_FLOAT_EQ(pod_value(now, PodMetric::memory), 15);
  EXPECT_FLOAT_EQ(value(now, MetricKind::container, 0, "main"), 50);
  EXPECT_FLOAT_EQ(value(now, MetricKind::container, 0, "side"), 10);
}

// Whatever is measured when: each slot is the mean of its samples that have a value, and none is lost or doubled.
TEST(Meter, SlotsKeepTheMeanOfTheirSamplesByProperty) {
  for (unsigned seed = 0; seed < 200; ++seed) {
    std::mt19937 dice(seed);
    Meter meter;
    std::map<Time, std::pair<double, int>> expected;  // memory: the plainest value
    std::map<Time, int> samples;
    std::map<Time, link::MetricSlot> got;
    Duration uptime{0};
    Time wall = noon;
    for (int i = 0; i < 200; ++i) {
      uptime += Duration(1000 + dice() % 9000);
      wall += Duration(1000 + dice() % 9000);
      const bool known = dice() % 4 != 0;
      const auto bytes = static_cast<std::int64_t>(dice() % 1'000'000) * 1'000;
      auto one = look(uptime, known ? std::optional(engine::ContainerStats{0, bytes, 0, 0}) : std::nullopt);
      one.at = wall;
      const Time slot = wall - wall.time_since_epoch() % link::metric_slot;
      ++samples[slot];
      if (known) expected[slot].first += static_cast<double>(bytes) / 1e6, ++expected[slot].second;
      meter.add(one);
      const auto said = meter.message(uptime);
      for (const auto& part : said.slots) got[part.start] = part;
      if (dice() % 2) meter.taken(said.number);
      if (dice() % 8 == 0) meter.disconnected();
    }
    ASSERT_EQ(got.size(), samples.size()) << "seed " << seed;
    for (const auto& [start, slot] : got) {
      EXPECT_EQ(slot.samples, samples[start]) << "seed " << seed;
      const auto mean = pod_value(slot, PodMetric::memory);
      const auto& [sum, count] = expected[start];
      if (count == 0)
        EXPECT_TRUE(std::isnan(mean)) << "seed " << seed;
      else
        EXPECT_NEAR(mean, sum / count, 0.01) << "seed " << seed;
    }
  }
}

TEST(Meter, SlotsAreSaidAgainUntilTheyAreTakenAndNeverMoreThanTheBoundAreKept) {
  Meter meter;
  Duration at{0};
  const auto one_slot = [&] {
    meter.add(look(at, engine::ContainerStats{}));
    at += 10s;
  };
  for (int i = 0; i < 10; ++i) one_slot();
  const auto first = meter.message(at);
  EXPECT_EQ(first.slots.size(), 10u);  // nine that are closed, and the open one
  EXPECT_EQ(meter.message(at + 1s).slots.size(), 1u) << "on its way already";
  EXPECT_EQ(meter.message(at + Meter::say_again_after).slots.size(), 10u) << "nobody took them";
  meter.disconnected();
  const auto again = meter.message(at + 31s);
  EXPECT_EQ(again.slots.size(), 10u);
  meter.taken(first.number);
  EXPECT_EQ(meter.kept(), 9u) << "an answer to a message that they were said again after";
  meter.taken(again.number);
  EXPECT_EQ(meter.kept(), 0u);

  for (std::size_t i = 0; i < Meter::slots_max + 100; ++i) one_slot();
  EXPECT_EQ(meter.kept(), Meter::slots_max);
  EXPECT_LE(meter.message(at).slots.size(), Meter::slots_per_message + 1);
}

TEST(Meter, AClockThatJumpsBackMakesNoRateNegativeAndLosesNoSlot) {
  Meter meter;
  meter.add(look(0s, engine::ContainerStats{0, 0, 0, 0}));
  auto back = look(5s, engine::ContainerStats{1'000'000, 0, 0, 0});
  back.at = noon - 1h;
  meter.add(back);
  const auto said = meter.message(5s);
  ASSERT_EQ(said.slots.size(), 2u);
  EXPECT_FLOAT_EQ(pod_value(*said.now, PodMetric::cpu), 10);
  EXPECT_EQ(said.slots.back().start, noon - 1h);
}

// ---- the agent, over the fake engine ----

TEST(AgentMetrics, ABusyPodShowsWithinTenSecondsAndWhatWasMeasuredAloneArrivesLater) {
  test::Host host;
  host.image("team/busy:1", {.busy_cpus = 2, .memory_bytes = 500'000'000, .received_bytes_per_second = 125'000});
  host.gpus.readings = {{"GPU-0", 37, 3'950'000'000, 61, 180, 0, {}}};
  host.config.facts.cpus = 8;
  host.start_agent();
  auto order = host.order("p1");
  order.spec.containers[0].image = "team/busy:1";
  order.spec.vcpus = 4;
  order.spec.gpus = {"GPU-0"};
  host.say(order);
  host.run_for(20s);
  ASSERT_FALSE(host.server.metrics.empty());
  const auto& now = host.server.metrics.back().now;
  ASSERT_TRUE(now);
  EXPECT_NEAR(pod_value(*now, PodMetric::cpu), 50, 1);
  EXPECT_FLOAT_EQ(pod_value(*now, PodMetric::memory), 500);
  EXPECT_NEAR(pod_value(*now, PodMetric::network_received), 1000, 10);
  for (const auto& subject : now->subjects)
    if (subject.kind == MetricKind::gpu && subject.part == "GPU-0") {
      EXPECT_EQ(subject.pod, PodId("p1"));
      EXPECT_EQ(subject.values, (std::vector<float>{37, 3950, 61, 180}));
    }

  // The link is away for five minutes; all of them arrive once it is back, each with its own time.
  host.connect(false);
  host.server.metrics.clear();
  host.run_for(5min);
  EXPECT_TRUE(host.server.metrics.empty());
  host.connect(true);
  host.run_for(15s);
  std::set<Time> starts;
  for (const auto& said : host.server.metrics)
    for (const auto& slot : said.slots) starts.insert(slot.start);
  EXPECT_GE(starts.size(), 30u);
  EXPECT_LE(*starts.begin() + 5min, host.runtime.now());
}

TEST(AgentMetrics, AnEngineThatDoesNotAnswerLeavesAGapAndAStoppedPodHasNoValues) {
  test::Host host;
  host.image("team/busy:1", {.busy_cpus = 1});
  host.start_agent();
  auto order = host.order("p1");
  order.spec.containers[0].image = "team/busy:1";
  order.spec.vcpus = 1;
  host.say(order);
  host.run_for(20s);
  host.engine.down();
  host.run_for(15s);
  for (const auto& subject : host.server.metrics.back().now->subjects) EXPECT_NE(subject.kind, MetricKind::pod);
  host.engine.up();
  host.run_for(30s);
  EXPECT_NEAR(pod_value(*host.server.metrics.back().now, PodMetric::cpu), 100, 1);
  host.say(host.next(order, link::Desired::stopped));
  host.run_for(30s);
  for (const auto& subject : host.server.metrics.back().now->subjects) EXPECT_NE(subject.kind, MetricKind::pod);
}

TEST(AgentMetrics, ReportsTellHowFullTheVolumeIsAndWhichGpusAPodHas) {
  test::Host host;
  host.image("team/writes:1", {.volume_bytes_per_second = 1'000'000});
  host.start_agent();
  auto order = host.order("p1");
  order.spec.containers[0].image = "team/writes:1";
  order.spec.volume_bytes = 1'000'000'000;
  order.spec.volume_path = "/workspace";
  order.spec.gpus = {"GPU-0"};
  host.say(order);
  host.run_for(5s);
  EXPECT_FALSE(host.pod("p1").volume_used_bytes) << "nobody looked yet";
  EXPECT_EQ(host.pod("p1").gpus, std::vector<std::string>{"GPU-0"});
  host.run_for(60s);
  ASSERT_TRUE(host.pod("p1").volume_used_bytes);
  EXPECT_GT(*host.pod("p1").volume_used_bytes, 20'000'000);
}

}  // namespace
}  // namespace gyre::agent
