// What `gyre agent join` is given: a secret that the server knows the digest of, and the beginning of the fingerprint
// of the installation's authority, so that the agent cannot be handed another one on the way.
//
//   gjt_<43 characters of secret>_<first 16 hex digits of the SHA-256 of the authority's certificate>
#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"

namespace gyre::link {

struct JoinToken {
  std::string text;            // the whole of it; what the server stores is sha256_hex(text)
  std::string ca_fingerprint;  // 16 lower-case hex digits
};

// `secret`: 43 random characters of A-Z a-z 0-9 - _ (at least 200 bits). `ca_fingerprint`: Authority::fingerprint().
JoinToken make_join_token(std::string_view secret, std::string_view ca_fingerprint);

Result<JoinToken> parse_join_token(std::string_view text);  // error: join_token_malformed

}  // namespace gyre::link
