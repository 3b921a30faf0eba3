#include "pods/pod_times.hpp"

#include <array>
#include <charconv>

namespace gyre {
namespace {

struct Unit {
  char letter;
  std::int64_t seconds;
};
constexpr std::array units{Unit{'d', 86'400}, Unit{'h', 3'600}, Unit{'m', 60}, Unit{'s', 1}};
constexpr auto seconds_max = std::chrono::duration_cast<std::chrono::seconds>(pod_time_max).count();

std::optional<Duration> parse_span(std::string_view text) {
  std::int64_t total = 0;
  auto unit = units.begin();
  while (!text.empty()) {
    std::int64_t count = 0;
    const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), count);
    if (end == text.data() || end == text.data() + text.size() || text.front() == '-') return std::nullopt;
    while (unit != units.end() && unit->letter != *end) ++unit;
    if (unit == units.end()) return std::nullopt;
    // Whatever is longer than allowed is one second too long: nothing overflows, and the refusal is the right one.
    if (problem != std::errc{} || count > seconds_max / unit->seconds) count = seconds_max / unit->seconds + 1;
    total = std::min(total + count * unit->seconds, seconds_max + 1);
    ++unit;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()) + 1);
  }
  return std::chrono::seconds(total);
}

}  // namespace

Result<std::optional<Time>> pod_time(std::string_view text, Time now, const std::string& field) {
  if (text.empty()) return std::optional<Time>();
  auto at = parse_rfc3339(text);
  if (!at)
    if (const auto span = parse_span(text)) at = now + *span;
  if (!at) return invalid(field, Detail::pod_time);
  if (*at <= now || *at - now > pod_time_max) return invalid(field, Detail::pod_time_range);
  return at;
}

}  // namespace gyre
