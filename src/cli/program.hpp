// The command tree of `gyre`: which words it takes, what each is for, and which function does it.
#pragma once

namespace gyre::cli {

// The whole program; returns the exit code of api.hpp.
int run(int argc, char** argv);

}  // namespace gyre::cli
