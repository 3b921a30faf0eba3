// The agent's whole judgement: from the orders it has (journal) and what the engine shows, one step at a time towards
// what shall be. It decides on one thread, keeps nothing in memory that the journal or the engine cannot give back, and
// never stops a container that no order tells it to stop. The same class runs in production and in the simulator.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "agent/meter.hpp"
#include "db/db.hpp"
#include "engine/engine.hpp"
#include "engine/gpu_probe.hpp"
#include "link/link.hpp"
#include "runtime/runtime.hpp"

namespace gyre::agent {

struct AgentConfig {
  HostId host;
  link::HostFacts facts;         // without GPUs, driver, engine and disk: the agent asks
  Duration report_every{5000};   // also at once when something changed
  Duration resync_every{10000};  // full look at the engine even if it sent no event
  Duration disk_check_every{30000};
  Duration health_check_every{5000};
  Duration sample_every{5000};  // what containers, GPUs and the host use; on the beat of the wall clock
  Duration restart_first{10000}, restart_max{300000};  // back-off of a container that exits, doubled each time
  std::string listen_address = "0.0.0.0";              // where mapped TCP ports are bound
  std::string network_volumes;                         // the folder that network volumes are in; empty: none
  std::string http_address;                            // where HTTP ports are bound beside 127.0.0.1; empty: nowhere
};

// What the agent asks of the machine beside its engine; the simulator answers from its own world.
struct HostTools {
  // A TCP port of this address that is free now, 0 when there is none. Called on the core thread: microseconds.
  std::function<int(const std::string& address)> free_port;
  // Does something accept and keep a connection there? Called on a worker thread; may take half a second.
  std::function<bool(const std::string& address, int port)> accepts;
  // The file system that images and containers are on; `engine_data`: where the engine says it keeps them, or empty.
  // Called on a worker thread.
  struct Disk {
    std::int64_t bytes = 0, free_bytes = 0;  // 0: cannot be told
  };
  std::function<Disk(const std::string& engine_data)> disk;
  // Is there a folder of this name? Called on a worker thread; empty: there is none.
  std::function<bool(const std::string& path)> folder_is_there;
  // How busy the whole machine is; may be empty. Called on a worker thread.
  std::function<std::optional<Meter::Host>()> usage;
  // Carries a connection to this address and port of the machine under the server's token, or tells the server why it
  // cannot be. Called on the core thread. Empty: nothing is carried.
  struct Target {
    PodId pod;
    int container_port = 0;
    std::string address;
    int port = 0;
  };
  std::function<void(const std::string& token, const Result<Target>& target)> carry;
};
// Sockets and statvfs. `disk_path`: where the engine keeps its data most likely, for one that does not say, or whose
// folder is not on this machine.
HostTools system_host_tools(std::string disk_path);

class Agent final : public link::ServerEvents {
 public:
  // `journal` is this agent's own SQLite file, readable by its owner only since orders carry registry passwords (in the
  // simulator an in-memory one, which survives the agent's crash). All references must outlive the agent and what its
  // runtime still does for it. Throws DbError when a newer agent has written the journal.
  Agent(Runtime& runtime, engine::Engine& engine, engine::GpuProbe& gpus, db::Connection& journal, AgentConfig config,
        HostTools tools);
  ~Agent() override;

  // Adopts what runs, then reports and reconciles until destroyed. Nothing is started, stopped or removed before the
  // engine has been listed once. `retired` is called once, after RetireHost was received and the last pod is gone: the
  // caller may then destroy the agent (not from within the call) and unregister the host.
  void start(link::ServerLink& server, std::function<void()> retired = {});

  void server_connected() override;
  void server_disconnected() override;
  void server_said(const link::ServerMessage& message) override;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace gyre::agent
