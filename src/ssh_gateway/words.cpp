#include "ssh_gateway/words.hpp"

#include <algorithm>
#include <array>

namespace gyre::ssh {
namespace {

constexpr std::array key_types{"ssh-ed25519",
                               "ssh-rsa",
                               "ecdsa-sha2-nistp256",
                               "ecdsa-sha2-nistp384",
                               "ecdsa-sha2-nistp521",
                               "sk-ssh-ed25519@openssh.com",
                               "sk-ecdsa-sha2-nistp256@openssh.com"};

std::string_view next_word(std::string_view& text) {
  const auto begin = std::min(text.find_first_not_of(" \t\r"), text.size());
  text.remove_prefix(begin);
  const auto end = std::min(text.find_first_of(" \t\r"), text.size());
  const auto word = text.substr(0, end);
  text.remove_prefix(end);
  return word;
}

// TERM is ours to set: the engine knows one terminal only.
constexpr const char* begin = "[ -z \"$1\" ] || export TERM=\"$1\"; cd \"${HOME:-/}\" 2>/dev/null || cd /; ";

bool plain(const std::string& term) {
  return term.size() <= 64 && std::all_of(term.begin(), term.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
                  c == '_' || c == '+';
         });
}

}  // namespace

UserName user_name(std::string_view text) {
  UserName out;
  const auto dash = text.find('-');
  out.pod = PodId(std::string(text.substr(0, dash)));
  if (dash != std::string_view::npos) out.host_name = text;
  return out;
}

bool holds_key(std::string_view line, std::string_view key) {
  const auto type = next_word(line);
  if (key.empty() || std::find(key_types.begin(), key_types.end(), type) == key_types.end()) return false;
  return next_word(line) == key;
}

std::vector<std::string> shell_command(const std::string& term) {
  return {"sh", "-c", std::string(begin) + "if command -v bash >/dev/null 2>&1; then exec bash -l; else exec sh -l; fi",
          "sh", plain(term) ? term : ""};
}

std::vector<std::string> program_command(const std::string& command, const std::string& term) {
  return {
      "sh",
      "-c",
      std::string(begin) + "if command -v bash >/dev/null 2>&1; then exec bash -c \"$2\"; else exec sh -c \"$2\"; fi",
      "sh",
      plain(term) ? term : "",
      command};
}

std::vector<std::string> sftp_command() {
  return {"sh", "-c",
          "cd \"${HOME:-/}\" 2>/dev/null || cd /; for at in /usr/lib/openssh /usr/lib/ssh /usr/libexec/openssh "
          "/usr/libexec /usr/lib; do [ -x $at/sftp-server ] && exec $at/sftp-server; done; "
          "echo 'this pod has no sftp-server: install openssh-sftp-server in it' >&2; exit 127"};
}

Language language_of(std::string_view locale) { return locale.starts_with("ko") ? Language::ko : Language::en; }

char key_of_signal(std::string_view name) {
  if (name == "INT") return '\x03';
  if (name == "QUIT") return '\x1c';
  if (name == "TSTP") return '\x1a';
  return '\0';
}

}  // namespace gyre::ssh
