#include "pods/pod_store.hpp"

#define POD_COLUMNS                                                                                                 \
  "id, workspace, account, name, state, reason, reason_args, reason_until, generation, run, host, zero_gpu, wish, " \
  "seen, "                                                                                                          \
  "host_name, key_sealed, queue_order, created_at, state_changed_at, started_at, version, machine_type, bid, "      \
  "stop_at, terminate_at"
#define QUOTA_STATES "'queued','provisioning','running','interrupting','host_lost','stopping','deleting'"

namespace gyre {
namespace {

const char* kind_text(PodStore::Uses kind) {
  switch (kind) {
    case PodStore::Uses::template_id:
      return "template";
    case PodStore::Uses::registry_auth_id:
      return "registry_auth";
    case PodStore::Uses::network_volume:
      break;
  }
  return "network_volume";
}

}  // namespace

void PodStore::insert(const Pod& p) {
  db_.exec("INSERT INTO pods (" POD_COLUMNS
           ") VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15,$16,$17,$18,$19,$20,$21,$22,$23,$24,$25)",
           p.id, p.workspace, p.account, p.name, p.state, p.reason, p.reason_args, p.reason_until, p.generation, p.run,
           p.host, p.zero_gpu, p.wish, p.seen, p.host_name, p.key_sealed, p.queue_order, p.created_at,
           p.state_changed_at, p.started_at, p.version, p.machine_type, p.bid, p.stop_at, p.terminate_at);
}

void PodStore::update(Pod& p) {
  const auto changed = db_.exec(
      "UPDATE pods SET name=$1, state=$2, reason=$3, reason_args=$4, reason_until=$5, generation=$6, run=$7, host=$8, "
      "zero_gpu=$9, wish=$10, "
      "seen=$11, queue_order=$12, state_changed_at=$13, started_at=$14, bid=$15, stop_at=$16, terminate_at=$17, "
      "version=version+1 "
      "WHERE id=$18 AND version=$19",
      p.name, p.state, p.reason, p.reason_args, p.reason_until, p.generation, p.run, p.host, p.zero_gpu, p.wish, p.seen,
      p.queue_order, p.state_changed_at, p.started_at, p.bid, p.stop_at, p.terminate_at, p.id, p.version);
  if (changed != 1) throw db::DbError("stale write of pod " + p.id.str());
  ++p.version;
}

std::optional<Pod> PodStore::find(const PodId& id) const {
  return db_.one<Pod>("SELECT " POD_COLUMNS " FROM pods WHERE id=$1", id);
}

std::vector<Pod> PodStore::list(const WorkspaceId& workspace, Time before, const std::string& before_id,
                                int limit) const {
  return db_.all<Pod>("SELECT " POD_COLUMNS
                      " FROM pods WHERE workspace=$1 AND state NOT IN ('deleting','deleted') AND (created_at<$2 OR "
                      "(created_at=$2 AND id<$3)) "
                      "ORDER BY created_at DESC, id DESC LIMIT $4",
                      workspace, before, before_id, limit);
}

std::vector<Pod> PodStore::on_host(const HostId& host) const {
  return db_.all<Pod>("SELECT " POD_COLUMNS " FROM pods WHERE host=$1 AND state<>'deleted' ORDER BY id", host);
}

std::vector<Pod> PodStore::in_state(PodState state) const {
  return db_.all<Pod>("SELECT " POD_COLUMNS " FROM pods WHERE state=$1 ORDER BY id", state);
}

std::vector<Pod> PodStore::queue() const {
  return db_.all<Pod>("SELECT " POD_COLUMNS " FROM pods WHERE state='queued' ORDER BY queue_order, id");
}

std::vector<Pod> PodStore::spot_in(PodState state) const {
  return db_.all<Pod>("SELECT " POD_COLUMNS " FROM pods WHERE bid IS NOT NULL AND state=$1 ORDER BY id", state);
}

std::vector<Pod> PodStore::due(Time now, int limit) const {
  return db_.all<Pod>("SELECT " POD_COLUMNS " FROM pods WHERE stop_at<=$1 OR terminate_at<=$1 ORDER BY id LIMIT $2",
                      now, limit);
}

std::optional<Time> PodStore::next_due() const {
  std::optional<Time> out;
  for (const char* column : {"stop_at", "terminate_at"}) {
    const std::string at(column);
    const auto first =
        db_.one<Time>("SELECT " + at + " FROM pods WHERE " + at + " IS NOT NULL ORDER BY " + at + " LIMIT 1");
    if (first && (!out || *first < *out)) out = first;
  }
  return out;
}

int PodStore::count(const WorkspaceId& workspace) const {
  return db_.value<int>("SELECT COUNT(*) FROM pods WHERE workspace=$1 AND state<>'deleted'", workspace);
}

// The states are those of uses_quota; a test compares.
int PodStore::machine_type_uses(const WorkspaceId& workspace, const MachineTypeId& type) const {
  return db_.value<int>("SELECT COUNT(*) FROM pods WHERE machine_type=$1 AND workspace=$2 AND state IN (" QUOTA_STATES
                        ")",
                        type, workspace);
}

int PodStore::machine_type_uses(const MachineTypeId& type) const {
  return db_.value<int>("SELECT COUNT(*) FROM pods WHERE machine_type=$1 AND state IN (" QUOTA_STATES ")", type);
}

int PodStore::count_in(PodState state) const {
  return db_.value<int>("SELECT COUNT(*) FROM pods WHERE state=$1", state);
}

std::optional<PodStore::Restore> PodStore::newest_restore() const {
  return db_.one<Restore>("SELECT restored_at, settled_at FROM restores ORDER BY restored_at DESC LIMIT 1");
}

void PodStore::restore_settled(Time at) { db_.exec("UPDATE restores SET settled_at=$1 WHERE settled_at IS NULL", at); }

void PodStore::mark_restored(Time restored_at, Time backup_made_at, Time certificates_until) {
  db_.exec("INSERT INTO restores (restored_at, backup_made_at, settled_at) VALUES ($1, $2, NULL)", restored_at,
           backup_made_at);
  db_.exec("DELETE FROM restored_hosts");
  db_.exec("INSERT INTO restored_hosts (host, until_at) SELECT id, $1 FROM hosts WHERE state <> 'retired'",
           certificates_until);
}

void PodStore::set_uses(const PodId& pod, const std::map<Uses, std::string>& things) {
  db_.exec("DELETE FROM pod_uses WHERE pod=$1", pod);
  for (const auto& [kind, thing] : things)
    if (!thing.empty())
      db_.exec("INSERT INTO pod_uses (pod, kind, thing) VALUES ($1,$2,$3)", pod, kind_text(kind), thing);
}

std::optional<PodId> PodStore::user_of(Uses kind, const WorkspaceId& workspace, const std::string& thing) const {
  return db_.one<PodId>(
      "SELECT u.pod FROM pod_uses u JOIN pods p ON p.id=u.pod WHERE u.kind=$1 AND u.thing=$2 AND p.workspace=$3 ORDER "
      "BY "
      "u.pod LIMIT 1",
      kind_text(kind), thing, workspace);
}

}  // namespace gyre
