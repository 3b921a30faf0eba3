// What every backend must do alike.
#include <signal.h>
#include <sys/wait.h>

#include <limits>
#include <random>
#include <tl/expected.hpp>

#include "db/migrations.hpp"
#include "db/test_database.hpp"

namespace gyre::db {
namespace {

using Outcome = tl::expected<int, std::string>;

enum class Colour { red, green };
BOOST_DESCRIBE_ENUM(Colour, red, green)

struct Thing {
  std::string id;
  std::int64_t whole = 0;
  double real = 0;
  std::string text;
  std::optional<std::string> maybe;
  bool flag = false;
  Colour colour = Colour::red;
  Time at;
};
BOOST_DESCRIBE_STRUCT(Thing, (), (id, whole, real, text, maybe, flag, colour, at))

class DbContract : public testing::TestWithParam<Backend> {
 protected:
  void SetUp() override {
    if (!database_.available()) GTEST_SKIP() << no_postgres;
    db_ = database_.connect();
    db_->script(
        "CREATE TABLE things (id TEXT PRIMARY KEY, whole BIGINT NOT NULL, real DOUBLE PRECISION NOT NULL, text TEXT "
        "NOT NULL,"
        " maybe TEXT, flag BIGINT NOT NULL, colour TEXT NOT NULL, at BIGINT NOT NULL);"
        "CREATE TABLE parts (thing TEXT NOT NULL REFERENCES things(id), name TEXT NOT NULL, UNIQUE (thing, name))");
  }
  void insert(const Thing& thing) {
    db_->exec(
        "INSERT INTO things (id, whole, real, text, maybe, flag, colour, at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        thing.id, thing.whole, thing.real, thing.text, thing.maybe, thing.flag, thing.colour, thing.at);
  }
  void insert(const std::string& id) { insert(Thing{.id = id, .text = "", .maybe = std::nullopt, .at = Time()}); }
  Thing find(const std::string& id) { return db_->one<Thing>("SELECT * FROM things WHERE id = $1", id).value(); }
  int count() { return db_->value<int>("SELECT COUNT(*) FROM things"); }

  TestDatabase database_{GetParam()};
  std::unique_ptr<Connection> db_;
};

std::string random_text(std::mt19937_64& dice) {
  std::string out;
  for (auto left = dice() % 40; left > 0; --left) {
    const std::uint32_t limits[] = {0x80, 0x800, 0x10000, 0x110000};
    auto point = static_cast<std::uint32_t>(1 + dice() % (limits[dice() % 4] - 1));
    if (point >= 0xd800 && point < 0xe000) point = '\'';
    const auto byte = [&](std::uint32_t bits) { out += static_cast<char>(bits); };
    if (point < 0x80) {
      byte(point);
    } else if (point < 0x800) {
      byte(0xc0 | point >> 6), byte(0x80 | (point & 63));
    } else if (point < 0x10000) {
      byte(0xe0 | point >> 12), byte(0x80 | (point >> 6 & 63)), byte(0x80 | (point & 63));
    } else {
      byte(0xf0 | point >> 18), byte(0x80 | (point >> 12 & 63)), byte(0x80 | (point >> 6 & 63)),
          byte(0x80 | (point & 63));
    }
  }
  return out;
}

TEST_P(DbContract, EveryValueComesBackAsItWasStored) {
  std::mt19937_64 dice(20261122);
  const std::int64_t wholes[] = {0, -1, 1, std::numeric_limits<std::int64_t>::min(),
                                 std::numeric_limits<std::int64_t>::max()};
  const double reals[] = {
      0.0, -0.5, 1e-300, std::numeric_limits<double>::max(), std::numeric_limits<double>::denorm_min(), 0.1};
  db_->begin();
  for (int i = 0; i < 500; ++i) {
    Thing thing{.id = std::to_string(i), .text = random_text(dice), .maybe = std::nullopt, .at = Time()};
    thing.whole = i < 5 ? wholes[i] : static_cast<std::int64_t>(dice());
    thing.real = i < 6 ? reals[i]
                       : std::ldexp(static_cast<double>(static_cast<std::int64_t>(dice())),
                                    static_cast<int>(dice() % 400) - 200);
    if (i % 2) thing.maybe = random_text(dice);
    thing.flag = i % 3 == 0;
    thing.colour = i % 5 ? Colour::red : Colour::green;
    thing.at = Time(Duration(static_cast<std::int64_t>(dice() >> 20)));
    insert(thing);
    const auto got = find(thing.id);
    ASSERT_EQ(got.whole, thing.whole) << i;
    ASSERT_EQ(got.real, thing.real) << i;
    ASSERT_EQ(got.text, thing.text) << i;
    ASSERT_EQ(got.maybe, thing.maybe) << i;
    ASSERT_EQ(got.flag, thing.flag) << i;
    ASSERT_EQ(got.colour, thing.colour) << i;
    ASSERT_EQ(got.at, thing.at) << i;
  }
  db_->commit();
}

TEST_P(DbContract, TextThatLooksLikeANumberStaysText) {
  insert(Thing{.id = "007", .text = "1e3", .maybe = "", .at = Time()});
  const auto rows = db_->run("SELECT id, text, maybe FROM things", {});
  EXPECT_EQ(rows.rows.at(0), (std::vector<Value>{std::string("007"), std::string("1e3"), std::string()}));
}

TEST_P(DbContract, NullIsNeitherEmptyNorZero) {
  insert("a");
  EXPECT_EQ(find("a").maybe, std::nullopt);
  EXPECT_EQ(db_->value<int>("SELECT COUNT(*) FROM things WHERE maybe IS NULL"), 1);
  EXPECT_EQ(db_->value<std::optional<std::int64_t>>("SELECT MAX(whole) FROM things WHERE id = $1", "nobody"),
            std::nullopt);
  EXPECT_THROW(db_->value<std::string>("SELECT maybe FROM things"), DbError);
}

TEST_P(DbContract, ANullParameterFitsAnyColumn) {
  insert("a");
  db_->exec("UPDATE things SET maybe = $1 WHERE id = $2", std::optional<std::string>("x"), "a");
  db_->exec("UPDATE things SET maybe = $1 WHERE id = $2", std::optional<std::string>(), "a");
  EXPECT_EQ(find("a").maybe, std::nullopt);
  EXPECT_THROW(db_->exec("UPDATE things SET whole = $1 WHERE id = $2", std::optional<int>(), "a"), DbError);
}

TEST_P(DbContract, ParametersAreFoundByNumberNotByOrder) {
  EXPECT_EQ(db_->value<std::string>("SELECT $2 || $1 || $2", "b", "a"), "aba");
}

TEST_P(DbContract, WholeNumbersStayWholeInArithmetic) {
  EXPECT_EQ(db_->value<std::int64_t>("SELECT $1 - 1", std::int64_t{1} << 40), (std::int64_t{1} << 40) - 1);
  insert(Thing{.id = "a", .whole = std::int64_t{1} << 40, .text = "", .maybe = std::nullopt, .at = Time()});
  insert(Thing{.id = "b", .whole = 5, .text = "", .maybe = std::nullopt, .at = Time()});
  EXPECT_EQ(db_->value<std::int64_t>("SELECT SUM(whole) FROM things"), (std::int64_t{1} << 40) + 5);
  EXPECT_EQ(db_->value<bool>("SELECT id = $1 FROM things ORDER BY id LIMIT 1", "a"), true);
  EXPECT_EQ(db_->value<int>("SELECT 7"), 7);
  EXPECT_EQ(db_->value<std::string>("SELECT 'x'"), "x");
}

TEST_P(DbContract, TextSortsByByte) {
  for (const char* id : {"b", "B", "a", "é", "z", "_", "1"}) insert(id);
  // Cursors of lists compare ids; both databases must agree on what comes next.
  EXPECT_EQ(db_->all<std::string>("SELECT id FROM things ORDER BY id"),
            (std::vector<std::string>{"1", "B", "_", "a", "b", "z", "é"}));
}

TEST_P(DbContract, ChangedRowsAreCounted) {
  insert("a");
  insert("b");
  EXPECT_EQ(db_->exec("UPDATE things SET whole = 1"), 2);
  EXPECT_EQ(db_->exec("UPDATE things SET whole = 2 WHERE id = $1", "nobody"), 0);
  EXPECT_EQ(db_->run("SELECT * FROM things", {}).changed, 0);
  EXPECT_EQ(db_->run("UPDATE things SET whole = 3 WHERE id = 'a' RETURNING id", {}).changed, 1);
  EXPECT_EQ(db_->exec("DELETE FROM things"), 2);
  EXPECT_EQ(db_->exec("CREATE TABLE more (id BIGINT)"), 0);
}

TEST_P(DbContract, ReturningAndOnConflictWork) {
  insert("a");
  EXPECT_EQ(db_->value<std::int64_t>("UPDATE things SET whole = whole + $1 WHERE id = $2 RETURNING whole", 3, "a"), 3);
  db_->exec(
      "INSERT INTO things (id, whole, real, text, flag, colour, at) VALUES ($1, 9, 0, '', 0, 'red', 0) "
      "ON CONFLICT (id) DO UPDATE SET whole = excluded.whole",
      "a");
  EXPECT_EQ(find("a").whole, 9);
}

TEST_P(DbContract, AWrongNumberOfParametersIsRefused) {
  EXPECT_THROW(db_->exec("DELETE FROM things WHERE id = $1"), DbError);
  EXPECT_THROW(db_->exec("DELETE FROM things WHERE id = $1", "a", "b"), DbError);
}

TEST_P(DbContract, TwoStatementsInOneRunAreRefused) {
  insert("a");
  EXPECT_THROW(db_->exec("DELETE FROM things; DELETE FROM parts"), DbError);
  EXPECT_EQ(count(), 1);
}

TEST_P(DbContract, TextThatOneDatabaseCouldNotKeepIsRefusedByAll) {
  using namespace std::string_literals;
  for (const auto& wrong : {"a\0b"s, "\xff"s, "\xc0\xaf"s, "\xed\xa0\x80"s, "\xf4\x90\x80\x80"s, "\xe3\x81"s})
    EXPECT_THROW(insert(wrong), DbError);
  EXPECT_EQ(count(), 0);
}

TEST_P(DbContract, AMissingColumnAndAWrongTypeAreErrors) {
  insert("a");
  EXPECT_THROW(db_->all<Thing>("SELECT id, whole FROM things"), DbError);
  EXPECT_THROW(db_->value<std::string>("SELECT whole FROM things"), DbError);
  db_->exec("UPDATE things SET colour = 'blue'");
  EXPECT_THROW(find("a"), DbError);
  db_->exec("UPDATE things SET whole = 300");
  EXPECT_THROW(db_->value<std::int8_t>("SELECT whole FROM things"), DbError);
}

TEST_P(DbContract, ATransactionThatFailsLeavesNothing) {
  const auto result = transact(*db_, [&]() -> Outcome {
    insert("a");
    return tl::unexpected<std::string>("no");
  });
  EXPECT_FALSE(result);
  EXPECT_EQ(count(), 0);
  EXPECT_THROW(transact(*db_,
                        [&]() -> Outcome {
                          insert("a");
                          throw std::runtime_error("accident");
                        }),
               std::runtime_error);
  EXPECT_EQ(count(), 0);
  EXPECT_EQ(db_->depth(), 0);
}

TEST_P(DbContract, AnInnerTransactionFailsAlone) {
  const auto outer = transact(*db_, [&]() -> Outcome {
    insert("outer");
    const auto inner = transact(*db_, [&]() -> Outcome {
      insert("inner");
      const auto innermost = transact(*db_, [&]() -> Outcome {
        insert("innermost");
        return 0;
      });
      EXPECT_TRUE(innermost);
      return tl::unexpected<std::string>("no");
    });
    EXPECT_FALSE(inner);
    insert("after");
    return 0;
  });
  EXPECT_TRUE(outer);
  EXPECT_EQ(db_->all<std::string>("SELECT id FROM things ORDER BY id"), (std::vector<std::string>{"after", "outer"}));
}

TEST_P(DbContract, WhoKeepsWhatRowsSayHearsWhenItIsUndone) {
  std::string undone;
  const auto tell = [&](char name) { db_->if_undone([&undone, name] { undone += name; }); };
  tell('-');  // outside: nothing will be undone
  db_->begin();
  tell('a');
  db_->begin();
  tell('b');
  db_->begin();
  tell('c');
  db_->commit();  // into the level of b
  db_->rollback();
  EXPECT_EQ(undone, "cb");
  db_->begin();
  tell('d');
  db_->commit();
  db_->rollback();
  EXPECT_EQ(undone, "cbda");
  db_->begin();
  tell('e');
  db_->begin();
  tell('f');
  db_->commit();
  db_->commit();
  db_->begin();
  db_->rollback();
  EXPECT_EQ(undone, "cbda") << "what was committed stays";
}

TEST_P(DbContract, AUniqueViolationInsideASavepointLeavesTheTransactionUsable) {
  insert("taken");
  const auto result = transact(*db_, [&]() -> Outcome {
    insert("before");
    EXPECT_THROW(transact(*db_,
                          [&]() -> Outcome {
                            insert("inside");
                            insert("taken");
                            return 0;
                          }),
                 UniqueViolation);
    insert("after");
    return 0;
  });
  EXPECT_TRUE(result);
  EXPECT_EQ(db_->all<std::string>("SELECT id FROM things ORDER BY id"),
            (std::vector<std::string>{"after", "before", "taken"}));
}

TEST_P(DbContract, OnlyAUniqueViolationIsOne) {
  insert("a");
  db_->exec("INSERT INTO parts (thing, name) VALUES ('a', 'p')");
  EXPECT_THROW(db_->exec("INSERT INTO parts (thing, name) VALUES ('a', 'p')"), UniqueViolation);
  try {
    db_->exec("INSERT INTO parts (thing, name) VALUES ('nobody', 'p')");
    FAIL() << "foreign keys are not checked";
  } catch (const UniqueViolation&) {
    FAIL() << "a foreign key is no unique violation";
  } catch (const DbError&) {
  }
}

TEST_P(DbContract, AConnectionThatWasUsedWronglyGoesOn) {
  EXPECT_THROW(db_->exec("SELEC 1"), DbError);
  EXPECT_THROW(db_->script("CREATE TABLE half ("), DbError);
  insert("a");
  EXPECT_EQ(count(), 1);
  EXPECT_EQ(db_->depth(), 0);
}

TEST_P(DbContract, ManyDifferentStatementsDoNotPileUp) {
  for (int i = 0; i < 1200; ++i) EXPECT_EQ(db_->value<int>("SELECT " + std::to_string(i)), i);
  insert("a");
  EXPECT_EQ(count(), 1);
}

TEST_P(DbContract, AReaderSeesOnlyWhatIsCommittedAndIsNotHeldUp) {
  if (!database_.shared()) GTEST_SKIP() << "a database in memory has one connection";
  insert("old");
  const auto reader = database_.connect();
  db_->begin();
  insert("new");
  EXPECT_EQ(reader->value<int>("SELECT COUNT(*) FROM things"), 1);
  db_->commit();
  EXPECT_EQ(reader->value<int>("SELECT COUNT(*) FROM things"), 2);
}

TEST_P(DbContract, AWriterWhoIsKilledLosesNothingThatWasCommitted) {
  if (!database_.shared()) GTEST_SKIP() << "a database in memory dies with its process";
  int pipes[2];
  ASSERT_EQ(::pipe(pipes), 0);
  db_.reset();  // a connection must not be carried across fork
  const auto child = ::fork();
  if (child == 0) {
    ::close(pipes[0]);
    try {
      const auto writer = database_.connect();
      for (std::int64_t i = 0;; ++i) {
        transact(*writer, [&]() -> Outcome {
          writer->exec(
              "INSERT INTO things (id, whole, real, text, flag, colour, at) VALUES ($1, $2, 0, '', 0, 'red', 0)",
              "row" + std::to_string(i), i);
          return 0;
        });
        if (::write(pipes[1], &i, sizeof i) != sizeof i) break;  // the acknowledgement
      }
    } catch (const std::exception&) {
    }
    ::_exit(1);
  }
  ::close(pipes[1]);
  std::int64_t acknowledged = -1;
  for (std::int64_t i = 0; acknowledged < 50 && ::read(pipes[0], &i, sizeof i) == sizeof i;) acknowledged = i;
  ASSERT_EQ(acknowledged, 50);
  ::kill(child, SIGKILL);
  for (std::int64_t i = 0; ::read(pipes[0], &i, sizeof i) == sizeof i;) acknowledged = i;
  ::close(pipes[0]);
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status));

