// What every engine does, real or not. The fake always runs; Docker and Podman where tests/images/engines.sh has
// started them and tests/images/build.sh has filled their registries (GYRE_TEST_DOCKER_SOCKET and so on), else they are
// skipped.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <sstream>
#include <thread>

#include "base/enum_text.hpp"
#include "base/free_port.hpp"
#include "engine/docker_engine.hpp"
#include "engine/fake_engine.hpp"
#include "engine/test_runtime.hpp"

namespace gyre::engine {
namespace {

enum class Kind { fake, docker, podman, bounded_fake, bounded_docker };
BOOST_DESCRIBE_ENUM(Kind, fake, docker, podman, bounded_fake, bounded_docker)

// Where the socket of each real engine is told.
const std::map<Kind, const char*> socket_variables{{Kind::docker, "GYRE_TEST_DOCKER_SOCKET"},
                                                   {Kind::podman, "GYRE_TEST_PODMAN_SOCKET"},
                                                   {Kind::bounded_docker, "GYRE_TEST_BOUNDED_DOCKER_SOCKET"}};

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

std::string random_word() {
  static std::uint64_t count = 0;
  return std::to_string(::getpid()) + "-" + std::to_string(++count);
}

class EngineContract : public testing::TestWithParam<Kind> {
 protected:
  void SetUp() override {
    if (fake()) {
      public_registry = private_registry = "registry.test";
      login = {"tester", "open-sesame"};
      fill(images);
      runtime = std::make_unique<TestRuntime>(TestRuntime::Clock::virtual_time);
      FakeEngineConfig config;
      config.info.container_disk_limit = GetParam() == Kind::bounded_fake;
      auto made = std::make_unique<FakeEngine>(*runtime, images, config);
      the_fake = made.get();
      engine = std::move(made);
      return;
    }
    const char* variable = socket_variables.at(GetParam());
    socket = environment(variable);
    if (socket.empty())
      GTEST_SKIP() << variable << " is not set: no such engine here (tests/images/engines.sh starts one)";
    public_registry = environment("GYRE_TEST_REGISTRY");
    private_registry = environment("GYRE_TEST_PRIVATE_REGISTRY");
    const auto both = environment("GYRE_TEST_PRIVATE_LOGIN");
    login = {both.substr(0, both.find(':')), both.substr(both.find(':') + 1)};
    ASSERT_FALSE(public_registry.empty()) << "GYRE_TEST_REGISTRY is not set: tests/images/engines.sh prints it";
    runtime = std::make_unique<TestRuntime>(TestRuntime::Clock::real_time);
    engine = docker_engine(*runtime, socket);
  }

  void TearDown() override {
    if (!engine || fake()) return;
    const auto gone = [](const Result<void>& removed) { EXPECT_TRUE(removed) << removed.error().message(); };
    for (const auto& container : list()) gone(remove(container.id));
    for (const auto& network : networks) gone(remove_network(network));
    for (const auto& volume : volumes) gone(remove_volume(volume));
  }

  bool fake() const { return GetParam() == Kind::fake || GetParam() == Kind::bounded_fake; }

  // The images of tests/images, as the fake plays them.
  static void fill(FakeRegistry& registry) {
    auto name = [](const char* image) { return "registry.test/gyre/" + std::string(image) + ":1"; };
    auto program = [](FakeProgram base) {
      return [base](const ContainerSpec& spec) {
        auto out = base;
        for (const auto* given : {&spec.entrypoint, &spec.command})
          if (*given && !(*given)->empty() && (*given)->front() == "nosuch-command")
            out.cannot_start = "exec: \"nosuch-command\": executable file not found in $PATH";
        return out;
      };
    };
    registry.push(name("hello"), {.program = [=](const ContainerSpec& spec) {
                    FakeProgram out;
                    out.lines = {"hello from gyre"};
                    for (const auto& [variable, value] : spec.env) out.lines.push_back(variable + "=" + value);
                    out.error_lines = {"hello on standard error"};
                    return program(out)(spec);
                  }});
    registry.push(name("exit"), {.program = [](const ContainerSpec& spec) {
                    auto variable = [&](const char* which) {
                      const auto found = spec.env.find(which);
                      return found == spec.env.end() ? 0 : std::stoi(found->second);
                    };
                    return FakeProgram{.lines = {"exit"},
                                       .exits_after = std::chrono::seconds(variable("AFTER")),
                                       .exit_code = variable("CODE")};
                  }});
    registry.push(name("stubborn"), {.program = program({.lines = {"ready"}, .ignores_stop = true})});
    registry.push(name("web"), {.program = program({.listens = {8888}}), .exposed_ports = {"8888/tcp"}});
    registry.push(name("busy"), {.program = program({.volume_bytes_per_second = 3'000'000,
                                                     .busy_cpus = 1,
                                                     .memory_bytes = 1'000'000,
                                                     .received_bytes_per_second = 10})});
    registry.push(name("fill"),
                  {.program = program({.lines = {"could not write 100 MB"}, .disk_bytes_per_second = 50'000'000})});
    registry.push(name("large"), {.layers = 5, .bytes = 72'000'000, .bytes_per_second = 40'000'000});
    registry.push(name("arm"), {.architecture = "arm64"});
    registry.push(name("arm-list"), {.architecture = "arm64"});
    registry.push(name("windows"), {.os = "windows"});
    registry.push(name("private"), {.login = RegistryLogin{"tester", "open-sesame"}});
  }

  std::string image(const std::string& name) const { return public_registry + "/gyre/" + name + ":1"; }

  // ---- calls that wait ----

  template <class T>
  Result<T> wait(const std::function<void(Done<T>)>& call, Duration limit = 60s) {
    std::optional<Result<T>> out;
    int answers = 0;
    call([&](Result<T> result) {
      ++answers;
      out = std::move(result);
    });
    EXPECT_EQ(answers, 0) << "a call answers later, not from inside";
    EXPECT_TRUE(runtime->run_until([&] { return out.has_value(); }, limit)) << "no answer";
    EXPECT_LE(answers, 1);
    if (!out) return fail(Reason::internal_error);
    return *out;
  }
  Result<Image> pull(const std::string& reference, std::optional<RegistryLogin> with = {},
                     std::function<void(const PullProgress&)> progress = {}) {
    return wait<Image>([&](auto done) { engine->pull(reference, with, progress, done); });
  }
  Result<std::string> create(const ContainerSpec& spec) {
    return wait<std::string>([&](auto done) { engine->create(spec, done); });
  }
  Result<void> start(const std::string& id) {
    return wait<void>([&](auto done) { engine->start(id, done); });
  }
  Result<void> stop(const std::string& id, Duration grace = 5s) {
    return wait<void>([&](auto done) { engine->stop(id, grace, done); });
  }
  Result<void> remove(const std::string& id) {
    return wait<void>([&](auto done) { engine->remove(id, done); });
  }
  std::vector<Container> list(Labels having) {
    auto result = wait<std::vector<Container>>([&](auto done) { engine->list(having, done); });
    EXPECT_TRUE(result) << result.error().message();
    return result.value_or(std::vector<Container>());
  }
  std::vector<Container> list() { return list({{"gyre-test", mark}}); }
  Result<void> create_network(const std::string& name) {
    networks.insert(name);
    return wait<void>([&](auto done) { engine->create_network(name, {{"gyre-test", mark}}, done); });
  }
  Result<void> remove_network(const std::string& name) {
    return wait<void>([&](auto done) { engine->remove_network(name, done); });
  }
  Result<void> create_volume(const std::string& name) {
    volumes.insert(name);
    return wait<void>([&](auto done) { engine->create_volume(name, {{"gyre-test", mark}}, done); });
  }
  Result<void> remove_volume(const std::string& name) {
    return wait<void>([&](auto done) { engine->remove_volume(name, done); });
  }
  Result<std::int64_t> disk_used(const std::string& id) {
    return wait<std::int64_t>([&](auto done) { engine->disk_used(id, done); });
  }

  Result<std::int64_t> volume_used(const std::string& name) {
    return wait<std::int64_t>([&](auto done) { engine->volume_used(name, done); });
  }
  Result<std::optional<ContainerStats>> stats(const std::string& id) {
    return wait<std::optional<ContainerStats>>([&](auto done) { engine->stats(id, done); });
  }

  // ---- shorthands ----

  // Asks every 100 ms, for thirty seconds at most.
  bool eventually(const std::function<bool()>& check) {
    for (int i = 0; i < 300; ++i) {
      if (check()) return true;
      runtime->run_for(100ms);
    }
    return false;
  }

