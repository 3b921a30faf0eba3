#include "cloud_syncs/cloud_sync_service.hpp"

#include <set>
#include <utility>

#include "json/codec.hpp"

namespace gyre {
namespace {

constexpr Duration tend_period = 5s;
constexpr int removed_at_once_max = 100;
constexpr std::int64_t own_disk_bytes = 1'000'000'000;  // rclone writes nothing outside the volume

bool is_wanted(CloudSyncState state) { return state == CloudSyncState::STARTING || state == CloudSyncState::RUNNING; }

const char* event_kind(CloudSyncState state) {
  switch (state) {
    case CloudSyncState::STARTING:
      return "cloud_sync.starting";
    case CloudSyncState::RUNNING:
      return "cloud_sync.running";
    case CloudSyncState::CANCELLING:
      return "cloud_sync.cancelling";
    case CloudSyncState::SUCCEEDED:
      return "cloud_sync.succeeded";
    case CloudSyncState::FAILED:
      return "cloud_sync.failed";
    case CloudSyncState::CANCELLED:
      return "cloud_sync.cancelled";
  }
  return "";
}

}  // namespace

CloudSyncService::CloudSyncService(Core& core, Events& events, HostService& hosts, PodService& pods,
                                   link::AgentLink& link, CloudSyncConfig config)
    : core_(core),
      events_(events),
      hosts_(hosts),
      pods_(pods),
      link_(link),
      config_(std::move(config)),
      store_(core.db()) {
  if (const auto restore = pods_.store().newest_restore()) restored_at_ = restore->restored_at;
  hosts_.add_listener(*this);
  timer_ = core_.every(tend_period, "cloud syncs", [this] { tend(); });
}

Result<CloudSync> CloudSyncService::create(const Caller& caller, const PodId& pod_id, const CloudSyncInput& input,
                                           CloudCredentials credentials) {
  return core_.transact([&]() -> Result<CloudSync> {
    const auto pod = TRY(pods_.get(caller, pod_id));
    const auto pod_wish = wish_from_text(pod.wish);
    const bool made = pod.run > 0 && pod.state != PodState::queued && pod.state != PodState::deleting &&
                      (pod.state != PodState::provisioning || pod.started_at);
    if (pod_wish.volume_gb == 0 || !pod.host || !made)
      return fail(Reason::pod_volume_not_there, {{"pod", pod.id.str()}});
    const auto wish = TRY(cloud_sync_wish(input, pod_wish.volume_path));
    for (const auto& [field, value] : {std::pair{"accessKeyId", &credentials.access_key_id},
                                       {"secretAccessKey", &credentials.secret_access_key},
                                       {"sessionToken", &credentials.session_token}}) {
      for (const auto& name : secrets_in(*value))
        if (!config_.secret(caller.workspace, name))
          return fail(Reason::secret_missing, {{"variable", field}, {"secret", name}}, field);
      *value = with_secrets(*value, [&](const std::string& name) { return config_.secret(caller.workspace, name); });
    }
    TRY(check_credentials(credentials));
    for (const auto& other : store_.of_pod(pod.id))
      if (!has_ended(other.state))
        return fail(Reason::cloud_sync_under_way, {{"pod", pod.id.str()}, {"id", other.id.str()}});
    if (const int count = store_.count(caller.workspace); count >= config_.per_workspace_max)
      return fail(Reason::too_many_things,
                  {{"count", std::to_string(count)}, {"limit", std::to_string(config_.per_workspace_max)}});
    const auto* live = hosts_.live(*pod.host);
    if (!live || !live->connected) return fail(Reason::pod_host_unreachable);
    if (!live->lends_volumes) return fail(Reason::agent_too_old);

    CloudSync sync;
    sync.id = CloudSyncId(std::string(cloud_sync_id_prefix) + core_.random().letters_and_digits(14));
    sync.workspace = caller.workspace;
    sync.account = caller.account;
    sync.pod = pod.id;
    sync.host = *pod.host;
    sync.wish = json::encode(wish);
    sync.credentials_sealed = config_.seal(json::encode(credentials));
    sync.created_at = core_.now();
    sync.generation = next_generation(0);
    store_.insert(sync);
    send_order(sync);
    return sync;
  });
}

Result<CloudSync> CloudSyncService::get(const Caller& caller, const CloudSyncId& id) const {
  auto found = store_.find(id);
  if (!found || found->workspace != caller.workspace || found->hidden)
    return fail(Reason::cloud_sync_not_found, {{"id", id.str()}});
  return std::move(*found);
}

std::vector<CloudSync> CloudSyncService::list(const Caller& caller) const { return store_.list(caller.workspace); }

Result<> CloudSyncService::remove(const Caller& caller, const CloudSyncId& id) {
  return core_.transact([&]() -> Result<> {
    auto sync = TRY(get(caller, id));
    if (!has_ended(sync.state)) {
      move(sync, CloudSyncEvent::cancel, {Reason::cloud_sync_cancelled, {}});
      return {};
    }
    if (!sync.on_host) {
      store_.remove(sync.id);
      return {};
    }
    sync.hidden = true;
    order(sync);
    return {};
  });
}

Result<std::shared_ptr<http::Stream>> CloudSyncService::logs(const Caller& caller, const CloudSyncId& id,
                                                             link::LogRequest request) {
  const auto sync = TRY(get(caller, id));
  request.pod = agents_name(id);
  request.container.clear();
  return pods_.log_channels().open(sync.host, std::move(request));
}

void CloudSyncService::pod_is_removed(const PodId& pod) {
  for (auto& sync : store_.of_pod(pod)) {
    if (!has_ended(sync.state))
      move(sync, CloudSyncEvent::cancel, {Reason::cloud_sync_pod_deleted, {}});
    else if (sync.on_host)
      order(sync);  // its container, kept for its log, holds the volume
  }
}

// ---- towards the agent ----

// Above any that the agent may have obeyed, also when this table came from a backup.
std::int64_t CloudSyncService::next_generation(std::int64_t before) const {
  return std::max<std::int64_t>(before + 1, core_.now().time_since_epoch().count());
}

void CloudSyncService::move(CloudSync& sync, CloudSyncEvent event, const CloudSyncBecause& because) {
  if (!apply(sync, event, core_.now(), because)) return;
  if (event == CloudSyncEvent::host_lost) sync.on_host = false;
  if (event == CloudSyncEvent::cancel)
    order(sync);
  else
    store_.update(sync);
  Event happened;
  happened.workspace = sync.workspace;
  happened.kind = event_kind(sync.state);
  happened.pod = sync.pod;
  happened.host = sync.host;
  happened.reason = because.reason;
  happened.args = because.args;
  happened.data = R"({"cloudSyncId":")" + sync.id.str() + "\"}";
  events_.append(std::move(happened));
}

