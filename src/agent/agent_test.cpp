#include "agent/agent.hpp"

#include <gtest/gtest.h>

#include "agent/test_host.hpp"
#include "base/log.hpp"

namespace gyre::agent {
namespace {

using engine::ContainerState;
using engine::FakeEnd;
using link::Desired;
using link::PodPhase;
using link::RestartPolicy;

struct AgentTest : testing::Test, test::Host {
  AgentTest() { log::set_level(log::Level::error); }

  link::ContainerOrder companion(const std::string& name, const std::string& image) {
    link::ContainerOrder out;
    out.name = name;
    out.image = image;
    return out;
  }
  // Starts the agent and a pod, and waits until it runs.
  link::PodOrder running(const std::string& pod, std::function<void(link::PodOrder&)> change = {}) {
    if (!agent) start_agent();
    auto wanted = order(pod);
    if (change) change(wanted);
    say(wanted);
    run_for(5s);
    EXPECT_EQ(phase(pod), PodPhase::running);
    return wanted;
  }
  std::vector<PodPhase> phases(const std::string& pod) const {
    std::vector<PodPhase> out;
    for (const auto& report : server.reports)
      for (const auto& facts : report.pods)
        if (facts.pod.str() == pod && (out.empty() || out.back() != facts.phase)) out.push_back(facts.phase);
    return out;
  }
  std::size_t starts(const std::string& pod) const {
    std::size_t count = 0;
    for (const auto& run : engine.history()) count += run.labels.at(label::pod) == pod ? 1 : 0;
    return count;
  }
};

// ---- from an order to a running pod ----

TEST_F(AgentTest, ANewPodIsPulledMadeAndRuns) {
  registry.push("team/big:1", {.bytes = 500'000'000, .bytes_per_second = 100'000'000});
  start_agent();
  run_for(1s);
  auto wanted = order("p1");
  wanted.spec.containers[0].image = "team/big:1";
  say(wanted);
  run_for(3s);
  const auto pulling = pod("p1");
  EXPECT_EQ(pulling.phase, PodPhase::pulling);
  EXPECT_EQ(pulling.pull_bytes_total, 500'000'000);
  EXPECT_GT(pulling.pull_bytes_done, 100'000'000);
  EXPECT_NEAR(static_cast<double>(pulling.pull_bytes_per_second), 1e8, 3e7);
  run_for(5s);
  const auto facts = pod("p1");
  EXPECT_EQ(facts.phase, PodPhase::running);
  EXPECT_EQ(facts.generation, 1);
  EXPECT_EQ(facts.run, 1);
  EXPECT_TRUE(facts.healthy);
  ASSERT_EQ(facts.containers.size(), 1u);
  EXPECT_TRUE(facts.containers[0].running);
  EXPECT_TRUE(facts.containers[0].image_digest.starts_with("sha256:"));
  EXPECT_EQ(facts.containers[0].container_id, container("p1")->id);
  EXPECT_EQ(phases("p1").back(), PodPhase::running);
}

TEST_F(AgentTest, AContainerGetsExactlyWhatTheOrderSays) {
  running("p1", [](link::PodOrder& wanted) {
    auto& main = wanted.spec.containers[0];
    main.entrypoint = {"sh", "-c"};
    main.command = {"train --all"};
    main.env = {{"A", "1"}};
    wanted.spec.vcpus = 4;
    wanted.spec.memory_bytes = 8'000'000'000;
    wanted.spec.shm_bytes = 64'000'000;
    wanted.spec.container_disk_bytes = 20'000'000'000;
    wanted.spec.volume_bytes = 10'000'000'000;
    wanted.spec.volume_path = "/workspace";
    wanted.spec.gpus = {"GPU-1", "SIM-h1-0"};
    wanted.spec.ports = {{8888, true}, {22, false}};
  });
  const auto spec = engine.spec(container("p1")->id).value();
  EXPECT_EQ(spec.entrypoint, (std::vector<std::string>{"sh", "-c"}));
  EXPECT_EQ(spec.command, (std::vector<std::string>{"train --all"}));
  EXPECT_EQ(spec.env.at("A"), "1");
  EXPECT_EQ(spec.hostname, "p1-host");
  EXPECT_EQ(spec.cpus, 4);
  EXPECT_EQ(spec.memory_bytes, 8'000'000'000);
  EXPECT_EQ(spec.shm_bytes, 64'000'000);
  EXPECT_EQ(spec.disk_bytes, 20'000'000'000);
  ASSERT_EQ(spec.mounts.size(), 1u);
  EXPECT_EQ(spec.mounts[0].path, "/workspace");
  EXPECT_EQ(spec.gpus, std::vector<std::string>{"GPU-1"}) << "a simulated GPU never reaches the engine";
  ASSERT_EQ(spec.ports.size(), 2u);
  EXPECT_EQ(spec.ports[0].host_address, "127.0.0.1");
  EXPECT_EQ(spec.ports[1].host_address, "0.0.0.0");
  EXPECT_EQ(spec.env.at("RUNPOD_TCP_PORT_22"), std::to_string(spec.ports[1].host_port));
  EXPECT_FALSE(spec.env.contains("RUNPOD_TCP_PORT_8888"));
  EXPECT_EQ(spec.env.at("RUNPOD_PUBLIC_IP"), "203.0.113.7");
  EXPECT_EQ(spec.labels.at(label::host), "h1");
  EXPECT_EQ(spec.labels.at(label::workspace), "w1");
  EXPECT_EQ(engine.networks().size(), 1u);
}

TEST_F(AgentTest, ANetworkVolumeIsAFolderOfTheSharedStorage) {
  config.network_volumes = "/shared";
  folders.insert("/shared");
  engine.add_folder("/shared/v1");
  running("p1", [](link::PodOrder& wanted) {
    wanted.spec.network_volume = "v1";
    wanted.spec.volume_path = "/workspace";
  });
  const auto spec = engine.spec(container("p1")->id).value();
  ASSERT_EQ(spec.mounts.size(), 1u);
  EXPECT_EQ(spec.mounts[0].folder, "/shared/v1");
  EXPECT_EQ(spec.mounts[0].path, "/workspace");
  EXPECT_TRUE(server.hellos.back().network_volumes);
  // Its folder is not there (any more): the pod waits and says so, and nothing is made in its place.
  auto wanted = order("p2");
  wanted.spec.network_volume = "v2";
  say(wanted);
  run_for(5s);
  EXPECT_EQ(pod("p2").reason, Reason::volume_not_found);
  engine.add_folder("/shared/v2");
  run_for(5min);
  EXPECT_EQ(phase("p2"), PodPhase::running);
}

TEST_F(AgentTest, AnOrderNamesNoFolderOutsideOfTheSharedStorage) {
  engine.add_folder("/etc");
  start_agent();
  run_for(1s);
  EXPECT_FALSE(server.hellos.back().network_volumes);
  auto wanted = order("p1");
  wanted.spec.network_volume = "etc";
  say(wanted);
  run_for(30s);
  EXPECT_EQ(pod("p1").reason, Reason::volume_not_found) << "this host shares nothing";
  wanted = order("p2");
  wanted.spec.network_volume = "../etc";
  say(wanted);
  run_for(30s);
  EXPECT_TRUE(phases("p2").empty());
}

TEST_F(AgentTest, HttpPortsAreBoundWhereTheOperatorOpensThemToo) {
  config.http_address = "192.0.2.7";
  running("p1", [](link::PodOrder& wanted) { wanted.spec.ports = {{8888, true}, {22, false}}; });
  const auto spec = engine.spec(container("p1")->id).value();
  ASSERT_EQ(spec.ports.size(), 3u);
  EXPECT_EQ(spec.ports[0].host_address, "127.0.0.1") << "for the tunnel";
  EXPECT_EQ(spec.ports[1].host_address, "192.0.2.7");
  EXPECT_EQ(spec.ports[1].host_port, spec.ports[0].host_port);
  EXPECT_EQ(spec.ports[2].host_address, "0.0.0.0");
  const auto told = pod("p1").ports;
  ASSERT_EQ(told.size(), 2u);
  EXPECT_EQ(told[0].address, "192.0.2.7");
  EXPECT_EQ(told[1].address, "");
}

TEST_F(AgentTest, AnAmdGpuIsGivenByItsDeviceFilesAndNoOtherCards) {
  gpus.list.push_back({"AMD-1",
                       3,
                       "AMD Instinct MI300X OAM",
                       192'000'000'000,
                       "0000:03:00.0",
                       false,
                       {"/dev/kfd", "/dev/dri/renderD128"}});
  gpus.list.push_back({"AMD-2",
                       4,
                       "AMD Instinct MI300X OAM",
                       192'000'000'000,
                       "0000:04:00.0",
                       false,
                       {"/dev/kfd", "/dev/dri/renderD129"}});
  gpus.list.push_back({"AMD-3",
                       5,
                       "AMD Instinct MI300X OAM",
                       192'000'000'000,
                       "0000:05:00.0",
                       false,
                       {"/dev/kfd", "/dev/dri/renderD130"}});
  start_agent();
  running("p1", [](auto& wanted) { wanted.spec.gpus = {"AMD-3", "AMD-1"}; });
  running("p2", [](auto& wanted) { wanted.spec.gpus = {"AMD-2"}; });
  running("p3", [](auto&) {});
  const auto spec = [&](const char* pod) { return engine.spec(container(pod)->id).value(); };
  EXPECT_EQ(spec("p1").devices, (std::vector<std::string>{"/dev/kfd", "/dev/dri/renderD130", "/dev/dri/renderD128"}));
  EXPECT_EQ(spec("p2").devices, (std::vector<std::string>{"/dev/kfd", "/dev/dri/renderD129"}));
  EXPECT_TRUE(spec("p3").devices.empty());
  EXPECT_TRUE(spec("p1").gpus.empty()) << "the engine would ask NVIDIA's runtime for it";
  EXPECT_EQ(spec("p1").labels.at(label::gpus), "AMD-3,AMD-1");
  // Given once: it is held until its container is gone.
  auto second = order("p4");
  second.spec.gpus = {"AMD-1"};
  say(second);
  run_for(10s);
  EXPECT_TRUE(containers_of("p4").empty());
  EXPECT_EQ(pod("p4").reason, Reason::gpu_still_held);
}

TEST_F(AgentTest, NothingIsDoneBeforeTheEngineWasListed) {
  engine.down();
  start_agent();
  say(order("p1"));
  run_for(1min);
  EXPECT_TRUE(engine.containers().empty());
  EXPECT_FALSE(server.reports.back().engine_reachable);
  EXPECT_FALSE(server.reports.back().engine_error.empty());
  engine.up();
  run_for(10s);
  EXPECT_TRUE(server.reports.back().engine_reachable);
  EXPECT_EQ(phase("p1"), PodPhase::running);
}

// ---- generations ----

TEST_F(AgentTest, AnOlderOrderIsRefused) {
  const auto first = running("p1");
  const auto stopped = next(first, Desired::stopped);
  say(stopped);
  run_for(10s);
  say(first);
  run_for(10s);
  EXPECT_EQ(phase("p1"), PodPhase::stopped);
  EXPECT_EQ(starts("p1"), 1u);
  restart_agent();
  say(first);
  run_for(10s);
  EXPECT_EQ(phase("p1"), PodPhase::stopped) << "the generation outlives the agent";
}

TEST_F(AgentTest, AnEqualOrderChangesNothing) {
  const auto first = running("p1");
  const auto before = *container("p1");
  for (int i = 0; i < 5; ++i) say(first);
  auto different = first;
  different.desired = Desired::stopped;
  log::set_level(log::Level::error);
  say(different);
  run_for(1min);
  EXPECT_EQ(phase("p1"), PodPhase::running);
  EXPECT_EQ(container("p1")->id, before.id);
  EXPECT_EQ(container("p1")->started_at, before.started_at);
}

TEST_F(AgentTest, AHigherGenerationOfTheSameRunKeepsTheContainer) {
  const auto first = running("p1");
  const auto before = *container("p1");
  say(next(first, Desired::running));
  run_for(1min);
  EXPECT_EQ(pod("p1").generation, 2);
  EXPECT_EQ(container("p1")->id, before.id);
  EXPECT_EQ(starts("p1"), 1u);
}

TEST_F(AgentTest, AnotherRunMeansNewContainers) {
  auto wanted = running("p1");
  const auto before = *container("p1");
  engine.crash_container(before.id, 1);
  run_for(20s);
  EXPECT_EQ(pod("p1").containers.at(0).restarts, 1);
  wanted.generation = 2;
  wanted.run = 2;
  say(wanted);
  run_for(20s);
  EXPECT_EQ(phase("p1"), PodPhase::running);
  EXPECT_EQ(pod("p1").run, 2);
  EXPECT_EQ(pod("p1").containers.at(0).restarts, 0) << "and a new count of restarts";
  EXPECT_EQ(containers_of("p1").size(), 1u);
  EXPECT_NE(container("p1")->id, before.id);
}

TEST_F(AgentTest, AnOrderThatCannotBeJournaledIsNotObeyedAndTheAgentGoesOn) {
  const auto first = running("p1");
  journal->script("PRAGMA query_only = ON");  // every write fails, as on a full disk
  say(next(first, Desired::deleted));
  say(order("p2"));
  run_for(1min);
  EXPECT_EQ(phase("p1"), PodPhase::running);
  EXPECT_FALSE(reported("p2"));
  journal->script("PRAGMA query_only = OFF");
  say(next(first, Desired::deleted));
  run_for(10s);
  EXPECT_EQ(phase("p1"), PodPhase::deleted);
}

// ---- adoption ----

TEST_F(AgentTest, AnAgentThatStartsAgainAdoptsWhatRuns) {
  running("p1", [](auto& wanted) { wanted.spec.ports = {{22, false}}; });
  const auto before = *container("p1");
  const auto ports = pod("p1").ports;
  ASSERT_EQ(ports.size(), 1u);
  for (int i = 0; i < 3; ++i) {
    restart_agent();
    run_for(30s);
    EXPECT_EQ(phase("p1"), PodPhase::running);
    EXPECT_EQ(container("p1")->id, before.id);
    EXPECT_EQ(container("p1")->started_at, before.started_at);
    EXPECT_EQ(pod("p1").ports, ports);
  }
  EXPECT_EQ(starts("p1"), 1u);
}

TEST_F(AgentTest, AContainerThatNoOrderSpeaksOfIsReportedAndLeftAlone) {
  const auto wanted = running("p1");
  const auto before = *container("p1");
  crash_agent();
  lose_journal();
  start_agent();
  run_for(1min);
  EXPECT_EQ(server.reports.back().stray_containers, std::vector<std::string>{before.name});
  EXPECT_TRUE(server.reports.back().pods.empty());
  EXPECT_EQ(container("p1")->state, ContainerState::running);

  say(wanted);  // the server sends the order again
  run_for(10s);
  EXPECT_TRUE(server.reports.back().stray_containers.empty());
  EXPECT_EQ(phase("p1"), PodPhase::running);
  EXPECT_EQ(container("p1")->id, before.id);
  EXPECT_EQ(container("p1")->started_at, before.started_at);
}

TEST_F(AgentTest, WithoutAJournalTheContainersStillTellWhichOrdersAreTooOld) {
  start_agent();
  say(order("p1", 5));
  run_for(5s);
  const auto before = *container("p1");
  crash_agent();
  lose_journal();
  start_agent();
  auto old = order("p1", 4);
  old.desired = Desired::deleted;
  say(old);  // before the engine has been listed
  run_for(1min);
  EXPECT_EQ(container("p1")->id, before.id);
  EXPECT_EQ(container("p1")->state, ContainerState::running);
  EXPECT_FALSE(reported("p1"));
}

TEST_F(AgentTest, ContainersOfAnotherHostsAgentAreNotSeen) {
  running("p1");
  crash_agent();
  lose_journal();
  config.host = HostId("h2");
  start_agent();
  run_for(1min);
  EXPECT_TRUE(server.reports.back().stray_containers.empty());
  EXPECT_EQ(container("p1")->state, ContainerState::running);
}

// ---- what cannot run ----

TEST_F(AgentTest, AnUnknownImageFailsOnceAndInWords) {
  start_agent();
  auto wanted = order("p1");
  wanted.spec.containers[0].image = "team/typo:1";
  say(wanted);
  run_for(5s);
  EXPECT_EQ(phase("p1"), PodPhase::failed);
  EXPECT_EQ(pod("p1").reason, Reason::image_not_found);
  run_for(1min);
  const auto calls = engine.calls();
  restart_agent();
  run_for(1min);
  EXPECT_EQ(phase("p1"), PodPhase::failed) << "no endless pulling, not even after a restart of the agent";
  EXPECT_EQ(pod("p1").reason, Reason::image_not_found);
  EXPECT_LT(engine.calls() - calls, 20);
  image("team/typo:1", {});
  wanted.generation = 2;
  wanted.run = 2;
  say(wanted);
  run_for(5s);
  EXPECT_EQ(phase("p1"), PodPhase::running) << "another run tries again";
}

TEST_F(AgentTest, AnImageForAnotherPlatformIsRefusedWithTheAdvice) {
  registry.push("team/arm:1", {.architecture = "arm64"});
  start_agent();
  auto wanted = order("p1");
  wanted.spec.containers[0].image = "team/arm:1";
  say(wanted);
  run_for(5s);
  EXPECT_EQ(phase("p1"), PodPhase::failed);
  EXPECT_EQ(pod("p1").reason, Reason::image_wrong_platform);
}

TEST_F(AgentTest, ARegistryThatIsAwayIsAskedAgain) {
  start_agent();
  registry.down();
  say(order("p1"));
  run_for(30s);
  EXPECT_EQ(phase("p1"), PodPhase::pulling);
  EXPECT_EQ(pod("p1").reason, Reason::registry_unreachable);
  EXPECT_TRUE(pod("p1").next_restart.has_value());
  registry.up();
  run_for(2min);
  EXPECT_EQ(phase("p1"), PodPhase::running);
  EXPECT_FALSE(pod("p1").reason.has_value());
}

TEST_F(AgentTest, ARegistryThatStaysAwayIsGivenUpAfterAQuarterOfAnHour) {
  start_agent();
  registry.down();
  say(order("p1"));
  run_for(14min);
  EXPECT_EQ(phase("p1"), PodPhase::pulling);
  run_for(3min);
  EXPECT_EQ(phase("p1"), PodPhase::failed);
  EXPECT_EQ(pod("p1").reason, Reason::registry_unreachable);
}

TEST_F(AgentTest, ACommandThatIsNotThereFailsAndLeavesNoContainer) {
  image("team/train:1", {.cannot_start = "exec: \"trian\": not found"});
  start_agent();
  say(order("p1"));
  run_for(10s);
  EXPECT_EQ(phase("p1"), PodPhase::failed);
  EXPECT_EQ(pod("p1").reason, Reason::command_not_found);
  EXPECT_TRUE(containers_of("p1").empty());
}

TEST_F(AgentTest, APrivateImageOfAnotherPodIsNotGivenToOneWithoutALogin) {
  registry.push("team/secret:1", {.login = engine::RegistryLogin{"u", "p"}});
  running("p1", [](auto& wanted) {
    wanted.spec.containers[0].image = "team/secret:1";
    wanted.spec.containers[0].registry_user = "u";
    wanted.spec.containers[0].registry_password = "p";
  });
  auto thief = order("p2");
  thief.spec.containers[0].image = "team/secret:1";
  say(thief);
  run_for(10s);
  EXPECT_EQ(phase("p2"), PodPhase::failed);
  EXPECT_EQ(pod("p2").reason, Reason::image_access_denied);
}

TEST_F(AgentTest, APodKeepsTheImageOfItsFirstPullUntilItsOrderNamesAnother) {
  auto wanted = running("p1");
  const auto digest = pod("p1").containers.at(0).image_digest;
  image("team/train:1", {.lines = {"new"}});
  wanted.generation = 2;
  wanted.run = 2;
  registry.down();  // what the pod has pulled once needs no registry
  say(wanted);
  run_for(20s);
  EXPECT_EQ(phase("p1"), PodPhase::running);
  EXPECT_EQ(pod("p1").containers.at(0).image_digest, digest);
  registry.up();
  image("team/train:2", {});
  wanted.generation = 3;
  wanted.run = 3;
  wanted.spec.containers[0].image = "team/train:2";
  say(wanted);
  run_for(20s);
  EXPECT_NE(pod("p1").containers.at(0).image_digest, digest);
}

// ---- restarts ----

TEST_F(AgentTest, AContainerThatEndsIsStartedAgainWithAGrowingPause) {
  image("team/train:1", {.exits_after = 1s, .exit_code = 3});
  start_agent();
  say(order("p1"));
  run_for(4s);
  EXPECT_EQ(phase("p1"), PodPhase::backing_off);
  EXPECT_EQ(pod("p1").reason, Reason::container_exited);
  EXPECT_TRUE(pod("p1").next_restart.has_value());
  const auto id = container("p1")->id;
  run_for(20min);
  const auto& runs = engine.history();
  ASSERT_GE(runs.size(), 8u);
  std::vector<std::int64_t> pauses;
  for (std::size_t i = 1; i < runs.size(); ++i) {
    EXPECT_EQ(runs[i].container_id, id) << "the same container: its disk is kept";
    pauses.push_back((runs[i].started - *runs[i - 1].ended) / 1s);
  }
  EXPECT_EQ((std::vector<std::int64_t>(pauses.begin(), pauses.begin() + 7)),
            (std::vector<std::int64_t>{10, 20, 40, 80, 160, 300, 300}));
  EXPECT_EQ(pod("p1").containers.at(0).restarts, static_cast<int>(runs.size()));
}

TEST_F(AgentTest, AfterTenGoodMinutesThePauseIsShortAgain) {
  running("p1");
  const auto id = container("p1")->id;
  for (int i = 0; i < 4; ++i) {
    engine.crash_container(id, 1);
    run_for(2min);
  }
  run_for(11min);
  engine.crash_container(id, 1);
  run_for(12s);
  EXPECT_EQ(phase("p1"), PodPhase::running);
}

TEST_F(AgentTest, ThePauseGoesOnWhereItWasWhenTheAgentStartsAgain) {
  running("p1");
  engine.crash_container(container("p1")->id, 1);
  run_for(1s);
  for (int i = 0; i < 4; ++i) {
    restart_agent();
    run_for(2s);
    EXPECT_EQ(phase("p1"), PodPhase::backing_off);
  }
  run_for(2s);
  EXPECT_EQ(phase("p1"), PodPhase::running);
  EXPECT_EQ(pod("p1").containers.at(0).restarts, 1);
}

TEST_F(AgentTest, TheRestartPolicyDecides) {
  image("ok:1", {.exits_after = 20s, .exit_code = 0});
  image("bad:1", {.exits_after = 20s, .exit_code = 9});
  start_agent();
  const auto with = [&](const std::string& id, const std::string& image_name, RestartPolicy policy) {
    auto wanted = order(id);
    wanted.spec.containers[0].image = image_name;
    wanted.spec.restart = policy;
    say(wanted);
  };
  with("nok", "ok:1", RestartPolicy::never);
  with("nbad", "bad:1", RestartPolicy::never);
  with("fok", "ok:1", RestartPolicy::on_failure);
  with("fbad", "bad:1", RestartPolicy::on_failure);
  run_for(2min);
  restart_agent();
  run_for(2min);
  for (const auto* id : {"nok", "nbad", "fok"}) {
    EXPECT_EQ(phase(id), PodPhase::exited) << id;
    EXPECT_EQ(starts(id), 1u) << id;
    EXPECT_EQ(pod(id).containers.size(), 1u) << "kept for its log";
  }
  EXPECT_EQ(pod("nbad").containers.at(0).exit_code, 9);
  EXPECT_EQ(pod("nbad").reason, Reason::container_exited);
  EXPECT_GT(starts("fbad"), 2u);
}

TEST_F(AgentTest, ACommandWithNothingToDoIsExplained) {
  image("team/train:1", {.exits_after = 100ms, .exit_code = 0});
  start_agent();
  say(order("p1"));
  run_for(3s);
  EXPECT_EQ(phase("p1"), PodPhase::backing_off);
  EXPECT_EQ(pod("p1").reason, Reason::container_ended_at_once);
}

TEST_F(AgentTest, RunningOutOfMemoryIsSaid) {
  running("p1");
  engine.run_out_of_memory(container("p1")->id);
  run_for(1s);
  EXPECT_EQ(pod("p1").reason, Reason::container_out_of_memory);
  EXPECT_TRUE(pod("p1").containers.at(0).oom_killed);
}

TEST_F(AgentTest, APodThatMayRunOnceIsNotRunAgainWhenItsContainerWasRemovedByHand) {
  running("p1", [](auto& wanted) { wanted.spec.restart = RestartPolicy::never; });
  engine.remove(container("p1")->id, [](const Result<void>&) {});
  run_for(10s);
  EXPECT_EQ(phase("p1"), PodPhase::failed);
  EXPECT_EQ(pod("p1").reason, Reason::container_vanished);
  EXPECT_EQ(starts("p1"), 1u);
}

TEST_F(AgentTest, AContainerThatWasRemovedByHandIsMadeAgain) {
  running("p1");
  engine.remove(container("p1")->id, [](const Result<void>&) {});
  run_for(20s);
  EXPECT_EQ(phase("p1"), PodPhase::running);
}

// ---- companions ----

TEST_F(AgentTest, CompanionsShareTheNetworkOfTheMainContainerAndAreRestartedWithIt) {
  image("side:1", {});
  running("p1", [&](auto& wanted) {
    wanted.spec.containers.push_back(companion("side", "side:1"));
    wanted.spec.restart = RestartPolicy::on_failure;
  });
  const auto main = *container("p1"), side = *container("p1", "side");
  EXPECT_EQ(engine.spec(side.id).value().share_network_with, main.id);
  engine.crash_container(main.id, 1);
  run_for(3s);
  EXPECT_EQ(container("p1", "side")->state, ContainerState::exited);
  EXPECT_EQ(phase("p1"), PodPhase::backing_off);
  run_for(15s);
  EXPECT_EQ(phase("p1"), PodPhase::running);
  EXPECT_EQ(container("p1")->id, main.id);
  EXPECT_EQ(container("p1", "side")->id, side.id);
  EXPECT_EQ(container("p1", "side")->state, ContainerState::running);
}

TEST_F(AgentTest, ACompanionThatDiesDoesNotTouchTheMainContainer) {
  image("side:1", {});
  running("p1", [&](auto& wanted) { wanted.spec.containers.push_back(companion("side", "side:1")); });
  const auto main = *container("p1");
  engine.crash_container(container("p1", "side")->id, 1);
  run_for(2s);
  EXPECT_EQ(phase("p1"), PodPhase::backing_off);
  run_for(15s);
  EXPECT_EQ(phase("p1"), PodPhase::running);
  EXPECT_EQ(container("p1")->started_at, main.started_at);
}

TEST_F(AgentTest, ACompanionThatCannotStartDoesNotStopTheMainContainer) {
  image("side:1", {.cannot_start = "exec: not found"});
  start_agent();
  auto wanted = order("p1");
  wanted.spec.containers.push_back(companion("side", "side:1"));
  say(wanted);
  run_for(30min);
  EXPECT_EQ(container("p1")->state, ContainerState::running);
  EXPECT_EQ(starts("p1"), 1u);
  EXPECT_EQ(phase("p1"), PodPhase::starting);
  EXPECT_EQ(pod("p1").reason, Reason::command_not_found);
}

// ---- stop and delete ----

TEST_F(AgentTest, AStopSignalsThenKillsAfterFiveSecondsAndKeepsTheVolume) {
  image("team/train:1", {.ignores_stop = true});
  const auto wanted = running("p1", [&](auto& order) {
    order.spec.volume_bytes = 1;
    order.spec.volume_path = "/workspace";
    order.spec.containers.push_back(companion("side", "team/train:1"));
  });
  engine.write_file(container("p1")->id, "/workspace/model", "weights");
  const auto asked = runtime.now();
  say(next(wanted, Desired::stopped));
  run_for(3s);
  EXPECT_EQ(phase("p1"), PodPhase::stopping);
  run_for(5s);
  EXPECT_EQ(phase("p1"), PodPhase::stopped);
  EXPECT_TRUE(containers_of("p1").empty());
  ASSERT_EQ(engine.history().size(), 2u);
  for (const auto& run : engine.history()) {
    EXPECT_EQ(run.end, FakeEnd::killed);
    EXPECT_NEAR(static_cast<double>((*run.ended - asked).count()), 5000, 100) << "each its five seconds, all at once";
  }
  auto again = next(next(wanted, Desired::stopped), Desired::running);
  again.run = 2;
  say(again);
  run_for(5s);
  EXPECT_EQ(engine.read_file(container("p1")->id, "/workspace/model"), "weights");
}

TEST_F(AgentTest, AStopDuringAPullIsObeyedAtOnce) {
  registry.push("team/huge:1", {.bytes = 100'000'000'000});
  start_agent();
  auto wanted = order("p1");
  wanted.spec.containers[0].image = "team/huge:1";
  say(wanted);
  run_for(10s);
  EXPECT_EQ(phase("p1"), PodPhase::pulling);
  say(next(wanted, Desired::stopped));
  run_for(1s);
  EXPECT_EQ(phase("p1"), PodPhase::stopped);
  run_for(30min);
  EXPECT_EQ(phase("p1"), PodPhase::stopped);
  EXPECT_TRUE(containers_of("p1").empty());
}

TEST_F(AgentTest, ADeletedPodLeavesNothingAndTheLastOneTakesTheNetworkWithIt) {
  const auto first = running("p1", [](auto& wanted) {
    wanted.spec.volume_bytes = 1;
    wanted.spec.volume_path = "/workspace";
  });
  const auto second = running("p2");
  say(next(first, Desired::deleted));
  run_for(10s);
  EXPECT_EQ(phase("p1"), PodPhase::deleted);
  EXPECT_TRUE(engine.volumes().empty());
  EXPECT_EQ(engine.networks().size(), 1u) << "p2 still needs it";
  EXPECT_EQ(phase("p2"), PodPhase::running);
  say(next(second, Desired::deleted));
  run_for(10s);
  EXPECT_TRUE(engine.networks().empty());
  EXPECT_TRUE(engine.containers().empty());
}

TEST_F(AgentTest, ADeletionIsReportedUntilItIsForgottenAndItsGenerationStays) {
  const auto first = running("p1");
  say(link::ForgetPod{PodId("p1"), 9});
  run_for(1s);
  EXPECT_TRUE(reported("p1")) << "it runs: not to be forgotten";
  const auto gone = next(first, Desired::deleted);
  say(gone);
  run_for(1min);
  EXPECT_EQ(phase("p1"), PodPhase::deleted);
  say(link::ForgetPod{PodId("p1"), gone.generation});
  run_for(1s);
  EXPECT_FALSE(reported("p1"));
  restart_agent();
  say(first);
  say(gone);
  run_for(10s);
  EXPECT_FALSE(reported("p1"));
  EXPECT_EQ(starts("p1"), 1u);
  run_for(25h);
  restart_agent();
  run_for(1s);
  EXPECT_EQ(journal->value<std::int64_t>("SELECT COUNT(*) FROM pods"), 0) << "a day later it is truly forgotten";
}

TEST_F(AgentTest, AnAgentWithoutAJournalKnowsFromTheOrderWhatToRemove) {
  const auto first = running("p1", [](auto& wanted) {
    wanted.spec.volume_bytes = 1;
    wanted.spec.volume_path = "/workspace";
  });
  crash_agent();
  lose_journal();
  start_agent();
  say(next(first, Desired::deleted));
  run_for(10s);
  EXPECT_TRUE(engine.containers().empty());
  EXPECT_TRUE(engine.volumes().empty());
  EXPECT_TRUE(engine.networks().empty());
}

// ---- when the host or the engine goes away ----

TEST_F(AgentTest, AfterAPowerLossAPodStartsAgainWithItsVolumeAndAnEmptyContainerDisk) {
  image("once:1", {.exits_after = 1s});
  running("p1", [](auto& wanted) {
    wanted.spec.volume_bytes = 1;
    wanted.spec.volume_path = "/workspace";
    wanted.spec.containers[0].command = {"train", "--all"};
    wanted.spec.restart = RestartPolicy::never;
  });
  auto job = order("job");
  job.spec.containers[0].image = "once:1";
  job.spec.restart = RestartPolicy::never;
  say(job);
  run_for(5s);
  EXPECT_EQ(phase("job"), PodPhase::exited);
  const auto before = *container("p1");
  engine.write_file(before.id, "/workspace/model", "weights");
  engine.write_file(before.id, "/root/scratch", "x");
  reboot();
  run_for(20s);
  EXPECT_EQ(phase("p1"), PodPhase::running);
  const auto after = *container("p1");
  EXPECT_NE(after.id, before.id);
  EXPECT_EQ(containers_of("p1").size(), 1u);
  EXPECT_EQ(engine.spec(after.id).value().command, (std::vector<std::string>{"train", "--all"}));
  EXPECT_EQ(engine.read_file(after.id, "/workspace/model"), "weights");
  EXPECT_FALSE(engine.read_file(after.id, "/root/scratch").has_value());
  EXPECT_EQ(phase("job"), PodPhase::exited) << "what had ended before is not run again";
  EXPECT_EQ(starts("job"), 1u);
}

TEST_F(AgentTest, ARunningContainerIsNotReplacedBecauseTheBootIdChanged) {
  running("p1");
  const auto before = *container("p1");
  config.facts.boot_id = "another";
  restart_agent();
  run_for(30s);
  EXPECT_EQ(container("p1")->id, before.id);
  EXPECT_EQ(starts("p1"), 1u);
  engine.crash_container(before.id, 1);
  run_for(30s);
  EXPECT_EQ(container("p1")->id, before.id) << "and an exit later is an exit, not the reboot";
}

TEST_F(AgentTest, AnEngineThatIsAwayLeadsToNoConclusion) {
  const auto first = running("p1");
  const auto before = *container("p1");
  engine.down();
  run_for(1min);
  EXPECT_FALSE(server.reports.back().engine_reachable);
  EXPECT_EQ(phase("p1"), PodPhase::running) << "as last seen";
  restart_agent();
  run_for(1min);
  EXPECT_FALSE(server.reports.back().engine_reachable);
  EXPECT_EQ(phase("p1"), PodPhase::accepted);
  engine.up();
  run_for(10s);
  EXPECT_TRUE(server.reports.back().engine_reachable);
  EXPECT_EQ(container("p1")->id, before.id);
  EXPECT_EQ(container("p1")->started_at, before.started_at);

  engine.down();
  say(next(first, Desired::stopped));
  run_for(1min);
  EXPECT_EQ(container("p1")->state, ContainerState::running);
  EXPECT_EQ(pod("p1").generation, 2) << "accepted all the same";
  engine.up();
  run_for(20s);
  EXPECT_EQ(phase("p1"), PodPhase::stopped);
}

TEST_F(AgentTest, ContainersThatDiedWithTheEngineAreStartedAgain) {
  running("p1");
  const auto before = *container("p1");
  engine.reboot(30s);  // the boot id stays: only the engine and its containers went down
  run_for(2min);
  EXPECT_EQ(phase("p1"), PodPhase::running);
  EXPECT_EQ(container("p1")->id, before.id);
}

TEST_F(AgentTest, AClockJumpStopsAndStartsNothing) {
  image("side:1", {});
  running("p1", [&](auto& wanted) { wanted.spec.containers.push_back(companion("side", "side:1")); });
  for (const Duration jump : {Duration(-48h), Duration(96h)}) {
    runtime.jump_clock(jump);
    run_for(1min);
    restart_agent();
    run_for(1min);
  }
  EXPECT_EQ(starts("p1"), 2u);
  EXPECT_EQ(phase("p1"), PodPhase::running);
}

// ---- GPUs and ports ----

TEST_F(AgentTest, AnOrderWhoseGpuIsStillHeldWaitsUntilItIsFree) {
  for (const std::string gpu : {"GPU-0", "SIM-h1-0"}) {
    const auto first = running("a" + gpu, [&](auto& wanted) { wanted.spec.gpus = {gpu}; });
    auto second = order("b" + gpu);
    second.spec.gpus = {gpu};
    say(second);
    run_for(1min);
    EXPECT_EQ(phase("b" + gpu), PodPhase::accepted);
    EXPECT_EQ(pod("b" + gpu).reason, Reason::gpu_still_held);
    EXPECT_TRUE(containers_of("b" + gpu).empty());
    restart_agent();
    run_for(1min);
    EXPECT_EQ(phase("b" + gpu), PodPhase::accepted);
    say(next(first, Desired::stopped));
    run_for(3s);
    EXPECT_EQ(phase("b" + gpu), PodPhase::running);
  }
}

TEST_F(AgentTest, AStraysGpuIsNotGivenAway) {
  running("p1", [](auto& wanted) { wanted.spec.gpus = {"SIM-h1-0"}; });
  crash_agent();
  lose_journal();
  start_agent();
  auto second = order("p2");
  second.spec.gpus = {"SIM-h1-0"};
  say(second);
  run_for(1min);
  EXPECT_EQ(pod("p2").reason, Reason::gpu_still_held);
}

TEST_F(AgentTest, APodThatWaitsForItsRestartKeepsItsGpu) {
  running("p1", [](auto& wanted) { wanted.spec.gpus = {"GPU-0"}; });
  engine.crash_container(container("p1")->id, 1);
  run_for(1s);
  restart_agent();
  auto second = order("a0");  // comes first in any order of ids
  second.spec.gpus = {"GPU-0"};
  say(second);
  run_for(1min);
  EXPECT_EQ(phase("p1"), PodPhase::running);
  EXPECT_EQ(phase("a0"), PodPhase::accepted);
}

TEST_F(AgentTest, AnUnknownGpuIsWaitedFor) {
  start_agent();
  auto wanted = order("p1");
  wanted.spec.gpus = {"GPU-7"};
  say(wanted);
  run_for(1min);
  EXPECT_EQ(phase("p1"), PodPhase::accepted);
  EXPECT_EQ(pod("p1").reason, Reason::gpu_not_on_host);
  gpus.list.push_back({"GPU-7", 3, "NVIDIA A40", 48'000'000'000, "0000:03:00.0", false});
  run_for(2min);
  EXPECT_EQ(phase("p1"), PodPhase::running);
  EXPECT_EQ(server.hellos.back().gpus.size(), 4u);
}

TEST_F(AgentTest, APortThatSomebodyElseTookIsReplacedByAnother) {
  start_agent();
  auto other = order("p0");
  other.spec.ports = {{80, false}};
  say(other);
  run_for(3s);
  next_port = 34000;  // p0's, which is given out again
  auto wanted = order("p1");
  wanted.spec.ports = {{80, false}};
  say(wanted);
  run_for(3s);
  EXPECT_EQ(phase("p1"), PodPhase::running);
  EXPECT_NE(pod("p1").ports.at(0).host_port, pod("p0").ports.at(0).host_port);

  // Now one that the agent cannot know of.
  crash_agent();
  lose_journal();
  config.host = HostId("h2");
  start_agent();
  next_port = 34000;
  auto third = order("p3");
  third.spec.ports = {{80, false}};
  say(third);
  run_for(1min);
  EXPECT_EQ(phase("p3"), PodPhase::running);
  EXPECT_GE(pod("p3").ports.at(0).host_port, 34002);
}

TEST_F(AgentTest, APodIsHealthyWhenItsPortsAccept) {
  image("web:1", {.listens = {8888}, .listens_after = 20s});
  running("p1", [](auto& wanted) {
    wanted.spec.containers[0].image = "web:1";
    wanted.spec.ports = {{8888, true}};
  });
  EXPECT_FALSE(pod("p1").healthy);
  run_for(18s);
  EXPECT_TRUE(pod("p1").healthy);
  engine.crash_container(container("p1")->id, 1);
  run_for(2s);
  EXPECT_FALSE(pod("p1").healthy);
}

TEST_F(AgentTest, AFullContainerDiskStopsThePodAndKeepsItsVolume) {
  image("hog:1", {.disk_bytes_per_second = 10'000'000});
  const auto wanted = running("p1", [](auto& order) {
    order.spec.containers[0].image = "hog:1";
    order.spec.container_disk_bytes = 1'000'000'000;
    order.spec.volume_bytes = 1;
    order.spec.volume_path = "/workspace";
  });
  run_for(80s);
  EXPECT_EQ(phase("p1"), PodPhase::running);
  EXPECT_GT(pod("p1").container_disk_used_bytes, 100'000'000);
  run_for(1min);
  EXPECT_EQ(phase("p1"), PodPhase::failed);
  EXPECT_EQ(pod("p1").reason, Reason::container_disk_full);
  EXPECT_EQ(engine.volumes().size(), 1u);
  restart_agent();
  run_for(1min);
  EXPECT_EQ(phase("p1"), PodPhase::failed);
  auto again = next(wanted, Desired::running);
  again.run = 2;
  say(again);
  run_for(10s);
  EXPECT_EQ(phase("p1"), PodPhase::running);
}

// ---- reports ----

TEST_F(AgentTest, ReportsGrowInSequenceAndChangesAreToldAtOnceAndTogether) {
  start_agent();
  run_for(20s);
  const auto quiet = server.reports.size();
  EXPECT_NEAR(static_cast<double>(quiet), 5, 2);
  say(order("p1"));
  run_for(101ms);
  EXPECT_TRUE(reported("p1"));
  run_for(3s);
  EXPECT_LT(server.reports.size() - quiet, 12u);
  restart_agent();
  run_for(10s);
  crash_agent();
  lose_journal();
  start_agent();
  run_for(10s);
  EXPECT_FALSE(server.sequence_fell_back);
}

TEST_F(AgentTest, FactsAreToldOnEveryConnection) {
  start_agent();
  run_for(1s);
  ASSERT_FALSE(server.hellos.empty());
  EXPECT_EQ(server.hellos.back().gpus.size(), 3u);
  EXPECT_EQ(server.hellos.back().engine_name, "fake");
  EXPECT_EQ(server.hellos.back().disk_bytes, 900'000'000'000) << "of the disk that the engine's data is on";
  EXPECT_EQ(server.hellos.back().cuda_version, "12.2");
  const auto before = server.hellos.size();
  connect(false);
  run_for(1min);
  const auto reports = server.reports.size();
  connect(true);
  EXPECT_EQ(server.hellos.size(), before + 1);
  EXPECT_EQ(server.reports.size(), reports + 1);
}

TEST_F(AgentTest, WithoutTheServerEverythingGoesOn) {
  const auto first = running("p1");
  connect(false);
  engine.crash_container(container("p1")->id, 1);
  run_for(20min);
  EXPECT_EQ(container("p1")->state, ContainerState::running);
  connect(true);
  say(next(first, Desired::deleted));  // asked meanwhile, done on reconnection
  run_for(10s);
  EXPECT_EQ(phase("p1"), PodPhase::deleted);
}

TEST_F(AgentTest, ARetiredHostIsLeftWhenItsLastPodIsGone) {
  const auto first = running("p1");
  say(link::RetireHost{});
  run_for(1min);
  EXPECT_EQ(retired, 0);
  restart_agent();
  run_for(1s);
  say(next(first, Desired::deleted));
  run_for(10s);
  EXPECT_EQ(retired, 1);
  run_for(1min);
  EXPECT_EQ(retired, 1);
  EXPECT_TRUE(engine.containers().empty());
}

// ---- programs that users start ----

TEST_F(AgentTest, AProgramThatCannotBeJournaledIsNotStarted) {
  start_agent();
  run_for(1s);
  say(order("p1"));
  run_for(10s);
  journal->exec("ALTER TABLE programs RENAME TO gone");
  link::ChannelOpen open;
  open.channel = 1;
  open.exec = link::ExecRequest{};
  open.exec->pod = PodId("p1");
  open.exec->session = "s1";
  open.exec->command = {"cat"};
  say(open);
  run_for(10s);
  EXPECT_TRUE(engine.execs().empty() || !engine.execs().back().running);
  ASSERT_TRUE(server.closed.contains(1));
  EXPECT_EQ(server.closed.at(1).reason, Reason::agent_journal_unwritable);
}

// ---- logs ----

struct AgentLogs : AgentTest {
  void open(std::uint64_t channel, bool follow, const std::string& pod = "p1", std::optional<int> tail = {}) {
    link::ChannelOpen message;
    message.channel = channel;
    message.log.pod = PodId(pod);
    message.log.follow = follow;
    message.log.tail = tail;
    say(message);
  }
};

TEST_F(AgentLogs, TheLogOfAnEndedPodCanBeReadToItsEnd) {
  image("team/train:1", {.lines = {"epoch 1", "epoch 2"}, .exits_after = 1s, .exit_code = 1});
  start_agent();
  auto wanted = order("p1");
  wanted.spec.restart = RestartPolicy::never;
  say(wanted);
  run_for(5s);
  EXPECT_EQ(phase("p1"), PodPhase::exited);
  open(1, false);
  open(2, false, "p1", 1);
  open(3, true);
  run_for(1s);
  EXPECT_EQ(server.text[1], "epoch 1\nepoch 2\n");
  EXPECT_EQ(server.text[2], "epoch 2\n");
  EXPECT_EQ(server.text[3], "epoch 1\nepoch 2\n");
  for (std::uint64_t channel : {1, 2, 3}) {
    ASSERT_TRUE(server.closed.contains(channel)) << channel;
    EXPECT_FALSE(server.closed.at(channel).reason.has_value());
  }
}

TEST_F(AgentLogs, AFollowedLogWaitsForTheStartAndGoesOnAcrossRestartsAndRuns) {
  image("team/train:1", {.lines = {"hello"}});
  start_agent();
  run_for(1s);
  auto wanted = order("p1");
  say(wanted);
  open(1, true);
  run_for(5s);
  EXPECT_EQ(server.text[1], "hello\n");
  engine.crash_container(container("p1")->id, 1);
  run_for(15s);
  EXPECT_EQ(server.text[1], "hello\nhello\n");
  wanted.generation = 2;
  wanted.run = 2;
  say(wanted);
  run_for(15s);
  EXPECT_EQ(server.text[1], "hello\nhello\nhello\n");
  EXPECT_FALSE(server.closed.contains(1));
  say(next(wanted, Desired::stopped));
  run_for(15s);
  ASSERT_TRUE(server.closed.contains(1));
  EXPECT_FALSE(server.closed.at(1).reason.has_value());
}

TEST_F(AgentLogs, NoMoreIsSentThanWasCredited) {
  const std::string line(999, 'x');
  image("team/train:1", {.lines = std::vector<std::string>(1000, line)});
  running("p1");
  open(1, true);
  run_for(10s);
  EXPECT_EQ(server.text[1].size(), static_cast<std::size_t>(link::channel_window_bytes));
  for (int i = 0; i < 10; ++i) {
    say(link::ChannelCredit{1, 100'000});
    run_for(1s);
    EXPECT_LE(server.text[1].size(), static_cast<std::size_t>(link::channel_window_bytes) + 100'000u * (i + 1u));
  }
  EXPECT_EQ(server.text[1].size(), 1'000'000u);
  EXPECT_FALSE(server.closed.contains(1));
}

TEST_F(AgentLogs, AnEndedLogIsClosedOnlyWhenItsReaderHasGotAllOfIt) {
  const std::string line(999, 'x');
  image("team/train:1", {.lines = std::vector<std::string>(400, line), .exits_after = 1s});
  start_agent();
  auto wanted = order("p1");
  wanted.spec.restart = RestartPolicy::never;
  say(wanted);
  run_for(5s);
  open(1, false);
  run_for(10s);
  EXPECT_FALSE(server.closed.contains(1));
  say(link::ChannelCredit{1, 200'000});
  run_for(1s);
  EXPECT_EQ(server.text[1].size(), 400'000u);
  EXPECT_TRUE(server.closed.contains(1));
}

TEST_F(AgentLogs, StreamsAreBoundedAndEndWithTheConnection) {
  running("p1");
  for (std::uint64_t channel = 1; channel <= 70; ++channel) open(channel, true);
  run_for(1s);
  EXPECT_EQ(server.closed.size(), 6u);
  EXPECT_EQ(server.closed.at(65).reason, Reason::too_many_log_streams);
  connect(false);
  connect(true);
  for (std::uint64_t channel = 101; channel <= 164; ++channel) open(channel, true);
  run_for(1s);
  EXPECT_EQ(server.closed.size(), 6u) << "the old ones are gone";
  say(link::ChannelClose{101, {}, {}});
  open(165, true);
  run_for(1s);
  EXPECT_EQ(server.closed.size(), 6u);
}

TEST_F(AgentLogs, ALogThatIsNotThereIsSaidSo) {
  start_agent();
  run_for(1s);
  registry.down();
  say(order("p1"));
  run_for(1s);
  open(2, false, "nobody");
  link::ChannelOpen typo;
  typo.channel = 3;
  typo.log.pod = PodId("p1");
  typo.log.container = "typo";
  typo.log.follow = true;
  say(typo);
  run_for(1s);
  EXPECT_EQ(server.closed.at(2).reason, Reason::pod_not_found);
  EXPECT_EQ(server.closed.at(3).reason, Reason::log_not_there);
}

TEST_F(AgentLogs, WhatHasNotStartedHasAnEmptyLogNotABrokenOne) {
  start_agent();
  run_for(1s);
  registry.down();
  const auto first = order("p1");
  say(first);
  run_for(1s);
  open(1, false);
  run_for(1s);
  ASSERT_TRUE(server.closed.contains(1));
  EXPECT_FALSE(server.closed.at(1).reason.has_value());
  say(next(first, Desired::stopped));
  run_for(1s);
  open(2, true);
  run_for(1s);
  ASSERT_TRUE(server.closed.contains(2)) << "it will not run: there is nothing to wait for";
  EXPECT_FALSE(server.closed.at(2).reason.has_value());
}

TEST_F(AgentLogs, AnEngineThatGoesAwayEndsTheStreamWithItsReason) {
  running("p1");
  open(1, true);
  run_for(1s);
  engine.down();
  run_for(1s);
  ASSERT_TRUE(server.closed.contains(1));
  EXPECT_EQ(server.closed.at(1).reason, Reason::engine_unreachable);
}

}  // namespace
}  // namespace gyre::agent
