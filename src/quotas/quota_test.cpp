#include "quotas/quota.hpp"

#include <gtest/gtest.h>

#include <random>

#include "base/enum_text.hpp"
#include "db/migrations.hpp"
#include "db/test_database.hpp"
#include "quotas/quota_store.hpp"

namespace gyre {
namespace {

constexpr Time start{std::chrono::milliseconds{1'700'000'000'000}};

TEST(QuotaRequestLife, WhateverIsAskedOfARequestTheFirstDecisionStands) {
  std::mt19937 dice(7);
  for (int round = 0; round < 2000; ++round) {
    QuotaRequest request;
    request.id = QuotaRequestId("r");
    std::optional<QuotaRequest> decided;
    for (int step = 0; step < 6; ++step) {
      const auto event = static_cast<QuotaRequestEvent>(dice() % 3);
      const auto moved = apply(request, event, start + Duration(step), AccountId("a" + std::to_string(step)), "words");
      ASSERT_EQ(moved.has_value(), !decided) << step;
      if (decided) {
        ASSERT_EQ(moved.error().reason, Reason::quota_request_decided);
        ASSERT_EQ(request.state, decided->state);
        ASSERT_EQ(request.decided_by, decided->decided_by);
        ASSERT_EQ(request.decided_at, decided->decided_at);
      } else {
        ASSERT_EQ(request.state, next_state(QuotaRequestState::PENDING, event));
        ASSERT_NE(request.state, QuotaRequestState::PENDING);
        decided = request;
      }
    }
  }
}

TEST(QuotaGrantLife, CountsFromItsStartUntilItsEndUnlessRevoked) {
  QuotaGrant grant;
  grant.starts_at = start;
  grant.ends_at = start + 1h;
  EXPECT_FALSE(grant.counts(start - 1ms));
  EXPECT_TRUE(grant.counts(start));
  EXPECT_TRUE(grant.counts(start + 1h - 1ms));
  EXPECT_FALSE(grant.counts(start + 1h));
  grant.over = true;
  EXPECT_FALSE(grant.counts(start));
}

class QuotaStoreTest : public testing::TestWithParam<db::Backend> {
 protected:
  void SetUp() override {
    if (!database_.available()) GTEST_SKIP() << db::no_postgres;
    db_ = database_.connect();
    db::migrate(*db_);
    store_.emplace(*db_);
  }

  MachineType type(const std::string& name) {
    MachineType made;
    made.id = MachineTypeId("id-" + name);
    made.workspace = WorkspaceId("operator");
    made.name = name;
    made.gpu_type = "NVIDIA A40";
    made.gpu_count = 1;
    made.vcpus = 4;
    made.memory_gb = 16;
    made.created_at = start;
    store_->insert(made);
    return made;
  }
  QuotaRequest request(const std::string& id, const MachineType& of, const std::string& workspace,
                       Duration after = {}) {
    QuotaRequest made;
    made.id = QuotaRequestId(id);
    made.workspace = WorkspaceId(workspace);
    made.account = AccountId("kim");
    made.machine_type = of.id;
    made.amount = 2;
    made.starts_at = start;
    made.ends_at = start + 24h;
    made.why = "thesis";
    made.created_at = start + after;
    store_->insert(made);
    return made;
  }
  QuotaGrant grant(const std::string& id, const MachineType& of, const std::string& workspace, int amount, Time from,
                   Time until) {
    QuotaGrant made;
    made.id = QuotaGrantId(id);
    made.workspace = WorkspaceId(workspace);
    made.machine_type = of.id;
    made.amount = amount;
    made.starts_at = from;
    made.ends_at = until;
    made.granted_by = AccountId("operator");
    made.created_at = start;
    store_->insert(made);
    return made;
  }

