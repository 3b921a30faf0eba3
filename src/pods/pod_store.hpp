// Every line of SQL about pods.
#pragma once

#include <map>

#include "db/money.hpp"
#include "pods/pod.hpp"

namespace gyre {

class PodStore {
 public:
  explicit PodStore(db::Connection& db) : db_(db) {}

  void insert(const Pod& pod);
  void update(Pod& pod);                           // throws on a stale version
  std::optional<Pod> find(const PodId& id) const;  // deleted ones too
  std::vector<Pod> list(const WorkspaceId& workspace, Time before, const std::string& before_id,
                        int limit) const;              // newest first
  std::vector<Pod> on_host(const HostId& host) const;  // all but those deleted
  std::vector<Pod> in_state(PodState state) const;
  std::vector<Pod> queue() const;                   // oldest first
  std::vector<Pod> spot_in(PodState state) const;   // those with a bid
  std::vector<Pod> due(Time now, int limit) const;  // whose own time to stop or to be deleted has come
  std::optional<Time> next_due() const;             // the first such time there is
  int count(const WorkspaceId& workspace) const;    // all but those deleted
  // Pods of this machine type that use quota, in one workspace or anywhere.
  int machine_type_uses(const WorkspaceId& workspace, const MachineTypeId& type) const;
  int machine_type_uses(const MachineTypeId& type) const;
  int count_in(PodState state) const;

  struct Restore {
    Time restored_at{};
    std::optional<Time> settled_at;
  };
  std::optional<Restore> newest_restore() const;  // of this database from a backup; most have none
  void restore_settled(Time at);
  // What `gyre restore` writes into a database that came from a backup, before a server sees it: from then on agents
  // may be ahead of it. Until `certificates_until` each host may once show a certificate newer than the backup.
  void mark_restored(Time restored_at, Time backup_made_at, Time certificates_until);
  // What it was made with, so that nothing in use is deleted. Empty ids: nothing.
  enum class Uses { template_id, registry_auth_id, network_volume };
  void set_uses(const PodId& pod, const std::map<Uses, std::string>& things);  // those before are no more
  std::optional<PodId> user_of(Uses kind, const WorkspaceId& workspace, const std::string& thing) const;  // any one

 private:
  db::Connection& db_;
};

BOOST_DESCRIBE_STRUCT(PodStore::Restore, (), (restored_at, settled_at))

}  // namespace gyre
