// The command tree as data, and scripts that complete it in a shell: all of bash, zsh and fish from the same tree, so
// that none of them knows a command that the program does not.
#pragma once

#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace gyre::cli {

struct OptionWords {
  std::vector<std::string> long_names, short_names;  // without dashes; none: a positional
  std::string name, help;                            // name: of a positional
  bool takes_value = false;
  std::vector<std::string> choices;
};

struct CommandWords {
  std::string name, help;
  std::vector<CommandWords> commands;
  std::vector<OptionWords> options;  // its own; those of the levels above hold too
};

CommandWords words_of(const CLI::App& app);

// `shell`: bash, zsh or fish.
std::string completion_script(const CommandWords& tree, const std::string& shell);

}  // namespace gyre::cli
