// The lease as a table, and on a real PostgreSQL with one connection for each server.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <future>

#include "db/test_database.hpp"
#include "leadership/candidate.hpp"
#include "runtime/asio_runtime.hpp"

namespace gyre {
namespace {

using db::DbError;

TEST(Lease, WhoWasDeposedNeverLeadsAgain) {
  for (const auto from : {Standing::deposed, Standing::retired})
    for (const auto turn : {Turn::saw_another, Turn::was_quicker, Turn::renewed, Turn::refused, Turn::given_back})
      EXPECT_NE(after(from, turn), Standing::leading) << enum_text(from) << " " << enum_text(turn);
}

TEST(Lease, OneThatStandsByLeadsOnlyWhenItWasQuicker) {
  EXPECT_EQ(after(Standing::standing_by, Turn::was_quicker), Standing::leading);
  EXPECT_EQ(after(Standing::standing_by, Turn::saw_another), Standing::standing_by);
  EXPECT_EQ(after(Standing::standing_by, Turn::renewed), std::nullopt);
}

TEST(Lease, ALeaseIsFreeWhenNothingIsLeftOfItByTheDatabasesClock) {
  EXPECT_TRUE(Lease{.left = 0ms}.free());
  EXPECT_TRUE(Lease{.left = -5s}.free());
  EXPECT_FALSE(Lease{.left = 1ms}.free());
}

TEST(Lease, AfterAnOutageOfTheDatabaseTheLeaderIsGivenTimeToSayThatItIsThere) {
  const LeaseTimes times;
  EXPECT_TRUE(may_take({.epoch = 4, .left = 0ms}, times.length, times));
  EXPECT_FALSE(may_take({.epoch = 4, .left = -1h}, times.length - 1ms, times));
  EXPECT_FALSE(may_take({.epoch = 4, .left = 1ms}, 1h, times));
  EXPECT_TRUE(may_take({.epoch = 0, .left = -1h}, 0ms, times)) << "nobody has ever led";
}

class LeaseOnPostgres : public testing::Test {
 protected:
  void SetUp() override {
    if (!database.available()) GTEST_SKIP() << db::no_postgres;
    first = database.connect();
    second = database.connect();
    db::migrate(*first);
    first->script("CREATE TABLE decisions (words TEXT NOT NULL)");
  }
  static std::optional<Epoch> take(db::Connection& with, const std::string& holder, Duration length = 1h) {
    LeadershipStore store(with);
    const auto seen = store.look();
    if (!seen.free()) return std::nullopt;
    return store.take(seen, holder, "http://" + holder, length, 50ms);
  }
  void expire() { second->exec("UPDATE leadership SET until = 1 WHERE id = 1"); }
  int decisions() { return second->value<int>("SELECT COUNT(*) FROM decisions"); }

