// gyre agent join | run, and what `gyre up` needs of them.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/ids.hpp"
#include "cli/terminal.hpp"

namespace gyre::cli {

std::string agent_lock_file(const std::string& folder);

// Which host the agent of this folder is; empty when it has not joined a server yet.
Result<std::optional<HostId>> joined_host(const std::string& folder);

// Spends the token: the folder has an identity afterwards.
Result<> join_server(const std::string& server, const std::string& token, const std::string& folder);

struct AgentJoinFlags {
  std::string server, token, data;
};
int agent_join(const Terminal& terminal, const AgentJoinFlags& flags);

struct AgentRunFlags {
  std::string data, simulate_gpus, engine;
};
int agent_run(const Terminal& terminal, const AgentRunFlags& flags);

}  // namespace gyre::cli