  db::TestDatabase database_{GetParam()};
  std::unique_ptr<db::Connection> db_;
  std::optional<QuotaStore> store_;
};

TEST_P(QuotaStoreTest, AMachineTypeIsReadBackAndItsNameIsFreeOnceItIsRetired) {
  auto small = type("g2.small");
  EXPECT_EQ(store_->find(small.id)->gpu_type, "NVIDIA A40");
  EXPECT_EQ(store_->by_name("g2.small")->id, small.id);
  EXPECT_THROW(
      {
        auto other = small;
        other.id = MachineTypeId("other");
        store_->insert(other);
      },
      db::DbError);
  small.retired_at = start;
  store_->update(small);
  EXPECT_FALSE(store_->by_name("g2.small"));
  EXPECT_TRUE(store_->machine_types().empty());
  EXPECT_TRUE(store_->find(small.id)) << "requests and pods still name it";
  auto successor = small;
  successor.id = MachineTypeId("successor");
  successor.retired_at.reset();
  store_->insert(successor);
  EXPECT_EQ(store_->by_name("g2.small")->id, successor.id);
}

TEST_P(QuotaStoreTest, AStaleWriteIsRefused) {
  auto small = type("g2.small");
  auto stale = small;
  store_->update(small);
  EXPECT_THROW(store_->update(stale), db::DbError);
  auto one = request("r1", small, "w1");
  auto old = one;
  store_->update(one);
  EXPECT_THROW(store_->update(old), db::DbError);
}

TEST_P(QuotaStoreTest, RequestsAreListedByWorkspaceNewestFirstAndPageByPage) {
  const auto small = type("g2.small");
  for (int i = 0; i < 5; ++i) request("r" + std::to_string(i), small, i % 2 == 0 ? "w1" : "w2", Duration(i / 2));
  const auto ids = [](const std::vector<QuotaRequest>& list) {
    std::string out;
    for (const auto& one : list) out += one.id.str();
    return out;
  };
  EXPECT_EQ(ids(store_->requests(std::nullopt, Time::max(), "", 10)), "r4r3r2r1r0");
  EXPECT_EQ(ids(store_->requests(WorkspaceId("w1"), Time::max(), "", 10)), "r4r2r0");
  EXPECT_EQ(ids(store_->requests(WorkspaceId("w1"), Time::max(), "", 2)), "r4r2");
  EXPECT_EQ(ids(store_->requests(WorkspaceId("w1"), start + Duration(1), "r2", 2)), "r0");
  EXPECT_EQ(ids(store_->requests(std::nullopt, start + Duration(1), "r3", 2)), "r2r1");
  EXPECT_EQ(store_->pending(WorkspaceId("w1")), 3);
}

TEST_P(QuotaStoreTest, OnlyGrantsOfNowAndOfTheWorkspaceAddUp) {
  const auto small = type("g2.small"), large = type("g2.large");
  grant("past", small, "w1", 1, start - 2h, start);
  grant("now", small, "w1", 2, start - 1h, start + 1h);
  grant("also", small, "w1", 4, start, start + 2h);
  grant("later", small, "w1", 8, start + 1ms, start + 2h);
  grant("large", large, "w1", 16, start, start + 1h);
  grant("elsewhere", small, "w2", 32, start, start + 1h);
  EXPECT_EQ(store_->granted(WorkspaceId("w1"), small.id, start), 6);
  EXPECT_EQ(store_->granted(WorkspaceId("w1"), small.id, start + 1h), 12);
  EXPECT_EQ(store_->granted(WorkspaceId("w1"), small.id, start + 2h), 0);
  EXPECT_EQ(store_->ended(start, 10).size(), 1u);
  EXPECT_EQ(store_->open(small.id), 5) << "the one that ended is not told yet";
  store_->end(QuotaGrantId("also"));
  EXPECT_EQ(store_->granted(WorkspaceId("w1"), small.id, start), 2);
  store_->end(QuotaGrantId("past"));
  EXPECT_TRUE(store_->ended(start, 10).empty()) << "told once";
  EXPECT_EQ(store_->grants(WorkspaceId("w1")).size(), 3u);
}

GYRE_TEST_ON_EVERY_DATABASE(QuotaStoreTest);

}  // namespace
}  // namespace gyre
