// When a pod is to stop, or to be deleted, by itself: RunPod's `stopAfter` and `terminateAfter`, whose old form is a
// time and whose new one a span from now. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "base/time.hpp"

namespace gyre {

inline constexpr Duration pod_time_max = std::chrono::hours(24 * 3650);

// "45m", "1h30m", "7d" (units s, m, h, d, the larger first) or RFC 3339; empty: never. Refuses what is not ahead of
// `now`, or further ahead than `pod_time_max`.
Result<std::optional<Time>> pod_time(std::string_view text, Time now, const std::string& field);

}  // namespace gyre
