// SSH public keys as people paste them: one a line, as in authorized_keys, without options. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace gyre {

// The lines that are keys, trimmed, each key once; empty lines and lines that begin with '#' are left out. The first
// line that is no key is named with why ("pubKey: line 2: ..."), never quoted: people paste private keys by mistake.
Result<std::vector<std::string>> parse_ssh_keys(std::string_view text, const std::string& field);

}  // namespace gyre
