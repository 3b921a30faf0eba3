#include "fleet/host_store.hpp"

#define HOST_COLUMNS                                                                                                 \
  "id, workspace, name, state, online, fingerprint, previous_fingerprint, os, kernel, architecture, agent_version, " \
  "boot_id, "                                                                                                        \
  "public_address, "                                                                                                 \
  "cpus, memory_bytes, disk_bytes, driver_version, cuda_version, engine_name, engine_version, engine_reachable, "    \
  "engine_error, disk_free_bytes, created_at, last_seen_at, version, data_center"
#define CENTER_COLUMNS "id, name, location, country, created_at"
#define GPU_COLUMNS "host, uuid, position, type_id, bus, memory_bytes, simulated, present, pod"

namespace gyre {

void HostStore::changes() {
  ++revision_;
  db_.if_undone([this] { ++revision_; });
}

std::vector<DataCenter> HostStore::data_centers() const {
  std::vector<DataCenter> out{*data_center(local_data_center)};
  for (auto& other :
       db_.all<DataCenter>("SELECT " CENTER_COLUMNS " FROM data_centers WHERE id<>$1 ORDER BY id", local_data_center))
    out.push_back(std::move(other));
  return out;
}

std::optional<DataCenter> HostStore::data_center(const std::string& id) const {
  auto found = db_.one<DataCenter>("SELECT " CENTER_COLUMNS " FROM data_centers WHERE id=$1", id);
  if (!found && id == local_data_center) found = DataCenter{id, id, "", "", Time{}};
  return found;
}

void HostStore::save(const DataCenter& d) {
  changes();
  db_.exec("INSERT INTO data_centers (" CENTER_COLUMNS
           ") VALUES ($1,$2,$3,$4,$5) ON CONFLICT (id) DO UPDATE SET name=excluded.name, location=excluded.location, "
           "country=excluded.country",
           d.id, d.name, d.location, d.country, d.created_at);
}

void HostStore::insert(const Host& h) {
  changes();
  db_.exec("INSERT INTO hosts (" HOST_COLUMNS
           ") VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15,$16,$17,$18,$19,$20,$21,$22,$23,$24,$25,$26,"
           "$27)",
           h.id, h.workspace, h.name, h.state, h.online, h.fingerprint, h.previous_fingerprint, h.os, h.kernel,
           h.architecture, h.agent_version, h.boot_id, h.public_address, h.cpus, h.memory_bytes, h.disk_bytes,
           h.driver_version, h.cuda_version, h.engine_name, h.engine_version, h.engine_reachable, h.engine_error,
           h.disk_free_bytes, h.created_at, h.last_seen_at, h.version, h.data_center);
}

void HostStore::update(Host& h) {
  changes();
  const auto changed = db_.exec(
      "UPDATE hosts SET name=$1, state=$2, online=$3, fingerprint=$4, os=$5, kernel=$6, architecture=$7, "
      "agent_version=$8, "
      "boot_id=$9, public_address=$10, cpus=$11, memory_bytes=$12, disk_bytes=$13, driver_version=$14, "
      "cuda_version=$15, "
      "engine_name=$16, engine_version=$17, engine_reachable=$18, engine_error=$19, disk_free_bytes=$20, "
      "last_seen_at=$21, "
      "previous_fingerprint=$22, data_center=$23, version=version+1 WHERE id=$24 AND version=$25",
      h.name, h.state, h.online, h.fingerprint, h.os, h.kernel, h.architecture, h.agent_version, h.boot_id,
      h.public_address, h.cpus, h.memory_bytes, h.disk_bytes, h.driver_version, h.cuda_version, h.engine_name,
      h.engine_version, h.engine_reachable, h.engine_error, h.disk_free_bytes, h.last_seen_at, h.previous_fingerprint,
      h.data_center, h.id, h.version);
  if (changed != 1) throw db::DbError("stale write of host " + h.id.str());
  ++h.version;
}

// Without a new version: nobody decides anything by it.
void HostStore::seen(const HostId& host, Time at, std::int64_t disk_free) {
  db_.exec("UPDATE hosts SET last_seen_at=$1, disk_free_bytes=$2 WHERE id=$3", at, disk_free, host);
}

std::optional<Host> HostStore::find(const HostId& id) const {
  return db_.one<Host>("SELECT " HOST_COLUMNS " FROM hosts WHERE id=$1", id);
}

std::optional<Host> HostStore::by_fingerprint(const std::string& fingerprint) const {
  return db_.one<Host>("SELECT " HOST_COLUMNS " FROM hosts WHERE fingerprint=$1", fingerprint);
}

std::vector<Host> HostStore::list(bool with_retired, const std::string& after, int limit) const {
  return db_.all<Host>("SELECT " HOST_COLUMNS
                       " FROM hosts WHERE (state<>'retired' OR $1=1) AND id>$2 ORDER BY id LIMIT $3",
                       with_retired, after, limit);
}

std::vector<HostId> HostStore::online() const {
  return db_.all<HostId>("SELECT id FROM hosts WHERE online=1 ORDER BY id");
}

std::vector<HostGpu> HostStore::gpus(const HostId& host) const {
  return db_.all<HostGpu>("SELECT " GPU_COLUMNS " FROM host_gpus WHERE host=$1 ORDER BY position, uuid", host);
}

std::vector<HostGpu> HostStore::all_gpus() const {
  return db_.all<HostGpu>("SELECT " GPU_COLUMNS " FROM host_gpus ORDER BY host, position, uuid");
}

void HostStore::save_gpu(const HostGpu& g) {
  changes();
  db_.exec("INSERT INTO host_gpus (" GPU_COLUMNS
           ") VALUES ($1,$2,$3,$4,$5,$6,$7,1,NULL) ON CONFLICT (host, uuid) DO UPDATE SET position=excluded.position, "
           "type_id=excluded.type_id, bus=excluded.bus, memory_bytes=excluded.memory_bytes, "
           "simulated=excluded.simulated, present=1",
           g.host, g.uuid, g.position, g.type_id, g.bus, g.memory_bytes, g.simulated);
}

// One that nobody holds is forgotten; one that a pod holds stays as absent, so that it is not given out and is shown.
void HostStore::gpu_absent(const HostId& host, const std::string& uuid) {
  changes();
  db_.exec("DELETE FROM host_gpus WHERE host=$1 AND uuid=$2 AND pod IS NULL", host, uuid);
  db_.exec("UPDATE host_gpus SET present=0 WHERE host=$1 AND uuid=$2", host, uuid);
}

bool HostStore::hold_gpus(const HostId& host, const std::vector<std::string>& uuids, const PodId& pod) {
  changes();
  std::int64_t held = 0;
  for (const auto& uuid : uuids)
    held += db_.exec("UPDATE host_gpus SET pod=$1 WHERE host=$2 AND uuid=$3 AND pod IS NULL AND present=1", pod, host,
                     uuid);
  if (held == static_cast<std::int64_t>(uuids.size())) return true;
  release_gpus(pod);
  return false;
}

void HostStore::take_gpus(const HostId& host, const std::vector<std::string>& uuids, const PodId& pod) {
  changes();
  for (const auto& uuid : uuids) db_.exec("UPDATE host_gpus SET pod=$1 WHERE host=$2 AND uuid=$3", pod, host, uuid);
}

bool HostStore::use_restored_host(const HostId& host, Time now) {
  return db_.exec("DELETE FROM restored_hosts WHERE host=$1 AND until_at>$2", host, now) == 1;
}

void HostStore::release_gpus(const PodId& pod) {
  changes();
  db_.exec("UPDATE host_gpus SET pod=NULL WHERE pod=$1", pod);
}

std::vector<std::string> HostStore::gpus_of(const PodId& pod) const {
  return db_.all<std::string>("SELECT uuid FROM host_gpus WHERE pod=$1 ORDER BY position, uuid", pod);
}

void HostStore::allocate(const Allocation& a) {
  changes();
  db_.exec(
      "INSERT INTO allocations (pod, host, vcpus, memory_bytes, disk_bytes) VALUES ($1,$2,$3,$4,$5) ON CONFLICT (pod) "
      "DO UPDATE SET host=excluded.host, vcpus=excluded.vcpus, memory_bytes=excluded.memory_bytes, "
      "disk_bytes=excluded.disk_bytes",
      a.pod, a.host, a.vcpus, a.memory_bytes, a.disk_bytes);
}

void HostStore::release_shares(const PodId& pod) {
  changes();
  db_.exec("UPDATE allocations SET vcpus=0, memory_bytes=0 WHERE pod=$1", pod);
  release_gpus(pod);
}

void HostStore::release(const PodId& pod) {
  changes();
  db_.exec("DELETE FROM allocations WHERE pod=$1", pod);
  release_gpus(pod);
}

std::vector<Allocation> HostStore::allocations() const {
  return db_.all<Allocation>("SELECT pod, host, vcpus, memory_bytes, disk_bytes FROM allocations");
}

std::optional<Allocation> HostStore::allocation(const PodId& pod) const {
  return db_.one<Allocation>("SELECT pod, host, vcpus, memory_bytes, disk_bytes FROM allocations WHERE pod=$1", pod);
}

int HostStore::pods_on(const HostId& host) const {
  return db_.value<int>("SELECT COUNT(*) FROM allocations WHERE host=$1", host);
}

void HostStore::insert(const JoinToken& t) {
  db_.exec(
      "INSERT INTO join_tokens (digest, workspace, name, created_by, created_at, expires_at, used_at, host, "
      "data_center) "
      "VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9)",
      t.digest, t.workspace, t.name, t.created_by, t.created_at, t.expires_at, t.used_at, t.host, t.data_center);
}

std::optional<JoinToken> HostStore::token(const std::string& digest) const {
  return db_.one<JoinToken>(
      "SELECT digest, workspace, name, created_by, created_at, expires_at, used_at, host, data_center FROM join_tokens "
      "WHERE "
      "digest=$1",
      digest);
}

bool HostStore::use_token(const std::string& digest, const HostId& host, Time at) {
  return db_.exec("UPDATE join_tokens SET used_at=$1, host=$2 WHERE digest=$3 AND used_at IS NULL", at, host, digest) ==
         1;
}

void HostStore::delete_old_tokens(Time before) { db_.exec("DELETE FROM join_tokens WHERE expires_at<$1", before); }

}  // namespace gyre
