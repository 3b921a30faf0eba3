// Passwords: the rule they must satisfy, and Argon2id. Hashing is slow on purpose: never on the core thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace gyre {

// 8 to 256 characters, with an upper-case and a lower-case letter, a digit and a special character. The error names the
// first rule that it breaks.
Result<> check_password(std::string_view password);

// What one hash costs. The default takes about 0.1 s and 64 MiB.
struct PasswordCost {
  unsigned long long passes = 2;
  std::size_t memory_bytes = 64 * 1024 * 1024;
};

// Both take their time on the calling thread.
std::optional<std::string> hash_password(std::string_view password, const PasswordCost& cost);  // empty: no memory
bool verify_password(const std::string& hash, std::string_view password);

bool needs_new_hash(const std::string& hash, const PasswordCost& cost);  // made when passwords were cheaper

// A hash that no password has and that costs as much to verify: so that a log-in of nobody takes as long as one of
// somebody.
std::string nobodys_hash(const PasswordCost& cost);

// Overwrites a password that is not needed any more.
void forget(std::string& secret);

}  // namespace gyre
