// Time as the whole system keeps it: UTC, milliseconds since 1970. Where "now" comes from is the Runtime's business.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace gyre {

using Duration = std::chrono::milliseconds;
using Time = std::chrono::sys_time<std::chrono::milliseconds>;
using namespace std::chrono_literals;

std::string rfc3339(Time time);                            // 2026-11-22T01:15:00.250Z
std::optional<Time> parse_rfc3339(std::string_view text);  // with Z or an offset; up to nanoseconds, cut to ms

}  // namespace gyre
