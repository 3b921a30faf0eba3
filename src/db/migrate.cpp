#include <chrono>
#include <tl/expected.hpp>

#include "base/log.hpp"
#include "base/secrets.hpp"
#include "db/migrations.hpp"

namespace gyre::db {
namespace {

struct Applied {
  int version = 0;
  std::string name, digest;
};
BOOST_DESCRIBE_STRUCT(Applied, (), (version, name, digest))

// Throws unless what the database has seen is a beginning of what we know: none changed, none left out, and no step of
// its own but those of a newer version, when they are of the kind that we can live with.
void require_same_history(const std::vector<Applied>& applied, const std::vector<Migration>& known,
                          const std::optional<int>& needed) {
  for (std::size_t i = 0; i < applied.size(); ++i) {
    const auto& step = applied[i];
    if (known.empty() || step.version > known.back().version) {
      if (!known.empty() && i >= known.size() && needed.value_or(0) <= known.back().version) return;
      throw DbError("the database was written by a newer version of Gyre: it has " + step.name +
                    ", this one knows up to " + (known.empty() ? "nothing" : std::string(known.back().name)) +
                    "; install that version again, or restore a backup from before the upgrade");
    }
    if (i >= known.size() || known[i].version != step.version)
      throw DbError("the database and this version of Gyre disagree about migration " + step.name +
                    ": one of them has a step before it that the other does not have");
    if (sha256_hex(known[i].sql) != step.digest)
      throw DbError("migration " + step.name + " was applied with another text than this version of Gyre has");
  }
}

// Two servers that start together on one PostgreSQL take turns. Held by the session and not by a transaction: a
// transaction that waits for a lock has taken its snapshot before, and would not see what the other one did. SQLite's
// BEGIN IMMEDIATE is such a lock by itself.
class MigrationLock {
 public:
  explicit MigrationLock(Connection& db) : db_(db) {
    if (db.is_postgres()) db.run("SELECT 1 FROM pg_advisory_lock(7142690001)", {});
  }
  ~MigrationLock() {
    if (db_.is_postgres()) try {
        db_.run("SELECT 1 FROM pg_advisory_unlock(7142690001)", {});
      } catch (const DbError&) {  // the connection is gone, and the lock with it
      }
  }
  MigrationLock(const MigrationLock&) = delete;
  MigrationLock& operator=(const MigrationLock&) = delete;

 private:
  Connection& db_;
};

}  // namespace

int readable_from(const Migration& migration) {
  constexpr std::string_view mark = "-- readable from ";
  const auto at = migration.sql.find(mark);
  return at == std::string_view::npos ? 0 : std::atoi(migration.sql.data() + at + mark.size());
}

int migrate(Connection& db, const std::vector<Migration>& migrations) {
  const MigrationLock only_one(db);
  // Each step is a transaction of its own that first looks again at what is there.
  for (bool finished = false; !finished;) {
    transact(db, [&]() -> tl::expected<int, int> {
      db.script(
          "CREATE TABLE IF NOT EXISTS schema_migrations (version BIGINT PRIMARY KEY, name TEXT NOT NULL, "
          "digest TEXT NOT NULL, applied_at BIGINT NOT NULL);"
          "CREATE TABLE IF NOT EXISTS schema_readers (version BIGINT PRIMARY KEY, readable_from BIGINT NOT NULL)");
      const auto applied = db.all<Applied>("SELECT version, name, digest FROM schema_migrations ORDER BY version");
      const auto needed = db.value<std::optional<int>>("SELECT MAX(readable_from) FROM schema_readers");
      require_same_history(applied, migrations, needed);
      finished = applied.size() >= migrations.size();
      if (applied.size() > migrations.size())
        log::warn("the database is a newer version's; this one works with it",
                  {{"has", applied.back().name}, {"knows", std::string(migrations.back().name)}});
      if (finished) return 0;
      const auto& next = migrations[applied.size()];
      try {
        db.script(next.sql);
      } catch (const DbError& problem) {
        throw DbError("migration " + std::string(next.name) + " failed: " + problem.what());
      }
      // The wall clock without a Runtime: a note for people, nothing decides by it.
      const auto now = std::chrono::floor<Duration>(std::chrono::system_clock::now());
      db.exec("INSERT INTO schema_migrations (version, name, digest, applied_at) VALUES ($1, $2, $3, $4)", next.version,
              next.name, sha256_hex(next.sql), Time(now));
      if (const int from = readable_from(next); from > 0)
        db.exec("INSERT INTO schema_readers (version, readable_from) VALUES ($1, $2)", next.version, from);
      log::info("migration applied", {{"name", std::string(next.name)}});
      return 0;
    });
  }
  return migrations.empty() ? 0 : migrations.back().version;
}

int migrate(Connection& db) { return migrate(db, built_in_migrations()); }

}  // namespace gyre::db
