// gyre pod exec and gyre pod cp.
#pragma once

#include <string>
#include <vector>

#include "cli/commands.hpp"

namespace gyre::cli {

struct PodExecFlags {
  std::string container;
  bool input = false, tty = false;
  std::vector<std::string> command;
};

// The program's own exit code, whatever it is; ours when it could not be run.
int pod_exec(Commands& c, const std::string& pod, const PodExecFlags& flags);

// One of the two is POD:PATH. Files and folders, both ways, through `tar` on either side.
int pod_copy(Commands& c, const std::string& from, const std::string& to, const std::string& container);

// "train:/data/a" -> {"train", "/data/a"}; empty for a path of this machine ("./a:b", "/a:b").
std::optional<std::pair<std::string, std::string>> in_pod(const std::string& path);

}  // namespace gyre::cli
