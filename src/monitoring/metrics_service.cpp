#include "monitoring/metrics_service.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "base/log.hpp"
#include "monitoring/metrics_view.hpp"

namespace gyre {
namespace {

constexpr Duration owner_known_for = 60s;
constexpr std::size_t part_max = 128;  // of a container's name or a GPU's UUID, as an agent may say it

// Prometheus's rules for the value of a label.
std::string label(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\' || c == '"') out += '\\';
    if (c == '\n')
      out += "\\n";
    else
      out += c;
  }
  return out;
}

struct Gauge {
  const char* name;
  const char* help;
  int channel;
};
constexpr Gauge pod_gauges[] = {
    {"gyre_pod_cpu_percent", "Of all vCPUs assigned to the pod.", 0},
    {"gyre_pod_memory_megabytes", "Memory in use, in MB.", 1},
    {"gyre_pod_network_received_kbps", "Received, in kilobits a second.", 2},
    {"gyre_pod_network_sent_kbps", "Sent, in kilobits a second.", 3},
    {"gyre_pod_container_disk_megabytes", "Written to the containers' own disk, in MB.", 4},
    {"gyre_pod_volume_megabytes", "On the volume, in MB.", 5},
};
constexpr Gauge gpu_gauges[] = {
    {"gyre_gpu_utilisation_percent", "How busy the GPU is.", 0},
    {"gyre_gpu_memory_megabytes", "GPU memory in use, in MB.", 1},
    {"gyre_gpu_temperature_celsius", "Of the chip.", 2},
    {"gyre_gpu_power_watts", "Drawn now.", 3},
};

void add_line(std::string& out, const char* name, const std::string& labels, float value) {
  char text[64];
  std::snprintf(text, sizeof text, "} %.9g\n", static_cast<double>(value));
  out += std::string(name) + "{" + labels + text;
}

}  // namespace

MonitoringService::MonitoringService(Core& core, HostService& hosts, PodService& pods, link::AgentLink& link,
                                     std::shared_ptr<MetricsStore> store, MonitoringConfig config)
    : core_(core),
      pods_(pods),
      link_(link),
      store_(std::move(store)),
      config_(config),
      write_timer_(core.runtime()),
      beat_timer_(core.runtime()) {
  hosts.set_metrics_listener([this](const HostId& host, const link::Metrics& metrics) { said(host, metrics); });
  write_timer_.repeat(config_.write_every, [this] { write_soon(); });
  beat_timer_.repeat(config_.heartbeat, [this] { beat(); });
}

// ---- in ----

// Only the host that a pod is on may say anything about it.
const MonitoringService::Owner* MonitoringService::owner_of_pod(const PodId& pod) {
  const auto uptime = core_.runtime().uptime();
  auto& owner = owners_[pod];
  if (owner.known_until <= uptime) {
    const auto found = pods_.find(pod);
    owner = {found && found->host ? *found->host : HostId(), found ? found->workspace : WorkspaceId(),
             uptime + owner_known_for};
  }
  return &owner;
}

void MonitoringService::said(const HostId& host, const link::Metrics& metrics) {
  // With too much on its way nothing is answered: the agent keeps what it has.
  if (waiting_.size() < config_.waiting_max) {
    for (const auto& slot : metrics.slots) take(host, slot);
    if (!metrics.slots.empty()) unanswered_.emplace_back(host, metrics.number);
  }
  if (metrics.now) show(host, *metrics.now);
}

void MonitoringService::take(const HostId& host, const link::MetricSlot& slot) {
  if (slot.start.time_since_epoch() % link::metric_slot != Duration(0)) return;
  for (const auto& subject : slot.subjects) {
    if (subject.values.empty() || subject.part.size() > part_max) continue;
    if (subject.kind == link::MetricKind::gpu || subject.kind == link::MetricKind::host)
      waiting_.push_back({{owner_of(host), subject.kind, subject.part}, slot.start, slot.samples, subject.values});
    if (subject.pod.empty() || subject.kind == link::MetricKind::host) continue;
    if (owner_of_pod(subject.pod)->host != host) {
      ++counters_.refused;
      continue;
    }
    waiting_.push_back({{owner_of(subject.pod), subject.kind, subject.part}, slot.start, slot.samples, subject.values});
  }
}

void MonitoringService::show(const HostId& host, const link::MetricSlot& slot) {
  std::map<PodId, PodNow> fresh;
  for (const auto& subject : slot.subjects) {
    if (subject.pod.empty() || subject.part.size() > part_max) continue;
    const auto* owner = owner_of_pod(subject.pod);
    if (owner->host != host) continue;
    auto& pod = fresh[subject.pod];
    pod.host = host;
    pod.workspace = owner->workspace;
    pod.at = slot.start;
    pod.heard_at = core_.runtime().uptime();
    if (subject.kind == link::MetricKind::pod) pod.values = subject.values;
    if (subject.kind == link::MetricKind::gpu) pod.gpus[subject.part] = subject.values;
    if (subject.kind == link::MetricKind::container) pod.containers[subject.part] = subject.values;
  }
  for (auto& [id, pod] : fresh) {
    if (pod.values.empty()) continue;  // a GPU of a pod that does not run
    const auto known = now_.find(id);
    if (known != now_.end() && known->second.host == host && known->second.at > pod.at &&
        known->second.at < core_.now() + 1min)
      continue;  // late or doubled
    tell(id, now_[id] = std::move(pod));
  }
}

// ---- to the store ----

