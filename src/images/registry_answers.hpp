// What registries answer, read: challenges (RFC 7235, and the token scheme of the distribution specification),
// manifests and configurations of images (Docker's schema 2 and OCI's). Pure: bytes of strangers, so nothing is
// believed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace gyre::images {

struct Challenge {
  bool bearer = false;  // else basic
  std::string realm, service, scope;
};
// Of a WWW-Authenticate header with one challenge or several; a bearer one is preferred. Empty: none that we can meet.
std::optional<Challenge> read_challenge(std::string_view header);

// "token" or "access_token" of a token server's answer; empty: none.
std::string read_token(std::string_view body);

// The registry's own words in an error answer; "" when there are none.
std::string read_error(std::string_view body);

struct Entry {
  std::string os, architecture, digest;
};
struct Manifest {
  std::vector<Entry> entries;    // of a list of platforms ...
  std::string config_digest;     // ... or the image itself
  std::int64_t layer_bytes = 0;  // compressed, as they are pulled
};
// The error is in our words, for `detail` of registry_answer_unusable.
tl::expected<Manifest, std::string> read_manifest(std::string_view body);

// The one for linux/amd64; else empty.
const Entry* for_our_hosts(const Manifest& manifest);
// "linux/arm64, linux/arm": of the others, for a refusal. Entries that are no images (attestations) are left out.
std::string platforms_of(const Manifest& manifest);

struct ImageConfig {
  std::string os, architecture;
  std::vector<std::string> ports;  // "8888/tcp", in the order of their numbers
  std::vector<std::string> entrypoint, command;
};
tl::expected<ImageConfig, std::string> read_config(std::string_view body);

}  // namespace gyre::images
