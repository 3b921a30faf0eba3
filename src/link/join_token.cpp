#include "link/join_token.hpp"

#include <algorithm>

#include "base/check.hpp"

namespace gyre::link {
namespace {
constexpr std::string_view prefix = "gjt_";
constexpr std::size_t secret_length = 43, fingerprint_length = 16;

bool proper_secret(std::string_view secret) {
  return secret.size() == secret_length && std::all_of(secret.begin(), secret.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
         });
}

}  // namespace

JoinToken make_join_token(std::string_view secret, std::string_view ca_fingerprint) {
  CHECK(proper_secret(secret) && ca_fingerprint.size() >= fingerprint_length);
  const std::string fingerprint(ca_fingerprint.substr(0, fingerprint_length));
  return {.text = std::string(prefix) + std::string(secret) + "_" + fingerprint, .ca_fingerprint = fingerprint};
}

Result<JoinToken> parse_join_token(std::string_view text) {
  // By position, not by '_', which the secret may hold too.
  const auto malformed = [] { return fail(Reason::join_token_malformed, {}, "token"); };
  if (text.size() != prefix.size() + secret_length + 1 + fingerprint_length || !text.starts_with(prefix))
    return malformed();
  const auto fingerprint = text.substr(prefix.size() + secret_length + 1);
  if (!proper_secret(text.substr(prefix.size(), secret_length)) || text[prefix.size() + secret_length] != '_' ||
      fingerprint.find_first_not_of("0123456789abcdef") != std::string_view::npos)
    return malformed();
  return JoinToken{.text = std::string(text), .ca_fingerprint = std::string(fingerprint)};
}

}  // namespace gyre::link
