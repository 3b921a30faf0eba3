// gyre server: reads the configuration and runs until told to stop.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "cli/terminal.hpp"
#include "server/config.hpp"

namespace gyre::cli {

struct ServerFlags {
  std::string config;                     // file
  std::vector<server::Setting> settings;  // from flags
  bool print_config = false, print_document = false;
  std::string first_key;  // file that gets the administrator's first API key
  int ready_fd = -1;      // told as one line of JSON when the server is ready, or why it is not
};
int server_command(const Terminal& terminal, const ServerFlags& flags,
                   const std::map<std::string, std::string>& environment);

}  // namespace gyre::cli
