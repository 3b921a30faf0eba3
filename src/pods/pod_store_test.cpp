#include "pods/pod_store.hpp"

#include <gtest/gtest.h>

#include "db/test_database.hpp"

namespace gyre {
namespace {

class PodStoreTest : public testing::TestWithParam<db::Backend> {
 protected:
  db::TestDatabase database_{GetParam()};
};

TEST_P(PodStoreTest, ABidIsKeptToTheMillionthAndFoundByIt) {
  if (!database_.available()) GTEST_SKIP() << db::no_postgres;
  const auto db = database_.connect();
  db::migrate(*db);
  PodStore store(*db);
  Pod pod;
  pod.workspace = WorkspaceId("w");
  pod.account = AccountId("a");
  pod.state = PodState::running;
  for (const auto& [id, bid] :
       {std::pair("demand", std::optional<Money>()), {"nothing", Money()}, {"exact", Money::parse("0.123456")}}) {
    pod.id = PodId(id);
    pod.bid = bid;
    store.insert(pod);
    EXPECT_EQ(store.find(pod.id)->bid, bid) << id;
  }
  auto raised = store.find(PodId("exact")).value();
  raised.bid = Money::micros(99'999'999'999);
  store.update(raised);
  EXPECT_EQ(store.find(raised.id)->bid, raised.bid);
  std::vector<std::string> spot;
  for (const auto& one : store.spot_in(PodState::running)) spot.push_back(one.id.str());
  EXPECT_EQ(spot, (std::vector<std::string>{"exact", "nothing"}));
  EXPECT_TRUE(store.spot_in(PodState::stopped).empty());
}
GYRE_TEST_ON_EVERY_DATABASE(PodStoreTest);

}  // namespace
}  // namespace gyre
