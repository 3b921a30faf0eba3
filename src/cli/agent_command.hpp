// gyre agent join | run, and what `gyre up` needs of them.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.hpp"
#include "cli/terminal.hpp"

namespace gyre::cli {

std::string agent_lock_file(const std::string& folder);

// Which host the agent of this folder is; empty when it has not joined a server yet.
Result<std::optional<HostId>> joined_host(const std::string& folder);

// Spends the token: the folder has an identity afterwards.
Result<> join_server(const std::string& server, const std::string& token, const std::string& folder, Language language);

// The engine's socket as a path: what was given, else DOCKER_HOST; empty when neither says anything.
std::string engine_socket_path(const std::string& given, const std::map<std::string, std::string>& environment);

struct AgentJoinFlags {
  std::string server, token, data;
};
int agent_join(const Terminal& terminal, const AgentJoinFlags& flags);

struct AgentRunFlags {
  std::string data, simulate_gpus, engine, advertise, listen_address, http_address, network_volumes;
  std::vector<int> host_ports;       // of this machine that its pods may reach
  std::vector<std::string> servers;  // instead of those that the server named on joining
};
int agent_run(const Terminal& terminal, const AgentRunFlags& flags,
              const std::map<std::string, std::string>& environment);

}  // namespace gyre::cli
