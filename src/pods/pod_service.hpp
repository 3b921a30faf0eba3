// The verbs of pods and the reconciler: what is wanted is in the table, what is comes with reports, and the difference
// becomes orders to agents. Every message may be lost, doubled or late; the next report puts it right. One public
// method is one transaction; orders and wake-ups leave after the commit.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "base/caller.hpp"
#include "edge/routes.hpp"
#include "events/events.hpp"
#include "fleet/host_service.hpp"
#include "pods/pod_exec.hpp"
#include "pods/pod_input.hpp"
#include "pods/pod_logs.hpp"
#include "pods/pod_sources.hpp"
#include "pods/pod_store.hpp"
#include "pods/pod_wish.hpp"
#include "pods/settled_reports.hpp"
#include "quotas/quota_service.hpp"
#include "scheduler/waiting_line.hpp"

namespace gyre {

struct PodConfig {
  // The pod's own API key (RUNPOD_API_KEY), made with it and revoked with it; within the task. Only its digest is in
  // the table of keys; the pod keeps it sealed, so that its order can be made again at any time.
  std::function<std::string(const WorkspaceId&, const AccountId&, const PodId&)> make_key;
  std::function<void(const PodId&)> revoke_keys;
  // It is being deleted: what else uses its volume ends. Before the order for it leaves; within the task.
  std::function<void(const PodId&)> removing = [](const PodId&) {};
  Seal seal;
  std::function<std::string(const std::string& sealed)> unseal;
  PodSources sources;
  Duration provisioning_limit{15 * 60'000};  // without any progress (B.3.1)
  Duration stop_grace{5'000};                // SIGTERM, then SIGKILL
  int pods_max_per_workspace = 10'000;
  // Wraps each placement pass, for who measures how long it takes; calls its argument exactly once.
  std::function<void(const std::function<void()>& pass)> around_placement = [](const auto& pass) { pass(); };
  Duration settle_limit{5 * 60'000};  // after a restore: for how long hosts that say nothing are waited for
  // The proxy: where its ports are, told after each commit that changed it (none: it cannot be reached), the address of
  // one to be shown, and where a host's HTTP ports can be reached from here, given where it has opened them (empty:
  // only through its agent).
  std::function<void(const Pod&, std::vector<edge::Way>)> ways_changed;
  std::function<std::string(const PodId&, int port)> proxy_url;
  std::function<std::string(const HostLive&, const std::string& opened)> straight_address;
};

// What of a pod is seen and worth keeping over a restart of the server.
struct SeenContainer {
  std::string name, container_id, image_digest;
  bool running = false;
  std::optional<Time> started_at, finished_at;
  int exit_code = 0;
  bool oom_killed = false;
  int restarts = 0;
  bool operator==(const SeenContainer&) const = default;
};
BOOST_DESCRIBE_STRUCT(SeenContainer, (),
                      (name, container_id, image_digest, running, started_at, finished_at, exit_code, oom_killed,
                       restarts))
struct SeenPort {
  int container_port = 0, host_port = 0;
  bool http = false;
  std::optional<std::string> address;  // of an HTTP port: where its host has opened it
  bool operator==(const SeenPort&) const = default;
};
BOOST_DESCRIBE_STRUCT(SeenPort, (), (container_port, host_port, http, address))
struct PodSeen {
  std::vector<SeenContainer> containers;
  std::vector<SeenPort> ports;
  bool healthy = false;
  bool operator==(const PodSeen&) const = default;
};
BOOST_DESCRIBE_STRUCT(PodSeen, (), (containers, ports, healthy))

// A pod and all that a view of it needs.
struct PodDetail {
  Pod pod;
  PodWish wish;
  PodSeen seen;
  std::optional<link::PodFacts> facts;  // of the last report, while this server has one
  std::optional<Host> host;
  std::vector<HostGpu> gpus;  // those it holds
  std::optional<Allocation> allocation;
  std::optional<scheduler::WaitingLine::Standing> waiting;  // while queued
  std::map<std::string, std::string> proxy_urls;            // of its HTTP ports
  std::optional<NetworkVolumeFacts> network_volume;
  DataCenter data_center;         // of its host
  std::optional<GpuOffer> offer;  // of the GPUs it has, else of the type that it asked for first, when it was made
};

class PodService final : public HostListener {
 public:
  PodService(Core& core, Events& events, HostService& hosts, QuotaService& quotas, link::AgentLink& link,
             PodConfig config);

  Result<Pod> create(const Caller& caller, const CreatePod& input);
  struct DryRun {
    PodWish wish;
    scheduler::Verdict verdict;
    std::vector<HostGpu> gpus;  // of the placement
    std::optional<Money> bid;   // of a spot pod
    int interrupts = 0;         // spot pods that would be stopped for that placement
  };
  Result<DryRun> dry_run(const Caller& caller, const CreatePod& input) const;

  Result<Pod> get(const Caller& caller, const PodId& id) const;
  std::optional<Pod> find(const PodId& id) const { return store_.find(id); }  // of any workspace; not for callers
  std::vector<Pod> list(const Caller& caller, Time before, const std::string& before_id,
                        int limit) const;     // newest first
  enum class Waiting { included, left_out };  // of what it waits for, and behind how many
  PodDetail detail(Pod pod, Waiting waiting = Waiting::included) const;
  const PodStore& store() const { return store_; }
  std::vector<HostId> hosts_in(const std::vector<std::string>& data_centers) const;

  Result<Pod> update(const Caller& caller, const PodId& id, const UpdatePod& input,
                     const std::function<Result<>(const Pod&)>& precondition = {});
  struct StartPod {
    bool zero_gpu = false;     // without its GPUs, to reach its data
    std::optional<Money> bid;  // of a spot pod: another than before
  };
  // Where its volume is, if it has one: at once, or when the spot pods have gone that are stopped for it, or refused
  // with what is free (gpu_taken). Else it queues.
  Result<Pod> start(const Caller& caller, const PodId& id, const StartPod& how);
  Result<Pod> stop(const Caller& caller, const PodId& id);
  Result<Pod> restart(const Caller& caller, const PodId& id);  // new containers from the image; the volume stays
  Result<> remove(const Caller& caller, const PodId& id);
  // For operators' graphs; each is a small query.
  int pods_in(PodState state) const { return store_.count_in(state); }
  std::map<std::string, int> queue_lengths() const;  // by pool; a pod that any of several would take counts in each

  // Channels of logs to any container that the agents of this server know.
  PodLogs& log_channels() { return logs_; }

  // Tells the ways to every pod that runs; once, when the server has started.
  void tell_all_ways();

  Result<std::shared_ptr<http::Stream>> logs(const Caller& caller, const PodId& id, link::LogRequest request);

  // A program in one of its containers; `request` says which, or which session to resume. `counts` as in PodExec.
  // Refusals: pod_not_found, pod_not_running (with why), pod_host_unreachable, invalid_field.
  Result<std::shared_ptr<http::WebSocket>> exec(const Caller& caller, const PodId& id, link::ExecRequest request,
                                                bool counts, Language language);

  void host_reported(const HostId& host, const link::Report& report) override;
  void host_offline(const HostId& host) override;
  void host_retired(const HostId& host) override;
  void capacity_changed() override;
  void channel_said(const HostId& host, const link::AgentMessage& message) override;
  void channels_lost(const HostId& host) override;

 private:
  std::vector<scheduler::Host> snapshot(const std::optional<PodId>& without = {}) const;
  scheduler::WaitingLine& queue() const;  // as the table of pods has it
  scheduler::WaitingLine& line() const;   // the same, against the hosts as their tables have them
  void line_up(const Pod& pod);           // in or out, as its row says now
  void follow_holder(const Pod& pod);     // as its row says now
  bool anybody_can_be_interrupted() const;
  std::vector<scheduler::Occupant> occupants() const;
  scheduler::Request request_of(const Pod& pod) const;
  Result<Money> checked_bid(const PodWish& wish, const std::optional<Money>& asked) const;  // or the lowest
  Result<std::optional<Money>> bid_of(const CreatePod& input, const PodWish& wish) const;
  int pods_of(const WorkspaceId& workspace) const;
  void count_again(const WorkspaceId& workspace);            // and if this is undone, once more
  Result<> move(Pod& pod, PodEvent event, Because because);  // apply, save, tell
  void tell(const Pod& pod, Because because);
  void place(Pod& pod, const scheduler::Placement& placement);
  void place_pending();
  bool stopped_for_secret(Pod& pod);  // one that has waited long enough for a secret to be deleted
  void make_room();                   // spot pods are stopped for those who still wait and go before them
  void interrupt(Pod pod, const Pod& taker);
  void give_up_stuck();
  void end_in_time();                     // what was to stop or to be deleted by now
  void note_times(const Pod& pod);        // for the next look
  void stop(Pod& pod, Reason because);    // its state allows it
  void remove(Pod& pod, Reason because);  // the same
  void tell_ways(const Pod& pod);
  void order(Pod& pod);  // a new generation; sends after the commit
  void save(Pod& pod);   // the one way a row changes once it is there
  void send_order(const Pod& pod, const HostId& host);
  void send_forget(const HostId& host, const PodId& pod, std::int64_t generation);
  link::PodOrder make_order(const Pod& pod, const HostId& host) const;
  void let_go(Pod& pod);  // nothing of it runs any more: its shares are free
  void clean_strays(const HostId& host, const std::vector<std::string>& containers);  // of pods that were deleted
  void observe(Pod pod, const link::PodFacts& facts);
  void meet(Pod& pod, const link::PodFacts& facts);                    // what the phase means for the state
  Result<> check_room(const Pod& pod, std::int64_t more_bytes) const;  // on its host's disk
  void finish_removal(Pod& pod, const HostId& host);
  Result<Pod> mine(const Caller& caller, const PodId& id) const;
  Result<PodWish> wish_of(const Caller& caller, const CreatePod& input, const std::optional<MachineType>& machine,
                          const Seal& seal) const;
  Result<> check_network_volume(const WorkspaceId& workspace, const PodWish& wish) const;
  Result<> check_where(const WorkspaceId& workspace, PodWish& wish) const;  // and says where its network volume is
  Result<> check_registry_auth(const WorkspaceId& workspace, const PodWish& wish) const;
  // The first variable that refers to a secret which is not there.
  struct MissingSecret {
    std::string field, variable, secret;
  };
  std::optional<MissingSecret> missing_secret(const WorkspaceId& workspace, const PodWish& wish) const;
  Result<> check_secrets(const Pod& pod) const;  // secret_missing

  // After a restore from a backup (pod_restore.cpp): the world may be ahead of the table.
  bool unsettled(const Pod& pod) const;
  Result<> settled(const Pod& pod) const;  // or refuses, while it is not known what of the pod there is
  std::int64_t next_run(const Pod& pod) const;
  void hear(const HostId& host, const link::Report& report);
  void settle_all();
  void settle(Pod pod, const HostId& host, const link::PodFacts& facts);
  void settle_unseen(Pod pod, const std::vector<std::string>& strays);
  void take_shares(Pod& pod, const HostId& host, const link::PodFacts& facts);

  Core& core_;
  Events& events_;
  HostService& hosts_;
  QuotaService& quotas_;
  link::AgentLink& link_;
  PodConfig config_;
  PodStore store_;
  PodLogs logs_;
  PodExec exec_;
  struct Live {
    link::PodFacts facts;
    Duration progress_at{};  // uptime when something last moved
  };
  std::map<PodId, Live> live_;  // hints for people and time-outs; no decision about rows rests on it alone
  // What the tables say, kept: read when first wanted, then followed write by write, and read anew after a write was
  // undone. Nobody else writes these tables while this server leads.
  mutable scheduler::WaitingLine line_;
  mutable bool line_read_ = false;
  mutable std::optional<std::uint64_t> line_hosts_;  // the revision of the hosts it stands against
  // Spot pods that hold GPUs, and all pods that are giving up what they hold; without what that is.
  struct Holder {
    std::optional<Money> bid;  // none: it leaves
    Time began{};
    std::int64_t keeps_bytes = 0;  // its volume, which stays on the disk
    bool operator==(const Holder&) const = default;
  };
  static std::optional<Holder> holder(const Pod& pod);
  mutable std::map<PodId, Holder> holders_;
  mutable bool holders_read_ = false;
  mutable std::map<WorkspaceId, int> pods_in_workspace_;  // all but those deleted
  SettledReports settled_;
  std::uint64_t acts_ = 0;  // rows written and messages sent so far; the same before and after: nothing was to do
  bool placement_posted_ = false;
  std::int64_t generation_floor_ = 0;  // orders since the restore begin here: above whatever agents may have obeyed
  bool settling_ = false;              // hosts are waited for; nothing is placed and no order is sent
  Duration settling_since_{0};
  std::map<HostId, link::Report> heard_;  // while settling
  std::unique_ptr<Timer> placement_timer_, stuck_timer_, times_timer_, settle_timer_;
  std::optional<Time> look_at_times_ = Time::min();  // no pod's own time comes before; none: no pod has one
};

}  // namespace gyre
