#include "fleet/host_service.hpp"

#include <tuple>

#include "base/log.hpp"
#include "base/secrets.hpp"

namespace gyre {
namespace {

constexpr Duration expiry_period = 5s;
constexpr Duration seen_is_written_every = 5min;  // an idle report costs no write
constexpr std::size_t token_letters = 43;

// What the operator says of a data centre.
Result<> check_said(const DataCenter& said) {
  for (const auto& [text, field, low] : {std::tuple{&said.name, "name", 1}, {&said.location, "location", 0}}) {
    if (text->size() < static_cast<std::size_t>(low) || text->size() > 100)
      return invalid(field, Detail::characters_between, {{"low", std::to_string(low)}, {"high", "100"}});
    for (const unsigned char c : *text)
      if (c < 0x20 || c == 0x7f || c == '/') return invalid(field, Detail::plain_name);
  }
  const auto capital = [](char c) { return c >= 'A' && c <= 'Z'; };
  if (!said.country.empty() &&
      (said.country.size() != 2 || !capital(said.country.front()) || !capital(said.country.back())))
    return invalid("countryCode", Detail::country_code);
  return {};
}

}  // namespace

HostService::HostService(Core& core, Events& events, link::AgentLink& link, FleetConfig config)
    : core_(core), events_(events), link_(link), config_(std::move(config)), store_(core.db()) {
  // After a restart of the server nobody is late yet: silence is counted from now.
  for (const auto& host : store_.list(false)) live_[host.id].last_report = core_.runtime().uptime();
  expiry_ = core_.every(expiry_period, "expire silent hosts", [this] { expire_silent(); });
}

void HostService::tell(const Host& host, std::string kind, Reason reason, Args args) {
  Event event;
  event.workspace = host.workspace;
  event.kind = std::move(kind);
  event.host = host.id;
  event.reason = reason;
  event.args = std::move(args);
  events_.append(std::move(event));
}

Result<HostService::NewToken> HostService::make_join_token(const Caller& caller, const std::string& name,
                                                           const std::string& data_center) {
  TRY(check_data_center("dataCenterId", data_center));
  if (name.size() > 63) return invalid("name", Detail::characters_at_most, {{"limit", "63"}});
  const auto now = core_.now();
  store_.delete_old_tokens(now - 24h);
  const auto token = "gjt_" + core_.random().letters_and_digits(token_letters) + "_" + config_.ca_digest;
  store_.insert(JoinToken{sha256_hex(token),
                          caller.workspace,
                          name,
                          caller.account,
                          now,
                          now + config_.join_token_life,
                          {},
                          {},
                          data_center});
  return NewToken{token, now + config_.join_token_life};
}

Result<HostService::Joined> HostService::join(const std::string& token, const std::string& csr,
                                              const std::string& hostname) {
  if (hostname.empty() || hostname.size() > 253)
    return invalid("hostname", Detail::characters_between, {{"low", "1"}, {"high", "253"}});
  const auto digest = sha256_hex(token);
  const auto known = store_.token(digest);
  if (!known || known->used_at || known->expires_at <= core_.now())
    return fail(Reason::join_token_invalid, {}, "token");
  const HostId id(core_.random().letters_and_digits(14));
  auto identity = TRY(config_.sign(csr, id));
  if (!store_.use_token(digest, id, core_.now())) return fail(Reason::join_token_invalid, {}, "token");
  Host host;
  host.id = id;
  host.workspace = known->workspace;
  host.name = known->name.empty() ? hostname : known->name;
  host.data_center = known->data_center;
  host.fingerprint = identity.fingerprint;
  host.created_at = core_.now();
  store_.insert(host);
  tell(host, "host.joined", Reason::host_joined);
  return Joined{id, std::move(identity)};
}

Result<SignedIdentity> HostService::renew(const HostId& id, const std::string& csr) {
  auto host = store_.find(id);
  if (!host || host->state == HostState::retired) return fail(Reason::host_not_found, {{"host", id.str()}});
  auto identity = TRY(config_.sign(csr, id));
  host->previous_fingerprint = std::move(host->fingerprint);
  host->fingerprint = identity.fingerprint;
  store_.update(*host);
  return identity;
}

bool HostService::is_known(const HostId& id, const std::string& fingerprint) {
  auto host = store_.find(id);
  if (!host || fingerprint.empty() || host->state == HostState::retired) return false;
  if (fingerprint == host->fingerprint || fingerprint == host->previous_fingerprint) return true;
  // Signed by our own authority, and the table may be older than the signature: once for each host after a restore.
  if (!store_.use_restored_host(id, core_.now())) return false;
  log::warn("a host shows a certificate that is newer than the restored backup; it is taken as its own",
            {{"host", id.str()}, {"fingerprint", fingerprint}});
  host->previous_fingerprint = std::move(host->fingerprint);
  host->fingerprint = fingerprint;
  store_.update(*host);
  return true;
}

std::vector<Host> HostService::list(const Caller& caller, const std::string& after, int limit) const {
  if (!caller.operator_of_installation) return {};
  return store_.list(false, after, limit);
}

Result<Host> HostService::get(const Caller& caller, const HostId& id) const {
  auto host = caller.operator_of_installation ? store_.find(id) : std::nullopt;
  if (!host) return fail(Reason::host_not_found, {{"host", id.str()}});
  return std::move(*host);
}

Result<Host> HostService::change(const Caller& caller, const HostId& id, HostEvent event, Reason reason) {
  auto host = TRY(get(caller, id));
  TRY(apply(host, event));
  store_.update(host);
  tell(host, "host." + std::string(enum_text(host.state)), reason);
  for (auto* listener : listeners_) listener->capacity_changed();
  return host;
}

Result<> HostService::check_data_center(const std::string& field, const std::string& id) const {
  if (store_.data_center(id)) return {};
  std::string choices;
  for (const auto& one : store_.data_centers()) choices += (choices.empty() ? "" : ", ") + one.id;
  return invalid(field, Detail::no_data_center, {{"value", id}, {"choices", choices}});
}

Result<Host> HostService::relocate(const Caller& caller, const HostId& id, const std::string& data_center) {
  auto host = TRY(get(caller, id));
  TRY(check_data_center("dataCenterId", data_center));
  if (host.data_center == data_center) return host;
  if (const int pods = store_.pods_on(id); pods > 0)
    return fail(Reason::host_keeps_pods,
                {{"host", id.str()}, {"pods", std::to_string(pods)}, {"data_center", host.data_center}});
  host.data_center = data_center;
  store_.update(host);
  tell(host, "host.moved", Reason::host_moved, {{"data_center", data_center}});
  for (auto* listener : listeners_) listener->capacity_changed();
  return host;
}

Result<DataCenter> HostService::add_data_center(const DataCenter& wanted) {
  if (!is_data_center_id(wanted.id)) return invalid("id", Detail::data_center_id);
  if (store_.data_center(wanted.id)) return fail(Reason::data_center_exists, {{"id", wanted.id}}, "id");
  auto made = wanted;
  if (made.name.empty()) made.name = made.id;
  TRY(check_said(made));
  made.created_at = core_.now();
  store_.save(made);
  return made;
}

Result<DataCenter> HostService::change_data_center(const std::string& id, const DataCenterChange& change) {
  auto found = store_.data_center(id);
  if (!found) return fail(Reason::data_center_not_found, {{"id", id}});
  if (change.name) found->name = *change.name;
  if (change.location) found->location = *change.location;
  if (change.country) found->country = *change.country;
  TRY(check_said(*found));
  store_.save(*found);
  for (auto* listener : listeners_) listener->capacity_changed();
  return *found;
}

Result<Host> HostService::drain(const Caller& caller, const HostId& id) {
  return change(caller, id, HostEvent::drain, Reason::host_drained);
}

Result<Host> HostService::undrain(const Caller& caller, const HostId& id) {
  return change(caller, id, HostEvent::undrain, Reason::host_undrained);
}

Result<> HostService::retire(const Caller& caller, const HostId& id, bool force) {
  TRY(get(caller, id));
  const int pods = store_.pods_on(id);
  if (pods > 0 && !force) return fail(Reason::host_in_use, {{"host", id.str()}, {"pods", std::to_string(pods)}});
  auto host = TRY(change(caller, id, HostEvent::retire, Reason::host_retired));
  host.online = false;
  store_.update(host);
  for (auto* listener : listeners_) listener->host_retired(id);
  live_.erase(id);
  core_.after_commit([this, id] {
    link_.send(id, link::RetireHost{});
    link_.disconnect(id);
  });
  return {};
}

const HostLive* HostService::live(const HostId& host) const {
  const auto found = live_.find(host);
  return found == live_.end() ? nullptr : &found->second;
}

bool HostService::simulated(const HostId& host) const {
  for (const auto& gpu : store_.gpus(host))
    if (gpu.simulated) return true;
  return false;
}

void HostService::agent_connected(const HostId& host) {
  live_[host].connected = true;
  live_[host].address = link_.address_of(host);
  live_[host].sequence = 0;  // the stream is new: nothing of an older one can follow
  log::info("agent connected", {{"host", host.str()}});
}

void HostService::agent_disconnected(const HostId& host) {
  // Not offline yet: a short break is no silence. Only what streamed over the connection is lost.
  if (const auto found = live_.find(host); found != live_.end()) found->second.connected = false;
  for (auto* listener : listeners_) listener->channels_lost(host);
  log::info("agent disconnected", {{"host", host.str()}});
}

void HostService::agent_said(const HostId& host, const link::AgentMessage& message) {
  if (const auto* said = std::get_if<link::Hello>(&message)) return hello(host, said->facts);
  if (const auto* said = std::get_if<link::Report>(&message)) return report(host, *said);
  if (const auto* said = std::get_if<link::Metrics>(&message)) {
    if (metrics_listener_) metrics_listener_(host, *said);
    return;
  }
  for (auto* listener : listeners_) listener->channel_said(host, message);
}

void HostService::hello(const HostId& id, const link::HostFacts& facts) {
  if (live_[id].written == facts) return;
  auto host = store_.find(id);
  if (!host || host->state == HostState::retired) return;
  live_[id].network = facts.network;
  live_[id].lends_volumes = facts.lends_volumes;
  live_[id].network_volumes = facts.network_volumes;
  host->os = facts.os;
  host->kernel = facts.kernel;
  host->architecture = facts.architecture;
  host->agent_version = facts.agent_version;
  host->boot_id = facts.boot_id;
  host->public_address = facts.public_address;
  host->cpus = facts.cpus;
  host->memory_bytes = facts.memory_bytes;
  host->disk_bytes = facts.disk_bytes;
  host->driver_version = facts.driver_version;
  host->cuda_version = facts.cuda_version;
  host->engine_name = facts.engine_name;
  host->engine_version = facts.engine_version;
  if (host->disk_free_bytes == 0) host->disk_free_bytes = facts.disk_bytes;
  if (host->state == HostState::registered) {
    // Hosts that their own operator adds are listed at once; the burn test of the marketplace comes before that.
    if (auto listed = apply(*host, HostEvent::facts_seen); listed) tell(*host, "host.listed", Reason::host_joined);
  }
  store_.update(*host);
  std::int64_t position = 0;
  std::vector<std::string> shown;
  for (const auto& gpu : facts.gpus) {
    store_.save_gpu(
        {id, gpu.uuid, position++, gpu.type_id, gpu.bus, gpu.memory_bytes, gpu.simulated, true, std::nullopt});
    shown.push_back(gpu.uuid);
  }
  for (const auto& gpu : store_.gpus(id))
    if (std::find(shown.begin(), shown.end(), gpu.uuid) == shown.end()) store_.gpu_absent(id, gpu.uuid);
  core_.after_commit([this, id, facts] {
    if (const auto found = live_.find(id); found != live_.end()) found->second.written = facts;
  });
  for (auto* listener : listeners_) listener->capacity_changed();
}

void HostService::report(const HostId& id, const link::Report& report) {
  auto& live = live_[id];
  if (report.sequence <= live.sequence) return;  // older than what we know, or the same once more
  const auto now = core_.now();
  const bool nothing_new = live.row && live.row->engine_reachable == report.engine_reachable &&
                           live.row->engine_error == report.engine_error && live.row->boot_id == report.boot_id &&
                           now >= live.row->seen_written_at && now - live.row->seen_written_at <= seen_is_written_every;
  bool capacity_may_differ = false;
  if (!nothing_new) {
    auto host = store_.find(id);
    if (!host || host->state == HostState::retired) return;
    const bool came_back = !host->online;
    const bool engine_changed =
        host->engine_reachable != report.engine_reachable || host->engine_error != report.engine_error;
    capacity_may_differ = came_back || engine_changed;
    if (capacity_may_differ || host->boot_id != report.boot_id) {
      host->online = true;
      host->engine_reachable = report.engine_reachable;
      host->engine_error = report.engine_error;
      host->boot_id = report.boot_id;
      host->disk_free_bytes = report.disk_free_bytes;
      host->last_seen_at = now;
      store_.update(*host);
      if (came_back) tell(*host, "host.online", Reason::host_came_online);
      live.row.reset();
    } else if (!host->last_seen_at || now - *host->last_seen_at > seen_is_written_every || now < *host->last_seen_at) {
      store_.seen(id, now, report.disk_free_bytes);
      live.row.reset();
    } else {
      // Only what was read and left as it is: a write may still be rolled back.
      live.row = {report.engine_reachable, report.engine_error, report.boot_id, *host->last_seen_at};
    }
  }
  // What is only in memory follows the commit: rolled back rows must not meet a sequence that has moved on.
  core_.after_commit([this, id, sequence = report.sequence, strays = report.stray_containers, readings = report.gpus] {
    const auto found = live_.find(id);
    if (found == live_.end()) return;
    found->second.sequence = std::max(found->second.sequence, sequence);
    found->second.last_report = core_.runtime().uptime();
    found->second.offline_noted = false;
    found->second.strays = strays;
    found->second.readings = readings;
  });
  for (auto* listener : listeners_) listener->host_reported(id, report);
  if (capacity_may_differ)
    for (auto* listener : listeners_) listener->capacity_changed();
}

void HostService::expire_silent() {
  if (!watching_) {
    for (const auto& id : store_.online()) live_.try_emplace(id);  // silent since this server began
    watching_ = true;
  }
  const auto uptime = core_.runtime().uptime();
  std::vector<HostId> silent;
  for (const auto& [id, live] : live_)
    if (!live.offline_noted && uptime - live.last_report >= config_.offline_after) silent.push_back(id);
  for (const auto& id : silent) {
    auto& live = live_[id];
    const auto span = uptime - live.last_report;
    live.row.reset();
    core_.after_commit([this, id] {
      if (const auto found = live_.find(id); found != live_.end()) found->second.offline_noted = true;
    });
    auto host = store_.find(id);
    if (!host || !host->online) continue;
    host->online = false;
    // When it was last heard, not when we noticed: nothing after that is counted.
    host->last_seen_at = core_.now() - span;
    store_.update(*host);
    tell(*host, "host.offline", Reason::host_went_offline,
         {{"seconds", std::to_string(std::chrono::duration_cast<std::chrono::seconds>(span).count())}});
    for (auto* listener : listeners_) listener->host_offline(id);
  }
}

}  // namespace gyre
