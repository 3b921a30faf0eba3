// Completion scripts made from the command tree itself, so that they cannot go stale.
#pragma once

#include <string>

namespace CLI {
class App;
}

namespace gyre::cli {

std::string completion_script(const CLI::App& app, const std::string& shell);  // bash or zsh

}  // namespace gyre::cli
