// The Engine on this host's Docker or Podman, over the Docker HTTP API on a unix socket.
#pragma once

#include <memory>
#include <string>

#include "engine/engine.hpp"
#include "runtime/runtime.hpp"

namespace gyre::engine {

// Never fails: an engine that is not there yet answers engine_unreachable, and is used as soon as it is. Talks on a
// thread of its own; callbacks come on the runtime's core thread, none after the engine is destroyed.
std::unique_ptr<Engine> docker_engine(Runtime& runtime, std::string socket_path);

}  // namespace gyre::engine
