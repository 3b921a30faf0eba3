#include "cli/table.hpp"

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <utility>

namespace gyre::cli {
namespace {

struct Range {
  char32_t first, last;
};
// Unicode's East Asian Width W and F, as ranges that matter to names, images and messages.
constexpr Range wide[] = {
    {0x1100, 0x115F}, {0x2E80, 0x303E},   {0x3041, 0x33FF},   {0x3400, 0x4DBF},   {0x4E00, 0x9FFF},  {0xA000, 0xA4CF},
    {0xA960, 0xA97F}, {0xAC00, 0xD7A3},   {0xF900, 0xFAFF},   {0xFE10, 0xFE19},   {0xFE30, 0xFE6F},  {0xFF00, 0xFF60},
    {0xFFE0, 0xFFE6}, {0x1F300, 0x1F64F}, {0x1F680, 0x1F6FF}, {0x1F900, 0x1F9FF}, {0x20000, 0x3FFFD}};
// Combining marks, joiners, variation selectors, and the vowels and finals of decomposed Hangul.
constexpr Range without_width[] = {{0x0300, 0x036F}, {0x1160, 0x11FF}, {0x200B, 0x200F}, {0x20D0, 0x20FF},
                                   {0xD7B0, 0xD7FF}, {0xFE00, 0xFE0F}, {0xFE20, 0xFE2F}, {0xFEFF, 0xFEFF}};

bool within(char32_t c, std::span<const Range> ranges) {
  return std::any_of(ranges.begin(), ranges.end(), [c](Range r) { return c >= r.first && c <= r.last; });
}

struct Character {
  char32_t code = 0;
  std::size_t bytes = 1;
  bool valid = false;
};

Character next_character(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return {lead, 1, true};
  const std::size_t length = lead >= 0xF0 && lead < 0xF5   ? 4
                             : lead >= 0xE0 && lead < 0xF0 ? 3
                             : lead >= 0xC2 && lead < 0xE0 ? 2
                                                           : 0;
  if (length == 0 || text.size() < length) return {};
  char32_t code = lead & (0xFFu >> (length + 1));
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return {};
    code = code << 6 | (byte(i) & 0x3Fu);
  }
  const bool overlong = (length == 3 && code < 0x800) || (length == 4 && code < 0x10000);
  if (overlong || code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF)) return {};
  return {code, length, true};
}

std::size_t width_of(char32_t code) { return within(code, without_width) ? 0 : within(code, wide) ? 2 : 1; }

constexpr std::string_view gap = "  ";

}  // namespace

std::size_t display_width(std::string_view text) {
  std::size_t cells = 0;
  while (!text.empty()) {
    const auto character = next_character(text);
    cells += character.valid ? width_of(character.code) : 1;
    text.remove_prefix(character.bytes);
  }
  return cells;
}

std::string cut_to_width(std::string_view text, std::size_t cells) {
  if (display_width(text) <= cells) return std::string(text);
  if (cells == 0) return {};
  std::size_t used = 0, bytes = 0;
  while (bytes < text.size()) {
    const auto character = next_character(text.substr(bytes));
    const auto width = character.valid ? width_of(character.code) : 1;
    if (used + width > cells - 1) break;
    used += width;
    bytes += character.bytes;
  }
  while (bytes > 0 && text[bytes - 1] == ' ') --bytes;
  return std::string(text.substr(0, bytes)) + "…";
}

std::string printable(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const auto character = next_character(text);
    const bool control = character.code < 0x20 || (character.code >= 0x7F && character.code < 0xA0) ||
                         (character.code >= 0x202A && character.code <= 0x202E) ||  // turn the direction of writing
                         (character.code >= 0x2066 && character.code <= 0x2069);
    if (!character.valid || control)
      out += character.code == '\n' || character.code == '\t' ? " " : "\uFFFD";
    else
      out += text.substr(0, character.bytes);
    text.remove_prefix(character.bytes);
  }
  return out;
}

std::string colored(std::string_view text, Tone tone, bool color) {
  if (!color || tone == Tone::plain || text.empty()) return std::string(text);
  const std::string_view code = tone == Tone::good      ? "32"
                                : tone == Tone::waiting ? "33"
                                : tone == Tone::bad     ? "31"
                                                        : "2";
  return "\033[" + std::string(code) + "m" + std::string(text) + "\033[0m";
}

std::string Table::print(std::size_t width, bool color) const {
  std::vector<std::size_t> widths;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    auto most = display_width(columns_[i].title);
    for (const auto& row : rows_) most = std::max(most, display_width(printable(row[i].text)));
    widths.push_back(most);
  }
  if (width > 0) {
    auto total = std::accumulate(widths.begin(), widths.end(), gap.size() * (widths.size() - 1));
    while (total > width) {  // the widest column that may still give, gives
      std::size_t widest = widths.size();
      for (std::size_t i = 0; i < widths.size(); ++i)
        if (widths[i] > columns_[i].least_width && (widest == widths.size() || widths[i] > widths[widest])) widest = i;
      if (widest == widths.size()) break;
      --widths[widest];
      --total;
    }
  }
  std::string out;
  const auto line = [&](const auto& text_of, const auto& tone_of) {
    std::string written;
    std::size_t used = 0;
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      if (i > 0) {
        written += gap;
        used += gap.size();
      }
      auto room = widths[i];
      if (width > 0) room = used >= width ? 0 : std::min(room, width - used);
      const auto text = cut_to_width(printable(text_of(i)), room);
      const auto padding = std::string(room - std::min(room, display_width(text)), ' ');
      if (columns_[i].to_the_right) written += padding;
      written += colored(text, tone_of(i), color);
      if (!columns_[i].to_the_right && i + 1 < columns_.size()) written += padding;
      used += room;
    }
    while (written.ends_with(' ')) written.pop_back();
    out += written + "\n";
  };
  line([&](std::size_t i) { return columns_[i].title; }, [](std::size_t) { return Tone::dim; });
  for (const auto& row : rows_)
    line([&](std::size_t i) { return row[i].text; }, [&](std::size_t i) { return row[i].tone; });
  return out;
}

}  // namespace gyre::cli
