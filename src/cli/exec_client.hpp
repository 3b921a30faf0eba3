// One session of a program in a pod, as the command line drives it: input and output by files, a terminal's size, and a
// connection that may break and is resumed for five minutes. What is said: docs/exec.md.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "cli/commands.hpp"

namespace gyre::cli {

struct ExecWish {
  std::string pod;  // id
  std::string container;
  std::vector<std::string> command;
  bool tty = false;
  int input = -1;  // file descriptor; -1: the program's input is at its end at once
  // What the program wrote; false: nobody wants more, which ends the session.
  std::function<bool(bool error, std::string_view bytes)> output;
};

// The program's exit code. With `tty` the terminal is raw meanwhile.
Outcome<int> run_exec(Commands& c, const ExecWish& wish);

}  // namespace gyre::cli
