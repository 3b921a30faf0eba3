#include "settings/ssh_keys.hpp"

#include <algorithm>
#include <set>

#include "base/secrets.hpp"

namespace gyre {
namespace {

constexpr std::size_t keys_max = 100, line_max = 16 * 1024;
constexpr std::string_view types[] = {"ssh-ed25519",
                                      "ecdsa-sha2-nistp256",
                                      "ecdsa-sha2-nistp384",
                                      "ecdsa-sha2-nistp521",
                                      "ssh-rsa",
                                      "sk-ssh-ed25519@openssh.com",
                                      "sk-ecdsa-sha2-nistp256@openssh.com"};

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view blanks = " \t\r";
  const auto first = text.find_first_not_of(blanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

// The key's bytes are strings with their lengths before them, as RFC 4253 writes them; empty when they are not.
std::vector<std::string_view> parts_of(std::string_view blob) {
  std::vector<std::string_view> out;
  while (!blob.empty()) {
    if (blob.size() < 4) return {};
    std::size_t size = 0;
    for (int i = 0; i < 4; ++i) size = size << 8 | static_cast<unsigned char>(blob[static_cast<std::size_t>(i)]);
    if (size > blob.size() - 4) return {};
    out.push_back(blob.substr(4, size));
    blob.remove_prefix(4 + size);
  }
  return out;
}

std::optional<std::string> from_base64(std::string_view text) {
  while (text.ends_with('=')) text.remove_suffix(1);
  std::string other(text);
  if (other.find_first_of("-_") != std::string::npos) return std::nullopt;
  std::replace(other.begin(), other.end(), '+', '-');
  std::replace(other.begin(), other.end(), '/', '_');
  return from_base64url(other);
}

// Why it is no key that an SSH server would take; nothing when it is one.
std::optional<Detail> wrong_with(std::string_view line) {
  if (line.find("PRIVATE KEY") != std::string_view::npos) return Detail::ssh_private_key;
  for (const unsigned char c : line)
    if (c < 0x20 || c == 0x7f) return Detail::control_characters;
  if (line.size() > line_max) return Detail::ssh_too_long;
  const auto blank = line.find(' ');
  const auto type = line.substr(0, blank);
  if (std::find(std::begin(types), std::end(types), type) == std::end(types)) return Detail::ssh_type;
  if (blank == std::string_view::npos) return Detail::ssh_key_missing;
  const auto rest = trimmed(line.substr(blank));
  const auto blob = from_base64(rest.substr(0, rest.find(' ')));
  const auto parts = blob ? parts_of(*blob) : std::vector<std::string_view>();
  if (parts.size() < 2 || parts.front() != type) return Detail::ssh_damaged;
  if (type == "ssh-ed25519" && (parts.size() != 2 || parts[1].size() != 32)) return Detail::ssh_damaged;
  if (type == "ssh-rsa" && (parts.size() != 3 || parts[2].size() < 2048 / 8)) return Detail::ssh_rsa_short;
  return std::nullopt;
}

}  // namespace

Result<std::vector<std::string>> parse_ssh_keys(std::string_view text, const std::string& field) {
  std::vector<std::string> out;
  std::set<std::string> seen;
  for (int number = 1; !text.empty(); ++number) {
    const auto end = text.find('\n');
    const auto line = trimmed(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.empty() || line.front() == '#') continue;
    if (const auto wrong = wrong_with(line)) {
      auto args = in_both_languages("problem", *wrong);
      args.emplace_back("line", std::to_string(number));
      return invalid(field, Detail::line_of_keys, args);
    }
    // The comment is not part of the key.
    const auto key = line.substr(0, line.find(' ', line.find(' ') + 1));
    if (seen.insert(std::string(key)).second) out.emplace_back(line);
    if (out.size() > keys_max) return invalid(field, Detail::at_most, {{"limit", std::to_string(keys_max)}});
  }
  return out;
}

}  // namespace gyre
