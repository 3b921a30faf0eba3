#include "cloud_syncs/cloud_sync_store.hpp"

#include "json/codec.hpp"

#define CLOUD_SYNC_COLUMNS                                                                                \
  "id, workspace, account, pod, host, state, reason, reason_args, wish, credentials_sealed, generation, " \
  "on_host, removing, hidden, exit_code, created_at, started_at, ended_at, version"

namespace gyre {

CloudSyncWish wish_of(const CloudSync& sync) {
  auto wish = json::decode<CloudSyncWish>(sync.wish, json::UnknownKeys::ignore);
  if (!wish) throw db::DbError("unreadable wish of cloud sync " + sync.id.str());
  return std::move(*wish);
}

void CloudSyncStore::insert(const CloudSync& s) {
  db_.exec("INSERT INTO cloud_syncs (" CLOUD_SYNC_COLUMNS
           ") VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15,$16,$17,$18,$19)",
           s.id, s.workspace, s.account, s.pod, s.host, s.state, s.reason, s.reason_args, s.wish, s.credentials_sealed,
           s.generation, s.on_host, s.removing, s.hidden, s.exit_code, s.created_at, s.started_at, s.ended_at,
           s.version);
}

void CloudSyncStore::update(CloudSync& s) {
  const auto changed = db_.exec(
      "UPDATE cloud_syncs SET state=$1, reason=$2, reason_args=$3, credentials_sealed=$4, generation=$5, on_host=$6, "
      "removing=$7, hidden=$8, exit_code=$9, started_at=$10, ended_at=$11, version=version+1 WHERE id=$12 AND "
      "version=$13",
      s.state, s.reason, s.reason_args, s.credentials_sealed, s.generation, s.on_host, s.removing, s.hidden,
      s.exit_code, s.started_at, s.ended_at, s.id, s.version);
  if (changed != 1) throw db::DbError("stale write of cloud sync " + s.id.str());
  ++s.version;
}

void CloudSyncStore::remove(const CloudSyncId& id) { db_.exec("DELETE FROM cloud_syncs WHERE id=$1", id); }

std::optional<CloudSync> CloudSyncStore::find(const CloudSyncId& id) const {
  return db_.one<CloudSync>("SELECT " CLOUD_SYNC_COLUMNS " FROM cloud_syncs WHERE id=$1", id);
}

std::vector<CloudSync> CloudSyncStore::list(const WorkspaceId& workspace) const {
  return db_.all<CloudSync>("SELECT " CLOUD_SYNC_COLUMNS " FROM cloud_syncs WHERE workspace=$1 AND hidden=0",
                            workspace);
}

std::vector<CloudSync> CloudSyncStore::of_pod(const PodId& pod) const {
  return db_.all<CloudSync>("SELECT " CLOUD_SYNC_COLUMNS " FROM cloud_syncs WHERE pod=$1 ORDER BY created_at", pod);
}

std::vector<CloudSync> CloudSyncStore::on_hosts() const {
  return db_.all<CloudSync>("SELECT " CLOUD_SYNC_COLUMNS " FROM cloud_syncs WHERE on_host=1");
}

std::vector<CloudSync> CloudSyncStore::on_host(const HostId& host) const {
  return db_.all<CloudSync>("SELECT " CLOUD_SYNC_COLUMNS " FROM cloud_syncs WHERE on_host=1 AND host=$1", host);
}

int CloudSyncStore::count(const WorkspaceId& workspace) const {
  return db_.value<int>("SELECT COUNT(*) FROM cloud_syncs WHERE workspace=$1 AND hidden=0", workspace);
}

std::int64_t CloudSyncStore::remove_ended_before(Time before, int limit) {
  return db_.exec(
      "DELETE FROM cloud_syncs WHERE id IN (SELECT id FROM cloud_syncs WHERE on_host=0 AND ended_at < $1 LIMIT $2)",
      before, limit);
}

}  // namespace gyre
