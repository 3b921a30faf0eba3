// Every line of SQL about pods.
#pragma once

#include "db/db.hpp"
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
  std::vector<Pod> queue() const;                 // oldest first
  int count(const WorkspaceId& workspace) const;  // all but those deleted
  std::int64_t next_queue_order() const;

  // What it was made with, so that nothing in use is deleted. Empty ids: nothing.
  void set_uses(const PodId& pod, const std::string& template_id, const std::string& registry_auth_id);
  enum class Uses { template_id, registry_auth_id };
  std::optional<PodId> user_of(Uses kind, const WorkspaceId& workspace, const std::string& thing) const;  // any one

 private:
  db::Connection& db_;
};

}  // namespace gyre
