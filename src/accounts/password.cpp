#include "accounts/password.hpp"

#include <sodium.h>

#include <algorithm>

#include "accounts/text.hpp"
#include "base/check.hpp"

namespace gyre {
namespace {

void need_sodium() {
  static const bool ready = sodium_init() >= 0;
  CHECK(ready);
}

bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_special(char c) { return !is_upper(c) && !is_lower(c) && !is_digit(c); }

}  // namespace

Result<> check_password(std::string_view password) {
  const auto has = [&](bool (*kind)(char)) { return std::any_of(password.begin(), password.end(), kind); };
  if (characters(password) < 8 || characters(password) > 256) return fail(Reason::password_length, {}, "password");
  if (!has(is_upper)) return fail(Reason::password_needs_upper_case, {}, "password");
  if (!has(is_lower)) return fail(Reason::password_needs_lower_case, {}, "password");
  if (!has(is_digit)) return fail(Reason::password_needs_digit, {}, "password");
  if (!has(is_special)) return fail(Reason::password_needs_special, {}, "password");
  return {};
}

std::optional<std::string> hash_password(std::string_view password, const PasswordCost& cost) {
  need_sodium();
  char out[crypto_pwhash_STRBYTES];
  if (crypto_pwhash_str_alg(out, password.data(), password.size(), cost.passes, cost.memory_bytes,
                            crypto_pwhash_ALG_ARGON2ID13) != 0)
    return std::nullopt;
  return out;
}

bool verify_password(const std::string& hash, std::string_view password) {
  need_sodium();
  return crypto_pwhash_str_verify(hash.c_str(), password.data(), password.size()) == 0;
}

bool needs_new_hash(const std::string& hash, const PasswordCost& cost) {
  return crypto_pwhash_str_needs_rehash(hash.c_str(), cost.passes, cost.memory_bytes) != 0;
}

std::string nobodys_hash(const PasswordCost& cost) {
  // The form that crypto_pwhash_str writes, with a salt and a tag of zeros.
  return "$argon2id$v=19$m=" + std::to_string(cost.memory_bytes / 1024) + ",t=" + std::to_string(cost.passes) +
         ",p=1$" + std::string(22, 'A') + "$" + std::string(43, 'A');
}

void forget(std::string& secret) {
  sodium_memzero(secret.data(), secret.size());
  secret.clear();
}

}  // namespace gyre