  ContainerSpec spec(const std::string& of_image, const std::string& name = "c") {
    ContainerSpec out;
    out.name = "gyre-test-" + mark + "-" + name;
    out.labels = {{"gyre-test", mark}, {"part", name}};
    out.image = image(of_image);
    if (networks.empty()) {
      const auto network = create_network("gyre-test-" + mark);
      EXPECT_TRUE(network) << network.error().message();
    }
    out.network = *networks.begin();
    return out;
  }
  std::string created(const ContainerSpec& of) {
    const auto pulled = pull(of.image);
    EXPECT_TRUE(pulled) << pulled.error().message();
    const auto id = create(of);
    EXPECT_TRUE(id) << id.error().message();
    return id.value_or("");
  }
  std::string started(const ContainerSpec& of) {
    const auto id = created(of);
    const auto result = start(id);
    EXPECT_TRUE(result) << result.error().message();
    return id;
  }
  std::optional<Container> look(const std::string& id) {
    for (auto& container : list())
      if (container.id == id) return container;
    return std::nullopt;
  }
  Container wait_for_exit(const std::string& id, Duration limit = 30s) {
    const auto deadline = runtime->uptime() + limit;
    for (;;) {
      auto container = look(id);
      if (container && container->state == ContainerState::exited) return *container;
      if (runtime->uptime() > deadline) {
        ADD_FAILURE() << "it did not end";
        return Container();
      }
      runtime->run_for(50ms);
    }
  }
  struct Log {
    std::string out, error;
    std::optional<Result<void>> end;
  };
  std::unique_ptr<Subscription> open_log(const std::string& id, LogOptions options, Log& log) {
    return engine->logs(
        id, options,
        [&log](Output output, std::string_view text) {
          (output == Output::standard_output ? log.out : log.error) += text;
        },
        [&log](Result<void> end) { log.end = std::move(end); });
  }
  Log read_log(const std::string& id, LogOptions options = {}) {
    Log log;
    auto subscription = open_log(id, options, log);
    EXPECT_TRUE(runtime->run_until([&] { return log.end.has_value(); }, 30s));
    return log;
  }
  // Makes the next pull a real one; an engine keeps what it has pulled before.
  void forget(const std::string& reference) {
    if (fake()) return;
    const auto command = "curl -s -o /dev/null --unix-socket '" + socket + "' -X DELETE 'http://engine/v1.41/images/" +
                         reference + "?force=true'";
    EXPECT_EQ(std::system(command.c_str()), 0);
  }
  // What a shell says inside a container, until it ends.
  std::string shell(const std::string& script, ContainerSpec in) {
    if (!in.entrypoint) in.entrypoint = std::vector<std::string>{"sh", "-c"};
    in.command = std::vector<std::string>{script};
    const auto id = started(in);
    if (id.empty()) return "it was not made";
    wait_for_exit(id, 5min);
    const auto log = read_log(id);
    const auto removed = remove(id);
    EXPECT_TRUE(removed) << removed.error().message();
    return log.out + log.error;
  }
  std::string shell(const std::string& script) { return shell(script, spec("hello", "shell" + random_word())); }

