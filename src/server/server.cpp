#include "server/server.hpp"

#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <filesystem>

#include "accounts/account_routes.hpp"
#include "accounts/account_service.hpp"
#include "agent/host_facts.hpp"
#include "base/files.hpp"
#include "base/free_port.hpp"
#include "base/log.hpp"
#include "base/secrets.hpp"
#include "cloud_syncs/cloud_sync_routes.hpp"
#include "compat/runpod_graphql.hpp"
#include "edge/edge.hpp"
#include "edge/tunnels.hpp"
#include "edge/usage_store.hpp"
#include "events/event_feed.hpp"
#include "events/event_routes.hpp"
#include "fleet/data_center_routes.hpp"
#include "fleet/gpu_routes.hpp"
#include "fleet/host_routes.hpp"
#include "fleet/host_service.hpp"
#include "http/admission.hpp"
#include "http/server.hpp"
#include "images/image_check_routes.hpp"
#include "leadership/candidate.hpp"
#include "link/authority.hpp"
#include "link/grpc_server.hpp"
#include "monitoring/metrics_routes.hpp"
#include "monitoring/metrics_service.hpp"
#include "pods/pod_exec_routes.hpp"
#include "pods/pod_routes.hpp"
#include "pods/pod_service.hpp"
#include "quotas/quota_routes.hpp"
#include "resources/resources.hpp"
#include "rest_v2/rest_v2.hpp"
#include "runtime/asio_runtime.hpp"
#include "runtime/metrics.hpp"
#include "runtime/os_random.hpp"
#include "server/help.hpp"
#include "server/pages.hpp"
#include "server/ssh_door.hpp"
#include "server/standby.hpp"
#include "server/system_routes.hpp"

