// gyre up: a server and an agent on this machine, from one data directory. gyre down: both stop, containers run on.
//
//   DIR/gyre.yaml        the server's configuration; made by the first `gyre up`, then the owner's to edit
//   DIR/up.json          what the agent was told (simulated GPUs, engine)
//   DIR/server.json      written by a server that is ready: url, agents' address
//   DIR/api-key          the administrator's key, readable by its owner only
//   DIR/agent/           the agent's identity and journal
//   DIR/server.log, DIR/agent.log
//   DIR/*.lock           held by the process of that name while it lives; its id stands inside
#pragma once

#include <map>
#include <string>
#include <vector>

#include "cli/terminal.hpp"

namespace gyre::cli {

struct UpFlags {
  std::string data;                   // empty: the default data directory
  std::vector<std::string> listen;    // empty: as last time, or the default
  std::string simulate_gpus, engine;  // empty: as last time
  bool detach = false;
  bool no_context = false;  // do not touch ~/.config/gyre/config.yaml
};
int up(const Terminal& terminal, const UpFlags& flags, const std::map<std::string, std::string>& environment,
       std::stop_token stop);

struct DownFlags {
  std::string data;
  bool stop_pods = false;
};
int down(const Terminal& terminal, const DownFlags& flags, std::stop_token stop);

}  // namespace gyre::cli