void CloudSyncService::order(CloudSync& sync) {
  sync.generation = next_generation(sync.generation);
  sync.removing = has_ended(sync.state);
  store_.update(sync);
  send_order(sync);
}

void CloudSyncService::send_order(const CloudSync& sync) {
  core_.after_commit([this, host = sync.host, made = make_order(sync)] { link_.send(host, made); });
}

void CloudSyncService::send_forget(const HostId& host, const PodId& id, std::int64_t generation) {
  core_.after_commit([this, host, forget = link::ForgetPod{id, generation}] { link_.send(host, forget); });
}

link::PodOrder CloudSyncService::make_order(const CloudSync& sync) const {
  const auto wish = wish_of(sync);
  const bool wanted = is_wanted(sync.state);
  link::PodOrder out;
  out.pod = agents_name(sync.id);
  out.generation = sync.generation;
  out.run = 1;
  out.desired = wanted ? link::Desired::running : link::Desired::deleted;
  auto& spec = out.spec;
  spec.workspace = sync.workspace;
  spec.hostname = sync.id.str();
  spec.vcpus = config_.vcpus;
  spec.memory_bytes = config_.memory_bytes;
  spec.container_disk_bytes = own_disk_bytes;
  spec.volume_of = sync.pod;
  spec.volume_path = wish.volume_path;
  spec.restart = link::RestartPolicy::never;
  link::ContainerOrder container;
  container.name = "sync";
  container.image = config_.image;
  container.entrypoint = {"rclone"};
  if (wanted) {
    const auto credentials =
        json::decode<CloudCredentials>(config_.unseal(sync.credentials_sealed), json::UnknownKeys::ignore);
    container.command = rclone_arguments(wish);
    container.env = rclone_environment(wish, credentials.value_or(CloudCredentials{}));
  }
  spec.containers.push_back(std::move(container));
  return out;
}

// ---- what agents say ----

