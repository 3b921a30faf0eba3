// The order for a tunnel, in virtual time: who is asked, who is told what, and that nobody waits for ever.
#include "edge/tunnels.hpp"

#include <gtest/gtest.h>

#include "sim/sim_runtime.hpp"

namespace gyre::edge {
namespace {

class NoBytes final : public link::Carry {
 public:
  void attach(Events) override {}
  void read() override {}
  void write(std::string, bool) override {}
  void cancel() override { ++cancelled; }
  int cancelled = 0;
};

class Ends final : public link::AgentLink, public link::CarryDesk {
 public:
  void send(const HostId& host, link::ServerMessage message) override { sent.emplace_back(host, std::move(message)); }
  bool connected(const HostId&) const override { return up; }
  void disconnect(const HostId&) override {}
  void expect(const HostId&, const std::string& token, Arrived arrived) override {
    expected[token] = std::move(arrived);
  }
  void forget(const std::string& token) override { expected.erase(token); }

  bool up = true;
  std::vector<std::pair<HostId, link::ServerMessage>> sent;
  std::map<std::string, Arrived> expected;
};

class TunnelsTest : public testing::Test {
 protected:
  std::shared_ptr<std::optional<Result<std::shared_ptr<link::Carry>>>> ask() {
    auto out = std::make_shared<std::optional<Result<std::shared_ptr<link::Carry>>>>();
    tunnels.open(route, [out](auto outcome) {
      EXPECT_FALSE(out->has_value()) << "told twice";
      *out = std::move(outcome);
    });
    runtime.run_for(10ms);
    return out;
  }
  sim::SimRuntime runtime{1};
  std::unique_ptr<db::Connection> database = db::open("sqlite::memory:");
  Core core{runtime, *database};
  Ends ends;
  Tunnels tunnels{core, ends, ends};
  RouteTable table;
  std::shared_ptr<const Route> route = [this] {
    table.set(PodId("p"), WorkspaceId("w"), HostId("h"), {{8888, 30'000, ""}});
    return table.find("p", 8888);
  }();
};

TEST_F(TunnelsTest, TheHostOfThePodIsAskedAndItsCarryHandedOver) {
  const auto outcome = ask();
  ASSERT_EQ(ends.sent.size(), 1u);
  EXPECT_EQ(ends.sent[0].first, HostId("h"));
  const auto order = std::get<link::TunnelOpen>(ends.sent[0].second);
  EXPECT_EQ(order.pod, PodId("p"));
  EXPECT_EQ(order.container_port, 8888);
  EXPECT_FALSE(outcome->has_value());
  const auto carry = std::make_shared<NoBytes>();
  ends.expected.at(order.token)(std::static_pointer_cast<link::Carry>(carry));
  ASSERT_TRUE(outcome->has_value());
  EXPECT_EQ(outcome->value().value(), carry);
  runtime.run_for(1h);
  EXPECT_EQ(tunnels.waiting(), 0u);
  EXPECT_EQ(carry->cancelled, 0);
}

TEST_F(TunnelsTest, EveryTokenIsAnother) {
  ask();
  ask();
  EXPECT_NE(std::get<link::TunnelOpen>(ends.sent.at(0).second).token,
            std::get<link::TunnelOpen>(ends.sent.at(1).second).token);
  EXPECT_EQ(std::get<link::TunnelOpen>(ends.sent.at(0).second).token.size(), 32u);
}

TEST_F(TunnelsTest, AnAgentThatDoesNotAnswerIsNotWaitedForForEver) {
  const auto outcome = ask();
  runtime.run_for(9s);
  EXPECT_FALSE(outcome->has_value());
  runtime.run_for(2s);
  ASSERT_TRUE(outcome->has_value());
  EXPECT_EQ(outcome->value().error().reason, Reason::tunnel_not_possible);
  EXPECT_TRUE(ends.expected.empty());  // a late one finds nobody
  EXPECT_EQ(tunnels.waiting(), 0u);
}

TEST_F(TunnelsTest, AHostWithoutConnectionIsSaidAtOnce) {
  ends.up = false;
  const auto outcome = ask();
  ASSERT_TRUE(outcome->has_value());
  EXPECT_EQ(outcome->value().error().reason, Reason::pod_host_unreachable);
  EXPECT_TRUE(ends.sent.empty());
}

TEST_F(TunnelsTest, OnlySoManyWaitForOneHost) {
  for (int i = 0; i < Tunnels::waiting_per_host_max; ++i) ask();
  const auto outcome = ask();
  ASSERT_TRUE(outcome->has_value());
  EXPECT_EQ(outcome->value().error().reason, Reason::too_many_tunnels);
}

TEST_F(TunnelsTest, TheAgentsRefusalIsHandedOn) {
  const auto outcome = ask();
  ends.expected.begin()->second(fail(Reason::tunnel_not_possible, {{"detail", "connection refused"}}));
  ASSERT_TRUE(outcome->has_value());
  EXPECT_EQ(outcome->value().error().args.at(0).second, "connection refused");
}

}  // namespace
}  // namespace gyre::edge