  db_ = database_.connect();
  const auto kept = db_->all<std::int64_t>("SELECT whole FROM things ORDER BY whole");
  ASSERT_GT(kept.size(), static_cast<std::size_t>(acknowledged));
  for (std::size_t i = 0; i < kept.size(); ++i) ASSERT_EQ(kept[i], static_cast<std::int64_t>(i)) << "a hole";
}

TEST_P(DbContract, AFenceLetsTransactionsBeginWhileItSaysYesAndNoneAfterwards) {
  db_->script("CREATE TABLE gate (open BIGINT NOT NULL); INSERT INTO gate VALUES (1)");
  db_->set_fence({.lock = "LOCK TABLE gate IN ROW SHARE MODE", .check = "SELECT open = 1 FROM gate"});
  const auto write = [&](const std::string& id) {
    return transact(*db_, [&]() -> Outcome {
      insert(id);
      EXPECT_TRUE(transact(*db_, [&]() -> Outcome { return 0; }));  // inner levels ask nothing
      return 0;
    });
  };
  EXPECT_TRUE(write("a"));
  db_->exec("UPDATE gate SET open = 0");
  EXPECT_THROW(write("b"), Fenced);
  EXPECT_EQ(db_->depth(), 0);
  EXPECT_THROW(write("c"), Fenced);
  db_->script("DELETE FROM gate");  // no row is no yes
  EXPECT_THROW(write("d"), Fenced);
  db_->exec("INSERT INTO gate VALUES ($1)", 1);
  EXPECT_TRUE(write("e"));
  EXPECT_EQ(count(), 2);
}

TEST_P(DbContract, AFenceThatCannotBeAskedLeavesNoTransactionOpen) {
  db_->set_fence({.lock = "LOCK TABLE things IN ROW SHARE MODE", .check = "SELECT open = 1 FROM nowhere"});
  EXPECT_THROW(db_->begin(), DbError);
  EXPECT_EQ(db_->depth(), 0);
  insert("alone");  // outside of a transaction the connection works on
  EXPECT_EQ(count(), 1);
}

GYRE_TEST_ON_EVERY_DATABASE(DbContract);

class Migrations : public testing::TestWithParam<Backend> {
 protected:
  void SetUp() override {
    if (!database_.available()) GTEST_SKIP() << no_postgres;
    db_ = database_.connect();
  }
  std::string refusal(const std::vector<Migration>& migrations) {
    try {
      migrate(*db_, migrations);
    } catch (const DbError& problem) {
      EXPECT_EQ(db_->depth(), 0);
      return problem.what();
    }
    return "";
  }

