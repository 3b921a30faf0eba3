// Group commit on a real SQLite database and the real runtime; the commit that fails is the only thing acted.
#include "runtime/core.hpp"

#include <gtest/gtest.h>

#include "base/result.hpp"
#include "runtime/asio_runtime.hpp"

namespace gyre {
namespace {

// A database whose COMMIT, or all of it, fails when the test says so.
class FailingConnection final : public db::Connection {
 public:
  bool commit_fails = false;
  bool gone = false;
  int begun = 0;

  db::Rows run(std::string_view sql, const std::vector<db::Value>& parameters) override {
    require_transaction();
    return inner_->run(sql, parameters);
  }
  void script(std::string_view sql) override { inner_->script(sql); }
  bool is_postgres() const override { return false; }

 private:
  void control(std::string_view sql) override {
    if (sql.starts_with("BEGIN")) ++begun;
    if (gone) throw db::DbError("no database");
    if (commit_fails && sql == "COMMIT") throw db::DbError("disk full");
    inner_->script(sql);
    if (sql.starts_with("BEGIN")) in_transaction_ = true;
    if (sql == "COMMIT" || sql == "ROLLBACK") in_transaction_ = false;
  }
  bool in_transaction() const override { return in_transaction_; }

  std::unique_ptr<db::Connection> inner_ = db::open("sqlite::memory:");
  bool in_transaction_ = false;
};

class CoreTest : public testing::Test {
 protected:
  CoreTest() { db.script("CREATE TABLE names (name TEXT PRIMARY KEY)"); }

  std::function<void()> insert(std::string name) {
    return [this, name = std::move(name)] { db.exec("INSERT INTO names VALUES ($1)", name); };
  }
  std::int64_t names() { return db.value<std::int64_t>("SELECT count(*) AS n FROM names"); }

  // Everything posted so far waits together, as it does when many connections have something at once.
  void run_until(const std::function<bool()>& done) {
    Timer look(runtime);
    look.repeat(1ms, [&] {
      if (done() || runtime.uptime() > 20s) runtime.stop();
    });
    runtime.run();
    EXPECT_TRUE(done());
  }

