// Money in the database: a BIGINT of micro-dollars.
#pragma once

#include "base/money.hpp"
#include "db/db.hpp"

namespace gyre::db {

template <>
struct Convert<Money> {
  static Value to(Money value) { return value.in_micros(); }
  static Money from(const Value& value) { return Money::micros(std::get<std::int64_t>(value)); }
};

}  // namespace gyre::db
