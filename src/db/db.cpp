#include "db/db.hpp"

namespace gyre::db {

void Connection::begin() {
  if (depth_ == 0)
    script(is_postgres() ? "BEGIN ISOLATION LEVEL SERIALIZABLE" : "BEGIN IMMEDIATE");
  else
    script("SAVEPOINT level_" + std::to_string(depth_));
  ++depth_;
}

void Connection::commit() {
  if (depth_ == 1)
    script("COMMIT");
  else
    script("RELEASE SAVEPOINT level_" + std::to_string(depth_ - 1));
  --depth_;
}

// Counts down even when the database does not answer: the transaction is gone either way.
void Connection::rollback() {
  const int level = --depth_;
  if (level == 0)
    script("ROLLBACK");
  else
    script("ROLLBACK TO SAVEPOINT level_" + std::to_string(level) + "; RELEASE SAVEPOINT level_" + std::to_string(level));
}

}  // namespace gyre::db
