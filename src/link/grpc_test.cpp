// Real gRPC with real TLS on loopback, both ends in this process: each end has its own core thread.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <future>
#include <numeric>
#include <set>

#include "base/check.hpp"
#include "base/files.hpp"
#include "link/grpc_client.hpp"
#include "link/grpc_process.hpp"
#include "link/grpc_server.hpp"
#include "runtime/asio_runtime.hpp"

namespace gyre::link {
namespace {

constexpr auto patience = std::chrono::seconds(30);

// A core thread, and a way to run something on it and wait.
class Machine {
 public:
  Machine() : thread_([this] { runtime_.run(); }) {}
  ~Machine() { stop(); }
  void stop() {  // nothing runs on the core afterwards
    runtime_.stop();
    if (thread_.joinable()) thread_.join();
  }
  AsioRuntime& runtime() { return runtime_; }
  template <class F>
  auto on_core(F work) -> decltype(work()) {
    std::packaged_task<decltype(work())()> task(std::move(work));
    auto outcome = task.get_future();
    runtime_.post([&task] { task(); });
    return outcome.get();
  }

 private:
  AsioRuntime runtime_;
  std::thread thread_;
};

// Facts written by one thread and waited for by the test.
template <class T>
class Watched {
 public:
  template <class F>
  void change(F with) {
    std::lock_guard lock(mutex_);
    with(value_);
    changed_.notify_all();
  }
  template <class F>
  bool becomes(F wanted) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, patience, [&] { return wanted(value_); });
  }
  T get() {
    std::lock_guard lock(mutex_);
    return value_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  T value_;
};

Report report(std::uint64_t sequence) {
  Report made;
  made.sequence = sequence;
  return made;
}
PodOrder order(std::int64_t generation, std::size_t bytes = 0) {
  PodOrder made;
  made.pod = PodId("p");
  made.generation = generation;
  if (bytes > 0) made.spec.containers.push_back({.name = "c", .image = std::string(bytes, 'x'), .env = {}});
  return made;
}

// What stands between agent and server and forgets connections, as a NAT does: bytes go nowhere, and nobody is told.
class ForgetfulProxy {
 public:
  explicit ForgetfulProxy(int target, bool swallows = false) : target_(target), swallows_(swallows) {
    sockaddr_in address = loopback(0);
    socklen_t size = sizeof address;
    CHECK(::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 &&
          ::listen(listener_, 16) == 0);
    CHECK(::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) == 0);
    port_ = ntohs(address.sin_port);
    acceptor_ = std::thread([this] { accept_all(); });
  }
  ~ForgetfulProxy() {
    ::shutdown(listener_, SHUT_RDWR);
    acceptor_.join();
    for (auto& pair : pairs_) {
      ::shutdown(pair->agent, SHUT_RDWR);
      ::shutdown(pair->server, SHUT_RDWR);
      pair->up.join();
      pair->down.join();
      ::close(pair->agent);
      ::close(pair->server);
    }
    ::close(listener_);
  }
  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }
  void forget() {  // the connections there are; later ones work
    std::lock_guard lock(mutex_);
    for (auto& pair : pairs_) pair->swallows = true;
  }

 private:
  struct Pair {
    int agent, server;
    std::atomic<bool> swallows;
    std::thread up, down;
  };
  static sockaddr_in loopback(int port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    return address;
  }
  void accept_all() {
    for (;;) {
      const int agent = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (agent < 0) return;
      const int server = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
      const auto address = loopback(target_);
      CHECK(::connect(server, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
      std::lock_guard lock(mutex_);
      auto& pair = *pairs_.emplace_back(new Pair{agent, server, swallows_, {}, {}});
      pair.up = std::thread([&pair] { pump(pair, pair.agent, pair.server); });
      pair.down = std::thread([&pair] { pump(pair, pair.server, pair.agent); });
    }
  }
  static void pump(Pair& pair, int from, int to) {
    char buffer[16 * 1024];
    for (;;) {
      const auto got = ::recv(from, buffer, sizeof buffer, 0);
      if (got > 0 && !pair.swallows) ::send(to, buffer, static_cast<std::size_t>(got), MSG_NOSIGNAL);
      if (got > 0) continue;
      if (!pair.swallows) ::shutdown(to, SHUT_WR);
      return;
    }
  }

  const int target_;
  const bool swallows_;
  const int listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int port_ = 0;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Pair>> pairs_;
  std::thread acceptor_;
};

struct Heard {
  int connected = 0, disconnected = 0;
  std::map<HostId, std::vector<std::uint64_t>> reports;
  std::size_t reports_in_all = 0;
};

// The server's half: core, database, authority, link.
class Server final : public AgentEvents {
 public:
  explicit Server(const std::filesystem::path& folder, GrpcServerConfig config = {}) : config_(std::move(config)) {
    config_.listen = "127.0.0.1:0";
    authority_.emplace(Authority::open(folder, machine.runtime().now()).value());
    start();
  }
  ~Server() override {
    stop();
    machine.stop();  // before the core and the database go
  }

  void start() {
    const auto started = machine.on_core([this] {
      link_ = std::make_unique<GrpcServer>(core_, *authority_, config_, admission());
      return link_->start(*this);
    });
    ASSERT_TRUE(started) << started.error().message();
    port = *started;
    config_.listen = "127.0.0.1:" + std::to_string(port);  // the same after a restart
  }
  void stop() {
    machine.on_core([this] { link_.reset(); });
  }

  Credentials credentials_for(const std::string& host, Duration life = host_certificate_life) {
    const auto made = make_key_and_request(host);
    const auto issued = authority_->sign(made.csr_pem, HostId(host), machine.runtime().now(), life);
    return {.key_pem = made.key_pem, .certificate_pem = issued.value(), .ca_pem = authority_->certificate_pem()};
  }
  std::string address() const { return "127.0.0.1:" + std::to_string(port); }
  void send(const std::string& host, ServerMessage message) {
    machine.on_core([&] { link_->send(HostId(host), std::move(message)); });
  }
  GrpcServer::Counters counters() {
    return machine.on_core([this] { return link_->counters(); });
  }
  const Authority& authority() const { return *authority_; }
  GrpcServer& link() { return *link_; }

  Machine machine;
  int port = 0;
  Watched<Heard> heard;
  Watched<std::set<std::string>> retired, fingerprints;  // the latter: all that asked to be let in
  std::atomic<int> fail_next_reports = 0;

 private:
  Admission admission() {
    return {.is_known =
                [this](const HostId& host, const std::string& fingerprint) {
                  fingerprints.change([&](auto& seen) { seen.insert(fingerprint); });
                  return !retired.get().contains(host.str());
                },
            .renew = [this](const HostId& host, const std::string& csr) -> Result<IssuedCertificate> {
              return IssuedCertificate{.certificate_pem = TRY(authority_->sign(csr, host, core_.now())),
                                       .ca_pem = authority_->certificate_pem()};
            }};
  }
  void agent_connected(const HostId&) override {
    heard.change([](Heard& now) { ++now.connected; });
  }
  void agent_disconnected(const HostId&) override {
    heard.change([](Heard& now) { ++now.disconnected; });
  }
  void agent_said(const HostId& host, const AgentMessage& message) override {
    if (fail_next_reports > 0) {
      --fail_next_reports;
      throw db::DbError("the disk is full");
    }
    const auto* said = std::get_if<Report>(&message);
    if (said == nullptr) return;
    heard.change([&](Heard& now) {
      now.reports[host].push_back(said->sequence);
      ++now.reports_in_all;
    });
  }

  GrpcServerConfig config_;
  std::unique_ptr<db::Connection> db_ = db::open("sqlite::memory:");
  Core core_{machine.runtime(), *db_};
  std::optional<Authority> authority_;
  std::unique_ptr<GrpcServer> link_;
};

struct AgentHeard {
  int connected = 0, disconnected = 0;
  std::vector<std::int64_t> generations;
};

// An agent's half. Several may share a core thread.
class Agent final : public ServerEvents {
 public:
  Agent(Machine& machine, GrpcClientConfig config) : machine_(machine) {
    config.retry_first = 20ms;  // of wall time, but nothing waits for it except a new attempt
    config.retry_max = std::min(config.retry_max, Duration(200));
    link_ = machine_.on_core([&] { return std::make_unique<GrpcClient>(machine_.runtime(), config); });
  }
  ~Agent() override { stop(); }
  Agent& start() {
    machine_.on_core([this] { link_->start(*this); });
    return *this;
  }
  void stop() {
    machine_.on_core([this] { link_.reset(); });
  }
  void send(AgentMessage message) {
    machine_.on_core([&] { link_->send(std::move(message)); });
  }
  bool connects(int times = 1) {
    return heard.becomes([times](const AgentHeard& now) { return now.connected >= times; });
  }
  // Nothing tells of an attempt that failed but the counter; each look is a task between the attempts.
  bool dials(std::uint64_t times) {
    const auto give_up = std::chrono::steady_clock::now() + patience;
    while (counters().dialled < times)
      if (std::chrono::steady_clock::now() > give_up) return false;
    return true;
  }
  GrpcClient& link() { return *link_; }
  GrpcClient::Counters counters() {
    return machine_.on_core([this] { return link_->counters(); });
  }

  Watched<AgentHeard> heard;
  std::function<void()> when_connected, when_told;  // on the core thread

 private:
  void server_connected() override {
    if (when_connected) when_connected();
    heard.change([](AgentHeard& now) { ++now.connected; });
  }
  void server_disconnected() override {
    heard.change([](AgentHeard& now) { ++now.disconnected; });
  }
  void server_said(const ServerMessage& message) override {
    if (when_told) when_told();
    if (const auto* told = std::get_if<PodOrder>(&message))
      heard.change([&](AgentHeard& now) { now.generations.push_back(told->generation); });
  }

  Machine& machine_;
  std::unique_ptr<GrpcClient> link_;
};

class GrpcLink : public testing::Test {
 protected:
  GrpcLink() {
    std::string pattern = (std::filesystem::temp_directory_path() / "gyre-link-XXXXXX").string();
    folder = ::mkdtemp(pattern.data());
  }
  ~GrpcLink() override { std::filesystem::remove_all(folder); }
  std::filesystem::path folder;
};

GrpcClientConfig dialling(const Server& server, Credentials credentials) {
  return {.servers = {server.address()}, .credentials = std::move(credentials)};
}

TEST_F(GrpcLink, MessagesOfBothSidesArriveInOrder) {
  Server server(folder);
  Machine machine;
  Agent agent(machine, dialling(server, server.credentials_for("h1")));
  ASSERT_TRUE(agent.start().connects());
  for (int i = 1; i <= 200; ++i) {
    agent.send(report(static_cast<std::uint64_t>(i)));
    server.send("h1", order(i, 1000));
  }
  ASSERT_TRUE(server.heard.becomes([](const Heard& now) { return now.reports_in_all == 200; }));
  ASSERT_TRUE(agent.heard.becomes([](const AgentHeard& now) { return now.generations.size() == 200; }));
  const auto reports = server.heard.get().reports[HostId("h1")];
  const auto orders = agent.heard.get().generations;
  EXPECT_TRUE(std::is_sorted(reports.begin(), reports.end()));
  EXPECT_TRUE(std::is_sorted(orders.begin(), orders.end()));
  EXPECT_EQ(server.counters().connected, 1u);
}

TEST_F(GrpcLink, WhatIsSentOnBeingConnectedArrives) {
  Server server(folder);
  Machine machine;
  Agent agent(machine, dialling(server, server.credentials_for("h1")));
  agent.when_connected = [&] { agent.link().send(report(1)); };
  agent.start();
  EXPECT_TRUE(server.heard.becomes([](const Heard& now) { return now.reports_in_all == 1; }));
}

TEST_F(GrpcLink, ACertificateOfAnotherAuthorityIsRefused) {
  Server server(folder / "one");
  const auto other = Authority::open(folder / "two", server.machine.runtime().now()).value();
  const auto made = make_key_and_request("h1");
  const auto forged = other.sign(made.csr_pem, HostId("h1"), server.machine.runtime().now()).value();
  Machine machine;
  Agent agent(machine, dialling(server, {.key_pem = made.key_pem,
                                         .certificate_pem = forged,
                                         .ca_pem = server.authority().certificate_pem()}));
  agent.start();
  ASSERT_TRUE(agent.dials(3)) << "it was refused twice by then";
  EXPECT_EQ(agent.heard.get().connected, 0);
  EXPECT_TRUE(server.fingerprints.get().empty()) << "nobody was even asked";
}

TEST_F(GrpcLink, AServerOfAnotherAuthorityIsRefused) {
  Server server(folder / "one");
  const auto other = Authority::open(folder / "two", server.machine.runtime().now()).value();
  auto credentials = server.credentials_for("h1");
  credentials.ca_pem = other.certificate_pem();
  Machine machine;
  Agent agent(machine, dialling(server, credentials));
  agent.start();
  ASSERT_TRUE(agent.dials(3));
  EXPECT_EQ(agent.heard.get().connected, 0);
  EXPECT_TRUE(server.fingerprints.get().empty());
}

TEST_F(GrpcLink, AnAgentWithoutACertificateIsRefused) {
  Server server(folder);
  Machine machine;
  Agent agent(machine, dialling(server, {.ca_pem = server.authority().certificate_pem()}));
  agent.start();
  ASSERT_TRUE(agent.dials(3));
  EXPECT_EQ(agent.heard.get().connected, 0);
  EXPECT_TRUE(server.fingerprints.get().empty());
}

TEST_F(GrpcLink, TheServersOwnCertificateSpeaksForNoHost) {
  Server server(folder);
  const auto certificate = server.authority().ensure_server_certificate("agents", {}, server.machine.runtime().now());
  Machine machine;
  Agent agent(machine, dialling(server, {.key_pem = read_file(certificate->key_file).value().value(),
                                         .certificate_pem = read_file(certificate->certificate_file).value().value(),
                                         .ca_pem = server.authority().certificate_pem()}));
  agent.start();
  ASSERT_TRUE(agent.dials(3));
  EXPECT_EQ(agent.heard.get().connected, 0);
  EXPECT_TRUE(server.fingerprints.get().empty());
}

TEST_F(GrpcLink, AnExpiredCertificateIsRefused) {
  Server server(folder);
  Machine machine;
  Agent agent(machine, dialling(server, server.credentials_for("h1", -1min)));
  agent.start();
  ASSERT_TRUE(agent.dials(3));
  EXPECT_EQ(agent.heard.get().connected, 0);
}

TEST_F(GrpcLink, ARetiredHostIsRefusedAndLetInOnceItIsKnownAgain) {
  Server server(folder);
  server.retired.change([](auto& hosts) { hosts.insert("h1"); });
  Machine machine;
  Agent agent(machine, dialling(server, server.credentials_for("h1")));
  agent.start();
  ASSERT_TRUE(agent.dials(3));
  EXPECT_GE(server.counters().refused, 2u);
  EXPECT_EQ(server.heard.get().connected, 0);
  server.retired.change([](auto& hosts) { hosts.clear(); });
  EXPECT_TRUE(agent.connects());
}

TEST_F(GrpcLink, AHostThatIsLetGoIsDisconnectedOnBothSides) {
  Server server(folder);
  Machine machine;
  Agent agent(machine, dialling(server, server.credentials_for("h1")));
  ASSERT_TRUE(agent.start().connects());
  server.retired.change([](auto& hosts) { hosts.insert("h1"); });
  server.machine.on_core([&] {
    server.link().disconnect(HostId("h1"));
    EXPECT_FALSE(server.link().connected(HostId("h1")));
  });
  EXPECT_TRUE(server.heard.becomes([](const Heard& now) { return now.disconnected == 1; }));
  EXPECT_TRUE(agent.heard.becomes([](const AgentHeard& now) { return now.disconnected == 1; }));
}

TEST_F(GrpcLink, AnAgentComesBackAfterTheServerWasRestarted) {
  Server server(folder);
  Machine machine;
  Agent agent(machine, dialling(server, server.credentials_for("h1")));
  ASSERT_TRUE(agent.start().connects());
  server.stop();
  ASSERT_TRUE(agent.heard.becomes([](const AgentHeard& now) { return now.disconnected == 1; }));
  agent.send(report(1));  // lost: it is not connected
  server.start();
  ASSERT_TRUE(agent.connects(2));
  agent.send(report(2));
  ASSERT_TRUE(server.heard.becomes([](const Heard& now) { return now.reports_in_all == 1; }));
  EXPECT_EQ(server.heard.get().reports[HostId("h1")].at(0), 2u);
}

TEST_F(GrpcLink, ADeadAddressIsPassedOver) {
  Server server(folder);
  Machine machine;
  auto config = dialling(server, server.credentials_for("h1"));
  config.servers = {"127.0.0.1:1", "no-such-host.invalid:7443", server.address()};
  Agent agent(machine, config);
  EXPECT_TRUE(agent.start().connects());
  EXPECT_EQ(agent.counters().dialled, 3u);
}

TEST_F(GrpcLink, AConnectionThatANatHasForgottenIsNoticedAndMadeAnew) {
  Server server(folder);
  ForgetfulProxy nat(server.port);
  Machine machine;
  auto config = dialling(server, server.credentials_for("h1"));
  config.servers = {nat.address()};
  config.keepalive = 1200ms;
  Agent agent(machine, config);
  ASSERT_TRUE(agent.start().connects());
  nat.forget();
  EXPECT_TRUE(agent.connects(2));
  agent.send(report(1));
  EXPECT_TRUE(server.heard.becomes([](const Heard& now) { return now.reports_in_all == 1; }));
}

TEST_F(GrpcLink, AnAgentThatVanishedWithoutAWordIsNoticed) {
  GrpcServerConfig server_config;
  server_config.keepalive = 1200ms;
  Server server(folder, server_config);
  ForgetfulProxy nat(server.port);
  Machine machine;
  auto config = dialling(server, server.credentials_for("h1"));
  config.servers = {nat.address()};
  Agent agent(machine, config);
  ASSERT_TRUE(agent.start().connects());
  nat.forget();
  agent.stop();
  EXPECT_TRUE(server.heard.becomes([](const Heard& now) { return now.disconnected == 1; }));
}

TEST_F(GrpcLink, AServerThatTakesTheCallAndSaysNothingIsGivenUp) {
  Server server(folder);
  ForgetfulProxy black_hole(server.port, true);
  Machine machine;
  auto config = dialling(server, server.credentials_for("h1"));
  config.servers = {black_hole.address(), server.address()};
  config.answer_within = 300ms;
  Agent agent(machine, config);
  EXPECT_TRUE(agent.start().connects());
  EXPECT_EQ(agent.counters().dialled, 2u);
}

TEST_F(GrpcLink, ASecondConnectionOfAHostReplacesTheFirst) {
  Server server(folder);
  Machine first_machine, second_machine;
  const auto credentials = server.credentials_for("h1");
  Agent first(first_machine, dialling(server, credentials));
  ASSERT_TRUE(first.start().connects());
  Agent second(second_machine, dialling(server, credentials));
  ASSERT_TRUE(second.start().connects());
  ASSERT_TRUE(first.heard.becomes([](const AgentHeard& now) { return now.disconnected >= 1; }));
  first.stop();  // else the two would take turns for ever
  const auto seen = server.heard.get();
  EXPECT_GE(seen.disconnected, 1);
  EXPECT_GE(server.counters().replaced, 1u);
  EXPECT_EQ(server.counters().connected, 1u);
}

TEST_F(GrpcLink, AnAgentThatReadsTooSlowlyIsCutOffAtTheBound) {
  GrpcServerConfig config;
  config.limits.waiting_bytes = 4 * 1024 * 1024;
  Server server(folder, config);
  Machine machine;
  Watched<bool> released;
  Agent agent(machine, dialling(server, server.credentials_for("h1")));
  agent.when_told = [&] { released.becomes([](bool now) { return now; }); };
  ASSERT_TRUE(agent.start().connects());
  std::size_t sent = 0;
  while (server.counters().closed_as_slow == 0) {
    server.send("h1", order(1, 256 * 1024));
    ASSERT_LT(++sent, 1000u) << "256 MB went out to an agent that reads nothing";
  }
  EXPECT_FALSE(server.machine.on_core([&] { return server.link().connected(HostId("h1")); }));
  EXPECT_TRUE(server.heard.becomes([](const Heard& now) { return now.disconnected == 1; }));
  agent.when_told = {};
  released.change([](bool& now) { now = true; });
  EXPECT_TRUE(agent.connects(2)) << "it comes back when it can read again";
}

TEST_F(GrpcLink, AMessageOverTheLimitIsNotSentAndTheConnectionStays) {
  Server server(folder);
  Machine machine;
  Agent agent(machine, dialling(server, server.credentials_for("h1")));
  ASSERT_TRUE(agent.start().connects());
  server.send("h1", order(1, 5 * 1024 * 1024));
  server.send("h1", order(2, 3 * 1024 * 1024));
  ASSERT_TRUE(agent.heard.becomes([](const AgentHeard& now) { return now.generations.size() == 1; }));
  EXPECT_EQ(agent.heard.get().generations.at(0), 2);
  EXPECT_EQ(agent.heard.get().disconnected, 0);
}

TEST_F(GrpcLink, AReportThatCouldNotBeRecordedBringsTheAgentBackWithItsState) {
  Server server(folder);
  Machine machine;
  Agent agent(machine, dialling(server, server.credentials_for("h1")));
  agent.when_connected = [&] { agent.link().send(report(7)); };
  server.fail_next_reports = 1;
  agent.start();
  ASSERT_TRUE(server.heard.becomes([](const Heard& now) { return now.reports_in_all == 1; }));
  EXPECT_TRUE(agent.connects(2));
  EXPECT_GE(server.heard.get().disconnected, 1);
}

TEST_F(GrpcLink, FiftyAgentsSpeakAtOnceAndNothingIsLostOrMixed) {
  Server server(folder);
  Machine machine;
  std::vector<std::unique_ptr<Agent>> agents;
  for (int i = 0; i < 50; ++i) {
    agents.push_back(
        std::make_unique<Agent>(machine, dialling(server, server.credentials_for("h" + std::to_string(i)))));
    agents.back()->start();
  }
  for (auto& agent : agents) ASSERT_TRUE(agent->connects());
  for (std::uint64_t sequence = 1; sequence <= 20; ++sequence)
    for (auto& agent : agents) agent->send(report(sequence));
  ASSERT_TRUE(server.heard.becomes([](const Heard& now) { return now.reports_in_all == 1000; }));
  std::vector<std::uint64_t> wanted(20);
  std::iota(wanted.begin(), wanted.end(), 1u);
  for (const auto& [host, sequences] : server.heard.get().reports) EXPECT_EQ(sequences, wanted) << host.str();
}

TEST_F(GrpcLink, AgentsThatVanishMidStreamLeaveNothingBehind) {
  Server server(folder);
  Machine machine;
  for (int round = 0; round < 5; ++round) {
    std::vector<std::unique_ptr<Agent>> agents;
    for (int i = 0; i < 20; ++i) {
      agents.push_back(
          std::make_unique<Agent>(machine, dialling(server, server.credentials_for("h" + std::to_string(i)))));
      agents.back()->start();
    }
    // Half are let in and talk; the others are cut off at whatever point of connecting they have reached.
    for (std::size_t i = 0; i < agents.size(); i += 2) ASSERT_TRUE(agents[i]->connects());
    for (std::uint64_t sequence = 1; sequence <= 10; ++sequence)
      for (std::size_t i = 0; i < agents.size(); i += 2) {
        agents[i]->send(report(sequence));
        server.send("h" + std::to_string(i), order(1, 10'000));
      }
    agents.clear();
    ASSERT_TRUE(server.heard.becomes([](const Heard& now) { return now.connected == now.disconnected; }));
  }
  EXPECT_EQ(server.counters().connected, 0u);
}

TEST_F(GrpcLink, TheServerMayStopWhileAgentsTalk) {
  Server server(folder);
  Machine machine;
  std::vector<std::unique_ptr<Agent>> agents;
  for (int i = 0; i < 10; ++i) {
    agents.push_back(
        std::make_unique<Agent>(machine, dialling(server, server.credentials_for("h" + std::to_string(i)))));
    agents.back()->start();
  }
  for (int round = 1; round <= 3; ++round) {
    for (auto& agent : agents) ASSERT_TRUE(agent->connects(round));
    for (std::uint64_t sequence = 1; sequence <= 20; ++sequence)
      for (auto& agent : agents) agent->send(report(sequence));
    server.stop();
    server.start();
  }
}

TEST_F(GrpcLink, ACertificateIsRenewedOverTheConnectionAndUsedForTheNext) {
  Server server(folder);
  Machine machine;
  Agent agent(machine, dialling(server, server.credentials_for("h1", 1h)));
  ASSERT_TRUE(agent.start().connects());
  const auto asked = make_key_and_request("h1");
  std::promise<Result<IssuedCertificate>> answered;
  machine.on_core([&] {
    agent.link().renew(asked.csr_pem, [&](Result<IssuedCertificate> issued) { answered.set_value(std::move(issued)); });
  });
  const auto issued = answered.get_future().get();
  ASSERT_TRUE(issued) << issued.error().message();
  EXPECT_TRUE(check_issued(issued->certificate_pem, asked.key_pem, issued->ca_pem, machine.runtime().now()));
  machine.on_core([&] {
    agent.link().use({.key_pem = asked.key_pem, .certificate_pem = issued->certificate_pem, .ca_pem = issued->ca_pem});
  });
  ASSERT_TRUE(agent.connects(2));
  EXPECT_TRUE(server.fingerprints.get().contains(read_certificate(issued->certificate_pem)->fingerprint));
  agent.send(report(1));
  EXPECT_TRUE(server.heard.becomes([](const Heard& now) { return now.reports_in_all == 1; }));
}

TEST_F(GrpcLink, ARenewalIsRefusedToARetiredHostAndForABadRequest) {
  Server server(folder);
  Machine machine;
  Agent agent(machine, dialling(server, server.credentials_for("h1")));
  ASSERT_TRUE(agent.start().connects());
  const auto renew = [&](const std::string& csr) {
    std::promise<Result<IssuedCertificate>> answered;
    machine.on_core([&] {
      agent.link().renew(csr, [&](Result<IssuedCertificate> issued) { answered.set_value(std::move(issued)); });
    });
    return answered.get_future().get();
  };
  const auto bad = renew("no request");
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.error().reason, Reason::certificate_request_invalid);
  server.retired.change([](auto& hosts) { hosts.insert("h1"); });
  const auto refused = renew(make_key_and_request("h1").csr_pem);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, Reason::host_refused);
}

TEST_F(GrpcLink, ARenewalWithoutAConnectionFailsAtOnce) {
  Server server(folder);
  Machine machine;
  Agent agent(machine, dialling(server, server.credentials_for("h1")));
  std::promise<Result<IssuedCertificate>> answered;
  machine.on_core([&] {
    agent.link().renew("x", [&](Result<IssuedCertificate> issued) { answered.set_value(std::move(issued)); });
  });
  const auto issued = answered.get_future().get();
  ASSERT_FALSE(issued);
  EXPECT_EQ(issued.error().reason, Reason::unavailable);
}

TEST_F(GrpcLink, TheServerRenewsItsOwnCertificateWhileItListens) {
  GrpcServerConfig config;
  config.certificate_life = 2s;
  config.certificate_check = 250ms;
  config.certificate_reload = 1s;
  Server server(folder, config);
  const auto first_end = read_certificate(read_file(folder / "agents.crt").value().value())->not_after;
  // An agent that comes after the first certificate has expired.
  Machine machine;
  std::promise<void> expired;
  machine.on_core(
      [&] { machine.runtime().after(first_end - machine.runtime().now() + 1s, [&] { expired.set_value(); }); });
  expired.get_future().wait();
  Agent agent(machine, dialling(server, server.credentials_for("h1")));
  EXPECT_TRUE(agent.start().connects());
  EXPECT_GT(read_certificate(read_file(folder / "agents.crt").value().value())->not_after, first_end);
}

TEST_F(GrpcLink, ATakenPortIsAnErrorAndNotARival) {
  Server server(folder / "one");
  Machine machine;
  auto db = db::open("sqlite::memory:");
  Core core(machine.runtime(), *db);
  const auto authority = Authority::open(folder / "two", machine.runtime().now()).value();
  const Admission admission{
      .is_known = [](const HostId&, const std::string&) { return true; },
      .renew = [](const HostId&, const std::string&) -> Result<IssuedCertificate> { return IssuedCertificate{}; }};
  const auto started = machine.on_core([&] {
    GrpcServerConfig config;
    config.listen = server.address();
    GrpcServer second(core, authority, config, admission);
    return second.start(server);
  });
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().reason, Reason::agents_port_unusable);
}