namespace gyre::server {
namespace {

namespace fs = std::filesystem;

// ---- the pieces that need a decision before they can be built ----

Result<std::unique_ptr<FileLock>> lock_data_dir(const std::string& data_dir) {
  const auto refuse = [&](std::string detail) {
    return fail(Reason::data_dir_unusable, {{"path", data_dir}, {"detail", std::move(detail)}});
  };
  if (const auto made = make_private_folder(data_dir); !made) return refuse(made.error().message());
  auto lock = FileLock::try_lock(lock_file(data_dir));
  if (!lock) return refuse(lock.error().message());
  if (*lock) return lock;
  auto holder = TRY(read_file(lock_file(data_dir))).value_or("?");
  while (holder.ends_with('\n')) holder.pop_back();
  return fail(Reason::data_dir_in_use, {{"pid", holder}, {"path", data_dir}});
}

Result<std::unique_ptr<db::Connection>> open_database(const std::string& url) {
  try {
    auto connection = db::open(url);
    const int version = db::migrate(*connection);
    log::info("database ready", {{"schema", std::to_string(version)}});
    return connection;
  } catch (const db::DbError& problem) {
    return fail(Reason::database_unusable, {{"detail", problem.what()}});
  }
}

// 32 random bytes that seal what must be readable again (registry passwords, pods' own keys). Whoever has the database
// but not this file reads none of it. A damaged one is never replaced: what it sealed would be lost.
Result<std::string> installation_key(const fs::path& file, Random& random) {
  constexpr std::size_t bytes = 32;
  auto key = TRY(read_file(file));
  if (!key) {
    key = random.bytes(bytes);
    TRY(write_private_file(file, *key));
  }
  if (key->size() != bytes)
    return fail(Reason::file_unusable, {{"path", file.string()}, {"detail", "it does not hold 32 bytes"}});
  return *key;
}

// The agents' address must be known before anything listens: it is part of what hosts are told. Port 0 is therefore
// made a number here; whoever takes it in the moment between makes the start fail, which says so.
Result<HostPort> agents_address(const std::string& listen) {
  auto out = parse_host_port(listen);
  if (!out) return fail(Reason::cannot_listen, {{"address", listen}, {"detail", "expected HOST:PORT"}});
  if (out->port != 0) return *out;
  out->port = lasting_free_port("0.0.0.0");
  if (out->port == 0) return fail(Reason::cannot_listen, {{"address", listen}, {"detail", "no port is free"}});
  return *out;
}

std::string text_of(const HostPort& address) {
  const bool is_v6 = address.host.find(':') != std::string::npos;
  return (is_v6 ? "[" + address.host + "]" : address.host) + ":" + std::to_string(address.port);
}

bool is_any(const std::string& host) { return host == "0.0.0.0" || host == "::" || host == "*"; }
bool is_loopback(const std::string& host) { return host == "localhost" || host == "::1" || host.starts_with("127."); }

// Where others reach what listens on this address.
std::string reachable(const std::string& host) { return is_any(host) ? agent::own_address() : host; }

std::string host_of_url(std::string_view url) {
  url.remove_prefix(url.find("://") + 3);
  if (url.starts_with('[')) return std::string(url.substr(1, url.find(']') - 1));
  return std::string(url.substr(0, url.find(':')));
}

std::vector<std::string> agents_addresses(const Config& config, const HostPort& bound) {
  if (!config.agents_advertise.empty()) return config.agents_advertise;
  auto host =
      is_loopback(bound.host) || config.public_url.empty() ? reachable(bound.host) : host_of_url(config.public_url);
  return {text_of({std::move(host), bound.port})};
}

std::vector<std::string> certificate_names(const std::vector<std::string>& addresses) {
  std::vector<std::string> out{"localhost", "127.0.0.1", "::1"};
  for (const auto& address : addresses)
    if (const auto parsed = parse_host_port(address); parsed && !is_loopback(parsed->host)) out.push_back(parsed->host);
  return out;
}

// Whoever watches over the server must see it best when it is busiest.
bool always_answered(const std::string& path) { return path == "/healthz" || path == "/readyz" || path == "/metrics"; }

http::AdmissionLimits admission_limits(const Config& config) {
  http::AdmissionLimits out;
  out.requests_per_second = config.requests_per_second;
  out.burst = config.requests_at_once;
  out.in_hand = static_cast<std::size_t>(config.requests_in_hand);
  out.in_hand_per_client = static_cast<std::size_t>(config.requests_in_hand_per_client);
  return out;
}

http::ServerOptions http_options(const Config& config) {
  http::ServerOptions out;
  const bool tls = !config.tls_certificate.empty();
  for (const auto& address : config.listen) out.listen.push_back({address, tls});
  for (const auto& address : config.compat_listen) out.listen.push_back({address, true});
  out.tls = {config.tls_certificate, config.tls_key};
  out.other_tls = {config.compat_certificate, config.compat_key};
  out.trusted_proxies = config.trusted_proxies;
  out.header_bytes_max = static_cast<std::size_t>(config.header_bytes);
  out.body_bytes_max = static_cast<std::size_t>(config.body_bytes);
  out.connections_max = static_cast<std::size_t>(config.connections);
  out.connections_per_remote_max = static_cast<std::size_t>(config.connections_per_address);
  out.header_time = config.header_timeout;
  out.body_time = config.body_timeout;
  out.idle_time = config.idle_timeout;
  return out;
}

// Where `listen` led; compat.listen stands behind it, and whoever starts the server again has not to repeat that.
std::vector<std::string> addresses_of(const Config& config, const std::vector<http::Server::Bound>& bound) {
  std::vector<std::string> out;
  for (const auto& one : bound)
    if (one.of < config.listen.size()) out.push_back(text_of({one.host, one.port}));
  return out;
}

edge::Settings edge_settings(const Config& config) {
  edge::Settings out;
  out.domain = config.proxy_domain;
  out.trusted_proxies = config.trusted_proxies;
  out.header_bytes_max = static_cast<std::size_t>(config.header_bytes);
  out.open_per_pod = config.proxy_requests_per_pod;
  out.open_per_workspace = config.proxy_requests_per_workspace;
  out.answer_time = config.proxy_answer_timeout;
  out.head_time = config.header_timeout;
  out.body_time = std::max(config.body_timeout, Duration(1s));
  out.idle_time = config.idle_timeout;
  return out;
}

constexpr Duration use_is_written_every = 5s;
constexpr Duration use_is_kept = std::chrono::days(400);

// ---- several servers on one PostgreSQL ----

// Where this server answers, before it listens; the port of `listen` may then be 0, and the address is not for others
// anyway.
std::string url_of(const Config& config) {
  if (!config.public_url.empty()) return config.public_url;
  const auto first = parse_host_port(config.listen.front());
  const std::string scheme = config.tls_certificate.empty() ? "http://" : "https://";
  return scheme + text_of({reachable(first->host), first->port});
}

// The key and the authority are files, and the same on every server: a second leader with others could open none of the
// secrets, and no agent would believe it. The database remembers what it belongs to.
Result<> require_shared_files(db::Connection& database, const fs::path& data_dir, const std::string& key,
                              const link::Authority& authority) {
  LeadershipStore store(database);
  const auto file = data_dir / "secret.key";
  const auto folder = data_dir / "authority";
  try {
    if (const auto digest = sha256_hex("secret.key of gyre\n" + key); store.shared_file("secret.key", digest) != digest)
      return fail(Reason::shared_file_differs, {{"path", file.string()}, {"copy", "secret.key"}});
    if (store.shared_file("authority", authority.fingerprint()) != authority.fingerprint())
      return fail(Reason::shared_file_differs,
                  {{"path", (folder / "ca.key").string()}, {"copy", "authority/ca.key, authority/ca.crt"}});
  } catch (const db::DbError& problem) {
    return fail(Reason::database_unusable, {{"detail", problem.what()}});
  }
  return {};
}

std::string name_of_this_process() {
  char host[256] = {};
  ::gethostname(host, sizeof host - 1);
  return std::string(host) + ":" + std::to_string(::getpid());
}

// ---- the server ----

class Server {
 public:
  Server(const ServerOptions& options, std::unique_ptr<db::Connection> database, link::Authority authority,
         std::string key, std::shared_ptr<MetricsStore> metrics_store, const HostPort& agents,
         std::optional<Epoch> epoch)
      : options_(options),
        config_(options.config),
        agents_(agents),
        agents_addresses_(agents_addresses(config_, agents)),
        database_(std::move(database)),
        authority_(std::move(authority)),
        key_(std::move(key)),
        core_(runtime_, *database_),
        accounts_(core_),
        events_(core_),
        feed_(core_, events_, EventFeedSettings{.kept_for = config_.events_kept}),
        link_(core_, authority_, link_config(), admission()),
        hosts_(core_, events_, link_, fleet_config()),
        quotas_(core_, events_),
        tunnels_(core_, link_, link_),
        resources_(core_, resources_config()),
        pods_(core_, events_, hosts_, quotas_, link_, pod_config()),
        cloud_syncs_(core_, events_, hosts_, pods_, link_, cloud_sync_config()),
        images_(core_, image_check_config()),
        monitoring_(core_, hosts_, pods_, link_, std::move(metrics_store)),
        router_(core_, [this](const http::Request& request) { return accounts_.authenticate(request); }) {
    use_timer_ = core_.every(use_is_written_every, "write down the proxy's use", [this] { write_use(); });
    if (epoch) leadership_.emplace(core_, *epoch, LeaseTimes{}, [this] { be_deposed(); });
    watch_everything();
  }

