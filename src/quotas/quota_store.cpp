#include "quotas/quota_store.hpp"

#define TYPE_COLUMNS \
  "id, workspace, name, description, gpu_type, gpu_count, vcpus, memory_gb, created_at, retired_at, version"
#define REQUEST_COLUMNS                                                                                              \
  "id, workspace, account, machine_type, amount, starts_at, ends_at, why, state, decided_by, decided_at, decision, " \
  "created_at, version"
#define GRANT_COLUMNS "id, workspace, machine_type, amount, starts_at, ends_at, request, granted_by, over, created_at"

namespace gyre {

void QuotaStore::insert(const MachineType& t) {
  db_.exec("INSERT INTO machine_types (" TYPE_COLUMNS ") VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11)", t.id,
           t.workspace, t.name, t.description, t.gpu_type, t.gpu_count, t.vcpus, t.memory_gb, t.created_at,
           t.retired_at, t.version);
}

void QuotaStore::update(MachineType& t) {
  const auto changed = db_.exec(
      "UPDATE machine_types SET name=$1, description=$2, gpu_type=$3, gpu_count=$4, vcpus=$5, memory_gb=$6, "
      "retired_at=$7, version=version+1 WHERE id=$8 AND version=$9",
      t.name, t.description, t.gpu_type, t.gpu_count, t.vcpus, t.memory_gb, t.retired_at, t.id, t.version);
  if (changed != 1) throw db::DbError("stale write of machine type " + t.id.str());
  ++t.version;
}

std::optional<MachineType> QuotaStore::find(const MachineTypeId& id) const {
  return db_.one<MachineType>("SELECT " TYPE_COLUMNS " FROM machine_types WHERE id=$1", id);
}

std::optional<MachineType> QuotaStore::by_name(const std::string& name) const {
  return db_.one<MachineType>("SELECT " TYPE_COLUMNS " FROM machine_types WHERE name=$1 AND retired_at IS NULL", name);
}

std::vector<MachineType> QuotaStore::machine_types() const {
  return db_.all<MachineType>("SELECT " TYPE_COLUMNS " FROM machine_types WHERE retired_at IS NULL ORDER BY name");
}

void QuotaStore::insert(const QuotaRequest& r) {
  db_.exec("INSERT INTO quota_requests (" REQUEST_COLUMNS ") VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14)",
           r.id, r.workspace, r.account, r.machine_type, r.amount, r.starts_at, r.ends_at, r.why, r.state, r.decided_by,
           r.decided_at, r.decision, r.created_at, r.version);
}

void QuotaStore::update(QuotaRequest& r) {
  const auto changed = db_.exec(
      "UPDATE quota_requests SET state=$1, decided_by=$2, decided_at=$3, decision=$4, version=version+1 WHERE id=$5 "
      "AND version=$6",
      r.state, r.decided_by, r.decided_at, r.decision, r.id, r.version);
  if (changed != 1) throw db::DbError("stale write of quota request " + r.id.str());
  ++r.version;
}

std::optional<QuotaRequest> QuotaStore::find(const QuotaRequestId& id) const {
  return db_.one<QuotaRequest>("SELECT " REQUEST_COLUMNS " FROM quota_requests WHERE id=$1", id);
}

std::vector<QuotaRequest> QuotaStore::requests(const std::optional<WorkspaceId>& workspace, Time before,
                                               const std::string& before_id, std::int64_t limit) const {
  if (!workspace)
    return db_.all<QuotaRequest>("SELECT " REQUEST_COLUMNS
                                 " FROM quota_requests WHERE created_at<$1 OR (created_at=$1 AND id<$2) ORDER BY "
                                 "created_at DESC, id DESC LIMIT $3",
                                 before, before_id, limit);
  return db_.all<QuotaRequest>("SELECT " REQUEST_COLUMNS
                               " FROM quota_requests WHERE workspace=$1 AND (created_at<$2 OR (created_at=$2 AND "
                               "id<$3)) ORDER BY created_at DESC, id DESC LIMIT $4",
                               *workspace, before, before_id, limit);
}

int QuotaStore::pending(const WorkspaceId& workspace) const {
  return db_.value<int>("SELECT COUNT(*) FROM quota_requests WHERE workspace=$1 AND state='PENDING'", workspace);
}

void QuotaStore::insert(const QuotaGrant& g) {
  db_.exec("INSERT INTO quota_grants (" GRANT_COLUMNS ") VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10)", g.id, g.workspace,
           g.machine_type, g.amount, g.starts_at, g.ends_at, g.request, g.granted_by, g.over, g.created_at);
}

std::optional<QuotaGrant> QuotaStore::find(const QuotaGrantId& id) const {
  return db_.one<QuotaGrant>("SELECT " GRANT_COLUMNS " FROM quota_grants WHERE id=$1", id);
}

std::vector<QuotaGrant> QuotaStore::grants(const WorkspaceId& workspace) const {
  return db_.all<QuotaGrant>(
      "SELECT " GRANT_COLUMNS " FROM quota_grants WHERE workspace=$1 AND over=0 ORDER BY created_at, id", workspace);
}

int QuotaStore::granted(const WorkspaceId& workspace, const MachineTypeId& type, Time now) const {
  return db_.value<int>(
      "SELECT COALESCE(SUM(amount), 0) FROM quota_grants WHERE workspace=$1 AND over=0 AND machine_type=$2 AND "
      "starts_at<=$3 AND ends_at>$3",
      workspace, type, now);
}

std::vector<QuotaGrant> QuotaStore::ended(Time now, int limit) const {
  return db_.all<QuotaGrant>("SELECT " GRANT_COLUMNS
                             " FROM quota_grants WHERE over=0 AND ends_at<=$1 ORDER BY ends_at, id LIMIT $2",
                             now, limit);
}

void QuotaStore::end(const QuotaGrantId& id) { db_.exec("UPDATE quota_grants SET over=1 WHERE id=$1", id); }

int QuotaStore::open(const MachineTypeId& type) const {
  return db_.value<int>("SELECT COUNT(*) FROM quota_grants WHERE machine_type=$1 AND over=0", type) +
         db_.value<int>("SELECT COUNT(*) FROM quota_requests WHERE machine_type=$1 AND state='PENDING'", type);
}

}  // namespace gyre
