#include "pods/pod_times.hpp"

#include <gtest/gtest.h>

#include <random>

namespace gyre {
namespace {

const Time now = parse_rfc3339("2026-11-22T01:15:00Z").value();

TEST(PodTimesTest, ASpanFromNowOrATime) {
  const auto at = [](const char* text) { return pod_time(text, now, "stopAfter").value(); };
  EXPECT_EQ(at("1h"), now + 1h);
  EXPECT_EQ(at("24h"), now + 24h);
  EXPECT_EQ(at("7d"), now + 24h * 7);
  EXPECT_EQ(at("45m"), now + 45min);
  EXPECT_EQ(at("90s"), now + 90s);
  EXPECT_EQ(at("1d2h3m4s"), now + 26h + 3min + 4s);
  EXPECT_EQ(at("2026-11-22T10:15:01+09:00"), now + 1s);
  EXPECT_EQ(at("3650d"), now + pod_time_max);
  EXPECT_EQ(at(""), std::nullopt);
}

TEST(PodTimesTest, WhatIsNoneNamesTheField) {
  for (const char* text : {"soon", "1", "h", "1h 30m", "30m1h", "1h1h", "-1h", "+1h", "1.5h", "1w", "2026-11-22",
                           "1h-1m", "2026-11-22T01:15:01"}) {
    const auto refused = pod_time(text, now, "stopAfter");
    ASSERT_FALSE(refused) << text;
    EXPECT_EQ(refused.error().message(),
              "stopAfter: expected a span such as 45m, 1h30m or 7d, or a time like 2026-11-22T01:15:00Z");
  }
  for (const char* text : {"0s", "2026-11-22T01:15:00Z", "1999-01-01T00:00:00Z", "3651d", "3650d1s", "9999999999999d",
                           "99999999999999999999999s", "9999-12-31T23:59:59Z"}) {
    const auto refused = pod_time(text, now, "terminateAfter");
    ASSERT_FALSE(refused) << text;
    EXPECT_EQ(refused.error().message(), "terminateAfter: expected a time that is ahead, by ten years at most");
  }
}

TEST(PodTimesTest, AnySpanThatIsWrittenIsReadBack) {
  std::mt19937_64 dice(7);
  for (int round = 0; round < 20'000; ++round) {
    const auto seconds = 1 + static_cast<std::int64_t>(dice() % (3650LL * 86'400));
    std::string text;
    auto rest = seconds;
    for (const auto& [letter, size] :
         {std::pair('d', 86'400LL), std::pair('h', 3'600LL), std::pair('m', 60LL), std::pair('s', 1LL)}) {
      if (const auto count = rest / size; count > 0 && (size == 1 || dice() % 4 != 0)) {
        text += std::to_string(count) + letter;
        rest -= count * size;
      }
    }
    EXPECT_EQ(pod_time(text, now, "x").value(), now + std::chrono::seconds(seconds)) << text;
  }
}

}  // namespace
}  // namespace gyre
