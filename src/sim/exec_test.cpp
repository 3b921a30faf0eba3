// Sessions in pods over a hostile link: whatever is lost, doubled, late or crashed, every byte arrives once, both ways.
#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "http/web_socket.hpp"
#include "sim/world.hpp"

namespace gyre::sim {
namespace {

namespace bj = boost::json;
using http::Method;

bj::object parsed(const std::string& text) { return bj::parse(text).as_object(); }

// A careful client of docs/exec.md: keeps what is not taken, counts what it has received, comes back.
class Client {
 public:
  Client(World& world, std::string pod, std::string query)
      : world_(world), pod_(std::move(pod)), query_(std::move(query)) {}
  ~Client() { hang_up(); }

  void type(const std::string& bytes) {
    waiting_ += bytes;
    if (begun_) send(bytes);
  }
  void end_input() {
    ends_ = true;
    if (begun_) say({{"endOfInput", true}});
  }
  void hang_up() {
    if (socket_) socket_->peer_gone(http::close_broken);
    socket_.reset();
    begun_ = false;
  }
  // What a connection does: brings what is there. True while the session may go on.
  bool pump() {
    if (exit || !error.empty()) return false;
    if (!socket_ && !connect()) return error.empty();
    for (;;) {
      auto out = socket_->take();
      if (out.message) {
        hear(*out.message);
        if (!socket_) return !exit && error.empty();
        continue;
      }
      if (out.close) {
        socket_->peer_gone(out.close->first);
        socket_.reset();
        begun_ = false;
      }
      break;
    }
    if (begun_ && received.size() > seen_) {
      seen_ = received.size();
      say({{"seen", seen_}});
    }
    return !exit && error.empty();
  }
  void run(Duration limit) {
    for (Duration passed{0}; passed < limit && pump(); passed += 100ms) world_.run_for(100ms);
  }

  std::string received;
  std::optional<std::int64_t> exit;
  std::string error;  // its code
  std::string session;
  int status = 0;

 private:
  bool connect() {
    auto target = "/v1/pods/" + pod_ + "/exec?";
    target += session.empty() ? query_ : "session=" + session + "&from=" + std::to_string(received.size());
    const auto answer = world_.open(target, "gyre.exec.v1");
    status = answer.status;
    if (answer.status == 101) {
      socket_ = answer.web_socket;
      return true;
    }
    if (answer.status != 0 && answer.status != 503) error = std::string(parsed(answer.body)["code"].as_string());
    return false;
  }
  void say(bj::object words) { socket_->deliver({true, bj::serialize(words)}); }
  void send(const std::string& bytes) { socket_->deliver({false, std::string(1, '\0') + bytes}); }
  void hear(const http::WebSocketMessage& message) {
    if (!message.text) {
      received += message.bytes.substr(1);
      return;
    }
    auto said = parsed(message.bytes);
    if (const auto* begun = said.if_contains("session")) {
      session = begun->as_object().at("id").as_string();
      begun_ = true;
      seen_ = received.size();
      take(begun->as_object().at("input").to_number<std::size_t>());
      for (std::size_t at = 0; at < waiting_.size(); at += 30'000) send(waiting_.substr(at, 30'000));
      if (ends_) say({{"endOfInput", true}});
    } else if (const auto* taken = said.if_contains("input")) {
      take(taken->to_number<std::size_t>());
    } else if (const auto* ended = said.if_contains("exit")) {
      exit = ended->as_object().at("code").as_int64();
    } else if (const auto* refused = said.if_contains("error")) {
      error = std::string(refused->as_object().at("code").as_string());
    }
  }
  void take(std::size_t until) {
    if (until <= taken_) return;
    waiting_.erase(0, until - taken_);
    taken_ = until;
  }