  Result<> run() {
    runtime_.on_signal({SIGTERM, SIGINT}, [this](int) { close(); });
    runtime_.on_signal({SIGHUP}, [this](int) { reload(); });
    core_.post(
        "start", [this] { start(); },
        [this] {
          give_up(Error{Reason::internal_error, {}, ""});
        });
    runtime_.run();
    std::error_code ignored;
    fs::remove(ready_file(config_.data_dir), ignored);
    ssh_.reset();
    http_.reset();
    if (problem_) return fail(*problem_);
    log::info("server ended");
    return {};
  }

 private:
  // ---- coming up: rows first, then the agents' port, then the API ----

  void start() {
    const auto bootstrap = accounts_.bootstrap();
    const auto key = first_key(bootstrap);
    pods_.tell_all_ways();
    core_.after_commit([this, bootstrap, key] { listen(bootstrap, key); });
  }

  // The key that `gyre up` uses: made when its file holds none that still lets us in.
  std::optional<std::string> first_key(const Bootstrap& bootstrap) {
    if (options_.first_key_file.empty()) return std::nullopt;
    if (const auto kept = read_file(options_.first_key_file); kept && *kept) {
      auto secret = **kept;
      while (secret.ends_with('\n')) secret.pop_back();
      http::Request request;
      request.headers.add("Authorization", "Bearer " + secret);
      if (accounts_.authenticate(request)) return std::nullopt;
    }
    Caller administrator;
    administrator.account = bootstrap.account;
    administrator.workspace = bootstrap.workspace;
    administrator.scope = Scope::read_write;
    administrator.operator_of_installation = true;
    auto made = accounts_.make_api_key(administrator, "gyre up", Scope::read_write);
    if (!made) {
      log::error("the first key could not be made", {{"problem", made.error().message()}});
      return std::nullopt;
    }
    return made->secret;
  }

