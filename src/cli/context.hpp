// Which server this command talks to, and with which key. `gyre up` saves both, so that `gyre pod list` works right
// after it; a flag wins over the environment, and that over what is saved.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "base/result.hpp"

namespace gyre::cli {

struct Context {
  std::string server;    // "http://127.0.0.1:8080"
  std::string api_key;   // secret
  std::string data_dir;  // of `gyre up`; empty for a server elsewhere
};

struct Contexts {
  std::string current;
  std::map<std::string, Context> by_name;
};

// "$XDG_CONFIG_HOME/gyre/config.yaml", else "~/.config/gyre/config.yaml"; empty without a home.
std::string contexts_file(const std::map<std::string, std::string>& environment);

Result<Contexts> read_contexts(const std::string& file);  // a file that is not there is an empty list
// Written beside and moved into place, readable by this user only.
Result<> write_contexts(const std::string& file, const Contexts& contexts);

// Adds or replaces `name`; makes it current when nothing is, or when what is current is `name` itself.
void remember(Contexts& contexts, const std::string& name, Context context);

struct Wishes {
  std::string server, api_key, context;  // from flags; may be empty
};
// The context to use. Refuses when no server is known; a missing key is an empty one.
Result<Context> choose(const Wishes& wishes, const std::map<std::string, std::string>& environment,
                       const Contexts& contexts);

}  // namespace gyre::cli