void CloudSyncService::host_reported(const HostId& host, const link::Report& report) {
  if (!report.engine_reachable) return;  // as last seen: nothing may be concluded
  std::set<PodId> said;
  for (const auto& facts : report.pods) {
    if (!is_cloud_sync(facts.pod)) continue;
    said.insert(facts.pod);
    // One that is gone is told so every time, for the answer may be lost.
    const auto known = heard_.find(facts.pod);
    if (known != heard_.end() && known->second.facts == facts && facts.phase != link::PodPhase::deleted) continue;
    meet(host, facts);
    core_.after_commit([this, host, facts] { heard_[facts.pod] = {host, facts}; });
  }
  std::erase_if(heard_, [&](const auto& one) { return one.second.host == host && !said.contains(one.first); });
}

void CloudSyncService::meet(const HostId& host, const link::PodFacts& facts) {
  auto sync = store_.find(CloudSyncId(facts.pod.str()));
  if (!sync || sync->host != host) {
    // Newer than the backup that this table comes from. What still copies is left alone.
    if (facts.phase == link::PodPhase::deleted) return send_forget(host, facts.pod, facts.generation);
    if (is_up(facts.phase)) return;
    link::PodOrder removal;
    removal.pod = facts.pod;
    removal.generation = next_generation(facts.generation);
    removal.run = facts.run;
    removal.desired = link::Desired::deleted;
    core_.after_commit([this, host, removal = std::move(removal)] { link_.send(host, removal); });
    return;
  }
  if (facts.generation < sync->generation) return;  // tend() sends the newer order again
  if (facts.generation > sync->generation) {
    sync->generation = facts.generation;
    store_.update(*sync);
  }
  if (facts.phase == link::PodPhase::deleted) {
    if (std::exchange(sync->on_host, false)) {  // else it was told before, and the answer was lost
      if (sync->hidden)
        store_.remove(sync->id);
      else if (next_state(sync->state, CloudSyncEvent::gone))
        move(*sync, CloudSyncEvent::gone);
      else
        store_.update(*sync);
    }
    return send_forget(host, facts.pod, facts.generation);
  }
  const auto* container = facts.containers.empty() ? nullptr : &facts.containers.front();
  if (container && container->started_at) sync->started_at = container->started_at;
  if (facts.phase == link::PodPhase::running) {
    if (sync->state == CloudSyncState::STARTING) move(*sync, CloudSyncEvent::up);
  } else if (facts.phase == link::PodPhase::exited && container) {
    sync->exit_code = container->exit_code;
    const auto exit = meaning_of_exit(sync->id, wish_of(*sync), *container);
    move(*sync, exit.event, exit.because);
  } else if (facts.phase == link::PodPhase::failed) {
    move(*sync, CloudSyncEvent::broke, {facts.reason, facts.args});
  }
}

void CloudSyncService::host_retired(const HostId& host) {
  for (auto& sync : store_.on_host(host)) {
    if (has_ended(sync.state)) {
      sync.on_host = false;
      store_.update(sync);
    } else {
      move(sync, CloudSyncEvent::host_lost, {Reason::host_gone_for_good, {}});
    }
  }
}

// Orders that did not arrive are sent again, what was kept for its log is removed, what is old leaves the list.
void CloudSyncService::tend() {
  const auto now = core_.now();
  for (auto& sync : store_.on_hosts()) {
    const bool ended = has_ended(sync.state);
    if (ended && !sync.removing && sync.ended_at && now - *sync.ended_at >= config_.log_kept) {
      order(sync);
      continue;
    }
    const auto* live = hosts_.live(sync.host);
    if (!live || !live->connected || (ended && !sync.removing)) continue;
    const auto heard = heard_.find(agents_name(sync.id));
    if (heard != heard_.end() && heard->second.facts.generation >= sync.generation) continue;
    const bool wanted = is_wanted(sync.state);
    if (wanted && !live->lends_volumes) continue;  // an older agent would copy without the volume
    if (wanted && heard == heard_.end() && restored_at_ && sync.created_at < *restored_at_) {
      // This table is older than its host's memory: it may have ended long ago, and is not done again unasked.
      if (core_.runtime().uptime() - live->last_report < config_.unheard_after_restore &&
          now - *restored_at_ >= config_.unheard_after_restore)
        move(sync, CloudSyncEvent::broke, {Reason::cloud_sync_lost, {}});
      continue;
    }
    send_order(sync);
  }
  store_.remove_ended_before(now - config_.kept, removed_at_once_max);
}

}  // namespace gyre
