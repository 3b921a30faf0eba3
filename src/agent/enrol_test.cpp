#include "agent/enrol.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <boost/json.hpp>
#include <future>

#include "base/files.hpp"
#include "base/secrets.hpp"
#include "http/canned_server.hpp"
#include "link/authority.hpp"
#include "link/grpc_server.hpp"
#include "link/join_token.hpp"
#include "runtime/asio_runtime.hpp"

namespace gyre::agent {
namespace {

namespace json = boost::json;

Time wall_clock() { return std::chrono::floor<Duration>(std::chrono::system_clock::now()); }

// The server's side of POST /v1/hosts/join over a real authority, with room for whoever tampers with the answer.
class JoinServer {
 public:
  explicit JoinServer(const std::filesystem::path& folder, bool tls = false)
      : authority(link::Authority::open(folder, wall_clock()).value()),
        token(link::make_join_token(std::string(43, 's'), authority.fingerprint()).text) {
    std::string certificate, key;
    if (tls) {
      const auto made = authority.ensure_server_certificate("https", {"127.0.0.1"}, wall_clock()).value();
      certificate = read_file(made.certificate_file).value().value();
      key = read_file(made.key_file).value().value();
    }
    auto answer = [this](const std::string& request, const http::CannedServer::Send& send) {
      send(answer_to(request));
    };
    server = std::make_unique<http::CannedServer>(std::move(answer), certificate, key);
  }

  JoinOptions options(const std::filesystem::path& data_dir) const {
    JoinOptions made;
    made.server = server->url();
    made.token = token;
    made.data_dir = data_dir;
    made.host_name = "gpu-7";
    return made;
  }

  link::Authority authority;
  std::string token;
  std::vector<std::string> agents_addresses{"gyre.example.com:7443"};
  bool spent = false;
  std::function<void(json::object&)> tamper;
  std::unique_ptr<http::CannedServer> server;

