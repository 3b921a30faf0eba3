#include "volumes/network_volume_service.hpp"

#include <utility>

#include "base/log.hpp"

namespace gyre {
namespace {

constexpr std::size_t name_max = 191;
constexpr std::int64_t size_gb_max = 4000;  // contracts 8.1
constexpr int tended_at_once_max = 100;

}  // namespace

NetworkVolumeService::NetworkVolumeService(Core& core, NetworkVolumeConfig config)
    : core_(core), config_(std::move(config)), store_(core.db()) {
  timer_ = core_.every(config_.tended_every, "network volumes", [this] { tend(); });
  measure_timer_ = core_.every(config_.measured_every, "sizes of network volumes", [this] { measure(); });
}

Result<> NetworkVolumeService::check_size(std::int64_t size_gb) const {
  if (size_gb >= 0 && size_gb <= size_gb_max) return {};
  return invalid("size", Detail::integer_between, {{"low", "0"}, {"high", std::to_string(size_gb_max)}});
}

Result<> NetworkVolumeService::check_name(const WorkspaceId& workspace, const std::string& name) const {
  if (name.empty() || name.size() > name_max)
    return invalid("name", Detail::characters_between, {{"low", "1"}, {"high", std::to_string(name_max)}});
  for (const unsigned char c : name)
    if (c < 0x20 || c == 0x7f) return invalid("name", Detail::control_characters);
  if (store_.by_name(workspace, name)) return fail(Reason::network_volume_name_taken, {{"name", name}}, "name");
  return {};
}

Result<NetworkVolume> NetworkVolumeService::create(const Caller& caller, const std::string& name, std::int64_t size_gb,
                                                   const std::string& data_center) {
  if (config_.shared_paths.empty()) return fail(Reason::no_shared_storage);
  TRY(check_size(size_gb));
  if (!config_.shared_paths.contains(data_center)) {
    std::string choices;
    for (const auto& [known, path] : config_.shared_paths) choices += (choices.empty() ? "" : ", ") + known;
    return invalid("dataCenterId", Detail::one_of, {{"choices", choices}});
  }
  if (const int count = store_.count(caller.workspace); count >= config_.per_workspace_max)
    return fail(Reason::too_many_things,
                {{"count", std::to_string(count)}, {"limit", std::to_string(config_.per_workspace_max)}});
  return core_.transact([&]() -> Result<NetworkVolume> {
    TRY(check_name(caller.workspace, name));
    NetworkVolume made;
    made.id = NetworkVolumeId(core_.random().letters_and_digits(10));
    made.workspace = caller.workspace;
    made.name = name;
    made.size_gb = size_gb;
    made.data_center = data_center;
    made.created_at = core_.now();
    store_.insert(made);
    tend_soon();
    return made;
  });
}

Result<NetworkVolume> NetworkVolumeService::get(const Caller& caller, const NetworkVolumeId& id) const {
  auto found = store_.find(caller.workspace, id);
  if (!found) return fail(Reason::network_volume_not_found, {{"id", id.str()}});
  return std::move(*found);
}

std::optional<NetworkVolume> NetworkVolumeService::find(const WorkspaceId& workspace, const NetworkVolumeId& id) const {
  return store_.find(workspace, id);
}

std::vector<NetworkVolume> NetworkVolumeService::list(const Caller& caller) const {
  return store_.list(caller.workspace);
}

std::optional<std::int64_t> NetworkVolumeService::used_bytes(const NetworkVolumeId& id) const {
  const auto found = used_.find(id);
  return found == used_.end() ? std::nullopt : std::optional(found->second);
}

void NetworkVolumeService::measure() {
  auto& runtime = core_.runtime();
  if (measuring_ || !config_.directories.used || runtime.uptime() < measuring_rests_until_) return;
  const auto next = store_.next_ready(measured_last_);
  if (!next) return;
  measured_last_ = next->id;
  const auto path = config_.shared_paths.find(next->data_center);
  if (path == config_.shared_paths.end()) return;
  measuring_ = true;
  auto counted = std::make_shared<tl::expected<std::int64_t, std::string>>(0);
  const auto slow = [counted, used = config_.directories.used, path = path->second, name = next->id.str()] {
    *counted = used(path, name);
  };
  const auto then = alive_.guard([this, counted, id = next->id, began = runtime.uptime()] {
    measuring_ = false;
    const auto now = core_.runtime().uptime();
    measuring_rests_until_ = now + 20 * (now - began);
    if (*counted) used_[id] = **counted;  // else what was counted last stands
  });
  try {
    runtime.work(slow, then);
  } catch (const WorkersBusy&) {
    measuring_ = false;  // the timer tries again
  }
}

Result<NetworkVolume> NetworkVolumeService::update(const Caller& caller, const NetworkVolumeId& id,
                                                   const NetworkVolumeChange& change,
                                                   const std::function<Result<>(const NetworkVolume&)>& precondition) {
  return core_.transact([&]() -> Result<NetworkVolume> {
    auto volume = TRY(get(caller, id));
    if (precondition) TRY(precondition(volume));
    if (change.name && *change.name != volume.name) {
      TRY(check_name(caller.workspace, *change.name));
      volume.name = *change.name;
    }
    if (change.size_gb) {
      TRY(check_size(*change.size_gb));
      if (*change.size_gb < volume.size_gb)
        return invalid("size", Detail::volume_shrinks, {{"size", std::to_string(volume.size_gb)}});
      volume.size_gb = *change.size_gb;
    }
    store_.update(volume);
    return volume;
  });
}

Result<> NetworkVolumeService::remove(const Caller& caller, const NetworkVolumeId& id) {
  return core_.transact([&]() -> Result<> {
    const auto volume = TRY(get(caller, id));
    if (const auto user = config_.user_of ? config_.user_of(caller.workspace, id) : std::nullopt)
      return fail(Reason::network_volume_in_use, {{"name", volume.name}, {"user", *user}});
    store_.remove(volume);
    tend_soon();
    return {};
  });
}

void NetworkVolumeService::tend_soon() {
  core_.after_commit(alive_.guard([this] { core_.post("network volumes", alive_.guard([this] { tend(); })); }));
}

void NetworkVolumeService::tend() {
  if (at_work_) {
    again_ = true;  // what this is about may have come after it began
    return;
  }
  // Once after a start: a database that was restored knows of directories that were removed since.
  if (!looked_) {
    store_.look_again();
    core_.after_commit(alive_.guard([this] { looked_ = true; }));
  }
  auto jobs = std::make_shared<std::vector<Job>>();
  for (const auto& [data_center, path] : config_.shared_paths) {
    for (const auto& id : store_.to_make(data_center, tended_at_once_max)) jobs->push_back({id, path, true, {}});
    for (const auto& id : store_.to_remove(data_center, tended_at_once_max)) jobs->push_back({id, path, false, {}});
  }
  if (jobs->empty()) return;
  // Begun after the commit: a directory is removed only once nobody can have the volume back.
  core_.after_commit(alive_.guard([this, jobs] {
    if (at_work_) {
      again_ = true;
      return;
    }
    at_work_ = true;
    const auto slow = [jobs, directories = config_.directories] {
      for (auto& job : *jobs)
        job.problem = (job.make ? directories.make : directories.remove)(job.shared_path, job.id.str());
    };
    const auto then = alive_.guard([this, jobs] {
      at_work_ = false;
      core_.post("network volumes", alive_.guard([this, jobs] { take_down(*jobs); }));
    });
    try {
      core_.runtime().work(slow, then);
    } catch (const WorkersBusy&) {
      at_work_ = false;  // the timer tries again
    }
  }));
}

void NetworkVolumeService::take_down(const std::vector<Job>& done) {
  bool something_worked = false;
  std::map<std::string, std::pair<int, std::string>> failed;  // by path: how many, and why the last did
  for (const auto& job : done) {
    something_worked = something_worked || job.problem.empty();
    if (!job.problem.empty())
      failed[job.shared_path] = {failed[job.shared_path].first + 1, job.problem};
    else if (job.make)
      store_.made(job.id);
    else {
      store_.removed(job.id);
      used_.erase(job.id);
    }
  }
  for (const auto& [path, what] : failed)
    log::warn("directories of network volumes can be neither made nor removed",
              {{"path", path}, {"count", std::to_string(what.first)}, {"problem", what.second}});
  // What failed goes along with what is new, or waits for the timer.
  if (std::exchange(again_, false) || something_worked) tend_soon();
}

}  // namespace gyre
