// --wait: follows a pod until it is where it was told to go, and says on the way what it does. Woken by the event stream;
// looks again each second only while an image is pulled, because percentages are no events.
#pragma once

#include <functional>
#include <string>

#include "cli/api.hpp"
#include "cli/terminal.hpp"

namespace gyre::cli {

enum class Goal { running, stopped, gone };

struct WaitOptions {
  Goal goal = Goal::running;
  Duration timeout{0};              // 0: for ever
  Duration patience{60'000};        // how long the server may be unreachable before the wait gives up
  std::function<Time()> now;
  std::function<bool()> interrupted = [] { return false; };
};

// The pod as it was at the end (empty for Goal::gone), or why it did not get there. An interruption is a Failure with
// exit_interrupted and no detail.
Outcome<std::string> wait_for(Api& api, const Terminal& terminal, const std::string& pod, const WaitOptions& options);

// Set by SIGINT and SIGTERM once `catch_interrupts` was called.
bool interrupted();
void catch_interrupts();

}  // namespace gyre::cli
