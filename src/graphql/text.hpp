// Small things about text that several files of this folder share: characters of UTF-8, numbers and strings as the
// reference shows them, suggestions for a word that was mistyped.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace gyre::graphql {

struct CodePoint {
  char32_t point;
  std::size_t size;  // in bytes
};
CodePoint code_point_at(std::string_view text, std::size_t position);  // of valid UTF-8
void append_utf8(std::string& out, char32_t point);
std::size_t utf16_size(std::string_view text);  // how many UTF-16 units it would have

// The shortest text that reads back as the same number, without `.0`: 1, 0.1, 1e+21. Not finite: NaN, Infinity.
std::string number_text(double value);
void append_number(std::string& out, double value);
void append_json(std::string& out, std::string_view text);  // as a JSON string; what is not UTF-8 becomes U+FFFD
std::string quoted(std::string_view text);                  // the same, alone

// Digits by their number, all else by its bytes.
int natural_compare(std::string_view left, std::string_view right);

// Those of the options that the input could have meant, nearest first.
std::vector<std::string_view> suggestions(std::string_view input, const std::vector<std::string_view>& options);
// ` Did you mean "a", "b", or "c"?`, or nothing. `phrase` comes before the first.
std::string did_you_mean(const std::vector<std::string_view>& suggested, std::string_view phrase = {});

}  // namespace gyre::graphql
