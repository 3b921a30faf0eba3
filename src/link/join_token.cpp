#include "link/join_token.hpp"

#include "base/check.hpp"
#include "base/secrets.hpp"

namespace gyre::link {
namespace {
constexpr std::string_view prefix = "gjt_";
constexpr std::size_t secret_bytes = 32, secret_length = 43, fingerprint_length = 16;
}  // namespace

JoinToken make_join_token(std::string_view secret, std::string_view ca_fingerprint) {
  CHECK(secret.size() == secret_bytes && ca_fingerprint.size() >= fingerprint_length);
  const std::string fingerprint(ca_fingerprint.substr(0, fingerprint_length));
  return {.text = std::string(prefix) + base64url(secret) + "_" + fingerprint, .ca_fingerprint = fingerprint};
}

Result<JoinToken> parse_join_token(std::string_view text) {
  // By position, not by '_', which the secret may hold too.
  const auto malformed = [] { return fail(Reason::join_token_malformed, {}, "token"); };
  if (text.size() != prefix.size() + secret_length + 1 + fingerprint_length || !text.starts_with(prefix))
    return malformed();
  const auto secret = from_base64url(text.substr(prefix.size(), secret_length));
  const auto fingerprint = text.substr(prefix.size() + secret_length + 1);
  if (!secret || secret->size() != secret_bytes || text[prefix.size() + secret_length] != '_' ||
      fingerprint.find_first_not_of("0123456789abcdef") != std::string_view::npos)
    return malformed();
  return JoinToken{.text = std::string(text), .ca_fingerprint = std::string(fingerprint)};
}

}  // namespace gyre::link