  AsioRuntime runtime;
  FailingConnection db;
  std::unique_ptr<Core> core = std::make_unique<Core>(runtime, db);
};

TEST_F(CoreTest, TasksThatWaitTogetherShareOneCommit) {
  for (int i = 0; i < 150; ++i) core->post("insert", insert(std::to_string(i)));
  EXPECT_EQ(core->counters().waiting, 0u);  // they enter on the core thread
  run_until([&] { return core->counters().commits == 1; });
  EXPECT_EQ(names(), 150);
  EXPECT_EQ(core->counters().tasks, 150u);
  EXPECT_EQ(core->counters().commits, 1u);
  EXPECT_EQ(db.begun, 1);
}

TEST_F(CoreTest, ABatchIsBoundedSoThatTheFirstAnswerDoesNotWaitForAll) {
  std::vector<std::int64_t> committed_when_answered;
  for (int i = 0; i < 450; ++i)
    core->post("insert", [this, i, &committed_when_answered] {
      insert(std::to_string(i))();
      core->after_commit([this, &committed_when_answered] { committed_when_answered.push_back(names()); });
    });
  run_until([&] { return committed_when_answered.size() == 450; });
  ASSERT_EQ(committed_when_answered.size(), 450u);
  EXPECT_EQ(committed_when_answered.front(), 200);
  EXPECT_EQ(committed_when_answered.back(), 450);
  EXPECT_EQ(core->counters().commits, 3u);
}

TEST_F(CoreTest, WhatFollowsIsInTheSameCommitBehindThoseThatWait) {
  std::string order;
  core->post("first", [&] {
    insert("first")();
    core->after_commit([&] { order += "first "; });
    core->follow("third", [&] {
      insert("third")();
      core->after_commit([&] { order += "third"; });
    });
  });
  core->post("second", [&] {
    insert("second")();
    core->after_commit([&] { order += "second "; });
  });
  run_until([&] { return order.ends_with("third"); });
  EXPECT_EQ(order, "first second third");
  EXPECT_EQ(core->counters().commits, 1u);
  EXPECT_EQ(names(), 3);
}

TEST_F(CoreTest, WhatFollowsATaskThatIsUndoneRunsAllTheSame) {
  std::string order;
  core->post("first", [&] {
    core->follow("second", [&] { core->after_commit([&] { order += "second"; }); });
    throw std::runtime_error("in the middle");
  });
  run_until([&] { return !order.empty(); });
  EXPECT_EQ(order, "second");
}

TEST_F(CoreTest, EffectsLeaveAfterTheCommitAndInOrder) {
  std::string order;
  for (const char* name : {"a", "b", "c"})
    core->post("insert", [this, name, &order] {
      insert(name)();
      EXPECT_EQ(db.depth(), 2);
      core->after_commit([this, name, &order] {
        EXPECT_EQ(db.depth(), 0);
        EXPECT_EQ(names(), 3);
        order += name;
      });
    });
  run_until([&] { return order.size() == 3; });
  EXPECT_EQ(order, "abc");
}

TEST_F(CoreTest, ATaskThatThrowsTakesNothingFromItsNeighbours) {
  std::string said;
  const auto task = [&](const char* name, bool throws) {
    core->post(
        "insert",
        [this, name, throws, &said] {
          insert(name)();
          core->after_commit([name, &said] { said += name; });
          if (throws) throw std::runtime_error("in the middle");
        },
        [this, &said] { said += core->database_failed() ? "the database " : "failed "; });
  };
  task("before ", false);
  task("bad ", true);
  task("after ", false);
  run_until([&] { return said.ends_with("failed "); });
  EXPECT_EQ(said, "before after failed ");
  EXPECT_EQ(names(), 2);
  EXPECT_EQ(core->counters().failed_tasks, 1u);
  EXPECT_EQ(core->counters().commits, 1u);
}

TEST_F(CoreTest, WhenTheCommitFailsNothingIsSaidAndEveryTaskHearsOfIt) {
  int effects = 0, failed = 0;
  const auto task = [&](const char* name) {
    core->post(
        "insert",
        [this, name, &effects] {
          insert(name)();
          core->after_commit([&effects] { ++effects; });
        },
        [this, &failed] { failed += core->database_failed() ? 1 : 100; });
  };
  db.commit_fails = true;
  task("a");
  task("b");
  runtime.after(5ms, [&] {
    EXPECT_EQ(failed, 2);
    EXPECT_EQ(effects, 0);
    EXPECT_EQ(names(), 0);
    db.commit_fails = false;
    task("a");  // the same name: the first one left nothing behind
  });
  run_until([&] { return effects == 1; });
  EXPECT_EQ(failed, 2);
  EXPECT_EQ(effects, 1);
  EXPECT_EQ(names(), 1);
  EXPECT_EQ(core->counters().failed_commits, 1u);
}

TEST_F(CoreTest, WithoutADatabaseTasksFailOnceAndNobodySpins) {
  int failed = 0;
  db.gone = true;
  for (int i = 0; i < 500; ++i) core->post("insert", insert("x"), [&] { ++failed; });
  run_until([&] { return failed == 500; });
  EXPECT_EQ(failed, 500);
  EXPECT_EQ(db.begun, 3);  // 200 + 200 + 100
  EXPECT_EQ(core->counters().waiting, 0u);
}

TEST_F(CoreTest, TheTaskThatWasRunningWhenTheDatabaseWentIsToldToo) {
  int failed = 0;
  core->post(
      "first", [this] { db.gone = true; }, [&] { ++failed; });
  core->post("second", insert("x"), [&] { ++failed; });
  run_until([&] { return failed == 2; });
  EXPECT_EQ(failed, 2);
}

TEST_F(CoreTest, AnEffectThatThrowsDoesNotKeepTheOthersBack) {
  int said = 0;
  core->post("task", [&] {
    core->after_commit([&] { ++said; });
    core->after_commit([] { throw std::runtime_error("a broken connection"); });
    core->after_commit([&] { ++said; });
  });
  run_until([&] { return said == 2; });
  EXPECT_EQ(said, 2);
}

TEST_F(CoreTest, AnErrorUndoesTheRowsAndEffectsOfItsOwnPartOnly) {
  std::string said;
  core->post("task", [&] {
    insert("kept")();
    core->after_commit([&] { said += "kept"; });
    const auto result = core->transact([&]() -> Result<> {
      insert("undone")();
      core->after_commit([&] { said += "undone"; });
      return fail(Reason::unavailable, {{"detail", "no"}});
    });
    EXPECT_FALSE(result);
  });
  run_until([&] { return !said.empty(); });
  EXPECT_EQ(said, "kept");
  EXPECT_EQ(names(), 1);
}

TEST_F(CoreTest, ItsTimersAreTasksAndEndWithTheirOwner) {
  int ticks = 0, late = 0;
  std::unique_ptr<Timer> timer;
  timer = core->every(1ms, "tick", [&] {
    EXPECT_EQ(db.depth(), 2);
    if (++ticks == 3) timer.reset();
  });
  core->after(2ms, "late", [&] {
    EXPECT_EQ(db.depth(), 2);
    ++late;
  });
  run_until([&] { return ticks == 3 && late == 1; });
  EXPECT_EQ(ticks, 3);
  EXPECT_EQ(late, 1);
}

TEST_F(CoreTest, MayBeDestroyedByOneOfItsEffects) {
  int said = 0;
  core->post("task", [&] {
    core->after_commit([&] { core.reset(); });
    core->after_commit([&] { ++said; });  // it was promised: the task is committed
  });
  runtime.after(5ms, [&] { EXPECT_EQ(core, nullptr); });
  core->after(10ms, "never", [] { FAIL() << "the core is gone"; });
  run_until([&] { return said == 1; });
  EXPECT_EQ(said, 1);
}

}  // namespace
}  // namespace gyre
