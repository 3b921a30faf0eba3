// The installation's own secret, one file of 32 random bytes: seals what must be readable again (registry passwords)
// and makes the keys that pods get. Whoever has the database but not this file can read neither.
#pragma once

#include <array>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "base/ids.hpp"
#include "base/result.hpp"

namespace gyre::server {

class Vault {
 public:
  // Reads the file or makes it. Errors: file_unusable, also for one of the wrong size, which is never replaced.
  static Result<Vault> open(const std::filesystem::path& file);

  std::string seal(std::string_view plain) const;                    // text; another one each time
  std::optional<std::string> unseal(std::string_view sealed) const;  // empty: not sealed by this vault, or changed
  std::string pod_key(const PodId& pod) const;                       // "rpa_..."; the same for the same pod

 private:
  explicit Vault(const std::string& secret);
  std::array<unsigned char, 32> sealing_{}, keys_{};
};

}  // namespace gyre::server
