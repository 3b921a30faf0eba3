#include "agent/journal.hpp"

#include <gtest/gtest.h>

namespace gyre::agent {
namespace {

const Time noon = Time(Duration(1'767'268'800'000));

link::PodOrder full_order() {
  link::PodOrder order;
  order.pod = PodId("2s56cp0pof1rmt");
  order.generation = 7;
  order.run = 3;
  order.desired = link::Desired::stopped;
  order.stop_grace = 2500ms;
  order.spec.workspace = WorkspaceId("w1");
  order.spec.hostname = "2s56cp0pof1rmt-64410065";
  order.spec.containers = {{"main",
                            "team/train:1",
                            std::vector<std::string>{"sh", "-c"},
                            std::nullopt,
                            {{"A", "1"}, {"글", "값 \"x\"\n"}},
                            "user",
                            "secret"},
                           {"side", "log/ship:2", std::nullopt, std::vector<std::string>{}, {}, "", ""}};
  order.spec.ports = {{8888, true}, {22, false}};
  order.spec.gpus = {"GPU-1", "SIM-h1-0"};
  order.spec.vcpus = 2.5;
  order.spec.memory_bytes = 1LL << 40;
  order.spec.shm_bytes = 64;
  order.spec.container_disk_bytes = 10;
  order.spec.volume_bytes = 20;
  order.spec.volume_path = "/workspace";
  order.spec.restart = link::RestartPolicy::on_failure;
  return order;
}

struct JournalTest : testing::Test {
  std::unique_ptr<db::Connection> db = db::open("sqlite::memory:");
};

TEST_F(JournalTest, AnOrderComesBackAsItWasWritten) {
  Memory memory;
  memory.started_run = 3;
  memory.rebooted = true;
  memory.outcome = Outcome{3, OutcomeKind::failed, Reason::image_not_found, {{"detail", "gone"}, {"image", "x"}}};
  memory.pins["team/train:1"] = {"sha256:1", "sha256:2"};
  memory.restarts["side"] = {4, 20s, noon - 1min, 1h + 5s, false};
  Journal(*db).save(full_order(), memory, noon, 1h);

  const auto entries = Journal(*db).load(noon + 2s, 100s);
  ASSERT_EQ(entries.size(), 1u);
  EXPECT_EQ(entries[0].generation, 7);
  ASSERT_TRUE(entries[0].order.has_value());
  EXPECT_EQ(*entries[0].order, full_order());
  // The restart was due 5 s after it was saved; 2 s have passed, and the new process counts its own uptime.
  memory.restarts["side"].due = 103s;
  EXPECT_EQ(entries[0].memory, memory);
}

TEST_F(JournalTest, AClockThatJumpedBackDoesNotMakeARestartWaitLongerThanItsBackOff) {
  Memory memory;
  memory.restarts["main"] = {1, 10s, noon, 10s, false};
  Journal(*db).save(full_order(), memory, noon, 0s);
  const auto entries = Journal(*db).load(noon - 24h, 0s);
  EXPECT_EQ(entries.at(0).memory.restarts.at("main").due, 10s);
}

TEST_F(JournalTest, AForgottenPodLeavesItsGenerationForADayAndNothingElse) {
  Journal journal(*db);
  journal.save(full_order(), {}, noon, 0s);
  journal.forget(PodId("2s56cp0pof1rmt"), 9, noon);
  const auto entries = journal.load(noon, 0s);
  ASSERT_EQ(entries.size(), 1u);
  EXPECT_FALSE(entries[0].order.has_value());
  EXPECT_EQ(entries[0].generation, 9);
  EXPECT_EQ(entries[0].forgotten_at, noon);
  journal.drop_forgotten(noon);
  EXPECT_EQ(journal.load(noon, 0s).size(), 1u);
  journal.drop_forgotten(noon + 1ms);
  EXPECT_TRUE(journal.load(noon, 0s).empty());
}

TEST_F(JournalTest, ARowThatCannotBeReadKeepsItsGeneration) {
  Journal journal(*db);
  journal.save(full_order(), {}, noon, 0s);
  db->exec("UPDATE pods SET pod_order = '{'");
  const auto entries = journal.load(noon, 0s);
  ASSERT_EQ(entries.size(), 1u);
  EXPECT_FALSE(entries[0].order.has_value());
  EXPECT_FALSE(entries[0].forgotten_at.has_value());
  EXPECT_EQ(entries[0].generation, 7);
}

TEST_F(JournalTest, AnOrderWithFieldsOfANewerVersionIsRead) {
  Journal journal(*db);
  journal.save(full_order(), {}, noon, 0s);
  db->exec("UPDATE pods SET pod_order = '{\"pod\":\"p\",\"generation\":7,\"later\":1}'");
  const auto entries = journal.load(noon, 0s);
  ASSERT_TRUE(entries.at(0).order.has_value());
  EXPECT_EQ(entries[0].order->generation, 7);
}

TEST_F(JournalTest, TheSequenceOnlyGrowsThroughRestartsAndALostJournal) {
  std::uint64_t last = 0;
  for (int restart = 0; restart < 5; ++restart) {
    Journal journal(*db);
    for (int i = 0; i < 1700; ++i) {
      const auto next = journal.next_sequence(noon);
      ASSERT_GT(next, last);
      last = next;
    }
  }
  const auto fresh = db::open("sqlite::memory:");
  EXPECT_GT(Journal(*fresh).next_sequence(noon + 1h), last);
}

TEST_F(JournalTest, ProgramsAreKeptUntilTheyAreForgottenAndInAnOlderJournalToo) {
  Journal{*db};
  db->exec("DROP TABLE programs");  // as an agent before them wrote it
  Journal journal(*db);
  journal.save(Journal::Program{"e1", PodId("p1"), std::nullopt});
  journal.save(Journal::Program{"e2", PodId("p2"), std::nullopt});
  journal.save(Journal::Program{"e2", PodId("p2"), noon});
  const auto kept = Journal(*db).programs();
  ASSERT_EQ(kept.size(), 2u);
  EXPECT_FALSE(kept[0].left_at);
  EXPECT_EQ(kept[1].pod.str(), "p2");
  EXPECT_EQ(kept[1].left_at, noon);
  journal.forget_program("e1");
  journal.forget_program("e2");
  EXPECT_TRUE(Journal(*db).programs().empty());
}

TEST_F(JournalTest, AJournalOfANewerAgentIsRefused) {
  Journal(*db).set_fact("schema_version", "2");
  EXPECT_THROW(Journal{*db}, db::DbError);
}

}  // namespace
}  // namespace gyre::agent
