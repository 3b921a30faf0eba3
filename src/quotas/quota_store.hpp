// Every line of SQL about machine types, quota requests and grants.
#pragma once

#include <vector>

#include "db/db.hpp"
#include "quotas/quota.hpp"

namespace gyre {

class QuotaStore {
 public:
  explicit QuotaStore(db::Connection& db) : db_(db) {}

  void insert(const MachineType& type);
  void update(MachineType& type);                                  // throws on a stale version
  std::optional<MachineType> find(const MachineTypeId& id) const;  // retired ones too
  std::optional<MachineType> by_name(const std::string& name) const;
  std::vector<MachineType> machine_types() const;  // by name

  void insert(const QuotaRequest& request);
  void update(QuotaRequest& request);  // throws on a stale version
  std::optional<QuotaRequest> find(const QuotaRequestId& id) const;
  // Newest first, those before (`before`, `before_id`); of one workspace, or of all with none.
  std::vector<QuotaRequest> requests(const std::optional<WorkspaceId>& workspace, Time before,
                                     const std::string& before_id, std::int64_t limit) const;
  int pending(const WorkspaceId& workspace) const;

  void insert(const QuotaGrant& grant);
  std::optional<QuotaGrant> find(const QuotaGrantId& id) const;
  std::vector<QuotaGrant> grants(const WorkspaceId& workspace) const;                    // not over, oldest first
  int granted(const WorkspaceId& workspace, const MachineTypeId& type, Time now) const;  // the sum that counts now
  std::vector<QuotaGrant> ended(Time now, int limit) const;  // over by the clock, not yet told
  void end(const QuotaGrantId& id);
  int open(const MachineTypeId& type) const;  // grants that are not over and requests that wait

 private:
  db::Connection& db_;
};

}  // namespace gyre
