// The agent as a process: everything put together on one core thread, from the lock on its data folder to its end.
//
//   DATA/identity.json   who this host is (enrol.hpp)
//   DATA/journal.db      the orders it has
//   DATA/agent.lock      held while an agent runs; its process id stands inside
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "engine/engine.hpp"
#include "engine/gpu_probe.hpp"
#include "runtime/runtime.hpp"

namespace gyre::agent {

struct AgentRunOptions {
  std::filesystem::path data_dir;
  std::string engine_socket = "/var/run/docker.sock";  // of Docker or Podman
  std::string simulate_gpus;                           // "NVIDIA A40:4"; empty: the machine's own GPUs
  std::string advertise;                               // address at which mapped ports are reached; empty: our own
  std::string listen_address = "0.0.0.0";              // where mapped ports are bound
  std::string http_address;                            // where HTTP ports are bound beside 127.0.0.1; empty: nowhere
  std::string network_volumes;                         // the folder that network volumes are in; empty: none
  std::vector<int> host_ports_for_containers;          // TCP ports of this machine that its pods may reach
  std::vector<std::string> servers;                    // HOST:PORT instead of those the server named on joining
};

// Runs until SIGTERM or SIGINT, or until the server has retired the host; containers are left as they are, the identity
// of a retired host is put aside. Errors at the start: not_joined, identity_unusable, agent_already_running,
// file_unusable, and an unreadable `simulate_gpus`. An engine or a server that cannot be reached is no error: it goes
// on trying. Call it on the main thread of a process that has started no other.
Result<> run_agent(const AgentRunOptions& options);

// The same with an engine and GPUs of the caller's, for tests.
struct AgentParts {
  std::function<std::unique_ptr<engine::Engine>(Runtime&)> engine;
  std::function<Result<std::unique_ptr<engine::GpuProbe>>(const std::string& host)> gpus;
};
Result<> run_agent(const AgentRunOptions& options, const AgentParts& parts);

// Tells systemd, when it is what started us: "READY=1", "STOPPING=1", "STATUS=...". Nothing happens otherwise.
void tell_systemd(const std::string& state);

}  // namespace gyre::agent