  void listen(const Bootstrap& bootstrap, const std::optional<std::string>& key) {
    if (key)
      if (const auto written = write_private_file(options_.first_key_file, *key + "\n"); !written)
        return give_up(written.error());
    if (const auto port = link_.start(hosts_); !port) return give_up(port.error());
    add_routes();
    auto edge = edge::Edge::make(
        edge_settings(config_), routes_,
        [this](const auto& route, auto arrived) { tunnels_.open(route, std::move(arrived)); }, metrics_);
    if (!edge) return give_up(edge.error());
    auto options = http_options(config_);
    options.is_taken_over = [edge = *edge](std::string_view host) { return edge->wants(host); };
    options.take_over = [edge = *edge](http::HandOver connection) { return edge->take_over(std::move(connection)); };
    auto started = http::Server::start(
        std::move(options),
        [this](http::Request request, http::Server::Respond respond) {
          dispatch(std::move(request), std::move(respond));
        },
        metrics_);
    if (!started) return give_up(started.error());
    http_ = std::move(*started);
    if (const auto opened = open_ssh(); !opened) return give_up(opened.error());
    tell_ready(bootstrap);
  }

  // Off unless ssh.listen says where.
  Result<> open_ssh() {
    const auto address = parse_host_port(config_.ssh_listen);
    if (!address) return {};
    ssh::Settings settings;
    settings.host = address->host;
    settings.port = address->port;
    settings.host_key = config_.ssh_host_key_file();
    settings.connections = static_cast<std::size_t>(config_.ssh_connections);
    settings.connections_per_address = static_cast<std::size_t>(config_.ssh_connections_per_address);
    settings.idle_time = config_.ssh_idle_timeout;
    ssh_ = TRY(ssh::Gateway::start(std::move(settings), ssh_door_.decisions()));
    ssh_address_ = text_of({address->host, ssh_->port()});
    ssh_for_people_.host = config_.public_url.empty() ? reachable(address->host) : host_of_url(config_.public_url);
    ssh_for_people_.port = ssh_->port();
    log::info("ssh gateway ready", {{"address", ssh_address_}});
    return {};
  }

  json::UnknownKeys unknown_fields() const {
    return config_.unknown_fields == UnknownFields::ignore ? json::UnknownKeys::ignore : json::UnknownKeys::refuse;
  }

  void add_routes() {
    const auto unknown = unknown_fields();
    router_.add(account_routes(accounts_));
    router_.add(event_routes(feed_));
    router_.add(host_routes(hosts_, unknown, public_url(), authority_.certificate_pem(), agents_addresses_));
    router_.add(gpu_routes(hosts_));
    router_.add(data_center_routes(hosts_, unknown));
    router_.add(quota_routes(quotas_, unknown));
    router_.add(pod_routes(pods_, hosts_, events_, unknown));
    router_.add(cloud_sync_routes(cloud_syncs_, unknown));
    router_.add(image_check_routes(images_, unknown));
    router_.add(metrics_routes(monitoring_, pods_, hosts_));
    router_.add(resources_.routes(unknown));
    router_.add(runpod_graphql_.routes());
    router_.add(rest_v2_.routes());
    router_.add(system_routes({router_, metrics_, [this] { return !closing_; },
                               [this] { return monitoring_.prometheus(); }, authority_.fingerprint().substr(0, 16)}));
    router_.add(pod_exec_routes(pods_));
    router_.add(page_routes());
    router_.add(help_routes());
  }

  // On an I/O thread: hand the request to the core, and answer once what the answer says is durable.
  void dispatch(http::Request request, http::Server::Respond respond) {
    auto shared = std::make_shared<http::Request>(std::move(request));
    std::shared_ptr<http::Admission::Ticket> ticket;
    if (!always_answered(shared->path)) {
      auto admitted = admission_.enter(http::client_of(*shared), runtime_.uptime());
      if (!admitted) {
        auto refusal = http::problem(admitted.error(), *shared);
        if (refusal.headers.has("RateLimit")) refusal.headers.set("RateLimit-Policy", admission_.policy());
        return respond(std::move(refusal));
      }
      ticket = std::move(*admitted);
    }
    core_.post(
        "request",
        [this, shared, respond, ticket] {
          auto response = std::make_shared<http::Response>(router_.dispatch(*shared));
          core_.after_commit([response, respond, ticket] { respond(std::move(*response)); });
        },
        [this, shared, respond] {
          // Deposed: nothing has happened, and another server does it.
          const bool leads = !leadership_ || leadership_->leads();
          const auto why = !leads                    ? Reason::deposed
                           : core_.database_failed() ? Reason::database_unavailable
                                                     : Reason::internal_error;
          auto response = http::problem(Error{why, {}, ""}, *shared);
          if (why != Reason::internal_error) response.headers.set("Retry-After", "1");
          respond(std::move(response));
        });
  }

