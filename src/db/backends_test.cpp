// What only one backend can do to us: SQLite ends a transaction by itself, PostgreSQL loses the connection.
#include <tl/expected.hpp>

#include "db/test_database.hpp"

namespace gyre::db {
namespace {

using Outcome = tl::expected<int, std::string>;

TEST(SqliteAlone, WhatFollowsATransactionThatEndedByItselfIsNotCommittedAlone) {
  const TestDatabase database(Backend::sqlite_memory);
  const auto db = database.connect();
  db->script("CREATE TABLE numbers (n BIGINT UNIQUE); INSERT INTO numbers VALUES (1)");
  EXPECT_THROW(transact(*db,
                        [&]() -> Outcome {
                          // A full disk does the same: everything back to the outermost BEGIN.
                          EXPECT_THROW(transact(*db,
                                                [&]() -> Outcome {
                                                  db->exec("INSERT OR ROLLBACK INTO numbers VALUES (1)");
                                                  return 0;
                                                }),
                                       UniqueViolation);
                          EXPECT_THROW(db->exec("INSERT INTO numbers VALUES (2)"), DbError);
                          EXPECT_THROW(db->script("INSERT INTO numbers VALUES (3)"), DbError);
                          EXPECT_THROW(db->begin(), DbError);
                          return 0;
                        }),
               DbError);
  EXPECT_EQ(db->depth(), 0);
  EXPECT_EQ(db->all<int>("SELECT n FROM numbers"), std::vector<int>{1});
}

TEST(SqliteAlone, ASecondWriterWaitsForItsTurnAndThenHearsWhy) {
  const TestDatabase database(Backend::sqlite_file);
  const auto first = database.connect();
  const auto second = database.connect();
  first->script("CREATE TABLE numbers (n BIGINT)");
  second->script("PRAGMA busy_timeout = 20");
  first->begin();
  EXPECT_THROW(second->begin(), DbError);
  EXPECT_EQ(second->depth(), 0);
  first->commit();
  second->begin();
  second->commit();
}

class PostgresAlone : public testing::Test {
 protected:
  void SetUp() override {
    if (!database_.available()) GTEST_SKIP() << no_postgres;
    db_ = database_.connect();
    db_->script("CREATE TABLE numbers (n BIGINT)");
  }
  // What a restart of the server looks like from here.
  void cut() {
    const auto pid = db_->value<int>("SELECT pg_backend_pid()");
    const auto other = database_.connect();
    other->value<bool>("SELECT pg_terminate_backend(CAST($1 AS INTEGER))", pid);
    while (other->value<int>("SELECT COUNT(*) FROM pg_stat_activity WHERE pid = $1", pid) > 0) {
    }
  }
  std::vector<int> numbers() { return db_->all<int>("SELECT n FROM numbers ORDER BY n"); }

  TestDatabase database_{Backend::postgres};
  std::unique_ptr<Connection> db_;
};

TEST_F(PostgresAlone, ALostConnectionEndsTheTransactionAndTheNextOneConnectsAgain) {
  EXPECT_THROW(transact(*db_,
                        [&]() -> Outcome {
                          db_->exec("INSERT INTO numbers VALUES ($1)", 1);
                          cut();
                          EXPECT_THROW(db_->exec("INSERT INTO numbers VALUES ($1)", 2), DbError);
                          EXPECT_THROW(db_->exec("INSERT INTO numbers VALUES ($1)", 3), DbError)
                              << "committed outside the transaction";
                          return 0;
                        }),
               DbError);
  EXPECT_EQ(db_->depth(), 0);
  EXPECT_TRUE(transact(*db_, [&]() -> Outcome {
    db_->exec("INSERT INTO numbers VALUES ($1)", 4);  // prepared once more: the server has forgotten it
    return 0;
  }));
  EXPECT_EQ(numbers(), std::vector<int>{4});
}

TEST_F(PostgresAlone, AConnectionThatWasCutWhileIdleIsNotNoticed) {
  cut();
  EXPECT_TRUE(transact(*db_, [&]() -> Outcome {
    db_->exec("INSERT INTO numbers VALUES (1)");
    return 0;
  }));
  EXPECT_EQ(numbers(), std::vector<int>{1});
}

TEST_F(PostgresAlone, AConnectionCutBeforeTheCommitIsNoCommit) {
  db_->begin();
  db_->exec("INSERT INTO numbers VALUES (1)");
  cut();
  EXPECT_THROW(db_->commit(), DbError);
  db_->rollback();
  EXPECT_EQ(db_->depth(), 0);
  EXPECT_THROW(db_->exec("SELECT 1 FROM nowhere"), DbError);
  EXPECT_EQ(numbers(), std::vector<int>{});
}

TEST_F(PostgresAlone, ACommitOfAFailedTransactionIsAnError) {
  db_->begin();
  db_->exec("INSERT INTO numbers VALUES (1)");
  EXPECT_THROW(db_->exec("SELECT 1 FROM nowhere"), DbError);
  EXPECT_THROW(db_->commit(), DbError);  // the server calls it a success and rolls back
  db_->rollback();
  EXPECT_EQ(numbers(), std::vector<int>{});
}

TEST_F(PostgresAlone, TwoWritersWhoCannotBothBeRightAreToldSo) {
  const auto other = database_.connect();
  db_->begin();
  other->begin();
  EXPECT_EQ(db_->value<int>("SELECT COUNT(*) FROM numbers"), 0);
  EXPECT_EQ(other->value<int>("SELECT COUNT(*) FROM numbers"), 0);
  db_->exec("INSERT INTO numbers VALUES (1)");
  other->exec("INSERT INTO numbers VALUES (1)");
  db_->commit();
  try {
    other->commit();
    FAIL() << "both counted no row and both inserted the first one";
  } catch (const DbError& problem) {
    EXPECT_NE(std::string(problem.what()).find("40001"), std::string::npos) << problem.what();
  }
  other->rollback();
  EXPECT_EQ(numbers(), std::vector<int>{1});
}

TEST_F(PostgresAlone, ADollarInATextIsNoParameter) {
  EXPECT_EQ(db_->value<std::string>("SELECT 'it''s $7' || $1", "!"), "it's $7!");
}

TEST(SqliteCopy, IsOneMomentOfADatabaseThatIsBeingWritten) {
  const auto folder = std::filesystem::temp_directory_path() / ("gyre-copy-" + std::to_string(::getpid()));
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  const auto url = "sqlite://" + (folder / "from.db").string();
  const auto writer = open(url), reader = open(url);
  writer->script("CREATE TABLE numbers (n BIGINT)");
  for (int i = 0; i < 100; ++i) writer->exec("INSERT INTO numbers VALUES ($1)", i);
  writer->begin();
  writer->exec("INSERT INTO numbers VALUES ($1)",
               100);  // not committed: it is not in the copy, and keeps it from nothing
  reader->copy_to((folder / "to.db").string());
  writer->commit();
  const auto copy = open("sqlite://" + (folder / "to.db").string());
  EXPECT_EQ(copy->value<int>("SELECT COUNT(*) FROM numbers"), 100);
  EXPECT_EQ(copy->value<std::string>("PRAGMA integrity_check"), "ok");
  EXPECT_THROW(reader->copy_to((folder / "none" / "to.db").string()), DbError);
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace gyre::db
