#include "graphql/text.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <optional>

#include "json/utf8.hpp"

namespace gyre::graphql {

CodePoint code_point_at(std::string_view text, std::size_t position) {
  const auto byte = [&](std::size_t i) {
    return position + i < text.size() ? static_cast<unsigned char>(text[position + i]) : 0U;
  };
  const auto tail = [&](std::size_t i) { return byte(i) & 0x3fU; };
  const auto first = byte(0);
  if (first < 0x80) return {first, 1};
  if (first < 0xe0) return {(first & 0x1fU) << 6 | tail(1), 2};
  if (first < 0xf0) return {(first & 0x0fU) << 12 | tail(1) << 6 | tail(2), 3};
  return {(first & 0x07U) << 18 | tail(1) << 12 | tail(2) << 6 | tail(3), 4};
}

void append_utf8(std::string& out, char32_t point) {
  const auto put = [&](char32_t byte) { out += static_cast<char>(static_cast<unsigned char>(byte)); };
  if (point < 0x80) {
    put(point);
  } else if (point < 0x800) {
    put(0xc0 | point >> 6);
    put(0x80 | (point & 0x3f));
  } else if (point < 0x10000) {
    put(0xe0 | point >> 12);
    put(0x80 | (point >> 6 & 0x3f));
    put(0x80 | (point & 0x3f));
  } else {
    put(0xf0 | point >> 18);
    put(0x80 | (point >> 12 & 0x3f));
    put(0x80 | (point >> 6 & 0x3f));
    put(0x80 | (point & 0x3f));
  }
}

std::size_t utf16_size(std::string_view text) {
  std::size_t units = 0;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte & 0xc0) != 0x80) units += byte >= 0xf0 ? 2 : 1;
  }
  return units;
}

void append_number(std::string& out, double value) {
  if (std::isnan(value)) {
    out += "NaN";
    return;
  }
  if (std::isinf(value)) {
    out += value < 0 ? "-Infinity" : "Infinity";
    return;
  }
  if (value == 0) {
    out += '0';
    return;
  }
  char text[32];
  if (std::trunc(value) == value && std::abs(value) < 1e15) {
    const auto done = std::to_chars(text, text + sizeof text, static_cast<std::int64_t>(value));
    out.append(text, done.ptr);
    return;
  }
  if (std::abs(value) >= 1e-6 &&
      std::abs(value) < 1e15) {  // where JavaScript writes no exponent, and no digit is made up
    const auto done = std::to_chars(text, text + sizeof text, value, std::chars_format::fixed);
    out.append(text, done.ptr);
    return;
  }
  const auto done = std::to_chars(text, text + sizeof text, value, std::chars_format::scientific);
  std::string_view shown(text, static_cast<std::size_t>(done.ptr - text));
  if (shown.starts_with('-')) {
    out += '-';
    shown.remove_prefix(1);
  }
  const auto e = shown.find('e');
  std::string digits(shown.substr(0, 1));
  if (e > 2) digits += shown.substr(2, e - 2);
  int exponent = 0;
  auto power = shown.substr(e + 1);
  if (power.starts_with('+')) power.remove_prefix(1);
  std::from_chars(power.data(), power.data() + power.size(), exponent);
  const int count = static_cast<int>(digits.size());
  const int point = exponent + 1;  // where the point stands among the digits
  if (count <= point && point <= 21) {
    out += digits + std::string(static_cast<std::size_t>(point - count), '0');
  } else if (0 < point && point <= 21) {
    out += digits.substr(0, static_cast<std::size_t>(point)) + '.' + digits.substr(static_cast<std::size_t>(point));
  } else if (-6 < point && point <= 0) {
    out += "0." + std::string(static_cast<std::size_t>(-point), '0') + digits;
  } else {
    out += digits[0];
    if (count > 1) out += '.' + digits.substr(1);
    out += exponent < 0 ? "e-" : "e+";
    out += std::to_string(std::abs(exponent));
  }
}

std::string number_text(double value) {
  std::string out;
  append_number(out, value);
  return out;
}

namespace {

// What a byte needs in a JSON string: nothing, an escape, or a look at whether the text is UTF-8 at all.
enum class Need : std::uint8_t { nothing, escape, utf8 };

constexpr auto needs = [] {
  std::array<Need, 256> out{};
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = i < 0x20 ? Need::escape : i < 0x80 ? Need::nothing : Need::utf8;
  out['"'] = out['\\'] = Need::escape;
  return out;
}();

void append_escape(std::string& out, char c) {
  constexpr std::string_view hex = "0123456789abcdef", plain = "\"\\\b\f\n\r\t", letters = "\"\\bfnrt";
  out += '\\';
  if (const auto found = plain.find(c); found != std::string_view::npos) {
    out += letters[found];
    return;
  }
  out += "u00";
  out += hex[static_cast<unsigned char>(c) >> 4];
  out += hex[static_cast<unsigned char>(c) & 15];
}

}  // namespace