  std::string mark = random_word();
  FakeRegistry images;
  std::unique_ptr<TestRuntime> runtime;
  std::unique_ptr<Engine> engine;
  FakeEngine* the_fake = nullptr;
  std::string socket, public_registry, private_registry;
  RegistryLogin login;
  std::set<std::string> networks, volumes;
};

#define ONLY_REAL_ENGINES() \
  if (fake()) GTEST_SKIP() << "the fake runs no processes"

INSTANTIATE_TEST_SUITE_P(Engines, EngineContract, testing::Values(Kind::fake, Kind::docker, Kind::podman),
                         [](const auto& kind) { return std::string(enum_text(kind.param)); });

TEST_P(EngineContract, ItSaysWhatItIs) {
  const auto info = wait<EngineInfo>([&](auto done) { engine->info(done); });
  ASSERT_TRUE(info) << info.error().message();
  EXPECT_EQ(info->name, enum_text(GetParam()));
  EXPECT_TRUE(info->data_path.starts_with('/')) << info->data_path;
  EXPECT_FALSE(info->version.empty());
  EXPECT_FALSE(info->api_version.empty());
}

// ---- images ----

TEST_P(EngineContract, APullShowsItsProgressAndPinsTheDigest) {
  forget(image("large"));
  std::vector<PullProgress> seen;
  const auto pulled = pull(image("large"), {}, [&](const PullProgress& progress) { seen.push_back(progress); });
  ASSERT_TRUE(pulled) << pulled.error().message();
  EXPECT_TRUE(pulled->digest.starts_with("sha256:")) << pulled->digest;
  EXPECT_TRUE(pulled->id.starts_with("sha256:")) << pulled->id;
  EXPECT_EQ(pulled->os, "linux");
  EXPECT_EQ(pulled->architecture, "amd64");
  ASSERT_FALSE(seen.empty());
  for (std::size_t i = 1; i < seen.size(); ++i) {
    EXPECT_GE(seen[i].bytes_done, seen[i - 1].bytes_done);
    EXPECT_LE(seen[i].bytes_done, seen[i].bytes_total);
    EXPECT_LE(seen[i].layers_done, seen[i].layers_total);
  }
  EXPECT_GE(seen.back().layers_total, 5);
  EXPECT_EQ(seen.back().layers_done, seen.back().layers_total);
  // Pinned: the digest names the same image.
  const auto again = pull(public_registry + "/gyre/large@" + pulled->digest);
  ASSERT_TRUE(again) << again.error().message();
  EXPECT_EQ(again->id, pulled->id);
  EXPECT_EQ(again->digest, pulled->digest);
}

TEST_P(EngineContract, AnImageOnTheHostIsFoundByNameDigestAndId) {
  const auto find = [&](const std::string& reference) {
    const auto found = wait<std::optional<Image>>([&](auto done) { engine->image(reference, done); });
    EXPECT_TRUE(found) << found.error().message();
    return found.value_or(std::nullopt);
  };
  const auto pulled = pull(image("web")).value();
  for (const auto& name : {image("web"), public_registry + "/gyre/web@" + pulled.digest, pulled.id}) {
    const auto found = find(name);
    ASSERT_TRUE(found) << name;
    EXPECT_EQ(found->id, pulled.id);
  }
  EXPECT_EQ(find(image("web"))->digest, pulled.digest);
  EXPECT_EQ(find(image("web"))->exposed_ports, (std::vector<std::string>{"8888/tcp"}));
  EXPECT_FALSE(find(public_registry + "/gyre/never-seen:1"));
}

TEST_P(EngineContract, AnUnknownImageIsRefusedInTheRegistrysWords) {
  for (const auto& unknown : {public_registry + "/gyre/nosuch:1", public_registry + "/gyre/hello:nosuch"}) {
    const auto pulled = pull(unknown);
    ASSERT_FALSE(pulled);
    EXPECT_EQ(pulled.error().reason, Reason::image_not_found) << pulled.error().message();
    EXPECT_NE(pulled.error().message().find("manifest unknown"), std::string::npos) << pulled.error().message();
    EXPECT_NE(pulled.error().message().find(unknown), std::string::npos) << pulled.error().message();
  }
  EXPECT_EQ(pull("Not A Name").error().reason, Reason::image_name_invalid);
}

TEST_P(EngineContract, ARegistryThatIsNotThereIsUnreachable) {
  images.down();
  const auto pulled = pull("127.0.0.1:1/gyre/hello:1");
  ASSERT_FALSE(pulled);
  EXPECT_EQ(pulled.error().reason, Reason::registry_unreachable) << pulled.error().message();
  EXPECT_NE(pulled.error().message().find("connection refused"), std::string::npos) << pulled.error().message();
}

TEST_P(EngineContract, APrivateImageNeedsItsLogin) {
  const auto name = private_registry + "/gyre/private:1";
  EXPECT_EQ(pull(name).error().reason, Reason::image_access_denied);
  EXPECT_EQ(pull(name, RegistryLogin{login.username, "wrong"}).error().reason, Reason::image_access_denied);
  const auto pulled = pull(name, login);
  EXPECT_TRUE(pulled) << pulled.error().message();
  EXPECT_EQ(pull(name).error().reason, Reason::image_access_denied) << "that it is on the host now changes nothing";
}

TEST_P(EngineContract, AnImageForAnotherPlatformIsRefusedWithTheWayOut) {
  for (const auto* name : {"arm", "arm-list"}) {
    const auto pulled = pull(image(name));
    ASSERT_FALSE(pulled) << name;
    EXPECT_EQ(pulled.error().reason, Reason::image_wrong_platform) << pulled.error().message();
    EXPECT_NE(pulled.error().fix().find("--platform linux/amd64"), std::string::npos);
  }
  EXPECT_EQ(pull(image("windows")).error().reason, Reason::image_for_windows);
}

TEST_P(EngineContract, PullsAtTheSameTimeAllSucceed) {
  int done = 0;
  for (int i = 0; i < 5; ++i)
    engine->pull(image("web"), {}, {}, [&](Result<Image> pulled) {
      EXPECT_TRUE(pulled) << pulled.error().message();
      ++done;
    });
  EXPECT_TRUE(runtime->run_until([&] { return done == 5; }, 30s));
}

// ---- a container's life ----

TEST_P(EngineContract, AContainerIsCreatedRunsAndEndsOnItsStopSignal) {
  const auto before = runtime->now();
  const auto id = created(spec("hello"));
  auto container = look(id).value();
  EXPECT_EQ(container.state, ContainerState::created);
  EXPECT_FALSE(container.started_at);
  EXPECT_EQ(container.name, "gyre-test-" + mark + "-c");
  EXPECT_EQ(container.labels["part"], "c");
  EXPECT_EQ(container.image_id, pull(image("hello"))->id);
  ASSERT_TRUE(start(id));
  container = look(id).value();
  EXPECT_EQ(container.state, ContainerState::running);
  ASSERT_TRUE(container.started_at);
  EXPECT_GE(*container.started_at, before);
  EXPECT_LE(*container.started_at, runtime->now());
  EXPECT_FALSE(container.ip_address.empty());
  ASSERT_TRUE(stop(id));
  container = look(id).value();
  EXPECT_EQ(container.state, ContainerState::exited);
  EXPECT_EQ(container.exit_code, 143);
  ASSERT_TRUE(container.finished_at);
  EXPECT_LT(*container.finished_at - *container.started_at, 4s) << "it obeyed, there was nothing to wait for";
  ASSERT_TRUE(remove(id));
  EXPECT_TRUE(list().empty());
}

TEST_P(EngineContract, WhoIgnoresTheStopSignalIsKilledAfterTheGrace) {
  const auto id = started(spec("stubborn"));
  Log log;
  auto following = open_log(id, {.follow = true}, log);
  ASSERT_TRUE(runtime->run_until([&] { return log.out.find("ready") != std::string::npos; }, 10s));
  const auto asked = runtime->uptime();
  ASSERT_TRUE(stop(id, 5s));
  const auto took = runtime->uptime() - asked;
  EXPECT_GE(took, 4300ms);
  EXPECT_LE(took, 7s) << "a busy machine needs a moment to say so; tests/e2e measures the signals themselves";
  const auto container = look(id).value();
  EXPECT_EQ(container.state, ContainerState::exited);
  EXPECT_EQ(container.exit_code, 137);
  EXPECT_FALSE(container.oom_killed);
  if (!fake()) {
    ASSERT_TRUE(runtime->run_until([&] { return log.end.has_value(); }, 5s));
    EXPECT_NE(log.out.find("got SIGTERM, staying"), std::string::npos) << log.out;
  }
}

TEST_P(EngineContract, ExitCodesAreTold) {
  for (const int code : {0, 1, 7, 200}) {
    auto of = spec("exit", "exit" + std::to_string(code));
    of.env = {{"CODE", std::to_string(code)}};
    const auto id = started(of);
    EXPECT_EQ(wait_for_exit(id).exit_code, code);
  }
}

TEST_P(EngineContract, AnEndedContainerStartsAgainAsTheSameOne) {
  auto of = spec("exit");
  of.env = {{"CODE", "3"}};
  const auto id = started(of);
  const auto first = wait_for_exit(id);
  ASSERT_TRUE(start(id));
  runtime->run_for(500ms);
  const auto second = wait_for_exit(id);
  EXPECT_EQ(second.id, first.id);
  EXPECT_GT(*second.started_at, *first.started_at);
}

TEST_P(EngineContract, ACommandThatIsNotThereIsNamed) {
  auto of = spec("hello");
  of.command = std::vector<std::string>{"nosuch-command", "--flag"};
  ASSERT_TRUE(pull(of.image));
  const auto id = create(of);
  const auto result = id ? start(*id) : Result<void>(fail(id.error()));
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().reason, Reason::command_not_found) << result.error().message();
  EXPECT_NE(result.error().message().find("`nosuch-command`"), std::string::npos) << result.error().message();
}

TEST_P(EngineContract, WhatAContainerNeedsMustBeThere) {
  auto of = spec("hello");
  ASSERT_TRUE(pull(of.image));
  of.image = public_registry + "/gyre/never-pulled:1";
  EXPECT_EQ(create(of).error().reason, Reason::image_not_on_host);
  of = spec("hello");
  of.mounts = {{.volume = "gyre-test-never-made", .path = "/data"}};
  EXPECT_EQ(create(of).error().reason, Reason::volume_not_found);
  of.mounts = {{.kind = Mount::Kind::folder, .folder = "/tmp/gyre-test-never-made-" + mark, .path = "/data"}};
  EXPECT_EQ(create(of).error().reason, Reason::volume_not_found);
  of = spec("hello");
  of.network = "gyre-test-never-made";
  const auto id = create(of);  // Docker finds out when it starts
  const auto result = id ? start(*id) : Result<void>(fail(id.error()));
  EXPECT_EQ(result.error().reason, Reason::network_not_found) << result.error().message();
  EXPECT_EQ(start("0123456789abcdef").error().reason, Reason::container_not_found);
  EXPECT_EQ(disk_used("0123456789abcdef").error().reason, Reason::container_not_found);
}

TEST_P(EngineContract, DoingItTwiceIsDoingItOnce) {
  const auto of = spec("hello");
  const auto network = of.network, volume = "gyre-test-" + mark;
  EXPECT_TRUE(create_network(network));
  EXPECT_TRUE(create_volume(volume));
  EXPECT_TRUE(create_volume(volume));
  const auto id = created(of);
  EXPECT_EQ(create(of).value(), id);
  auto other = of;
  other.labels["part"] = "somebody else's";
  EXPECT_EQ(create(other).error().reason, Reason::container_name_taken);
  EXPECT_TRUE(stop(id)) << "stopping what never ran";
  EXPECT_TRUE(start(id));
  EXPECT_TRUE(start(id));
  EXPECT_EQ(create(of).value(), id);
  EXPECT_TRUE(stop(id));
  EXPECT_TRUE(stop(id));
  EXPECT_TRUE(remove(id));
  EXPECT_TRUE(remove(id));
  EXPECT_TRUE(stop(id));
  EXPECT_TRUE(remove_volume(volume));
  EXPECT_TRUE(remove_volume(volume));
  EXPECT_TRUE(remove_network(network));
  EXPECT_TRUE(remove_network(network));
}

TEST_P(EngineContract, WhatIsUsedIsNotRemoved) {
  auto of = spec("hello");
  const auto volume = "gyre-test-" + mark;
  ASSERT_TRUE(create_volume(volume));
  of.mounts = {{.volume = volume, .path = "/data"}};
  const auto id = started(of);
  EXPECT_EQ(remove_volume(volume).error().reason, Reason::volume_in_use);
  EXPECT_EQ(remove_network(of.network).error().reason, Reason::network_in_use);
  EXPECT_EQ(look(id)->state, ContainerState::running);
  EXPECT_TRUE(remove(id)) << "a running container is killed and removed";
  EXPECT_TRUE(remove_volume(volume));
  EXPECT_TRUE(remove_network(of.network));
}

TEST_P(EngineContract, ContainersAreListedByLabel) {
  auto of = spec("hello", "one");
  of.labels["pod"] = "p1";
  const auto one = created(of);
  of = spec("hello", "two");
  of.labels["pod"] = "p2";
  const auto two = started(of);
  EXPECT_EQ(list().size(), 2u);
  const auto found = list({{"gyre-test", mark}, {"pod", "p2"}});
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].id, two);
  EXPECT_TRUE(list({{"gyre-test", mark}, {"pod", "p3"}}).empty());
}

// ---- what it is given ----

TEST_P(EngineContract, TheEnvironmentReachesTheProgram) {
  auto of = spec("hello");
  of.env = {{"GREETING", "안녕, \"world\" $HOME"}, {"EMPTY", ""}};
  of.hostname = "pod-host";
  const auto id = started(of);
  Log log;
  auto following = open_log(id, {.follow = true}, log);
  EXPECT_TRUE(
      runtime->run_until([&] { return log.out.find("GREETING=안녕, \"world\" $HOME\n") != std::string::npos; }, 10s))
      << log.out;
  EXPECT_NE(log.out.find("EMPTY=\n"), std::string::npos);
  if (!fake()) {
    EXPECT_TRUE(runtime->run_until([&] { return log.out.find("PATH=") != std::string::npos; }, 10s)) << log.out;
    EXPECT_NE(log.out.find("HOSTNAME=pod-host\n"), std::string::npos) << log.out;
  }
}

TEST_P(EngineContract, EntrypointAndCommandReplaceTheImagesOwnEachByItself) {
  ONLY_REAL_ENGINES();
  // gyre/exit has an entrypoint and no command; gyre/hello a command and no entrypoint.
  auto says = [&](const std::string& of_image, std::optional<std::vector<std::string>> entrypoint,
                  std::optional<std::vector<std::string>> command) {
    auto of = spec(of_image, "argv" + random_word());
    of.entrypoint = std::move(entrypoint);
    of.command = std::move(command);
    const auto id = started(of);
    if (of.entrypoint || of.command) wait_for_exit(id);
    return read_log(id).out;
  };
  using Words = std::vector<std::string>;
  EXPECT_EQ(says("exit", {}, Words{"ignored"}), "exit 0 after 0 s\n");
  EXPECT_EQ(says("exit", Words{"echo", "a b"}, {}), "a b\n");
  EXPECT_EQ(says("exit", Words{"echo"}, Words{"c", "d"}), "c d\n");
  EXPECT_EQ(says("exit", Words{}, Words{"echo", "e"}), "e\n");
  EXPECT_EQ(says("hello", {}, Words{"echo", "f"}), "f\n");
  EXPECT_EQ(says("hello", Words{"echo", "it would run:"}, {}), "it would run: /bin/hello\n");
}

