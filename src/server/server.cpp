#include "server/server.hpp"

#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <netdb.h>
#include <sys/socket.h>

#include <boost/json.hpp>
#include <filesystem>

#include "accounts/account_routes.hpp"
#include "accounts/account_service.hpp"
#include "agent/host_facts.hpp"
#include "base/files.hpp"
#include "base/log.hpp"
#include "base/secrets.hpp"
#include "events/event_feed.hpp"
#include "events/event_routes.hpp"
#include "fleet/host_routes.hpp"
#include "fleet/host_service.hpp"
#include "http/server.hpp"
#include "leadership/candidate.hpp"
#include "link/authority.hpp"
#include "link/grpc_server.hpp"
#include "pods/pod_routes.hpp"
#include "pods/pod_service.hpp"
#include "runtime/asio_runtime.hpp"
#include "runtime/metrics.hpp"
#include "runtime/os_random.hpp"
#include "server/landing.hpp"
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
  const int probe = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  socklen_t size = sizeof address;
  const bool found = probe >= 0 && ::bind(probe, reinterpret_cast<sockaddr*>(&address), size) == 0 &&
                     ::getsockname(probe, reinterpret_cast<sockaddr*>(&address), &size) == 0;
  if (probe >= 0) ::close(probe);
  if (!found) return fail(Reason::cannot_listen, {{"address", listen}, {"detail", std::strerror(errno)}});
  out->port = ntohs(address.sin_port);
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

http::ServerOptions http_options(const Config& config) {
  http::ServerOptions out;
  const bool tls = !config.tls_certificate.empty();
  for (const auto& address : config.listen) out.listen.push_back({address, tls});
  out.tls = {config.tls_certificate, config.tls_key};
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
         std::string key, const HostPort& agents, std::optional<Epoch> epoch)
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
        pods_(core_, events_, hosts_, link_, pod_config()),
        router_(core_, [this](const http::Request& request) { return accounts_.authenticate(request); }) {
    hosts_.set_listener(pods_);
    if (epoch) leadership_.emplace(core_, *epoch, LeaseTimes{}, [this] { give_up(Error{Reason::deposed, {}, ""}); });
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
    auto started = http::Server::start(
        http_options(config_),
        [this](http::Request request, http::Server::Respond respond) {
          dispatch(std::move(request), std::move(respond));
        },
        metrics_);
    if (!started) return give_up(started.error());
    http_ = std::move(*started);
    tell_ready(bootstrap);
  }

  void add_routes() {
    const auto unknown =
        config_.unknown_fields == UnknownFields::ignore ? json::UnknownKeys::ignore : json::UnknownKeys::refuse;
    router_.add(account_routes(accounts_));
    router_.add(event_routes(feed_));
    router_.add(host_routes(hosts_, unknown, public_url(), authority_.certificate_pem(), agents_addresses_));
    router_.add(pod_routes(pods_, hosts_, events_, unknown));
    router_.add(system_routes({router_, metrics_, [this] { return !closing_; }}));
    router_.add(landing_routes());
  }

  // On an I/O thread: hand the request to the core, and answer once what the answer says is durable.
  void dispatch(http::Request request, http::Server::Respond respond) {
    auto shared = std::make_shared<http::Request>(std::move(request));
    core_.post(
        "request",
        [this, shared, respond] {
          auto response = std::make_shared<http::Response>(router_.dispatch(*shared));
          core_.after_commit([response, respond] { respond(std::move(*response)); });
        },
        [this, shared, respond] {
          // Deposed: nothing has happened, and another server does it.
          const bool leads = !leadership_ || leadership_->leads();
          auto response = http::problem(Error{leads ? Reason::internal_error : Reason::deposed, {}, ""}, *shared);
          if (!leads) response.headers.set("Retry-After", "1");
          respond(std::move(response));
        });
  }

  std::string public_url() const { return url_of(config_); }

  void tell_ready(const Bootstrap& bootstrap) {
    Ready ready;
    ready.agents = text_of(agents_);
    for (const auto& bound : http_->bound()) ready.listen.push_back(text_of({bound.host, bound.port}));
    const auto& first = http_->bound().front();
    const std::string scheme = first.tls ? "https://" : "http://";
    ready.url = config_.public_url.empty() ? scheme + text_of({reachable(first.host), first.port}) : config_.public_url;
    ready.local_url =
        is_any(first.host) ? scheme + text_of({"127.0.0.1", first.port}) : scheme + text_of({first.host, first.port});
    if (first.tls && !config_.public_url.empty()) ready.local_url = config_.public_url;  // the name in its certificate
    boost::json::array listen;
    for (const auto& address : ready.listen) listen.emplace_back(address);
    const boost::json::object said{{"pid", ::getpid()},
                                   {"url", ready.url},
                                   {"localUrl", ready.local_url},
                                   {"agents", ready.agents},
                                   {"listen", listen}};
    if (const auto written = write_private_file(ready_file(config_.data_dir), boost::json::serialize(said) + "\n");
        !written)
      return give_up(written.error());
    log::info("server ready", {{"url", ready.url}, {"agents", ready.agents}, {"version", GYRE_VERSION}});
    if (bootstrap.login_token) ready.login = ready.url + "/login?token=" + *bootstrap.login_token;
    if (options_.ready) options_.ready(ready);
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
    feed_.close_all();
    if (!http_) return leave();
    http_->drain(config_.drain_timeout, [this] { runtime_.post([this] { leave(); }); });
  }

  // The last thing a leader does is to say that it leads no more: one that stands by need not wait for the lease's end.
  void leave() {
    if (!leadership_) return runtime_.stop();
    leadership_->give_back([this] { runtime_.stop(); });
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
    if (!config_.tls_certificate.empty() && http_) {
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

  PodConfig pod_config() {
    PodConfig out;
    out.make_key = [this](const WorkspaceId& workspace, const AccountId& account, const PodId& pod) {
      return accounts_.make_pod_key(workspace, account, pod);
    };
    out.revoke_keys = [this](const PodId& pod) { accounts_.revoke_pod_keys(pod); };
    out.seal = [this](const std::string& plain) { return seal(key_, runtime_.random().bytes(24), plain); };
    out.unseal = [this](const std::string& sealed) { return unseal(key_, sealed).value_or(""); };
    return out;
  }

  void watch_everything() {
    watch(metrics_, core_);
    watch_process(metrics_);
    metrics_.gauge("gyre_agents_connected", "Agents whose stream is open.", {},
                   [this] { return static_cast<double>(link_.counters().connected); });
    metrics_.gauge("gyre_leading", "1 when this server leads, 0 when it stands by.", {},
                   [this] { return !leadership_ || leadership_->leads() ? 1.0 : 0.0; });
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
  PodService pods_;
  http::Router router_;
  std::unique_ptr<http::Server> http_;
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
    for (const auto& one : bound) ready.listen.push_back(text_of({one.host, one.port}));
    if (const auto tell = std::exchange(options.ready, nullptr)) tell(ready);  // once, not again when it leads
  };
  return out;
}

}  // namespace

std::string ready_file(const std::string& data_dir) { return fs::path(data_dir) / "server.json"; }
std::string lock_file(const std::string& data_dir) { return fs::path(data_dir) / "server.lock"; }

Result<> run_server(const ServerOptions& options) {
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
  Server server(leading, std::move(database), std::move(authority), std::move(key), agents, epoch);
  return server.run();
}

}  // namespace gyre::server
