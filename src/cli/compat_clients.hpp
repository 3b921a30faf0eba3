// What each of RunPod's clients must be told so that it speaks to a server of ours: which variables it reads, or which
// names it has built in. Pure; `gyre compat` prints it and checks it, docs/compat.md explains it.
#pragma once

#include <boost/json/fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "cli/words.hpp"

namespace gyre::cli {

struct CompatClient {
  struct Pair {
    std::string_view name, value;  // {server} in a value is the server's address
  };
  std::string_view name, registry;      // "runpod", "PyPI"
  std::string_view from, below;         // versions from <= v < below; empty: no bound
  std::vector<Pair> variables;          // of its environment
  std::vector<std::string_view> hosts;  // names that are built in; it needs them in /etc/hosts
  std::vector<std::string_view> trust;  // variables that name the file with the authority, for such a client
  Pair file;                            // one it reads: its path and what must be in it
  std::string_view command, code;       // to be run once; to be written in one's program
  std::optional<Word> note;

  bool hard_coded() const { return !hosts.empty(); }
};
const std::vector<CompatClient>& compat_clients();

// Those that are called so: "runpod", "runpod@1.6.1"; all for an empty list. Refuses what is none (client_unknown).
Result<std::vector<const CompatClient*>> compat_clients_named(const std::vector<std::string>& names);
bool has_version(const CompatClient& client, std::string_view version);
std::string versions_of(const CompatClient& client, Language language);  // "1.7.0 and later"

// Where a user's machine finds the server, and what it trusts.
struct CompatPlace {
  std::string server;     // "https://gyre.example.com"
  std::string address;    // of that host, for /etc/hosts
  std::string authority;  // a file of the user's own with it; empty: it is put among the machine's
};
// The value of a variable that names the file with the authority.
std::string authority_file(std::string_view variable, const CompatPlace& place);
std::string hosts_line(const CompatPlace& place, const std::vector<std::string_view>& names);
std::string filled(std::string_view value, const CompatPlace& place);  // {server}

// Everything about these clients, as -o json prints it.
boost::json::object compat_recipe(const std::vector<const CompatClient*>& clients, const CompatPlace& place,
                                  Language language);
// The same for people.
std::string compat_page(const std::vector<const CompatClient*>& clients, const CompatPlace& place, Language language);

}  // namespace gyre::cli
