// The route table: what readers see while the core changes it, and what was used.
#include "edge/routes.hpp"

#include <gtest/gtest.h>

#include <thread>

#include "db/test_database.hpp"
#include "edge/usage_store.hpp"

namespace gyre::edge {
namespace {

const WorkspaceId workspace("w");
const HostId host("h");

TEST(Routes, AreThereFromTheirChangeOnAndNotAfterwards) {
  RouteTable table;
  EXPECT_EQ(table.find("p", 80), nullptr);
  table.set(PodId("p"), workspace, host, {{80, 30'000, "127.0.0.1"}, {81, 30'001, ""}});
  const auto route = table.find("p", 80);
  ASSERT_NE(route, nullptr);
  EXPECT_EQ(route->host_port, 30'000);
  EXPECT_EQ(route->address, "127.0.0.1");
  EXPECT_EQ(table.find("p", 82), nullptr);
  EXPECT_EQ(table.find("q", 80), nullptr);
  table.set(PodId("p"), workspace, host, {{80, 30'002, ""}});
  EXPECT_EQ(table.find("p", 81), nullptr);
  EXPECT_EQ(table.find("p", 80)->pod_use, route->pod_use);  // counted on
  table.set(PodId("p"), workspace, host, {});
  EXPECT_EQ(table.find("p", 80), nullptr);
  EXPECT_EQ(route->host_port, 30'000);  // who holds one keeps it
}

TEST(Routes, ThatDidNotChangeStayTheSame) {  // or idle connections to them would be lost with every report
  RouteTable table;
  table.set(PodId("p"), workspace, host, {{80, 1, ""}});
  const auto before = table.find("p", 80);
  table.set(PodId("p"), workspace, host, {{80, 1, ""}});
  EXPECT_EQ(table.find("p", 80), before);
  table.set(PodId("p"), workspace, HostId("other"), {{80, 1, ""}});
  EXPECT_NE(table.find("p", 80), before);
}

TEST(Routes, AreFoundByReadersWhileOthersChange) {
  RouteTable table;
  for (int i = 0; i < 1000; ++i) table.set(PodId("p" + std::to_string(i)), workspace, host, {{80, i + 1, ""}});
  std::atomic<bool> over = false;
  std::atomic<int> missed = 0, found = 0;
  std::vector<std::thread> readers;
  for (int i = 0; i < 2; ++i)
    readers.emplace_back([&, i] {
      for (int at = i; !over || found < 1000; at = (at + 7) % 500) {
        const auto route = table.find("p" + std::to_string(at), 80);
        if (!route || route->host_port != at + 1) ++missed;
        ++found;
      }
    });
  for (int change = 0; change < 5000; ++change)
    table.set(PodId("p" + std::to_string(500 + change % 500)), workspace, host, {{80, change + 1, ""}});
  over = true;
  for (auto& reader : readers) reader.join();
  EXPECT_EQ(missed, 0);
  EXPECT_GE(found, 1000);
}

TEST(Use, IsToldOnceAndSurvivesTheEndOfItsPod) {
  RouteTable table;
  table.set(PodId("p"), workspace, host, {{80, 1, ""}});
  EXPECT_TRUE(table.unwritten_use().empty());
  auto route = table.find("p", 80);
  route->pod_use->bytes_out += 7;
  table.set(PodId("p"), workspace, host, {});
  auto use = table.unwritten_use();
  ASSERT_EQ(use.size(), 1u);
  EXPECT_EQ(use[0].bytes_out, 7);
  EXPECT_EQ(use[0].workspace, workspace);
  EXPECT_EQ(table.unwritten_use().size(), 1u);  // not written yet: told again
  table.written(use);
  EXPECT_TRUE(table.unwritten_use().empty());
  EXPECT_EQ(table.pods(), 1u);  // a connection is still open
  route->pod_use->bytes_in += 3;
  route.reset();
  use = table.unwritten_use();
  ASSERT_EQ(use.size(), 1u);
  EXPECT_EQ(use[0].bytes_in, 3);
  table.written(use);
  EXPECT_EQ(table.pods(), 0u);
}

class UsageStoreTest : public testing::TestWithParam<db::Backend> {
 protected:
  void SetUp() override {
    if (!database_.available()) GTEST_SKIP() << db::no_postgres;
    connection_ = database_.connect();
    db::migrate(*connection_);
  }
  db::TestDatabase database_{GetParam()};
  std::unique_ptr<db::Connection> connection_;
};

TEST_P(UsageStoreTest, AddsUpByHourAndForgetsOldOnes) {
  UsageStore store(*connection_);
  const Time noon(std::chrono::hours(100));
  store.add({PodId("p"), workspace, 1, 2, 1}, noon + 1min);
  store.add({PodId("p"), workspace, 10, 20, 3}, noon + 59min);
  store.add({PodId("p"), workspace, 5, 6, 1}, noon + 60min);
  store.add({PodId("q"), workspace, 1, 1, 1}, noon);
  const auto rows = store.of_pod(workspace, PodId("p"));
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].hour, noon);
  EXPECT_EQ(rows[0].bytes_in, 11);
  EXPECT_EQ(rows[0].bytes_out, 22);
  EXPECT_EQ(rows[0].requests, 4);
  EXPECT_EQ(rows[1].bytes_in, 5);
  EXPECT_TRUE(store.of_pod(WorkspaceId("other"), PodId("p")).empty());
  EXPECT_EQ(store.remove_before(noon + 1h, 1), 1);
  EXPECT_EQ(store.remove_before(noon + 1h, 10), 1);
  EXPECT_EQ(store.of_pod(workspace, PodId("p")).size(), 1u);
}
GYRE_TEST_ON_EVERY_DATABASE(UsageStoreTest);

}  // namespace
}  // namespace gyre::edge
