// Keeps containers away from the machine they run on. Bridges of ours are named gyre...; what comes in through one of
// them reaches other machines and, by the engine's own rules, its own workspace, but not this host's addresses (except
// for names on port 53, and ports that are allowed on purpose) nor link-local ones, where clouds hand out credentials.
//
// The rules stand in chains of our own (GYRE-GUARD) and name no address, so that they are the same for every network
// and may be set again at any time. What is already connected stays connected.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace gyre::engine {

inline constexpr std::string_view bridge_prefix = "gyre";

// The name of a network's bridge: short enough for Linux (15), the same every time, and with our prefix.
std::string bridge_name(const std::string& network);

enum class IpFamily { v4, v6 };
// What iptables-restore and ip6tables-restore are given; `allowed_tcp_ports` of this host may be reached by containers.
std::string guard_rules(IpFamily family, const std::vector<int>& allowed_tcp_ports);

// Sets the rules; blocking, some 20 milliseconds. Needs root and iptables, which engines with bridges need too.
Result<void> guard_networks(const std::vector<int>& allowed_tcp_ports);

// Whether this machine could set them: `iptables_restore` (a path) reads the rules and changes nothing. Needs root.
Result<void> test_guard(const std::string& iptables_restore);

}  // namespace gyre::engine
