// What this machine is, as the agent tells it to the server.
#pragma once

#include <filesystem>
#include <string>

#include "link/messages.hpp"

namespace gyre::agent {

// GPUs, driver, engine and its disk are left empty: the agent asks the probe, the engine and HostTools. `advertise` is
// the address at which mapped ports are reached, empty: the machine's own (own_address).
link::HostFacts gather_host_facts(const std::string& advertise);

// The address this machine uses towards the world (that of its default route), 127.0.0.1 without any. Sends nothing.
std::string own_address();

// Names the network this process is in: two processes that get the same answer reach each other on 127.0.0.1.
std::string own_network();

// Is it an address of this machine? What comes from such a one was sent by this machine: the kernel takes it from
// nobody else.
bool is_own_address(const std::string& address);

// Where the engine most likely keeps its data: /var/lib/docker, /var/lib/containers, or / when neither is there.
std::filesystem::path engine_data_path(const std::string& engine_socket);

// PRETTY_NAME of an os-release file's text; empty when it has none.
std::string os_name(std::string_view os_release);

}  // namespace gyre::agent
