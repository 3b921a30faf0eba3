// What a killed dockerd can leave of a start: the container's processes run under their shim, and Docker has no record
// that they do. Docker does not end them, not even with the container. Ids of containers are 256 bits of chance and
// come from the engine that is asked, so that a shim with one is that engine's, whatever else runs on the machine.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace gyre::engine {

struct Leftover {
  std::int64_t shim = 0;                // containerd-shim-runc-v2 -namespace moby -id ID
  std::vector<std::int64_t> processes;  // its children: the container's first, and programs beside it
  bool operator==(const Leftover&) const = default;
};

// The shims of one container, by its whole id. `proc` is another folder in tests.
std::vector<Leftover> find_leftovers(const std::string& container_id, const std::string& proc = "/proc");

// SIGKILL for them, the processes before their shim; returns at once. For a container that its engine says does not
// run.
void kill_leftovers(const std::string& container_id);

}  // namespace gyre::engine
