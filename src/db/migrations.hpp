// The schema as numbered steps. The steps of migrations/*.sql are built into the binary; tests bring their own.
#pragma once

#include <string_view>
#include <vector>

#include "db/db.hpp"

namespace gyre::db {

struct Migration {
  int version = 0;        // 1, 2, ...: the order in which they are applied
  std::string_view name;  // the file's name without ".sql"
  std::string_view sql;   // may hold several statements
};

// The last step that a program must know to live with this one: what a line `-- readable from 0021` in it says, 0
// without one. A server of the release before knows less than the database and works on all the same, unless a step
// takes away what it uses (migrations/README.md).
int readable_from(const Migration& migration);

const std::vector<Migration>& built_in_migrations();  // sorted by version

// migrate() of db.hpp with another list, sorted by version.
int migrate(Connection& db, const std::vector<Migration>& migrations);

}  // namespace gyre::db
