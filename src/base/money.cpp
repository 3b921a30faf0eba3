#include "base/money.hpp"

#include <charconv>

#include "base/check.hpp"

namespace gyre {

std::optional<Money> Money::parse(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  const auto point = text.find('.');
  const auto whole = text.substr(0, point);
  const auto part = point == std::string_view::npos ? std::string_view() : text.substr(point + 1);
  if (whole.empty() || whole.size() > 12 || part.size() > 6 || (point != std::string_view::npos && part.empty()))
    return std::nullopt;
  std::string digits(whole);
  digits.append(part).append(6 - part.size(), '0');
  if (digits.find_first_not_of("0123456789") != std::string::npos) return std::nullopt;
  std::int64_t value = 0;
  const auto [end, problem] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (problem != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
  return micros(negative ? -value : value);
}

std::string Money::text() const {
  // The magnitude as unsigned: the lowest number has no positive twin.
  const auto magnitude = micros_ < 0 ? 0 - static_cast<std::uint64_t>(micros_) : static_cast<std::uint64_t>(micros_);
  auto part = std::to_string(magnitude % micros_per_dollar);
  part.insert(0, 6 - part.size(), '0');
  while (part.ends_with('0')) part.pop_back();
  auto out = (micros_ < 0 ? "-" : "") + std::to_string(magnitude / micros_per_dollar);
  if (!part.empty()) out += "." + part;
  return out;
}

double Money::as_double() const {
  // By way of the text: dividing would give 0.44 as the nearest double only by luck.
  double out = 0;
  const auto digits = text();
  std::from_chars(digits.data(), digits.data() + digits.size(), out);
  return out;
}

Money operator+(Money a, Money b) {
  std::int64_t sum = 0;
  CHECK(!__builtin_add_overflow(a.micros_, b.micros_, &sum));
  return Money(sum);
}

Money operator*(Money a, std::int64_t times) {
  std::int64_t product = 0;
  CHECK(!__builtin_mul_overflow(a.micros_, times, &product));
  return Money(product);
}

}  // namespace gyre
