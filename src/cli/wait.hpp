// --wait: follows a pod until it is where it was told to go, and says on the way what it does. Woken by the event
// stream; looks again each second only while an image is pulled, because percentages are no events.
#pragma once

#include <boost/json/fwd.hpp>
#include <functional>
#include <stop_token>
#include <string>

#include "cli/api.hpp"
#include "cli/terminal.hpp"

namespace gyre::cli {

enum class Goal { running, stopped, gone };

struct WaitOptions {
  Goal goal = Goal::running;
  Duration timeout{0};          // 0: for ever
  Duration patience{60'000};    // how long the server may be unreachable before the wait gives up
  Duration look_again{15'000};  // without news; catches what an event stream may have missed
  std::stop_token stop;         // Ctrl C
};

// The pod's JSON as it was at the end (empty for Goal::gone), or why it did not get there. An interruption is a Failure
// with exit_interrupted.
Outcome<std::string> wait_for(Api& api, const Terminal& terminal, const std::string& pod, const WaitOptions& options);

// Lets time pass; true as soon as it was interrupted.
bool interrupted_within(std::stop_token stop, Duration most);
Failure interruption(Language language, const std::string& url);
// What ended badly: the reason as the server words it ({code, text, fix}), below what it is about.
Failure failed_because(const boost::json::value& reason, std::string detail);

// SIGINT and SIGTERM turned into a stop token; the second one ends the process at once. Call before any thread is made.
std::stop_token catch_interrupts();

}  // namespace gyre::cli
