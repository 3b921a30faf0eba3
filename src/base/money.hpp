// Money as whole millionths of a dollar: prices and charges are exact, and no double ever holds one.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace gyre {

class Money {
 public:
  static constexpr std::int64_t micros_per_dollar = 1'000'000;

  constexpr Money() = default;
  static constexpr Money micros(std::int64_t count) { return Money(count); }

  // "0.44", "-3", "12.000001": digits with at most six after the point. Empty for anything else and for what does not
  // fit (more than twelve digits before the point).
  static std::optional<Money> parse(std::string_view text);

  constexpr std::int64_t in_micros() const { return micros_; }
  std::string text() const;  // "0.44", "12": exact, and as short as that allows
  double as_double() const;  // for JSON numbers only: nothing is computed with it
  constexpr auto operator<=>(const Money&) const = default;

  // Checked: what does not fit is a bug and ends the process (CHECK).
  friend Money operator+(Money a, Money b);
  friend Money operator*(Money a, std::int64_t times);

 private:
  constexpr explicit Money(std::int64_t micros) : micros_(micros) {}
  std::int64_t micros_ = 0;
};

}  // namespace gyre