// Whether gyre/web answers there.
bool web_answers(const char* host, int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  EXPECT_EQ(::inet_pton(AF_INET, host, &address.sin_addr), 1);
  const int connection = ::socket(AF_INET, SOCK_STREAM, 0);
  const bool connected = ::connect(connection, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  std::string answer;
  if (connected) {
    const std::string request = "GET /file.txt HTTP/1.0\r\n\r\n";
    EXPECT_EQ(::write(connection, request.data(), request.size()), static_cast<ssize_t>(request.size()));
    char buffer[512];
    for (ssize_t got; (got = ::read(connection, buffer, sizeof buffer)) > 0;)
      answer.append(buffer, static_cast<std::size_t>(got));
  }
  ::close(connection);
  return answer.find("a file from gyre/web") != std::string::npos;
}

TEST_P(EngineContract, APortMayBeBoundOnTwoAddressesOfTheHost) {
  const int port = lasting_free_port("0.0.0.0");
  auto of = spec("web");
  of.ports = {{.container_port = 8888, .host_address = "127.0.0.1", .host_port = port},
              {.container_port = 8888, .host_address = "127.0.0.2", .host_port = port}};
  const auto id = started(of);
  const auto ports = look(id)->ports;
  ASSERT_EQ(ports.size(), 1u) << "one of them is told";
  EXPECT_EQ(ports[0].host_port, port);
  if (fake()) return;
  for (const char* address : {"127.0.0.1", "127.0.0.2"})
    EXPECT_TRUE(eventually([&] { return web_answers(address, port); })) << address;
}

TEST_P(EngineContract, APortIsReachedOnTheHost) {
  auto of = spec("web");
  of.ports = {{.container_port = 8888, .host_address = "127.0.0.1"}};
  const auto id = started(of);
  const auto ports = look(id)->ports;
  ASSERT_EQ(ports.size(), 1u);
  EXPECT_EQ(ports[0].container_port, 8888);
  EXPECT_GT(ports[0].host_port, 1023);
  const auto port = ports[0].host_port;
  auto accepts = [&] {
    if (fake()) return the_fake->accepts(port);
    return web_answers("127.0.0.1", port);
  };
  bool reached = false;
  for (int i = 0; i < 100 && !(reached = accepts()); ++i) runtime->run_for(50ms);
  EXPECT_TRUE(reached);
  // The same port again is refused by name, and the first container keeps it.
  auto second = spec("web", "second");
  second.ports = {{.container_port = 8888, .host_address = "127.0.0.1", .host_port = port}};
  const auto refused = start(created(second));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, Reason::host_port_taken) << refused.error().message();
  EXPECT_NE(refused.error().message().find(std::to_string(port)), std::string::npos) << refused.error().message();
  EXPECT_TRUE(accepts());
  ASSERT_TRUE(stop(id));
  EXPECT_TRUE(look(id)->ports.empty());
}

TEST_P(EngineContract, ContainersOfAPodShareTheirNetwork) {
  const auto main = started(spec("web", "main"));
  auto of = spec("hello", "side");
  of.network.clear();
  of.share_network_with = main;
  of.hostname = "ignored";
  if (fake()) {
    const auto side = started(of);
    EXPECT_EQ(look(side)->ip_address, look(main)->ip_address);
    return;
  }
  EXPECT_EQ(shell("for i in 1 2 3 4 5; do wget -qO- http://127.0.0.1:8888/file.txt && break; sleep 1; done", of),
            "a file from gyre/web\n");
}

// Docker made two of one name, and then started nothing on either.
TEST_P(EngineContract, ANetworkAskedForManyTimesAtOnceIsOne) {
  const auto name = "gyre-test-" + mark + "-many";
  networks.insert(name);
  int done = 0;
  for (int i = 0; i < 6; ++i)
    engine->create_network(name, {{"gyre-test", mark}}, [&](Result<void> made) {
      EXPECT_TRUE(made) << made.error().message();
      ++done;
    });
  ASSERT_TRUE(runtime->run_until([&] { return done == 6; }, 30s));
  auto of = spec("web", "a");
  of.network = name;
  const auto id = started(of);
  EXPECT_EQ(look(id)->state, ContainerState::running);
}

TEST_P(EngineContract, NetworksAreApart) {
  ONLY_REAL_ENGINES();
  auto of = spec("web", "a");
  const auto web = started(of);
  const auto address = look(web)->ip_address;
  const std::string fetch =
      "for i in 1 2 3; do timeout 2 wget -qO- http://" + address + ":8888/file.txt && exit; sleep 1; done; echo no way";
  EXPECT_EQ(shell(fetch), "a file from gyre/web\n") << "inside one network they reach each other";
  ASSERT_TRUE(create_network("gyre-test-" + mark + "-z"));
  of = spec("hello", "b");
  of.network = "gyre-test-" + mark + "-z";
  const auto said = shell(fetch, of);
  EXPECT_NE(said.find("no way"), std::string::npos) << said;
}

TEST_P(EngineContract, AVolumeStaysWhenItsContainerGoes) {
  const auto volume = "gyre-test-" + mark;
  ASSERT_TRUE(create_volume(volume));
  auto of = spec("hello", "writer");
  of.mounts = {{.volume = volume, .path = "/workspace"}};
  if (fake()) {
    const auto writer = started(of);
    the_fake->write_file(writer, "/workspace/model", "weights");
    ASSERT_TRUE(remove(writer));
    EXPECT_EQ(the_fake->read_file(started(of), "/workspace/model"), "weights");
    return;
  }
  EXPECT_EQ(shell("echo weights > /workspace/model; echo gone > /tmp/x; cat /workspace/model", of), "weights\n");
  EXPECT_EQ(shell("cat /workspace/model; test -e /tmp/x || echo no x", of), "weights\nno x\n");
  of.mounts[0].read_only = true;
  EXPECT_NE(shell("echo more > /workspace/model; cat /workspace/model", of).find("Read-only file system"),
            std::string::npos);
}

TEST_P(EngineContract, AFolderOfTheHostIsSharedByThoseWhoHaveIt) {
  auto one = spec("hello", "one"), other = spec("hello", "other");
  if (fake()) {
    the_fake->add_folder("/shared/v1");
    one.mounts = other.mounts = {{.kind = Mount::Kind::folder, .folder = "/shared/v1", .path = "/workspace"}};
    const auto writer = started(one), reader = started(other);
    the_fake->write_file(writer, "/workspace/model", "weights");
    EXPECT_EQ(the_fake->read_file(reader, "/workspace/model"), "weights");
    ASSERT_TRUE(remove(writer));
    EXPECT_EQ(the_fake->folder_files("/shared/v1").size(), 1u);
    return;
  }
  const auto folder = std::filesystem::temp_directory_path() / ("gyre-test-" + mark);
  std::filesystem::create_directory(folder);
  one.mounts = other.mounts = {{.kind = Mount::Kind::folder, .folder = folder.string(), .path = "/workspace"}};
  EXPECT_EQ(shell("echo weights > /workspace/model; cat /workspace/model", one), "weights\n");
  EXPECT_EQ(shell("cat /workspace/model", other), "weights\n");
  EXPECT_TRUE(std::filesystem::exists(folder / "model"));
  std::filesystem::remove_all(folder);
}

TEST_P(EngineContract, TheLayerStaysAcrossStopAndStart) {
  auto of = spec("hello");
  if (!fake()) of.entrypoint = std::vector<std::string>{"sh", "-c", "ls /tmp; touch /tmp/was-here; exec sleep 1000"};
  const auto id = started(of);
  if (fake()) the_fake->write_file(id, "/tmp/was-here", "");
  runtime->run_for(300ms);
  ASSERT_TRUE(stop(id));
  ASSERT_TRUE(start(id));
  runtime->run_for(300ms);
  if (fake()) {
    EXPECT_TRUE(the_fake->read_file(id, "/tmp/was-here"));
  } else {
    EXPECT_EQ(read_log(id).out, "was-here\n");
  }
}

TEST_P(EngineContract, MemoryBackedMountsHaveTheirSize) {
  ONLY_REAL_ENGINES();
  auto of = spec("hello");
  of.shm_bytes = 96 << 20;
  of.mounts = {{.kind = Mount::Kind::tmpfs, .path = "/scratch", .bytes = 32 << 20}};
  const auto said = shell("df -m /dev/shm /scratch | awk 'NR>1 {print $2, $6}'; touch /scratch/x && echo ok", of);
  EXPECT_EQ(said, "96 /dev/shm\n32 /scratch\nok\n");
}

