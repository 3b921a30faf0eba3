// Two servers on one database: the one that was deposed and does not know it decides nothing, and nothing that it says
// reaches a container.
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <map>

#include "sim/world.hpp"

namespace gyre::sim {
namespace {

using http::Method;

std::string field(const http::Response& response, const char* name) {
  const auto object = boost::json::parse(response.body).as_object();
  return std::string(object.at(name).as_string());
}

std::string body_of(const std::string& name) {
  return R"({"name":")" + name + R"(","imageName":"team/steady:1","gpuCount":1})";
}

class TwoServersInTheWorld : public testing::Test {
 protected:
  void settle(World& world) {
    world.registry.push("team/steady:1", {.bytes = 1'000'000});
    world.add_host("h0");
    world.add_host("h1");
  }
};

TEST_F(TwoServersInTheWorld, ADeposedOneAcknowledgesNothingAndChangesNothing) {
  World world(7);
  settle(world);
  const auto kept = field(world.call(Method::post, "/v1/pods", body_of("kept")), "id");
  world.run_for(1min);
  ASSERT_EQ(world.running_pods().size(), 1u);

  world.depose_server(10min);
  EXPECT_EQ(world.call_deposed(Method::post, "/v1/pods", body_of("ghost")).status, 500);
  EXPECT_EQ(world.call_deposed(Method::post, "/v1/pods/" + kept + "/stop").status, 500);
  EXPECT_EQ(world.call_deposed(Method::del, "/v1/pods/" + kept).status, 500);
  // Not even an old answer: what it would read may have been changed by the other.
  EXPECT_EQ(world.call_deposed(Method::get, "/v1/pods/" + kept).status, 500);
  const auto made = world.call(Method::post, "/v1/pods", body_of("made"));
  EXPECT_EQ(made.status, 201);
  // The agents are still with the old one, which can record nothing that they say.
  for (int minute = 0; minute < 9; ++minute) {
    world.run_for(1min);
    world.check();
    ASSERT_TRUE(world.has_deposed_server());
    EXPECT_EQ(world.running_pods().size(), 1u) << "an order left without its decision";
  }
  world.run_for(3min);
  world.check();
  EXPECT_FALSE(world.has_deposed_server());
  EXPECT_EQ(world.running_pods().size(), 2u);
  const auto list = world.call(Method::get, "/v1/pods");
  EXPECT_EQ(list.body.find("ghost"), std::string::npos);
}

// Every seed: wishes go to whoever answers, and the leader changes in the middle of them.
TEST_F(TwoServersInTheWorld, WhatWasAcknowledgedHoldsThroughManyChangesOfTheLeader) {
  for (std::uint64_t seed = 1; seed <= 15 && !HasFailure(); ++seed) {
    World world(seed);
    settle(world);
    world.set_link_faults({.drop = seed % 3 == 0 ? 0.2 : 0.0,
                           .duplicate = seed % 2 == 0 ? 0.1 : 0.0,
                           .latency_max = seed % 4 == 0 ? Duration(10s) : Duration(50ms)});
    std::map<std::string, bool> promised;  // pod -> shall run
    for (int minute = 0; minute < 40 && !HasFailure(); ++minute) {
      if (!world.has_deposed_server() && world.dice.chance(0.3))
        world.depose_server(Duration(std::chrono::seconds(1 + world.dice.below(240))));
      if (world.has_deposed_server()) {
        EXPECT_EQ(world.call_deposed(Method::post, "/v1/pods", body_of("ghost")).status, 500) << "seed " << seed;
        for (const auto& [pod, runs] : promised)
          EXPECT_EQ(world.call_deposed(Method::del, "/v1/pods/" + pod).status, 500) << "seed " << seed;
      }
      if (promised.size() < 6 && world.dice.chance(0.4)) {
        const auto made = world.call(Method::post, "/v1/pods", body_of("n" + std::to_string(minute)));
        if (made.status == 201) promised[field(made, "id")] = true;
      } else if (!promised.empty()) {
        auto one = promised.begin();
        std::advance(one, world.dice.below(promised.size()));
        const auto verb = one->second ? "/stop" : "/start";
        if (world.call(Method::post, "/v1/pods/" + one->first + verb).status == 200) one->second = !one->second;
      }
      world.run_for(Duration(std::chrono::seconds(20 + world.dice.below(80))));
      world.check();
    }
    world.set_link_faults({});
    world.run_for(15min);
    world.check();
    std::set<std::string> wanted, running;
    for (const auto& [pod, runs] : promised)
      if (runs) wanted.insert(pod);
    for (const auto& [pod, host] : world.running_pods()) running.insert(pod);
    EXPECT_EQ(running, wanted) << "seed " << seed;
  }
}

}  // namespace
}  // namespace gyre::sim
