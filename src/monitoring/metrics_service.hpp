// What agents measured, from their messages to whoever looks: written into the store by a worker every ten seconds,
// read from it for charts, passed on at once to live readers and to Prometheus. Nothing here decides anything about a
// pod, and nothing here makes the core wait: the core only collects, a worker writes and reads.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/caller.hpp"
#include "fleet/host_service.hpp"
#include "http/message.hpp"
#include "link/link.hpp"
#include "monitoring/metrics_store.hpp"
#include "pods/pod_service.hpp"
#include "runtime/core.hpp"

namespace gyre {

struct MonitoringConfig {
  Duration write_every = 10s;
  std::size_t waiting_max =
      1'000'000;                   // values on their way to the store; beyond it agents keep theirs and say them again
  Duration shown_for = 60s;        // the last value of a pod that says nothing any more
  std::size_t shown_max = 20'000;  // pods that Prometheus is told of
  std::size_t readers_max = 2'000, readers_per_workspace = 100;
  Duration heartbeat = 15s;
};

// The last sample of one pod, with that of its GPUs and containers.
struct PodNow {
  HostId host;
  WorkspaceId workspace;
  Time at{};
  Duration heard_at{0};  // uptime
  std::vector<float> values;
  std::map<std::string, std::vector<float>> gpus, containers;
};

class MonitoringService {
 public:
  // `store` is used on workers; it may outlive the service. The other references outlive the service.
  MonitoringService(Core& core, HostService& hosts, PodService& pods, link::AgentLink& link,
                    std::shared_ptr<MetricsStore> store, MonitoringConfig config = {});

  // A chart: every series of this owner within the window. The answer comes later, on the core thread.
  using Answer = std::function<void(Result<std::vector<StoredSeries>>)>;
  void read(std::string owner, const Window& window, Answer answer);

  // A stream of server-sent events, one for each sample of the pod. Within a task. too_many_requests.
  Result<std::shared_ptr<http::Stream>> live(const Pod& pod);
  const PodNow* now_of(const PodId& pod) const;  // null when nothing came lately

  // The last values in Prometheus's text format, labelled with pod, workspace and GPU. Pods that are silent, and those
  // beyond `shown_max`, are left out, so that the page never grows without bound.
  std::string prometheus() const;

  // Ends every live stream, and writes what waits: the server is shutting down.
  void close_all();

  Time now() const { return core_.now(); }
  struct Counters {
    std::uint64_t written = 0, failed_writes = 0,
                  refused = 0;  // values; writes; values of pods that are not that host's
  };
  const Counters& counters() const { return counters_; }
  std::size_t waiting() const { return waiting_.size(); }

 private:
  struct Owner {
    HostId host;
    WorkspaceId workspace;
    Duration known_until{0};
  };
  struct Reader {
    WorkspaceId workspace;
    std::shared_ptr<http::Stream> stream;
    Duration said_at{0};
  };
  using Message = std::pair<HostId, std::uint64_t>;

  void said(const HostId& host, const link::Metrics& metrics);
  void take(const HostId& host, const link::MetricSlot& slot);
  void show(const HostId& host, const link::MetricSlot& now);
  const Owner* owner_of_pod(const PodId& pod);
  void write_soon();
  void beat();
  void tell(const PodId& pod, const PodNow& now);

  Core& core_;
  PodService& pods_;
  link::AgentLink& link_;
  std::shared_ptr<MetricsStore> store_;
  MonitoringConfig config_;

  std::vector<MeasuredSlot> waiting_;
  std::vector<Message> unanswered_;
  bool writing_ = false;
  std::map<PodId, Owner> owners_;  // who may speak for a pod: asked of the table once a minute, not for each sample
  std::map<PodId, PodNow> now_;
  std::map<PodId, std::vector<Reader>> readers_;
  std::size_t reader_count_ = 0;
  Counters counters_;
  Alive alive_;
  Timer write_timer_, beat_timer_;
};

// One sample as live readers get it.
std::string live_json(const PodId& pod, const PodNow& now);

}  // namespace gyre
