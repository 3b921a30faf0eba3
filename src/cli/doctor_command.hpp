// gyre doctor: what is wrong with this machine, in words.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "cli/terminal.hpp"

namespace gyre::cli {

struct DoctorFlags {
  std::string engine, agent_data, listen_address;
  std::vector<int> ports;
};
// `server`: its URL, empty when none is known. 0: nothing is in the way of pods; 1: something is.
int doctor_command(const Terminal& terminal, const DoctorFlags& flags, const std::string& server,
                   const std::map<std::string, std::string>& environment);

}  // namespace gyre::cli
