// What a user or an operator would notice, through the API, in the simulated world.
#include "sim/world.hpp"

#include <gtest/gtest.h>

#include <boost/json.hpp>

namespace gyre::sim {
namespace {

using http::Method;

boost::json::object json_of(const http::Response& response) { return boost::json::parse(response.body).as_object(); }
std::string text(const boost::json::object& object, const char* key) {
  const auto* value = object.if_contains(key);
  return value && value->is_string() ? std::string(value->as_string()) : std::string();
}

class WorldTest : public testing::Test {
 protected:
  World world{1};

  void image(const std::string& name, engine::FakeProgram program = {}) {
    world.registry.push(name, {.program = engine::fake_program(std::move(program))});
  }
  std::string create(const std::string& body) {
    const auto made = world.call(Method::post, "/v1/pods", body);
    EXPECT_EQ(made.status, 201) << made.body;
    return made.status == 201 ? text(json_of(made), "id") : "";
  }
  boost::json::object pod(const std::string& id) { return json_of(world.call(Method::get, "/v1/pods/" + id)); }
  std::string status(const std::string& id) { return text(pod(id), "status"); }
  std::string reason(const std::string& id) {
    const auto shown = pod(id);
    return shown.at("reason").is_object() ? text(shown.at("reason").as_object(), "code") : "";
  }
  engine::Container container_of(const std::string& id) {
    for (const auto& host : world.hosts())
      for (const auto& container : world.engine(host).running())
        if (container.labels.at("gyre.pod") == id) return container;
    ADD_FAILURE() << "no container of " << id << " runs";
    return {};
  }
  int verb(const std::string& id, const std::string& what) {
    return world.call(Method::post, "/v1/pods/" + id + "/" + what).status;
  }
  void TearDown() override { world.check(); }
};

TEST_F(WorldTest, TheListOfGpusSaysWhatIsFreeAndMostOnOneHost) {
  image("x");
  world.add_host("h1");
  world.add_host("h2");
  world.run_for(5s);
  const auto gpus = [&] {
    return boost::json::parse(world.call(Method::get, "/v1/gpus").body).as_array().at(0).as_object();
  };
  const auto before = gpus();
  const auto total = before.at("total").as_int64();
  EXPECT_EQ(text(before, "id"), "NVIDIA A40");
  EXPECT_EQ(before.at("free").as_int64(), total);
  EXPECT_EQ(before.at("mostFreeOnOneHost").as_int64(), total / 2);
  create(R"({"imageName":"x","gpuCount":1,"gpuTypeIds":["NVIDIA A40"]})");
  world.run_for(20s);
  EXPECT_EQ(gpus().at("free").as_int64(), total - 1);
  const auto hosts = boost::json::parse(world.call(Method::get, "/v1/hosts").body).as_array();
  for (const auto& host : hosts)
    world.call(Method::post, "/v1/hosts/" + std::string(host.at("id").as_string()) + "/drain");
  EXPECT_EQ(gpus().at("free").as_int64(), 0) << "a draining host takes no new pod";
  EXPECT_EQ(gpus().at("total").as_int64(), total);
}

TEST_F(WorldTest, GrowingADiskOrAVolumeAsksWhetherTheHostHasRoom) {
  image("team/train:1");
  // Disks of containers are counted in GiB, volumes in GB: beside two pods 60 GB are free.
  world.add_host("h1", {.disk_bytes = 100 * (std::int64_t{1} << 30) + 100'000'000'000});
  const auto id = create(R"({"imageName":"team/train:1","containerDiskInGb":50,"volumeInGb":20})");
  const auto other = create(R"({"imageName":"team/train:1","containerDiskInGb":50,"volumeInGb":20})");
  world.run_for(20s);
  ASSERT_EQ(status(id), "running");
  ASSERT_EQ(status(other), "running");
  const auto patch = [&](const std::string& body) { return world.call(Method::patch, "/v1/pods/" + id, body); };

  const auto refused = patch(R"({"volumeInGb":81})");
  EXPECT_EQ(refused.status, 409) << refused.body;
  EXPECT_EQ(text(json_of(refused), "code"), "no_room_on_host");
  EXPECT_NE(text(json_of(refused), "detail").find("60 GB of disk are free, 61 GB are needed"), std::string::npos)
      << refused.body;
  EXPECT_EQ(patch(R"({"containerDiskInGb":78,"volumeInGb":50})").status, 409) << "both together";
  EXPECT_EQ(pod(id).at("volumeInGb"), 20) << "a refused change changes nothing";
  EXPECT_EQ(patch(R"({"containerDiskInGb":78,"volumeInGb":49})").status, 200);
  world.run_for(20s);
  EXPECT_EQ(status(id), "running");
  EXPECT_EQ(patch(R"({"containerDiskInGb":79})").status, 409) << "what was taken is taken";
  EXPECT_EQ(patch(R"({"containerDiskInGb":30})").status, 200) << "less always fits";

  // A stopped pod holds its volume alone: its disk is asked for when it starts.
  verb(id, "stop");
  world.run_for(20s);
  EXPECT_EQ(patch(R"({"containerDiskInGb":5000})").status, 200);
  EXPECT_EQ(patch(R"({"volumeInGb":5000})").status, 409);
  EXPECT_EQ(verb(id, "start"), 409);
}

TEST_F(WorldTest, QuotaIsUsedInExactlyTheStatesThatTheTableOfPodsCounts) {
  image("team/train:1");
  const auto id = create(R"({"imageName":"team/train:1"})");
  world.in_task([&] {
    PodStore store(world.database());
    auto before = store.find(PodId(id)).value();
    before.machine_type = MachineTypeId("t");
    before.id = PodId("counted");
    store.insert(before);
    boost::mp11::mp_for_each<boost::describe::describe_enumerators<PodState>>([&](auto d) {
      auto now = store.find(PodId("counted")).value();
      now.state = d.value;
      store.update(now);
      EXPECT_EQ(store.machine_type_uses(MachineTypeId("t")), uses_quota(d.value) ? 1 : 0) << d.name;
      EXPECT_EQ(store.machine_type_uses(now.workspace, MachineTypeId("t")), uses_quota(d.value) ? 1 : 0) << d.name;
      EXPECT_EQ(store.machine_type_uses(WorkspaceId("elsewhere"), MachineTypeId("t")), 0);
    });
    world.database().exec("DELETE FROM pods WHERE id='counted'");
  });
}

// Who an agent is stands in its certificate; what it may then say is bounded here.
TEST_F(WorldTest, AHostCannotSpeakForAPodOfAnotherNorLearnItsSecrets) {
  image("x");
  world.add_host("h1", {.gpus = 1});
  const auto id = create(
      R"({"imageName":"x","gpuCount":1,"gpuTypeIds":["NVIDIA A40"],"env":{"TOKEN":"s3cret-value"},"dockerStartCmd":["run","s3cret-value"]})");
  world.run_for(20s);
  ASSERT_EQ(status(id), "running");
  const auto thief = world.add_host("h2");
  world.run_for(20s);
  bool ordered_away = false;
  world.overhear = [&](const HostId& host, const link::ServerMessage& message) {
    const auto* order = std::get_if<link::PodOrder>(&message);
    if (!order || host != thief) return;
    ordered_away = ordered_away || order->desired == link::Desired::deleted;
    for (const auto& container : order->spec.containers) {
      EXPECT_TRUE(container.env.empty()) << "the variables hold the owner's secrets and the pod's own key";
      EXPECT_FALSE(container.command) << "so may the command";
      EXPECT_EQ(container.registry_password, "");
    }
  };
  link::PodFacts claim;
  claim.pod = PodId(id);
  claim.phase = link::PodPhase::failed;
  for (const std::int64_t generation : {0, 1, 99}) {
    claim.generation = generation;
    link::Report report;
    report.sequence = (std::uint64_t{1} << 62) + static_cast<std::uint64_t>(generation);  // newer than any so far
    report.engine_reachable = true;
    report.pods = {claim};
    report.stray_containers = {"gyre-" + id + "-main-1"};
    world.in_task([&] { world.hosts_service().agent_said(thief, report); });
    world.run_for(1s);
  }
  EXPECT_TRUE(ordered_away) << "nothing was sent: the test shows nothing";
  EXPECT_EQ(status(id), "running");
  world.overhear = nullptr;
}

// Seed 66 of the hostile worlds: a host whose hello was lost, or whose row could not be written, was no host for syncs.
TEST_F(WorldTest, WhatAHostIsIsSaidAgainUntilItIsWrittenDown) {
  const auto host = world.add_host("h1");
  world.crash_server();
  world.set_link_faults({.drop = 1});
  world.restart_server();
  world.run_for(20s);
  world.set_link_faults({});
  world.run_for(30s);
  EXPECT_FALSE(world.hosts_service().live(host)->lends_volumes) << "its hello was lost: the test shows something";
  world.fail_commits(3);
  world.run_for(10min);
  EXPECT_TRUE(world.hosts_service().live(host)->lends_volumes);
  const auto version = world.database().value<std::int64_t>("SELECT version FROM hosts");
  world.run_for(10min);
  EXPECT_LE(world.database().value<std::int64_t>("SELECT version FROM hosts"), version)
      << "nothing new, nothing written";
}

// Messages overtake one another: what an older report says must not stand until the next one comes.
TEST_F(WorldTest, ALateReportDoesNotUndoWhatANewerOneSaid) {
  const auto host = world.add_host("h1");
  world.run_for(20s);
  const auto newest = world.hosts_service().live(host)->sequence;
  ASSERT_GT(newest, 1U);
  const auto reachable_after = [&](std::uint64_t sequence) {
    link::Report report;
    report.sequence = sequence;
    report.engine_error = "gone";
    world.in_task([&] { world.hosts_service().agent_said(host, report); });
    return world.database().value<std::int64_t>("SELECT count(*) FROM hosts WHERE engine_reachable") == 1;
  };
  EXPECT_TRUE(reachable_after(newest - 1)) << "an older one counted";
  EXPECT_TRUE(reachable_after(newest)) << "the same one counted twice";
  EXPECT_FALSE(reachable_after(newest + 1)) << "no report counts: the test shows nothing";
}

TEST_F(WorldTest, ACreatedPodRunsOnAHostThatFits) {
  image("team/train:1");
  world.add_host("h1");
  const auto id =
      create(R"({"name":"train","imageName":"team/train:1","gpuCount":2,"gpuTypeIds":["NVIDIA A40"],"env":{"A":"1"}})");
  world.run_for(20s);
  const auto shown = pod(id);
  EXPECT_EQ(text(shown, "status"), "running");
  EXPECT_EQ(text(shown, "desiredStatus"), "RUNNING");
  EXPECT_EQ(shown.at("gpu").at("count").as_int64(), 2);
  const auto host = world.hosts().front();
  const auto spec = world.engine(host).spec(container_of(id).id);
  ASSERT_TRUE(spec);
  EXPECT_EQ(spec->gpus.size(), 2u);
  EXPECT_EQ(spec->env.at("A"), "1");
  EXPECT_EQ(spec->env.at("RUNPOD_POD_ID"), id);
  EXPECT_EQ(spec->env.at("RUNPOD_GPU_COUNT"), "2");
  // The pod's own key works, and for this pod only.
  const auto key = spec->env.at("RUNPOD_API_KEY");
  EXPECT_EQ(world.call(Method::get, "/v1/pods/" + id, "", key).status, 200);
  EXPECT_NE(world.call(Method::get, "/v1/pods", "", key).status, 200);
}

TEST_F(WorldTest, AnotherWorkspaceSeesNothing) {
  image("team/train:1");
  world.add_host("h1");
  const auto id = create(R"({"imageName":"team/train:1"})");
  const auto key = world.stranger_key();
  EXPECT_EQ(world.call(Method::get, "/v1/pods/" + id, "", key).status, 404);
  EXPECT_EQ(world.call(Method::post, "/v1/pods/" + id + "/stop", "", key).status, 404);
  EXPECT_EQ(world.call(Method::del, "/v1/pods/" + id, "", key).status, 404);
  EXPECT_EQ(world.call(Method::get, "/v1/pods", "", key).body, "[]");
  EXPECT_EQ(world.call(Method::get, "/v1/hosts", "", key).status, 403);
}

TEST_F(WorldTest, AStoppedPodKeepsItsVolumeLosesItsDiskAndFreesItsGpus) {
  image("team/train:1");
  const auto host = world.add_host("h1", {.gpus = 1});
  const auto id = create(R"({"imageName":"team/train:1","volumeInGb":10})");
  world.run_for(20s);
  auto& engine = world.engine(host);
  engine.write_file(container_of(id).id, "/workspace/kept", "yes");
  engine.write_file(container_of(id).id, "/root/lost", "yes");
  EXPECT_EQ(verb(id, "stop"), 200);
  world.run_for(20s);
  EXPECT_EQ(status(id), "stopped");
  EXPECT_TRUE(world.running_pods().empty());
  const auto other = create(R"({"imageName":"team/train:1","volumeInGb":0})");
  world.run_for(20s);
  EXPECT_EQ(status(other), "running");
  // Its GPU is taken: it is told so, and may start without.
  const auto refused = world.call(Method::post, "/v1/pods/" + id + "/start");
  EXPECT_EQ(refused.status, 409) << refused.body;
  EXPECT_EQ(text(json_of(refused), "code"), "gpu_taken");
  EXPECT_EQ(verb(id, "start?gpuCount=0"), 200);
  world.run_for(20s);
  EXPECT_EQ(status(id), "running");
  EXPECT_EQ(engine.read_file(container_of(id).id, "/workspace/kept"), "yes");
  EXPECT_FALSE(engine.read_file(container_of(id).id, "/root/lost"));
  // Once the GPU is free it has it again.
  EXPECT_EQ(verb(id, "stop"), 200);
  EXPECT_EQ(world.call(Method::del, "/v1/pods/" + other).status, 204);
  world.run_for(20s);
  EXPECT_EQ(verb(id, "start"), 200);
  world.run_for(20s);
  EXPECT_EQ(engine.spec(container_of(id).id)->gpus.size(), 1u);
}

TEST_F(WorldTest, ADeletedPodIsGoneWithItsVolume) {
  image("team/train:1");
  const auto host = world.add_host("h1");
  const auto id = create(R"({"imageName":"team/train:1","volumeInGb":10})");
  world.run_for(20s);
  EXPECT_EQ(world.call(Method::del, "/v1/pods/" + id).status, 204);
  EXPECT_EQ(world.call(Method::get, "/v1/pods/" + id).status, 404);
  world.run_for(30s);
  EXPECT_TRUE(world.engine(host).containers().empty());
  EXPECT_TRUE(world.engine(host).volumes().empty());
  EXPECT_EQ(world.database().value<int>("SELECT COUNT(*) FROM allocations"), 0);
}

TEST_F(WorldTest, AnUnknownImageFailsWithTheRegistrysWords) {
  world.add_host("h1");
  const auto id = create(R"({"imageName":"team/nothing:1"})");
  world.run_for(2min);
  EXPECT_EQ(status(id), "failed");
  EXPECT_EQ(reason(id), "image_not_found");
}

TEST_F(WorldTest, ACommandThatCannotStartFailsAndIsNamed) {
  image("team/train:1", {.cannot_start = "exec: \"nosuchcmd\": executable file not found in $PATH"});
  world.add_host("h1");
  const auto id = create(R"({"imageName":"team/train:1","dockerStartCmd":["nosuchcmd"]})");
  world.run_for(2min);
  EXPECT_EQ(status(id), "failed");
  EXPECT_NE(text(pod(id).at("reason").as_object(), "text").find("nosuchcmd"), std::string::npos);
}

TEST_F(WorldTest, APodThatFitsNowhereWaitsWithEachHostsReason) {
  image("team/train:1");
  world.add_host("h1", {.gpus = 1});
  world.add_host("h2", {.gpus = 2, .gpu_type = "NVIDIA L4"});
  const auto id = create(R"({"imageName":"team/train:1","gpuCount":2,"gpuTypeIds":["NVIDIA A40"]})");
  world.run_for(1min);
  const auto shown = pod(id);
  EXPECT_EQ(text(shown, "status"), "queued");
  const auto& queue = shown.at("queue").as_object();
  EXPECT_EQ(queue.at("position").as_int64(), 1);
  EXPECT_FALSE(queue.at("possible").as_bool());
  ASSERT_EQ(queue.at("hosts").as_array().size(), 2u);
  std::set<std::string> codes;
  for (const auto& host : queue.at("hosts").as_array()) codes.insert(text(host.at("reason").as_object(), "code"));
  EXPECT_EQ(codes, (std::set<std::string>{"gpu_too_few", "gpu_type_absent"}));
}

TEST_F(WorldTest, TheQueueIsFirstComeFirstServed) {
  image("team/train:1");
  world.add_host("h1", {.gpus = 1});
  std::vector<std::string> ids;
  for (int i = 0; i < 4; ++i) ids.push_back(create(R"({"imageName":"team/train:1","volumeInGb":0})"));
  for (std::size_t i = 0; i < ids.size(); ++i) {
    world.run_for(20s);
    for (std::size_t j = i; j < ids.size(); ++j)
      EXPECT_EQ(status(ids[j]), j == i ? "running" : "queued") << i << " " << j;
    EXPECT_EQ(world.call(Method::del, "/v1/pods/" + ids[i]).status, 204);
  }
}

TEST_F(WorldTest, APlaceInTheQueueFollowsWhoComesAndGoes) {
  image("x");
  world.add_host("h1", {.gpus = 4});
  world.run_for(5s);
  const auto place = [&](const std::string& id) {
    const auto shown = pod(id);
    return shown.at("queue").is_object() ? shown.at("queue").as_object().at("position").as_int64() : 0;
  };
  const std::string all = R"({"imageName":"x","gpuCount":4,"gpuTypeIds":["NVIDIA A40"]})";
  const auto runs = create(all);
  world.run_for(20s);
  ASSERT_EQ(status(runs), "running");
  const auto first = create(all), second = create(all), third = create(all);
  EXPECT_EQ(place(first), 1);
  EXPECT_EQ(place(third), 3);
  EXPECT_EQ(world.call(Method::post, "/v1/pods", R"({"imageName":"x","gpuCount":4,"machineType":"none"})").status, 404);
  EXPECT_EQ(place(third), 3) << "who was refused never stood in line";
  ASSERT_EQ(verb(second, "stop"), 200);
  EXPECT_EQ(place(third), 2);
  ASSERT_EQ(verb(second, "start"), 200);
  EXPECT_EQ(place(second), 3) << "behind those who waited meanwhile";
  ASSERT_EQ(world.call(Method::del, "/v1/pods/" + first).status, 204);
  EXPECT_EQ(place(third), 1);
  world.crash_server();
  world.restart_server();
  world.run_for(20s);
  EXPECT_EQ(place(third), 1);
  EXPECT_EQ(place(second), 2);
  ASSERT_EQ(world.call(Method::del, "/v1/pods/" + runs).status, 204);
  world.run_for(60s);
  EXPECT_EQ(status(third), "running");
  EXPECT_EQ(place(second), 1);
}

TEST_F(WorldTest, TheQueueIsAsItWasWhenACommitFails) {
  image("x");
  world.add_host("h1", {.gpus = 4});
  world.run_for(5s);
  const auto place = [&](const std::string& id) {
    const auto shown = pod(id);
    return shown.at("queue").is_object() ? shown.at("queue").as_object().at("position").as_int64() : 0;
  };
  const std::string all = R"({"imageName":"x","gpuCount":4,"gpuTypeIds":["NVIDIA A40"]})";
  const auto runs = create(all);
  world.run_for(20s);
  const auto first = create(all), second = create(all);
  const auto refused = [&](Method method, const std::string& target, const std::string& body = {}) {
    world.fail_commits(1);
    const auto answer = world.call(method, target, body);
    EXPECT_GE(answer.status, 500) << answer.body;
    world.fail_commits(0);
  };
  for (const bool fresh : {false, true}) {  // whether the server has looked at the queue before
    if (fresh) {
      world.crash_server();
      world.restart_server();
    }
    refused(Method::post, "/v1/pods/" + first + "/stop");
    EXPECT_EQ(place(second), 2);
    refused(Method::del, "/v1/pods/" + first);
    EXPECT_EQ(place(second), 2);
    refused(Method::post, "/v1/pods", all);
    EXPECT_EQ(place(first), 1);
  }
  const auto third = create(all);
  EXPECT_EQ(place(third), 3) << "no place is kept for who was never there";
  ASSERT_EQ(world.call(Method::del, "/v1/pods/" + runs).status, 204);
  world.run_for(60s);
  EXPECT_EQ(status(first), "running");
  EXPECT_EQ(place(third), 2);
}

TEST_F(WorldTest, OnlySoManyPodsAreInAWorkspace) {
  std::string last;
  for (int i = 0; i < pods_max_per_workspace; ++i) last = create(R"({"imageName":"x"})");
  const auto refused = world.call(Method::post, "/v1/pods", R"({"imageName":"x"})");
  EXPECT_EQ(refused.status, 429);
  EXPECT_EQ(text(json_of(refused), "code"), "too_many_pods");
  ASSERT_EQ(world.call(Method::del, "/v1/pods/" + last).status, 204);
  create(R"({"imageName":"x"})");
  EXPECT_EQ(world.call(Method::post, "/v1/pods", R"({"imageName":"x"})").status, 429);
  const auto pods = boost::json::parse(world.call(Method::get, "/v1/pods?limit=1").body);
  world.fail_commits(1);
  EXPECT_GE(world.call(Method::del, "/v1/pods/" + std::string(pods.at(0).at("id").as_string())).status, 500);
  EXPECT_EQ(world.call(Method::post, "/v1/pods", R"({"imageName":"x"})").status, 429) << "it is still there";
}

TEST_F(WorldTest, ADryRunSaysWhereAndMakesNothing) {
  image("team/train:1");
  world.add_host("h1");
  const auto run = json_of(world.call(Method::post, "/v1/pods?dryRun=true", R"({"imageName":"team/train:1"})"));
  EXPECT_TRUE(run.at("fits").as_bool());
  EXPECT_EQ(text(run, "hostName"), "h1");
  EXPECT_EQ(world.call(Method::get, "/v1/pods").body, "[]");
  const auto no =
      json_of(world.call(Method::post, "/v1/pods?dryRun=true", R"({"imageName":"team/train:1","gpuCount":9})"));
  EXPECT_FALSE(no.at("fits").as_bool());
}

TEST_F(WorldTest, WrongFieldsAreNamed) {
  const auto wrong = [&](const std::string& body, const std::string& field) {
    const auto answer = world.call(Method::post, "/v1/pods", body);
    EXPECT_EQ(answer.status, 400) << body << answer.body;
    EXPECT_EQ(text(json_of(answer), "field"), field) << body;
  };
  wrong(R"({})", "imageName");
  wrong(R"({"imageName":"A b"})", "imageName");
  wrong(R"({"imageName":"a","ports":["22/tcp","x/http"]})", "ports[1]");
  wrong(R"({"imageName":"a","env":{"1":"x"}})", "env.1");
  wrong(R"({"imageName":"a","gpuCount":-1})", "gpuCount");
  wrong(R"({"imageName":"a","gpuCount":"two"})", "gpuCount");
  wrong(R"({"imageName":"a","computeType":"TPU"})", "computeType");
  wrong(R"({"imageName":"a","volumeMountPath":"workspace"})", "volumeMountPath");
  wrong(R"({"imageName":"a","restartPolicy":"sometimes"})", "restartPolicy");
  wrong(R"({"imageName":"a","containers":[{"name":"main","imageName":"a"}]})", "containers[0].name");
  wrong(R"({"imageName":"a","dockerStartCmd":["a",1]})", "dockerStartCmd[1]");
  wrong(R"({"imageName":"a","minCudaVersion":"twelve"})", "minCudaVersion");
  wrong(R"({"imageName":"a","nosuchfield":1})", "nosuchfield");
  EXPECT_EQ(world.call(Method::get, "/v1/pods").body, "[]");
}

TEST_F(WorldTest, ACrashOfTheServerStopsNothingAndTheStateIsRightAfter) {
  image("team/train:1");
  world.add_host("h1");
  const auto id = create(R"({"imageName":"team/train:1"})");
  world.run_for(20s);
  const auto before = container_of(id);
  world.crash_server();
  world.run_for(10min);
  EXPECT_EQ(container_of(id).id, before.id);
  world.restart_server();
  world.run_for(20s);
  EXPECT_EQ(status(id), "running");
  EXPECT_EQ(container_of(id).id, before.id);
  EXPECT_EQ(container_of(id).started_at, before.started_at);
}

TEST_F(WorldTest, ACrashOfTheAgentStopsNothing) {
  image("team/train:1");
  const auto host = world.add_host("h1");
  const auto id = create(R"({"imageName":"team/train:1"})");
  world.run_for(20s);
  const auto before = container_of(id);
  world.crash_agent(host);
  world.run_for(2min);
  EXPECT_EQ(status(id), "host_lost");
  EXPECT_EQ(reason(id), "host_silent");
  world.restart_agent(host);
  world.run_for(30s);
  EXPECT_EQ(status(id), "running");
  EXPECT_EQ(container_of(id).id, before.id);
  EXPECT_EQ(container_of(id).started_at, before.started_at);
}

TEST_F(WorldTest, AnAgentThatCrashedKnowsWhatItWasToldWhileTheServerIsAway) {
  image("team/train:1");
  const auto host = world.add_host("h1");
  const auto stopped = create(R"({"imageName":"team/train:1"})"), running = create(R"({"imageName":"team/train:1"})");
  world.run_for(20s);
  const auto before = container_of(running);
  EXPECT_EQ(verb(stopped, "stop"), 200);
  world.run_for(20s);
  EXPECT_EQ(status(stopped), "stopped");
  const auto starts = world.engine(host).history().size();
  world.crash_agent(host);
  world.cut_link(host, true);
  world.restart_agent(host);
  world.run_for(5min);
  EXPECT_EQ(world.engine(host).history().size(), starts) << "the last order was to stop it";
  EXPECT_EQ(container_of(running).id, before.id);
}

TEST_F(WorldTest, AnAgentThatLostItsJournalAdoptsWhatRuns) {
  image("team/train:1");
  const auto host = world.add_host("h1");
  const auto id = create(R"({"imageName":"team/train:1"})");
  world.run_for(20s);
  const auto before = container_of(id);
  world.crash_agent(host);
  world.lose_journal(host);
  world.restart_agent(host);
  world.run_for(1min);
  EXPECT_EQ(status(id), "running");
  EXPECT_EQ(container_of(id).id, before.id);
}

TEST_F(WorldTest, ATerminationAskedWhileTheHostIsAwayHappensWhenItIsBack) {
  image("team/train:1");
  const auto host = world.add_host("h1");
  const auto id = create(R"({"imageName":"team/train:1"})");
  world.run_for(20s);
  world.cut_link(host, true);
  world.run_for(2min);
  EXPECT_EQ(status(id), "host_lost");
  EXPECT_EQ(world.running_pods().size(), 1u) << "work goes on while the host is away";
  EXPECT_EQ(world.call(Method::del, "/v1/pods/" + id).status, 204);
  EXPECT_EQ(world.call(Method::get, "/v1/pods/" + id).status, 404);
  world.run_for(20min);
  EXPECT_EQ(world.running_pods().size(), 1u);
  world.cut_link(host, false);
  world.run_for(1min);
  EXPECT_TRUE(world.running_pods().empty());
}

TEST_F(WorldTest, AfterAPowerLossThePodRunsAgainWithItsVolumeAndWithoutItsDisk) {
  image("team/train:1");
  const auto host = world.add_host("h1");
  const auto id = create(R"({"imageName":"team/train:1","volumeInGb":5,"dockerStartCmd":["train","--epochs","9"]})");
  world.run_for(20s);
  auto& engine = world.engine(host);
  engine.write_file(container_of(id).id, "/workspace/kept", "yes");
  engine.write_file(container_of(id).id, "/root/lost", "yes");
  world.reboot_host(host, 5min);
  world.run_for(3min);
  EXPECT_EQ(status(id), "host_lost");
  world.run_for(3min);
  EXPECT_EQ(status(id), "running");
  const auto container = container_of(id);
  EXPECT_EQ(engine.read_file(container.id, "/workspace/kept"), "yes");
  EXPECT_FALSE(engine.read_file(container.id, "/root/lost"));
  EXPECT_EQ(engine.spec(container.id)->command, (std::vector<std::string>{"train", "--epochs", "9"}));
}

TEST_F(WorldTest, AContainerThatEndsIsStartedAgainAndThePodSaysSo) {
  image("team/short:1", {.exits_after = 2s, .exit_code = 7});
  world.add_host("h1");
  const auto id = create(R"({"imageName":"team/short:1"})");
  world.run_for(8s);
  EXPECT_EQ(status(id), "running");
  EXPECT_EQ(reason(id), "container_exited");
  EXPECT_FALSE(text(pod(id).at("reason").as_object(), "until").empty()) << "says when it is tried again";
  world.run_for(5min);
  EXPECT_GE(pod(id).at("containers").as_array()[0].at("restarts").as_int64(), 2);
}

TEST_F(WorldTest, ARestartPolicyOfNeverLetsItRest) {
  image("team/good:1", {.exits_after = 2s});
  image("team/bad:1", {.exits_after = 2s, .exit_code = 3});
  world.add_host("h1");
  const auto good = create(R"({"imageName":"team/good:1","restartPolicy":"never"})");
  const auto bad = create(R"({"imageName":"team/bad:1","restartPolicy":"never"})");
  world.run_for(1min);
  EXPECT_EQ(status(good), "stopped");
  EXPECT_EQ(reason(good), "container_ended_at_once");
  EXPECT_EQ(status(bad), "failed");
  EXPECT_EQ(reason(bad), "container_exited");
  EXPECT_EQ(world.database().value<int>("SELECT COUNT(*) FROM host_gpus WHERE pod IS NOT NULL"), 0);
  world.crash_agent(world.hosts().front());
  world.restart_agent(world.hosts().front());
  world.run_for(1min);
  EXPECT_TRUE(world.running_pods().empty()) << "what has ended does not start again with the agent";
}

TEST_F(WorldTest, ARestartGivesNewContainersAndKeepsTheVolume) {
  image("team/train:1");
  const auto host = world.add_host("h1");
  const auto id = create(R"({"imageName":"team/train:1","volumeInGb":5})");
  world.run_for(20s);
  const auto before = container_of(id);
  world.engine(host).write_file(before.id, "/workspace/kept", "yes");
  EXPECT_EQ(verb(id, "restart"), 200);
  world.run_for(20s);
  EXPECT_EQ(status(id), "running");
  EXPECT_NE(container_of(id).id, before.id);
  EXPECT_EQ(world.engine(host).read_file(container_of(id).id, "/workspace/kept"), "yes");
}

TEST_F(WorldTest, AChangeOfNameTouchesNothingAndAChangeOfEnvironmentResets) {
  image("team/train:1");
  const auto host = world.add_host("h1");
  const auto id = create(R"({"imageName":"team/train:1"})");
  world.run_for(20s);
  const auto before = container_of(id);
  EXPECT_EQ(world.call(Method::patch, "/v1/pods/" + id, R"({"name":"other","locked":true})").status, 200);
  world.run_for(20s);
  EXPECT_EQ(container_of(id).id, before.id);
  EXPECT_EQ(verb(id, "stop"), 409) << "locked";
  EXPECT_EQ(world.call(Method::del, "/v1/pods/" + id).status, 409);
  EXPECT_EQ(world.call(Method::patch, "/v1/pods/" + id, R"({"env":{"B":"2"},"locked":false})").status, 200);
  world.run_for(20s);
  EXPECT_NE(container_of(id).id, before.id);
  EXPECT_EQ(world.engine(host).spec(container_of(id).id)->env.at("B"), "2");
}

TEST_F(WorldTest, VerbsThatAreNotPossibleAreRefusedAndThePossibleOnesNamed) {
  image("team/train:1");
  world.add_host("h1");
  const auto id = create(R"({"imageName":"team/train:1"})");
  world.run_for(20s);
  const auto refused = world.call(Method::post, "/v1/pods/" + id + "/start");
  EXPECT_EQ(refused.status, 409);
  EXPECT_NE(text(json_of(refused), "detail").find("stop, "), std::string::npos) << refused.body;
  EXPECT_EQ(verb(id, "stop"), 200);
  world.run_for(20s);
  EXPECT_EQ(verb(id, "stop"), 409);
  EXPECT_EQ(verb(id, "restart"), 409);
}

TEST_F(WorldTest, AnEngineThatIsDownIsNotTheEndOfAnything) {
  image("team/train:1");
  const auto host = world.add_host("h1");
  const auto id = create(R"({"imageName":"team/train:1"})");
  world.run_for(20s);
  const auto before = container_of(id);
  world.engine(host).down();
  world.run_for(3min);
  EXPECT_EQ(status(id), "running");
  const auto shown = json_of(world.call(Method::get, "/v1/hosts/" + host.str()));
  EXPECT_FALSE(shown.at("engine").at("reachable").as_bool());
  world.engine(host).up();
  world.run_for(1min);
  EXPECT_EQ(status(id), "running");
  EXPECT_EQ(container_of(id).id, before.id);
}

TEST_F(WorldTest, ADrainedHostKeepsItsPodsAndTakesNoNewOnes) {
  image("team/train:1");
  const auto host = world.add_host("h1");
  const auto id = create(R"({"imageName":"team/train:1","volumeInGb":5})");
  world.run_for(20s);
  EXPECT_EQ(world.call(Method::post, "/v1/hosts/" + host.str() + "/drain").status, 200);
  const auto other = create(R"({"imageName":"team/train:1"})");
  world.run_for(30s);
  EXPECT_EQ(status(id), "running");
  EXPECT_EQ(status(other), "queued");
  EXPECT_EQ(world.call(Method::post, "/v1/hosts/" + host.str() + "/undrain").status, 200);
  world.run_for(30s);
  EXPECT_EQ(status(other), "running");
}

TEST_F(WorldTest, ARetiredHostFailsItsPodsAndItsGpusAreForgotten) {
  image("team/train:1");
  const auto host = world.add_host("h1");
  const auto id = create(R"({"imageName":"team/train:1","volumeInGb":5})");
  world.run_for(20s);
  EXPECT_EQ(world.call(Method::del, "/v1/hosts/" + host.str()).status, 409);
  world.reboot_host(host, 100h);
  world.run_for(2min);
  EXPECT_EQ(world.call(Method::del, "/v1/hosts/" + host.str() + "?force=true").status, 204);
  EXPECT_EQ(status(id), "failed");
  EXPECT_EQ(reason(id), "host_gone_for_good");
  EXPECT_EQ(world.call(Method::del, "/v1/pods/" + id).status, 204);
}

TEST_F(WorldTest, OnlyAHostsNewestTwoCertificatesSpeakForIt) {
  const auto host = world.add_host("h1");
  EXPECT_FALSE(world.hosts_service().is_known(host, ""));
  const auto first = world.hosts_service().store().find(host)->fingerprint;
  world.in_task([&] { EXPECT_TRUE(world.hosts_service().renew(host, "second request")); });
  const auto second = world.hosts_service().store().find(host)->fingerprint;
  EXPECT_TRUE(world.hosts_service().is_known(host, first)) << "an agent that could not store the new one goes on";
  EXPECT_TRUE(world.hosts_service().is_known(host, second));
  world.in_task([&] { EXPECT_TRUE(world.hosts_service().renew(host, "third request")); });
  EXPECT_FALSE(world.hosts_service().is_known(host, first));
  EXPECT_FALSE(world.hosts_service().is_known(host, ""));
  EXPECT_FALSE(world.hosts_service().is_known(HostId("other"), second));
}

TEST_F(WorldTest, APodOfTwoContainersIsOneThing) {
  image("team/web:1");
  image("team/side:1");
  const auto host = world.add_host("h1");
  const auto id = create(
      R"({"imageName":"team/web:1","ports":["8000/http"],"containers":[{"name":"side","imageName":"team/side:1"}]})");
  world.run_for(20s);
  EXPECT_EQ(status(id), "running");
  EXPECT_EQ(pod(id).at("containers").as_array().size(), 2u);
  EXPECT_EQ(world.engine(host).running().size(), 2u);
  EXPECT_EQ(verb(id, "stop"), 200);
  world.run_for(20s);
  EXPECT_TRUE(world.engine(host).running().empty());
}

TEST_F(WorldTest, WhatHappenedToAPodCanBeRead) {
  image("team/train:1");
  world.add_host("h1");
  const auto id = create(R"({"imageName":"team/train:1"})");
  world.run_for(20s);
  EXPECT_EQ(verb(id, "stop"), 200);
  world.run_for(20s);
  std::vector<std::string> kinds;
  const auto answer = world.call(Method::get, "/v1/pods/" + id + "/events");
  ASSERT_EQ(answer.status, 200) << answer.body;
  const auto events = boost::json::parse(answer.body);
  for (const auto& event : events.as_array()) {
    kinds.push_back(text(event.as_object(), "kind"));
    EXPECT_TRUE(event.at("reason").is_object()) << "every change has a reason";
  }
  EXPECT_EQ(kinds,
            (std::vector<std::string>{"pod.queued", "pod.provisioning", "pod.running", "pod.stopping", "pod.stopped"}));
}

TEST_F(WorldTest, ListsAreFilteredSortedAndPaged) {
  image("team/train:1");
  for (const char* name : {"b", "c", "a"})
    create(std::string(R"({"imageName":"team/train:1","name":")") + name + "\"}");
  const auto names = [&](const std::string& query) {
    std::string out;
    const auto answer = world.call(Method::get, "/v1/pods" + query);
    EXPECT_EQ(answer.status, 200) << answer.body;
    const auto pods = boost::json::parse(answer.body);
    for (const auto& pod : pods.as_array()) out += text(pod.as_object(), "name");
    return out;
  };
  EXPECT_EQ(names("?sort=name"), "abc");
  EXPECT_EQ(names("?name=c"), "c");
  EXPECT_EQ(names("?status=running"), "");
  EXPECT_EQ(names("?computeType=CPU"), "");
  EXPECT_EQ(world.call(Method::get, "/v1/pods?sort=age").status, 400);
  std::string all, cursor;
  for (int page = 0; page < 3; ++page) {
    const auto answer =
        world.call(Method::get, "/v1/pods?sort=name&limit=1" + (cursor.empty() ? "" : "&cursor=" + cursor));
    all += text(boost::json::parse(answer.body).as_array().at(0).as_object(), "name");
    cursor = std::string(answer.headers.get("X-Next-Cursor"));
  }
  EXPECT_EQ(all, "abc");
  EXPECT_TRUE(cursor.empty());
}

}  // namespace
}  // namespace gyre::sim
