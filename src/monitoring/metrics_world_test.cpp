// What was measured, from the engine to the API, in worlds that lose, double and delay.
#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "sim/world.hpp"

namespace gyre {
namespace {

using http::Method;
using sim::World;
namespace json = boost::json;

class Measured : public testing::Test {
 protected:
  static std::string busy_pod(World& world, const std::string& more = {}) {
    world.registry.push("team/busy:1", {.program = engine::fake_program({.busy_cpus = 2,
                                                                         .memory_bytes = 500'000'000,
                                                                         .received_bytes_per_second = 125'000,
                                                                         .sent_bytes_per_second = 12'500})});
    const auto made =
        world.call(Method::post, "/v1/pods",
                   R"({"imageName":"team/busy:1","name":"busy","gpuCount":1,"volumeInGb":0)" + more + "}");
    EXPECT_EQ(made.status, 201) << made.body;
    return std::string(json::parse(made.body).at("id").as_string());
  }
  static json::value get(World& world, const std::string& target, const std::string& key = {}) {
    const auto answer = world.call(Method::get, target, {}, key);
    EXPECT_EQ(answer.status, 200) << target << ": " << answer.body;
    return json::parse(answer.body);
  }
  static json::array values(const json::value& chart, std::string_view name) {
    for (const auto& series : chart.at("series").as_array())
      if (series.at("name").as_string() == name) return series.at("values").as_array();
    return {};
  }
  static std::size_t gaps(const json::array& of) {
    return static_cast<std::size_t>(std::count_if(of.begin(), of.end(), [](const auto& one) { return one.is_null(); }));
  }
};

TEST_F(Measured, TheSixSeriesAndTheGpuAreServedWithTheirUnits) {
  World world(1);
  const auto host = world.add_host("h1");
  const auto pod = busy_pod(world);
  world.run_for(5min);
  const auto chart = get(world, "/v1/pods/" + pod + "/metrics?from=4m&step=10s");
  EXPECT_EQ(chart.at("name").as_string(), "busy");
  EXPECT_EQ(chart.at("stepSeconds").as_int64(), 10);
  EXPECT_EQ(chart.at("points").as_int64(), 24);
  const double vcpus = 32 * 0.9 / 4;  // a quarter of nine tenths of the host, which the view rounds
  const auto near = [&](std::string_view name, double expected) {
    const auto all = values(chart, name);
    ASSERT_EQ(all.size(), 24u) << name;
    EXPECT_NEAR(all[12].to_number<double>(), expected, expected * 0.02) << name;
  };
  near("cpu", 200 / vcpus);
  near("memory", 500);
  near("networkReceived", 1000);
  near("networkSent", 100);
  near("gpuUtilisation", 37);
  near("gpuMemory", 3950);
  const auto of_host = get(world, "/v1/hosts/" + host.str() + "/metrics?from=4m&step=1m");
  EXPECT_EQ(of_host.at("series").as_array().size(), 4u * 4u)
      << "four GPUs of four values; this machine tells nothing else";
}

TEST_F(Measured, AnHourByTheMinuteIsSixtyPointsAndAStepOutOfBoundsIsRefusedByName) {
  World world(2);
  world.add_host("h1");
  const auto pod = busy_pod(world);
  world.run_for(10min);
  EXPECT_EQ(values(get(world, "/v1/pods/" + pod + "/metrics?from=1h&step=1m"), "cpu").size(), 60u);
  for (const char* step : {"30s", "6h"}) {
    const auto refused = world.call(Method::get, "/v1/pods/" + pod + "/metrics?step=" + step);
    EXPECT_EQ(refused.status, 400);
    EXPECT_NE(refused.body.find("\"field\":\"step\""), std::string::npos) << refused.body;
  }
  EXPECT_EQ(world.call(Method::get, "/v1/pods/" + pod + "/metrics?from=later").status, 400);
}

TEST_F(Measured, WhoMayNotSeeThePodSeesNoMetricsAndHostsAreForTheOperator) {
  World world(3);
  const auto host = world.add_host("h1");
  const auto pod = busy_pod(world);
  world.run_for(1min);
  const auto stranger = world.stranger_key();
  EXPECT_EQ(world.call(Method::get, "/v1/pods/" + pod + "/metrics", {}, stranger).status, 404);
  EXPECT_EQ(world.call(Method::get, "/v1/pods/" + pod + "/metrics/live", {}, stranger).status, 404);
  EXPECT_EQ(world.call(Method::get, "/v1/hosts/" + host.str() + "/metrics", {}, stranger).status, 403);
  EXPECT_EQ(world.call(Method::get, "/v1/pods/nosuchpod/metrics").status, 404);
}

// Lost, doubled, reordered; the same chart as in a kind world, once the agent could say everything again.
TEST_F(Measured, WhatIsLostDoubledAndLateComesOutTheSame) {
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    World world(seed, {.drop = 0.3, .duplicate = 0.3, .latency_max = 20'000ms});
    world.set_link_faults({});
    world.add_host("h1");
    const auto pod = busy_pod(world);
    world.run_for(1min);
    world.set_link_faults({.drop = 0.3, .duplicate = 0.3, .latency_max = 20'000ms});
    world.run_for(10min);
    world.set_link_faults({});
    world.run_for(2min);
    const auto memory = values(get(world, "/v1/pods/" + pod + "/metrics?from=10m&to=1m&step=10s"), "memory");
    ASSERT_EQ(memory.size(), 54u);
    EXPECT_EQ(gaps(memory), 0u) << "seed " << seed;
    for (const auto& one : memory)
      if (!one.is_null()) {
        EXPECT_DOUBLE_EQ(one.to_number<double>(), 500) << "seed " << seed;
      }
    world.check();
  }
}

TEST_F(Measured, ALinkThatIsCutForAnHourLeavesNoGapAndAnAgentThatDiesLeavesOne) {
  World world(5);
  const auto host = world.add_host("h1");
  const auto pod = busy_pod(world);
  world.run_for(5min);
  world.cut_link(host, true);
  world.run_for(1h);
  world.cut_link(host, false);
  world.run_for(3min);
  EXPECT_EQ(gaps(values(get(world, "/v1/pods/" + pod + "/metrics?from=1h&step=1m"), "cpu")), 0u);
  world.crash_agent(host);
  world.run_for(10min);
  world.restart_agent(host);
  world.run_for(5min);
  const auto cpu = values(get(world, "/v1/pods/" + pod + "/metrics?from=16m&step=1m"), "cpu");
  EXPECT_GE(gaps(cpu), 8u);
  EXPECT_LE(gaps(cpu), 11u) << json::serialize(cpu);
  world.check();
}

TEST_F(Measured, AServerThatCrashesLosesNothingThatAgentsStillHave) {
  World world(6);
  world.add_host("h1");
  const auto pod = busy_pod(world);
  for (int i = 0; i < 5; ++i) {
    world.run_for(1min);
    world.crash_server();
    world.run_for(20s);
    world.restart_server();
  }
  world.run_for(2min);
  EXPECT_EQ(gaps(values(get(world, "/v1/pods/" + pod + "/metrics?from=6m&to=1m&step=10s"), "memory")), 0u);
}

TEST_F(Measured, AHostMaySayNothingOfAPodThatIsNotOnIt) {
  World world(7);
  const auto first = world.add_host("h1");
  const auto second = world.add_host("h2");
  const auto pod = busy_pod(world);
  world.run_for(1min);
  const auto on = get(world, "/v1/pods/" + pod).at("machineId").as_string();
  const auto other = std::string(on) == first.str() ? second : first;
  const auto slot = world.runtime.now() - world.runtime.now().time_since_epoch() % 10s - 30s;
  link::Metrics lie{1, {{slot, 9, {{link::MetricKind::pod, PodId(pod), "", {1e6f}}}}}, std::nullopt};
  lie.now = lie.slots.front();
  world.in_task([&] { world.hosts_service().agent_said(other, lie); });
  world.run_for(1min);
  for (const auto& one : values(get(world, "/v1/pods/" + pod + "/metrics?from=3m&step=10s"), "cpu"))
    if (!one.is_null()) {
      EXPECT_LT(one.to_number<double>(), 1000);
    }
  EXPECT_GT(world.monitoring().counters().refused, 0u);
}

TEST_F(Measured, LiveReadersGetTheLastSampleAtOnceAndEachOneAfterIt) {
  World world(8);
  world.add_host("h1");
  const auto pod = busy_pod(world);
  world.run_for(1min);
  const auto live = world.call(Method::get, "/v1/pods/" + pod + "/metrics/live");
  ASSERT_TRUE(live.stream);
  auto text = live.stream->take().bytes;
  EXPECT_NE(text.find("event: metrics"), std::string::npos) << text;
  EXPECT_NE(text.find("\"memoryMb\":"), std::string::npos) << text;
  world.run_for(10s);
  text = live.stream->take().bytes;
  EXPECT_NE(text.find("event: metrics"), std::string::npos) << "within ten seconds";
  live.stream->reader_gone();
  world.run_for(1min);
  EXPECT_NE(world.monitoring().prometheus().find("gyre_pod_memory_megabytes{pod=\"" + pod), std::string::npos);
  EXPECT_NE(world.monitoring().prometheus().find(",gpu=\"GPU-h1-"), std::string::npos);
  // A pod that stopped is no number any more.
  EXPECT_EQ(world.call(Method::post, "/v1/pods/" + pod + "/stop").status, 200);
  world.run_for(3min);
  EXPECT_EQ(world.monitoring().prometheus(), "");
}

TEST_F(Measured, APodWarnsAtNinetyPercentOfItsDiskOrVolumeInBothLanguages) {
  World world(9);
  world.add_host("h1");
  world.registry.push(
      "team/fills:1",
      {.program = engine::fake_program({.disk_bytes_per_second = 8'000'000, .volume_bytes_per_second = 20'000'000})});
  const auto made = world.call(
      Method::post, "/v1/pods",
      R"({"imageName":"team/fills:1","gpuCount":1,"containerDiskInGb":1,"volumeInGb":1,"volumeMountPath":"/workspace"})");
  ASSERT_EQ(made.status, 201) << made.body;
  const auto pod = std::string(json::parse(made.body).at("id").as_string());
  world.run_for(30s);
  EXPECT_EQ(get(world, "/v1/pods/" + pod).at("warnings").as_array().size(), 0u);
  world.run_for(65s);
  const auto warnings = get(world, "/v1/pods/" + pod).at("warnings").as_array();
  ASSERT_FALSE(warnings.empty());
  EXPECT_EQ(warnings.back().at("code").as_string(), "volume_nearly_full");
  EXPECT_FALSE(warnings.back().at("fix").as_string().empty());
  world.check();
}

}  // namespace
}  // namespace gyre