  World& world_;
  std::string pod_, query_;
  std::shared_ptr<http::WebSocket> socket_;
  std::string waiting_;
  std::size_t taken_ = 0, seen_ = 0;
  bool begun_ = false, ends_ = false;
};

struct Scene {
  explicit Scene(std::uint64_t seed, engine::FakeExec exec = {}) : world(seed) {
    world.registry.push("team/train:1", {.exec = [exec](const auto&) { return exec; }});
    host = world.add_host("h1");
    const auto made =
        world.call(Method::post, "/v1/pods", R"({"imageName":"team/train:1","name":"p","computeType":"CPU"})");
    EXPECT_EQ(made.status, 201) << made.body;
    pod = std::string(parsed(made.body)["id"].as_string());
    world.run_for(1min);
    EXPECT_EQ(parsed(world.call(Method::get, "/v1/pods/" + pod).body)["status"], "running");
  }
  const engine::FakeExecRun& only() {
    EXPECT_EQ(world.engine(host).execs().size(), 1u);
    return world.engine(host).execs().at(0);
  }
  World world;
  HostId host;
  std::string pod;
};

TEST(Exec, WhatIsTypedIsEchoedAndTheExitCodeComesLast) {
  Scene scene(1, {.exit_code = 3});
  Client client(scene.world, scene.pod, "command=cat&tty=true&cols=80&rows=24");
  client.type("echo 한글\n");
  client.run(2s);
  EXPECT_EQ(client.received, "echo 한글\n");
  EXPECT_EQ(scene.only().columns, 80);
  client.end_input();
  client.run(10s);
  EXPECT_EQ(client.exit, 3);
}

TEST(Exec, WhoMayNotIsRefused) {
  Scene scene(2);
  const auto target = "/v1/pods/" + scene.pod + "/exec?command=sh";
  EXPECT_EQ(scene.world.open(target, "", scene.world.new_key(Scope::read)).status, 403);
  EXPECT_EQ(scene.world.open(target, "", scene.world.stranger_key()).status, 404);
  EXPECT_EQ(parsed(scene.world.call(Method::get, target).body)["code"], "upgrade_required");
  EXPECT_EQ(parsed(scene.world.open("/v1/pods/" + scene.pod + "/exec", "").body)["field"], "command");
  EXPECT_EQ(parsed(scene.world.open(target + "&container=nosuch", "").body)["field"], "container");
  ASSERT_EQ(scene.world.call(Method::post, "/v1/pods/" + scene.pod + "/stop").status, 200);
  scene.world.run_for(30s);
  const auto stopped = scene.world.open(target, "");
  EXPECT_EQ(stopped.status, 409);
  EXPECT_EQ(parsed(stopped.body)["code"], "pod_not_running") << stopped.body;
  EXPECT_TRUE(scene.world.engine(scene.host).execs().empty());
}

TEST(Exec, AnotherPodsSessionIsNotResumed) {
  Scene scene(3);
  Client first(scene.world, scene.pod, "command=cat");
  first.run(2s);
  ASSERT_FALSE(first.session.empty());
  const auto made = scene.world.call(Method::post, "/v1/pods", R"({"imageName":"team/train:1","computeType":"CPU"})");
  const auto other = std::string(parsed(made.body)["id"].as_string());
  scene.world.run_for(1min);
  Client thief(scene.world, other, "session=" + first.session + "&from=0");
  thief.run(5s);
  EXPECT_EQ(thief.error, "exec_session_gone");
}

TEST(Exec, AnAgentThatRestartsEndsTheSessionWithAReason) {
  Scene scene(4);
  Client client(scene.world, scene.pod, "command=cat");
  client.type("before");
  client.run(2s);
  scene.world.crash_agent(scene.host);
  client.run(3s);
  scene.world.restart_agent(scene.host);
  client.run(1min);
  EXPECT_EQ(client.received, "before");
  EXPECT_EQ(client.error, "exec_session_gone");
}

TEST(Exec, ASessionLeftAloneIsGivenUpAfterFiveMinutesAndNotBefore) {
  Scene scene(5);
  Client client(scene.world, scene.pod, "command=cat");
  client.run(2s);
  client.hang_up();
  scene.world.run_for(4min + 50s);
  EXPECT_TRUE(scene.only().running);
  client.run(2s);  // back in time: the five minutes begin anew
  client.hang_up();
  scene.world.run_for(4min + 50s);
  EXPECT_TRUE(scene.only().running);
  scene.world.run_for(30s);
  EXPECT_FALSE(scene.only().running);
  EXPECT_TRUE(scene.only().given_up);
  client.run(5s);
  EXPECT_EQ(client.error, "exec_session_gone");
}

TEST(Exec, AProgramOfAKilledAgentEndsFiveMinutesAfterItIsBackAndNotBefore) {
  Scene scene(9);
  Client client(scene.world, scene.pod, "command=cat&tty=true");
  client.type("before");
  client.run(2s);
  scene.world.crash_agent(scene.host);
  scene.world.run_for(10min);
  EXPECT_TRUE(scene.only().running) << "nobody is there who could end it";
  scene.world.restart_agent(scene.host);
  scene.world.run_for(4min + 50s);
  EXPECT_TRUE(scene.only().running);
  scene.world.run_for(20s);
  EXPECT_FALSE(scene.only().running);
  EXPECT_TRUE(scene.only().given_up);
}

TEST(Exec, AnAgentThatIsKilledAgainAndAgainDoesNotProlongWhatItLeftBehind) {
  Scene scene(10);
  Client client(scene.world, scene.pod, "command=cat&tty=true");
  client.run(2s);
  for (int i = 0; i < 3; ++i) {
    scene.world.crash_agent(scene.host);
    scene.world.restart_agent(scene.host);
    scene.world.run_for(1min + 30s);
    EXPECT_TRUE(scene.only().running);
  }
  scene.world.crash_agent(scene.host);
  scene.world.restart_agent(scene.host);
  scene.world.run_for(1min);
  EXPECT_FALSE(scene.only().running);
}

TEST(Exec, AProgramThatTheEngineCouldNotEndIsEndedWhenItCan) {
  Scene scene(11);
  Client client(scene.world, scene.pod, "command=cat&tty=true");
  client.run(2s);
  scene.world.crash_agent(scene.host);
  scene.world.restart_agent(scene.host);
  scene.world.engine(scene.host).down();
  scene.world.run_for(10min);
  EXPECT_TRUE(scene.only().running);
  scene.world.engine(scene.host).up();
  scene.world.run_for(2min);
  EXPECT_FALSE(scene.only().running);
}

TEST(Exec, WhatIsLeftBehindIsBounded) {
  Scene scene(13);
  std::string refused;
  for (int round = 0; round < 5 && refused.empty(); ++round) {  // none of them is given up within these minutes
    std::vector<std::unique_ptr<Client>> clients;
    for (int i = 0; i < 30 && refused.empty(); ++i) {
      clients.push_back(std::make_unique<Client>(scene.world, scene.pod, "command=cat"));
      clients.back()->run(1s);
      refused = clients.back()->error;
    }
    scene.world.crash_agent(scene.host);
    scene.world.restart_agent(scene.host);
    scene.world.run_for(20s);
  }
  EXPECT_EQ(refused, "too_many_exec_sessions");
  EXPECT_LE(scene.world.engine(scene.host).execs().size(), 64u + 30u);
}

TEST(Exec, AProgramThatEndedByItselfIsForgotten) {
  Scene scene(12, {.exit_code = 0});
  for (int i = 0; i < 200; ++i) {  // more than may be left behind
    Client client(scene.world, scene.pod, "command=cat");
    client.end_input();
    client.run(5s);
    ASSERT_EQ(client.exit, 0) << i << " " << client.error;
    scene.world.run_for(20s);
  }
  scene.world.crash_agent(scene.host);
  scene.world.restart_agent(scene.host);
  scene.world.run_for(10min);
  for (const auto& run : scene.world.engine(scene.host).execs()) EXPECT_FALSE(run.given_up);
}

TEST(Exec, OutputThatNobodySeesHoldsTheProgramBackAndIsThereLater) {
  std::string much;
  for (int i = 0; much.size() < 2'000'000; ++i) much += std::to_string(i) + "\n";
  Scene scene(6, {.output = much, .echoes = false});
  Client client(scene.world, scene.pod, "command=cat");
  client.run(500ms);
  client.hang_up();
  scene.world.run_for(2min);
  client.end_input();
  client.run(5min);
  EXPECT_TRUE(client.received == much) << client.received.size();
  EXPECT_EQ(client.exit, 0);
}

TEST(Exec, TheSizeOfTheWindowArrivesAtLast) {
  Scene scene(7, {.echoes = false});
  const auto opened = scene.world.open("/v1/pods/" + scene.pod + "/exec?command=sh&tty=true&cols=80&rows=24", "");
  ASSERT_EQ(opened.status, 101);
  scene.world.run_for(1s);
  scene.world.set_link_faults({.drop = 0.7, .duplicate = 0.3, .latency_max = 1s});
  opened.web_socket->deliver({true, R"({"resize":{"cols":100,"rows":30}})"});
  opened.web_socket->deliver({true, R"({"resize":{"cols":120,"rows":40}})"});
  scene.world.run_for(2min);
  EXPECT_EQ(scene.only().columns, 120);
  EXPECT_EQ(scene.only().rows, 40);
}

TEST(Exec, WhatTheServerDoesNotUnderstandClosesTheConnection) {
  for (const auto* words : {"{}x", "[]", R"({"resize":{"cols":0,"rows":1}})", R"({"seen":99})", R"({"seen":-1})"}) {
    Scene scene(8);
    const auto opened = scene.world.open("/v1/pods/" + scene.pod + "/exec?command=cat", "gyre.exec.v1");
    ASSERT_EQ(opened.status, 101);
    opened.web_socket->deliver({true, words});
    scene.world.run_for(2s);
    http::WebSocket::Out out;
    do out = opened.web_socket->take();
    while (out.message);
    ASSERT_TRUE(out.close) << words;
    EXPECT_EQ(out.close->first, http::close_policy) << words;
  }
}

TEST(Exec, EveryByteArrivesOnceWhateverHappensToTheLinkTheServerAndTheClient) {
  for (std::uint64_t seed = 100; seed < 125; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Scene scene(seed);
    SimRandom dice(seed ^ 0xec5);
    scene.world.set_link_faults({.drop = static_cast<double>(dice.below(4)) * 0.1,
                                 .duplicate = static_cast<double>(dice.below(4)) * 0.1,
                                 .latency_max = Duration(50 + dice.below(2'000))});
    Client client(scene.world, scene.pod, "command=cat");
    // The answer that the session has begun must arrive once: without an id there is nothing to resume.
    client.run(3s);
    for (int tries = 0; client.session.empty() && tries < 100; ++tries) client.run(1s);
    ASSERT_FALSE(client.session.empty());
    std::string sent;
    for (int i = 0; i < 60; ++i) {
      std::string piece = "<" + std::to_string(i) + ">" + dice.bytes(dice.below(dice.below(10) == 0 ? 60'000 : 2'000));
      sent += piece;
      client.type(piece);
      switch (dice.below(12)) {
        case 0:
          client.hang_up();
          break;
        case 1:
          client.hang_up();  // its connection goes with the server
          scene.world.crash_server();
          scene.world.run_for(Duration(100 + dice.below(20'000)));
          scene.world.restart_server();
          break;
        case 2:
          scene.world.cut_link(scene.host, true);
          client.run(Duration(100 + dice.below(20'000)));
          scene.world.cut_link(scene.host, false);
          break;
        default:
          break;
      }
      client.run(Duration(dice.below(2'000)));
    }
    client.end_input();
    scene.world.heal();
    client.run(5min);
    EXPECT_EQ(client.error, "");
    EXPECT_EQ(client.exit, 0);
    EXPECT_TRUE(scene.only().input == sent) << scene.only().input.size() << " of " << sent.size();
    EXPECT_TRUE(client.received == sent) << client.received.size() << " of " << sent.size();
    if (testing::Test::HasFailure()) return;
  }
}

}  // namespace
}  // namespace gyre::sim
