// The simulated world: the server with its real routes, SQL and services, real agents with their journals, and fake
// engines, in virtual time, with a link that loses, doubles and delays. Everything can crash; databases, journals and
// containers survive what they would survive in life. One seed is one history.
//
//   World world(1);
//   world.add_host("h1", {.gpus = 4});
//   const auto created = world.call(Method::post, "/v1/pods", R"({"imageName":"team/train:1"})");
//   world.run_for(1min);
//   world.check();
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "accounts/account_service.hpp"
#include "agent/agent.hpp"
#include "engine/fake_engine.hpp"
#include "events/event_feed.hpp"
#include "fleet/host_service.hpp"
#include "http/router.hpp"
#include "monitoring/metrics_service.hpp"
#include "pods/pod_service.hpp"
#include "sim/sim_runtime.hpp"

namespace gyre::sim {

inline constexpr const char* sync_image = "tools/rclone:1";  // of cloud syncs; tests put it into the registry
inline constexpr int pods_max_per_workspace = 300;           // fewer than in earnest, so that a test can reach it

// How hostile the links are; probabilities for each message.
struct LinkFaults {
  double drop = 0, duplicate = 0;
  Duration latency_max{50};
};

struct HostOptions {
  int gpus = 4;
  std::string gpu_type = "NVIDIA A40";
  int cpus = 32;
  std::int64_t memory_bytes = 128'000'000'000, disk_bytes = 2'000'000'000'000;
};

class World {
 public:
  explicit World(std::uint64_t seed, LinkFaults faults = {});
  ~World();

  SimRuntime runtime;
  SimRandom dice;
  engine::FakeRegistry registry;

  // A host that joins by the public API with a token, like any other. Runs the world until it is listed.
  HostId add_host(const std::string& name, HostOptions options = {});

  // A request with the administrator's key (or another), answered when its transaction is durable. Status 0: the server
  // is down. The world goes on only as long as the answer takes.
  http::Response call(http::Method method, const std::string& target, const std::string& body = {},
                      const std::string& key = {});
  static constexpr const char* guest = "guest";  // as `key`: none is sent
  // The same, as a client that asks for a WebSocket; then the test is the connection (Response::web_socket).
  http::Response open(const std::string& target, const std::string& protocol, const std::string& key = {});
  std::string new_key(Scope scope);  // of the administrator's workspace
  // A key of another person in a workspace of their own.
  std::string stranger_key();

  void run_for(Duration span) { runtime.run_for(span); }

  // ---- what can go wrong ----
  void set_link_faults(LinkFaults faults) { faults_ = faults; }
  void fail_commits(int count) { commits_to_fail_ = count; }  // of the server's next ones
  void crash_server();                                        // and start it again with restart_server
  void restart_server();
  // Another server takes the lead from one that was stopped in its tracks. For `goes_on` the old one is awake again and
  // has not looked up: its timers run, it holds the agents it had, and it answers whoever asks it.
  void depose_server(Duration goes_on);
  bool has_deposed_server() const { return deposed_ != nullptr; }
  http::Response call_deposed(http::Method method, const std::string& target, const std::string& body = {});
  bool server_is_up() const { return server_ != nullptr; }
  void crash_agent(const HostId& host);
  void restart_agent(const HostId& host);
  bool agent_is_up(const HostId& host) const;
  void cut_link(const HostId& host, bool cut);  // the network between server and host
  // The server's database as it is now, as a file; and back to it, as `gyre restore` does it. The server must be down
  // for the second.
  void take_backup();
  void restore_backup();
  void lose_journal(const HostId& host);  // the agent's disk was wiped; takes effect at its next start
  void reboot_host(const HostId& host,
                   Duration away);  // power loss: containers die, the agent comes back with the machine
  engine::FakeEngine& engine(const HostId& host);
  // The test killed or crashed this container itself: it may end without an order.
  void crash_container(const HostId& host, const std::string& container, int exit_code);
  void heal();  // every fault ends, everything is up

  // ---- what must be true at any moment; fails the test with the seed and the words ----
  void check();
  // Pods whose containers run right now: pod id and host.
  std::set<std::pair<std::string, std::string>> running_pods() const;
  std::vector<HostId> hosts() const;
  std::vector<std::string> paths() const;  // of the server's routes
  db::Connection& database() { return *db_; }
  HostService& hosts_service();
  MonitoringService& monitoring();
  // Everything the server sends to agents, before the link does anything to it.
  std::function<void(const HostId&, const link::ServerMessage&)> overhear;
  void in_task(std::function<void()> work);  // as a task of the server, done when this returns

 private:
  struct Server;
  struct Machine;
  class Session;
  class ServerEnd;
  class AgentEnd;
  void deliver(std::function<void()> arrive);     // over the hostile link
  void check_order(const link::PodOrder& order);  // as it leaves, right after its commit
  void check_volumes();
  void connect(Machine& machine);
  void disconnect(Machine& machine);
  void start_agent(Machine& machine);
  Machine& machine(const HostId& host) const;
  // At `server`; nullptr answers nothing (status 0).
  http::Response call_at(Server* server, http::Method method, const std::string& target, const std::string& body,
                         const std::string& key);
  http::Response send(Server* server, http::Request request, const std::string& target, const std::string& key);

  std::uint64_t seed_;
  LinkFaults faults_;
  std::unique_ptr<db::Connection> db_;
  std::shared_ptr<MetricsStore> metrics_store_;  // a file, in life: it outlives the server
  std::shared_ptr<Server> server_;
  std::shared_ptr<Server> deposed_;  // one that does not know it yet
  std::vector<std::unique_ptr<Machine>> machines_;
  std::string admin_key_;
  std::set<std::pair<std::string, std::int64_t>> interruptions_;  // pod and generation, looked at
  std::map<std::string, std::string> volumes_;                    // of pods, once they were seen, and their hosts
  int commits_to_fail_ = 0;
  std::string backup_;
  std::optional<Time> backup_made_at_, restored_at_;
};

}  // namespace gyre::sim
