#include "json/money.hpp"

#include <boost/json.hpp>
#include <charconv>

namespace gyre::json {

std::string Wire<Money>::plain(const boost::json::value& value) {
  if (value.is_int64()) return std::to_string(value.as_int64());
  if (!value.is_double()) return "";
  char text[400];  // the longest double without an exponent has some 310 digits
  const auto [end, problem] =
      std::to_chars(std::begin(text), std::end(text), value.as_double(), std::chars_format::fixed);
  return problem == std::errc{} ? std::string(text, end) : "";
}

}  // namespace gyre::json
