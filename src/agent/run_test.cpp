// The agent's whole process in this one: real gRPC, real signals, a fake engine.
#include "agent/run.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <future>

#include "agent/enrol.hpp"
#include "base/files.hpp"
#include "engine/fake_engine.hpp"
#include "link/authority.hpp"
#include "link/grpc_server.hpp"
#include "runtime/asio_runtime.hpp"

namespace gyre::agent {
namespace {

class OneGpu final : public engine::GpuProbe {
 public:
  std::vector<engine::Gpu> gpus() override { return {{"SIM-h1-0", 0, "NVIDIA A40", 48'000'000'000, "", true}}; }
  std::vector<engine::GpuReading> read() override { return {}; }
  std::optional<engine::GpuDriver> driver() override { return std::nullopt; }
};

// A server that listens, remembers, and may retire the host.
class Server final : public link::AgentEvents {
 public:
  explicit Server(const std::filesystem::path& folder)
      : authority_(link::Authority::open(folder, runtime_.now()).value()), thread_([this] { runtime_.run(); }) {
    on_core([this] {
      link::GrpcServerConfig config;
      config.listen = "127.0.0.1:0";
      const link::Admission admission{
          .is_known = [](const HostId&, const std::string&) { return true; },
          .renew = [](const HostId&, const std::string&) -> Result<link::IssuedCertificate> {
            return fail(Reason::unavailable, {{"detail", "not in this test"}});
          }};
      link_ = std::make_unique<link::GrpcServer>(core_, authority_, config, admission);
      port_ = link_->start(*this).value();
    });
  }
  ~Server() override {
    on_core([this] { link_.reset(); });
    runtime_.stop();
    thread_.join();
  }

  Identity identity() {
    const auto made = link::make_key_and_request("h1");
    const auto certificate = authority_.sign(made.csr_pem, HostId("h1"), runtime_.now()).value();
    return {.host = HostId("h1"),
            .credentials = {.key_pem = made.key_pem,
                            .certificate_pem = certificate,
                            .ca_pem = authority_.certificate_pem()},
            .servers = {"127.0.0.1:" + std::to_string(port_)}};
  }
  void send(link::ServerMessage message) {
    on_core([&] { link_->send(HostId("h1"), std::move(message)); });
  }
  template <class F>
  bool hears(F wanted) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(30), [&] { return wanted(*this); });
  }

  std::optional<link::HostFacts> facts;
  int reports = 0, departures = 0;

 private:
  template <class F>
  void on_core(F work) {
    std::promise<void> done;
    runtime_.post([&] {
      work();
      done.set_value();
    });
    done.get_future().wait();
  }
  template <class F>
  void note(F change) {
    std::lock_guard lock(mutex_);
    change();
    changed_.notify_all();
  }
  void agent_connected(const HostId&) override {}
  void agent_disconnected(const HostId&) override {
    note([this] { ++departures; });
  }
  void agent_said(const HostId&, const link::AgentMessage& message) override {
    note([&] {
      if (const auto* hello = std::get_if<link::Hello>(&message)) facts = hello->facts;
      if (std::holds_alternative<link::Report>(message)) ++reports;
    });
  }

  AsioRuntime runtime_;
  std::unique_ptr<db::Connection> db_ = db::open("sqlite::memory:");
  Core core_{runtime_, *db_};
  link::Authority authority_;
  std::unique_ptr<link::GrpcServer> link_;
  int port_ = 0;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::thread thread_;
};

class RunAgent : public testing::Test {
 protected:
  RunAgent() {
    std::string pattern = (std::filesystem::temp_directory_path() / "gyre-run-XXXXXX").string();
    folder = ::mkdtemp(pattern.data());
    options.data_dir = folder / "agent";
    EXPECT_TRUE(make_private_folder(options.data_dir));
  }
  ~RunAgent() override { std::filesystem::remove_all(folder); }

  AgentParts parts() {
    return {.engine = [this](Runtime& runtime) { return std::make_unique<engine::FakeEngine>(runtime, registry); },
            .gpus = [](const std::string&) -> Result<std::unique_ptr<engine::GpuProbe>> {
              return std::make_unique<OneGpu>();
            }};
  }
  std::future<Result<>> start() {
    return std::async(std::launch::async, [this] { return run_agent(options, parts()); });
  }

  std::filesystem::path folder;
  AgentRunOptions options;
  engine::FakeRegistry registry;
};

TEST_F(RunAgent, ItReportsWhatTheMachineIsAndEndsAtSigterm) {
  Server server(folder / "pki");
  ASSERT_TRUE(store_identity(options.data_dir, server.identity()));
  options.advertise = "gpu7.example.com";
  auto ended = start();
  ASSERT_TRUE(server.hears([](const Server& now) { return now.facts && now.reports > 0; }));
  EXPECT_EQ(server.facts->public_address, "gpu7.example.com");
  ASSERT_EQ(server.facts->gpus.size(), 1u);
  EXPECT_EQ(server.facts->gpus[0].type_id, "NVIDIA A40");
  EXPECT_GT(server.facts->memory_bytes, 0);

  const auto second = run_agent(options, parts());
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().reason, Reason::agent_already_running);

  ::kill(::getpid(), SIGTERM);
  ASSERT_EQ(ended.wait_for(std::chrono::seconds(30)), std::future_status::ready);
  EXPECT_TRUE(ended.get());
  EXPECT_TRUE(server.hears([](const Server& now) { return now.departures == 1; }));
  EXPECT_TRUE(load_identity(options.data_dir)) << "it is still a host";
  EXPECT_EQ(std::filesystem::status(options.data_dir / "journal.db").permissions() & std::filesystem::perms::others_all,
            std::filesystem::perms::none);
}

TEST_F(RunAgent, ARetiredHostEndsAndForgetsWhoItWas) {
  Server server(folder / "pki");
  ASSERT_TRUE(store_identity(options.data_dir, server.identity()));
  auto ended = start();
  ASSERT_TRUE(server.hears([](const Server& now) { return now.reports > 0; }));
  server.send(link::RetireHost{});
  ASSERT_EQ(ended.wait_for(std::chrono::seconds(30)), std::future_status::ready);
  EXPECT_TRUE(ended.get());
  EXPECT_EQ(load_identity(options.data_dir).error().reason, Reason::not_joined);
  EXPECT_TRUE(std::filesystem::exists(options.data_dir / "identity.retired.json"));
}

TEST_F(RunAgent, AHostThatHasNotJoinedIsToldWhatToDo) {
  const auto ended = run_agent(options, parts());
  ASSERT_FALSE(ended);
  EXPECT_EQ(ended.error().reason, Reason::not_joined);
  EXPECT_NE(ended.error().fix().find("gyre agent join"), std::string::npos);
}

TEST_F(RunAgent, SystemdIsToldThroughItsSocket) {
  const int socket = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  const auto path = folder / "notify";
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  ASSERT_LT(path.string().size(), sizeof address.sun_path);
  std::strcpy(address.sun_path, path.c_str());
  ASSERT_EQ(::bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  ::setenv("NOTIFY_SOCKET", path.c_str(), 1);
  tell_systemd("READY=1");
  ::unsetenv("NOTIFY_SOCKET");
  tell_systemd("READY=2");
  char text[64] = "";
  EXPECT_EQ(::recv(socket, text, sizeof text - 1, MSG_DONTWAIT), 7);
  EXPECT_STREQ(text, "READY=1");
  EXPECT_LT(::recv(socket, text, sizeof text - 1, MSG_DONTWAIT), 0);
  ::close(socket);
}

}  // namespace
}  // namespace gyre::agent
