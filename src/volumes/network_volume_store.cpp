#include "volumes/network_volume_store.hpp"

#define VOLUME_COLUMNS "id, workspace, name, size_gb, data_center, ready, created_at, version"

namespace gyre {

void NetworkVolumeStore::insert(const NetworkVolume& v) {
  db_.exec("INSERT INTO network_volumes (" VOLUME_COLUMNS ") VALUES ($1,$2,$3,$4,$5,$6,$7,$8)", v.id, v.workspace,
           v.name, v.size_gb, v.data_center, v.ready, v.created_at, v.version);
}

void NetworkVolumeStore::update(NetworkVolume& v) {
  const auto changed =
      db_.exec("UPDATE network_volumes SET name=$1, size_gb=$2, version=version+1 WHERE id=$3 AND version=$4", v.name,
               v.size_gb, v.id, v.version);
  if (changed != 1) throw db::DbError("stale write of network volume " + v.id.str());
  ++v.version;
}

void NetworkVolumeStore::remove(const NetworkVolume& v) {
  db_.exec("DELETE FROM network_volumes WHERE id=$1", v.id);
  db_.exec("INSERT INTO network_volume_removals (id, data_center) VALUES ($1,$2)", v.id, v.data_center);
}

std::optional<NetworkVolume> NetworkVolumeStore::find(const WorkspaceId& workspace, const NetworkVolumeId& id) const {
  return db_.one<NetworkVolume>("SELECT " VOLUME_COLUMNS " FROM network_volumes WHERE id=$1 AND workspace=$2", id,
                                workspace);
}

std::optional<NetworkVolume> NetworkVolumeStore::by_name(const WorkspaceId& workspace, const std::string& name) const {
  return db_.one<NetworkVolume>("SELECT " VOLUME_COLUMNS " FROM network_volumes WHERE workspace=$1 AND name=$2",
                                workspace, name);
}

std::vector<NetworkVolume> NetworkVolumeStore::list(const WorkspaceId& workspace) const {
  return db_.all<NetworkVolume>("SELECT " VOLUME_COLUMNS " FROM network_volumes WHERE workspace=$1 ORDER BY name",
                                workspace);
}

int NetworkVolumeStore::count(const WorkspaceId& workspace) const {
  return db_.value<int>("SELECT COUNT(*) FROM network_volumes WHERE workspace=$1", workspace);
}

std::vector<NetworkVolumeId> NetworkVolumeStore::to_make(const std::string& data_center, int limit) const {
  return db_.all<NetworkVolumeId>(
      "SELECT id FROM network_volumes WHERE ready=0 AND data_center=$1 ORDER BY id LIMIT $2", data_center, limit);
}

std::vector<NetworkVolumeId> NetworkVolumeStore::to_remove(const std::string& data_center, int limit) const {
  return db_.all<NetworkVolumeId>("SELECT id FROM network_volume_removals WHERE data_center=$1 ORDER BY id LIMIT $2",
                                  data_center, limit);
}

std::optional<NetworkVolumeStore::Ready> NetworkVolumeStore::next_ready(const NetworkVolumeId& after) const {
  constexpr auto of = "SELECT id, data_center FROM network_volumes WHERE ready=1 AND id>$1 ORDER BY id LIMIT 1";
  auto found = db_.one<Ready>(of, after);
  return found || after.empty() ? found : db_.one<Ready>(of, NetworkVolumeId());
}

void NetworkVolumeStore::look_again() { db_.exec("UPDATE network_volumes SET ready=0 WHERE ready=1"); }

void NetworkVolumeStore::made(const NetworkVolumeId& id) {
  db_.exec("UPDATE network_volumes SET ready=1 WHERE id=$1", id);
}

void NetworkVolumeStore::removed(const NetworkVolumeId& id) {
  db_.exec("DELETE FROM network_volume_removals WHERE id=$1", id);
}

}  // namespace gyre
