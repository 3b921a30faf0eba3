// Pods that stop or are deleted at a time of their own, through the API, in the simulated world.
#include "sim/calls.hpp"

namespace gyre::sim {
namespace {

using http::Method;

class TimedEndsTest : public testing::Test {
 protected:
  World world{1};
  HostId host;

  void SetUp() override {
    world.registry.push("x", {});
    host = world.add_host("h1", {.gpus = 2});
  }
  void TearDown() override { world.check(); }

  http::Response create(const std::string& more) {
    return world.call(Method::post, "/v1/pods", R"({"imageName":"x","gpuCount":1,"volumeInGb":10)" + more + "}");
  }
  std::string made(const std::string& more) {
    const auto answer = create(more);
    EXPECT_EQ(answer.status, 201) << answer.body;
    world.run_for(10s);
    return answer.status == 201 ? text_of(answer, "id") : "";
  }
  boost::json::object pod(const std::string& id) { return object_of(world.call(Method::get, "/v1/pods/" + id)); }
  std::string status(const std::string& id) { return text_of(pod(id), "status"); }
  std::string reason(const std::string& id) { return text_of(pod(id).at("reason").as_object(), "code"); }
  http::Response change(const std::string& id, const std::string& body) {
    return world.call(Method::patch, "/v1/pods/" + id, body);
  }
  int start(const std::string& id) { return world.call(Method::post, "/v1/pods/" + id + "/start").status; }
};

TEST_F(TimedEndsTest, APodStopsAfterItsTimeAndItsVolumeStays) {
  const auto id = made(R"(,"stopAfter":"1h")");
  EXPECT_NE(text_of(pod(id), "stopAt"), "");
  world.run_for(59min);
  EXPECT_EQ(status(id), "running");
  world.run_for(1min);
  EXPECT_EQ(status(id), "stopped");
  EXPECT_EQ(reason(id), "stopped_in_time");
  EXPECT_EQ(world.engine(host).volumes().size(), 1u);
  // Once: it may be started, and then nothing stops it.
  EXPECT_TRUE(pod(id).at("stopAt").is_null());
  EXPECT_EQ(start(id), 200);
  world.run_for(6h);
  EXPECT_EQ(status(id), "running");
}

TEST_F(TimedEndsTest, APodIsDeletedAfterItsTimeAndNothingOfItIsLeft) {
  const auto id = made(R"(,"stopAfter":"30m","terminateAfter":"1h")");
  world.run_for(31min);
  EXPECT_EQ(status(id), "stopped");
  world.run_for(30min);
  EXPECT_EQ(world.call(Method::get, "/v1/pods/" + id).status, 404);
  EXPECT_TRUE(world.engine(host).volumes().empty());
  EXPECT_TRUE(world.running_pods().empty());
  EXPECT_EQ(world.database().value<int>("SELECT COUNT(*) FROM events WHERE pod=$1 AND reason='deleted_in_time'", id), 2)
      << "that it is being deleted, and that it is";
}

TEST_F(TimedEndsTest, WhoWaitsIsStoppedOrDeletedToo) {
  const auto first = made(R"(,"gpuCount":2)"), waits = made(R"(,"stopAfter":"1m")"),
             goes = made(R"(,"terminateAfter":"1m")");
  EXPECT_EQ(status(waits), "queued");
  world.run_for(1min);
  EXPECT_EQ(status(waits), "stopped");
  EXPECT_EQ(world.call(Method::get, "/v1/pods/" + goes).status, 404);
  EXPECT_EQ(status(first), "running");
}

TEST_F(TimedEndsTest, ALockedPodGoesOnAndItsTimeIsOver) {
  const auto id = made(R"(,"stopAfter":"1m","terminateAfter":"2m","locked":true)");
  world.run_for(5min);
  EXPECT_EQ(status(id), "running");
  EXPECT_EQ(change(id, R"({"locked":false})").status, 200);
  world.run_for(1h);
  EXPECT_EQ(status(id), "running") << "unlocking must not end a pod";
}

TEST_F(TimedEndsTest, ItsTimesAreChangedWithoutTouchingWhatRuns) {
  const auto id = made(R"(,"stopAfter":"1h","terminateAfter":"2h")");
  const auto container = world.engine(host).running().front().id;
  EXPECT_EQ(change(id, R"({"stopAfter":"3h","terminateAfter":""})").status, 200);
  world.run_for(2h + 50min);
  EXPECT_EQ(status(id), "running");
  EXPECT_EQ(world.engine(host).running().front().id, container);
  world.run_for(11min);
  EXPECT_EQ(status(id), "stopped");
  world.run_for(6h);
  EXPECT_EQ(status(id), "stopped");
  EXPECT_EQ(change(id, R"({"terminateAfter":"1m"})").status, 200);
  world.run_for(2min);
  EXPECT_EQ(world.call(Method::get, "/v1/pods/" + id).status, 404);
}

TEST_F(TimedEndsTest, AServerThatWasDownAtTheTimeOrWhoseCommitFailsDoesItAfterwards) {
  const auto id = made(R"(,"stopAfter":"1h")");
  world.crash_server();
  world.run_for(2h);
  world.restart_server();
  world.run_for(1min);
  EXPECT_EQ(status(id), "stopped");

  const auto other = made(R"(,"stopAfter":"1m")");
  world.run_for(49s);
  world.fail_commits(3);
  world.run_for(30s);
  EXPECT_EQ(status(other), "stopped");
}

TEST_F(TimedEndsTest, WhatHasEndedBeforeIsLeftAlone) {
  const auto stopped = made(R"(,"stopAfter":"1h")"), deleted = made(R"(,"terminateAfter":"1h")");
  EXPECT_EQ(world.call(Method::post, "/v1/pods/" + stopped + "/stop").status, 200);
  EXPECT_EQ(world.call(Method::del, "/v1/pods/" + deleted).status, 204);
  world.run_for(2h);
  EXPECT_EQ(status(stopped), "stopped");
  EXPECT_EQ(reason(stopped), "stopped_by_user");
  EXPECT_EQ(start(stopped), 200);
  world.run_for(1h);
  EXPECT_EQ(status(stopped), "running");
}

TEST_F(TimedEndsTest, ATimeThatIsNoneIsRefusedByNameAndNothingIsMade) {
  for (const char* field : {"stopAfter", "terminateAfter"})
    for (const char* value : {"soon", "2020-01-01T00:00:00Z", "99999d"}) {
      const auto body = std::string(",\"") + field + "\":\"" + value + '"';
      for (const auto& answer :
           {create(body), world.call(Method::post, "/v1/pods?dryRun=true", R"({"imageName":"x")" + body + "}")}) {
        EXPECT_EQ(answer.status, 400) << body;
        EXPECT_NE(answer.body.find(field), std::string::npos) << answer.body;
      }
    }
  EXPECT_TRUE(list_of(world.call(Method::get, "/v1/pods")).empty());
}

}  // namespace
}  // namespace gyre::sim
