// What the two backends share with db::open and with each other. Private to this folder.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "db/db.hpp"

namespace gyre::db {

std::unique_ptr<Connection> open_sqlite(const std::string& path);  // ":memory:" or a file, made if it is not there
std::unique_ptr<Connection> open_postgres(const std::string& url);

// Both backends keep text that is UTF-8 without NUL. SQLite would take anything; refusing it there too keeps a bug from
// waiting for the day that somebody moves to PostgreSQL. Throws DbError.
void require_text(std::string_view text);

inline constexpr std::string_view fenced_words = "the transaction was refused: another server leads";

// Statements stay prepared per connection; beyond this many the cache starts anew.
inline constexpr std::size_t statements_max = 500;

}  // namespace gyre::db
