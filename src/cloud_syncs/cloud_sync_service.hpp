// The verbs of cloud syncs and their reconciler. To its agent a sync is one more pod, of one container that runs once:
// what agents do for pods (pulling, logs, adopting after a restart, doing again after a reboot) they do for it. One
// public method is one transaction; orders leave after the commit. Every message may be lost, doubled or late.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "base/caller.hpp"
#include "cloud_syncs/cloud_sync_store.hpp"
#include "events/events.hpp"
#include "fleet/host_service.hpp"
#include "pods/pod_service.hpp"

namespace gyre {

struct CloudSyncConfig {
  std::string image;  // that has rclone as its program
  Seal seal;
  std::function<std::string(const std::string& sealed)> unseal;
  std::function<std::optional<std::string>(const WorkspaceId&, const std::string& name)> secret;  // by name
  // Small on purpose: it stands beside the pod, and its shares are counted for nobody.
  double vcpus = 1;
  std::int64_t memory_bytes = 1'000'000'000;
  int per_workspace_max = 1'000;
  Duration log_kept{24 * 3'600'000};           // on the host, after the end
  Duration kept{30LL * 24 * 3'600'000};        // in the list, after the end
  Duration unheard_after_restore{5 * 60'000};  // of a host that reports: then it is lost
};

class CloudSyncService final : public HostListener {
 public:
  // All references must outlive the service.
  CloudSyncService(Core& core, Events& events, HostService& hosts, PodService& pods, link::AgentLink& link,
                   CloudSyncConfig config);

  // Credentials may refer to secrets of the workspace ("{{ RUNPOD_SECRET_name }}"). Refusals: pod_not_found,
  // pod_volume_not_there, cloud_sync_under_way, pod_host_unreachable, agent_too_old, secret_missing, invalid_field.
  Result<CloudSync> create(const Caller& caller, const PodId& pod, const CloudSyncInput& input,
                           CloudCredentials credentials);
  Result<CloudSync> get(const Caller& caller, const CloudSyncId& id) const;
  std::vector<CloudSync> list(const Caller& caller) const;
  // Cancels one that is under way; takes one that has ended out of the list.
  Result<> remove(const Caller& caller, const CloudSyncId& id);
  Result<std::shared_ptr<http::Stream>> logs(const Caller& caller, const CloudSyncId& id, link::LogRequest request);

  void pod_is_removed(const PodId& pod);  // within a task

  void host_reported(const HostId& host, const link::Report& report) override;
  void host_offline(const HostId&) override {}  // it goes on there
  void host_retired(const HostId& host) override;
  void capacity_changed() override {}
  void channel_said(const HostId&, const link::AgentMessage&) override {}  // PodService has the channels
  void channels_lost(const HostId&) override {}

 private:
  void meet(const HostId& host, const link::PodFacts& facts);
  void move(CloudSync& sync, CloudSyncEvent event, const CloudSyncBecause& because = {});
  void order(CloudSync& sync);  // a new generation; sends after the commit
  void send_order(const CloudSync& sync);
  void send_forget(const HostId& host, const PodId& id, std::int64_t generation);
  link::PodOrder make_order(const CloudSync& sync) const;
  void tend();
  std::int64_t next_generation(std::int64_t before) const;

  Core& core_;
  Events& events_;
  HostService& hosts_;
  PodService& pods_;
  link::AgentLink& link_;
  CloudSyncConfig config_;
  CloudSyncStore store_;
  struct Heard {
    HostId host;
    link::PodFacts facts;
  };
  std::map<PodId, Heard> heard_;  // of the newest reports: hints; what is not here is ordered again
  std::optional<Time> restored_at_;
  std::unique_ptr<Timer> timer_;
};

}  // namespace gyre
