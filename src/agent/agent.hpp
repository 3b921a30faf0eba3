// The agent's whole judgement: from the orders it has (journal) and what the engine shows, one step at a time towards
// what shall be. It decides on one thread, keeps nothing in memory that the journal or the engine cannot give back, and
// never stops a container that no order tells it to stop. The same class runs in production and in the simulator.
#pragma once

#include <memory>
#include <string>

#include "db/db.hpp"
#include "engine/engine.hpp"
#include "engine/gpu_probe.hpp"
#include "link/link.hpp"
#include "runtime/runtime.hpp"

namespace gyre::agent {

struct AgentConfig {
  HostId host;
  link::HostFacts facts;              // without GPUs, driver and engine: the agent asks the probe and the engine
  Duration report_every{5000};        // also at once when something changed
  Duration resync_every{10000};       // full look at the engine even if it sent no event
  Duration disk_check_every{30000};
  Duration health_check_every{5000};
  Duration restart_first{10000}, restart_max{300000};  // back-off of a container that exits, doubled each time
  std::string listen_address = "0.0.0.0";              // where mapped TCP ports are bound
};

class Agent final : public link::ServerEvents {
 public:
  // `journal` is this agent's own SQLite file (an in-memory one in the simulator, which survives the agent's crash).
  // All references must outlive the agent. Nothing is started, stopped or removed before the engine has been listed.
  Agent(Runtime& runtime, engine::Engine& engine, engine::GpuProbe& gpus, db::Connection& journal, AgentConfig config);
  ~Agent() override;

  void start(link::ServerLink& server);  // adopt what runs, then report and reconcile until destroyed

  void server_connected() override;
  void server_disconnected() override;
  void server_said(const link::ServerMessage& message) override;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace gyre::agent
