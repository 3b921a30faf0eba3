#include "sim/world.hpp"

#include <gtest/gtest.h>

#include <unistd.h>

#include <boost/json.hpp>
#include <filesystem>

#include "accounts/account_routes.hpp"
#include "base/check.hpp"
#include "base/secrets.hpp"
#include "cloud_syncs/cloud_sync_routes.hpp"
#include "compat/runpod_graphql.hpp"
#include "events/event_routes.hpp"
#include "fleet/data_center_routes.hpp"
#include "fleet/gpu_routes.hpp"
#include "fleet/host_routes.hpp"
#include "leadership/leadership_store.hpp"
#include "monitoring/metrics_routes.hpp"
#include "pods/pod_exec_routes.hpp"
#include "pods/pod_routes.hpp"
#include "quotas/quota_routes.hpp"
#include "resources/resources.hpp"
#include "rest_v2/rest_v2.hpp"
#include "sim/spot_rules.hpp"

namespace gyre::sim {
namespace {

const std::string installation_key(32, 's');  // the simulated installation's key file

// GPUs that the engine can see and account for, so that giving one out twice is noticed there.
class Gpus final : public engine::GpuProbe {
 public:
  Gpus(const std::string& host, int count, const std::string& type) {
    for (int i = 0; i < count; ++i)
      list_.push_back({"GPU-" + host + "-" + std::to_string(i), i, type, 48'000'000'000, "", false});
  }
  std::vector<engine::Gpu> gpus() override { return list_; }
  std::vector<engine::GpuReading> read() override {
    std::vector<engine::GpuReading> out;
    for (const auto& gpu : list_) out.push_back({gpu.uuid, 37, 3'950'000'000, 61, 180, 0, {}});
    return out;
  }
  std::optional<engine::GpuDriver> driver() override { return engine::GpuDriver{"535.129.03", "12.2"}; }

 private:
  std::vector<engine::Gpu> list_;
};

}  // namespace

struct World::Machine {
  Machine(World& in, std::string called, HostOptions wanted)
      : world(in),
        name(std::move(called)),
        options(wanted),
        gpus(name, wanted.gpus, wanted.gpu_type),
        engine(in.runtime, in.registry),
        journal(db::open("sqlite::memory:")) {}

  World& world;
  std::string name;
  HostOptions options;
  HostId id;
  Gpus gpus;
  engine::FakeEngine engine;
  std::unique_ptr<db::Connection> journal;
  std::unique_ptr<AgentEnd> end;
  std::unique_ptr<agent::Agent> agent;
  int boots = 1;
  int next_port = 20'000;
  bool cut = false;
  bool away = false;             // the machine has no power
  std::weak_ptr<Server> server;  // whom it is connected to
  std::uint64_t connection = 0;  // 0: none; messages of an older one do not arrive, as with TCP
  std::uint64_t connections = 0;
  std::set<std::string> crashed;  // containers the test ended itself
};

// A server's own connection to the one database, so that each has its own fence. The world is one thread and a
// transaction one callback: two of them never overlap.
class World::Session final : public db::Connection {
 public:
  Session(db::Connection& database, int& commits_to_fail) : database_(database), commits_to_fail_(commits_to_fail) {
    set_fence(LeadershipStore::fence(database_.value<Epoch>("SELECT epoch FROM leadership WHERE id = 1")));
  }
  db::Rows run(std::string_view sql, const std::vector<db::Value>& parameters) override {
    require_transaction();
    return database_.run(sql, parameters);
  }
  void script(std::string_view sql) override {
    require_transaction();
    database_.script(sql);
  }
  bool is_postgres() const override { return database_.is_postgres(); }

 private:
  void control(std::string_view sql) override {
    if (sql == "COMMIT" && commits_to_fail_ > 0) {
      --commits_to_fail_;
      throw db::DbError("the database is away");
    }
    database_.run(sql, {});
    if (sql.starts_with("BEGIN")) open_ = true;
    if (sql == "COMMIT" || sql == "ROLLBACK") open_ = false;
  }
  bool in_transaction() const override { return open_; }

  db::Connection& database_;
  int& commits_to_fail_;
  bool open_ = false;
};

// The server's end of every link.
class World::ServerEnd final : public link::AgentLink {
 public:
  ServerEnd(World& world, const Server& mine) : world_(world), mine_(mine) {}

  void send(const HostId& host, link::ServerMessage message) override {
    if (world_.overhear) world_.overhear(host, message);
    if (const auto* order = std::get_if<link::PodOrder>(&message)) world_.check_order(*order);
    auto& to = world_.machine(host);
    if (!connected(host)) return;
    world_.deliver([&to, connection = to.connection, message = std::move(message)] {
      if (to.connection == connection && to.agent) to.agent->server_said(message);
    });
  }
  bool connected(const HostId& host) const override {
    const auto& to = world_.machine(host);
    return to.connection != 0 && to.server.lock().get() == &mine_;
  }
  void disconnect(const HostId& host) override {
    if (!connected(host)) return;
    auto& to = world_.machine(host);
    world_.runtime.post([this, &to] { world_.disconnect(to); });
  }

 private:
  World& world_;
  const Server& mine_;
};

struct World::Server {
  explicit Server(World& in)
      : world(in),
        session(*in.db_, in.commits_to_fail_),
        core(in.runtime, session),
        events(core),
        feed(core, events),
        link(in, *this),
        hosts(core, events, link, fleet_config()),
        accounts(core, {.password_cost = {.passes = 1, .memory_bytes = 8192}}),
        quotas(core, events),
        resources(core, resources_config()),
        pods(core, events, hosts, quotas, link, pod_config()),
        cloud_syncs(core, events, hosts, pods, link, cloud_sync_config()),
        monitoring(core, hosts, pods, link, in.metrics_store_),
        router(core, [this](const http::Request& request) { return accounts.authenticate(request); }) {
    router.add(pod_routes(pods, hosts, events, json::UnknownKeys::refuse));
    router.add(cloud_sync_routes(cloud_syncs, json::UnknownKeys::refuse));
    router.add(quota_routes(quotas, json::UnknownKeys::refuse));
    router.add(resources.routes(json::UnknownKeys::refuse));
    router.add(runpod_graphql.routes());
    router.add(rest_v2.routes());
    router.add(pod_exec_routes(pods));
    router.add(host_routes(hosts, json::UnknownKeys::refuse, "http://sim", "CA", {"sim:1"}));
    router.add(gpu_routes(hosts));
    router.add(data_center_routes(hosts, json::UnknownKeys::refuse));
    router.add(account_routes(accounts));
    router.add(event_routes(feed));
    router.add(metrics_routes(monitoring, pods, hosts));
  }

  FleetConfig fleet_config() {
    FleetConfig config;
    config.ca_digest = "0123456789abcdef";
    config.sign = [](const std::string& csr, const HostId& host) -> Result<SignedIdentity> {
      return SignedIdentity{"certificate of " + host.str(), sha256_hex(csr + host.str())};
    };
    return config;
  }
  Seal sealing() {
    return [this](const std::string& plain) { return seal(installation_key, core.random().bytes(24), plain); };
  }
  static std::string unsealed(const std::string& sealed) { return unseal(installation_key, sealed).value(); }
  PodConfig pod_config() {
    PodConfig config;
    config.make_key = [this](const WorkspaceId& w, const AccountId& a, const PodId& p) {
      return accounts.make_pod_key(w, a, p);
    };
    config.revoke_keys = [this](const PodId& pod) { accounts.revoke_pod_keys(pod); };
    config.removing = [this](const PodId& pod) { cloud_syncs.pod_is_removed(pod); };
    config.seal = sealing();
    config.unseal = unsealed;
    config.sources = resources.sources();
    config.pods_max_per_workspace = pods_max_per_workspace;
    return config;
  }
  CloudSyncConfig cloud_sync_config() {
    CloudSyncConfig config;
    config.image = sync_image;
    config.seal = sealing();
    config.unseal = unsealed;
    config.secret = resources.sources().secret;
    return config;
  }
  ResourcesConfig resources_config() {
    ResourcesConfig config;
    config.seal = sealing();
    config.unseal = unsealed;
    config.shared_paths = {{"LOCAL", "/shared"}};
    const auto done = [](const std::string&, const std::string&) { return std::string(); };
    config.directories = {done, done};
    return config;
  }

  World& world;
  Session session;
  Core core;
  Events events;
  EventFeed feed;
  ServerEnd link;
  HostService hosts;
  AccountService accounts;
  QuotaService quotas;
  Resources resources;
  PodService pods;
  CloudSyncService cloud_syncs;
  MonitoringService monitoring;
  compat::RunpodGraphql runpod_graphql{core, pods, resources, monitoring};
  rest_v2::RestV2 rest_v2{core,
                          pods,
                          events,
                          feed,
                          resources,
                          monitoring,
                          {[] {
                             return rest_v2::SshAddress{"gate.sim", 2222};
                           },
                           [] { return "http://gyre.sim"; }}};
  http::Router router;
  Alive alive;
};

// One agent's end.
class World::AgentEnd final : public link::ServerLink {
 public:
  AgentEnd(World& world, Machine& from) : world_(world), from_(from) {}

  void send(link::AgentMessage message) override {
    if (from_.connection == 0) return;
    world_.deliver([this, connection = from_.connection, message = std::move(message)] {
      const auto to = from_.server.lock();
      if (from_.connection != connection || !to) return;
      auto& server = *to;
      server.core.post("an agent said", [&server, id = from_.id, message] { server.hosts.agent_said(id, message); });
    });
  }
  bool connected() const override { return from_.connection != 0; }

 private:
  World& world_;
  Machine& from_;
};

World::World(std::uint64_t seed, LinkFaults faults)
    : runtime(seed), dice(seed ^ 0x5eed), seed_(seed), faults_(faults), db_(db::open("sqlite::memory:")) {
  auto store = MetricsStore::open(":memory:");
  CHECK(store);
  metrics_store_ = std::move(*store);
  db::migrate(*db_);
  restart_server();
  auto& server = *server_;
  server.core.post("first start", [this, &server] {
    const auto made = server.accounts.bootstrap();
    Caller admin{made.account, made.workspace, Scope::read_write, true, {}, {}, {}};
    const auto key = server.accounts.make_api_key(admin, "admin", Scope::read_write);
    CHECK(key);
    admin_key_ = key->secret;
  });
  runtime.run_for(1ms);
  CHECK(!admin_key_.empty());
}

// The agents and the server go first: what they still wait for in the runtime must find them gone, not destroyed
// halfway.
World::~World() {
  for (const char* suffix : {"", ".restored", ".restored-wal", ".restored-shm"})
    if (!backup_.empty()) std::filesystem::remove(backup_ + suffix);
  for (auto& machine : machines_) machine->agent.reset();
  deposed_.reset();
  server_.reset();
}

void World::deliver(std::function<void()> arrive) {
  const auto once = [&](const std::function<void()>& message) {
    if (dice.chance(faults_.drop)) return;
    runtime.after(
        Duration(static_cast<std::int64_t>(dice.below(static_cast<std::uint64_t>(faults_.latency_max.count()) + 1))),
        message);
  };
  once(arrive);
  if (dice.chance(faults_.duplicate)) once(arrive);
}

World::Machine& World::machine(const HostId& host) const {
  for (const auto& machine : machines_)
    if (machine->id == host) return *machine;
  ADD_FAILURE() << "no machine " << host.str();
  std::abort();
}

engine::FakeEngine& World::engine(const HostId& host) { return machine(host).engine; }
bool World::agent_is_up(const HostId& host) const { return machine(host).agent != nullptr; }
HostService& World::hosts_service() { return server_->hosts; }
MonitoringService& World::monitoring() { return server_->monitoring; }

void World::in_task(std::function<void()> work) {
  server_->core.post("test", std::move(work));
  runtime.run_for(1ms);
}

std::vector<std::string> World::paths() const {
  std::vector<std::string> out;
  for (const auto& route : server_->router.routes()) out.push_back(route.path);
  return out;
}

std::vector<HostId> World::hosts() const {
  std::vector<HostId> out;
  for (const auto& machine : machines_) out.push_back(machine->id);
  return out;
}

HostId World::add_host(const std::string& name, HostOptions options) {
  auto made = std::make_unique<Machine>(*this, name, options);
  const auto token = call(http::Method::post, "/v1/hosts/tokens", "{}");
  EXPECT_EQ(token.status, 201) << token.body;
  const auto secret = boost::json::parse(token.body).as_object()["token"];
  const auto joined = call(
      http::Method::post, "/v1/hosts/join",
      boost::json::serialize(boost::json::object{{"token", secret}, {"csr", "csr of " + name}, {"hostname", name}}));
  EXPECT_EQ(joined.status, 201) << joined.body;
  made->id = HostId(std::string(boost::json::parse(joined.body).as_object()["hostId"].as_string()));
  made->end = std::make_unique<AgentEnd>(*this, *made);
  machines_.push_back(std::move(made));
  start_agent(*machines_.back());
  run_for(15s);
  return machines_.back()->id;
}

void World::start_agent(Machine& at) {
  agent::AgentConfig config;
  config.host = at.id;
  config.facts.hostname = at.name;
  config.facts.architecture = "x86_64";
  config.facts.agent_version = "sim";
  config.facts.boot_id = at.name + "-boot-" + std::to_string(at.boots);
  config.facts.public_address = "203.0.113.7";
  config.facts.cpus = at.options.cpus;
  config.facts.memory_bytes = at.options.memory_bytes;
  config.facts.disk_bytes = at.options.disk_bytes;
  agent::HostTools tools;
  tools.free_port = [&at](const std::string&) {
    return at.next_port > 60'000 ? at.next_port = 20'000 : at.next_port++;
  };
  tools.accepts = [&at](const std::string&, int port) { return at.engine.accepts(port); };
  tools.disk = [&at](const std::string&) {
    return agent::HostTools::Disk{at.options.disk_bytes, at.options.disk_bytes};
  };
  at.agent = std::make_unique<agent::Agent>(runtime, at.engine, at.gpus, *at.journal, config, std::move(tools));
  at.agent->start(*at.end);
  connect(at);
}

// Agents dial, and dial again for ever.
void World::connect(Machine& at) {
  if (at.connection != 0 || !at.agent || at.cut || at.away || !server_) return;
  at.connection = ++at.connections;
  at.server = server_;
  auto& server = *server_;
  server.core.post("agent connected", [&server, id = at.id] { server.hosts.agent_connected(id); });
  at.agent->server_connected();
}

void World::disconnect(Machine& at) {
  if (at.connection == 0) return;
  at.connection = 0;
  if (const auto was = at.server.lock()) {
    auto& server = *was;
    server.core.post("agent disconnected", [&server, id = at.id] { server.hosts.agent_disconnected(id); });
  }
  if (at.agent) at.agent->server_disconnected();
  // The wait before the next try, as the real client does it, jittered.
  const Duration wait(static_cast<std::int64_t>(1000 + dice.below(4000)));
  runtime.after(wait, [this, &at] { connect(at); });
}

void World::crash_server() {
  for (auto& at : machines_) disconnect(*at);
  server_.reset();
}

void World::restart_server() {
  CHECK(!server_);
  server_ = std::make_shared<Server>(*this);
  for (auto& at : machines_)
    runtime.after(Duration(static_cast<std::int64_t>(1000 + dice.below(4000))),
                  [this, at = at.get()] { connect(*at); });
}

void World::depose_server(Duration goes_on) {
  CHECK(server_ && !deposed_);
  deposed_ = std::move(server_);
  db_->exec("UPDATE leadership SET epoch = epoch + 1 WHERE id = 1");
  restart_server();
  runtime.after(goes_on, [this, old = std::weak_ptr(deposed_)] {
    const auto same = old.lock();
    if (!same || same != deposed_) return;
    for (auto& at : machines_)
      if (at->server.lock() == same) disconnect(*at);
    deposed_.reset();
  });
}

void World::crash_agent(const HostId& host) {
  auto& at = machine(host);
  at.engine.forget_callers();
  at.agent.reset();  // before its link: a process that is gone notices nothing
  disconnect(at);
}

void World::restart_agent(const HostId& host) {
  auto& at = machine(host);
  if (!at.agent && !at.away) start_agent(at);
}

void World::cut_link(const HostId& host, bool cut) {
  auto& at = machine(host);
  at.cut = cut;
  if (cut)
    disconnect(at);
  else
    connect(at);
}

void World::take_backup() {
  backup_ = (std::filesystem::temp_directory_path() /
             ("gyre-world-" + std::to_string(::getpid()) + "-" + std::to_string(seed_) + ".db"))
                .string();
  std::filesystem::remove(backup_);
  db_->copy_to(backup_);
  backup_made_at_ = runtime.now();
}

void World::restore_backup() {
  CHECK(!server_ && !backup_.empty());
  const auto working = backup_ + ".restored";
  db_.reset();
  std::filesystem::copy_file(backup_, working, std::filesystem::copy_options::overwrite_existing);
  db_ = db::open("sqlite://" + working);
  db_->script("PRAGMA synchronous = OFF");  // no power is cut in this world
  restored_at_ = runtime.now();
  PodStore(*db_).mark_restored(*restored_at_, *backup_made_at_, *restored_at_ + 7 * 24h);
}

void World::lose_journal(const HostId& host) {
  auto& at = machine(host);
  CHECK(!at.agent);
  at.journal = db::open("sqlite::memory:");
}

void World::reboot_host(const HostId& host, Duration away) {
  auto& at = machine(host);
  if (at.away) return;
  at.agent.reset();
  disconnect(at);
  at.engine.reboot(away);
  at.away = true;
  ++at.boots;
  runtime.after(away, [this, &at] {
    at.away = false;
    if (!at.agent) start_agent(at);
  });
}

void World::crash_container(const HostId& host, const std::string& container, int exit_code) {
  machine(host).crashed.insert(container);
  machine(host).engine.crash_container(container, exit_code);
}

void World::heal() {
  faults_ = {};
  if (!server_) restart_server();
  registry.up();
  for (auto& at : machines_) {
    at->engine.set_faults({});
    at->engine.up();
    at->engine.fill_host_disk(false);
    at->cut = false;
    if (!at->away && !at->agent) start_agent(*at);
    connect(*at);
  }
}

http::Response World::call(http::Method method, const std::string& target, const std::string& body,
                           const std::string& key) {
  return call_at(server_.get(), method, target, body, key);
}

http::Response World::call_deposed(http::Method method, const std::string& target, const std::string& body) {
  CHECK(deposed_);
  return call_at(deposed_.get(), method, target, body, {});
}

http::Response World::call_at(Server* server, http::Method method, const std::string& target, const std::string& body,
                              const std::string& key) {
  http::Request request;
  request.method = method;
  if (!body.empty()) request.headers.set("Content-Type", "application/json");
  request.body = body;
  return send(server, std::move(request), target, key);
}

http::Response World::open(const std::string& target, const std::string& protocol, const std::string& key) {
  http::Request request;
  request.headers.set("Connection", "Upgrade");
  request.headers.set("Upgrade", "websocket");
  request.headers.set("Sec-WebSocket-Version", "13");
  request.headers.set("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
  request.headers.set("Sec-WebSocket-Protocol", protocol);
  return send(server_.get(), std::move(request), target, key);
}

http::Response World::send(Server* at, http::Request request, const std::string& target, const std::string& key) {
  if (!at) return {.status = 0};
  auto& server = *at;
  CHECK(http::set_target(request, target));
  if (key != guest) request.headers.set("Authorization", "Bearer " + (key.empty() ? admin_key_ : key));
  request.remote_address = "127.0.0.1";
  auto answer = std::make_shared<std::optional<http::Response>>();
  server.core.post(
      "request",
      [&server, request, answer] {
        auto response = std::make_shared<http::Response>(server.router.dispatch(request));
        server.core.after_commit([answer, response] {
          if (!response->later) {
            *answer = *response;
            return;
          }
          response->later->when_done([answer](http::Response late) { *answer = std::move(late); });
        });
      },
      [answer] { *answer = http::Response{.status = 500}; });
  for (int steps = 0; !*answer && steps < 100'000; ++steps) runtime.step();
  CHECK(answer->has_value());
  return **answer;
}

std::string World::new_key(Scope scope) {
  const auto made =
      call(http::Method::post, "/v1/apikeys",
           std::string(R"({"name":"k","scope":")") + (scope == Scope::read ? "READ" : "READ_WRITE") + "\"}");
  EXPECT_EQ(made.status, 201) << made.body;
  return std::string(boost::json::parse(made.body).as_object()["key"].as_string());
}

std::string World::stranger_key() {
  std::string secret;
  auto& server = *server_;
  server.core.post("another person", [&] {
    const auto at = server.core.now();
    database().exec(
        "INSERT INTO accounts (id, name, is_operator, status, created_at) VALUES ('stranger', 'stranger', 0, 'active', "
        "$1)",
        at);
    database().exec(
        "INSERT INTO workspaces (id, kind, name, created_at) VALUES ('elsewhere', 'personal', 'elsewhere', $1)", at);
    database().exec(
        "INSERT INTO memberships (workspace, account, role, created_at) VALUES ('elsewhere', 'stranger', 'admin', $1)",
        at);
    Caller caller{AccountId("stranger"), WorkspaceId("elsewhere"), Scope::read_write, false, {}, {}, {}};
    secret = server.accounts.make_api_key(caller, "k", Scope::read_write)->secret;
  });
  runtime.run_for(1ms);
  return secret;
}

std::set<std::pair<std::string, std::string>> World::running_pods() const {
  std::set<std::pair<std::string, std::string>> out;
  for (const auto& at : machines_)
    for (const auto& container : at->engine.running())
      if (const auto pod = container.labels.find("gyre.pod"); pod != container.labels.end())
        out.insert({pod->second, at->id.str()});
  return out;
}

// Each interruption is looked at once, and only in the moment of its commit: later the tables say something else.
void World::check_order(const link::PodOrder& order) {
  if (order.desired != link::Desired::stopped) return;
  const auto pod = PodStore(*db_).find(order.pod);
  if (!pod || pod->state != PodState::interrupting || pod->generation != order.generation ||
      pod->state_changed_at != runtime.now() || !interruptions_.insert({pod->id.str(), pod->generation}).second)
    return;
  check_interruption(*db_, *pod, "seed " + std::to_string(seed_) + ": ");
}

// A volume is there until its pod is deleted, whatever happens to the pod.
void World::check_volumes() {
  if (restored_at_) return;
  const std::string prefix = "gyre-volume-";
  std::map<std::string, std::string> now;
  for (const auto& at : machines_)
    for (const auto& [name, labels] : at->engine.volumes())
      if (name.starts_with(prefix)) now[name.substr(prefix.size())] = at->id.str();
  for (const auto& [id, host] : volumes_) {
    const auto row = PodStore(*db_).find(PodId(id));
    if (!row || row->state == PodState::deleting || row->state == PodState::deleted) continue;
    const auto found = now.find(id);
    EXPECT_TRUE(found != now.end() && found->second == host)
        << "seed " << seed_ << ": the volume of pod " << id << ", which is " << enum_text(row->state) << ", is gone";
  }
  volumes_ = std::move(now);
}

void World::check() {
  check_volumes();
  const auto where = "seed " + std::to_string(seed_) + ": ";
  // A GPU is in the hands of one pod, in the engines and in the table.
  for (const auto& at : machines_)
    for (const auto& [gpu, holders] : at->engine.gpu_holders()) {
      std::set<std::string> pods;
      for (const auto& holder : holders) pods.insert(at->engine.container(holder)->labels["gyre.pod"]);
      EXPECT_LE(pods.size(), 1u) << where << gpu << " is in two pods";
    }
  // A pod runs on one host.
  std::map<std::string, std::set<std::string>> hosts_of;
  const auto running = running_pods();
  for (const auto& [pod, host] : running) hosts_of[pod].insert(host);
  for (const auto& [pod, on] : hosts_of) EXPECT_EQ(on.size(), 1u) << where << "pod " << pod << " runs on two hosts";
  // A container that ends was told to by an order that is in the table, ended by itself, or lost its machine.
  std::map<std::string, Pod> table;
  for (const auto& at : machines_) {
    std::map<std::string, std::int64_t> run_of;
    for (const auto& run : at->engine.history()) {
      const auto& pod_id = run.labels.at("gyre.pod");
      if (is_cloud_sync(PodId(pod_id))) continue;
      const auto number = std::stoll(run.labels.at("gyre.run"));
      auto& highest = run_of[pod_id];
      EXPECT_GE(number, highest) << where << "pod " << pod_id << " was started by an order of an old generation";
      highest = std::max(highest, static_cast<std::int64_t>(number));
      // What ended before a restore was ordered by a table that is no more.
      if (restored_at_ && run.ended && *run.ended <= *restored_at_) continue;
      if (run.end != engine::FakeEnd::stopped && run.end != engine::FakeEnd::killed &&
          run.end != engine::FakeEnd::removed)
        continue;
      auto row = table.find(pod_id);
      if (row == table.end()) {
        const auto found = PodStore(*db_).find(PodId(pod_id));
        if (!found) {
          ADD_FAILURE() << where << "a container of pod " << pod_id << " ran, and the table knows no such pod";
          continue;
        }
        row = table.emplace(pod_id, *found).first;
      }
      const auto& pod = row->second;
      const bool wanted = ordered(pod.state) == link::Desired::running && pod.run == number && pod.host == at->id;
      // Companions of a container that died are started again with it.
      const bool companion =
          wanted && std::any_of(at->engine.history().begin(), at->engine.history().end(), [&](const auto& other) {
            return other.labels.at("gyre.pod") == pod_id && other.labels.at("gyre.run") == run.labels.at("gyre.run") &&
                   other.ended && *other.ended <= *run.ended && other.end != engine::FakeEnd::stopped &&
                   other.end != engine::FakeEnd::killed;
          });
      EXPECT_TRUE(!wanted || companion) << where << "a healthy container of pod " << pod_id << " (run " << number
                                        << ", " << enum_text(run.end) << ") was ended without an order; the pod is "
                                        << enum_text(pod.state);
    }
  }
  // The table agrees with itself.
  const auto twice = db_->all<std::string>("SELECT pod FROM allocations GROUP BY pod HAVING COUNT(*) > 1");
  EXPECT_TRUE(twice.empty()) << where << "two allocations of one pod";
  for (const auto& pod :
       db_->all<std::string>("SELECT g.pod FROM host_gpus g JOIN pods p ON p.id = g.pod WHERE p.state IN "
                             "('queued','stopped','failed','deleted') OR p.host <> g.host"))
    ADD_FAILURE() << where << "pod " << pod << " holds a GPU and should not";
  for (const auto& pod :
       db_->all<std::string>("SELECT id FROM pods WHERE bid IS NULL AND (state = 'interrupting' OR reason IN "
                             "('interrupted','outbid'))"))
    ADD_FAILURE() << where << "pod " << pod << " is on demand and was interrupted";
  // A pod holds its GPUs from its placement until its agent has said that its containers are gone.
  for (const auto& pod : db_->all<std::string>("SELECT id FROM pods WHERE state <> 'deleted'")) {
    const auto row = PodStore(*db_).find(PodId(pod));
    const auto wish = wish_from_text(row->wish);
    const auto held = db_->value<int>("SELECT COUNT(*) FROM host_gpus WHERE pod = $1", pod);
    if (row->state == PodState::deleting) {
      // One that was stopped before holds none; one whose containers still run holds them all.
      const bool runs = std::any_of(running.begin(), running.end(), [&](const auto& at) { return at.first == pod; });
      if (runs && !row->zero_gpu) {
        EXPECT_EQ(held, wish.gpu_count) << where << "pod " << pod << " is being deleted, still runs, and has lost GPUs";
      }
      continue;
    }
    EXPECT_EQ(held, holds_shares(row->state) && !row->zero_gpu ? wish.gpu_count : 0)
        << where << "GPUs of pod " << pod << ", which is " << enum_text(row->state);
  }
  const auto over = db_->all<std::string>(
      "SELECT h.id FROM hosts h JOIN allocations a ON a.host = h.id GROUP BY h.id, h.cpus, h.memory_bytes "
      "HAVING SUM(a.vcpus) > h.cpus + 0.001 OR SUM(a.memory_bytes) > h.memory_bytes");
  EXPECT_TRUE(over.empty()) << where << "host " << (over.empty() ? "" : over.front()) << " has given more than it has";
}

}  // namespace gyre::sim