TEST_P(EngineContract, LimitsAreSetInTheContainersCgroup) {
  ONLY_REAL_ENGINES();
  auto of = spec("hello");
  of.memory_bytes = 128 << 20;
  of.cpus = 0.5;
  of.pids = 50;
  // cgroup v2, or else v1
  const auto said = shell(
      "cd /sys/fs/cgroup; cat memory.max memory/memory.limit_in_bytes; cat cpu.max cpu/cpu.cfs_quota_us "
      "cpu/cpu.cfs_period_us; "
      "cat pids.max pids/pids.max",
      of);
  EXPECT_NE(said.find("134217728\n"), std::string::npos) << said;
  EXPECT_TRUE(said.find("50000 100000\n") != std::string::npos || said.find("50000\n100000\n") != std::string::npos)
      << said;
  EXPECT_NE(said.find("\n50\n"), std::string::npos) << said;
}

TEST_P(EngineContract, WhoTakesTooMuchMemoryIsKilledAndItShows) {
  auto of = spec("hello");
  of.memory_bytes = 24 << 20;
  of.shm_bytes = 256 << 20;
  std::string id;
  if (fake()) {
    id = started(of);
    the_fake->run_out_of_memory(id);
  } else {
    of.entrypoint =
        std::vector<std::string>{"sh", "-c", "sleep 1; exec dd if=/dev/zero of=/dev/shm/x bs=1048576 count=200"};
    id = started(of);
  }
  const auto container = wait_for_exit(id);
  EXPECT_EQ(container.exit_code, 137);
  // Podman 4.3 does not tell: conmon notes it in the service's working directory, where Podman does not look.
  if (GetParam() != Kind::podman) {
    EXPECT_TRUE(container.oom_killed);
  }
}

TEST_P(EngineContract, TheContainersOwnDiskIsMeasured) {
  ONLY_REAL_ENGINES();
  auto of = spec("fill");
  of.env = {{"MB", "12"}};
  const auto id = started(of);
  std::int64_t used = 0;
  for (int i = 0; i < 100 && used < (12 << 20); ++i) {
    runtime->run_for(100ms);
    used = disk_used(id).value();
  }
  EXPECT_GE(used, 12 << 20);
  EXPECT_LT(used, 14 << 20);
}

// Engines on a file system that bounds what a container writes to its own disk.
class BoundedDisks : public EngineContract {
 protected:
  void SetUp() override {
    EngineContract::SetUp();
    if (fake() || !engine) return;
    // What the kernel does with containers that are removed is not what is tried here.
    const auto recount = environment("GYRE_TEST_BOUNDED_RECOUNT");
    ASSERT_FALSE(recount.empty()) << "GYRE_TEST_BOUNDED_RECOUNT is not set: tests/images/engines.sh prints it";
    ASSERT_EQ(std::system(recount.c_str()), 0) << recount;
  }
};

INSTANTIATE_TEST_SUITE_P(Engines, BoundedDisks, testing::Values(Kind::bounded_fake, Kind::bounded_docker),
                         [](const auto& kind) { return std::string(enum_text(kind.param)); });

TEST_P(BoundedDisks, AContainerWritesToItsOwnDiskUpToItsLimitAndGoesOn) {
  const auto info = wait<EngineInfo>([&](auto done) { engine->info(done); });
  ASSERT_TRUE(info) << info.error().message();
  ASSERT_TRUE(info->container_disk_limit);
  constexpr std::int64_t limit = 64 << 20;
  auto of = spec("fill");
  of.env = {{"MB", "100"}};
  of.disk_bytes = limit;
  const auto volume = "gyre-test-" + mark;
  ASSERT_TRUE(create_volume(volume));
  of.mounts.push_back({.kind = Mount::Kind::volume, .volume = volume, .path = "/workspace"});
  const auto id = started(of);
  Log log;
  const auto subscription = open_log(id, {.follow = true}, log);
  EXPECT_TRUE(eventually([&] { return log.out.find("could not write 100 MB") != std::string::npos; }))
      << log.out << log.error;
  std::int64_t used = 0;
  EXPECT_TRUE(eventually([&] {
    used = disk_used(id).value_or(0);
    return used > limit / 2;
  }));
  EXPECT_LE(used, limit);
  const auto still = look(id);
  ASSERT_TRUE(still);
  EXPECT_EQ(still->state, ContainerState::running) << "the write is refused, the program is not killed";
}

TEST_P(BoundedDisks, AnotherContainersDiskIsItsOwn) {
  auto of = spec("hello");
  of.disk_bytes = 32 << 20;
  ONLY_REAL_ENGINES();
  const auto said = shell("dd if=/dev/zero of=/full bs=1M count=64 conv=fsync 2>/dev/null || echo refused", of);
  EXPECT_NE(said.find("refused"), std::string::npos) << said;
  auto next = spec("hello", "next");
  next.disk_bytes = 128 << 20;
  EXPECT_EQ(shell("dd if=/dev/zero of=/full bs=1M count=64 2>/dev/null && echo written", next), "written\n");
}

// ---- logs ----

TEST_P(EngineContract, WhatARunningContainerUsesIsMeasuredAndOnlyGrows) {
  auto of = spec("busy");
  of.command = {{"sh", "-c", "dd if=/dev/zero of=/workspace/file bs=1M count=3; while :; do :; done"}};
  if (!fake()) of.image = image("hello");
  const auto volume = "gyre-test-" + mark;
  ASSERT_TRUE(create_volume(volume));
  of.mounts.push_back({.kind = Mount::Kind::volume, .volume = volume, .path = "/workspace"});
  const auto id = created(of);
  const auto before = stats(id);
  ASSERT_TRUE(before) << before.error().message();
  EXPECT_FALSE(*before) << "it does not run yet";
  ASSERT_TRUE(start(id));
  std::optional<ContainerStats> first, later;
  EXPECT_TRUE(eventually([&] {
    first = stats(id).value_or(std::nullopt);
    return first && first->cpu_microseconds > 0 && first->memory_bytes > 0;
  }));
  ASSERT_TRUE(first);
  EXPECT_TRUE(eventually([&] {
    later = stats(id).value_or(std::nullopt);
    return later && later->cpu_microseconds > first->cpu_microseconds + 300'000;
  })) << "a loop uses processor time";
  EXPECT_GE(later->received_bytes, first->received_bytes);
  EXPECT_TRUE(eventually([&] { return volume_used(volume).value_or(0) >= 3'000'000; }));
  ASSERT_TRUE(stop(id, 0s));
  const auto after = stats(id);
  ASSERT_TRUE(after) << after.error().message();
  EXPECT_FALSE(*after) << "what does not run uses nothing, which is not zero";
  EXPECT_EQ(stats("0123456789abcdef").error().reason, Reason::container_not_found);
  EXPECT_EQ(volume_used("gyre-test-no-such").error().reason, Reason::volume_not_found);
}

TEST_P(EngineContract, LogsComeFromBothOutputs) {
  const auto id = started(spec("hello"));
  runtime->run_for(500ms);
  const auto log = read_log(id);
  EXPECT_TRUE(log.end->has_value());
  EXPECT_TRUE(log.out.starts_with("hello from gyre\n")) << log.out;
  EXPECT_EQ(log.error, "hello on standard error\n");
  EXPECT_EQ(read_log(id, {.standard_output = false}).out, "");
  EXPECT_EQ(read_log(id, {.standard_output = false}).error, "hello on standard error\n");
  EXPECT_EQ(read_log(id, {.standard_error = false}).error, "");
  ASSERT_TRUE(stop(id));
  EXPECT_EQ(read_log(id).out, log.out) << "also when it has ended";
  ASSERT_TRUE(remove(id));
  EXPECT_EQ(read_log(id).end->error().reason, Reason::container_not_found);
}

TEST_P(EngineContract, LogsCanBeTheLastLinesOrThoseSinceThenWithTheirTime) {
  auto of = spec("hello");
  if (!fake())
    of.entrypoint =
        std::vector<std::string>{"sh", "-c", "for i in 1 2 3; do echo line $i; done; sleep 2; echo late; sleep 1000"};
  const auto began = runtime->now();
  const auto id = started(of);
  if (fake()) {
    for (const char* line : {"line 1", "line 2", "line 3"}) the_fake->write_log(id, Output::standard_output, line);
    runtime->run_for(2s);
    the_fake->write_log(id, Output::standard_output, "late");
  } else {
    runtime->run_for(3s);
  }
  EXPECT_EQ(read_log(id, {.tail = 2}).out, "line 3\nlate\n");
  EXPECT_EQ(read_log(id, {.tail = 0}).out, "");
  const auto stamped = read_log(id, {.tail = 1, .timestamps = true}).out;
  const auto space = stamped.find(' ');
  ASSERT_NE(space, std::string::npos) << stamped;
  EXPECT_EQ(stamped.substr(space + 1), "late\n");
  const auto at = parse_rfc3339(stamped.substr(0, space));
  ASSERT_TRUE(at) << stamped;
  EXPECT_GE(*at, began);
  EXPECT_LE(*at, runtime->now());
  EXPECT_EQ(read_log(id, {.since = *at - 1s}).out, "late\n");
}

