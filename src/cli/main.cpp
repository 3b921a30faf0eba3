#include "cli/program.hpp"

int main(int argc, char** argv) { return gyre::cli::run(argc, argv); }