  std::string public_url() const { return url_of(config_); }
  std::string url_for_people() const {
    if (!http_ || !config_.public_url.empty()) return public_url();
    const auto& first = http_->bound().front();
    return (first.tls ? "https://" : "http://") + text_of({reachable(first.host), first.port});
  }

  void tell_ready(const Bootstrap& bootstrap) {
    Ready ready;
    ready.agents = text_of(agents_);
    ready.ssh = ssh_address_;
    if (const auto here = config_.shared_paths.find(local_data_center); here != config_.shared_paths.end())
      ready.network_volumes = here->second;
    ready.listen = addresses_of(config_, http_->bound());
    const auto& first = http_->bound().front();
    const std::string scheme = first.tls ? "https://" : "http://";
    ready.url = url_for_people();
    ready.local_url =
        is_any(first.host) ? scheme + text_of({"127.0.0.1", first.port}) : scheme + text_of({first.host, first.port});
    if (first.tls && !config_.public_url.empty()) ready.local_url = config_.public_url;  // the name in its certificate
    boost::json::array listen;
    for (const auto& address : ready.listen) listen.emplace_back(address);
    const boost::json::object said{{"pid", ::getpid()},
                                   {"url", ready.url},
                                   {"localUrl", ready.local_url},
                                   {"agents", ready.agents},
                                   {"ssh", ready.ssh},
                                   {"listen", listen},
                                   {"networkVolumes", ready.network_volumes}};
    if (const auto written = write_private_file(ready_file(config_.data_dir), boost::json::serialize(said) + "\n");
        !written)
      return give_up(written.error());
    log::info("server ready", {{"url", ready.url}, {"agents", ready.agents}, {"version", GYRE_VERSION}});
    if (bootstrap.login_token) ready.login = ready.url + "/login?token=" + *bootstrap.login_token;
    if (options_.ready) options_.ready(ready);
  }

  // What waits for the core is not done here any more.
  void be_deposed() {
    if (http_) http_->answer_unanswered(Reason::deposed);
    give_up(Error{Reason::deposed, {}, ""});
  }

  void give_up(Error problem) {
    problem_ = std::move(problem);
    runtime_.stop();
  }

  // ---- going down: no new work, what is under way ends, links closed; containers run on ----

  void close() {
    if (closing_) ::_exit(130);  // asked twice: somebody is in a hurry, and nothing acknowledged can be lost by it
    closing_ = true;
    log::info("server closing", {{"connections", std::to_string(http_ ? http_->connections() : 0)}});
    ssh_.reset();
    feed_.close_all();
    rest_v2_.close_all();
    monitoring_.close_all();
    if (!http_) return leave();
    http_->drain(config_.drain_timeout, [this] {
      const auto go = [this] { leave(); };
      const auto last = [this, go] {
        write_use();
        core_.after_commit(go);
      };
      core_.post("write down the proxy's use", last, go);
    });
  }

  // The last thing a leader does is to say that it leads no more: one that stands by need not wait for the lease's end.
  void leave() {
    if (!leadership_) return runtime_.stop();
    leadership_->give_back([this] { runtime_.stop(); });
  }

  // ---- the proxy ----

  // Rows first; what has not been written by a failed commit is written by the next one.
  void write_use() {
    edge::UsageStore store(core_.db());
    auto use = routes_.unwritten_use();
    for (const auto& delta : use) store.add(delta, core_.now());
    store.remove_before(core_.now() - use_is_kept, 500);
    core_.after_commit([this, use = std::move(use)] { routes_.written(use); });
  }

  // http://POD-PORT.proxy.localhost:8080, with the scheme and the port at which this server is reached.
  std::string proxy_url(const PodId& pod, int port) const {
    const auto origin = http_ ? origin_of_proxy() : public_url();
    const auto scheme = origin.find("://") + 3;
    const auto colon = origin.rfind(':');
    const auto bracket = origin.rfind(']');
    const bool has_port = colon > scheme && (bracket == std::string::npos || colon > bracket);
    return origin.substr(0, scheme) + pod.str() + "-" + std::to_string(port) + "." + config_.proxy_domain +
           (has_port ? origin.substr(colon) : "");
  }
  std::string origin_of_proxy() const {
    return config_.public_url.empty() ? http_->bound().front().url() : config_.public_url;
  }

