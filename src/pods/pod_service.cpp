#include "pods/pod_service.hpp"

#include <cmath>
#include <set>

#include "base/check.hpp"
#include "base/log.hpp"
#include "json/codec.hpp"
#include "pods/pod_times.hpp"

namespace gyre {
namespace {

constexpr std::int64_t gb = 1'000'000'000;
constexpr Duration placement_period = 5s;  // capacity_changed does the work; this only heals what it missed
constexpr Duration stuck_period = 15s;
constexpr Duration times_period = 1s;  // the clock on the wall may jump: no timer could be set for a time on it
constexpr int ends_at_once_max = 100;
constexpr auto bid_max = Money::micros(100'000 * Money::micros_per_dollar);  // as prices

std::string gb_text(std::int64_t bytes) { return std::to_string((bytes + gb / 2) / gb); }

PodSeen seen_in(const link::PodFacts& facts) {
  PodSeen seen;
  for (const auto& c : facts.containers)
    seen.containers.push_back({c.name, c.container_id, c.image_digest, c.running, c.started_at, c.finished_at,
                               c.exit_code, c.oom_killed, c.restarts});
  for (const auto& port : facts.ports)
    seen.ports.push_back({port.container_port, port.host_port, port.http,
                          port.address.empty() ? std::nullopt : std::optional(port.address)});
  seen.healthy = facts.healthy;
  return seen;
}

std::optional<Time> last_start(const link::PodFacts& facts) {
  std::optional<Time> last;
  for (const auto& container : facts.containers)
    if (container.started_at && (!last || *container.started_at > *last)) last = container.started_at;
  return last;
}

const link::ContainerFacts* main_container(const link::PodFacts& facts) {
  return facts.containers.empty() ? nullptr : &facts.containers.front();
}

bool bound(const Pod& pod, const PodWish& wish) { return pod.host && wish.volume_gb > 0; }

std::map<PodStore::Uses, std::string> uses_of(const PodWish& wish) {
  return {{PodStore::Uses::template_id, wish.template_id},
          {PodStore::Uses::registry_auth_id, wish.registry_auth_id},
          {PodStore::Uses::network_volume, wish.network_volume}};
}

// "gyre-<pod>-<container>-<run>", as agents name containers; empty for a name that is not of this kind.
PodId pod_of_container(std::string_view name) {
  constexpr std::string_view ours = "gyre-";
  if (!name.starts_with(ours)) return PodId();
  name.remove_prefix(ours.size());
  return PodId(name.substr(0, name.find('-')));
}

}  // namespace

PodService::PodService(Core& core, Events& events, HostService& hosts, QuotaService& quotas, link::AgentLink& link,
                       PodConfig config)
    : core_(core),
      events_(events),
      hosts_(hosts),
      quotas_(quotas),
      link_(link),
      config_(std::move(config)),
      store_(core.db()),
      logs_(core, link),
      exec_(core, link) {
  hosts_.add_listener(*this);
  QuotaUses uses;
  uses.in_workspace = [this](const WorkspaceId& workspace, const MachineTypeId& type) {
    return store_.machine_type_uses(workspace, type);
  };
  uses.anywhere = [this](const MachineTypeId& type) { return store_.machine_type_uses(type); };
  quotas_.set_uses(std::move(uses));
  placement_timer_ = core_.every(placement_period, "place pending pods", [this] { place_pending(); });
  stuck_timer_ = core_.every(stuck_period, "give up stuck pods", [this] { give_up_stuck(); });
  times_timer_ = core_.every(times_period, "end pods in time", [this] { end_in_time(); });
  if (const auto restore = store_.newest_restore()) {
    generation_floor_ = restore->restored_at.time_since_epoch().count();
    settling_ = !restore->settled_at;
    settling_since_ = core_.runtime().uptime();
    settle_timer_ = core_.every(placement_period, "settle after a restore", [this] {
      if (settling_ && core_.runtime().uptime() - settling_since_ >= config_.settle_limit) settle_all();
    });
  }
}

// ---- moving ----

void PodService::save(Pod& pod) {
  settled_.pod_changes(pod.id, pod.host);
  ++acts_;
  store_.update(pod);
  line_up(pod);
  follow_holder(pod);
  note_times(pod);
  if (pod.state == PodState::deleted) count_again(pod.workspace);
}

Result<> PodService::move(Pod& pod, PodEvent event, Because because) {
  TRY(apply(pod, event, core_.now(), because));
  save(pod);
  tell(pod, std::move(because));
  return {};
}

void PodService::tell(const Pod& pod, Because because) {
  Event happened;
  happened.workspace = pod.workspace;
  happened.kind = "pod." + std::string(enum_text(pod.state));
  happened.pod = pod.id;
  happened.host = pod.host;
  happened.reason = because.reason;
  happened.args = std::move(because.args);
  events_.append(std::move(happened));
  tell_ways(pod);
}

// A pod whose host is silent may be reached all the same: its containers run on.
void PodService::tell_ways(const Pod& pod) {
  if (!config_.ways_changed) return;
  std::vector<edge::Way> ways;
  if (pod.host && (pod.state == PodState::running || pod.state == PodState::host_lost)) {
    const auto* live = hosts_.live(*pod.host);
    const auto address = [&](const SeenPort& port) {
      return live && config_.straight_address ? config_.straight_address(*live, port.address.value_or("")) : "";
    };
    const auto seen = json::decode<PodSeen>(pod.seen, json::UnknownKeys::ignore);
    if (seen)
      for (const auto& port : seen->ports)
        if (port.http) ways.push_back({port.container_port, port.host_port, address(port)});
  }
  core_.after_commit([this, pod, ways = std::move(ways)] { config_.ways_changed(pod, ways); });
}

void PodService::tell_all_ways() {
  for (const auto state : {PodState::running, PodState::host_lost})
    for (const auto& pod : store_.in_state(state)) tell_ways(pod);
}

void PodService::order(Pod& pod) {
  pod.generation = std::max(pod.generation + 1, generation_floor_);
  save(pod);
  if (pod.host) send_order(pod, *pod.host);
}

void PodService::send_order(const Pod& pod, const HostId& host) {
  ++acts_;
  if (pod.host == host && ordered(pod.state) == link::Desired::running)
    if (const auto missing = missing_secret(pod.workspace, wish_from_text(pod.wish))) {
      // It was there when the pod was started. What runs is left alone; what cannot start is given up in time.
      log::warn("a pod's order waits for a secret that was deleted",
                {{"pod", pod.id.str()}, {"variable", missing->variable}, {"secret", missing->secret}});
      return;
    }
  core_.after_commit([this, host, made = make_order(pod, host)] { link_.send(host, made); });
}

void PodService::send_forget(const HostId& host, const PodId& pod, std::int64_t generation) {
  ++acts_;
  core_.after_commit([this, host, forget = link::ForgetPod{pod, generation}] { link_.send(host, forget); });
}

link::PodOrder PodService::make_order(const Pod& pod, const HostId& host) const {
  const auto wish = wish_from_text(pod.wish);
  const auto allocation = hosts_.store().allocation(pod.id).value_or(Allocation{});
  link::PodOrder order;
  order.pod = pod.id;
  order.generation = pod.generation;
  order.run = pod.run;
  // A host that is not (or no longer) the pod's own is to keep nothing of it.
  order.desired = pod.host == host ? ordered(pod.state).value_or(link::Desired::stopped) : link::Desired::deleted;
  order.stop_grace = config_.stop_grace;
  auto& spec = order.spec;
  spec.workspace = pod.workspace;
  spec.hostname = pod.host_name;
  spec.vcpus = allocation.vcpus;
  spec.memory_bytes = allocation.memory_bytes;
  spec.shm_bytes =
      wish.shm_gb > 0 ? static_cast<std::int64_t>(wish.shm_gb * 1024 * 1024 * 1024) : allocation.memory_bytes / 2;
  spec.container_disk_bytes = container_disk_bytes(wish);
  spec.volume_bytes = wish.volume_gb * gb;
  spec.volume_path = wish.volume_path;
  spec.network_volume = wish.network_volume;
  spec.restart = wish.restart;
  bool simulated = false;
  for (const auto& gpu : hosts_.store().gpus(host))
    if (gpu.pod == pod.id) {
      spec.gpus.push_back(gpu.uuid);
      simulated = simulated || gpu.simulated;
    }
  for (const auto& text : wish.ports) {
    const auto slash = text.find('/');
    spec.ports.push_back({std::stoi(text.substr(0, slash)), text.substr(slash + 1) == "http"});
  }
  // The variables every pod sees (contracts 5.1). Those of addresses and ports are added by the agent, which knows
  // them.
  // Another host gets none of them, nor the owner's: it only has to know which containers to remove, and an agent that
  // somebody has taken over could ask by claiming to have the pod.
  const bool own = pod.host == host;
  const auto on = hosts_.store().find(host);
  const auto data_center = on ? on->data_center : std::string(local_data_center);
  std::map<std::string, std::string> ours{
      {"RUNPOD_POD_ID", pod.id.str()},
      {"RUNPOD_API_KEY", own ? config_.unseal(pod.key_sealed) : std::string()},
      {"RUNPOD_POD_HOSTNAME", pod.host_name},
      {"RUNPOD_GPU_COUNT", std::to_string(spec.gpus.size())},
      {"RUNPOD_CPU_COUNT", std::to_string(std::max(1, static_cast<int>(std::lround(spec.vcpus))))},
      {"RUNPOD_MEM_GB", gb_text(spec.memory_bytes)},
      {"RUNPOD_DC_ID", data_center},
  };
  if (simulated) ours["GYRE_SIMULATED_GPUS"] = "1";
  if (!wish.network_volume.empty()) ours["RUNPOD_VOLUME_ID"] = wish.network_volume;
  const auto& sources = config_.sources;
  const auto stored = wish.registry_auth_id.empty() || !sources.registry_user
                          ? std::nullopt
                          : sources.registry_user(pod.workspace, wish.registry_auth_id);
  const auto keys = sources.ssh_keys ? sources.ssh_keys(pod.account) : std::string();
  for (const auto& container : wish.containers) {
    link::ContainerOrder made{container.name, container.image, container.entrypoint, container.command, {}, {}, {}};
    if (own) {
      made.env = container.env;
      made.registry_user = container.registry_user;
      if (sources.secret)
        for (auto& [name, value] : made.env)
          value = with_secrets(value, [&](const std::string& secret) { return sources.secret(pod.workspace, secret); });
      add_ssh_keys(made.env, keys);
      for (const auto& [name, value] : ours) made.env[name] = value;
      if (stored) {
        made.registry_user = stored->username;
        made.registry_password = stored->password;
      }
    } else {
      made.entrypoint.reset();
      made.command.reset();
    }
    if (own && !container.registry_password_sealed.empty())
      made.registry_password = config_.unseal(container.registry_password_sealed);
    spec.containers.push_back(std::move(made));
  }
  return order;
}

// Its GPUs, vCPUs and memory are free for others; a local volume keeps its place on the disk.
void PodService::let_go(Pod& pod) {
  const auto wish = wish_from_text(pod.wish);
  if (bound(pod, wish)) {
    hosts_.store().release_gpus(pod.id);
    hosts_.store().allocate({pod.id, *pod.host, 0, 0, wish.volume_gb * gb});
  } else {
    hosts_.store().release(pod.id);
  }
  capacity_changed();
}

// ---- placement ----

std::vector<scheduler::Host> PodService::snapshot(const std::optional<PodId>& without) const {
  std::vector<scheduler::Host> out;
  std::map<HostId, std::size_t> index;
  std::map<std::string, std::string> countries;
  for (auto& center : hosts_.store().data_centers()) countries[center.id] = std::move(center.country);
  for (const auto& host : hosts_.store().list(false)) {
    scheduler::Host view;
    view.data_center = host.data_center;
    view.country = countries[host.data_center];
    view.id = host.id;
    view.name = host.name;
    view.online = host.online;
    const auto* live = hosts_.live(host.id);
    view.network_volumes = live && live->network_volumes;
    view.listed = host.state == HostState::listed;
    view.state_text = enum_text(host.state);
    view.engine_up = host.engine_reachable;
    view.cuda_version = host.cuda_version;
    view.vcpus = view.vcpus_free = host.cpus;
    view.memory_bytes = view.memory_free = host.memory_bytes;
    view.disk_free = host.disk_bytes;
    index[host.id] = out.size();
    out.push_back(std::move(view));
  }
  for (const auto& gpu : hosts_.store().all_gpus())
    if (const auto at = index.find(gpu.host); at != index.end() && gpu.present)
      out[at->second].gpus.push_back({gpu.uuid, gpu.type_id, gpu.memory_bytes, !gpu.pod || gpu.pod == without});
  for (const auto& held : hosts_.store().allocations()) {
    const auto at = index.find(held.host);
    if (at == index.end() || held.pod == without) continue;
    out[at->second].vcpus_free -= held.vcpus;
    out[at->second].memory_free -= held.memory_bytes;
    out[at->second].disk_free -= held.disk_bytes;
  }
  return out;
}

void PodService::capacity_changed() {
  if (placement_posted_) return;
  placement_posted_ = true;
  core_.follow(
      "place pending pods",
      [this] {
        placement_posted_ = false;
        place_pending();
      },
      [this] { placement_posted_ = false; });
}

scheduler::WaitingLine& PodService::queue() const {
  if (!line_read_) {
    line_.clear();
    line_hosts_.reset();
    for (const auto& pod : store_.queue()) line_.put(pod.queue_order.value_or(0), request_of(pod));
    line_read_ = true;
  }
  return line_;
}

scheduler::WaitingLine& PodService::line() const {
  queue();
  if (line_hosts_ != hosts_.store().revision()) {
    line_.against(snapshot(), occupants());
    line_hosts_ = hosts_.store().revision();
  }
  return line_;
}

void PodService::line_up(const Pod& pod) {
  const bool other =
      !line_read_ ||
      (pod.state == PodState::queued ? line_.put(pod.queue_order.value_or(0), request_of(pod)) : line_.leave(pod.id));
  // Also when it has not been read yet: it may be before this write is undone.
  if (other) core_.db().if_undone([this] { line_read_ = false; });
}

scheduler::Request PodService::request_of(const Pod& pod) const {
  const auto wish = wish_from_text(pod.wish);
  auto request = request_for(pod.id, wish, pod.zero_gpu, bound(pod, wish) ? pod.host : std::nullopt, pod.bid);
  if (request.bound_to)  // its volume is on that disk already
    if (const auto held = hosts_.store().allocation(pod.id); held && held->host == *request.bound_to)
      request.disk_bytes -= held->disk_bytes;
  return request;
}

std::optional<PodService::Holder> PodService::holder(const Pod& pod) {
  const bool spot = pod.bid && !pod.zero_gpu && can_be_interrupted(pod.state);
  if (!spot && !is_leaving(pod.state)) return std::nullopt;
  const auto wish = wish_from_text(pod.wish);
  return Holder{spot ? pod.bid : std::nullopt, pod.started_at.value_or(pod.state_changed_at),
                bound(pod, wish) && pod.state != PodState::deleting ? wish.volume_gb * gb : 0};
}

bool PodService::anybody_can_be_interrupted() const {
  return std::any_of(holders_.begin(), holders_.end(), [](const auto& one) { return one.second.bid.has_value(); });
}

void PodService::follow_holder(const Pod& pod) {
  if (holders_read_) {
    const auto now = holder(pod);
    const auto known = holders_.find(pod.id);
    if (known == holders_.end() ? !now : now == known->second) return;
    if (pod.bid || anybody_can_be_interrupted()) line_hosts_.reset();
    if (now)
      holders_[pod.id] = *now;
    else
      holders_.erase(known);
  }
  // Also when they have not been read yet: they may be before this write is undone.
  core_.db().if_undone([this] {
    holders_read_ = false;
    line_hosts_.reset();
  });
}

std::vector<scheduler::Occupant> PodService::occupants() const {
  if (!holders_read_) {
    holders_.clear();
    const auto add = [this](const std::vector<Pod>& pods) {
      for (const auto& pod : pods)
        if (const auto now = holder(pod)) holders_[pod.id] = *now;
    };
    for (const auto state : {PodState::provisioning, PodState::running}) add(store_.spot_in(state));
    for (const auto state : {PodState::interrupting, PodState::stopping, PodState::deleting})
      add(store_.in_state(state));
    holders_read_ = true;
  }
  if (!anybody_can_be_interrupted()) return {};  // then who leaves is found by what is free
  std::map<PodId, scheduler::Occupant> found;
  for (const auto& held : hosts_.store().allocations())
    if (const auto known = holders_.find(held.pod); known != holders_.end())
      found[held.pod] = {held.pod,           held.host,           known->second.bid,
                         !known->second.bid, known->second.began, {},
                         held.vcpus,         held.memory_bytes,   held.disk_bytes - known->second.keeps_bytes};
  for (const auto& gpu : hosts_.store().all_gpus())
    if (gpu.pod)
      if (const auto at = found.find(*gpu.pod); at != found.end()) at->second.gpus.push_back(gpu.uuid);
  std::vector<scheduler::Occupant> out;
  for (auto& [pod, occupant] : found) out.push_back(std::move(occupant));
  return out;
}

void PodService::count_again(const WorkspaceId& workspace) {
  pods_in_workspace_.erase(workspace);
  core_.db().if_undone([this, workspace] { pods_in_workspace_.erase(workspace); });
}

int PodService::pods_of(const WorkspaceId& workspace) const {
  const auto known = pods_in_workspace_.find(workspace);
  if (known != pods_in_workspace_.end()) return known->second;
  return pods_in_workspace_[workspace] = store_.count(workspace);
}

void PodService::place_pending() {
  if (settling_) return;  // what is queued here may run somewhere
  if (queue().empty()) return;
  config_.around_placement([&] {
    const auto placed = line().placed();  // a copy: the line is another after each of them
    for (const auto& [id, placement] : placed) {
      auto pod = store_.find(id);
      CHECK(pod && pod->state == PodState::queued);
      if (!stopped_for_secret(*pod)) place(*pod, placement);
    }
    make_room();
  });
}

bool PodService::stopped_for_secret(Pod& pod) {
  const auto missing = missing_secret(pod.workspace, wish_from_text(pod.wish));
  if (!missing) return false;
  const auto moved = move(pod, PodEvent::stop,
                          {Reason::secret_missing, {{"variable", missing->variable}, {"secret", missing->secret}}, {}});
  CHECK(moved);
  capacity_changed();  // for who waited behind it
  return true;
}

// They get their room when the agents have said that the containers are gone, not now.
void PodService::make_room() {
  for (const auto& eviction : line().evictions()) {
    auto taker = store_.find(eviction.taker);
    CHECK(taker && taker->state == PodState::queued);
    if (stopped_for_secret(*taker)) continue;
    for (const auto& id : eviction.stopped) {
      auto pod = store_.find(id);
      CHECK(pod);
      interrupt(std::move(*pod), *taker);
    }
  }
}

// SIGTERM, 5 s, SIGKILL; the volume stays.
void PodService::interrupt(Pod pod, const Pod& taker) {
  CHECK(pod.bid && can_be_interrupted(pod.state));  // nobody's pod on demand, whoever asks
  log::info("a spot pod is interrupted", {{"pod", pod.id.str()}, {"for", taker.id.str()}});
  Because because{Reason::interrupted, {}, {}};
  if (taker.bid) because = {Reason::outbid, {{"bid", pod.bid->text()}}, {}};
  const auto moved = move(pod, PodEvent::interrupt, std::move(because));
  CHECK(moved);
  order(pod);
}

std::map<std::string, int> PodService::queue_lengths() const {
  auto out = line().lengths();
  for (const auto& gpu : hosts_.store().all_gpus())
    if (gpu.present) out.try_emplace(gpu.type_id, 0);
  out.try_emplace("CPU", 0);
  return out;
}

void PodService::place(Pod& pod, const scheduler::Placement& placement) {
  const auto wish = wish_from_text(pod.wish);
  // The table of GPUs has the last word: one that another pod holds is not given again, whatever the snapshot said.
  const bool held = hosts_.store().hold_gpus(placement.host, placement.gpus, pod.id);
  CHECK(held);  // the snapshot was made in this very task
  hosts_.store().allocate({pod.id, placement.host, placement.vcpus, placement.memory_bytes, disk_bytes(wish)});
  pod.host = placement.host;
  pod.run = next_run(pod);
  pod.started_at.reset();
  pod.seen = "{}";
  live_.erase(pod.id);
  const auto host = hosts_.store().find(placement.host);
  const auto moved =
      move(pod, PodEvent::placed, {Reason::placed_on_host, {{"host", host ? host->name : placement.host.str()}}, {}});
  CHECK(moved);
  order(pod);
}

// ---- verbs ----

Result<Pod> PodService::mine(const Caller& caller, const PodId& id) const {
  auto pod = store_.find(id);
  // Another workspace's pod, a deleted one and one that never was look the same from outside.
  if (!pod || pod->workspace != caller.workspace || pod->state == PodState::deleting || pod->state == PodState::deleted)
    return fail(Reason::pod_not_found, {{"pod", id.str()}});
  return std::move(*pod);
}

Result<PodWish> PodService::wish_of(const Caller& caller, const CreatePod& input,
                                    const std::optional<MachineType>& machine, const Seal& seal) const {
  auto body = input;
  if (input.templateId && !input.templateId->empty()) {
    if (!config_.sources.template_settings) return fail(Reason::not_offered, {{"what", "templateId"}}, "templateId");
    body = with_template(TRY(config_.sources.template_settings(caller.workspace, *input.templateId)), input);
  }
  auto wish = TRY(machine ? wish_from(body, *machine, seal) : wish_from(body, seal));
  TRY(check_registry_auth(caller.workspace, wish));
  TRY(check_where(caller.workspace, wish));
  TRY(check_network_volume(caller.workspace, wish));
  if (const auto missing = missing_secret(caller.workspace, wish))
    return invalid(missing->field, Detail::no_secret, {{"value", missing->secret}});
  return wish;
}

Result<> PodService::check_where(const WorkspaceId& workspace, PodWish& wish) const {
  if (wish.network_volume.empty() && wish.data_centers.empty() && wish.countries.empty()) return {};
  const auto centers = hosts_.store().data_centers();
  const auto known = [&](const std::string& id) {
    return std::find_if(centers.begin(), centers.end(), [&](const DataCenter& one) { return one.id == id; });
  };
  std::string choices;
  for (const auto& one : centers) choices += (choices.empty() ? "" : ", ") + one.id;
  for (std::size_t i = 0; i < wish.data_centers.size(); ++i)
    if (known(wish.data_centers[i]) == centers.end())
      return invalid("dataCenterIds[" + std::to_string(i) + "]", Detail::no_data_center,
                     {{"value", wish.data_centers[i]}, {"choices", choices}});
  for (std::size_t i = 0; i < wish.countries.size(); ++i)
    if (wish.countries[i].empty() || std::none_of(centers.begin(), centers.end(), [&](const DataCenter& one) {
          return one.country == wish.countries[i];
        }))
      return invalid("countryCodes[" + std::to_string(i) + "]", Detail::no_country, {{"value", wish.countries[i]}});
  const auto volume = wish.network_volume.empty() || !config_.sources.network_volume
                          ? std::nullopt
                          : config_.sources.network_volume(workspace, wish.network_volume);
  if (!volume) return {};
  const auto there = known(volume->data_center);
  if (there == centers.end())
    return invalid("networkVolumeId", Detail::no_data_center, {{"value", volume->data_center}, {"choices", choices}});
  for (const auto& [wanted, is] :
       {std::pair{&wish.data_centers, &there->id}, std::pair{&wish.countries, &there->country}})
    if (!wanted->empty() && std::find(wanted->begin(), wanted->end(), *is) == wanted->end()) {
      std::string asked;
      for (const auto& one : *wanted) asked += (asked.empty() ? "" : ", ") + one;
      return invalid("networkVolumeId", Detail::network_volume_elsewhere,
                     {{"value", wish.network_volume}, {"there", volume->data_center}, {"here", asked}});
    }
  wish.volume_data_center = volume->data_center;
  return {};
}

std::vector<HostId> PodService::hosts_in(const std::vector<std::string>& data_centers) const {
  std::vector<HostId> out;
  for (const auto& host : hosts_.store().list(true))
    if (std::find(data_centers.begin(), data_centers.end(), host.data_center) != data_centers.end())
      out.push_back(host.id);
  return out;
}

Result<> PodService::check_network_volume(const WorkspaceId& workspace, const PodWish& wish) const {
  if (wish.network_volume.empty()) return {};
  if (!config_.sources.network_volume)
    return fail(Reason::not_offered, {{"what", "networkVolumeId"}}, "networkVolumeId");
  const auto volume = config_.sources.network_volume(workspace, wish.network_volume);
  if (!volume) return invalid("networkVolumeId", Detail::no_network_volume, {{"value", wish.network_volume}});
  // Nothing holds a pod that runs to the size: the storage is shared, and only it could. It is said
  // (PodView::warnings), and nobody else begins to write there.
  if (const auto used = volume->used_bytes.value_or(0); used > volume->bytes)
    return fail(Reason::network_volume_full,
                {{"id", wish.network_volume}, {"used", gb_words(used)}, {"limit", gb_words(volume->bytes)}},
                "networkVolumeId");
  return {};
}

Result<> PodService::check_registry_auth(const WorkspaceId& workspace, const PodWish& wish) const {
  if (wish.registry_auth_id.empty()) return {};
  if (!config_.sources.registry_user)
    return fail(Reason::not_offered, {{"what", "containerRegistryAuthId"}}, "containerRegistryAuthId");
  if (!config_.sources.registry_user(workspace, wish.registry_auth_id))
    return invalid("containerRegistryAuthId", Detail::no_registry_auth, {{"value", wish.registry_auth_id}});
  return {};
}

std::optional<PodService::MissingSecret> PodService::missing_secret(const WorkspaceId& workspace,
                                                                    const PodWish& wish) const {
  if (!config_.sources.secret) return std::nullopt;
  for (std::size_t i = 0; i < wish.containers.size(); ++i) {
    const auto at = i == 0 ? std::string("env.") : "containers[" + std::to_string(i - 1) + "].env.";
    for (const auto& [name, value] : wish.containers[i].env)
      for (auto& secret : secrets_in(value))
        if (!config_.sources.secret(workspace, secret)) return MissingSecret{at + name, name, std::move(secret)};
  }
  return std::nullopt;
}

Result<> PodService::check_secrets(const Pod& pod) const {
  if (const auto missing = missing_secret(pod.workspace, wish_from_text(pod.wish)))
    return fail(Reason::secret_missing, {{"variable", missing->variable}, {"secret", missing->secret}});
  return {};
}

Result<Money> PodService::checked_bid(const PodWish& wish, const std::optional<Money>& asked) const {
  std::set<std::string> types(wish.gpu_types.begin(), wish.gpu_types.end());
  if (types.empty())
    for (const auto& gpu : hosts_.store().all_gpus())
      if (gpu.present && gpu.memory_bytes >= wish.gpu_memory_gb_min * gb) types.insert(gpu.type_id);
  // It may get any of them: the dearest says how much it has to bid.
  std::string dearest;
  Money lowest;
  if (config_.sources.gpu_offer)
    for (const auto& type : types)
      if (const auto bid = config_.sources.gpu_offer(type, wish.cloud_type, core_.now()).lowest_bid; bid > lowest) {
        dearest = type;
        lowest = bid;
      }
  const auto bid = asked.value_or(lowest);
  if (bid < Money() || bid > bid_max)
    return invalid("bidPerGpu", Detail::number_between, {{"low", "0"}, {"high", bid_max.text()}});
  if (bid < lowest)
    return fail(Reason::bid_too_low, {{"bid", bid.text()}, {"type", dearest}, {"floor", lowest.text()}}, "bidPerGpu");
  return bid;
}

Result<std::optional<Money>> PodService::bid_of(const CreatePod& input, const PodWish& wish) const {
  if (!TRY(asks_for_spot(input, wish))) return std::nullopt;
  return TRY(checked_bid(wish, input.bidPerGpu));
}

Result<Pod> PodService::create(const Caller& caller, const CreatePod& input) {
  std::optional<MachineType> machine;
  if (input.machineType && !input.machineType->empty()) machine = TRY(quotas_.machine_type(*input.machineType));
  auto wish = TRY(wish_of(caller, input, machine, config_.seal));
  const auto bid = TRY(bid_of(input, wish));
  const int count = pods_of(caller.workspace);
  if (count >= config_.pods_max_per_workspace)
    return fail(Reason::too_many_pods,
                {{"count", std::to_string(count)}, {"limit", std::to_string(config_.pods_max_per_workspace)}});
  return core_.transact([&]() -> Result<Pod> {
    // Counted here, where it is taken: the core runs one transaction at a time, so two cannot both get the last one.
    if (machine) TRY(quotas_.admit(caller.workspace, *machine));
    Pod pod;
    if (machine) pod.machine_type = machine->id;
    pod.id = PodId(core_.random().letters_and_digits(14));
    pod.workspace = caller.workspace;
    pod.account = caller.account;
    pod.name = input.name.value_or("my pod");
    pod.wish = wish_to_text(wish);
    pod.bid = bid;
    pod.stop_at = TRY(pod_time(input.stopAfter.value_or(""), core_.now(), "stopAfter"));
    pod.terminate_at = TRY(pod_time(input.terminateAfter.value_or(""), core_.now(), "terminateAfter"));
    constexpr std::string_view hex = "0123456789abcdef";
    pod.host_name = pod.id.str() + "-";
    for (int i = 0; i < 8; ++i) pod.host_name += hex[core_.random().below(16)];
    pod.created_at = pod.state_changed_at = core_.now();
    pod.key_sealed = config_.seal(config_.make_key(pod.workspace, pod.account, pod.id));
    pod.queue_order = queue().last_order() + 1;
    Because because{Reason::waiting_for_placement, {}, {}};
    TRY(apply(pod, PodEvent::deploy, core_.now(), because));
    store_.insert(pod);
    note_times(pod);
    store_.set_uses(pod.id, uses_of(wish));
    count_again(pod.workspace);
    pods_in_workspace_[pod.workspace] = count + 1;
    line_up(pod);
    tell(pod, std::move(because));
    capacity_changed();
    return pod;
  });
}

Result<PodService::DryRun> PodService::dry_run(const Caller& caller, const CreatePod& input) const {
  DryRun out;
  const auto unsealed = [](const std::string&) { return std::string(); };
  std::optional<MachineType> machine;
  if (input.machineType && !input.machineType->empty()) machine = TRY(quotas_.machine_type(*input.machineType));
  out.wish = TRY(wish_of(caller, input, machine, unsealed));
  out.bid = TRY(bid_of(input, out.wish));
  TRY(pod_time(input.stopAfter.value_or(""), core_.now(), "stopAfter"));
  TRY(pod_time(input.terminateAfter.value_or(""), core_.now(), "terminateAfter"));
  if (machine) TRY(quotas_.admit(caller.workspace, *machine));
  // As the last in the queue: what an earlier pod waits for is not free.
  const auto request = request_for(PodId("dry-run"), out.wish, false, std::nullopt, out.bid);
  out.verdict = line().at_end(request);
  if (!out.verdict.placement)
    if (const auto room = line().room_made(request)) {
      out.verdict.placement = room->placement;
      out.interrupts = room->stopped;
    }
  if (out.verdict.placement)
    for (const auto& gpu : hosts_.store().gpus(out.verdict.placement->host))
      if (std::find(out.verdict.placement->gpus.begin(), out.verdict.placement->gpus.end(), gpu.uuid) !=
          out.verdict.placement->gpus.end())
        out.gpus.push_back(gpu);
  return out;
}

Result<Pod> PodService::get(const Caller& caller, const PodId& id) const { return mine(caller, id); }

std::vector<Pod> PodService::list(const Caller& caller, Time before, const std::string& before_id, int limit) const {
  return store_.list(caller.workspace, before, before_id, limit);
}

PodDetail PodService::detail(Pod pod, Waiting waits) const {
  PodDetail out;
  out.wish = wish_from_text(pod.wish);
  if (auto seen = json::decode<PodSeen>(pod.seen, json::UnknownKeys::ignore)) out.seen = std::move(*seen);
  if (const auto live = live_.find(pod.id); live != live_.end() && live->second.facts.generation == pod.generation) {
    out.facts = live->second.facts;
    out.seen = seen_in(live->second.facts);
  }
  if (config_.proxy_url)
    for (const auto& text : out.wish.ports)
      if (const auto slash = text.find('/'); text.substr(slash + 1) == "http")
        out.proxy_urls[text.substr(0, slash)] = config_.proxy_url(pod.id, std::stoi(text.substr(0, slash)));
  if (pod.host) out.host = hosts_.store().find(*pod.host);
  if (out.host)
    if (auto center = hosts_.store().data_center(out.host->data_center)) out.data_center = std::move(*center);
  if (pod.host)
    for (auto& gpu : hosts_.store().gpus(*pod.host))
      if (gpu.pod == pod.id) out.gpus.push_back(std::move(gpu));
  out.allocation = hosts_.store().allocation(pod.id);
  const auto type = !out.gpus.empty()             ? out.gpus.front().type_id
                    : !out.wish.gpu_types.empty() ? out.wish.gpu_types.front()
                                                  : std::string();
  if (config_.sources.network_volume && !out.wish.network_volume.empty())
    out.network_volume = config_.sources.network_volume(pod.workspace, out.wish.network_volume);
  if (config_.sources.gpu_offer && !type.empty())
    out.offer = config_.sources.gpu_offer(type, out.wish.cloud_type, pod.created_at);
  if (pod.state == PodState::queued && waits == Waiting::included) {
    out.waiting = line().standing(pod.id);
  }
  out.pod = std::move(pod);
  return out;
}

Result<Pod> PodService::update(const Caller& caller, const PodId& id, const UpdatePod& input,
                               const std::function<Result<>(const Pod&)>& precondition) {
  return core_.transact([&]() -> Result<Pod> {
    auto pod = TRY(mine(caller, id));
    TRY(settled(pod));
    if (precondition) TRY(precondition(pod));
    const auto before = wish_from_text(pod.wish);
    auto change = TRY(changed(before, input));
    const bool runs =
        pod.state == PodState::provisioning || pod.state == PodState::running || pod.state == PodState::host_lost;
    if (change.resets && runs && before.locked && change.wish.locked)
      return fail(Reason::pod_locked, {{"pod", id.str()}});
    const auto more_volume = (change.wish.volume_gb - before.volume_gb) * gb;
    const auto more_disk = container_disk_bytes(change.wish) - container_disk_bytes(before);
    // A pod that does not run holds its volume alone; its disk is asked for when it starts.
    if (const auto held = hosts_.store().allocation(pod.id)) TRY(check_room(pod, more_volume + (runs ? more_disk : 0)));
    pod.wish = wish_to_text(change.wish);
    if (input.containerRegistryAuthId) TRY(check_registry_auth(pod.workspace, change.wish));
    if (input.env)
      if (const auto missing = missing_secret(pod.workspace, change.wish))
        return invalid(missing->field, Detail::no_secret, {{"value", missing->secret}});
    if (change.resets && runs) TRY(check_secrets(pod));  // of variables that this update leaves as they are
    store_.set_uses(pod.id, uses_of(change.wish));
    if (change.name) pod.name = *change.name;
    if (input.stopAfter) pod.stop_at = TRY(pod_time(*input.stopAfter, core_.now(), "stopAfter"));
    if (input.terminateAfter) pod.terminate_at = TRY(pod_time(*input.terminateAfter, core_.now(), "terminateAfter"));
    if (auto held = hosts_.store().allocation(pod.id)) {
      held->disk_bytes += more_volume;
      if (runs) held->disk_bytes += more_disk;
      hosts_.store().allocate(*held);
    }
    if (change.resets && runs) {
      pod.run = next_run(pod);
      if (pod.state != PodState::host_lost) TRY(move(pod, PodEvent::starting_again, {Reason::changed_by_user, {}, {}}));
      order(pod);
    } else {
      save(pod);
    }
    if (pod.state == PodState::queued) capacity_changed();
    return pod;
  });
}

Result<> PodService::check_room(const Pod& pod, std::int64_t more_bytes) const {
  if (more_bytes <= 0) return {};
  for (const auto& host : snapshot())
    if (host.id == pod.host && host.disk_free < more_bytes)
      return fail(Reason::no_room_on_host,
                  in_both_languages(
                      "why", Reason::disk_too_little,
                      {{"free", gb_text(std::max<std::int64_t>(0, host.disk_free))}, {"needed", gb_text(more_bytes)}}));
  return {};
}

Result<Pod> PodService::start(const Caller& caller, const PodId& id, const StartPod& how) {
  return core_.transact([&]() -> Result<Pod> {
    auto pod = TRY(mine(caller, id));
    TRY(settled(pod));
    const auto wish = wish_from_text(pod.wish);
    // Refused for its state before it is refused for its quota or its bid.
    if (!next_state(pod.state, PodEvent::deploy)) TRY(move(pod, PodEvent::deploy, {}));
    if (how.bid && !pod.bid) return fail(Reason::not_a_spot_pod, {{"pod", id.str()}}, "bidPerGpu");
    if (pod.bid && (how.bid || !how.zero_gpu)) pod.bid = TRY(checked_bid(wish, how.bid ? how.bid : pod.bid));
    if (pod.machine_type) {
      const auto machine = quotas_.known(*pod.machine_type);
      CHECK(machine);  // types are never deleted from the table
      TRY(quotas_.admit(pod.workspace, *machine));
    }
    if (next_state(pod.state, PodEvent::deploy)) TRY(check_secrets(pod));
    TRY(check_network_volume(pod.workspace, wish));
    pod.zero_gpu = how.zero_gpu && wish.gpu_count > 0;
    if (!bound(pod, wish)) {
      pod.queue_order = queue().last_order() + 1;
      TRY(move(pod, PodEvent::deploy, {Reason::started_by_user, {}, {}}));
      capacity_changed();
      return pod;
    }
    // Its volume is on one host: it starts there now, or the caller learns what is possible instead of waiting unseen.
    const auto hosts = snapshot(pod.id);
    const auto request = request_for(pod.id, wish, pod.zero_gpu, pod.host, pod.bid);
    const auto verdict = scheduler::fit(request, hosts, line().blocked_for(request));
    if (!verdict.placement && line().room_made(request_of(pod))) {
      pod.queue_order = queue().last_order() + 1;
      TRY(move(pod, PodEvent::deploy, {Reason::started_by_user, {}, {}}));
      capacity_changed();  // they are stopped, and it is placed once they have gone
      return pod;
    }
    if (!verdict.placement) {
      const auto refusal = std::find_if(verdict.refusals.begin(), verdict.refusals.end(),
                                        [&](const auto& r) { return r.host == *pod.host; });
      const auto reason = refusal == verdict.refusals.end() ? Reason::host_gone_for_good : refusal->reason;
      if (reason == Reason::gpu_too_few) {
        std::size_t free = 0, elsewhere = 0;
        for (const auto& host : hosts)
          for (const auto& gpu : host.gpus)
            if (gpu.free && (wish.gpu_types.empty() || std::find(wish.gpu_types.begin(), wish.gpu_types.end(),
                                                                 gpu.type_id) != wish.gpu_types.end()))
              ++(host.id == *pod.host ? free : elsewhere);
        return fail(Reason::gpu_taken, {{"free", std::to_string(free)},
                                        {"needed", std::to_string(request.gpu_count)},
                                        {"elsewhere", std::to_string(elsewhere)}});
      }
      if (reason == Reason::host_offline) return fail(Reason::pod_host_unreachable);
      return fail(Reason::no_room_on_host,
                  in_both_languages("why", reason, refusal == verdict.refusals.end() ? Args{} : refusal->args));
    }
    TRY(move(pod, PodEvent::deploy, {Reason::started_by_user, {}, {}}));
    place(pod, *verdict.placement);
    return pod;
  });
}

Result<Pod> PodService::stop(const Caller& caller, const PodId& id) {
  return core_.transact([&]() -> Result<Pod> {
    auto pod = TRY(mine(caller, id));
    TRY(settled(pod));
    if (wish_from_text(pod.wish).locked) return fail(Reason::pod_locked, {{"pod", id.str()}});
    if (!next_state(pod.state, PodEvent::stop)) TRY(move(pod, PodEvent::stop, {}));
    stop(pod, pod.state == PodState::queued ? Reason::wait_cancelled : Reason::stopped_by_user);
    return pod;
  });
}

void PodService::stop(Pod& pod, Reason because) {
  const bool waited = pod.state == PodState::queued;
  const auto moved = move(pod, PodEvent::stop, {because, {}, {}});
  CHECK(moved);
  if (waited)
    capacity_changed();  // who waited behind it
  else
    order(pod);
}

Result<Pod> PodService::restart(const Caller& caller, const PodId& id) {
  return core_.transact([&]() -> Result<Pod> {
    auto pod = TRY(mine(caller, id));
    TRY(settled(pod));
    if (wish_from_text(pod.wish).locked) return fail(Reason::pod_locked, {{"pod", id.str()}});
    if (pod.state == PodState::host_lost) return fail(Reason::pod_host_unreachable);
    if (next_state(pod.state, PodEvent::starting_again)) TRY(check_secrets(pod));
    TRY(move(pod, PodEvent::starting_again, {Reason::restarted_by_user, {}, {}}));
    pod.run = next_run(pod);
    pod.started_at.reset();
    order(pod);
    return pod;
  });
}

Result<> PodService::remove(const Caller& caller, const PodId& id) {
  return core_.transact([&]() -> Result<> {
    auto pod = TRY(mine(caller, id));
    TRY(settled(pod));
    if (wish_from_text(pod.wish).locked) return fail(Reason::pod_locked, {{"pod", id.str()}});
    if (!next_state(pod.state, PodEvent::remove)) TRY(move(pod, PodEvent::remove, {}));
    remove(pod, Reason::deleted_by_user);
    return {};
  });
}

void PodService::remove(Pod& pod, Reason because) {
  const auto host = pod.host ? hosts_.store().find(*pod.host) : std::nullopt;
  const bool on_a_host = host && host->state != HostState::retired;
  config_.revoke_keys(pod.id);
  config_.removing(pod.id);
  store_.set_uses(pod.id, {});
  pod.stop_at.reset();
  pod.terminate_at.reset();
  const auto moved = move(pod, on_a_host ? PodEvent::remove : PodEvent::remove_now, {because, {}, {}});
  CHECK(moved);
  if (on_a_host) {
    order(pod);
  } else {
    hosts_.store().release(pod.id);
    capacity_changed();
  }
}

void PodService::note_times(const Pod& pod) {
  for (const auto& at : {pod.stop_at, pod.terminate_at})
    if (at && (!look_at_times_ || *at < *look_at_times_)) look_at_times_ = at;
}

// A user said so when the pod was made, or later. A lock that came since then is the later word: the pod goes on, and
// that time is over. One that waits for a restore to settle has its turn afterwards.
void PodService::end_in_time() {
  const auto now = core_.now();
  if (!look_at_times_ || *look_at_times_ > now) return;
  for (auto& pod : store_.due(now, ends_at_once_max)) {
    if (unsettled(pod)) continue;
    const bool deletes = pod.terminate_at && *pod.terminate_at <= now;
    pod.stop_at.reset();
    if (deletes) pod.terminate_at.reset();
    if (wish_from_text(pod.wish).locked) {
      save(pod);
      tell(pod, {Reason::time_passed_while_locked, {}, {}});
    } else if (deletes && next_state(pod.state, PodEvent::remove)) {
      remove(pod, Reason::deleted_in_time);
    } else if (!deletes && next_state(pod.state, PodEvent::stop)) {
      stop(pod, Reason::stopped_in_time);
    } else {
      save(pod);  // it has ended already
    }
  }
  look_at_times_ = store_.next_due();
  core_.db().if_undone([this] { look_at_times_ = Time::min(); });
}

Result<std::shared_ptr<http::Stream>> PodService::logs(const Caller& caller, const PodId& id,
                                                       link::LogRequest request) {
  const auto pod = TRY(mine(caller, id));
  const auto wish = wish_from_text(pod.wish);
  if (!request.container.empty() && std::none_of(wish.containers.begin(), wish.containers.end(),
                                                 [&](const auto& c) { return c.name == request.container; }))
    return invalid("container", Detail::no_such_container, {{"value", request.container}});
  if (!pod.host || pod.state == PodState::queued || pod.run == 0)
    return fail(Reason::pod_has_no_logs, {{"pod", id.str()}, {"state", std::string(enum_text(pod.state))}});
  request.pod = id;
  return logs_.open(*pod.host, std::move(request));
}

Result<std::shared_ptr<http::WebSocket>> PodService::exec(const Caller& caller, const PodId& id,
                                                          link::ExecRequest request, bool counts, Language language) {
  const auto pod = TRY(mine(caller, id));
  const auto wish = wish_from_text(pod.wish);
  auto name = request.container;
  if (!name.empty() && std::none_of(wish.containers.begin(), wish.containers.end(),
                                    [&](const auto& container) { return container.name == name; }))
    return invalid("container", "the pod has no container \"" + name + "\"");
  const auto refused = [&](std::optional<Reason> reason, const Args& args) {
    std::string why;
    if (reason) why = ": " + sentence(*reason, args, language);
    if (const auto fix = reason ? way_out(*reason, args, language) : ""; !fix.empty()) why += "; " + fix;
    return fail(Reason::pod_not_running,
                {{"pod", id.str()}, {"state", std::string(enum_text(pod.state))}, {"why", why}});
  };
  if (pod.state != PodState::running || !pod.host) {
    const auto because = why(pod);
    return refused(because.reason, because.args);
  }
  // It is wanted to run, but its container has just ended and waits to be started again: say why.
  if (const auto live = live_.find(id); live != live_.end() && !request.resume) {
    const auto& facts = live->second.facts;
    if (name.empty() && !facts.containers.empty()) name = facts.containers.front().name;
    for (const auto& container : facts.containers)
      if (container.name == name && !container.running) return refused(facts.reason, facts.args);
  }
  request.pod = id;
  if (request.session.empty()) request.session = core_.random().letters_and_digits(32);
  return exec_.open(*pod.host, std::move(request), counts, language);
}

// ---- what agents say ----

void PodService::host_reported(const HostId& host, const link::Report& report) {
  if (!report.engine_reachable) return;  // the pods are as last seen: nothing may be concluded
  if (settling_) return hear(host, report);
  const auto uptime = core_.runtime().uptime();
  if (settled_.covers(host, report, uptime)) return;
  const auto acts_before = acts_;
  std::map<PodId, const link::PodFacts*> said;
  for (const auto& facts : report.pods) said[facts.pod] = &facts;
  for (auto& pod : store_.on_host(host)) {
    const auto found = said.find(pod.id);
    if (found == said.end() && unsettled(pod)) {
      settle_unseen(std::move(pod), report.stray_containers);
      continue;
    }
    if (found == said.end()) {
      // The order did not arrive, or the agent lost its journal.
      if (ordered(pod.state)) send_order(pod, host);
      continue;
    }
    const auto* facts = found->second;
    said.erase(found);
    if (unsettled(pod) && facts->generation == pod.generation) {
      settle(std::move(pod), host, *facts);
      continue;
    }
    observe(std::move(pod), *facts);
  }
  for (const auto& [id, facts] : said) {
    const auto pod = store_.find(id);
    // Never ours, as far as this table knows (a restored backup, say): not ours to stop. The host shows it.
    if (!pod) continue;
    if (pod->state == PodState::deleted && facts->phase == link::PodPhase::deleted) {
      send_forget(host, id, facts->generation);
    } else if (facts->generation > pod->generation && unsettled(*pod)) {
      settle(*pod, host, *facts);
    } else if (facts->generation < generation_floor_ && is_up(facts->phase) && pod->state != PodState::deleted) {
      continue;  // it was here before the restore, which nobody had ended; the host shows it
    } else if (facts->generation < pod->generation || pod->state == PodState::deleted) {
      // It lives elsewhere by now, or is gone; what is left of it here has no owner.
      if (facts->phase == link::PodPhase::deleted)
        send_forget(host, id, facts->generation);
      else
        send_order(*pod, host);
    }
  }
  clean_strays(host, report.stray_containers);
  if (acts_ == acts_before) settled_.remember(host, report, uptime);
}

void PodService::clean_strays(const HostId& host, const std::vector<std::string>& containers) {
  std::set<PodId> pods;
  for (const auto& name : containers) pods.insert(pod_of_container(name));
  for (const auto& id : pods)
    // A stray of a pod that is not in the table, or that lives, may be somebody's work: the host shows it, no more.
    if (const auto pod = store_.find(id); pod && pod->state == PodState::deleted) send_order(*pod, host);
}

void PodService::observe(Pod pod, const link::PodFacts& facts) {
  const auto uptime = core_.runtime().uptime();
  auto& live = live_.try_emplace(pod.id, Live{{}, uptime}).first->second;
  if (live.facts != facts) {
    live.facts = facts;
    live.progress_at = uptime;
  }
  if (facts.generation > pod.generation) {
    // The world is ahead of the table: it came from an older backup. What runs is kept, and our orders count again.
    const auto host = *pod.host;
    return settle(std::move(pod), host, facts);
  }
  if (facts.generation < pod.generation) {
    if (ordered(pod.state)) send_order(pod, *pod.host);
    return;
  }
  const auto seen = json::encode(seen_in(facts));
  if (pod.seen != seen && facts.run == pod.run) {
    pod.seen = seen;
    save(pod);
  }
  meet(pod, facts);
  tell_ways(pod);  // also when only its host's address is news
}

void PodService::meet(Pod& pod, const link::PodFacts& facts) {
  const bool wanted_up =
      pod.state == PodState::provisioning || pod.state == PodState::running || pod.state == PodState::host_lost;
  const auto* main = main_container(facts);
  const auto must = [](const Result<>& moved) { CHECK(moved); };
  switch (facts.phase) {
    case link::PodPhase::running:
      // Also when it is up again after a back-off, which had a time to wait for.
      if (wanted_up && facts.run == pod.run && (pod.state != PodState::running || pod.reason_until)) {
        pod.started_at = last_start(facts).value_or(core_.now());
        must(move(pod, PodEvent::container_up, {Reason::started, {}, {}}));
      }
      break;
    case link::PodPhase::backing_off:
      // It was up, ended, and will be started again at a known time. Told once for each wait.
      if (wanted_up && facts.run == pod.run &&
          (pod.state != PodState::running || pod.reason_until != facts.next_restart)) {
        if (!pod.started_at) pod.started_at = last_start(facts);
        must(move(pod, PodEvent::container_up, {facts.reason, facts.args, facts.next_restart}));
      }
      break;
    case link::PodPhase::exited:
      if (!wanted_up || facts.run != pod.run) break;
      must(move(pod, main && main->exit_code == 0 && !main->oom_killed ? PodEvent::ended : PodEvent::broke,
                {facts.reason, facts.args, {}}));
      let_go(pod);
      break;
    case link::PodPhase::failed:
      if (!wanted_up) break;
      must(move(pod, PodEvent::broke, {facts.reason, facts.args, {}}));
      let_go(pod);
      break;
    case link::PodPhase::stopped:
      if (pod.state == PodState::stopping && pod.reason == reason_text(Reason::provisioning_timed_out))
        must(move(pod, PodEvent::gave_up,
                  {Reason::provisioning_timed_out,
                   {{"minutes", std::to_string(config_.provisioning_limit.count() / 60'000)}},
                   {}}));
      else if (pod.state == PodState::stopping || pod.state == PodState::interrupting)
        must(move(pod, PodEvent::containers_gone, why(pod)));
      else
        break;
      let_go(pod);
      break;
    case link::PodPhase::deleted:
      if (pod.state == PodState::deleting) finish_removal(pod, *pod.host);
      break;
    case link::PodPhase::accepted:
    case link::PodPhase::pulling:
    case link::PodPhase::starting:
      // After a reboot its host makes new containers.
      if (pod.state == PodState::running || pod.state == PodState::host_lost)
        must(move(pod, PodEvent::starting_again, {Reason::containers_starting, {}, {}}));
      break;
    case link::PodPhase::stopping:
      break;
  }
  // It ended here, yet its agent has it up: an agent that forgot. Said again, with a generation that counts.
  if ((pod.state == PodState::stopped || pod.state == PodState::failed) &&
      (facts.phase == link::PodPhase::running || facts.phase == link::PodPhase::backing_off ||
       facts.phase == link::PodPhase::starting || facts.phase == link::PodPhase::pulling))
    order(pod);
}

void PodService::finish_removal(Pod& pod, const HostId& host) {
  auto because = why(pod);  // it was deleted
  if (!because.reason) because.reason = Reason::deleted_by_user;
  const auto moved = move(pod, PodEvent::removed, std::move(because));
  CHECK(moved);
  hosts_.store().release(pod.id);
  live_.erase(pod.id);
  capacity_changed();
  send_forget(host, pod.id, pod.generation);
}

void PodService::host_offline(const HostId& host) {
  for (auto& pod : store_.on_host(host))
    if (next_state(pod.state, PodEvent::host_silent)) {
      const auto moved = move(pod, PodEvent::host_silent, {Reason::host_silent, {}, {}});
      CHECK(moved);
    }
}

void PodService::host_retired(const HostId& host) {
  for (auto& pod : store_.on_host(host)) {
    if (!next_state(pod.state, PodEvent::host_retired)) continue;
    const auto moved = move(pod, PodEvent::host_retired, {Reason::host_gone_for_good, {}, {}});
    CHECK(moved);
    hosts_.store().release(pod.id);
    live_.erase(pod.id);
  }
}

// A pod that makes no progress at all is not left to hold its GPUs for ever.
void PodService::give_up_stuck() {
  const auto uptime = core_.runtime().uptime();
  for (auto& pod : store_.in_state(PodState::provisioning)) {
    const auto& live = live_.try_emplace(pod.id, Live{{}, uptime}).first->second;
    if (uptime - live.progress_at < config_.provisioning_limit ||
        core_.now() - pod.state_changed_at < config_.provisioning_limit)
      continue;
    const auto moved = move(pod, PodEvent::stop,
                            {Reason::provisioning_timed_out,
                             {{"minutes", std::to_string(config_.provisioning_limit.count() / 60'000)}},
                             {}});
    CHECK(moved);
    order(pod);
  }
}

void PodService::channel_said(const HostId& host, const link::AgentMessage& message) {
  logs_.said(host, message);
  exec_.said(host, message);
}
void PodService::channels_lost(const HostId& host) {
  logs_.lost(host);
  exec_.lost(host);
  settled_.forget(host);  // it may come back from another address
}

}  // namespace gyre
