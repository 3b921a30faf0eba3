#include "base/time.hpp"

#include <cstdio>

namespace gyre {

std::string rfc3339(Time time) {
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(time - day);
  char text[40];
  std::snprintf(text, sizeof text, "%04d-%02u-%02uT%02d:%02d:%02d.%03dZ", static_cast<int>(date.year()),
                static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
                static_cast<int>(clock.seconds().count()), static_cast<int>(clock.subseconds().count()));
  return text;
}

namespace {

// Reads exactly `digits` digits from the front of `text`, or fails.
std::optional<int> number(std::string_view& text, std::size_t digits) {
  if (text.size() < digits) return std::nullopt;
  int value = 0;
  for (std::size_t i = 0; i < digits; ++i) {
    if (text[i] < '0' || text[i] > '9') return std::nullopt;
    value = value * 10 + (text[i] - '0');
  }
  text.remove_prefix(digits);
  return value;
}

bool skip(std::string_view& text, std::string_view any_of) {
  if (text.empty() || any_of.find(text.front()) == std::string_view::npos) return false;
  text.remove_prefix(1);
  return true;
}

}  // namespace

std::optional<Time> parse_rfc3339(std::string_view text) {
  using namespace std::chrono;
  const auto y = number(text, 4);
  if (!y || !skip(text, "-")) return std::nullopt;
  const auto mo = number(text, 2);
  if (!mo || !skip(text, "-")) return std::nullopt;
  const auto d = number(text, 2);
  if (!d || !skip(text, "Tt ")) return std::nullopt;
  const auto h = number(text, 2);
  if (!h || !skip(text, ":")) return std::nullopt;
  const auto mi = number(text, 2);
  if (!mi || !skip(text, ":")) return std::nullopt;
  const auto s = number(text, 2);
  if (!s) return std::nullopt;
  const year_month_day date{year{*y}, month{static_cast<unsigned>(*mo)}, day{static_cast<unsigned>(*d)}};
  if (!date.ok() || *h > 23 || *mi > 59 || *s > 60) return std::nullopt;
  int millis = 0;
  if (skip(text, ".")) {
    int scale = 100;
    std::size_t digits = 0;
    while (!text.empty() && text.front() >= '0' && text.front() <= '9') {
      millis += (text.front() - '0') * scale;
      scale /= 10;
      text.remove_prefix(1);
      ++digits;
    }
    if (digits == 0 || digits > 9) return std::nullopt;
  }
  minutes offset{0};
  if (!skip(text, "Zz")) {
    const bool west = !text.empty() && text.front() == '-';
    if (!skip(text, "+-")) return std::nullopt;
    const auto oh = number(text, 2);
    if (!oh || !skip(text, ":")) return std::nullopt;
    const auto om = number(text, 2);
    if (!om || *oh > 23 || *om > 59) return std::nullopt;
    offset = hours{*oh} + minutes{*om};
    if (west) offset = -offset;
  }
  if (!text.empty()) return std::nullopt;
  return Time{sys_days{date}} + hours{*h} + minutes{*mi} + seconds{*s} + milliseconds{millis} - offset;
}

}  // namespace gyre
