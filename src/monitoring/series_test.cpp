#include "monitoring/series.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>
#include <random>

namespace gyre {
namespace {

constexpr Time noon{Duration(1'789'992'000'000)};  // a multiple of two hours
constexpr float gap = std::numeric_limits<float>::quiet_NaN();

TEST(Block, ComesBackAsItWasByProperty) {
  for (unsigned seed = 0; seed < 500; ++seed) {
    std::mt19937 dice(seed);
    const int slots = 1 + static_cast<int>(dice() % 40);
    Block block(slots);
    for (int i = 0; i < 60; ++i) {
      std::vector<float> values;
      for (auto n = dice() % 7; n > 0; --n) values.push_back(dice() % 5 == 0 ? gap : static_cast<float>(dice()));
      block.put(static_cast<int>(dice() % static_cast<unsigned>(slots)), static_cast<int>(dice() % 300), values);
    }
    const auto back = Block::decode(block.encode(), slots);
    ASSERT_TRUE(back) << "seed " << seed;
    for (int slot = 0; slot < slots; ++slot) {
      EXPECT_EQ(back->samples(slot), block.samples(slot));
      for (int channel = 0; channel < 8; ++channel) {
        const auto a = block.value(slot, channel), b = back->value(slot, channel);
        EXPECT_TRUE(a == b || (std::isnan(a) && std::isnan(b))) << "seed " << seed;
      }
    }
  }
}

// Bytes from a damaged disk: never a crash, never numbers that were not written.
TEST(Block, BytesThatAreNotAWholeBlockAreRefused) {
  Block block(30);
  const std::vector<float> values{1, 2, 3, 4, 5, 6};
  block.put(3, 2, values);
  const auto good = block.encode();
  ASSERT_TRUE(Block::decode(good, 30));
  EXPECT_FALSE(Block::decode(good, 24));
  for (std::size_t size = 0; size < good.size(); ++size) EXPECT_FALSE(Block::decode(good.substr(0, size), 30)) << size;
  for (std::size_t i = 0; i < good.size(); ++i) {
    auto turned = good;
    turned[i] = static_cast<char>(turned[i] ^ 0x40);
    EXPECT_FALSE(Block::decode(turned, 30)) << "byte " << i;
  }
  std::mt19937 dice(7);
  for (int i = 0; i < 20'000; ++i) {
    std::string noise(dice() % 900, '\0');
    for (auto& byte : noise) byte = static_cast<char>(dice());
    if (!noise.empty()) noise[0] = 1;
    Block::decode(noise, 30);  // the sanitizers look on
  }
}

TEST(Block, OfOneSlotTheOneWithMoreSamplesStaysInWhateverOrderTheyCome) {
  const std::vector<float> half{50}, whole{75}, later{76};
  for (const bool late : {false, true}) {
    Block block(30);
    if (late) {
      EXPECT_TRUE(block.put(0, 2, whole));
      EXPECT_FALSE(block.put(0, 1, half));
    } else {
      EXPECT_TRUE(block.put(0, 1, half));
      EXPECT_TRUE(block.put(0, 2, whole));
    }
    EXPECT_EQ(block.value(0, 0), 75);
    EXPECT_TRUE(block.put(0, 2, whole));
    EXPECT_EQ(block.value(0, 0), 75);
    EXPECT_TRUE(block.put(0, 2, later));
    EXPECT_EQ(block.value(0, 0), 76);
  }
}

TEST(Block, AValueThatNobodyCanHaveMeasuredIsAGap) {
  Block block(2);
  const std::vector<float> odd{std::numeric_limits<float>::infinity(), gap, 1};
  block.put(0, 1, odd);
  EXPECT_TRUE(std::isnan(block.value(0, 0)));
  EXPECT_EQ(block.value(0, 2), 1);
  EXPECT_TRUE(std::isnan(block.mean()[0]));
  EXPECT_EQ(block.filled(), 1);
}

// Each step's mean is that of the points in it, and the sum over everything is kept: sum = mean x count, step by step.
TEST(Window, DownsamplingKeepsTheSumAndTheGapsByProperty) {
  for (unsigned seed = 0; seed < 300; ++seed) {
    std::mt19937 dice(seed);
    const Window window{noon, 10s * static_cast<int>(1 + dice() % 60), 1 + dice() % 50};
    std::vector<SeriesPoint> points;
    std::map<std::size_t, std::pair<double, double>> expected;
    for (Time at = window.start; at < window.end(); at += 10s) {
      if (dice() % 3 == 0) continue;
      const int weight = 1 + static_cast<int>(dice() % 30);
      const auto value = dice() % 6 == 0 ? gap : static_cast<float>(dice() % 1000);
      points.push_back({at, weight, {value}});
      if (std::isnan(value)) continue;
      auto& [sum, of] = expected[static_cast<std::size_t>((at - window.start) / window.step)];
      sum += static_cast<double>(value) * weight;
      of += weight;
    }
    std::shuffle(points.begin(), points.end(), dice);
    points.push_back({window.start - 1ms, 1, {1e6f}});
    points.push_back({window.end(), 1, {1e6f}});
    const auto values = into_window(points, window, 1);
    ASSERT_EQ(values.at(0).size(), window.count);
    for (std::size_t i = 0; i < window.count; ++i) {
      const auto found = expected.find(i);
      ASSERT_EQ(values[0][i].has_value(), found != expected.end()) << "seed " << seed << " step " << i;
      if (values[0][i]) {
        EXPECT_NEAR(*values[0][i] * found->second.second, found->second.first, 1e-6) << "seed " << seed;
      }
    }
  }
}

TEST(Window, AnHourEveryMinuteIsSixtyPointsAndAMomentLaterTheSame) {
  const auto now = noon + 37min + 12s + 345ms;
  const auto window = window_of({"1h", std::nullopt, "1m"}, now);
  ASSERT_TRUE(window);
  EXPECT_EQ(window->count, 60u);
  EXPECT_EQ(window->start.time_since_epoch() % 1min, 0ms);
  EXPECT_LE(window->end() - 1min, now);
  EXPECT_GT(window->end(), now);
  EXPECT_EQ(*window_of({"1h", std::nullopt, "1m"}, now + 10s), *window);
  const auto usual = window_of({}, now);
  EXPECT_EQ(usual->count, 48u);
  EXPECT_EQ(usual->step, 10min);
  EXPECT_EQ(window_of({"2026-09-21T10:00:00Z", "2026-09-21T11:00:00Z", "10m"}, now)->count, 6u);
}

TEST(Window, WhatIsAskedWrongIsRefusedByItsField) {
  const auto field = [](WindowWish wish) {
    const auto window = window_of(wish, noon);
    return window ? std::string() : window.error().field;
  };
  for (const char* step : {"30s", "6h", "59s", "301m", "x", "0s", "-1m", "1", "9s"})
    EXPECT_EQ(field({"8h", {}, step}), "step") << step;
  for (const char* step : {"10s", "1m", "60s", "7m", "5h", "300m"}) EXPECT_EQ(field({"8h", {}, step}), "") << step;
  EXPECT_EQ(field({"soon", {}, {}}), "from");
  EXPECT_EQ(field({{}, "soon", {}}), "to");
  EXPECT_EQ(field({"1h", "2h", {}}), "from");
  EXPECT_EQ(field({"90d", {}, "5h"}), "from");
  EXPECT_EQ(field({"30d", {}, "5m"}), "") << "8,640 points";
  EXPECT_EQ(field({"7d", {}, "1m"}), "step") << "kept at five minutes only";
  EXPECT_EQ(field({"24h", {}, "1m"}), "");
  EXPECT_EQ(field({"24h", {}, "10s"}), "");
}

TEST(Window, TimesBefore1970AndBlocksAgreeWithEachOther) {
  for (const auto at : {noon, noon + 299'999ms, Time(Duration(0)), Time(Duration(-1)), Time(Duration(-300'001))}) {
    const auto block = block_of(fine_tier, at);
    const auto start = start_of(fine_tier, block, slot_of(fine_tier, at));
    EXPECT_LE(start, at);
    EXPECT_GT(start + fine_tier.step, at);
  }
}

}  // namespace
}  // namespace gyre