  // On its 127.0.0.1, when that is ours too. Its agent says which network it is in, and the connection it made proves
  // that it is on this machine: nobody else can make us connect to our own ports. Elsewhere only at the very address
  // its connection comes from, and only where its operator has opened HTTP ports there.
  std::string straight_address(const HostLive& host, const std::string& opened) const {
    const bool here = agent::is_own_address(host.address);
    if (here) return !host.network.empty() && host.network == network_ ? "127.0.0.1" : "";
    return opened == host.address ? opened : "";
  }

  // ---- configuration, read again ----

  void reload() {
    const auto loaded = load(options_.sources);
    if (!loaded) {
      for (const auto& problem : loaded.error())
        log::error("the configuration was not reloaded", {{"problem", problem.message()}});
      return;
    }
    const auto changes = compare(config_, loaded->config);
    config_.log_level = loaded->config.log_level;
    log::set_level(config_.log_level);
    log::Fields fields{{"taken_over", joined(changes.applied)}};
    if (!changes.needs_restart.empty()) fields.emplace_back("waiting_for_a_restart", joined(changes.needs_restart));
    if (http_ && http_->has_tls()) {
      const auto read = http_->reload_tls();
      fields.emplace_back("certificate", read ? "read again" : read.error().message());
    }
    log::info("configuration reloaded", fields);
  }

  static std::string joined(const std::vector<std::string>& names) {
    std::string out;
    for (const auto& name : names) out += (out.empty() ? "" : ", ") + name;
    return out.empty() ? "nothing" : out;
  }

  // ---- what the parts need of each other ----

  link::GrpcServerConfig link_config() const {
    link::GrpcServerConfig out;
    out.listen = text_of(agents_);
    out.names = certificate_names(agents_addresses_);
    return out;
  }

  link::Admission admission() {
    link::Admission out;
    out.is_known = [this](const HostId& host, const std::string& fingerprint) {
      return hosts_.is_known(host, fingerprint);
    };
    out.renew = [this](const HostId& host, const std::string& csr) -> Result<link::IssuedCertificate> {
      const auto identity = TRY(hosts_.renew(host, csr));
      return link::IssuedCertificate{identity.certificate, authority_.certificate_pem()};
    };
    return out;
  }

  FleetConfig fleet_config() {
    FleetConfig out;
    out.ca_certificate = authority_.certificate_pem();
    out.ca_digest = authority_.fingerprint().substr(0, 16);
    out.agents_addresses = agents_addresses_;
    out.sign = [this](const std::string& csr, const HostId& host) -> Result<SignedIdentity> {
      auto certificate = TRY(authority_.sign(csr, host, core_.now()));
      const auto facts = TRY(link::read_certificate(certificate));
      return SignedIdentity{std::move(certificate), facts.fingerprint};
    };
    return out;
  }

  // With the installation's key.
  Seal sealing() {
    return [this](const std::string& plain) { return seal(key_, runtime_.random().bytes(24), plain); };
  }
  std::function<std::string(const std::string&)> unsealing() {
    return [this](const std::string& sealed) { return unseal(key_, sealed).value_or(""); };
  }

  PodConfig pod_config() {
    PodConfig out;
    out.make_key = [this](const WorkspaceId& workspace, const AccountId& account, const PodId& pod) {
      return accounts_.make_pod_key(workspace, account, pod);
    };
    out.revoke_keys = [this](const PodId& pod) { accounts_.revoke_pod_keys(pod); };
    out.removing = [this](const PodId& pod) { cloud_syncs_.pod_is_removed(pod); };
    out.ways_changed = [this](const Pod& pod, const std::vector<edge::Way>& ways) {
      routes_.set(pod.id, pod.workspace, pod.host.value_or(HostId()), ways);
    };
    out.proxy_url = [this](const PodId& pod, int port) { return proxy_url(pod, port); };
    out.straight_address = [this](const HostLive& host, const auto& opened) { return straight_address(host, opened); };
    out.seal = sealing();
    const auto seconds = metrics_.histogram("gyre_placement_seconds", "How long one look at the placement queue took.",
                                            {0.0001, 0.001, 0.005, 0.02, 0.1, 0.5, 2});
    out.around_placement = [seconds](const std::function<void()>& pass) {
      const auto began = std::chrono::steady_clock::now();
      pass();
      seconds.observe(std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count());
    };
    out.unseal = unsealing();
    out.sources = resources_.sources();
    out.pods_max_per_workspace = config_.pods_per_workspace;
    return out;
  }