// Whether the text stands in JSON as it is: eight bytes at a time.
static bool is_plain(std::string_view text) {
  constexpr auto all = [](std::uint64_t byte) { return byte * 0x0101010101010101U; };
  // The high bit of each byte that is zero, maybe of one above such a byte, too.
  constexpr auto zeros = [=](std::uint64_t word) { return (word - all(0x01)) & ~word & all(0x80); };
  std::size_t i = 0;
  for (std::uint64_t word = 0; i + sizeof word <= text.size(); i += sizeof word) {
    std::memcpy(&word, text.data() + i, sizeof word);
    const auto low = (word - all(0x20)) & ~word & all(0x80);
    if (((word & all(0x80)) | low | zeros(word ^ all('"')) | zeros(word ^ all('\\'))) != 0) return false;
  }
  for (; i < text.size(); ++i)
    if (needs[static_cast<unsigned char>(text[i])] != Need::nothing) return false;
  return true;
}

void append_json(std::string& out, std::string_view text) {
  if (is_plain(text)) {  // one growth of `out`
    const auto at = out.size();
    out.append(text.size() + 2, '"');
    std::memcpy(out.data() + at + 1, text.data(), text.size());
    return;
  }
  out += '"';
  std::string repaired;
  bool checked = false;
  std::size_t start = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto need = needs[static_cast<unsigned char>(text[i])];
    if (need == Need::nothing) continue;
    if (need == Need::utf8) {
      if (checked) continue;
      checked = true;
      if (json::is_utf8(text)) continue;
      repaired = json::valid_utf8(text.substr(start));
      text = repaired;
      start = i = 0;
      // The first character of what was repaired is looked at again.
      if (needs[static_cast<unsigned char>(text[0])] != Need::escape) continue;
    }
    out.append(text, start, i - start);
    append_escape(out, text[i]);
    start = i + 1;
  }
  out.append(text, start, text.size() - start);
  out += '"';
}

std::string quoted(std::string_view text) {
  std::string out;
  append_json(out, text);
  return out;
}

int natural_compare(std::string_view left, std::string_view right) {
  const auto is_digit = [](std::string_view text, std::size_t i) {
    return i < text.size() && text[i] >= '0' && text[i] <= '9';
  };
  const auto number = [&](std::string_view text, std::size_t& i) {
    double out = 0;
    do {
      out = out * 10 + (text[i] - '0');
      ++i;
    } while (is_digit(text, i) && out > 0);
    return out;
  };
  std::size_t i = 0, j = 0;
  while (i < left.size() && j < right.size()) {
    if (is_digit(left, i) && is_digit(right, j)) {
      const double a = number(left, i), b = number(right, j);
      if (a != b) return a < b ? -1 : 1;
    } else {
      const auto a = static_cast<unsigned char>(left[i]), b = static_cast<unsigned char>(right[j]);
      if (a != b) return a < b ? -1 : 1;
      ++i;
      ++j;
    }
  }
  return static_cast<int>(left.size()) - static_cast<int>(right.size());
}

namespace {

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

// Edits (insert, delete, substitute, swap of neighbours) between the two; nothing when there are more than the
// threshold.
std::optional<std::size_t> distance(std::string_view input, std::string_view option, std::size_t threshold) {
  if (input == option) return 0;
  auto a = lower(option), b = lower(input);
  if (a == b) return 1;
  if (a.size() < b.size()) std::swap(a, b);
  if (a.size() - b.size() > threshold) return std::nullopt;
  std::vector<std::size_t> rows[3] = {std::vector<std::size_t>(b.size() + 1), std::vector<std::size_t>(b.size() + 1),
                                      std::vector<std::size_t>(b.size() + 1)};
  for (std::size_t j = 0; j <= b.size(); ++j) rows[0][j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    const auto& up = rows[(i - 1) % 3];
    auto& row = rows[i % 3];
    auto smallest = row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t cost = a[i - 1] == b[j - 1] ? 0 : 1;
      auto cell = std::min({up[j] + 1, row[j - 1] + 1, up[j - 1] + cost});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        cell = std::min(cell, rows[(i - 2) % 3][j - 2] + 1);
      smallest = std::min(smallest, cell);
      row[j] = cell;
    }
    if (smallest > threshold) return std::nullopt;
  }
  const auto found = rows[a.size() % 3][b.size()];
  return found <= threshold ? std::optional(found) : std::nullopt;
}

}  // namespace

std::vector<std::string_view> suggestions(std::string_view input, const std::vector<std::string_view>& options) {
  const std::size_t threshold = input.size() * 2 / 5 + 1;
  std::vector<std::pair<std::size_t, std::string_view>> found;
  for (const auto option : options)
    if (const auto edits = distance(input, option, threshold)) found.emplace_back(*edits, option);
  std::stable_sort(found.begin(), found.end(), [](const auto& a, const auto& b) {
    return a.first != b.first ? a.first < b.first : natural_compare(a.second, b.second) < 0;
  });
  std::vector<std::string_view> out;
  for (const auto& [edits, option] : found)
    if (std::find(out.begin(), out.end(), option) == out.end()) out.push_back(option);
  return out;
}

std::string did_you_mean(const std::vector<std::string_view>& suggested, std::string_view phrase) {
  constexpr std::size_t shown_max = 5;
  if (suggested.empty()) return "";
  std::string out = " Did you mean ";
  if (!phrase.empty()) out += std::string(phrase) + ' ';
  const auto count = std::min(suggested.size(), shown_max);
  for (std::size_t i = 0; i < count; ++i) {
    if (i > 0) out += count == 2 ? " or " : i + 1 == count ? ", or " : ", ";
    out += '"' + std::string(suggested[i]) + '"';
  }
  return out + '?';
}

}  // namespace gyre::graphql
