// gyre compat: what to set so that RunPod's clients speak to this server, and whether it is set on this machine.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "cli/context.hpp"
#include "cli/terminal.hpp"

namespace gyre::cli {

struct CompatFlags {
  std::vector<std::string> clients;  // "runpod@1.6.1"; none: all
  std::string address;               // of the server, instead of what its name means here
  std::string authority;             // a file with the authority, instead of the machine's
};

int compat_show(const Terminal& terminal, const CompatFlags& flags, const Context& context);
// 0: these clients would work from here; 1: something is in their way, and what is said.
int compat_check(const Terminal& terminal, const CompatFlags& flags, const Context& context,
                 const std::map<std::string, std::string>& environment);

}  // namespace gyre::cli