  ImageCheckConfig image_check_config() {
    ImageCheckConfig out;
    out.trusted_registries = config_.trusted_registries;
    out.login = [this](const WorkspaceId& workspace, const std::string& auth) -> std::optional<images::Login> {
      const auto stored = resources_.registry_auths().login(workspace, RegistryAuthId(auth));
      if (!stored) return std::nullopt;
      return images::Login{stored->username, stored->password};
    };
    return out;
  }

  CloudSyncConfig cloud_sync_config() {
    CloudSyncConfig out;
    out.image = config_.sync_image;
    out.seal = sealing();
    out.unseal = unsealing();
    out.secret = resources_.sources().secret;
    return out;
  }

  ResourcesConfig resources_config() {
    ResourcesConfig out;
    out.seal = sealing();
    out.unseal = unsealing();
    out.catalog.simulated_stock = config_.simulated_stock;
    out.shared_paths = config_.shared_paths;
    out.directories = real_volume_directories();
    return out;
  }

  void watch_everything() {
    watch(metrics_, core_);
    using Admitted = http::Admission::Counters;
    for (const auto& [how, member] : {std::pair{"admitted", &Admitted::admitted},
                                      {"told_to_wait", &Admitted::told_to_wait},
                                      {"shed", &Admitted::shed}})
      metrics_.gauge("gyre_requests_admission", "Requests so far: let in, told to wait (429), turned away (503).",
                     {{"how", how}},
                     [this, member = member] { return static_cast<double>(admission_.counters().*member); });
    watch_process(metrics_);
    metrics_.gauge("gyre_agents_connected", "Agents whose stream is open.", {},
                   [this] { return static_cast<double>(link_.counters().connected); });
    metrics_.gauges("gyre_pods", "Pods by state; deleted ones are not counted.", [this] {
      Metrics::Labelled out;
      boost::mp11::mp_for_each<boost::describe::describe_enumerators<PodState>>([&](auto d) {
        if (d.value != PodState::registered && d.value != PodState::deleted)
          out.push_back({{{"state", d.name}}, static_cast<double>(pods_.pods_in(d.value))});
      });
      return out;
    });
    metrics_.gauges("gyre_placement_queue", "Pods that wait for a host, by the pool they wait in.", [this] {
      Metrics::Labelled out;
      for (const auto& [pool, length] : pods_.queue_lengths())
        out.push_back({{{"pool", pool}}, static_cast<double>(length)});
      return out;
    });
    metrics_.gauges("gyre_hosts", "Hosts by state, and whether they report.", [this] {
      std::map<Metrics::Labels, double> count;
      boost::mp11::mp_for_each<boost::describe::describe_enumerators<HostState>>([&](auto d) {
        if (d.value == HostState::retired) return;
        for (const char* online : {"true", "false"}) count[{{"state", d.name}, {"online", online}}] = 0;
      });
      for (const auto& host : hosts_.store().list(false))
        ++count[{{"state", std::string(enum_text(host.state))}, {"online", host.online ? "true" : "false"}}];
      return Metrics::Labelled(count.begin(), count.end());
    });
    metrics_.watched_counter("gyre_measured_values_written_total", "Values of pods and GPUs written to their store.",
                             {}, [this] { return static_cast<double>(monitoring_.counters().written); });
    metrics_.watched_counter("gyre_measured_write_failures_total", "Writes to the store of values that failed.", {},
                             [this] { return static_cast<double>(monitoring_.counters().failed_writes); });
    metrics_.gauge("gyre_tunnels", "Connections to pods that are carried by agents.", {},
                   [this] { return static_cast<double>(link_.counters().carries); });
    metrics_.gauge("gyre_proxy_pods", "Pods that the proxy knows.", {},
                   [this] { return static_cast<double>(routes_.pods()); });
    metrics_.gauge("gyre_leading", "1 when this server leads, 0 when it stands by.", {},
                   [this] { return !leadership_ || leadership_->leads() ? 1.0 : 0.0; });
    metrics_.gauge("gyre_ssh_connections", "Open connections of the SSH gateway.", {},
                   [this] { return static_cast<double>(ssh_ ? ssh_->connections() : 0); });
    metrics_.gauge("gyre_event_readers", "Open event streams.", {},
                   [this] { return static_cast<double>(feed_.readers()); });
  }

