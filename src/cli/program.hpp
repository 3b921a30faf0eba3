// The command line itself: words to functions.
#pragma once

#include "base/reasons.hpp"
#include "cli/completion.hpp"

namespace gyre::cli {

int run(int argc, char** argv);

// Every command and option with its help, as a user of this language reads it.
CommandWords command_words(Language language);

}  // namespace gyre::cli