// The threads that run gRPC's callbacks, by their ids.
std::set<std::string> callback_threads() {
  std::set<std::string> out;
  for (const auto& thread : std::filesystem::directory_iterator("/proc/self/task")) {
    std::ifstream file(thread.path() / "comm");
    std::string name;
    if (std::getline(file, name) && name.starts_with("nexting")) out.insert(thread.path().filename());
  }
  return out;
}

TEST_F(GrpcLink, TheCallbackThreadsOutliveTheLastServerAndTheLastClient) {
  prepare_grpc();
  const auto first = callback_threads();
  ASSERT_FALSE(first.empty());
  for (int i = 0; i < 3; ++i) {
    Server server(folder / std::to_string(i));
    Machine machine;
    Agent agent(machine, dialling(server, server.credentials_for("h1")));
    ASSERT_TRUE(agent.start().connects());
    agent.stop();
    server.stop();
    EXPECT_EQ(callback_threads(), first);
  }
}

// ---- carries ----

// One end of a carry, and what it heard.
struct Carried {
  std::string bytes;
  bool last = false, broken = false;
  int written = 0;
};
class CarryEnd {
 public:
  explicit CarryEnd(std::shared_ptr<Carry> carry) : carry_(std::move(carry)) {
    Carry::Events events;
    events.read = [heard = heard_](std::string bytes, bool last) {
      heard->change([&](Carried& now) {
        now.bytes += bytes;
        now.last = last;
      });
    };
    events.written = [heard = heard_] { heard->change([](Carried& now) { ++now.written; }); };
    events.broken = [heard = heard_] { heard->change([](Carried& now) { now.broken = true; }); };
    carry_->attach(std::move(events));
  }
  Carry& carry() { return *carry_; }
  // Reads until so many bytes have come in all.
  bool hears(std::size_t bytes) {
    while (heard_->get().bytes.size() < bytes) {
      const auto before = heard_->get().bytes.size();
      carry_->read();
      if (!heard_->becomes([&](const Carried& now) { return now.bytes.size() > before || now.broken; })) return false;
      if (heard_->get().broken) return false;
    }
    return true;
  }
  bool hears_the_end() {
    carry_->read();
    return heard_->becomes([](const Carried& now) { return now.last; });
  }
  bool becomes_broken() {
    return heard_->becomes([](const Carried& now) { return now.broken; });
  }
  bool writes(std::string bytes, bool last = false) {
    const auto before = heard_->get().written;
    carry_->write(std::move(bytes), last);
    return heard_->becomes([&](const Carried& now) { return now.written > before || now.broken; }) &&
           !heard_->get().broken;
  }
  Carried heard() { return heard_->get(); }

