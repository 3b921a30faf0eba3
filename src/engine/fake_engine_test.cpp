// What only the fake can do: trouble on demand, and looking inside. What every engine does: engine_contract_test.cpp.
#include "engine/fake_engine.hpp"

#include <gtest/gtest.h>

#include "engine/test_runtime.hpp"

namespace gyre::engine {
namespace {

class FakeEngineTest : public testing::Test {
 protected:
  TestRuntime runtime{TestRuntime::Clock::virtual_time};
  FakeRegistry registry;
  FakeEngine engine{runtime, registry};

  template <class T>
  Result<T> wait(const std::function<void(Done<T>)>& call, Duration limit = 10min) {
    std::optional<Result<T>> out;
    call([&](Result<T> result) { out = std::move(result); });
    EXPECT_TRUE(runtime.run_until([&] { return out.has_value(); }, limit));
    return out ? *out : fail(Reason::internal_error);
  }
  Result<Image> pull(const std::string& reference, std::optional<RegistryLogin> login = {}) {
    return wait<Image>([&](auto done) { engine.pull(reference, login, {}, done); });
  }
  Result<std::string> create(ContainerSpec spec) {
    return wait<std::string>([&](auto done) { engine.create(spec, done); });
  }
  Result<void> start(const std::string& id) {
    return wait<void>([&](auto done) { engine.start(id, done); });
  }
  Result<void> stop(const std::string& id, Duration grace = 5s) {
    return wait<void>([&](auto done) { engine.stop(id, grace, done); });
  }
  std::string run(ContainerSpec spec) {
    EXPECT_TRUE(pull(spec.image));
    const auto id = create(spec).value();
    EXPECT_TRUE(start(id));
    return id;
  }
  void volume(const std::string& name) {
    EXPECT_TRUE(wait<void>([&](auto done) { engine.create_volume(name, {}, done); }));
  }
};

TEST_F(FakeEngineTest, ContainersOutliveAnEngineThatGoesAway) {
  registry.push("x", {.program = fake_program({.exits_after = 1min, .exit_code = 3})});
  const auto id = run({.name = "a", .image = "x"});
  engine.down();
  EXPECT_EQ(start(id).error().reason, Reason::engine_unreachable);
  runtime.run_for(2min);  // it ends while nobody can look
  EXPECT_EQ(start(id).error().reason, Reason::engine_unreachable);
  engine.up();
  const auto list = wait<std::vector<Container>>([&](auto done) { engine.list({}, done); }).value();
  ASSERT_EQ(list.size(), 1u);
  EXPECT_EQ(list[0].state, ContainerState::exited);
  EXPECT_EQ(list[0].exit_code, 3);
}

TEST_F(FakeEngineTest, CallsInFlightAndStreamsEndWhenTheEngineGoesAway) {
  registry.push("x",
                {.program = fake_program({.lines = {"one"}}), .bytes = 1'000'000'000, .bytes_per_second = 1'000'000});
  registry.push("y", {.program = fake_program({.ignores_stop = true})});
  const auto id = run({.name = "a", .image = "y"});
  std::vector<Result<void>> ends;
  auto note = [&](Result<void> result) { ends.push_back(std::move(result)); };
  engine.pull("x", {}, {},
              [&](Result<Image> result) { ends.push_back(result ? Result<void>() : fail(result.error())); });
  engine.stop(id, 5s, note);
  auto log = engine.logs(
      id, {.follow = true}, [](Output, std::string_view) {}, note);
  auto events = engine.events(
      {}, [](const ContainerEvent&) {}, note);
  runtime.run_for(1s);
  EXPECT_EQ(ends.size(), 0u);
  engine.down();
  runtime.run_for(1min);
  ASSERT_EQ(ends.size(), 4u);
  for (const auto& end : ends) EXPECT_EQ(end.error().reason, Reason::engine_unreachable);
  EXPECT_EQ(engine.running().size(), 1u) << "the engine that would have killed it was gone";
}

TEST_F(FakeEngineTest, ARebootKillsContainersAndKeepsVolumesAndLayers) {
  registry.push("x", {});
  volume("v");
  const auto id = run({.name = "a",
                       .image = "x",
                       .mounts = {{.volume = "v", .path = "/workspace"},
                                  {.kind = Mount::Kind::tmpfs, .path = "/scratch", .bytes = 1024}}});
  engine.write_file(id, "/workspace/model", "on the volume");
  engine.write_file(id, "/root/notes", "on the layer");
  engine.write_file(id, "/scratch/x", "in memory");
  engine.reboot(30s);
  EXPECT_EQ(start(id).error().reason, Reason::engine_unreachable);
  runtime.run_for(31s);
  EXPECT_TRUE(engine.running().empty());
  EXPECT_TRUE(start(id));
  EXPECT_EQ(engine.read_file(id, "/workspace/model"), "on the volume");
  EXPECT_EQ(engine.read_file(id, "/root/notes"), "on the layer");
  EXPECT_EQ(engine.read_file(id, "/scratch/x"), std::nullopt);
  ASSERT_EQ(engine.history().size(), 2u);
  EXPECT_EQ(engine.history()[0].end, FakeEnd::reboot);
}

TEST_F(FakeEngineTest, AContainersDiskGoesWithItAndAVolumeStays) {
  registry.push("x", {});
  volume("v");
  ContainerSpec spec{.name = "a", .image = "x", .mounts = {{.volume = "v", .path = "/workspace"}}};
  const auto first = run(spec);
  engine.write_file(first, "/workspace/model", "weights");
  engine.write_file(first, "/tmp/cache", "gone");
  EXPECT_TRUE(wait<void>([&](auto done) { engine.remove(first, done); }));
  const auto second = run(spec);
  EXPECT_NE(first, second);
  EXPECT_EQ(engine.read_file(second, "/workspace/model"), "weights");
  EXPECT_EQ(engine.read_file(second, "/tmp/cache"), std::nullopt);
  EXPECT_EQ(engine.volume_files("v"), (std::map<std::string, std::string>{{"/model", "weights"}}));
}

TEST_F(FakeEngineTest, ALostAnswerMeansThatItHappened) {
  registry.push("x", {});
  EXPECT_TRUE(pull("x"));
  engine.set_faults({.lost_answer = 1});
  EXPECT_EQ(create({.name = "a", .image = "x"}).error().reason, Reason::engine_unreachable);
  EXPECT_EQ(engine.containers().size(), 1u);
  engine.set_faults({.lost_request = 1});
  EXPECT_EQ(create({.name = "b", .image = "x"}).error().reason, Reason::engine_unreachable);
  EXPECT_EQ(engine.containers().size(), 1u);
  engine.set_faults({.refused = 1});
  EXPECT_EQ(create({.name = "b", .image = "x"}).error().reason, Reason::engine_refused);
  engine.set_faults({});
  EXPECT_EQ(create({.name = "a", .image = "x"}).value(), engine.containers()[0].id) << "asking again finds it";
}

TEST_F(FakeEngineTest, AFullDiskRefusesPullsAndStarts) {
  registry.push("x", {});
  registry.push("y", {});
  EXPECT_TRUE(pull("x"));
  const auto id = create({.name = "a", .image = "x"}).value();
  engine.fill_host_disk(true);
  EXPECT_EQ(pull("y").error().reason, Reason::host_disk_full);
  EXPECT_EQ(start(id).error().reason, Reason::host_disk_full);
  engine.fill_host_disk(false);
  EXPECT_TRUE(pull("y"));
  EXPECT_TRUE(start(id));
}

TEST_F(FakeEngineTest, WhatAProgramWritesToItsDiskIsCountedAndBoundedWhereTheEngineCan) {
  registry.push("x", {.program = fake_program({.disk_bytes_per_second = 1'000'000})});
  const auto id = run({.name = "a", .image = "x", .disk_bytes = 5'000'000});
  auto used = [&] { return wait<std::int64_t>([&](auto done) { engine.disk_used(id, done); }).value(); };
  runtime.run_for(3s);
  EXPECT_NEAR(static_cast<double>(used()), 3e6, 0.2e6);
  runtime.run_for(1h);
  EXPECT_GT(used(), 3'000'000'000);
  EXPECT_TRUE(stop(id));
  const auto after = used();
  runtime.run_for(1min);
  EXPECT_EQ(used(), after);

  FakeEngineConfig config;
  config.info.container_disk_limit = true;
  FakeEngine bounded(runtime, registry, config);
  std::optional<std::int64_t> bytes;
  bounded.pull("x", {}, {}, [&](Result<Image>) {
    bounded.create({.name = "a", .image = "x", .disk_bytes = 5'000'000}, [&](Result<std::string> created) {
      bounded.start(*created, [&, created](Result<void>) {
        runtime.after(1h, [&, created] { bounded.disk_used(*created, [&](auto result) { bytes = *result; }); });
      });
    });
  });
  EXPECT_TRUE(runtime.run_until([&] { return bytes.has_value(); }, 2h));
  EXPECT_EQ(bytes, 5'000'000);
}

TEST_F(FakeEngineTest, ItShowsWhoHoldsEachGpuAndPort) {
  registry.push("x", {.program = fake_program({.listens = {8888}, .listens_after = 10s})});
  const auto a =
      run({.name = "a", .image = "x", .ports = {{.container_port = 8888, .host_port = 0}}, .gpus = {"GPU-1", "GPU-2"}});
  const auto b = run({.name = "b", .image = "x", .gpus = {"GPU-2"}, .memory_bytes = 1000});
  EXPECT_EQ(engine.gpu_holders()["GPU-1"], std::vector{a});
  EXPECT_EQ(engine.gpu_holders()["GPU-2"], (std::vector{a, b})) << "engines do not guard GPUs: the agent must";
  const int port = engine.container(a)->ports.at(0).host_port;
  EXPECT_EQ(engine.host_ports()[port], a);
  EXPECT_FALSE(engine.accepts(port));
  runtime.run_for(10s);
  EXPECT_TRUE(engine.accepts(port));
  EXPECT_EQ(engine.memory_granted(), 1000);
  engine.crash_container(a, 9);
  EXPECT_FALSE(engine.accepts(port));
  EXPECT_EQ(engine.gpu_holders().size(), 1u);
}

TEST_F(FakeEngineTest, OutOfMemoryIsAnEventAndShowsOnTheContainer) {
  registry.push("x", {});
  std::vector<std::string> actions;
  auto events =
      engine.events({{"pod", "p1"}}, [&](const ContainerEvent& event) { actions.push_back(event.action); }, {});
  const auto id = run({.name = "a", .labels = {{"pod", "p1"}}, .image = "x"});
  run({.name = "b", .labels = {{"pod", "p2"}}, .image = "x"});
  engine.run_out_of_memory(id);
  runtime.run_for(1s);
  EXPECT_TRUE(engine.container(id)->oom_killed);
  EXPECT_EQ(engine.container(id)->exit_code, 137);
  std::sort(actions.begin(), actions.end());  // each has its own latency
  EXPECT_EQ(actions, (std::vector<std::string>{"die", "oom", "start"}));
}

TEST_F(FakeEngineTest, APushedImageReplacesTheOldOneWhichStaysUnderItsDigest) {
  const auto first = registry.push("team/x:1", {.program = fake_program({.lines = {"old"}})});
  const auto second = registry.push("team/x:1", {.program = fake_program({.lines = {"new"}})});
  EXPECT_EQ(pull("team/x:1").value().digest, second);
  EXPECT_EQ(pull("team/x@" + first).value().digest, first);
}

TEST_F(FakeEngineTest, OneDownloadServesAllButEachCallerNeedsTheLogin) {
  registry.push("private", {.bytes = 100'000'000, .bytes_per_second = 10'000'000, .login = RegistryLogin{"u", "p"}});
  int pulled = 0, denied = 0;
  auto count = [&](Result<Image> result) { result ? ++pulled : ++denied; };
  engine.pull("private", RegistryLogin{"u", "p"}, {}, count);
  engine.pull("private", RegistryLogin{"u", "p"}, {}, count);
  engine.pull("private", std::nullopt, {}, count);
  engine.pull("private", RegistryLogin{"u", "wrong"}, {}, count);
  EXPECT_TRUE(runtime.run_until([&] { return pulled + denied == 4; }, 1min));
  EXPECT_EQ(pulled, 2);
  EXPECT_EQ(denied, 2);
  EXPECT_EQ(registry.downloads(), 1);
}

TEST_F(FakeEngineTest, TheSameSeedGivesTheSameWorld) {
  auto world = [](std::uint64_t seed) {
    TestRuntime time{TestRuntime::Clock::virtual_time, seed};
    FakeRegistry images;
    images.push("x", {.program = fake_program({.exits_after = 7s})});
    FakeEngine hostile(time, images, {.faults = {.latency_max = 2s, .lost_request = 0.2, .lost_answer = 0.2}});
    std::string story;
    hostile.pull("x", {}, {}, [&](Result<Image> result) { story += result ? "pulled " : "not "; });
    time.run_for(10s);
    for (int i = 0; i < 20; ++i)
      hostile.create({.name = "c" + std::to_string(i), .image = "x"}, [&, i](Result<std::string> created) {
        story += std::to_string(i) + (created ? "+ " : "- ") + std::to_string(time.uptime().count()) + " ";
        if (created) hostile.start(*created, [&](Result<void> started) { story += started ? "s" : "f"; });
      });
    time.run_for(1min);
    return story;
  };
  EXPECT_EQ(world(7), world(7));
  EXPECT_NE(world(7), world(8));
}

}  // namespace
}  // namespace gyre::engine
