// Small cryptographic helpers over libsodium: digests for tokens at rest, comparison in constant time, random text.
// Passwords are another matter (slow on purpose): accounts/password.hpp.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace gyre {

std::string sha256_hex(std::string_view bytes);  // 64 lower-case hex digits
bool equal_in_constant_time(std::string_view a, std::string_view b);
std::string hex(std::string_view bytes);
std::string base64(std::string_view bytes);                        // with padding, as HTTP Basic wants it
std::string base64url(std::string_view bytes);                     // without padding
std::optional<std::string> from_base64url(std::string_view text);  // empty when it is not base64url

// Encrypts what must be read again (a registry password, a pod's own key) with the installation's key of 32 bytes;
// `nonce` is 24 bytes of randomness, never used twice. The answer is text. `unseal` is empty when the text was changed
// or sealed with another key.
std::string seal(std::string_view key, std::string_view nonce, std::string_view plain);
std::optional<std::string> unseal(std::string_view key, std::string_view sealed);

}  // namespace gyre