 private:
  std::shared_ptr<Carry> carry_;
  std::shared_ptr<Watched<Carried>> heard_ = std::make_shared<Watched<Carried>>();
};

class GrpcCarry : public GrpcLink {
 protected:
  using Arrival = std::promise<Result<std::shared_ptr<Carry>>>;
  GrpcCarry() : server(folder), agent(machine, dialling(server, server.credentials_for("h1"))) {
    CHECK(agent.start().connects());
  }
  std::future<Result<std::shared_ptr<Carry>>> expect(const std::string& token, const std::string& host = "h1") {
    auto arrival = std::make_shared<Arrival>();
    server.link().expect(HostId(host), token, [arrival](auto outcome) { arrival->set_value(std::move(outcome)); });
    return arrival->get_future();
  }
  std::shared_ptr<Carry> open(const std::string& token, const std::optional<Error>& why = {}) {
    return machine.on_core([&] { return agent.link().carry(token, why); });
  }
  // Both ends of one.
  std::pair<CarryEnd, CarryEnd> both() {
    auto arrival = expect("t");
    CarryEnd near(open("t"));
    CHECK(arrival.wait_for(patience) == std::future_status::ready);
    return {near, CarryEnd(arrival.get().value())};
  }
  Server server;
  Machine machine;
  Agent agent;
};