TEST_P(EngineContract, FollowingALogEndsWithTheContainer) {
  auto of = spec("exit");
  of.env = {{"AFTER", "2"}};
  const auto id = started(of);
  Log log;
  auto following = open_log(id, {.follow = true}, log);
  ASSERT_TRUE(runtime->run_until([&] { return !log.out.empty(); }, 10s));
  EXPECT_FALSE(log.end) << "it still runs";
  ASSERT_TRUE(runtime->run_until([&] { return log.end.has_value(); }, 10s));
  EXPECT_TRUE(log.end->has_value());
  EXPECT_EQ(look(id)->state, ContainerState::exited);
}

TEST_P(EngineContract, APausedLogIsSilentAndLosesNothing) {
  auto of = spec("web");
  const char* script = "i=0; while [ $i -lt 20000 ]; do echo \"this is line number $i of them all\"; i=$((i+1)); done";
  if (!fake()) of.entrypoint = std::vector<std::string>{"sh", "-c", script};  // far more than may be on its way
  const int lines = fake() ? 5'000 : 20'000;
  const auto id = started(of);
  if (fake()) {
    for (int i = 0; i < lines; ++i)
      the_fake->write_log(id, Output::standard_output, "this is line number " + std::to_string(i) + " of them all");
    the_fake->crash_container(id, 0);
  } else {
    wait_for_exit(id);
  }
  Log log;
  auto following = open_log(id, {.follow = true}, log);
  following->pause();
  runtime->run_for(1s);
  EXPECT_EQ(log.out, "");
  following->resume();
  ASSERT_TRUE(runtime->run_until([&] { return !log.out.empty(); }, 10s));
  following->pause();
  const auto so_far = log.out.size();
  runtime->run_for(1s);
  EXPECT_EQ(log.out.size(), so_far);
  EXPECT_FALSE(log.end);
  following->resume();
  ASSERT_TRUE(runtime->run_until([&] { return log.end.has_value(); }, 20s));
  EXPECT_TRUE(log.end->has_value()) << log.end->error().message();
  std::istringstream read(log.out);
  std::string line;
  for (int i = 0; i < lines; ++i) {
    ASSERT_TRUE(std::getline(read, line)) << i;
    ASSERT_EQ(line, "this is line number " + std::to_string(i) + " of them all");
  }
}

TEST_P(EngineContract, ADroppedStreamIsSilent) {
  auto of = spec("hello");
  if (!fake()) of.entrypoint = std::vector<std::string>{"sh", "-c", "while :; do echo again; sleep 0.1; done"};
  const auto id = started(of);
  Log log;
  auto following = open_log(id, {.follow = true}, log);
  ASSERT_TRUE(runtime->run_until([&] { return !log.out.empty(); }, 10s));
  following.reset();
  const auto so_far = log.out.size();
  if (fake()) the_fake->write_log(id, Output::standard_output, "again");
  runtime->run_for(500ms);
  EXPECT_EQ(log.out.size(), so_far);
  EXPECT_FALSE(log.end);
}

// ---- events ----

TEST_P(EngineContract, EventsTellOfOurContainersOnly) {
  std::vector<ContainerEvent> seen;
  auto subscription = engine->events(
      {{"gyre-test", mark}, {"part", "watched"}}, [&](const ContainerEvent& event) { seen.push_back(event); },
      [](Result<void>) {});
  runtime->run_for(500ms);  // until it listens: there is no word for that
  auto of = spec("exit", "watched");
  const auto other = started(spec("exit", "other"));
  const auto id = started(of);
  wait_for_exit(id);
  ASSERT_TRUE(remove(id));
  auto told = [&](const std::string& action) {
    return std::any_of(seen.begin(), seen.end(), [&](const auto& event) { return event.action == action; });
  };
  EXPECT_TRUE(runtime->run_until([&] { return told("start") && told("die") && told("destroy"); }, 10s));
  for (const auto& event : seen) {
    EXPECT_EQ(event.container_id, id) << event.action;
    EXPECT_EQ(event.labels.at("part"), "watched");
  }
}

// ---- hardening ----

TEST_P(EngineContract, AContainerHasNoPrivileges) {
  ONLY_REAL_ENGINES();
  const auto said = shell("grep -E '^(CapEff|CapBnd|CapPrm|NoNewPrivs|Seccomp):' /proc/1/status /proc/self/status");
  // AUDIT_WRITE CHOWN DAC_OVERRIDE FOWNER FSETID KILL NET_BIND_SERVICE SETFCAP SETGID SETPCAP SETUID SYS_CHROOT
  for (const char* of : {"/proc/1/status", "/proc/self/status"}) {
    for (const char* set : {"CapEff", "CapBnd", "CapPrm"})
      EXPECT_NE(said.find(std::string(of) + ":" + set + ":\t00000000a00405fb\n"), std::string::npos) << said;
    EXPECT_NE(said.find(std::string(of) + ":NoNewPrivs:\t1\n"), std::string::npos) << said;
    EXPECT_NE(said.find(std::string(of) + ":Seccomp:\t2\n"), std::string::npos) << said;
  }
}

TEST_P(EngineContract, AContainerCannotReachBeyondItself) {
  ONLY_REAL_ENGINES();
  auto refused = [&](const std::string& script) {
    const auto said = shell("(" + script + ") 2>&1 && echo 'IT WORKED'");
    EXPECT_EQ(said.find("IT WORKED"), std::string::npos) << script << "\n" << said;
  };
  refused("mount -t tmpfs none /mnt");
  refused("mkdir -p /mnt; mount -t proc proc /mnt");
  refused("mknod /tmp/disk b 254 0");
  refused("unshare -m true");
  refused("echo 1 > /proc/sys/kernel/sysrq");
  refused("echo b > /proc/sysrq-trigger");
  refused("hostname somebody-else");
  refused("date -s 2020-01-01; [ $(date +%Y) = 2020 ]");
  refused("ls /var/run/docker.sock /run/docker.sock /run/podman/podman.sock | grep .");
  refused("ip link add dummy0 type dummy");
  refused("chroot /proc/1/root/../../.. ls /var/lib/dpkg");
}

// A server of this host that listens on every address, as many do, and greets who connects.
class Greeter {
 public:
  Greeter() : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    socklen_t size = sizeof address;
    EXPECT_EQ(::bind(socket_, reinterpret_cast<const sockaddr*>(&address), size), 0);
    EXPECT_EQ(::listen(socket_, 8), 0);
    EXPECT_EQ(::getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size), 0);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] {
      for (int guest; (guest = ::accept(socket_, nullptr, nullptr)) >= 0; ::close(guest))
        EXPECT_EQ(::write(guest, "greetings\n", 10), 10);
    });
  }
  ~Greeter() {
    ::shutdown(socket_, SHUT_RDWR);
    thread_.join();
    ::close(socket_);
  }
  int port() const { return port_; }

 private:
  int socket_, port_ = 0;
  std::thread thread_;
};

TEST_P(EngineContract, AContainerCannotReachTheHostNorLinkLocalAddresses) {
  ONLY_REAL_ENGINES();
  const Greeter greeter;
  const auto try_it = "gateway=$(ip route | awk '/default/ {print $3}'); timeout 3 nc $gateway " +
                      std::to_string(greeter.port()) + " </dev/null || echo no way";
  EXPECT_NE(shell(try_it).find("no way"), std::string::npos);
  EXPECT_NE(shell("timeout 3 nc 169.254.169.254 80 </dev/null || echo no way").find("no way"), std::string::npos);
  // Unless it is allowed: the same rules with one port more. And then as they were.
  engine = docker_engine(*runtime, socket, {.host_ports_for_containers = {greeter.port()}});
  ASSERT_TRUE(create_network(*networks.begin()));
  EXPECT_EQ(shell(try_it), "greetings\n");
  engine = docker_engine(*runtime, socket);
  ASSERT_TRUE(create_network(*networks.begin()));
  EXPECT_NE(shell(try_it).find("no way"), std::string::npos);
}

TEST_P(EngineContract, AForkBombStaysInside) {
  ONLY_REAL_ENGINES();
  auto of = spec("hello");
  of.pids = 20;
  const auto said = shell("i=0; while [ $i -lt 40 ]; do sleep 3 & i=$((i+1)); done; echo all of them", of);
  EXPECT_NE(said.find("fork"), std::string::npos) << said;
}

