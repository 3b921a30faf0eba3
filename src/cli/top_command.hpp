// gyre pod top: what pods use now, or over a range.
#pragma once

#include <string>

#include "cli/commands.hpp"

namespace gyre::cli {

// `pod` empty: all pods that run. `range` empty: now, written over every five seconds on a terminal and once elsewhere;
// else the mean, lowest and highest values of that time ("8h").
int pod_top(Commands& c, const std::string& pod, const std::string& range, bool once);

}  // namespace gyre::cli
