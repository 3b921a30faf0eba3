// TCP, asked plainly: can this port be opened, does somebody answer there.
#pragma once

#include <optional>
#include <string>

namespace gyre::doctor {

// What is in the way of listening on the port (0: on any); nothing when it could be opened. It is closed again at once.
std::optional<std::string> cannot_open(const std::string& address, int port);

// What is in the way of a connection to HOST:PORT; nothing when it is accepted within three seconds.
std::optional<std::string> cannot_reach(const std::string& host_port);

}  // namespace gyre::doctor
