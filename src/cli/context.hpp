// Which server this command talks to, and with which key. `gyre up` saves both, so that `gyre pod list` works right
// after it; a flag wins over the environment, that over the project's file, and that over what is saved.
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

// What the nearest .gyre.yaml says for everybody who works in a project: `context: NAME` or `server: URL`, never a key.
struct ProjectFile {
  std::string file, context, server;
};
// Looked for in `folder` and above it, up to a repository's root or the home folder. Errors: context_unreadable,
// key_in_project_file.
Result<std::optional<ProjectFile>> find_project_file(const std::string& folder,
                                                     const std::map<std::string, std::string>& environment);

// Which context it is, and who said so: a flag, else the environment, else the project file, else the saved one.
enum class Source { flag, environment, project, saved };
struct Choice {
  Context context;
  std::string name;  // of the saved context; empty when only a URL was given
  Source source = Source::saved;
};
// Refuses when no server is known; a missing key is an empty one. A saved key is only ever sent to the server that it
// was saved for, whoever named that server.
Result<Choice> choose(const Wishes& wishes, const std::map<std::string, std::string>& environment,
                      const Contexts& contexts, const std::optional<ProjectFile>& project = {});

}  // namespace gyre::cli
