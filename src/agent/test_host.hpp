// One host for tests: the real agent over a fake engine in virtual time, with a server that only listens.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "agent/agent.hpp"
#include "agent/plan.hpp"
#include "engine/fake_engine.hpp"
#include "sim/sim_runtime.hpp"

namespace gyre::agent::test {

class ListeningServer final : public link::ServerLink {
 public:
  void send(link::AgentMessage message) override {
    if (!connected_) return;
    if (const auto* hello = std::get_if<link::Hello>(&message)) hellos.push_back(hello->facts);
    if (const auto* report = std::get_if<link::Report>(&message)) {
      if (!reports.empty() && report->sequence <= last_sequence) sequence_fell_back = true;
      last_sequence = report->sequence;
      reports.push_back(*report);
      if (reports.size() > 1000) reports.erase(reports.begin(), reports.begin() + 500);
    }
    if (const auto* measured = std::get_if<link::Metrics>(&message)) metrics.push_back(*measured);
    if (const auto* data = std::get_if<link::ChannelData>(&message)) text[data->channel] += data->bytes;
    if (const auto* close = std::get_if<link::ChannelClose>(&message)) closed.emplace(close->channel, *close);
  }
  bool connected() const override { return connected_; }

  bool connected_ = true;
  std::vector<link::HostFacts> hellos;
  std::vector<link::Report> reports;
  std::vector<link::Metrics> metrics;
  std::uint64_t last_sequence = 0;
  bool sequence_fell_back = false;
  std::map<std::uint64_t, std::string> text;
  std::map<std::uint64_t, link::ChannelClose> closed;
};

class FixedGpus final : public engine::GpuProbe {
 public:
  std::vector<engine::Gpu> gpus() override { return list; }
  std::vector<engine::GpuReading> read() override { return readings; }
  std::optional<engine::GpuDriver> driver() override { return engine::GpuDriver{"535.129.03", "12.2"}; }

  std::vector<engine::Gpu> list{{"GPU-0", 0, "NVIDIA A40", 48'000'000'000, "0000:01:00.0", false},
                                {"GPU-1", 1, "NVIDIA A40", 48'000'000'000, "0000:02:00.0", false},
                                {"SIM-h1-0", 2, "NVIDIA L4", 24'000'000'000, "", true}};
  std::vector<engine::GpuReading> readings;
};

class Host {
 public:
  explicit Host(std::uint64_t seed = 1) : runtime(seed), engine(runtime, registry) {
    config.host = HostId("h1");
    config.facts.boot_id = "boot-1";
    config.facts.public_address = "203.0.113.7";
    image("team/train:1", {});
  }

  void image(const std::string& name, engine::FakeProgram program) {
    registry.push(name, {.program = engine::fake_program(std::move(program))});
  }

  void start_agent() {
    HostTools tools;
    tools.free_port = [this](const std::string&) { return next_port > 60000 ? 0 : next_port++; };
    tools.accepts = [this](const std::string&, int port) { return engine.accepts(port); };
    tools.folder_is_there = [this](const std::string& path) { return folders.contains(path); };
    tools.disk = [this](const std::string& engine_data) { return disks[engine_data]; };
    agent = std::make_unique<Agent>(runtime, engine, gpus, *journal, config, std::move(tools));
    agent->start(server, [this] { ++retired; });
    if (server.connected_) agent->server_connected();
  }
  void crash_agent() {
    engine.forget_callers();
    agent.reset();
  }
  void restart_agent() {
    crash_agent();
    start_agent();
  }
  void lose_journal() { journal = db::open("sqlite::memory:"); }
  void reboot() {
    crash_agent();
    engine.reboot();
    config.facts.boot_id += "+";
    start_agent();
  }
  void connect(bool yes) {
    server.connected_ = yes;
    if (yes)
      agent->server_connected();
    else
      agent->server_disconnected();
  }

  link::PodOrder order(const std::string& pod, std::int64_t generation = 1, std::int64_t run = 1) const {
    link::PodOrder out;
    out.pod = PodId(pod);
    out.generation = generation;
    out.run = run;
    out.spec.workspace = WorkspaceId("w1");
    out.spec.hostname = pod + "-host";
    link::ContainerOrder container;
    container.name = "main";
    container.image = "team/train:1";
    out.spec.containers.push_back(container);
    return out;
  }
  link::PodOrder next(link::PodOrder order, link::Desired desired) const {
    ++order.generation;
    order.desired = desired;
    return order;
  }
  void say(const link::ServerMessage& message) { agent->server_said(message); }
  void run_for(Duration span) { runtime.run_for(span); }

  // What the last report says of the pod.
  link::PodFacts pod(const std::string& id) const {
    if (!server.reports.empty())
      for (const auto& facts : server.reports.back().pods)
        if (facts.pod.str() == id) return facts;
    ADD_FAILURE() << "the last report does not speak of " << id;
    return {};
  }
  bool reported(const std::string& id) const {
    if (server.reports.empty()) return false;
    const auto& pods = server.reports.back().pods;
    return std::any_of(pods.begin(), pods.end(), [&](const auto& facts) { return facts.pod.str() == id; });
  }
  link::PodPhase phase(const std::string& id) const { return pod(id).phase; }
  // Never null: an empty one, and a failure, when there is none.
  std::shared_ptr<const engine::Container> container(const std::string& pod, const std::string& name = "main") const {
    for (const auto& one : engine.containers())
      if (label_of(one, label::pod) == pod && label_of(one, label::container) == name)
        return std::make_shared<engine::Container>(one);
    ADD_FAILURE() << pod << " has no container " << name;
    return std::make_shared<engine::Container>();
  }
  std::vector<engine::Container> containers_of(const std::string& pod) const {
    auto all = engine.containers();
    std::erase_if(all, [&](const auto& one) { return label_of(one, label::pod) != pod; });
    return all;
  }

  sim::SimRuntime runtime;
  engine::FakeRegistry registry;
  engine::FakeEngine engine;
  std::unique_ptr<db::Connection> journal = db::open("sqlite::memory:");
  FixedGpus gpus;
  ListeningServer server;
  AgentConfig config;
  int next_port = 34000;
  // By where the engine says its data is; the machine's other disk must never be taken for it.
  std::set<std::string> folders;
  std::map<std::string, HostTools::Disk> disks{{"/var/lib/fake", {900'000'000'000, 500'000'000'000}},
                                               {"", {7'000'000'000, 7'000'000'000}}};
  int retired = 0;
  std::unique_ptr<Agent> agent;
};

}  // namespace gyre::agent::test
