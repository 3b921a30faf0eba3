// Text from outside that must go into JSON, a log or a database: is it UTF-8, and if not, the nearest that is.
#pragma once

#include <string>
#include <string_view>

namespace gyre::json {

bool is_utf8(std::string_view text);
std::string valid_utf8(std::string_view text);  // each byte that is not part of a character becomes U+FFFD

}  // namespace gyre::json