TEST_P(EngineContract, DebianInstallsPackagesAndRunsSshd) {
  ONLY_REAL_ENGINES();
  if (!pull(image("debian"))) GTEST_SKIP() << "gyre/debian is not in the registry (tests/images/build.sh DIR --debian)";
  const auto said = shell(
      "(apt-get update && apt-get install -y --no-install-recommends openssh-server) >/dev/null 2>/tmp/problem || cat "
      "/tmp/problem; "
      "mkdir -p /run/sshd; /usr/sbin/sshd; "
      "for i in $(seq 50); do (exec 3<>/dev/tcp/127.0.0.1/22 && head -1 <&3) 2>/dev/null && break; sleep 0.2; done",
      [&] {
        auto of = spec("debian");
        of.entrypoint = std::vector<std::string>{"bash", "-c"};
        return of;
      }());
  EXPECT_TRUE(said.starts_with("SSH-2.0-OpenSSH")) << said;
}

// ---- trouble ----

TEST_P(EngineContract, AnEngineThatIsNotThereSaysSoOnEveryCall) {
  auto gone = fake() ? nullptr : docker_engine(*runtime, "/nonexistent/engine.sock");
  if (fake())
    the_fake->down();
  else
    std::swap(engine, gone);
  const auto reason = [](const auto& result) {
    return result ? std::string("none") : std::string(reason_text(result.error().reason));
  };
  EXPECT_EQ(reason(wait<EngineInfo>([&](auto done) { engine->info(done); })), "engine_unreachable");
  EXPECT_EQ(reason(pull(image("hello"))), "engine_unreachable");
  EXPECT_EQ(reason(wait<std::vector<Container>>([&](auto done) { engine->list({}, done); })), "engine_unreachable");
  ContainerSpec of;
  of.name = "x";
  of.image = image("hello");
  EXPECT_EQ(reason(create(of)), "engine_unreachable");
  EXPECT_EQ(reason(start("x")), "engine_unreachable");
  EXPECT_EQ(reason(stop("x")), "engine_unreachable");
  EXPECT_EQ(reason(remove("x")), "engine_unreachable");
  EXPECT_EQ(reason(wait<void>([&](auto done) { engine->create_network("x", {}, done); })), "engine_unreachable");
  EXPECT_EQ(reason(wait<void>([&](auto done) { engine->create_volume("x", {}, done); })), "engine_unreachable");
  EXPECT_EQ(reason(disk_used("x")), "engine_unreachable");
  EXPECT_EQ(reason(volume_used("x")), "engine_unreachable");
  EXPECT_EQ(reason(stats("x")), "engine_unreachable");
  std::optional<Result<void>> log_end, events_end;
  auto log = engine->logs(
      "x", {}, [](Output, std::string_view) {}, [&](Result<void> end) { log_end = end; });
  auto events = engine->events(
      {}, [](const ContainerEvent&) {}, [&](Result<void> end) { events_end = end; });
  EXPECT_TRUE(runtime->run_until([&] { return log_end && events_end; }, 10s));
  EXPECT_EQ(reason(*log_end), "engine_unreachable");
  EXPECT_EQ(reason(*events_end), "engine_unreachable");
  log.reset();
  events.reset();
  if (!fake()) std::swap(engine, gone);
}

TEST_P(EngineContract, AnEngineCanBeDestroyedInTheMiddleOfEverything) {
  ONLY_REAL_ENGINES();
  const auto id = started(spec("stubborn"));
  auto second = docker_engine(*runtime, socket);
  int answers = 0;
  second->stop(id, 60s, [&](Result<void>) { ++answers; });
  second->list({}, [&](Result<std::vector<Container>>) { ++answers; });
  auto log = second->logs(
      id, {.follow = true}, [](Output, std::string_view) {}, [&](Result<void>) { ++answers; });
  auto events = second->events(
      {}, [](const ContainerEvent&) {}, [&](Result<void>) { ++answers; });
  second.reset();
  runtime->run_for(500ms);
  EXPECT_EQ(answers, 0);
}

// ---- programs beside the container's own ----

// What `sh -c` of these tests does, as the fake plays it.
FakeExec exec_of(const std::vector<std::string>& command) {
  if (command.front() == "nosuch-command") return {.cannot_start = true};
  if (command.front() == "cat") return {};
  const auto& script = command.back();
  if (script == "echo out; sleep 1234") return {.output = "out\n", .echoes = false, .ends_with_input = false};
  if (script == "echo out; echo err >&2; exit 7")
    return {.output = "out\n", .error_output = "err\n", .exits_after = 10ms, .exit_code = 7};
  if (script.starts_with("head -c 3000000"))
    return {.output = std::string(3'000'000, '\0'), .exits_after = 10ms, .exit_code = 0};
  if (script.starts_with("while :; do stty size")) return {.echoes = false, .tells_size = true};
  return {.echoes = false, .ends_with_input = false};  // sleep
}

struct Program {
  std::string out, error;
  std::size_t taken = 0;
  std::optional<Result<int>> end;
  std::unique_ptr<ExecProcess> process;
};

class ExecContract : public EngineContract {
 protected:
  std::string home() {
    if (fake()) images.push("registry.test/gyre/web:1", {.program = fake_program({}), .exec = exec_of});
    return started(spec("web", "exec" + random_word()));
  }
  void exec(Program& program, const std::string& id, ExecOptions options) {
    ExecEvents events;
    events.chunk = [&](Output output, std::string_view text) {
      (output == Output::standard_output ? program.out : program.error) += text;
    };
    events.taken = [&](std::size_t bytes) { program.taken += bytes; };
    events.end = [&](Result<int> end) { program.end = std::move(end); };
    program.process = engine->exec(id, std::move(options), std::move(events));
  }
  testing::AssertionResult ended(Program& program, Duration limit = 30s) {
    if (!runtime->run_until([&] { return program.end.has_value(); }, limit))
      return testing::AssertionFailure() << "it did not end; it said: " << program.out << program.error;
    if (!*program.end) return testing::AssertionFailure() << program.end->error().message();
    return testing::AssertionSuccess();
  }
};

INSTANTIATE_TEST_SUITE_P(Engines, ExecContract, testing::Values(Kind::fake, Kind::docker, Kind::podman),
                         [](const auto& kind) { return std::string(enum_text(kind.param)); });

TEST_P(ExecContract, AProgramsOutputsComeApartAndItsExitCodeAfterThem) {
  const auto id = home();
  Program program;
  exec(program, id, {.command = {"sh", "-c", "echo out; echo err >&2; exit 7"}});
  ASSERT_TRUE(ended(program));
  EXPECT_EQ(program.out, "out\n");
  EXPECT_EQ(program.error, "err\n");
  EXPECT_EQ(program.end->value(), 7);
}