 private:
  std::string answer_to(const std::string& request) {
    const auto body = json::parse(request.substr(request.find("\r\n\r\n") + 4)).as_object();
    if (body.at("token").as_string() != token || std::exchange(spent, true))
      return http::canned(401, R"({"code":"join_token_spent","title":"no","detail":"the token is used up or too old",)"
                               R"("fix":"make a new one"})");
    json::object answer{{"hostId", "h7"},
                        {"certificate", authority.sign(body.at("csr").as_string(), HostId("h7"), wall_clock()).value()},
                        {"ca", authority.certificate_pem()},
                        {"agentsAddresses", json::array(agents_addresses.begin(), agents_addresses.end())}};
    if (tamper) tamper(answer);
    return http::canned(201, json::serialize(answer));
  }
};

class Enrol : public testing::Test {
 protected:
  Enrol() {
    std::string pattern = (std::filesystem::temp_directory_path() / "gyre-enrol-XXXXXX").string();
    folder = ::mkdtemp(pattern.data());
  }
  ~Enrol() override { std::filesystem::remove_all(folder); }
  std::filesystem::path folder;
};

TEST_F(Enrol, AJoinedHostKeepsItsIdentityToItself) {
  JoinServer server(folder / "pki");
  const auto joined = join(server.options(folder / "agent"), wall_clock());
  ASSERT_TRUE(joined) << joined.error().message();
  EXPECT_EQ(joined->host, HostId("h7"));
  EXPECT_EQ(joined->servers, std::vector<std::string>{"gyre.example.com:7443"});
  const auto loaded = load_identity(folder / "agent");
  ASSERT_TRUE(loaded) << loaded.error().message();
  EXPECT_EQ(loaded->host, HostId("h7"));
  EXPECT_EQ(loaded->credentials.key_pem, joined->credentials.key_pem);
  EXPECT_TRUE(link::check_issued(loaded->credentials.certificate_pem, loaded->credentials.key_pem,
                                 server.authority.certificate_pem(), wall_clock()));
  struct stat facts {};
  ASSERT_EQ(::stat((folder / "agent" / "identity.json").c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0777, 0600u);
  ASSERT_EQ(::stat((folder / "agent").c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0777, 0700u);
  const auto sent = server.server->requests().at(0);
  EXPECT_NE(sent.find(R"("hostname":"gpu-7")"), std::string::npos);
  EXPECT_EQ(sent.find("PRIVATE KEY"), std::string::npos) << "the key never leaves the host";
}

TEST_F(Enrol, ASpentTokenIsRefusedInTheServersWords) {
  JoinServer server(folder / "pki");
  ASSERT_TRUE(join(server.options(folder / "one"), wall_clock()));
  const auto second = join(server.options(folder / "two"), wall_clock());
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().reason, Reason::join_refused);
  EXPECT_NE(second.error().message().find("the token is used up or too old"), std::string::npos);
  EXPECT_EQ(second.error().fix(), "make a new one");
  EXPECT_EQ(load_identity(folder / "two").error().reason, Reason::not_joined);
}

TEST_F(Enrol, AnAuthorityThatTheTokenDoesNotNameIsRefused) {
  JoinServer server(folder / "pki");
  const auto impostor = link::Authority::open(folder / "impostor", wall_clock()).value();
  server.tamper = [&](json::object& answer) { answer["ca"] = impostor.certificate_pem(); };
  const auto joined = join(server.options(folder / "agent"), wall_clock());
  ASSERT_FALSE(joined);
  EXPECT_EQ(joined.error().reason, Reason::server_identity_mismatch);
  EXPECT_EQ(load_identity(folder / "agent").error().reason, Reason::not_joined) << "nothing is stored";
}

TEST_F(Enrol, ACertificateForAnotherKeyOrHostIsRefused) {
  JoinServer server(folder / "pki");
  const auto other = link::make_key_and_request("x");
  server.tamper = [&](json::object& answer) {
    answer["certificate"] = server.authority.sign(other.csr_pem, HostId("h7"), wall_clock()).value();
  };
  auto joined = join(server.options(folder / "agent"), wall_clock());
  ASSERT_FALSE(joined);
  EXPECT_EQ(joined.error().reason, Reason::identity_unusable);
  server.spent = false;
  server.tamper = [](json::object& answer) { answer["hostId"] = "h8"; };
  joined = join(server.options(folder / "agent"), wall_clock());
  ASSERT_FALSE(joined);
  EXPECT_EQ(joined.error().reason, Reason::join_refused);
}

TEST_F(Enrol, OverHttpsTheTokenVouchesForAServerWithACertificateOfItsOwn) {
  JoinServer server(folder / "pki", true);
  const auto joined = join(server.options(folder / "agent"), wall_clock());
  EXPECT_TRUE(joined) << joined.error().message();
}

TEST_F(Enrol, OverHttpsATokenOfAnotherInstallationIsNotEvenShown) {
  JoinServer server(folder / "pki", true);
  auto options = server.options(folder / "agent");
  options.token = link::make_join_token(std::string(43, 's'), std::string(64, 'a')).text;
  const auto joined = join(options, wall_clock());
  ASSERT_FALSE(joined);
  EXPECT_EQ(joined.error().reason, Reason::server_not_trusted);
  EXPECT_TRUE(server.server->requests().empty());
}

TEST_F(Enrol, AFolderWithAnIdentityJoinsOnlyToReplaceIt) {
  JoinServer server(folder / "pki");
  ASSERT_TRUE(join(server.options(folder / "agent"), wall_clock()));
  server.spent = false;
  auto again = join(server.options(folder / "agent"), wall_clock());
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().reason, Reason::already_joined);
  EXPECT_FALSE(server.spent) << "the token is not wasted";
  auto options = server.options(folder / "agent");
  options.replace = true;
  EXPECT_TRUE(join(options, wall_clock()));
}

TEST_F(Enrol, NoOneJoinsUnderARunningAgent) {
  JoinServer server(folder / "pki");
  ASSERT_TRUE(make_private_folder(folder / "agent"));
  const auto running = FileLock::try_lock(lock_file(folder / "agent"));
  const auto joined = join(server.options(folder / "agent"), wall_clock());
  ASSERT_FALSE(joined);
  EXPECT_EQ(joined.error().reason, Reason::agent_already_running);
}

TEST_F(Enrol, AServerThatListensEverywhereIsReachedWhereItsApiWas) {
  for (const auto* everywhere : {"0.0.0.0:7443", "[::]:7443", ":7443"}) {
    JoinServer server(folder / "pki");
    server.agents_addresses = {"a.example.com:1", everywhere};
    auto options = server.options(folder / "agent");
    options.replace = true;
    const auto joined = join(options, wall_clock());
    ASSERT_TRUE(joined) << joined.error().message();
    EXPECT_EQ(joined->servers, (std::vector<std::string>{"a.example.com:1", "127.0.0.1:7443"}));
  }
}

TEST_F(Enrol, WhatIsNoGyreServerIsSaidSo) {
  http::CannedServer server([](const std::string&, const http::CannedServer::Send& send) {
    send(http::canned(200, "<html>welcome</html>"));
  });
  JoinOptions options;
  options.server = server.url();
  options.token = link::make_join_token(std::string(43, 's'), std::string(64, 'a')).text;
  options.data_dir = folder / "agent";
  const auto joined = join(options, wall_clock());
  ASSERT_FALSE(joined);
  EXPECT_EQ(joined.error().reason, Reason::join_refused);
}

TEST_F(Enrol, ADamagedIdentityIsNotTakenForNone) {
  ASSERT_TRUE(write_private_file(folder / "identity.json", "{"));
  EXPECT_EQ(load_identity(folder).error().reason, Reason::identity_unusable);
  EXPECT_EQ(load_identity(folder / "absent").error().reason, Reason::not_joined);
}

// ---- renewal, against a real server of the link ----

class NoEvents final : public link::AgentEvents {
  void agent_connected(const HostId&) override {}
  void agent_disconnected(const HostId&) override {}
  void agent_said(const HostId&, const link::AgentMessage&) override {}
};

class Connections final : public link::ServerEvents {
 public:
  explicit Connections(int wanted) : left_(wanted) {}
  std::future<void> reached() { return reached_.get_future(); }

