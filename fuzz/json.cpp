#include "json/codec.hpp"
#include "json/money.hpp"

#include <algorithm>
#include <cmath>

#include "base/check.hpp"
#include "pods/pod_input.hpp"
#include "targets.hpp"

namespace gyre::fuzz {
namespace {

// The same, but for the last bits of a fraction: Boost.JSON 1.81 reads numbers quickly, not exactly. What must be exact
// (money, sizes) is whole numbers or text.
// A number past all doubles is read as infinite, which every field refuses and we write as null.
bool alike(const boost::json::value& a, const boost::json::value& b) {
  if (a.is_double() && !std::isfinite(a.get_double())) return b.is_null();
  if (a.is_double() && b.is_double()) {
    const double x = a.get_double(), y = b.get_double();
    return x == y || std::abs(x - y) <= 1e-14 * std::max(std::abs(x), std::abs(y));
  }
  if (a.kind() != b.kind()) return false;
  if (a.is_array()) return std::ranges::equal(a.get_array(), b.get_array(), alike);
  if (!a.is_object()) return a == b;
  return std::ranges::equal(a.get_object(), b.get_object(), [](const auto& one, const auto& other) {
    return one.key() == other.key() && alike(one.value(), other.value());
  });
}

}  // namespace

void json(std::string_view bytes) {
  const auto value = gyre::json::parse(bytes);
  if (!value) return;
  // What we write, we read as the same.
  const auto text = gyre::json::serialize(*value);
  const auto again = gyre::json::parse(text);
  CHECK(again);
  CHECK(alike(*value, *again));
  // A request made of it is refused in words that name a field, or is one.
  for (const auto unknown : {gyre::json::UnknownKeys::refuse, gyre::json::UnknownKeys::ignore}) {
    const auto input = gyre::json::decode<CreatePod>(bytes, unknown);
    if (input) {
      const auto written = gyre::json::encode(*input);
      CHECK(gyre::json::decode<CreatePod>(written));
    } else {
      CHECK(!input.error().message(Language::ko).empty());
    }
  }
}

}  // namespace gyre::fuzz