  const ServerOptions& options_;
  Config config_;
  HostPort agents_;
  std::vector<std::string> agents_addresses_;
  bool closing_ = false;
  std::optional<Error> problem_;

  // In the order of dependence; destroyed from below.
  http::Admission admission_{admission_limits(config_)};  // its tickets are in tasks of the runtime
  AsioRuntime runtime_;
  std::unique_ptr<db::Connection> database_;
  link::Authority authority_;
  std::string key_;
  Core core_;
  std::optional<Leadership> leadership_;  // on PostgreSQL
  Metrics metrics_;
  AccountService accounts_;
  Events events_;
  EventFeed feed_;
  link::GrpcServer link_;
  HostService hosts_;
  QuotaService quotas_;
  const std::string network_ = agent::own_network();
  edge::RouteTable routes_;
  edge::Tunnels tunnels_;
  Resources resources_;
  PodService pods_;
  CloudSyncService cloud_syncs_;
  ImageCheckService images_;
  MonitoringService monitoring_;
  compat::RunpodGraphql runpod_graphql_{core_, pods_, resources_, monitoring_};
  rest_v2::RestV2 rest_v2_{core_,
                           pods_,
                           events_,
                           feed_,
                           resources_,
                           monitoring_,
                           {[this] { return ssh_for_people_; }, [this] { return url_for_people(); }, unknown_fields()}};
  http::Router router_;
  std::unique_ptr<Timer> use_timer_;
  std::unique_ptr<http::Server> http_;
  SshDoor ssh_door_{core_, accounts_, pods_,
                    [this](const AccountId& account) { return resources_.settings().authorized_keys(account); }};
  std::string ssh_address_;
  rest_v2::SshAddress ssh_for_people_;
  std::unique_ptr<ssh::Gateway> ssh_;
};

// `gyre up` waits for a server that does its work; a service manager, for one that has come up.
StandbyOptions standby_options(ServerOptions& options) {
  StandbyOptions out;
  out.http = http_options(options.config);
  out.holder = name_of_this_process();
  out.url = url_of(options.config);
  if (!options.first_key_file.empty()) return out;
  out.listening = [&options](const std::vector<http::Server::Bound>& bound) {
    Ready ready;
    ready.url = url_of(options.config);
    ready.local_url = bound.front().url();
    ready.listen = addresses_of(options.config, bound);
    if (const auto tell = std::exchange(options.ready, nullptr)) tell(ready);  // once, not again when it leads
  };
  return out;
}

}  // namespace

std::string ready_file(const std::string& data_dir) { return fs::path(data_dir) / "server.json"; }
std::string lock_file(const std::string& data_dir) { return fs::path(data_dir) / "server.lock"; }

Result<> run_server(const ServerOptions& options) {
  raise_file_limit();
  ::umask(077);  // the database, too, is for its owner only
  const auto& config = options.config;
  log::set_level(config.log_level);
  const auto lock = TRY(lock_data_dir(config.data_dir));
  std::error_code ignored;
  fs::remove(ready_file(config.data_dir), ignored);  // of one that was killed
  auto database = TRY(open_database(config.database_url()));
  const auto now = std::chrono::floor<Duration>(std::chrono::system_clock::now());
  TRY(make_private_folder(fs::path(config.data_dir) / "authority"));
  auto authority = TRY(link::Authority::open(fs::path(config.data_dir) / "authority", now));
  OsRandom random;
  auto key = TRY(installation_key(fs::path(config.data_dir) / "secret.key", random));
  std::shared_ptr<MetricsStore> metrics_store = TRY(MetricsStore::open(fs::path(config.data_dir) / "metrics.db"));
  const auto agents = TRY(agents_address(config.agents_listen));
  std::optional<Epoch> epoch;
  auto leading = options;
  if (database->is_postgres()) {
    TRY(require_shared_files(*database, config.data_dir, key, authority));
    auto won = TRY(stand_by(std::move(database), standby_options(leading)));
    if (!won) return {};
    database = std::move(won->database);
    epoch = won->epoch;
  }
  Server server(leading, std::move(database), std::move(authority), std::move(key), std::move(metrics_store), agents,
                epoch);
  return server.run();
}

}  // namespace gyre::server
