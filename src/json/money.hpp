// Money on the wire: a number of dollars ("costPerHr": 0.44). Read exactly, from a number or from decimal text; more
// than six decimals are refused rather than rounded.
#pragma once

#include "base/money.hpp"
#include "json/codec.hpp"

namespace gyre::json {

template <>
struct Wire<Money> {
  static bool read(Reader& reader, const boost::json::value& value, Money& out) {
    // The shortest text of the number is what its sender wrote, for any amount with up to 15 digits.
    const auto text = value.is_string() ? std::string(value.as_string()) : plain(value);
    const auto money = Money::parse(text);
    if (!money) return reader.wrong(Detail::dollars);
    out = *money;
    return true;
  }
  static boost::json::value write(Money value) { return value.as_double(); }
  static boost::json::value schema(Definitions&) { return detail::typed("number"); }

 private:
  static std::string plain(const boost::json::value& value);
};

}  // namespace gyre::json
