#include "leadership/leadership_store.hpp"

#include "base/log.hpp"

namespace gyre {
namespace {

constexpr const char* postgres_now = "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)";

struct Row {
  Epoch epoch = 0;
  std::string holder, url;
  Duration left{};
};
BOOST_DESCRIBE_STRUCT(Row, (), (epoch, holder, url, left))

}  // namespace

Lease LeadershipStore::look() {
  auto row = db_.one<Row>(std::string("SELECT epoch, holder, url, until - ") + postgres_now +
                          " AS left FROM leadership WHERE id = 1");
  if (!row) throw db::DbError("the table leadership has lost its row");
  return {row->epoch, std::move(row->holder), std::move(row->url), row->left};
}

std::optional<Epoch> LeadershipStore::take(const Lease& seen, const std::string& holder, const std::string& url,
                                           Duration length, Duration patience) {
  if (!lock(patience)) {
    end_the_leaders_session();
    if (!lock(2s)) return std::nullopt;  // looked at again soon
  }
  try {
    const auto now = look();
    const bool ours = now.epoch == seen.epoch && now.free();
    if (ours)
      db_.exec(std::string("UPDATE leadership SET epoch = $1, holder = $2, url = $3, until = $4 + ") + postgres_now +
                   " WHERE id = 1",
               seen.epoch + 1, holder, url, length);
    db_.commit();
    return ours ? std::optional(seen.epoch + 1) : std::nullopt;
  } catch (...) {
    db_.rollback();
    throw;
  }
}

// Opens a transaction that holds the lock that every fenced transaction's lock conflicts with; false when it could not
// be had. Before the transaction's snapshot: what is read afterwards is what holds.
bool LeadershipStore::lock(Duration patience) {
  db_.begin();
  try {
    db_.script("SET LOCAL lock_timeout = '" + std::to_string(patience.count()) +
               "ms'; LOCK TABLE leadership IN EXCLUSIVE MODE");
    return true;
  } catch (const db::DbError& problem) {
    db_.rollback();
    if (std::string_view(problem.what()).find("[55P03]") != std::string_view::npos) return false;
    throw;
  }
}

// Only a leader's transactions hold this lock in this mode; those that stand by read without a transaction.
void LeadershipStore::end_the_leaders_session() {
  const auto ended = db_.run(
      "SELECT pg_terminate_backend(l.pid) FROM pg_locks l WHERE l.locktype = 'relation' AND l.granted "
      "AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) "
      "AND l.relation = CAST('leadership' AS regclass) AND l.mode = 'RowShareLock' AND l.pid <> pg_backend_pid()",
      {});
  log::warn("the last leader held its transaction open; its database session was ended",
            {{"sessions", std::to_string(ended.rows.size())}});
}

bool LeadershipStore::renew(Epoch epoch, Duration length) {
  return db_.exec(std::string("UPDATE leadership SET until = $1 + ") + postgres_now + " WHERE id = 1 AND epoch = $2",
                  length, epoch) == 1;
}

bool LeadershipStore::give_back(Epoch epoch) {
  return db_.exec("UPDATE leadership SET until = 0 WHERE id = 1 AND epoch = $1", epoch) == 1;
}

db::Connection::Fence LeadershipStore::fence(Epoch epoch) {
  return {.lock = "LOCK TABLE leadership IN ROW SHARE MODE",
          .check = "SELECT epoch = " + std::to_string(epoch) + " FROM leadership WHERE id = 1"};
}

std::string LeadershipStore::shared_file(const std::string& name, const std::string& digest) {
  db_.exec("INSERT INTO shared_files (name, digest) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING", name, digest);
  return db_.value<std::string>("SELECT digest FROM shared_files WHERE name = $1", name);
}

}  // namespace gyre