  db::TestDatabase database{db::Backend::postgres};
  std::unique_ptr<db::Connection> first, second;
};

TEST_F(LeaseOnPostgres, OneOfTwoLeadsAndTheOtherSeesWhere) {
  EXPECT_EQ(take(*first, "one"), 1);
  EXPECT_EQ(take(*second, "two"), std::nullopt);
  const auto seen = LeadershipStore(*second).look();
  EXPECT_EQ(seen.holder, "one");
  EXPECT_EQ(seen.url, "http://one");
  EXPECT_GT(seen.left, 59min);
}

TEST_F(LeaseOnPostgres, OfManyWhoReachForItAtOnceOneGetsIt) {
  const auto seen = LeadershipStore(*first).look();
  std::vector<std::future<std::optional<Epoch>>> all;
  for (int i = 0; i < 8; ++i)
    all.push_back(std::async(std::launch::async, [&, i] {
      const auto mine = database.connect();
      return LeadershipStore(*mine).take(seen, std::to_string(i), "", 1h, 5s);
    }));
  int won = 0;
  for (auto& one : all) won += one.get().has_value() ? 1 : 0;
  EXPECT_EQ(won, 1);
  EXPECT_EQ(LeadershipStore(*first).look().epoch, 1);
}

TEST_F(LeaseOnPostgres, ALeaseThatRanOutIsStillItsHoldersUntilSomebodyTakesIt) {
  const auto epoch = take(*first, "one");
  expire();
  EXPECT_TRUE(LeadershipStore(*first).renew(*epoch, 1h));
  EXPECT_EQ(take(*second, "two"), std::nullopt);
  expire();
  EXPECT_EQ(take(*second, "two"), 2);
  EXPECT_FALSE(LeadershipStore(*first).renew(*epoch, 1h));
  EXPECT_FALSE(LeadershipStore(*first).give_back(*epoch));
  EXPECT_EQ(LeadershipStore(*first).look().holder, "two");
}

TEST_F(LeaseOnPostgres, ALeaseGivenBackIsFreeAtOnce) {
  const auto epoch = take(*first, "one");
  EXPECT_TRUE(LeadershipStore(*first).give_back(*epoch));
  EXPECT_EQ(take(*second, "two"), 2);
}

TEST_F(LeaseOnPostgres, ADeposedLeaderBeginsNoTransaction) {
  first->set_fence(LeadershipStore::fence(*take(*first, "one")));
  first->begin();
  first->exec("INSERT INTO decisions VALUES ('in time')");
  first->commit();
  expire();
  ASSERT_EQ(take(*second, "two"), 2);
  EXPECT_THROW(first->begin(), db::Fenced);
  EXPECT_EQ(first->depth(), 0);
  EXPECT_THROW(first->begin(), db::Fenced);  // the connection is in order, only the lead is not
  EXPECT_EQ(decisions(), 1);
}

// The case that a check before the transaction would not catch: it was the leader when it began.
TEST_F(LeaseOnPostgres, ATransactionThatWasOpenAtTheTakeoverDoesNotCommitAfterIt) {
  first->set_fence(LeadershipStore::fence(*take(*first, "one")));
  first->begin();
  first->exec("INSERT INTO decisions VALUES ('too late')");
  expire();  // and the process is stopped here, its transaction open
  ASSERT_EQ(take(*second, "two"), 2);
  EXPECT_THROW(first->commit(), DbError);
  first->rollback();
  EXPECT_EQ(decisions(), 0);
  EXPECT_THROW(first->begin(), db::Fenced);  // on a new connection
}

TEST_F(LeaseOnPostgres, ATakeoverWaitsForTheCommitThatIsAboutToHappen) {
  first->set_fence(LeadershipStore::fence(*take(*first, "one")));
  first->begin();
  first->exec("INSERT INTO decisions VALUES ('in time')");
  expire();
  const auto seen = LeadershipStore(*second).look();
  auto takes = std::async(std::launch::async, [&] { return LeadershipStore(*second).take(seen, "two", "", 1h, 20s); });
  const auto other = database.connect();
  const auto waiting = "SELECT COUNT(*) FROM pg_locks WHERE relation = CAST('leadership' AS regclass) AND NOT granted";
  for (int i = 0; i < 20'000 && other->value<int>(waiting) == 0; ++i) {
  }
  ASSERT_EQ(other->value<int>(waiting), 1);
  first->commit();
  EXPECT_EQ(takes.get(), 2);
  EXPECT_EQ(decisions(), 1);
}

TEST_F(LeaseOnPostgres, RenewingNeverDisturbsTheLeadersTransactionsNorThoseWhoLook) {
  const auto epoch = *take(*first, "one");
  first->set_fence(LeadershipStore::fence(epoch));
  for (int i = 0; i < 50; ++i) {
    first->begin();
    EXPECT_TRUE(LeadershipStore(*first).renew(epoch, 1h));
    EXPECT_FALSE(LeadershipStore(*second).look().free());
    first->exec("INSERT INTO decisions VALUES ('one of many')");
    first->commit();
  }
  EXPECT_EQ(decisions(), 50);
}

TEST_F(LeaseOnPostgres, TheFirstServerNamesTheSharedFiles) {
  EXPECT_EQ(LeadershipStore(*first).shared_file("secret.key", "aa"), "aa");
  EXPECT_EQ(LeadershipStore(*second).shared_file("secret.key", "bb"), "aa");
}

// Two servers with cores, as they run.
class TwoServers : public LeaseOnPostgres {
 protected:
  struct Server {
    Server(TwoServers& in, std::string name)
        : candidate(in.runtime, in.database.connect(), name, "http://" + name,
                    {.length = 2s, .renew_every = 200ms, .look_every = 20ms},
                    [this, &in](std::unique_ptr<db::Connection> mine, Epoch epoch) {
                      connection = std::move(mine);
                      core.emplace(in.runtime, *connection);
                      leadership.emplace(*core, epoch,
                                         LeaseTimes{.length = 2s, .renew_every = 200ms, .look_every = 20ms},
                                         [this] { deposed = true; });
                    }) {}
    bool leads() const { return leadership && leadership->leads(); }
    std::unique_ptr<db::Connection> connection;
    std::optional<Core> core;
    std::optional<Leadership> leadership;
    Candidate candidate;
    bool deposed = false;
  };
  void run_until(const std::function<bool()>& done) {
    Timer look(runtime);
    look.repeat(1ms, [&] {
      if (done() || runtime.uptime() > 30s) runtime.stop();
    });
    runtime.run();
    EXPECT_TRUE(done());
  }
  AsioRuntime runtime;
};

TEST_F(TwoServers, OneLeadsForAsLongAsItRenewsAndGivesWayAtOnceWhenItGoes) {
  Server one(*this, "one"), two(*this, "two");
  one.candidate.start();
  bool started_second = false, given = false;
  Duration led_since{}, gone_at{};
  run_until([&] {
    if (one.leads() && !started_second) {
      started_second = true;
      led_since = runtime.uptime();
      two.candidate.start();
    }
    // Longer than the lease: it is the renewal that keeps it.
    if (started_second && !given && runtime.uptime() - led_since > 2500ms) {
      EXPECT_FALSE(two.leads());
      EXPECT_EQ(two.candidate.leader_url(), "http://one");
      given = true;
      one.leadership->give_back([&] { gone_at = runtime.uptime(); });
    }
    return two.leads();
  });
  EXPECT_FALSE(one.leads());
  EXPECT_FALSE(one.deposed);
  EXPECT_EQ(two.leadership->epoch(), 2);
}

TEST_F(TwoServers, ADeposedLeaderHearsOfItWithItsNextTaskAndTheTaskHasNoEffect) {
  Server one(*this, "one");
  one.candidate.start();
  bool taken = false, failed = false, effect = false;
  run_until([&] {
    if (one.leads() && !taken) {
      taken = true;
      second->exec("UPDATE leadership SET epoch = epoch + 1 WHERE id = 1");
      one.core->post(
          "decide",
          [&] {
            one.core->db().exec("INSERT INTO decisions VALUES ('too late')");
            one.core->after_commit([&] { effect = true; });
          },
          [&] {
            EXPECT_TRUE(one.deposed);  // so that the refusal can say why
            failed = true;
          });
    }
    return failed;
  });
  EXPECT_TRUE(one.deposed);
  EXPECT_FALSE(effect);
  EXPECT_EQ(decisions(), 0);
}

}  // namespace
}  // namespace gyre