TEST_P(ExecContract, WhatIsWrittenArrivesAndItsEndIsSeenWhileTheOutputGoesOn) {
  const auto id = home();
  Program program;
  exec(program, id, {.command = {"cat"}});
  std::string all;
  for (int i = 0; i < 40; ++i) {
    auto piece = std::string(10'000, static_cast<char>('a' + i % 26)) + std::string(1, '\0') + "\xff";
    all += piece;
    program.process->write(std::move(piece));
  }
  program.process->end_input();
  ASSERT_TRUE(ended(program));
  EXPECT_TRUE(program.out == all) << program.out.size() << " bytes of " << all.size();
  EXPECT_EQ(program.taken, all.size());
  EXPECT_EQ(program.end->value(), 0);
}

TEST_P(ExecContract, AProgramWaitsWhileNobodyReadsItsOutput) {
  const auto id = home();
  Program program;
  exec(program, id, {.command = {"sh", "-c", "head -c 3000000 /dev/zero"}});
  program.process->pause();
  runtime->run_for(fake() ? 1s : 300ms);
  EXPECT_FALSE(program.end);
  EXPECT_EQ(program.out.size(), 0u);
  program.process->resume();
  ASSERT_TRUE(ended(program));
  EXPECT_EQ(program.out.size(), 3'000'000u);
}

TEST_P(ExecContract, ATerminalHasTheSizeItIsGiven) {
  const auto id = home();
  Program program;
  exec(program, id,
       // Asked again and again: the size may come between any two steps of the program.
       {.command = {"sh", "-c", "while :; do stty size; sleep 0.1; done"}, .tty = true, .columns = 91, .rows = 33});
  const auto says = [&](const std::string& size) {
    return runtime->run_until([&] { return program.out.find(size) != std::string::npos; }, 10s);
  };
  if (!fake()) {
    // The first size comes a moment after the program, as it does with `docker exec`.
    ASSERT_TRUE(runtime->run_until([&] { return !program.out.empty(); }, 10s));
  }
  EXPECT_TRUE(says("33 91")) << program.out;
  program.process->resize(120, 40);
  EXPECT_TRUE(says("40 120")) << program.out;
}

TEST_P(ExecContract, ACommandThatIsNotThereSaysSo) {
  const auto id = home();
  Program program;
  exec(program, id, {.command = {"nosuch-command"}});
  ASSERT_TRUE(runtime->run_until([&] { return program.end.has_value(); }, 30s));
  if (*program.end)
    EXPECT_TRUE(program.end->value() == 126 || program.end->value() == 127) << program.end->value();
  else
    EXPECT_EQ(program.end->error().reason, Reason::command_not_found) << program.end->error().message();
}

TEST_P(ExecContract, NothingRunsInWhatDoesNotRun) {
  const auto id = home();
  ASSERT_TRUE(stop(id, 0s));
  wait_for_exit(id);
  Program stopped, gone;
  exec(stopped, id, {.command = {"cat"}});
  ASSERT_TRUE(runtime->run_until([&] { return stopped.end.has_value(); }, 30s));
  ASSERT_FALSE(*stopped.end);
  EXPECT_EQ(stopped.end->error().reason, Reason::container_not_running) << stopped.end->error().message();
  ASSERT_TRUE(remove(id));
  exec(gone, id, {.command = {"cat"}});
  ASSERT_TRUE(runtime->run_until([&] { return gone.end.has_value(); }, 30s));
  ASSERT_FALSE(*gone.end);
  EXPECT_EQ(gone.end->error().reason, Reason::container_not_found) << gone.end->error().message();
}

TEST_P(ExecContract, AProgramEndsWithItsContainer) {
  const auto id = home();
  Program program;
  exec(program, id, {.command = {"sh", "-c", "sleep 1000"}});
  runtime->run_for(300ms);
  ASSERT_TRUE(stop(id, 0s));
  ASSERT_TRUE(runtime->run_until([&] { return program.end.has_value(); }, 30s)) << "it did not end";
  if (*program.end) {
    EXPECT_NE(program.end->value(), 0);
  }
}

TEST_P(ExecContract, AProgramThatIsGivenUpEnds) {
  const auto id = home();
  Program program;
  exec(program, id, {.command = {"sh", "-c", "sleep 1234"}, .tty = true, .columns = 80, .rows = 24});
  const auto programs = [&] {
    if (fake())
      return std::count_if(the_fake->execs().begin(), the_fake->execs().end(),
                           [](const auto& one) { return one.running; });
    // As the engine's host sees them.
    std::ptrdiff_t count = 0;
    const auto command = "curl -s --unix-socket '" + socket + "' http://engine/v1.41/containers/" + id + "/top";
    auto* pipe = ::popen(command.c_str(), "r");
    std::string text;
    for (int c = 0; (c = std::fgetc(pipe)) != EOF;) text += static_cast<char>(c);
    ::pclose(pipe);
    for (auto at = text.find("sleep 1234"); at != std::string::npos; at = text.find("sleep 1234", at + 1)) ++count;
    return count;
  };
  ASSERT_TRUE(runtime->run_until([&] { return programs() > 0; }, 10s));
  program.process.reset();
  EXPECT_TRUE(runtime->run_until([&] { return programs() == 0; }, 30s)) << "it still runs";
  EXPECT_FALSE(program.end) << "who gave it up hears no more of it";
}

TEST_P(ExecContract, AProgramHasANameBeforeItStartsAndByThatAnotherEndsIt) {
  const auto id = home();
  std::vector<std::string> names;
  bool allowed = false;
  const auto begin = [&](Program& program) {
    ExecEvents events;
    events.made = [&](const std::string& name) {
      names.push_back(name);
      return allowed;
    };
    events.chunk = [&program](Output, std::string_view text) { program.out += text; };
    events.taken = [](std::size_t) {};
    events.end = [&program](Result<int> end) { program.end = std::move(end); };
    ExecOptions options{.command = {"sh", "-c", "echo out; sleep 1234"}, .tty = true, .columns = 80, .rows = 24};
    program.process = engine->exec(id, std::move(options), std::move(events));
  };
  Program forbidden, program;
  begin(forbidden);
  ASSERT_TRUE(runtime->run_until([&] { return names.size() == 1; }, 30s));
  runtime->run_for(500ms);
  EXPECT_EQ(forbidden.out, "") << "it was not allowed to start";
  allowed = true;
  begin(program);
  ASSERT_TRUE(runtime->run_until([&] { return program.out.find("out") != std::string::npos; }, 30s));
  ASSERT_EQ(names.size(), 2u);
  // Another process of ours, which knows no more than the name.
  auto other = fake() ? nullptr : docker_engine(*runtime, socket);
  auto& ending = other ? *other : *engine;
  for (const auto& name : {names[1], names[1], std::string("nobody-knows-it")}) {
    const auto ended = wait<void>([&](auto done) { ending.end_exec(name, done); });
    EXPECT_TRUE(ended) << ended.error().message();
  }
  if (fake())
    EXPECT_FALSE(the_fake->execs().back().running);
  else
    EXPECT_TRUE(runtime->run_until([&] { return program.end.has_value(); }, 30s)) << "it still runs";
}

// ---- what only happens now and then with a real engine ----

// Answers as Podman does when it has one container, but refuses the first `misses` times for something that has just
// ended.
class PodmanThatMissesAnEnd {
 public:
  explicit PodmanThatMissesAnEnd(int misses) : misses_(misses) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    listening_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    EXPECT_EQ(::bind(listening_, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(::listen(listening_, 8), 0);
    thread_ = std::thread([this] {
      for (int client; (client = ::accept(listening_, nullptr, nullptr)) >= 0;)
        serving_.emplace_back([this, client] { serve(client); });
    });
  }
  ~PodmanThatMissesAnEnd() {
    ::shutdown(listening_, SHUT_RDWR);
    thread_.join();
    for (auto& each : serving_) each.join();  // who asked has hung up by now
    ::close(listening_);
    std::filesystem::remove(path);
  }

  const std::string path = std::filesystem::temp_directory_path() / ("gyre-test-" + random_word() + ".sock");

 private:
  void serve(int client) {
    std::string asked;
    char buffer[4096];
    for (ssize_t got; (got = ::read(client, buffer, sizeof buffer)) > 0;) {
      asked.append(buffer, static_cast<std::size_t>(got));
      const auto head = asked.find("\r\n\r\n"), length = asked.find("Content-Length: ");
      if (head == std::string::npos) continue;
      if (length < head && asked.size() < head + 4 + std::stoul(asked.substr(length + 16))) continue;
      const auto [status, body] = answer(asked);
      const auto reply =
          "HTTP/1.1 " + status +
          "\r\nApi-Version: 1.41\r\nServer: Libpod/4.3.1 (linux)\r\nContent-Length: " + std::to_string(body.size()) +
          "\r\n\r\n" + body;
      EXPECT_EQ(::send(client, reply.data(), reply.size(), MSG_NOSIGNAL), static_cast<ssize_t>(reply.size()));
      asked.clear();
    }
    ::close(client);
  }
  std::pair<std::string, std::string> answer(const std::string& asked) {
    if (asked.find("/_ping") != std::string::npos || asked.find("/info") != std::string::npos) return {"200 OK", "{}"};
    if (asked.starts_with("GET") && asked.find("/networks/") != std::string::npos) return {"404 Not Found", "{}"};
    if (misses_-- > 0)
      return {"500 Internal Server Error",
              R"({"cause":"no such process","message":"read /proc/4711/cgroup: no such process","response":500})"};
    if (asked.starts_with("DELETE") || asked.starts_with("POST")) return {"200 OK", "{}"};
    if (asked.find("/containers/json") != std::string::npos) return {"200 OK", R"([{"Id":"c0ffee"}])"};
    return {"200 OK", R"({"Id":"c0ffee","Name":"/one","State":{"Status":"exited","ExitCode":3}})"};
  }

  std::atomic<int> misses_;
  int listening_ = -1;
  std::vector<std::thread> serving_;
  std::thread thread_;
};

TEST(PodmanEngine, AnEndThatItMissedHidesNoContainer) {
  PodmanThatMissesAnEnd podman(3);
  TestRuntime runtime(TestRuntime::Clock::real_time);
  const auto engine = docker_engine(runtime, podman.path);
  std::optional<Result<std::vector<Container>>> listed;
  engine->list({}, [&](auto result) { listed = std::move(result); });
  ASSERT_TRUE(runtime.run_until([&] { return listed.has_value(); }, 60s));
  ASSERT_TRUE(*listed) << listed->error().message();
  ASSERT_EQ((*listed)->size(), 1u);
  EXPECT_EQ((*listed)->front().exit_code, 3);
}

TEST(PodmanEngine, WhatItRefusesInPassingIsAskedAgain) {
  TestRuntime runtime(TestRuntime::Clock::real_time);
  for (const bool removing : {true, false}) {
    PodmanThatMissesAnEnd podman(2);
    const auto engine = docker_engine(runtime, podman.path, {.guard_networks = false});
    std::optional<Result<void>> done;
    const auto answered = [&](Result<void> result) { done = std::move(result); };
    if (removing)
      engine->remove("c0ffee", answered);
    else
      engine->create_network("gyre-test", {}, answered);
    ASSERT_TRUE(runtime.run_until([&] { return done.has_value(); }, 60s));
    EXPECT_TRUE(*done) << done->error().message();
  }
}

}  // namespace
}  // namespace gyre::engine
