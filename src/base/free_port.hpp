// A TCP port that is written down: the server's, the agents', a pod's. The kernel's own choice (bind to port 0) comes
// from the range that it also gives to outgoing connections, so while the owner restarts any connection of this machine
// may take it, and the port cannot be opened again. This one lies outside that range.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

namespace gyre {

// The first and last port that the kernel gives to outgoing connections.
struct EphemeralPorts {
  int first = 32768, last = 60999;
};
EphemeralPorts ephemeral_ports();  // of this machine; Linux's default where it cannot be read

// A port of this IPv4 address ("127.0.0.1", "0.0.0.0") that nobody uses now and that no outgoing connection will take;
// 0 when the address is not ours or everything is taken. Some microseconds. Two callers at once hardly ever get the
// same: each begins to look at a random place.
int lasting_free_port(const std::string& address);

// The choice by itself: `usable` tells of a port whether it can be bound, `start` is where to begin to look. Ports
// below the range first, from 10000 up; above it if that is all there is; 0 for none.
int choose_lasting_port(EphemeralPorts taken, std::uint32_t start, const std::function<bool(int port)>& usable);

}  // namespace gyre
