#include "base/check.hpp"
#include "images/registry_answers.hpp"
#include "targets.hpp"

namespace gyre::fuzz {

// The first byte says which of a registry's answers the rest is. What comes out of a manifest is what a next request is
// made of: digests, and nothing else.
void registry(std::string_view bytes) {
  if (bytes.empty()) return;
  const auto kind = static_cast<unsigned char>(bytes.front()) % 5;
  bytes.remove_prefix(1);
  const auto is_digest = [](const std::string& text) {
    return text.size() == 71 && text.starts_with("sha256:") &&
           text.find_first_not_of("0123456789abcdef", 7) == std::string::npos;
  };
  if (kind == 0) {
    images::read_challenge(bytes);
  } else if (kind == 1) {
    images::read_token(bytes);
  } else if (kind == 2) {
    images::read_error(bytes);
  } else if (kind == 3) {
    const auto manifest = images::read_manifest(bytes);
    if (!manifest) return;
    CHECK(manifest->entries.empty() != manifest->config_digest.empty());
    CHECK(manifest->layer_bytes >= 0);
    for (const auto& entry : manifest->entries) CHECK(is_digest(entry.digest));
    if (manifest->entries.empty()) CHECK(is_digest(manifest->config_digest));
    images::platforms_of(*manifest);
  } else if (const auto config = images::read_config(bytes)) {
    for (const auto& port : config->ports) CHECK(port.ends_with("/tcp") || port.ends_with("/udp"));
  }
}

}  // namespace gyre::fuzz