  TestDatabase database_{GetParam()};
  std::unique_ptr<Connection> db_;
  const std::vector<Migration> first{{1, "0001_one", "CREATE TABLE one (id BIGINT); INSERT INTO one VALUES (1)"}};
  const std::vector<Migration> both{first[0],
                                    {2, "0002_two", "CREATE TABLE two (id BIGINT); INSERT INTO one VALUES (2)"}};
};

TEST_P(Migrations, EveryFileOfThisVersionRunsAndASecondTimeDoesNothing) {
  const auto version = migrate(*db_);
  EXPECT_EQ(version, built_in_migrations().empty() ? 0 : built_in_migrations().back().version);
  const auto steps = db_->value<std::size_t>("SELECT COUNT(*) FROM schema_migrations");
  EXPECT_EQ(steps, built_in_migrations().size());
  EXPECT_EQ(migrate(*db_), version);
  EXPECT_EQ(db_->value<std::size_t>("SELECT COUNT(*) FROM schema_migrations"), steps);
}

TEST_P(Migrations, OnlyWhatIsNewIsApplied) {
  EXPECT_EQ(migrate(*db_, first), 1);
  EXPECT_EQ(migrate(*db_, both), 2);
  EXPECT_EQ(db_->all<int>("SELECT id FROM one ORDER BY id"), (std::vector<int>{1, 2}));
}

TEST_P(Migrations, ADatabaseOfANewerVersionThatOnlyAddedIsTakenAsItIs) {
  migrate(*db_, both);
  EXPECT_EQ(migrate(*db_, first), 1);
  EXPECT_EQ(db_->value<int>("SELECT COUNT(*) FROM schema_migrations"), 2);
  EXPECT_EQ(migrate(*db_, both), 2) << "and forward again";
  EXPECT_NE(refusal({}).find("newer version of Gyre"), std::string::npos) << "a program that knows nothing of it";
}

TEST_P(Migrations, ADatabaseOfANewerVersionThatTookSomethingAwayIsRefused) {
  const std::vector<Migration> three{
      both[0], both[1], {3, "0003_three", "-- Less.\n-- readable from 0002\nDROP TABLE two"}};
  migrate(*db_, three);
  EXPECT_EQ(migrate(*db_, both), 2);
  EXPECT_NE(refusal(first).find("newer version of Gyre: it has 0002_two"), std::string::npos);
  EXPECT_EQ(migrate(*db_, three), 3);
}

TEST_P(Migrations, AChangedMigrationIsRefused) {
  migrate(*db_, both);
  auto changed = both;
  changed[0].sql = "CREATE TABLE one (id BIGINT)";
  EXPECT_NE(refusal(changed).find("0001_one was applied with another text"), std::string::npos);
}

TEST_P(Migrations, AStepThatComesTooLateIsRefused) {
  migrate(*db_, {first[0], {3, "0003_three", "CREATE TABLE three (id BIGINT)"}});
  EXPECT_NE(refusal({both[0], both[1], {3, "0003_three", "CREATE TABLE three (id BIGINT)"}}).find("disagree"),
            std::string::npos);
}

TEST_P(Migrations, AStepThatFailsLeavesNothingOfItself) {
  const auto words =
      refusal({first[0], {2, "0002_two", "CREATE TABLE two (id BIGINT); INSERT INTO nowhere VALUES (1)"}});
  EXPECT_NE(words.find("migration 0002_two failed"), std::string::npos);
  EXPECT_EQ(db_->value<int>("SELECT COUNT(*) FROM schema_migrations"), 1);
  EXPECT_EQ(migrate(*db_, both), 2);  // the half that had worked is not in the way
}

GYRE_TEST_ON_EVERY_DATABASE(Migrations);

TEST(OpenADatabase, AWrongAddressIsRefusedWithoutRepeatingIt) {
  for (const char* wrong : {"", "sqlite", "sqlite://", "mysql://u:secret@h/d"}) try {
      open(wrong);
      FAIL() << wrong;
    } catch (const DbError& problem) {
      EXPECT_EQ(std::string(problem.what()).find("secret"), std::string::npos);
    }
}

TEST(OpenADatabase, TheFileBelongsToItsOwnerAlone) {
  const TestDatabase database(Backend::sqlite_file);
  const auto db = database.connect();
  db->script("CREATE TABLE x (id BIGINT)");
  const auto path = std::filesystem::path(database.url().substr(9));
  for (const auto& file : std::filesystem::directory_iterator(path.parent_path()))
    EXPECT_EQ(file.status().permissions() & std::filesystem::perms::all, std::filesystem::perms(0600)) << file.path();
}

}  // namespace
}  // namespace gyre::db
