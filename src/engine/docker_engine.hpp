// The Engine on this host's Docker or Podman, over the Docker HTTP API on a unix socket.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/engine.hpp"
#include "runtime/runtime.hpp"

namespace gyre::engine {

struct DockerOptions {
  // Containers are kept away from this host's own addresses (network_guard.hpp) but for these ports.
  std::vector<int> host_ports_for_containers;
  bool guard_networks = true;  // off: the engine's bridges are on another machine, or somebody else guards them
};

// Never fails: an engine that is not there yet answers engine_unreachable, and is used as soon as it is. Talks on a
// thread of its own; callbacks come on the runtime's core thread, none after the engine is destroyed.
std::unique_ptr<Engine> docker_engine(Runtime& runtime, std::string socket_path, DockerOptions options = {});

}  // namespace gyre::engine
