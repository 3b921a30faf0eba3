// The small languages of a pod's fields, each a pure parser: ports, commands, names of variables.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace gyre {

struct PortWish {
  int port = 0;
  bool http = false;
  bool operator==(const PortWish&) const = default;
};

// "8888/http", "22/tcp"; 1 to 65535. The field names the input to blame.
Result<PortWish> parse_port(std::string_view text, const std::string& field);
// "8888/http,22/tcp", as the GraphQL API and runpodctl write it. Blanks around commas are allowed.
Result<std::vector<std::string>> split_ports(std::string_view text, const std::string& field);
// At most 10 http ports and 20 tcp ports, no number twice.
Result<std::vector<PortWish>> parse_ports(const std::vector<std::string>& texts, const std::string& field);

// One string into words as a POSIX shell would cut it: blanks separate; '...' keeps everything; "..." keeps blanks and
// understands \" \\ \$ \`; a backslash outside quotes keeps the next character. No expansion of any kind.
Result<std::vector<std::string>> split_command(std::string_view text, const std::string& field);

// The other way: one line that a shell, and dockerArgs, would cut into the same words.
std::string command_line(const std::vector<std::string>& words);

struct CommandWish {
  std::optional<std::vector<std::string>> entrypoint, command;  // absent: the image's own
  bool operator==(const CommandWish&) const = default;
};
// RunPod's dockerArgs: a shell-like string that becomes the command, or JSON {"cmd": [...], "entrypoint": [...]}.
Result<CommandWish> parse_docker_args(std::string_view text, const std::string& field);

// "12.4".
Result<> check_cuda(const std::string& version, const std::string& field);

bool is_variable_name(std::string_view text);  // [A-Za-z_][A-Za-z0-9_.-]*, at most 255

}  // namespace gyre
