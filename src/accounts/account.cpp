#include "accounts/account.hpp"

#include <algorithm>

#include "accounts/text.hpp"

namespace gyre {
namespace {

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

}  // namespace

Scope allowed_scope(Scope scope, Role role) {
  const bool writes = role == Role::dev || role == Role::admin;
  if (scope == Scope::read_write && !writes) return Scope::read;
  return scope;
}

Result<std::string> normal_email(std::string_view text) {
  std::string email(trimmed(text));
  std::transform(email.begin(), email.end(), email.begin(), ascii_lower);
  const auto at = email.find('@');
  const bool one_at =
      at != std::string::npos && at > 0 && at + 1 < email.size() && email.find('@', at + 1) == std::string::npos;
  const bool blank = std::any_of(email.begin(), email.end(), [](char c) { return is_control(c) || c == ' '; });
  if (!one_at || blank || email.size() > 254) return invalid("email", Detail::email);
  return email;
}

Result<std::string> normal_name(std::string_view text, const std::string& field) {
  const auto name = trimmed(text);
  if (name.empty() || characters(name) > 100 || std::any_of(name.begin(), name.end(), is_control))
    return invalid(field, Detail::characters_plain, {{"low", "1"}, {"high", "100"}});
  return std::string(name);
}

}  // namespace gyre
