#include "agent/agent.hpp"

#include <algorithm>
#include <cstdio>
#include <deque>
#include <set>

#include "agent/exec_sessions.hpp"
#include "agent/journal.hpp"
#include "agent/log_channels.hpp"
#include "agent/plan.hpp"
#include "base/check.hpp"
#include "base/image_reference.hpp"
#include "base/log.hpp"

namespace gyre::agent {
namespace {

using engine::Container;
using engine::ContainerState;

constexpr Duration report_soon{100};     // changes that come together are told together
constexpr Duration progress_soon{1000};  // how far a pull is changes all the time
constexpr Duration engine_retry_first{200}, engine_retry_max{5000};
constexpr Duration trouble_first{2000}, trouble_max{60000};
constexpr Duration give_up_after{15 * 60 * 1000};  // of what may get better by itself, while the pod has never run
constexpr int attempts_max = 5;                    // ... and of what probably will not
constexpr Duration health_check_hurry{1000};       // while something is not healthy yet
constexpr Duration gpu_list_every{60000};
constexpr Duration hello_every{120000};  // said again, for it may have been lost, or not been written down
constexpr Duration network_poll{100};
constexpr Duration forget_after{24 * 3600 * 1000};
constexpr std::size_t early_orders_max = 10000;

std::string network_name(const WorkspaceId& workspace) { return "gyre-" + workspace.str(); }
std::string volume_name(const PodId& pod) { return "gyre-volume-" + pod.str(); }

std::string in_gigabytes(std::int64_t bytes) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f GB", static_cast<double>(bytes) / 1e9);
  return text;
}

// Trouble that passes by itself: worth more patience than a start that fails.
bool may_pass(Reason reason) {
  switch (reason) {
    case Reason::registry_unreachable:
    case Reason::registry_rate_limited:
    case Reason::host_disk_full:
    case Reason::engine_refused:
    case Reason::no_free_host_port:
    case Reason::agent_journal_unwritable:
    case Reason::unavailable:
      return true;
    default:
      return false;
  }
}

bool same_images(const link::PodSpec& a, const link::PodSpec& b) {
  return std::equal(a.containers.begin(), a.containers.end(), b.containers.begin(), b.containers.end(),
                    [](const auto& x, const auto& y) { return x.image == y.image; });
}

bool is_usable(const link::PodOrder& order) {
  if (order.desired != link::Desired::running) return true;
  // It becomes part of a path of this host.
  if (!std::all_of(order.spec.network_volume.begin(), order.spec.network_volume.end(),
                   [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z'); }))
    return false;
  std::set<std::string> names;
  for (const auto& container : order.spec.containers)
    if (container.name.empty() || !names.insert(container.name).second) return false;
  return !names.empty();
}

}  // namespace

class Agent::Impl {
 public:
  Impl(Runtime& runtime, engine::Engine& engine, engine::GpuProbe& gpus, db::Connection& journal, AgentConfig config,
       HostTools tools);

  void start(link::ServerLink& server, std::function<void()> retired);
  void connected();
  void disconnected() {
    channels_.close_all();
    meter_.disconnected();
    sessions_.detach_all();
  }
  void said(const link::ServerMessage& message);

 private:
  struct Pull {
    std::int64_t done = 0, total = 0, rate = 0;
    Duration sampled_at{0};
    std::int64_t sampled_bytes = 0;
  };

  struct Pod {
    explicit Pod(Runtime& runtime) : wake(runtime) {}
    link::PodOrder order;
    Memory memory;
    std::vector<Container> seen;
    bool looked = false;

    // The operation in flight, if any: there is never more than one. `touched` is when one began or ended, counted by
    // the agent's own clock, so that a list asked for before cannot overwrite what is known since.
    std::uint64_t operation = 0, touched = 0;
    bool pulling = false;
    bool look_again = false;
    Timer wake;

    std::map<std::string, std::string> images;  // as ordered -> what to run; pulled or found in this process
    bool network_ready = false, volume_ready = false, volume_removed = false, network_settled = false;
    std::set<std::string> gpus_held;
    std::optional<Error> gpu_trouble;
    std::optional<Trouble> trouble;
    std::vector<link::PortFacts> ports_chosen;
    Pull pull;
    std::int64_t disk_used = 0;
    bool disk_looked = false;
    std::optional<std::int64_t> volume_used;
    bool accepts = false;  // every exposed port, when last tried

    bool wants_to_run() const {
      return order.desired == link::Desired::running && !(memory.outcome && memory.outcome->run == order.run);
    }
    const Container* find(const std::string& name) const {
      for (const auto& container : seen)
        if (label_of(container, label::container) == name && number_label(container, label::run) == order.run)
          return &container;
      return nullptr;
    }
    const Container* main() const {
      return order.spec.containers.empty() ? nullptr : find(order.spec.containers.front().name);
    }
    bool main_runs() const { return main() && main()->state == ContainerState::running; }
    bool any_runs() const {
      return std::any_of(seen.begin(), seen.end(), [](const auto& c) { return c.state == ContainerState::running; });
    }
  };

  struct Floor {
    std::int64_t generation = 0;
    std::optional<Time> forgotten_at;
  };

  // ---- orders ----
  void on(const link::PodOrder& order);
  void on(const link::ForgetPod& forget);
  void on(const link::RetireHost&);
  void on(const link::ChannelOpen& open) {
    open.exec ? sessions_.open(open.channel, *open.exec) : channels_.open(open);
  }
  void on(const link::ChannelCredit& credit) { channels_.credit(credit); }
  void on(const link::MetricsTaken& taken) { meter_.taken(taken.number); }
  void on(const link::TunnelOpen& open) {
    if (tools_.carry) tools_.carry(open.token, tunnel_target(open));
  }
  Result<HostTools::Target> tunnel_target(const link::TunnelOpen& open) const;
  void on(const link::ChannelClose& close) {
    channels_.close(close.channel);
    close.reason ? sessions_.end(close.channel) : sessions_.close(close.channel);
  }
  void on(const link::ExecInput& input) { sessions_.input(input); }
  void on(const link::ExecResize& resize) { sessions_.resize(resize); }
  void on(const link::ExecSeen& seen) { sessions_.seen(seen); }
  std::int64_t generation_floor(const PodId& pod) const;
  bool accept(const link::PodOrder& order);
  void after_reboot(const std::string& boot_id);
  bool save(Pod& pod, Memory memory);

  // ---- the engine ----
  void look_at_all();
  void seen_all(std::vector<Container> all, std::uint64_t asked_at);
  void engine_lost(const Error& error);
  void ask_engine_info();
  void watch_events();
  std::map<std::string, std::string> labels(std::optional<PodId> pod = {}) const;

  // ---- one pod ----
  void kick(const PodId& id);
  void look(Pod& pod);
  void observe(Pod& pod);
  void go_on(Pod& pod) { pod.look_again ? look(pod) : step(pod); }
  void step(Pod& pod);
  bool note(Pod& pod, const Plan& plan);
  void carry_out(Pod& pod, const Plan& plan);
  Situation situation(const Pod& pod) const;
  void trouble(Pod& pod, Step step, const Error& error);
  template <class T>
  engine::Done<T> operation(Pod& pod, std::function<void(Pod&, Result<T>)> then);

  void pull(Pod& pod, const std::string& container);
  void download(Pod& pod, const link::ContainerOrder& container);
  void progress(Pod& pod, const engine::PullProgress& news);
  void create(Pod& pod, const std::string& container);
  void start_container(Pod& pod, const std::string& container, const std::string& id);
  void stop(Pod& pod, const std::vector<std::string>& ids);
  void remove_network(Pod& pod);
  bool network_is_needed(const Pod& besides) const;
  Result<std::vector<link::PortFacts>> choose_ports(const Pod& pod) const;

  // ---- GPUs ----
  void settle_gpus(Pod& pod);
  std::optional<Error> take_gpus(Pod& pod);
  std::string holder_of(const std::string& gpu, const Pod& besides) const;
  std::set<std::string> gpus_of(const Pod& pod) const;
  void keep_gpus();

  // ---- what is watched ----
  void check_health();
  void check_disks();
  void check_next_disk();
  void judge_disks();
  void check_volumes();
  void check_next_volume();
  void sample_soon();
  void sample();
  void sample_next();
  void sampled();
  void read_host(bool list_gpus);
  std::string probe_address(const link::PortFacts& port) const;

  // ---- what is told ----
  void changed() {
    if (!soon_.waiting()) soon_.start(report_soon, [this] { report(true); });
    channels_changed();
  }
  void channels_changed();
  void say_hello();
  void report(bool only_news);
  link::PodFacts facts_of(const Pod& pod) const;
  void retire_if_done();
  void send(link::AgentMessage message) {
    if (server_ && server_->connected()) server_->send(std::move(message));
  }
  LogChannels::Source log_source(const link::LogRequest& request) const;
  ExecSessions::Place exec_place(const link::ExecRequest& request) const;

  Runtime& runtime_;
  engine::Engine& engine_;
  engine::GpuProbe& probe_;
  db::Connection& db_;
  AgentConfig config_;
  HostTools tools_;
  Journal journal_;
  link::ServerLink* server_ = nullptr;
  std::function<void()> retired_;

  std::map<PodId, std::unique_ptr<Pod>> pods_;
  std::map<PodId, Floor> floors_;                 // generations of pods without an order
  std::map<PodId, link::PodOrder> early_orders_;  // came before the engine was listed
  std::vector<Container> strays_;
  std::set<WorkspaceId> networks_going_;

  bool listed_ = false, reachable_ = false, engine_failed_ = false;
  std::string engine_error_;
  bool looking_at_all_ = false, look_at_all_again_ = false;
  Duration engine_retry_{engine_retry_first};
  std::uint64_t clock_ = 0, operations_ = 0;
  std::unique_ptr<engine::Subscription> events_;
  std::uint64_t event_stream_ = 0;
  engine::EngineInfo engine_info_;

  link::HostFacts facts_;
  bool facts_known_ = false, reading_host_ = false;
  Duration gpus_listed_at_{0};
  Duration hello_said_at_{0};
  std::set<std::string> gpus_, simulated_gpus_;
  std::map<std::string, std::vector<std::string>> gpu_devices_;  // of those that are given by their device files
  std::vector<link::GpuReadingFacts> readings_;
  std::int64_t disk_free_ = 0;

  bool checking_health_ = false, health_hurry_ = false;
  std::deque<std::pair<PodId, std::string>> disks_to_check_;
  std::map<PodId, std::int64_t> disks_checked_;
  bool checking_disks_ = false;
  std::deque<PodId> volumes_to_check_;
  Duration volumes_began_{0}, volumes_rest_until_{0};

  Meter meter_;
  std::optional<Meter::Host> host_usage_;
  bool sampling_ = false;
  Meter::Look look_;  // under way
  std::size_t look_next_ = 0;

  bool retiring_ = false, retired_told_ = false;
  std::optional<std::pair<std::vector<link::PodFacts>, std::string>> told_;  // pods, and all else that is news

  Timer soon_, progress_soon_, report_timer_, resync_timer_, disk_timer_, health_timer_, engine_timer_, sample_timer_;
  LogChannels channels_;
  ExecSessions sessions_;
  Alive alive_;
};

Agent::Impl::Impl(Runtime& runtime, engine::Engine& engine, engine::GpuProbe& gpus, db::Connection& journal,
                  AgentConfig config, HostTools tools)
    : runtime_(runtime),
      engine_(engine),
      probe_(gpus),
      db_(journal),
      config_(std::move(config)),
      tools_(std::move(tools)),
      journal_(journal),
      facts_(config_.facts),
      soon_(runtime),
      progress_soon_(runtime),
      report_timer_(runtime),
      resync_timer_(runtime),
      disk_timer_(runtime),
      health_timer_(runtime),
      engine_timer_(runtime),
      sample_timer_(runtime),
      channels_(
          runtime, engine, [this](const link::LogRequest& request) { return log_source(request); },
          [this](link::AgentMessage message) { send(std::move(message)); }),
      sessions_(
          runtime, engine, journal_, [this](const link::ExecRequest& request) { return exec_place(request); },
          [this](link::AgentMessage message) { send(std::move(message)); }) {
  for (auto& entry : journal_.load(runtime_.now(), runtime_.uptime())) {
    if (!entry.order) {
      floors_[entry.pod] = {entry.generation, entry.forgotten_at};
      continue;
    }
    auto pod = std::make_unique<Pod>(runtime_);
    pod->order = std::move(*entry.order);
    pod->memory = std::move(entry.memory);
    pods_.emplace(entry.pod, std::move(pod));
  }
  retiring_ = journal_.fact("retiring").has_value();
  after_reboot(config_.facts.boot_id);
}

// The host restarted: what ran went down with it, and starts again from the image with its volume (R-261). What had
// ended before stays as it is.
void Agent::Impl::after_reboot(const std::string& boot_id) {
  if (boot_id.empty()) return;
  const auto before = journal_.fact("boot_id");
  if (before == boot_id) return;
  db::transact(db_, [&]() -> Result<> {
    for (auto& [id, pod] : pods_) {
      if (!before || !pod->wants_to_run()) continue;
      pod->memory.rebooted = true;
      journal_.save(pod->order, pod->memory, runtime_.now(), runtime_.uptime());
    }
    journal_.set_fact("boot_id", boot_id);
    return {};
  });
  if (before) log::info("the host has restarted", {{"boot_id", boot_id}});
}

void Agent::Impl::start(link::ServerLink& server, std::function<void()> retired) {
  server_ = &server;
  retired_ = std::move(retired);
  read_host(true);
  look_at_all();
  ask_engine_info();
  report_timer_.repeat(config_.report_every, [this] {
    report(false);
    if (runtime_.uptime() - hello_said_at_ >= hello_every) say_hello();
    read_host(runtime_.uptime() - gpus_listed_at_ >= gpu_list_every);
  });
  resync_timer_.repeat(config_.resync_every, [this] { look_at_all(); });
  disk_timer_.repeat(config_.disk_check_every, [this] { check_disks(); });
  health_timer_.start(config_.health_check_every, [this] { check_health(); });
  sample_soon();
}

void Agent::Impl::connected() {
  say_hello();
  report(false);
}

void Agent::Impl::said(const link::ServerMessage& message) {
  std::visit([this](const auto& one) { on(one); }, message);
}

// ---- orders ----

// The highest generation this host has obeyed for the pod: the journal knows, and the containers say so too.
std::int64_t Agent::Impl::generation_floor(const PodId& id) const {
  std::int64_t floor = -1;
  const auto count = [&](const Container& container) {
    if (label_of(container, label::pod) == id.str())
      floor = std::max(floor, number_label(container, label::generation));
  };
  for (const auto& container : strays_) count(container);
  if (const auto found = floors_.find(id); found != floors_.end()) floor = std::max(floor, found->second.generation);
  if (const auto found = pods_.find(id); found != pods_.end()) {
    floor = std::max(floor, found->second->order.generation);
    for (const auto& container : found->second->seen) count(container);
  }
  return floor;
}

void Agent::Impl::on(const link::PodOrder& order) {
  if (!pods_.contains(order.pod) && !listed_) {
    // Without a journal only the containers know which generation was obeyed last: wait until they have been seen.
    const auto found = early_orders_.find(order.pod);
    if (found != early_orders_.end() ? found->second.generation < order.generation
                                     : early_orders_.size() < early_orders_max)
      early_orders_.insert_or_assign(order.pod, order);
    return;
  }
  if (accept(order)) kick(order.pod);
}

bool Agent::Impl::accept(const link::PodOrder& order) {
  const auto& id = order.pod;
  const log::Fields about{{"pod", id.str()}, {"generation", std::to_string(order.generation)}};
  const auto floor = generation_floor(id);
  if (order.generation < floor) {
    log::warn("an order older than one already obeyed is refused", about);
    return false;
  }
  const auto known = pods_.find(id);
  if (known != pods_.end() && order.generation == known->second->order.generation) {
    if (!(order == known->second->order))
      log::error("two different orders of one generation; the first one stands", about);
    return false;
  }
  const auto gone = floors_.find(id);
  if (gone != floors_.end() && gone->second.forgotten_at && order.generation == floor) return false;
  if (!is_usable(order)) {
    log::error(
        "an order that cannot be carried out is refused: it needs containers with names of their own, and a volume "
        "with one of letters and digits",
        about);
    return false;
  }

  Memory memory;
  const bool same_run = known != pods_.end() && known->second->order.run == order.run;
  if (known != pods_.end()) {
    if (same_run) memory = known->second->memory;
    for (const auto& container : order.spec.containers)
      if (const auto pin = known->second->memory.pins.find(container.image); pin != known->second->memory.pins.end())
        memory.pins.insert(*pin);
    std::erase_if(memory.pins, [&](const auto& pin) {
      return std::none_of(order.spec.containers.begin(), order.spec.containers.end(),
                          [&](const auto& container) { return container.image == pin.first; });
    });
  }
  try {
    journal_.save(order, memory, runtime_.now(), runtime_.uptime());
  } catch (const db::DbError& problem) {
    log::error("an order cannot be journaled and is not obeyed", {{"pod", id.str()}, {"problem", problem.what()}});
    return false;
  }

  auto& pod = known != pods_.end() ? *known->second : *pods_.emplace(id, std::make_unique<Pod>(runtime_)).first->second;
  if (known == pods_.end()) {
    floors_.erase(id);
    for (auto& container : strays_)
      if (label_of(container, label::pod) == id.str()) pod.seen.push_back(container);
    std::erase_if(strays_, [&](const auto& container) { return label_of(container, label::pod) == id.str(); });
    pod.looked = listed_;
  }
  // A download needs no end before the pod may stop: it is left to itself and its result is not heard.
  const bool same_pull = same_run && order.desired == link::Desired::running && same_images(pod.order.spec, order.spec);
  if (pod.pulling && !same_pull) {
    pod.operation = 0;
    pod.pulling = false;
  }
  pod.order = order;
  pod.memory = std::move(memory);
  pod.trouble.reset();
  pod.gpu_trouble.reset();
  pod.volume_removed = pod.network_settled = false;
  if (!same_run) {
    pod.images.clear();
    pod.network_ready = pod.volume_ready = false;
    pod.disk_used = 0;
    pod.accepts = false;
  }
  log::info("order accepted", about);
  changed();
  return true;
}

void Agent::Impl::on(const link::ForgetPod& forget) {
  const auto found = pods_.find(forget.pod);
  if (found == pods_.end()) return;
  auto& pod = *found->second;
  const bool gone = pod.looked && plan(situation(pod)).phase == link::PodPhase::deleted && pod.operation == 0;
  if (!gone || forget.generation < pod.order.generation) {
    log::warn("a pod that is not deleted cannot be forgotten", {{"pod", forget.pod.str()}});
    return;
  }
  try {
    journal_.forget(forget.pod, forget.generation, runtime_.now());
  } catch (const db::DbError& problem) {
    log::error("the journal cannot be written", {{"problem", problem.what()}});
    return;  // the server will say it again
  }
  floors_[forget.pod] = {forget.generation, runtime_.now()};
  pods_.erase(found);
  changed();
  retire_if_done();
}

void Agent::Impl::on(const link::RetireHost&) {
  try {
    journal_.set_fact("retiring", "1");
  } catch (const db::DbError& problem) {
    log::error("the journal cannot be written", {{"problem", problem.what()}});
  }
  retiring_ = true;
  retire_if_done();
}

void Agent::Impl::retire_if_done() {
  if (!retiring_ || retired_told_ || !listed_ || !early_orders_.empty()) return;
  for (const auto& [id, pod] : pods_)
    if (!pod->looked || plan(situation(*pod)).phase != link::PodPhase::deleted) return;
  retired_told_ = true;
  report(false);
  if (retired_) runtime_.post(alive_.guard([this] { retired_(); }));
}

bool Agent::Impl::save(Pod& pod, Memory memory) {
  try {
    journal_.save(pod.order, memory, runtime_.now(), runtime_.uptime());
  } catch (const db::DbError& problem) {
    log::error("the journal cannot be written", {{"pod", pod.order.pod.str()}, {"problem", problem.what()}});
    return false;
  }
  pod.memory = std::move(memory);
  return true;
}

// ---- the engine ----

std::map<std::string, std::string> Agent::Impl::labels(std::optional<PodId> pod) const {
  std::map<std::string, std::string> out{{label::host, config_.host.str()}};
  if (pod) out[label::pod] = pod->str();
  return out;
}

void Agent::Impl::look_at_all() {
  if (looking_at_all_) {
    look_at_all_again_ = true;
    return;
  }
  looking_at_all_ = true;
  const auto asked_at = ++clock_;
  engine_.list(labels(), alive_.guard([this, asked_at](Result<std::vector<Container>> all) {
    looking_at_all_ = false;
    if (all)
      seen_all(std::move(*all), asked_at);
    else
      engine_lost(all.error());
    if (std::exchange(look_at_all_again_, false)) look_at_all();
  }));
}

void Agent::Impl::seen_all(std::vector<Container> all, std::uint64_t asked_at) {
  const bool was_away = !reachable_;
  if (was_away) {
    reachable_ = true;
    engine_error_.clear();
    engine_retry_ = engine_retry_first;
    engine_timer_.stop();
    ask_engine_info();
    changed();
  }
  std::map<PodId, std::vector<Container>> by_pod;
  std::vector<Container> strays;
  for (auto& container : all) {
    const PodId id(label_of(container, label::pod));
    if (pods_.contains(id))
      by_pod[id].push_back(std::move(container));
    else
      strays.push_back(std::move(container));
  }
  const auto names = [](const std::vector<Container>& containers) {
    std::vector<std::string> out;
    for (const auto& container : containers) out.push_back(container.name);
    return out;
  };
  if (names(strays) != names(strays_)) {
    if (!strays.empty()) log::warn("containers that no order speaks of", {{"count", std::to_string(strays.size())}});
    changed();
  }
  strays_ = std::move(strays);
  for (auto& [id, pod] : pods_) {
    if (pod->operation != 0 || pod->touched > asked_at) {
      pod->look_again = true;
      continue;
    }
    pod->seen = std::move(by_pod[id]);
    observe(*pod);
  }
  if (!listed_) {
    listed_ = true;
    for (const auto& [id, order] : std::exchange(early_orders_, {})) accept(order);
    changed();
  }
  if (!events_) watch_events();
  keep_gpus();
  std::vector<PodId> ids;
  for (const auto& [id, pod] : pods_) ids.push_back(id);
  for (const auto& id : ids)
    if (const auto found = pods_.find(id); found != pods_.end() && found->second->operation == 0) go_on(*found->second);
  retire_if_done();

  const auto old = runtime_.now() - forget_after;
  if (std::erase_if(floors_,
                    [&](const auto& floor) { return floor.second.forgotten_at && *floor.second.forgotten_at < old; })) {
    try {
      journal_.drop_forgotten(old);
    } catch (const db::DbError& problem) {
      log::error("the journal cannot be written", {{"problem", problem.what()}});
    }
  }
}

void Agent::Impl::engine_lost(const Error& error) {
  if (reachable_ || !engine_failed_) {
    log::warn("the engine does not answer", {{"problem", error.message()}});
    changed();
  }
  engine_failed_ = true;
  reachable_ = false;
  engine_error_ = error.message();
  if (engine_timer_.waiting()) return;
  engine_timer_.start(engine_retry_, [this] { look_at_all(); });
  engine_retry_ = std::min(engine_retry_ * 2, engine_retry_max);
}

void Agent::Impl::ask_engine_info() {
  engine_.info(alive_.guard([this](Result<engine::EngineInfo> info) {
    if (!info) return;  // look_at_all notices too, and asks again when the engine is back
    const bool moved = engine_info_.data_path != info->data_path;
    engine_info_ = *info;
    if (moved) read_host(true);  // another disk, perhaps
    auto facts = facts_;
    facts.engine_name = info->name;
    facts.engine_version = info->version;
    facts.container_disk_limit = info->container_disk_limit;
    if (facts == facts_) return;
    facts_ = std::move(facts);
    say_hello();
  }));
}

void Agent::Impl::watch_events() {
  const auto stream = ++event_stream_;
  auto event = alive_.guard([this, stream](const engine::ContainerEvent& heard) {
    if (stream != event_stream_) return;
    const auto pod = heard.labels.find(label::pod);
    if (pod != heard.labels.end() && pods_.contains(PodId(pod->second)))
      kick(PodId(pod->second));
    else
      look_at_all();
  });
  auto end = alive_.guard([this, stream](const Result<void>&) {
    if (stream != event_stream_) return;
    ++event_stream_;
    // Dropped later: this is its own callback.
    runtime_.post([dropped = std::shared_ptr<engine::Subscription>(std::move(events_))]() mutable { dropped.reset(); });
    look_at_all();
  });
  events_ = engine_.events(labels(), std::move(event), std::move(end));
}

// ---- one pod ----

void Agent::Impl::kick(const PodId& id) {
  const auto found = pods_.find(id);
  if (found == pods_.end()) return;
  auto& pod = *found->second;
  if (pod.operation != 0 || !listed_ || !reachable_)
    pod.look_again = true;
  else
    look(pod);
}

// Marks the pod as busy; `then` is called when the engine has answered, unless the pod or the operation is no more.
// An engine that cannot be reached ends the operation without a conclusion: the next look tells what happened.
template <class T>
engine::Done<T> Agent::Impl::operation(Pod& pod, std::function<void(Pod&, Result<T>)> then) {
  CHECK(pod.operation == 0);
  const auto number = pod.operation = ++operations_;
  pod.touched = ++clock_;
  return alive_.guard([this, id = pod.order.pod, number, then = std::move(then)](Result<T> result) {
    const auto found = pods_.find(id);
    if (found == pods_.end() || found->second->operation != number) return;
    auto& busy = *found->second;
    busy.operation = 0;
    busy.pulling = false;
    busy.touched = ++clock_;
    if (!result && result.error().reason == Reason::engine_unreachable) {
      busy.look_again = true;
      engine_lost(result.error());
      return;
    }
    then(busy, std::move(result));
  });
}

void Agent::Impl::look(Pod& pod) {
  pod.look_again = false;
  auto done = operation<std::vector<Container>>(pod, [this](Pod& looked, Result<std::vector<Container>> seen) {
    if (!seen) {
      log::warn("the engine cannot show a pod", {{"pod", looked.order.pod.str()}, {"problem", seen.error().message()}});
      looked.wake.start(trouble_first, [this, id = looked.order.pod] { kick(id); });
      return;
    }
    looked.seen = std::move(*seen);
    observe(looked);
    go_on(looked);
  });
  engine_.list(labels(pod.order.pod), std::move(done));
}

// The pod has just been seen as it is.
void Agent::Impl::observe(Pod& pod) {
  pod.looked = true;
  pod.look_again = false;
  const auto* main = pod.main();
  if (main && main->started_at && pod.memory.started_run != pod.order.run) {
    auto memory = pod.memory;
    memory.started_run = pod.order.run;
    save(pod, std::move(memory));  // failing that it is tried again at the next look
    if (!health_hurry_) {
      health_hurry_ = true;
      health_timer_.start(report_soon, [this] { check_health(); });
    }
  }
  if (!pod.main_runs()) pod.accepts = false;
  settle_gpus(pod);
  changed();
}

Situation Agent::Impl::situation(const Pod& pod) const {
  Situation out{.order = pod.order, .memory = pod.memory, .seen = pod.seen};
  out.looked = pod.looked;
  out.uptime = runtime_.uptime();
  for (const auto& [name, id] : pod.images) out.images_ready.insert(name);
  out.network_ready = pod.network_ready;
  out.volume_ready = pod.volume_ready;
  out.volume_removed = pod.volume_removed;
  out.network_settled = pod.network_settled;
  out.gpu_trouble = pod.gpu_trouble;
  out.trouble = pod.trouble;
  return out;
}

void Agent::Impl::step(Pod& pod) {
  while (listed_ && reachable_ && facts_known_ && pod.operation == 0) {
    pod.gpu_trouble = pod.wants_to_run() ? take_gpus(pod) : std::nullopt;
    const auto next = plan(situation(pod));
    switch (next.step) {
      case Step::note_reboot:
      case Step::note_exit:
      case Step::note_outcome:
      case Step::note_stopped:
        if (note(pod, next)) continue;
        return trouble(pod, next.step, {Reason::agent_journal_unwritable, {{"detail", "see the agent's log"}}, {}});
      default:
        return carry_out(pod, next);
    }
  }
}

// The steps that only the journal is needed for.
bool Agent::Impl::note(Pod& pod, const Plan& next) {
  auto memory = pod.memory;
  switch (next.step) {
    case Step::note_reboot:
      memory.rebooted = false;
      if (!pod.any_runs()) {
        memory.started_run = -1;
        memory.restarts.clear();
      }
      break;
    case Step::note_exit: {
      const auto* container = pod.find(next.container);
      CHECK(container);
      const auto error = exit_error(*container);
      log::info("a container ended", {{"pod", pod.order.pod.str()},
                                      {"container", next.container},
                                      {"exit_code", std::to_string(container->exit_code)}});
      auto& restarts = memory.restarts[next.container];
      const Backoff backoff{.first = config_.restart_first, .max = config_.restart_max};
      restarts = after_exit(restarts, *container, pod.order.spec.restart, backoff, runtime_.uptime());
      if (restarts.resting && container == pod.main())
        memory.outcome = {pod.order.run, OutcomeKind::exited, error.reason, error.args};
      break;
    }
    case Step::note_outcome:
      memory.outcome = next.outcome;
      break;
    default:  // note_stopped: the next run, whatever its number, begins with nothing remembered
      memory.started_run = -1;
      memory.rebooted = false;
      memory.outcome.reset();
      memory.restarts.clear();
      pod.images.clear();
      pod.network_ready = pod.volume_ready = false;
      pod.ports_chosen.clear();
      break;
  }
  if (!save(pod, std::move(memory))) return false;
  settle_gpus(pod);
  changed();
  return true;
}

void Agent::Impl::carry_out(Pod& pod, const Plan& next) {
  const auto look_after = [this, what = next.step](Pod& done, const Result<void>& result) {
    if (!result) return trouble(done, what, result.error());
    if (done.trouble && done.trouble->step == what) done.trouble.reset();
    look(done);
  };
  // For what changes no container: no need to look.
  const auto then_go_on = [this, what = next.step](bool Pod::*flag) {
    return [this, what, flag](Pod& done, const Result<void>& result) {
      if (!result) return trouble(done, what, result.error());
      if (done.trouble && done.trouble->step == what) done.trouble.reset();
      done.*flag = true;
      changed();
      go_on(done);
    };
  };
  switch (next.step) {
    case Step::rest:
      pod.wake.stop();
      if (pod.look_again)
        look(pod);
      else
        retire_if_done();
      return;
    case Step::wait:
      pod.wake.start(std::max(*next.until - runtime_.uptime(), Duration(1)), [this, id = pod.order.pod] { kick(id); });
      if (pod.look_again) look(pod);
      return;
    case Step::pull:
      return pull(pod, next.container);
    case Step::make_network: {
      const auto& workspace = pod.order.spec.workspace;
      if (networks_going_.contains(workspace)) {
        pod.wake.start(network_poll, [this, id = pod.order.pod] { kick(id); });
        return;
      }
      auto with = labels();
      with[label::workspace] = workspace.str();
      return engine_.create_network(network_name(workspace), with,
                                    operation<void>(pod, then_go_on(&Pod::network_ready)));
    }
    case Step::make_volume: {
      auto with = labels(pod.order.pod);
      with[label::workspace] = pod.order.spec.workspace.str();
      return engine_.create_volume(volume_name(pod.order.pod), with,
                                   operation<void>(pod, then_go_on(&Pod::volume_ready)));
    }
    case Step::create:
      return create(pod, next.container);
    case Step::start:
      return start_container(pod, next.container, next.ids.front());
    case Step::stop:
      return stop(pod, next.ids);
    case Step::remove:
      return engine_.remove(next.ids.front(), operation<void>(pod, look_after));
    case Step::remove_volume:
      return engine_.remove_volume(volume_name(pod.order.pod), operation<void>(pod, then_go_on(&Pod::volume_removed)));
    case Step::remove_network:
      return remove_network(pod);
    default:
      CHECK(false);
  }
}

// A step did not work: give up when trying again cannot help, else try again later. Once a pod has run it is never
// given up: what has become impossible may become possible again, and its volume and its restart policy wait for that.
void Agent::Impl::trouble(Pod& pod, Step what, const Error& error) {
  log::warn("a step did not work",
            {{"pod", pod.order.pod.str()}, {"step", std::string(enum_text(what))}, {"problem", error.message()}});
  const bool again = pod.trouble && pod.trouble->step == what;
  Trouble now{.step = what, .error = error, .attempts = 1, .since = runtime_.uptime()};
  if (again) {
    now.attempts = pod.trouble->attempts + 1;
    now.since = pod.trouble->since;
  }
  const bool for_start = what == Step::pull || what == Step::make_network || what == Step::make_volume ||
                         what == Step::create || what == Step::start;
  const bool never_ran = pod.memory.started_run != pod.order.run && !pod.main_runs();
  const bool hopeless =
      is_final(error.reason) ||
      (may_pass(error.reason) ? runtime_.uptime() - now.since >= give_up_after : now.attempts >= attempts_max);
  if (for_start && never_ran && hopeless && pod.wants_to_run()) {
    auto memory = pod.memory;
    memory.outcome = {pod.order.run, OutcomeKind::failed, error.reason, error.args};
    if (save(pod, std::move(memory))) {
      pod.trouble.reset();
      changed();
      return look(pod);
    }
  }
  const auto doublings = std::min(now.attempts - 1, 16);
  now.retry_at = runtime_.uptime() + std::min(trouble_first * (1 << doublings), trouble_max);
  pod.trouble = now;
  changed();
  const auto id = pod.order.pod;
  pod.wake.start(now.retry_at - runtime_.uptime(), [this, id] { kick(id); });
  look(pod);  // half of it may have worked
}

void Agent::Impl::pull(Pod& pod, const std::string& name) {
  const auto& containers = pod.order.spec.containers;
  const auto container =
      *std::find_if(containers.begin(), containers.end(), [&](const auto& one) { return one.name == name; });
  const auto pin = pod.memory.pins.find(container.image);
  // Only what this pod has pulled itself may be taken from the host without asking the registry: the image of that name
  // may be here for somebody else, who had a login.
  if (pin == pod.memory.pins.end()) return download(pod, container);
  auto done = operation<std::optional<engine::Image>>(
      pod, [this, container](Pod& asked, Result<std::optional<engine::Image>> image) {
        if (!image) return trouble(asked, Step::pull, image.error());
        if (!*image) return asked.look_again ? look(asked) : download(asked, container);
        asked.images[container.image] = (*image)->id;
        changed();
        go_on(asked);
      });
  engine_.image(pin->second.id, std::move(done));
}

void Agent::Impl::download(Pod& pod, const link::ContainerOrder& container) {
  auto reference = container.image;
  const auto pin = pod.memory.pins.find(container.image);
  if (const auto parsed = parse_image_reference(reference);
      pin != pod.memory.pins.end() && !pin->second.digest.empty() && parsed)
    reference = parsed->name() + "@" + pin->second.digest;
  std::optional<engine::RegistryLogin> login;
  if (!container.registry_user.empty()) login = {container.registry_user, container.registry_password};
  pod.pull = {.sampled_at = runtime_.uptime()};
  auto done = operation<engine::Image>(pod, [this, name = container.image](Pod& pulled, Result<engine::Image> image) {
    if (!image) return trouble(pulled, Step::pull, image.error());
    auto memory = pulled.memory;
    memory.pins[name] = {image->digest, image->id};
    if (!save(pulled, std::move(memory)))
      return trouble(pulled, Step::pull, {Reason::agent_journal_unwritable, {{"detail", "see the agent's log"}}, {}});
    if (pulled.trouble && pulled.trouble->step == Step::pull) pulled.trouble.reset();
    pulled.images[name] = image->id;
    changed();
    go_on(pulled);
  });
  pod.pulling = true;
  auto heard = alive_.guard([this, id = pod.order.pod, number = pod.operation](const engine::PullProgress& news) {
    const auto found = pods_.find(id);
    if (found != pods_.end() && found->second->operation == number) progress(*found->second, news);
  });
  engine_.pull(reference, std::move(login), std::move(heard), std::move(done));
}

void Agent::Impl::progress(Pod& pod, const engine::PullProgress& news) {
  auto& pull = pod.pull;
  pull.done = news.bytes_done;
  pull.total = news.bytes_total;
  if (const auto passed = runtime_.uptime() - pull.sampled_at; passed >= 1s) {
    pull.rate = std::max<std::int64_t>(0, pull.done - pull.sampled_bytes) * 1000 / passed.count();
    pull.sampled_at = runtime_.uptime();
    pull.sampled_bytes = pull.done;
  }
  if (!progress_soon_.waiting()) progress_soon_.start(progress_soon, [this] { report(true); });
}

Result<std::vector<link::PortFacts>> Agent::Impl::choose_ports(const Pod& pod) const {
  // Ports of containers that wait for their restart are free for anybody to bind, but not for us to give away.
  std::set<int> given;
  const auto take = [&](const std::vector<link::PortFacts>& ports) {
    for (const auto& port : ports) given.insert(port.host_port);
  };
  for (const auto& container : strays_) take(ports_of(container));
  for (const auto& [id, other] : pods_) {
    if (other.get() != &pod) take(other->ports_chosen);
    for (const auto& container : other->seen) take(ports_of(container));
  }
  const bool http_only_here = config_.http_address.empty();
  std::vector<link::PortFacts> chosen;
  for (const auto& wanted : pod.order.spec.ports) {
    int port = 0;
    for (int tries = 0; tries < 100; ++tries) {
      port = tools_.free_port(wanted.http ? http_only_here ? "127.0.0.1" : "0.0.0.0" : config_.listen_address);
      if (port == 0 || given.insert(port).second) break;
      port = 0;
    }
    if (port == 0) return fail(Reason::no_free_host_port, {{"port", std::to_string(wanted.container_port)}});
    chosen.push_back({wanted.container_port, port, wanted.http, wanted.http ? config_.http_address : ""});
  }
  return chosen;
}

void Agent::Impl::create(Pod& pod, const std::string& name) {
  const auto& order = pod.order;
  const auto& wanted = *std::find_if(order.spec.containers.begin(), order.spec.containers.end(),
                                     [&](const auto& container) { return container.name == name; });
  const bool is_main = &wanted == &order.spec.containers.front();

  engine::ContainerSpec spec;
  // The run, not the generation: orders of one run with different generations mean the same containers.
  spec.name = "gyre-" + order.pod.str() + "-" + name + "-" + std::to_string(order.run);
  spec.image = pod.images.at(wanted.image);
  spec.entrypoint = wanted.entrypoint;
  spec.command = wanted.command;
  spec.env = wanted.env;
  spec.cpus = order.spec.vcpus;
  spec.memory_bytes = order.spec.memory_bytes;
  spec.shm_bytes = order.spec.shm_bytes;
  spec.disk_bytes = order.spec.container_disk_bytes;
  const bool borrows = !order.spec.volume_of.empty();
  if ((borrows || order.spec.volume_bytes > 0) && !order.spec.volume_path.empty())
    spec.mounts.push_back({.kind = engine::Mount::Kind::volume,
                           .volume = volume_name(borrows ? order.spec.volume_of : order.pod),
                           .path = order.spec.volume_path});
  if (!order.spec.network_volume.empty() && config_.network_volumes.empty())
    return trouble(pod, Step::create, Error{Reason::volume_not_found, {{"volume", order.spec.network_volume}}, ""});
  if (!order.spec.network_volume.empty())
    spec.mounts.push_back({.kind = engine::Mount::Kind::folder,
                           .folder = config_.network_volumes + "/" + order.spec.network_volume,
                           .path = order.spec.volume_path});
  spec.labels = labels(order.pod);
  spec.labels[label::container] = name;
  spec.labels[label::run] = std::to_string(order.run);
  spec.labels[label::generation] = std::to_string(order.generation);
  spec.labels[label::workspace] = order.spec.workspace.str();
  if (const auto pin = pod.memory.pins.find(wanted.image); pin != pod.memory.pins.end())
    spec.labels[label::image_digest] = pin->second.digest;

  std::vector<link::PortFacts> ports;
  if (is_main) {
    auto chosen = choose_ports(pod);
    if (!chosen) return trouble(pod, Step::create, chosen.error());
    ports = pod.ports_chosen = std::move(*chosen);
    spec.hostname = order.spec.hostname;
    spec.network = network_name(order.spec.workspace);
    const auto bind = [&](const link::PortFacts& port, const std::string& address) {
      spec.ports.push_back(
          {.container_port = port.container_port, .udp = false, .host_address = address, .host_port = port.host_port});
    };
    for (const auto& port : ports) {
      bind(port, port.http ? "127.0.0.1" : config_.listen_address);
      if (!port.address.empty()) bind(port, port.address);
    }
    std::string gpus;
    for (const auto& gpu : order.spec.gpus) {
      gpus += (gpus.empty() ? "" : ",") + gpu;
      if (gpu.starts_with("SIM-") || simulated_gpus_.contains(gpu)) continue;
      const auto files = gpu_devices_.find(gpu);
      if (files == gpu_devices_.end()) {
        spec.gpus.push_back(gpu);
        continue;
      }
      for (const auto& path : files->second)  // /dev/kfd is every AMD card's
        if (std::find(spec.devices.begin(), spec.devices.end(), path) == spec.devices.end())
          spec.devices.push_back(path);
    }
    if (!gpus.empty()) spec.labels[label::gpus] = gpus;
    if (!ports.empty()) spec.labels[label::ports] = ports_label(ports);
  } else {
    CHECK(pod.main());
    spec.share_network_with = pod.main()->id;
    spec.labels[label::network_of] = pod.main()->id;
    ports = ports_of(*pod.main());
  }
  for (const auto& port : ports)
    if (!port.http) spec.env["RUNPOD_TCP_PORT_" + std::to_string(port.container_port)] = std::to_string(port.host_port);
  if (!config_.facts.public_address.empty()) spec.env["RUNPOD_PUBLIC_IP"] = config_.facts.public_address;

  auto done = operation<std::string>(pod, [this, image = wanted.image](Pod& made, const Result<std::string>& id) {
    if (id) {
      if (made.trouble && made.trouble->step == Step::create) made.trouble.reset();
      return look(made);
    }
    // Somebody removed what was there a moment ago: it is made again before the next attempt.
    if (id.error().reason == Reason::image_not_on_host) made.images.erase(image);
    if (id.error().reason == Reason::network_not_found) made.network_ready = false;
    if (id.error().reason == Reason::volume_not_found) made.volume_ready = false;
    trouble(made, Step::create, id.error());
  });
  engine_.create(std::move(spec), std::move(done));
}

void Agent::Impl::start_container(Pod& pod, const std::string& name, const std::string& id) {
  const auto* container = pod.find(name);
  CHECK(container);
  if (container == pod.main() && container->state == ContainerState::exited) {
    // The others ended with the main container's network, not by themselves: they are started with it, whatever the
    // policy says of exits. Noted first, so that it is true whatever happens to this process.
    auto memory = pod.memory;
    for (const auto& other : pod.seen) {
      if (&other == container || other.state != ContainerState::exited) continue;
      auto& restarts = memory.restarts[label_of(other, label::container)];
      restarts.exit_seen = other.finished_at.value_or(Time{});
      restarts.due = runtime_.uptime();
      restarts.resting = false;
      ++restarts.count;
    }
    if (!(memory == pod.memory) && !save(pod, std::move(memory)))
      return trouble(pod, Step::start, {Reason::agent_journal_unwritable, {{"detail", "see the agent's log"}}, {}});
  }
  const bool has_run = container->started_at.has_value();
  auto done = operation<void>(pod, [this, id, has_run](Pod& started, const Result<void>& result) {
    if (result) {
      if (started.trouble && started.trouble->step == Step::start) started.trouble.reset();
      return look(started);
    }
    const auto& error = result.error();
    if (error.reason != Reason::host_port_taken || has_run) return trouble(started, Step::start, error);
    // Somebody was quicker with the port: the container has never run, so it is made again with another one.
    auto removed = operation<void>(started, [this, error](Pod& pod_again, const Result<void>&) {
      pod_again.ports_chosen.clear();
      trouble(pod_again, Step::start, error);
    });
    engine_.remove(id, std::move(removed));
  });
  engine_.start(id, std::move(done));
}

// All at once, so that each gets the whole grace and all have ended when it is over.
void Agent::Impl::stop(Pod& pod, const std::vector<std::string>& ids) {
  struct Round {
    std::size_t left;
    Result<void> result;
  };
  auto round = std::make_shared<Round>(Round{ids.size(), {}});
  auto done = operation<void>(pod, [this](Pod& stopped, const Result<void>& result) {
    if (!result) return trouble(stopped, Step::stop, result.error());
    if (stopped.trouble && stopped.trouble->step == Step::stop) stopped.trouble.reset();
    look(stopped);
  });
  for (const auto& id : ids)
    engine_.stop(id, pod.order.stop_grace, [round, done](const Result<void>& result) mutable {
      if (!result) round->result = result;
      if (--round->left == 0) done(round->result);
    });
}

bool Agent::Impl::network_is_needed(const Pod& besides) const {
  const auto& workspace = besides.order.spec.workspace;
  for (const auto& container : strays_)
    if (label_of(container, label::workspace) == workspace.str()) return true;
  for (const auto& [id, pod] : pods_) {
    if (pod.get() == &besides || pod->order.spec.workspace != workspace) continue;
    if (pod->order.desired != link::Desired::deleted || !pod->network_settled) return true;
  }
  return false;
}

void Agent::Impl::remove_network(Pod& pod) {
  const auto workspace = pod.order.spec.workspace;
  if (workspace.empty() || network_is_needed(pod)) {
    pod.network_settled = true;
    changed();
    return step(pod);
  }
  networks_going_.insert(workspace);
  auto done = operation<void>(pod, [this](Pod& removed, const Result<void>& result) {
    if (!result && result.error().reason != Reason::network_in_use)
      return trouble(removed, Step::remove_network, result.error());
    removed.network_settled = true;
    changed();
    go_on(removed);
  });
  engine_.remove_network(network_name(workspace),
                         alive_.guard([this, workspace, done](const Result<void>& result) mutable {
                           networks_going_.erase(workspace);  // whatever became of the pod meanwhile
                           done(result);
                         }));
}

// ---- GPUs ----

// A pod holds its GPUs from before its first container is made until it neither wants to run nor runs.
void Agent::Impl::settle_gpus(Pod& pod) {
  if (pod.gpus_held.empty() || pod.wants_to_run() || pod.any_runs()) return;
  pod.gpus_held.clear();
  for (const auto& [id, other] : pods_)
    if (other->gpu_trouble) runtime_.post(alive_.guard([this, waiting = id] { kick(waiting); }));
}

std::string Agent::Impl::holder_of(const std::string& gpu, const Pod& besides) const {
  const auto holds = [&](const Container& container) {
    if (container.state != ContainerState::running) return false;
    const auto gpus = list_label(container, label::gpus);
    return std::find(gpus.begin(), gpus.end(), gpu) != gpus.end();
  };
  for (const auto& [id, pod] : pods_) {
    if (pod.get() == &besides) continue;
    if (pod->gpus_held.contains(gpu) || std::any_of(pod->seen.begin(), pod->seen.end(), holds)) return id.str();
  }
  for (const auto& container : strays_)
    if (holds(container)) return label_of(container, label::pod);
  return {};
}

// Takes all of the pod's GPUs, or none and says why not.
std::optional<Error> Agent::Impl::take_gpus(Pod& pod) {
  const std::set<std::string> wanted(pod.order.spec.gpus.begin(), pod.order.spec.gpus.end());
  if (pod.gpus_held == wanted) return std::nullopt;
  if (pod.main_runs()) {  // it has them already, whatever we may think of it
    const auto given = list_label(*pod.main(), label::gpus);
    pod.gpus_held = {given.begin(), given.end()};
    return std::nullopt;
  }
  pod.gpus_held.clear();
  for (const auto& gpu : wanted)
    if (!gpus_.contains(gpu)) return Error{Reason::gpu_not_on_host, {{"gpu", gpu}}, {}};
  for (const auto& gpu : wanted)
    if (const auto holder = holder_of(gpu, pod); !holder.empty())
      return Error{Reason::gpu_still_held, {{"gpu", gpu}, {"holder", holder}}, {}};
  pod.gpus_held = wanted;
  return std::nullopt;
}

// ---- what is watched ----

std::string Agent::Impl::probe_address(const link::PortFacts& port) const {
  const bool everywhere = config_.listen_address == "0.0.0.0" || config_.listen_address.empty();
  return port.http || everywhere ? "127.0.0.1" : config_.listen_address;
}

// Only what an order of ours has exposed as an HTTP port, and only while it runs: a token opens nothing else.
Result<HostTools::Target> Agent::Impl::tunnel_target(const link::TunnelOpen& open) const {
  const auto refuse = [&](std::string detail) {
    Args args{{"pod", open.pod.str()}, {"port", std::to_string(open.container_port)}, {"detail", std::move(detail)}};
    return fail(Reason::tunnel_not_possible, std::move(args));
  };
  const auto found = pods_.find(open.pod);
  if (found == pods_.end() || !found->second->main_runs()) return refuse("the pod does not run on this host");
  for (const auto& port : ports_of(*found->second->main()))
    if (port.http && port.container_port == open.container_port)
      return HostTools::Target{open.pod, port.container_port, probe_address(port), port.host_port};
  return refuse("it is not one of the pod's HTTP ports");
}

void Agent::Impl::check_health() {
  struct Target {
    PodId pod;
    std::string container;
    std::vector<std::pair<std::string, int>> ports;
    bool accepts = true;
  };
  if (checking_health_) return;
  auto targets = std::make_shared<std::vector<Target>>();
  for (const auto& [id, pod] : pods_) {
    if (!pod->main_runs()) continue;
    Target target{id, pod->main()->id, {}, true};
    for (const auto& port : ports_of(*pod->main())) target.ports.emplace_back(probe_address(port), port.host_port);
    targets->push_back(std::move(target));
  }
  checking_health_ = true;
  auto slow = [targets, accepts = tools_.accepts] {
    for (auto& target : *targets)
      target.accepts = std::all_of(target.ports.begin(), target.ports.end(),
                                   [&](const auto& port) { return accepts(port.first, port.second); });
  };
  runtime_.work(std::move(slow), alive_.guard([this, targets] {
    checking_health_ = false;
    bool all = true;
    for (const auto& target : *targets) {
      all = all && target.accepts;
      const auto found = pods_.find(target.pod);
      if (found == pods_.end() || !found->second->main_runs() || found->second->main()->id != target.container)
        continue;
      if (std::exchange(found->second->accepts, target.accepts) != target.accepts) changed();
    }
    health_hurry_ = !all;
    const auto pause = all ? config_.health_check_every : std::min(health_check_hurry, config_.health_check_every);
    health_timer_.start(pause, [this] { check_health(); });
  }));
}

// One after another: an engine walks the whole layer to answer.
void Agent::Impl::check_disks() {
  check_volumes();
  if (checking_disks_ || !reachable_) return;
  disks_checked_.clear();
  for (const auto& [id, pod] : pods_)
    for (const auto& container : pod->seen)
      if (container.state == ContainerState::running) disks_to_check_.emplace_back(id, container.id);
  checking_disks_ = true;
  check_next_disk();
}

void Agent::Impl::check_next_disk() {
  if (disks_to_check_.empty()) {
    checking_disks_ = false;
    return judge_disks();
  }
  const auto [id, container] = std::move(disks_to_check_.front());
  disks_to_check_.pop_front();
  engine_.disk_used(container, alive_.guard([this, pod = id](const Result<std::int64_t>& bytes) {
    if (bytes) disks_checked_[pod] += *bytes;
    check_next_disk();
  }));
}

// Where the file system sets no limit, a pod that has written more than it may is stopped: its neighbours' disk is at
// stake. Its volume stays, and its containers stay for their logs until the next run.
void Agent::Impl::judge_disks() {
  for (const auto& [id, used] : std::exchange(disks_checked_, {})) {
    const auto found = pods_.find(id);
    if (found == pods_.end()) continue;
    auto& pod = *found->second;
    pod.disk_used = used;
    pod.disk_looked = true;
    const auto limit = pod.order.spec.container_disk_bytes;
    if (engine_info_.container_disk_limit || limit <= 0 || used <= limit || !pod.wants_to_run() || !pod.main_runs())
      continue;
    auto memory = pod.memory;
    Args args{{"used", in_gigabytes(used)}, {"limit", in_gigabytes(limit)}};
    memory.outcome = {pod.order.run, OutcomeKind::failed, Reason::container_disk_full, std::move(args)};
    if (save(pod, std::move(memory))) kick(id);
  }
  changed();
}

// Counting a volume's files costs what they are many: at most a twentieth of the time goes into it.
void Agent::Impl::check_volumes() {
  if (!volumes_to_check_.empty() || !reachable_ || runtime_.uptime() < volumes_rest_until_) return;
  for (const auto& [id, pod] : pods_)
    if (pod->order.spec.volume_bytes > 0 && pod->any_runs()) volumes_to_check_.push_back(id);
  volumes_began_ = runtime_.uptime();
  if (!volumes_to_check_.empty()) check_next_volume();
}

void Agent::Impl::check_next_volume() {
  const auto id = volumes_to_check_.front();
  engine_.volume_used(volume_name(id), alive_.guard([this, id](const Result<std::int64_t>& bytes) {
    volumes_to_check_.pop_front();
    if (const auto found = pods_.find(id); found != pods_.end())
      found->second->volume_used = bytes ? std::optional(*bytes) : std::nullopt;
    if (!volumes_to_check_.empty()) return check_next_volume();
    const auto took = runtime_.uptime() - volumes_began_;
    volumes_rest_until_ = runtime_.uptime() + 20 * took;
    changed();
  }));
}

// On the beat of the wall clock, so that each slot has the same number of samples.
void Agent::Impl::sample_soon() {
  const auto past = runtime_.now().time_since_epoch() % config_.sample_every;
  sample_timer_.start(config_.sample_every - past, [this] {
    sample();
    sample_soon();
  });
}

void Agent::Impl::sample() {
  if (sampling_) return;  // the engine is slow: a gap is better than a queue
  sampling_ = true;
  look_ = {};
  look_.at = runtime_.now();
  look_next_ = 0;
  if (reachable_)
    for (const auto& [id, pod] : pods_) {
      if (!pod->any_runs()) continue;
      const auto vcpus = pod->order.spec.vcpus > 0 ? pod->order.spec.vcpus : config_.facts.cpus;
      const auto* main = pod->main();  // the first: the network is its
      const auto add = [&](const Container& container) {
        if (container.state == ContainerState::running)
          look_.containers.push_back(
              {id, label_of(container, label::container), container.id, vcpus, Duration(0), std::nullopt});
      };
      if (main) add(*main);
      for (const auto& container : pod->seen)
        if (&container != main) add(container);
      Meter::Pod shown{id, std::nullopt, pod->volume_used};
      if (pod->disk_looked) shown.container_disk_bytes = pod->disk_used;
      look_.pods.push_back(shown);
    }
  sample_next();
}

void Agent::Impl::sample_next() {
  if (look_next_ >= look_.containers.size()) return sampled();
  auto done = alive_.guard([this](const Result<std::optional<engine::ContainerStats>>& stats) {
    auto& container = look_.containers[look_next_++];
    container.looked_at = runtime_.uptime();
    if (stats) container.stats = *stats;
    sample_next();
  });
  engine_.stats(look_.containers[look_next_].id, std::move(done));
}

void Agent::Impl::sampled() {
  for (const auto& reading : readings_) {
    Meter::Gpu gpu{reading.uuid,
                   PodId(),
                   reading.utilisation_percent,
                   reading.memory_used_bytes,
                   reading.temperature_celsius,
                   reading.power_watts};
    for (const auto& [id, pod] : pods_)
      if (pod->any_runs() && gpus_of(*pod).contains(reading.uuid)) gpu.pod = id;
    look_.gpus.push_back(std::move(gpu));
  }
  look_.host = host_usage_;
  if (look_.host) look_.host->disk_free_bytes = disk_free_;
  meter_.add(look_);
  sampling_ = false;
  if (server_ && server_->connected()) send(meter_.message(runtime_.uptime()));
}

// Those whose containers are there keep their GPUs before anybody new gets one.
void Agent::Impl::keep_gpus() {
  if (!facts_known_ || !listed_) return;
  for (auto& [id, pod] : pods_)
    if (pod->main() && pod->wants_to_run()) pod->gpu_trouble = take_gpus(*pod);
}

// What its containers were given, and what it holds before they are made.
std::set<std::string> Agent::Impl::gpus_of(const Pod& pod) const {
  if (!pod.main()) return pod.gpus_held;
  const auto given = list_label(*pod.main(), label::gpus);
  return {given.begin(), given.end()};
}

void Agent::Impl::read_host(bool list_gpus) {
  struct Read {
    std::vector<engine::Gpu> gpus;
    std::optional<engine::GpuDriver> driver;
    std::vector<engine::GpuReading> readings;
    HostTools::Disk disk;
    std::optional<Meter::Host> usage;
    bool network_volumes = false;
  };
  if (reading_host_) return;
  reading_host_ = true;
  auto read = std::make_shared<Read>();
  const auto engine_data = engine_info_.data_path;
  auto slow = [read, list_gpus, engine_data, &probe = probe_, disk = tools_.disk, usage = tools_.usage,
               folder = config_.network_volumes, folder_is_there = tools_.folder_is_there] {
    if (list_gpus) {
      read->gpus = probe.gpus();
      read->driver = probe.driver();
    }
    read->readings = probe.read();
    read->disk = disk(engine_data);
    if (usage) read->usage = usage();
    read->network_volumes = !folder.empty() && folder_is_there && folder_is_there(folder);
  };
  runtime_.work(std::move(slow), alive_.guard([this, read, list_gpus, engine_data] {
    reading_host_ = false;
    if (engine_data != engine_info_.data_path) return read_host(list_gpus);  // it has just said where its data is
    disk_free_ = read->disk.free_bytes;
    host_usage_ = read->usage;
    readings_.clear();
    for (auto& one : read->readings)
      readings_.push_back({one.uuid, one.utilisation_percent, one.temperature_celsius, one.power_watts,
                           one.memory_used_bytes, one.ecc_errors_uncorrected, std::move(one.events)});
    if (!list_gpus) return;
    gpus_listed_at_ = runtime_.uptime();
    auto facts = facts_;
    facts.gpus.clear();
    gpus_.clear();
    simulated_gpus_.clear();
    gpu_devices_.clear();
    for (const auto& gpu : read->gpus) {
      facts.gpus.push_back({gpu.uuid, gpu.type_id, gpu.bus, gpu.memory_bytes, gpu.simulated});
      gpus_.insert(gpu.uuid);
      if (gpu.simulated) simulated_gpus_.insert(gpu.uuid);
      if (!gpu.devices.empty()) gpu_devices_[gpu.uuid] = gpu.devices;
    }
    if (read->driver) {
      facts.driver_version = read->driver->driver_version;
      facts.cuda_version = read->driver->cuda_version;
    }
    facts.lends_volumes = true;
    facts.network_volumes = read->network_volumes;
    if (read->disk.bytes > 0) facts.disk_bytes = read->disk.bytes;
    const bool first = !std::exchange(facts_known_, true);
    if (!first && facts == facts_) return;
    facts_ = std::move(facts);
    keep_gpus();  // the containers may have been seen before the GPUs were
    say_hello();
    changed();
    for (const auto& [id, pod] : pods_)
      runtime_.post(alive_.guard([this, waiting = id] { kick(waiting); }));  // a GPU may have come back
  }));
}

// ---- what is told ----

void Agent::Impl::say_hello() {
  hello_said_at_ = runtime_.uptime();
  if (facts_known_) send(link::Hello{facts_});
}

link::PodFacts Agent::Impl::facts_of(const Pod& pod) const {
  const auto now = plan(situation(pod));
  link::PodFacts out;
  out.pod = pod.order.pod;
  out.generation = pod.order.generation;
  out.run = pod.order.run;
  out.phase = now.phase;
  out.reason = now.reason;
  out.args = now.args;
  if (now.step == Step::wait && now.until) out.next_restart = runtime_.now() + (*now.until - runtime_.uptime());
  // Containers of an earlier run are what is there until the last of them is gone.
  const bool earlier = std::none_of(pod.seen.begin(), pod.seen.end(), [&](const Container& container) {
    return number_label(container, label::run) == pod.order.run;
  });
  if (earlier && !pod.seen.empty()) out.run = number_label(pod.seen.front(), label::run);
  for (const auto& container : pod.seen) {
    if (number_label(container, label::run) != out.run) continue;
    link::ContainerFacts facts;
    facts.name = label_of(container, label::container);
    facts.container_id = container.id;
    facts.image_digest = label_of(container, label::image_digest);
    facts.running = container.state == ContainerState::running;
    facts.started_at = container.started_at;
    facts.finished_at = container.finished_at;
    facts.exit_code = container.exit_code;
    facts.oom_killed = container.oom_killed;
    if (const auto found = pod.memory.restarts.find(facts.name); found != pod.memory.restarts.end())
      facts.restarts = found->second.count;
    out.containers.push_back(std::move(facts));
  }
  if (const auto* main = pod.main()) out.ports = ports_of(*main);
  if (now.phase == link::PodPhase::pulling) {
    out.pull_bytes_done = pod.pull.done;
    out.pull_bytes_total = pod.pull.total;
    out.pull_bytes_per_second = pod.pull.rate;
  }
  out.container_disk_used_bytes = pod.disk_used;
  out.volume_used_bytes = pod.volume_used;
  const auto gpus = gpus_of(pod);
  out.gpus = {gpus.begin(), gpus.end()};
  out.vcpus = pod.order.spec.vcpus;
  out.memory_bytes = pod.order.spec.memory_bytes;
  out.healthy = pod.main_runs() && (out.ports.empty() || pod.accepts);
  return out;
}

void Agent::Impl::report(bool only_news) {
  if (!facts_known_ || (!listed_ && !engine_failed_) || !server_ || !server_->connected()) return;
  link::Report out;
  out.boot_id = config_.facts.boot_id;
  out.engine_reachable = reachable_;
  out.engine_error = engine_error_;
  out.disk_free_bytes = disk_free_;
  for (const auto& [id, pod] : pods_) out.pods.push_back(facts_of(*pod));
  for (const auto& container : strays_) out.stray_containers.push_back(container.name);
  out.gpus = readings_;
  std::string else_news = reachable_ ? "reachable" : "unreachable " + engine_error_;
  for (const auto& stray : out.stray_containers) else_news += " " + stray;
  std::pair news(out.pods, std::move(else_news));
  if (only_news && told_ == news) return;
  told_ = std::move(news);
  out.sequence = journal_.next_sequence(runtime_.now());
  out.sent_at = runtime_.now();
  send(std::move(out));
}

void Agent::Impl::channels_changed() {
  if (channels_.size() > 0) runtime_.post(alive_.guard([this] { channels_.pods_changed(); }));
}

LogChannels::Source Agent::Impl::log_source(const link::LogRequest& request) const {
  LogChannels::Source out;
  const auto found = pods_.find(request.pod);
  if (found == pods_.end()) return out;
  const auto& pod = *found->second;
  out.pod_known = true;
  const auto& containers = pod.order.spec.containers;
  auto name = request.container;
  if (name.empty() && !containers.empty()) name = containers.front().name;
  out.container_known =
      std::any_of(containers.begin(), containers.end(), [&](const auto& container) { return container.name == name; });
  out.will_run = pod.wants_to_run();
  if (const auto* container = pod.find(name); container && container->started_at) {
    out.container_id = container->id;
    out.running = container->state == ContainerState::running;
    out.started_at = container->started_at;
  }
  return out;
}

ExecSessions::Place Agent::Impl::exec_place(const link::ExecRequest& request) const {
  link::LogRequest same;
  same.pod = request.pod;
  same.container = request.container;
  const auto source = log_source(same);
  return {source.pod_known, source.container_known, source.running ? source.container_id : std::string()};
}

Agent::Agent(Runtime& runtime, engine::Engine& engine, engine::GpuProbe& gpus, db::Connection& journal,
             AgentConfig config, HostTools tools)
    : impl_(std::make_unique<Impl>(runtime, engine, gpus, journal, std::move(config), std::move(tools))) {}
Agent::~Agent() = default;

void Agent::start(link::ServerLink& server, std::function<void()> retired) { impl_->start(server, std::move(retired)); }
void Agent::server_connected() { impl_->connected(); }
void Agent::server_disconnected() { impl_->disconnected(); }
void Agent::server_said(const link::ServerMessage& message) { impl_->said(message); }

}  // namespace gyre::agent
