// Every line of SQL about cloud syncs.
#pragma once

#include <optional>
#include <vector>

#include "cloud_syncs/cloud_sync.hpp"
#include "db/db.hpp"

namespace gyre {

CloudSyncWish wish_of(const CloudSync& sync);  // of the database; throws DbError when it is not one

class CloudSyncStore {
 public:
  explicit CloudSyncStore(db::Connection& db) : db_(db) {}

  void insert(const CloudSync& sync);
  void update(CloudSync& sync);  // throws on a stale version
  void remove(const CloudSyncId& id);
  std::optional<CloudSync> find(const CloudSyncId& id) const;
  std::vector<CloudSync> list(const WorkspaceId& workspace) const;  // but for hidden ones
  std::vector<CloudSync> of_pod(const PodId& pod) const;
  std::vector<CloudSync> on_hosts() const;  // whose host may have something of them
  std::vector<CloudSync> on_host(const HostId& host) const;
  int count(const WorkspaceId& workspace) const;  // but for hidden ones
  // Those that ended before, of which no host has anything; at most `limit`. Returns how many.
  std::int64_t remove_ended_before(Time before, int limit);

 private:
  db::Connection& db_;
};

}  // namespace gyre
