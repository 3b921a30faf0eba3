// What a client of SSH asks for, in our words. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/ids.hpp"
#include "base/reasons.hpp"

namespace gyre::ssh {

// "2s56cp0pof1rmt-6441103b" (podHostId) or "2s56cp0pof1rmt".
struct UserName {
  PodId pod;
  std::string host_name;  // as given, when it has the part after the pod's id; else empty
};
UserName user_name(std::string_view text);

// Does this line of an authorized_keys file hold this key (in base64, as in the line)? Lines with options hold none:
// what the options forbid we could not forbid.
bool holds_key(std::string_view line, std::string_view key);

// The program that is started for what SSH calls a shell, a command, and the subsystem sftp. They begin in the home
// directory, in bash where the pod has it.
std::vector<std::string> shell_command(const std::string& term);
std::vector<std::string> program_command(const std::string& command, const std::string& term);
std::vector<std::string> sftp_command();

// "ko_KR.UTF-8", as clients send it in LANG and LC_ALL.
Language language_of(std::string_view locale);

// A signal's name (RFC 4254, 6.10) as the key that a terminal has for it; 0: there is none.
char key_of_signal(std::string_view name);

}  // namespace gyre::ssh