 private:
  void server_connected() override {
    if (--left_ == 0) reached_.set_value();
  }
  void server_disconnected() override {}
  void server_said(const link::ServerMessage&) override {}
  int left_;
  std::promise<void> reached_;
};

TEST_F(Enrol, ACertificateInItsLastThirdIsRenewedStoredAndUsed) {
  AsioRuntime runtime;
  std::thread core_thread([&] { runtime.run(); });
  const auto on_core = [&](auto work) {
    std::promise<void> done;
    runtime.post([&] {
      work();
      done.set_value();
    });
    done.get_future().wait();
  };
  auto db = db::open("sqlite::memory:");
  Core core(runtime, *db);
  const auto authority = link::Authority::open(folder / "pki", wall_clock()).value();
  std::atomic<int> refusals_left = 1;
  const link::Admission admission{
      .is_known = [](const HostId&, const std::string&) { return true; },
      .renew = [&](const HostId& host, const std::string& csr) -> Result<link::IssuedCertificate> {
        if (refusals_left-- > 0) return fail(Reason::unavailable, {{"detail", "not now"}});
        return link::IssuedCertificate{.certificate_pem = TRY(authority.sign(csr, host, runtime.now())),
                                       .ca_pem = authority.certificate_pem()};
      }};
  NoEvents no_events;
  link::GrpcServerConfig server_config;
  server_config.listen = "127.0.0.1:0";
  link::GrpcServer server(core, authority, server_config, admission);
  int port = 0;
  on_core([&] { port = server.start(no_events).value(); });

  // A certificate with ten minutes of its hour left.
  const auto made = link::make_key_and_request("h1");
  Identity old{
      .host = HostId("h1"),
      .credentials = {.key_pem = made.key_pem,
                      .certificate_pem = authority.sign(made.csr_pem, HostId("h1"), wall_clock(), 10min).value(),
                      .ca_pem = authority.certificate_pem()},
      .servers = {"127.0.0.1:" + std::to_string(port)}};
  ASSERT_TRUE(store_identity(folder, old));
  Connections connections(2);  // the first, and the one with the new certificate
  auto reached = connections.reached();
  std::unique_ptr<link::GrpcClient> client;
  std::unique_ptr<Renewal> renewal;
  on_core([&] {
    link::GrpcClientConfig config;
    config.servers = old.servers;
    config.credentials = old.credentials;
    client = std::make_unique<link::GrpcClient>(runtime, config);
    renewal = std::make_unique<Renewal>(runtime, *client, folder, old, 20ms);
    client->start(connections);
    renewal->start();
  });
  ASSERT_EQ(reached.wait_for(std::chrono::seconds(30)), std::future_status::ready);
  const auto renewed = load_identity(folder);
  ASSERT_TRUE(renewed) << renewed.error().message();
  const auto facts = link::read_certificate(renewed->credentials.certificate_pem);
  EXPECT_GT(facts->not_after, wall_clock() + std::chrono::days(29));
  EXPECT_NE(renewed->credentials.key_pem, old.credentials.key_pem);
  EXPECT_LT(refusals_left, 0) << "the first refusal did not end it";
  on_core([&] {
    renewal.reset();
    client.reset();
  });
  runtime.stop();
  core_thread.join();
}

}  // namespace
}  // namespace gyre::agent