void MonitoringService::write_soon() {
  if (writing_ || (waiting_.empty() && unanswered_.empty())) return;
  struct Batch {
    std::vector<MeasuredSlot> slots;
    std::vector<Message> messages;
    Result<> result;
  };
  auto batch = std::make_shared<Batch>();
  batch->slots.swap(waiting_);
  batch->messages.swap(unanswered_);
  writing_ = true;
  const auto count = batch->slots.size();
  auto written = alive_.guard([this, batch, count] {
    writing_ = false;
    if (!batch->result) {
      ++counters_.failed_writes;
      log::error("measured values could not be written; the agents will say them again",
                 {{"problem", batch->result.error().message()}});
      return;
    }
    counters_.written += count;
    for (const auto& [host, number] : batch->messages) link_.send(host, link::MetricsTaken{number});
  });
  try {
    core_.runtime().work(
        [batch, store = store_, now = core_.now()] { batch->result = store->write(batch->slots, now); },
        std::move(written));
  } catch (const WorkersBusy&) {
    writing_ = false;  // not answered, so said again
    ++counters_.failed_writes;
  }
}

// ---- out ----

void MonitoringService::read(std::string owner, const Window& window, Answer answer) {
  auto found = std::make_shared<Result<std::vector<StoredSeries>>>();
  const auto& tier = tier_for(window, core_.now());
  core_.runtime().work([found, store = store_, owner = std::move(owner), window,
                        tier] { *found = store->read(owner, tier, window.start, window.end()); },
                       alive_.guard([found, answer = std::move(answer)] { answer(std::move(*found)); }));
}

const PodNow* MonitoringService::now_of(const PodId& pod) const {
  const auto found = now_.find(pod);
  if (found == now_.end() || core_.runtime().uptime() - found->second.heard_at > config_.shown_for) return nullptr;
  return &found->second;
}

Result<std::shared_ptr<http::Stream>> MonitoringService::live(const Pod& pod) {
  std::size_t of_workspace = 0;
  for (const auto& [id, readers] : readers_)
    for (const auto& reader : readers) of_workspace += reader.workspace == pod.workspace ? 1 : 0;
  if (reader_count_ >= config_.readers_max || of_workspace >= config_.readers_per_workspace)
    return fail(Reason::too_many_requests, {{"seconds", "30"}});
  auto stream = std::make_shared<http::Stream>();
  std::string hello = "retry: 2000\n\n";
  if (const auto* now = now_of(pod.id)) hello += "event: metrics\ndata: " + live_json(pod.id, *now) + "\n\n";
  stream->write(std::move(hello));
  readers_[pod.id].push_back({pod.workspace, stream, core_.runtime().uptime()});
  ++reader_count_;
  return stream;
}

// A reader without room misses samples rather than getting old ones later.
void MonitoringService::tell(const PodId& pod, const PodNow& now) {
  const auto found = readers_.find(pod);
  if (found == readers_.end()) return;
  const auto frame = "event: metrics\ndata: " + live_json(pod, now) + "\n\n";
  for (auto& reader : found->second) {
    reader.said_at = core_.runtime().uptime();
    if (!reader.stream->closed_by_reader() && !reader.stream->write(frame)) reader.stream->abort();
  }
}

void MonitoringService::beat() {
  const auto uptime = core_.runtime().uptime();
  for (auto it = readers_.begin(); it != readers_.end();) {
    reader_count_ -= std::erase_if(it->second, [](const Reader& reader) { return reader.stream->closed_by_reader(); });
    for (auto& reader : it->second)
      if (uptime - reader.said_at >= config_.heartbeat && !reader.stream->write(": still here\n\n"))
        reader.stream->abort();
    it = it->second.empty() ? readers_.erase(it) : std::next(it);
  }
  std::erase_if(now_, [&](const auto& one) { return uptime - one.second.heard_at > config_.shown_for; });
  std::erase_if(owners_, [&](const auto& one) { return one.second.known_until <= uptime; });
}

void MonitoringService::close_all() {
  for (auto& [id, readers] : readers_)
    for (auto& reader : readers) reader.stream->close();
  readers_.clear();
  reader_count_ = 0;
  write_soon();
}

std::string MonitoringService::prometheus() const {
  struct Line {
    std::string labels;
    const std::vector<float>* values;
  };
  std::vector<Line> pods, gpus;
  for (const auto& [id, pod] : now_) {
    if (pods.size() >= config_.shown_max) break;
    if (core_.runtime().uptime() - pod.heard_at > config_.shown_for) continue;
    const auto labels = "pod=\"" + label(id.str()) + "\",workspace=\"" + label(pod.workspace.str()) + "\"";
    pods.push_back({labels, &pod.values});
    for (const auto& [uuid, values] : pod.gpus) gpus.push_back({labels + ",gpu=\"" + label(uuid) + "\"", &values});
  }
  std::string out;
  const auto family = [&](const Gauge& gauge, const std::vector<Line>& lines) {
    if (lines.empty()) return;
    out += std::string("# HELP ") + gauge.name + " " + gauge.help + "\n# TYPE " + gauge.name + " gauge\n";
    const auto channel = static_cast<std::size_t>(gauge.channel);
    for (const auto& line : lines)
      if (channel < line.values->size() && std::isfinite((*line.values)[channel]))
        add_line(out, gauge.name, line.labels, (*line.values)[channel]);
  };
  for (const auto& gauge : pod_gauges) family(gauge, pods);
  for (const auto& gauge : gpu_gauges) family(gauge, gpus);
  return out;
}

}  // namespace gyre
