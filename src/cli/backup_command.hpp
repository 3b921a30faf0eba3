// gyre backup and gyre restore: the installation of this machine in one file, and back.
#pragma once

#include <map>
#include <string>

#include "cli/terminal.hpp"

namespace gyre::cli {

struct BackupFlags {
  std::string file;
  std::string data, config;  // as given to gyre up or gyre server
  bool metrics = false;      // backup: what was measured, too
  bool replace = false;      // restore: over an installation that is there
};
int backup_command(const Terminal& terminal, const BackupFlags& flags,
                   const std::map<std::string, std::string>& environment);
int restore_command(const Terminal& terminal, const BackupFlags& flags,
                    const std::map<std::string, std::string>& environment);

}  // namespace gyre::cli