TEST_F(GrpcCarry, BytesGoBothWaysAndEachHalfEndsByItself) {
  auto [near, far] = both();
  EXPECT_TRUE(near.writes("from the pod"));
  EXPECT_TRUE(far.hears(12));
  EXPECT_TRUE(far.writes("to the pod", false));
  EXPECT_TRUE(near.hears(10));
  EXPECT_TRUE(far.writes("", true));
  EXPECT_TRUE(near.hears_the_end());
  EXPECT_TRUE(near.writes("more"));
  EXPECT_TRUE(far.hears(16));
  near.carry().write("", true);
  EXPECT_TRUE(far.hears_the_end());
  EXPECT_EQ(far.heard().bytes, "from the podmore");
  EXPECT_FALSE(far.heard().broken);
  EXPECT_FALSE(near.heard().broken);
}

TEST_F(GrpcCarry, AReaderThatDoesNotReadHoldsItsWriterBack) {
  auto [near, far] = both();
  const std::string frame(Carry::frame_bytes, 'x');
  std::size_t sent = 0;
  // A write that stays unanswered for half a second is one that waits.
  for (;;) {
    const auto before = near.heard().written;
    near.carry().write(frame, false);
    bool taken = false;
    for (int i = 0; i < 50 && !taken; ++i) {
      taken = near.heard().written > before;
      if (!taken) ::usleep(10'000);
    }
    if (!taken) break;
    sent += frame.size();
    ASSERT_LT(sent, 8u << 20) << "nothing holds it back";
  }
  EXPECT_LE(sent, static_cast<std::size_t>(2 * carry_window_bytes));
  EXPECT_TRUE(far.hears(sent + frame.size()));  // and nothing of it was lost
}

TEST_F(GrpcCarry, AnAgentMaySayWhyThereIsNone) {
  auto arrival = expect("t");
  const Error why{Reason::tunnel_not_possible, {{"detail", "connection refused"}}, {}};
  EXPECT_EQ(open("t", why), nullptr);
  ASSERT_EQ(arrival.wait_for(patience), std::future_status::ready);
  const auto outcome = arrival.get();
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error(), why);
}

