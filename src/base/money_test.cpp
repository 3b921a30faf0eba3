#include "base/money.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace gyre {
namespace {

TEST(Money, ReadsDecimalsExactly) {
  EXPECT_EQ(Money::parse("0.44")->in_micros(), 440'000);
  EXPECT_EQ(Money::parse("12")->in_micros(), 12'000'000);
  EXPECT_EQ(Money::parse("-3.000001")->in_micros(), -3'000'001);
  for (const char* wrong :
       {"", "-", ".5", "1.", "1.0000001", "1e3", "+1", " 1", "1 ", "0x1", "9999999999999", "--1", "1-1"})
    EXPECT_FALSE(Money::parse(wrong)) << wrong;
}

TEST(Money, EveryAmountReadsBackTheSameAsTextAndAsANumber) {
  std::mt19937_64 dice(1);
  for (int i = 0; i < 10'000; ++i) {
    const auto amount = Money::micros(static_cast<std::int64_t>(dice() >> (dice() % 40 + 20)));
    EXPECT_EQ(Money::parse(amount.text()), amount) << amount.text();
    // A JSON number of it is read back as the same number of micro-dollars, as far as doubles reach.
    if (amount.in_micros() < 1'000'000'000'000) {
      EXPECT_EQ(std::llround(amount.as_double() * 1e6), amount.in_micros()) << amount.text();
    }
  }
  EXPECT_EQ(Money::micros(440'000).as_double(), 0.44);
}

TEST(Money, AddsAndMultipliesWithoutRounding) {
  auto sum = Money();
  for (int i = 0; i < 1'000'000; ++i) sum = sum + Money::micros(1);
  EXPECT_EQ(sum.text(), "1");
  EXPECT_EQ((Money::micros(333'333) * 3).text(), "0.999999");
}

}  // namespace
}  // namespace gyre
