// Spot pods, through the API, in the simulated world: who is stopped for whom, how, and what stays.
#include "sim/calls.hpp"

namespace gyre::sim {
namespace {

using http::Method;

class SpotTest : public testing::Test {
 protected:
  World world{1};

  void SetUp() override {
    world.registry.push("x", {});
    world.registry.push("stubborn", {.program = engine::fake_program({.ignores_stop = true})});
  }
  void TearDown() override { world.check(); }

  http::Response create(const std::string& more = "", const std::string& image = "x") {
    return world.call(
        Method::post, "/v1/pods",
        R"({"imageName":")" + image + R"(","gpuCount":1,"gpuTypeIds":["NVIDIA A40"],"volumeInGb":0)" + more + "}");
  }
  // Made and given half a minute.
  std::string made(const std::string& more = "", const std::string& image = "x") {
    const auto answer = create(more, image);
    EXPECT_EQ(answer.status, 201) << answer.body;
    world.run_for(30s);
    return answer.status == 201 ? text_of(answer, "id") : "";
  }
  std::string spot(const std::string& bid, const std::string& more = "", const std::string& image = "x") {
    return made(R"(,"interruptible":true,"bidPerGpu":)" + bid + more, image);
  }
  boost::json::object pod(const std::string& id) { return object_of(world.call(Method::get, "/v1/pods/" + id)); }
  std::string status(const std::string& id) { return text_of(pod(id), "status"); }
  std::string reason(const std::string& id, const char* part = "code") {
    const auto shown = pod(id);
    return shown.at("reason").is_object() ? text_of(shown.at("reason").as_object(), part) : "";
  }
  http::Response start(const std::string& id, const std::string& query = "") {
    return world.call(Method::post, "/v1/pods/" + id + "/start" + query);
  }
  void remove(const std::string& id) {
    EXPECT_EQ(world.call(Method::del, "/v1/pods/" + id).status, 204);
    world.run_for(30s);
  }
  void price(const std::string& body) {
    const auto set = world.call(Method::post, "/v1/catalog/gputypes/NVIDIA A40/prices", body);
    ASSERT_EQ(set.status, 201) << set.body;
    world.run_for(1s);
  }
  std::string container_of(const std::string& id) {
    for (const auto& host : world.hosts())
      for (const auto& container : world.engine(host).running())
        if (container.labels.at("gyre.pod") == id) return container.id;
    ADD_FAILURE() << "no container of " << id << " runs";
    return "";
  }
};

TEST_F(SpotTest, APodOnDemandTakesItsGpuFromASpotPodWhoseVolumeStays) {
  const auto host = world.add_host("h1", {.gpus = 1});
  const auto spots = spot("0.2", R"(,"volumeInGb":10)");
  ASSERT_EQ(status(spots), "running");
  EXPECT_EQ(pod(spots).at("interruptible"), true);
  world.engine(host).write_file(container_of(spots), "/workspace/kept", "yes");

  const auto answer = create();
  ASSERT_EQ(answer.status, 201);
  const auto taker = text_of(answer, "id");
  EXPECT_EQ(status(spots), "interrupting") << "in the very commit that made the other";
  EXPECT_EQ(status(taker), "queued") << "its room is not free before the agent says so";
  world.run_for(30s);
  EXPECT_EQ(status(taker), "running");
  EXPECT_EQ(status(spots), "stopped");
  EXPECT_EQ(text_of(pod(spots), "desiredStatus"), "EXITED");
  EXPECT_EQ(reason(spots), "interrupted");
  EXPECT_EQ(world.engine(host).volumes().size(), 1u);

  // It does not take it back, and has it again once the other is gone.
  const auto refused = start(spots);
  EXPECT_EQ(refused.status, 409);
  EXPECT_EQ(text_of(refused, "code"), "gpu_taken");
  remove(taker);
  EXPECT_EQ(start(spots).status, 200);
  world.run_for(30s);
  EXPECT_EQ(world.engine(host).read_file(container_of(spots), "/workspace/kept"), "yes");
  EXPECT_EQ(pod(spots).at("bidPerGpu").to_number<double>(), 0.2);
}

TEST_F(SpotTest, TheLowestBidIsInterruptedAndNobodyElse) {
  world.add_host("h1", {.gpus = 2});
  world.add_host("h2", {.gpus = 2});
  const auto middle = spot("0.3"), low = spot("0.2"), high = spot("0.4"), mine = made();
  const auto taker = made();
  EXPECT_EQ(status(low), "stopped");
  EXPECT_EQ(status(taker), "running");
  for (const auto& other : {middle, high, mine}) EXPECT_EQ(status(other), "running");
}

TEST_F(SpotTest, AHigherBidTakesFromALowerOneAndIsToldApart) {
  world.add_host("h1", {.gpus = 1});
  const auto low = spot("0.2");
  const auto equal = spot("0.2");
  EXPECT_EQ(status(low), "running");
  EXPECT_EQ(status(equal), "queued") << "who bids the same waits";
  const auto high = spot("0.25");
  EXPECT_EQ(status(high), "running");
  EXPECT_EQ(status(low), "stopped");
  EXPECT_EQ(reason(low), "outbid");
  EXPECT_EQ(reason(low, "text"), "interrupted: a bid above its $0.2 took its GPUs");
  // With a new bid it has its turn; without one it would wait.
  EXPECT_EQ(start(low, "?bidPerGpu=0.3").status, 200);
  world.run_for(30s);
  EXPECT_EQ(status(low), "running");
  EXPECT_EQ(pod(low).at("costPerHr").to_number<double>(), 0.3);
  EXPECT_EQ(status(high), "stopped");
}

TEST_F(SpotTest, NoBidAndNobodyElseEverStopsAPodOnDemand) {
  world.add_host("h1", {.gpus = 2});
  const auto mine = made(), spots = spot("0.1");
  const auto both = made(R"(,"gpuCount":2)"), rich = spot("1000");
  EXPECT_EQ(status(mine), "running");
  EXPECT_EQ(status(both), "queued");
  EXPECT_EQ(status(spots), "running") << "its GPU alone would not be enough";
  EXPECT_EQ(status(rich), "queued") << "a pod on demand waits for this type";
  remove(mine);
  EXPECT_EQ(status(both), "running");
  EXPECT_EQ(status(spots), "stopped");
}

TEST_F(SpotTest, ASpotPodWaitsBehindPodsOnDemandHoweverLongItHasWaited) {
  world.add_host("h1", {.gpus = 1});
  const auto holder = made();
  const auto first = spot("5"), second = spot("9"), demand = made();
  EXPECT_EQ(pod(demand).at("queue").at("position"), 1);
  EXPECT_EQ(pod(second).at("queue").at("position"), 2);
  EXPECT_EQ(pod(first).at("queue").at("position"), 3);
  remove(holder);
  EXPECT_EQ(status(demand), "running");
  remove(demand);
  EXPECT_EQ(status(second), "running");
  EXPECT_EQ(status(first), "queued");
}

TEST_F(SpotTest, WithoutABidItIsTheFloorAndBelowItTheFloorIsNamed) {
  world.add_host("h1", {.gpus = 8});
  price(R"({"securePrice":0.44,"secureSpotPrice":0.22})");
  const auto made_for_floor = made(R"(,"interruptible":true)");
  EXPECT_EQ(pod(made_for_floor).at("bidPerGpu").to_number<double>(), 0.22);
  EXPECT_EQ(pod(made_for_floor).at("costPerHr").to_number<double>(), 0.22);
  const auto refused = create(R"(,"interruptible":true,"bidPerGpu":0.21)");
  EXPECT_EQ(refused.status, 400);
  EXPECT_EQ(text_of(refused, "code"), "bid_too_low");
  EXPECT_NE(text_of(refused, "detail").find("the lowest bid for NVIDIA A40 is $0.22"), std::string::npos)
      << refused.body;
  const auto two = create(R"(,"interruptible":true,"bidPerGpu":0.3,"gpuCount":2)");
  EXPECT_EQ(object_of(two).at("costPerHr").to_number<double>(), 0.6);
  EXPECT_EQ(object_of(create()).at("costPerHr").to_number<double>(), 0.44) << "on demand nothing is different";

  // It was stopped while the floor rose: what it bid is not enough any more.
  EXPECT_EQ(world.call(Method::post, "/v1/pods/" + made_for_floor + "/stop").status, 200);
  world.run_for(30s);
  price(R"({"securePrice":0.44,"secureSpotPrice":0.3})");
  EXPECT_EQ(text_of(start(made_for_floor), "code"), "bid_too_low");
  EXPECT_EQ(start(made_for_floor, "?bidPerGpu=abc").status, 400);
  EXPECT_EQ(start(made_for_floor, "?bidPerGpu=-1").status, 400);
  EXPECT_EQ(start(made_for_floor, "?bidPerGpu=0.31").status, 200);
  EXPECT_EQ(pod(made_for_floor).at("bidPerGpu").to_number<double>(), 0.31);
}

TEST_F(SpotTest, WhoTakesSeveralTypesBidsForTheDearest) {
  world.add_host("h1", {.gpus = 1});
  price(R"({"secureSpotPrice":0.2})");
  const auto set = world.call(Method::post, "/v1/catalog/gputypes/NVIDIA L4/prices", R"({"secureSpotPrice":0.1})");
  ASSERT_EQ(set.status, 201) << set.body;
  world.run_for(1s);
  const std::string both = R"(,"gpuTypeIds":["NVIDIA L4","NVIDIA A40"],"interruptible":true)";
  EXPECT_EQ(text_of(create(both + R"(,"bidPerGpu":0.1)"), "code"), "bid_too_low");
  EXPECT_EQ(object_of(create(both)).at("bidPerGpu").to_number<double>(), 0.2);
  EXPECT_EQ(object_of(create(R"(,"gpuTypeIds":[],"interruptible":true)")).at("bidPerGpu").to_number<double>(), 0.2)
      << "any type that there is";
}

TEST_F(SpotTest, WithoutASpotPriceTheFloorIsThePriceOnDemand) {
  world.add_host("h1");
  EXPECT_EQ(pod(made(R"(,"interruptible":true)")).at("bidPerGpu").to_number<double>(), 0) << "nothing has a price";
  price(R"({"securePrice":0.44})");
  EXPECT_EQ(text_of(create(R"(,"bidPerGpu":0.43)"), "code"), "bid_too_low") << "nobody gets it for nothing";
  EXPECT_EQ(create(R"(,"bidPerGpu":0.44)").status, 201);
}

TEST_F(SpotTest, WhatCannotBeASpotPodIsRefusedByField) {
  world.add_host("h1");
  const auto field = [&](const std::string& more) {
    const auto answer = create(more);
    EXPECT_EQ(answer.status, 400) << answer.body;
    return text_of(answer, "field");
  };
  EXPECT_EQ(field(R"(,"interruptible":false,"bidPerGpu":0.5)"), "bidPerGpu");
  EXPECT_EQ(field(R"(,"interruptible":true,"gpuCount":0)"), "interruptible");
  EXPECT_EQ(field(R"(,"bidPerGpu":0.1234567)"), "bidPerGpu");
  EXPECT_EQ(field(R"(,"bidPerGpu":100001)"), "bidPerGpu");
  const auto cpu =
      world.call(Method::post, "/v1/pods", R"({"imageName":"x","computeType":"CPU","interruptible":true})");
  EXPECT_EQ(text_of(cpu, "field"), "interruptible");
  const auto type =
      world.call(Method::post, "/v1/machinetypes", R"({"name":"g1.small","gpuCount":1,"vcpuCount":2,"memoryInGb":8})");
  EXPECT_EQ(type.status, 201) << type.body;
  const auto of_type =
      world.call(Method::post, "/v1/pods", R"({"imageName":"x","machineType":"g1.small","interruptible":true})");
  EXPECT_EQ(of_type.status, 400);
  EXPECT_EQ(text_of(of_type, "field"), "interruptible");
  const auto demand = made();
  world.call(Method::post, "/v1/pods/" + demand + "/stop");
  world.run_for(30s);
  EXPECT_EQ(text_of(start(demand, "?bidPerGpu=1"), "code"), "not_a_spot_pod");
  EXPECT_EQ(start(demand).status, 200);
}

TEST_F(SpotTest, WhoIgnoresTheSignalIsKilledAfterFiveSecondsAndOnlyThenIsItsGpuGiven) {
  const auto host = world.add_host("h1", {.gpus = 1});
  const auto spots = spot("0.2", "", "stubborn");
  ASSERT_EQ(status(spots), "running");
  const auto asked = world.runtime.now();
  const auto taker = text_of(create(), "id");
  world.run_for(4s);
  EXPECT_EQ(status(spots), "interrupting");
  EXPECT_EQ(status(taker), "queued");
  world.run_for(30s);
  EXPECT_EQ(status(taker), "running");
  const auto& history = world.engine(host).history();
  ASSERT_EQ(history.size(), 2u);
  EXPECT_EQ(history[0].end, engine::FakeEnd::killed);
  EXPECT_GE(*history[0].ended - asked, 5s);
  EXPECT_LE(*history[0].ended - asked, 6s);
  EXPECT_GE(history[1].started, *history[0].ended);
}

TEST_F(SpotTest, WhileOneGoesNobodyElseIsStoppedForTheSame) {
  world.add_host("h1", {.gpus = 3});
  const auto a = spot("0.1", "", "stubborn"), b = spot("0.2", "", "stubborn"), c = spot("0.3");
  const auto host = world.hosts().front();
  const auto taker = text_of(create(), "id");
  world.run_for(1s);
  world.cut_link(host, true);
  world.run_for(20s);  // the queue is looked at again and again
  EXPECT_EQ(status(a), "interrupting");
  EXPECT_EQ(status(b), "running");
  world.run_for(2min);  // the host is offline by now: nothing is concluded from that
  EXPECT_EQ(status(taker), "queued");
  EXPECT_EQ(status(a), "interrupting");
  world.cut_link(host, false);
  world.run_for(1min);
  EXPECT_EQ(status(taker), "running");
  EXPECT_EQ(status(a), "stopped");
  EXPECT_EQ(status(b), "running");
  EXPECT_EQ(status(c), "running");
}

TEST_F(SpotTest, TwoWhoComeTogetherStopTwoAndNoThird) {
  world.add_host("h1", {.gpus = 4});
  const auto a = spot("0.1"), b = spot("0.2"), c = spot("0.3"), d = spot("0.4");
  const auto first = text_of(create(), "id"), second = text_of(create(), "id");
  EXPECT_EQ(status(a), "interrupting");
  EXPECT_EQ(status(b), "interrupting");
  EXPECT_EQ(status(c), "running");
  world.run_for(30s);
  EXPECT_EQ(status(first), "running");
  EXPECT_EQ(status(second), "running");
  EXPECT_EQ(status(c), "running");
  EXPECT_EQ(status(d), "running");
}

TEST_F(SpotTest, APodWithAVolumeTakesTheRoomOnItsOwnHost) {
  const auto home = world.add_host("h1", {.gpus = 1});
  const auto mine = made(R"(,"volumeInGb":10)");
  world.call(Method::post, "/v1/pods/" + mine + "/stop");
  world.run_for(30s);
  world.add_host("h2", {.gpus = 1});
  const auto cheap = spot("0.1"), dear = spot("0.5");  // one on each host
  ASSERT_EQ(status(cheap), "running");
  ASSERT_EQ(status(dear), "running");
  const auto& at_home = text_of(pod(cheap), "machineId") == home.str() ? cheap : dear;
  const auto& elsewhere = at_home == cheap ? dear : cheap;
  const auto answer = start(mine);
  EXPECT_EQ(answer.status, 200) << answer.body;
  EXPECT_EQ(text_of(answer, "desiredStatus"), "RUNNING");
  EXPECT_EQ(status(at_home), "interrupting") << "whatever it bids: the volume is there";
  world.run_for(30s);
  EXPECT_EQ(status(mine), "running");
  EXPECT_EQ(text_of(pod(mine), "machineId"), home.str());
  EXPECT_EQ(status(elsewhere), "running");
}

TEST_F(SpotTest, WhatIsMadeFreeForABoundPodIsNotGivenToWhoCameLater) {
  world.add_host("h1", {.gpus = 2});
  const auto mine = made(R"(,"volumeInGb":10,"gpuCount":2)");
  world.call(Method::post, "/v1/pods/" + mine + "/stop");
  world.run_for(30s);
  const auto spots = spot("0.2", "", "stubborn");
  ASSERT_EQ(start(mine).status, 200);
  const auto later = text_of(create(), "id"), bidder = text_of(create(R"(,"bidPerGpu":9)"), "id");
  EXPECT_EQ(status(later), "queued") << "one GPU is free there all the time";
  world.run_for(30s);
  EXPECT_EQ(status(mine), "running");
  EXPECT_EQ(status(spots), "stopped");
  EXPECT_EQ(status(later), "queued");
  EXPECT_EQ(status(bidder), "queued");
}

TEST_F(SpotTest, ASpotPodsVolumeTakesNothingFromPodsOnDemandNorFromHigherBids) {
  world.add_host("h1", {.gpus = 1});
  const auto mine = spot("0.2", R"(,"volumeInGb":10)");
  world.call(Method::post, "/v1/pods/" + mine + "/stop");
  world.run_for(30s);
  const auto higher = spot("0.3");
  EXPECT_EQ(text_of(start(mine), "code"), "gpu_taken");
  EXPECT_EQ(start(mine, "?bidPerGpu=0.4").status, 200);
  world.run_for(30s);
  EXPECT_EQ(status(mine), "running");
  EXPECT_EQ(status(higher), "stopped");
  const auto demand = made();
  EXPECT_EQ(status(mine), "stopped");
  EXPECT_EQ(text_of(start(mine, "?bidPerGpu=9000"), "code"), "gpu_taken");
  EXPECT_EQ(pod(mine).at("bidPerGpu").to_number<double>(), 0.4) << "a refused bid is not kept";
  // Its data can be reached without a bid.
  EXPECT_EQ(start(mine, "?gpuCount=0").status, 200);
  world.run_for(30s);
  EXPECT_EQ(status(mine), "running");
  EXPECT_EQ(pod(mine).at("gpuCount"), 0);
  EXPECT_EQ(pod(mine).at("costPerHr").to_number<double>(), 0);
  EXPECT_EQ(status(demand), "running");
}

TEST_F(SpotTest, ASpotPodDoesNotStartBeforeAPodOnDemandThatWaitsForItsHost) {
  world.add_host("h1", {.gpus = 2});
  const auto mine = spot("0.2", R"(,"volumeInGb":10)");
  world.call(Method::post, "/v1/pods/" + mine + "/stop");
  world.run_for(30s);
  const auto holder = made(), both = made(R"(,"gpuCount":2)");
  ASSERT_EQ(status(both), "queued");
  const auto refused = start(mine);
  EXPECT_EQ(refused.status, 409) << "one GPU is free there, and waited for";
  EXPECT_EQ(text_of(refused, "code"), "no_room_on_host");
  remove(holder);
  EXPECT_EQ(status(both), "running");
}

TEST_F(SpotTest, ALockDoesNotHoldOffAnInterruption) {
  world.add_host("h1", {.gpus = 1});
  const auto spots = spot("0.2", R"(,"locked":true)");
  const auto taker = made();
  EXPECT_EQ(status(taker), "running");
  EXPECT_EQ(status(spots), "stopped");
}

TEST_F(SpotTest, ADryRunSaysHowManyWouldBeInterruptedAndInterruptsNobody) {
  world.add_host("h1", {.gpus = 2});
  const auto a = spot("0.1"), b = spot("0.2");
  const auto dry = [&](const std::string& more) {
    const auto answer = world.call(Method::post, "/v1/pods?dryRun=true",
                                   R"({"imageName":"x","gpuTypeIds":["NVIDIA A40"],"volumeInGb":0)" + more + "}");
    EXPECT_EQ(answer.status, 200) << answer.body;
    return object_of(answer);
  };
  EXPECT_EQ(dry(R"(,"gpuCount":2)").at("fits"), true);
  EXPECT_EQ(dry(R"(,"gpuCount":2)").at("interruptsPods"), 2);
  EXPECT_EQ(dry(R"(,"gpuCount":1,"bidPerGpu":0.15)").at("interruptsPods"), 1);
  EXPECT_EQ(dry(R"(,"gpuCount":2,"bidPerGpu":0.15)").at("fits"), false);
  world.run_for(30s);
  EXPECT_EQ(status(a), "running");
  EXPECT_EQ(status(b), "running");
}

TEST_F(SpotTest, WhatWasNotCommittedInterruptedNobody) {
  world.add_host("h1", {.gpus = 1});
  const auto spots = spot("0.2");
  world.fail_commits(1);
  EXPECT_NE(create().status, 201);
  EXPECT_EQ(status(spots), "running");
  world.run_for(1min);
  EXPECT_EQ(status(spots), "running");
  const auto taker = made();  // what is kept in memory knows that it may be stopped
  EXPECT_EQ(status(taker), "running");
  EXPECT_EQ(status(spots), "stopped");
}

TEST_F(SpotTest, AServerThatCrashesMeanwhileGoesOnWithIt) {
  world.add_host("h1", {.gpus = 2});
  const auto spots = spot("0.2", "", "stubborn"), other = spot("0.3");
  const auto taker = text_of(create(), "id");
  world.crash_server();
  world.run_for(1min);
  world.restart_server();
  world.run_for(1min);
  EXPECT_EQ(status(taker), "running");
  EXPECT_EQ(status(spots), "stopped");
  EXPECT_EQ(reason(spots), "interrupted");
  EXPECT_EQ(status(other), "running");
}

TEST_F(SpotTest, APodThatCannotStartAnyMoreInterruptsNobody) {
  const auto host = world.add_host("h1", {.gpus = 1});
  const auto secret = world.call(Method::post, "/v1/secrets", R"({"name":"token","value":"v"})");
  ASSERT_EQ(secret.status, 201) << secret.body;
  const auto spots = spot("0.2");
  const auto path = "/v1/hosts/" + host.str();
  ASSERT_EQ(world.call(Method::post, path + "/drain").status, 200);
  const auto waits = made(R"(,"env":{"TOKEN":"{{ RUNPOD_SECRET_token }}"})");
  EXPECT_EQ(status(waits), "queued");
  ASSERT_EQ(world.call(Method::del, "/v1/secrets/" + text_of(secret, "id")).status, 204);
  ASSERT_EQ(world.call(Method::post, path + "/undrain").status, 200);
  world.run_for(30s);
  EXPECT_EQ(reason(waits), "secret_missing");
  EXPECT_EQ(status(spots), "running");
}

TEST_F(SpotTest, EventsTellWhy) {
  world.add_host("h1", {.gpus = 1});
  const auto spots = spot("0.2");
  made();
  const auto events = list_of(world.call(Method::get, "/v1/pods/" + spots + "/events"));
  std::vector<std::string> kinds;
  for (const auto& event : events) {
    kinds.push_back(text_of(event.as_object(), "kind"));
    if (kinds.back() == "pod.interrupting") {
      EXPECT_EQ(text_of(event.at("reason").as_object(), "code"), "interrupted");
    }
  }
  EXPECT_NE(std::find(kinds.begin(), kinds.end(), "pod.interrupting"), kinds.end()) << kinds.size();
  EXPECT_NE(std::find(kinds.begin(), kinds.end(), "pod.stopped"), kinds.end());
}

}  // namespace
}  // namespace gyre::sim
