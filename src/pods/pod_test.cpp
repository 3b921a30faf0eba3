#include "pods/pod.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "base/enum_text.hpp"
#include "db/test_database.hpp"
#include "fleet/host_store.hpp"
#include "pods/pod_store.hpp"
#include "pods/pod_wish.hpp"

namespace gyre {
namespace {

// The picture in README.md is this table, printed: it is never wrong.
std::string picture() {
  std::ostringstream out;
  for (const auto& row : pod_transitions)
    out << "| " << enum_text(row.from) << " | " << enum_text(row.event) << " | " << enum_text(row.to) << " |\n";
  return out.str();
}

TEST(PodLife, TheReadmeShowsTheTableAsItIs) {
  std::ifstream file("src/pods/README.md");
  std::stringstream text;
  text << file.rdbuf();
  EXPECT_NE(text.str().find(picture()), std::string::npos) << "put this table into src/pods/README.md:\n" << picture();
}

TEST(PodLife, WhatIsNotInTheTableIsRefusedAndChangesNothing) {
  boost::mp11::mp_for_each<boost::describe::describe_enumerators<PodState>>([](auto state) {
    boost::mp11::mp_for_each<boost::describe::describe_enumerators<PodEvent>>([&](auto event) {
      Pod pod;
      pod.id = PodId("p");
      pod.state = state.value;
      pod.queue_order = 7;
      const auto moved = apply(pod, event.value, Time(Duration(5)), {Reason::started, {{"a", "b"}}, {}});
      const auto to = next_state(state.value, event.value);
      EXPECT_EQ(moved.has_value(), to.has_value());
      EXPECT_EQ(pod.state, to.value_or(state.value));
      EXPECT_EQ(pod.reason, to ? "started" : "");
      if (to) {
        EXPECT_EQ(pod.queue_order.has_value(), *to == PodState::queued) << "only who waits has a place in the queue";
      } else {
        EXPECT_EQ(moved.error().reason, Reason::pod_transition_refused);
      }
    });
  });
}

TEST(PodLife, NothingComesBackFromDeletedAndEverythingCanGetThere) {
  EXPECT_EQ(allowed_verbs(PodState::deleted), "-");
  EXPECT_EQ(allowed_verbs(PodState::running), "restart, stop, delete");
  EXPECT_EQ(allowed_verbs(PodState::stopped), "start, delete");
  boost::mp11::mp_for_each<boost::describe::describe_enumerators<PodState>>([](auto state) {
    if (state.value == PodState::deleted || state.value == PodState::deleting) return;
    EXPECT_TRUE(next_state(state.value, PodEvent::remove) || next_state(state.value, PodEvent::remove_now))
        << state.name;
  });
}

class StoreTest : public testing::TestWithParam<db::Backend> {
 protected:
  void SetUp() override {
    if (!database.available()) GTEST_SKIP() << db::no_postgres;
    db = database.connect();
    db::migrate(*db);
  }
  Host host(const std::string& id) {
    Host out;
    out.id = HostId(id);
    out.workspace = WorkspaceId("w1");
    out.name = id;
    out.cpus = 7.5;
    out.created_at = Time(Duration(1'000));
    HostStore(*db).insert(out);
    return out;
  }
  Pod pod(const std::string& id, Time created = Time(Duration(1'000))) {
    Pod out;
    out.id = PodId(id);
    out.workspace = WorkspaceId("w1");
    out.account = AccountId("a1");
    out.name = "이름 \"x\"";
    out.wish = wish_to_text(wish);
    out.created_at = out.state_changed_at = created;
    PodStore(*db).insert(out);
    return out;
  }

  db::TestDatabase database{GetParam()};
  std::unique_ptr<db::Connection> db;
  PodWish wish{
      .containers = {
          {.name = "main", .image = "ubuntu", .entrypoint = {}, .command = {{"sleep", "1"}}, .env = {{"A", "b"}}}}};
};

TEST_P(StoreTest, APodComesBackAsItWasWritten) {
  host("h1");
  auto written = pod("p1");
  written.state = PodState::running;
  written.reason = "started";
  written.reason_until = Time(Duration(77));
  written.generation = 1'000'000'000'000;
  written.host = HostId("h1");
  written.zero_gpu = true;
  written.started_at = Time(Duration(5));
  PodStore(*db).update(written);
  const auto read = PodStore(*db).find(PodId("p1")).value();
  EXPECT_EQ(read.name, "이름 \"x\"");
  EXPECT_EQ(read.state, PodState::running);
  EXPECT_EQ(read.reason_until, written.reason_until);
  EXPECT_EQ(read.generation, written.generation);
  EXPECT_EQ(read.host, written.host);
  EXPECT_TRUE(read.zero_gpu);
  EXPECT_EQ(read.version, 1);
  const auto wished = wish_from_text(read.wish);
  EXPECT_EQ(wished.containers.front().command, (std::vector<std::string>{"sleep", "1"}));
  EXPECT_FALSE(wished.containers.front().entrypoint);
}

TEST_P(StoreTest, AStaleWriteOfAPodThrows) {
  auto one = pod("p1");
  auto two = one;
  PodStore(*db).update(one);
  EXPECT_THROW(PodStore(*db).update(two), db::DbError);
}

TEST_P(StoreTest, ListsAreOfOneWorkspaceNewestFirstWithoutWhatIsDeleted) {
  auto old = pod("p1", Time(Duration(1)));
  pod("p2", Time(Duration(2)));
  auto gone = pod("p3", Time(Duration(3)));
  gone.state = PodState::deleting;
  PodStore(*db).update(gone);
  const auto listed = PodStore(*db).list(WorkspaceId("w1"), Time::max(), "", 10);
  ASSERT_EQ(listed.size(), 2u);
  EXPECT_EQ(listed[0].id, PodId("p2"));
  EXPECT_EQ(PodStore(*db).list(WorkspaceId("w1"), listed[0].created_at, "p2", 10).size(), 1u);
  EXPECT_TRUE(PodStore(*db).list(WorkspaceId("w2"), Time::max(), "", 10).empty());
  EXPECT_EQ(PodStore(*db).count(WorkspaceId("w1")), 3);
}

TEST_P(StoreTest, TheQueueIsInTheOrderOfItsPlaces) {
  std::int64_t place = 0;
  for (const char* id : {"p2", "p1", "p3"}) {
    auto waiting = pod(id);
    waiting.queue_order = ++place;
    waiting.state = PodState::queued;
    PodStore(*db).update(waiting);
  }
  std::string order;
  for (const auto& waiting : PodStore(*db).queue()) order += waiting.id.str();
  EXPECT_EQ(order, "p2p1p3");
}

TEST_P(StoreTest, AGpuIsHeldByOnePodAllOrNothing) {
  host("h1");
  HostStore store(*db);
  for (const char* uuid : {"g1", "g2", "g3"})
    store.save_gpu({HostId("h1"), uuid, 0, "NVIDIA A40", "", 48, false, true, {}});
  EXPECT_TRUE(store.hold_gpus(HostId("h1"), {"g1", "g2"}, PodId("p1")));
  EXPECT_FALSE(store.hold_gpus(HostId("h1"), {"g3", "g2"}, PodId("p2")));
  EXPECT_EQ(store.gpus_of(PodId("p1")), (std::vector<std::string>{"g1", "g2"}));
  EXPECT_TRUE(store.gpus_of(PodId("p2")).empty());
  // The agent shows its GPUs again: who holds them stays; one that is gone is not given out, and is kept while held.
  store.save_gpu({HostId("h1"), "g1", 0, "NVIDIA A40", "", 48, false, true, {}});
  store.gpu_absent(HostId("h1"), "g2");
  store.gpu_absent(HostId("h1"), "g3");
  EXPECT_EQ(store.gpus_of(PodId("p1")).size(), 2u);
  EXPECT_EQ(store.gpus(HostId("h1")).size(), 2u);
  store.release(PodId("p1"));
  EXPECT_FALSE(store.hold_gpus(HostId("h1"), {"g2"}, PodId("p2"))) << "it is not there";
}

TEST_P(StoreTest, SharesAndDiskEndApart) {
  host("h1");
  HostStore store(*db);
  store.allocate({PodId("p1"), HostId("h1"), 1.5, 100, 200});
  store.release_shares(PodId("p1"));
  EXPECT_EQ(store.allocation(PodId("p1"))->vcpus, 0);
  EXPECT_EQ(store.allocation(PodId("p1"))->disk_bytes, 200);
  EXPECT_EQ(store.pods_on(HostId("h1")), 1);
  store.release(PodId("p1"));
  EXPECT_EQ(store.pods_on(HostId("h1")), 0);
}

TEST_P(StoreTest, AJoinTokenIsUsedOnce) {
  HostStore store(*db);
  store.insert(
      JoinToken{"digest", WorkspaceId("w1"), "n", AccountId("a1"), Time(Duration(1)), Time(Duration(100)), {}, {}});
  EXPECT_TRUE(store.use_token("digest", HostId("h1"), Time(Duration(2))));
  EXPECT_FALSE(store.use_token("digest", HostId("h2"), Time(Duration(3))));
  EXPECT_EQ(store.token("digest")->host, HostId("h1"));
  store.delete_old_tokens(Time(Duration(101)));
  EXPECT_FALSE(store.token("digest"));
}

GYRE_TEST_ON_EVERY_DATABASE(StoreTest);

}  // namespace
}  // namespace gyre
