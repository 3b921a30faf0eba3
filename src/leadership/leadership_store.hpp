// Every line of SQL about who leads. PostgreSQL alone, but for `fence`: SQLite has one server.
#pragma once

#include "db/db.hpp"
#include "leadership/lease.hpp"

namespace gyre {

class LeadershipStore {
 public:
  explicit LeadershipStore(db::Connection& db) : db_(db) {}

  Lease look();

  // The lease for `holder`, one epoch later, if it is still as it was seen and free. Waits for the transaction that the
  // last leader may have open, and after `patience` ends its session: a stopped process must not hold the others up.
  // The new epoch, or nothing when somebody else was quicker.
  std::optional<Epoch> take(const Lease& seen, const std::string& holder, const std::string& url, Duration length,
                            Duration patience = 300ms);

  // False: the row carries another epoch. In a transaction of the core.
  bool renew(Epoch epoch, Duration length);
  // Free at once; nothing when it is somebody else's by now. False then.
  bool give_back(Epoch epoch);

  // What lets a connection's transactions begin only in this epoch.
  static db::Connection::Fence fence(Epoch epoch);

  // The digest that the first server of this database has named for a shared file; `digest` when this is the first.
  std::string shared_file(const std::string& name, const std::string& digest);

 private:
  bool lock(Duration patience);
  void end_the_leaders_session();

  db::Connection& db_;
};

}  // namespace gyre