TEST_F(GrpcCarry, ATokenIsGoodOnceAndOnlyForTheHostThatWasAsked) {
  auto of_other = expect("other's", "h2");
  CarryEnd wrong(open("other's"));
  wrong.carry().read();
  EXPECT_TRUE(wrong.becomes_broken());
  EXPECT_EQ(of_other.wait_for(0s), std::future_status::timeout);
  CarryEnd unknown(open("never given"));
  unknown.carry().read();
  EXPECT_TRUE(unknown.becomes_broken());
  auto [near, far] = both();
  CarryEnd again(open("t"));
  again.carry().read();
  EXPECT_TRUE(again.becomes_broken());
  EXPECT_TRUE(near.writes("x"));  // the first one lives
  EXPECT_TRUE(far.hears(1));
}

TEST_F(GrpcCarry, OneThatIsCutIsNoticedAtTheOtherEnd) {
  {
    auto [near, far] = both();
    far.carry().read();
    near.carry().cancel();
    EXPECT_TRUE(far.becomes_broken());
  }
  auto [near, far] = both();
  near.carry().read();
  far.carry().cancel();
  EXPECT_TRUE(near.becomes_broken());
}

TEST_F(GrpcCarry, AnAgentThatGoesTakesItsCarriesAlong) {
  auto [near, far] = both();
  far.carry().read();
  agent.stop();
  EXPECT_TRUE(far.becomes_broken());
}

}  // namespace
}  // namespace gyre::link
