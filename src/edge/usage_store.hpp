// Proxied bytes by pod and hour: every line of SQL about them. Durable within seconds; what a crash loses is at most
// what went through since the last write.
#pragma once

#include "db/db.hpp"
#include "edge/routes.hpp"

namespace gyre::edge {

struct HourOfUse {
  PodId pod;
  WorkspaceId workspace;
  Time hour{};  // its beginning
  std::int64_t bytes_in = 0, bytes_out = 0, requests = 0;
};
BOOST_DESCRIBE_STRUCT(HourOfUse, (), (pod, workspace, hour, bytes_in, bytes_out, requests))

class UsageStore {
 public:
  explicit UsageStore(db::Connection& db) : db_(db) {}
  void add(const UseDelta& delta, Time now);
  std::vector<HourOfUse> of_pod(const WorkspaceId& workspace, const PodId& pod) const;  // oldest first
  // At most `limit` rows of hours before this one; how many it were.
  std::int64_t remove_before(Time time, int limit);

 private:
  db::Connection& db_;
};

}  // namespace gyre::edge
