#include "monitoring/metrics_store.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <random>
#include <thread>

namespace gyre {
namespace {

namespace fs = std::filesystem;

constexpr Time noon{Duration(1'789'992'000'000)};

class Store : public testing::Test {
 protected:
  void SetUp() override {
    folder = fs::temp_directory_path() / ("gyre-metrics-" + std::to_string(::getpid()) + "-" +
                                          testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::remove_all(folder);
    fs::create_directories(folder);
  }
  void TearDown() override { fs::remove_all(folder); }

  std::unique_ptr<MetricsStore> open(StoreLimits limits = {}) {
    auto store = MetricsStore::open(folder / "metrics.db", limits);
    if (!store) ADD_FAILURE() << store.error().message();
    return store ? std::move(*store) : nullptr;
  }
  static MeasuredSlot slot(const std::string& pod, Time start, float value, int samples = 2) {
    return {{owner_of(PodId(pod)), link::MetricKind::pod, ""}, start, samples, {value, 2 * value}};
  }
  static std::vector<SeriesPoint> points(MetricsStore& store, const std::string& pod, const Tier& tier, Time from,
                                         Time to) {
    const auto read = store.read(owner_of(PodId(pod)), tier, from, to);
    EXPECT_TRUE(read);
    return read && !read->empty() ? read->front().points : std::vector<SeriesPoint>{};
  }

  fs::path folder;
};

TEST_F(Store, WhatIsWrittenIsReadInBothTiersAndLateDoubledAndPartialSlotsComeOutRight) {
  auto store = open();
  std::vector<MeasuredSlot> all;
  for (int i = 0; i < 30; ++i) all.push_back(slot("p1", noon + 10s * i, static_cast<float>(i)));
  std::mt19937 dice(3);
  auto shuffled = all;
  shuffled.insert(shuffled.end(), all.begin(), all.begin() + 10);                          // doubled
  for (int i = 0; i < 30; i += 3) shuffled.push_back(slot("p1", noon + 10s * i, 999, 1));  // partial, late
  std::shuffle(shuffled.begin(), shuffled.end(), dice);
  const auto half = shuffled.begin() + 20;
  ASSERT_TRUE(store->write({shuffled.begin(), half}, noon + 5min));
  ASSERT_TRUE(store->write({half, shuffled.end()}, noon + 6min));
  const auto fine = points(*store, "p1", fine_tier, noon, noon + 5min);
  ASSERT_EQ(fine.size(), 30u);
  for (std::size_t i = 0; i < 30; ++i)
    EXPECT_EQ(fine[i].values, (std::vector<float>{static_cast<float>(i), static_cast<float>(2 * i)}));
  const auto coarse = points(*store, "p1", coarse_tier, noon, noon + 5min);
  ASSERT_EQ(coarse.size(), 1u);
  EXPECT_EQ(coarse[0].weight, 30);
  EXPECT_FLOAT_EQ(coarse[0].values[0], 14.5);
  EXPECT_TRUE(points(*store, "p2", fine_tier, noon, noon + 5min).empty());
}

TEST_F(Store, GapsStayGaps) {
  auto store = open();
  ASSERT_TRUE(store->write({slot("p1", noon, 1), slot("p1", noon + 1min, 3)}, noon + 2min));
  EXPECT_EQ(points(*store, "p1", fine_tier, noon, noon + 5min).size(), 2u);
  EXPECT_EQ(points(*store, "p1", coarse_tier, noon, noon + 2h).size(), 1u);
  EXPECT_FLOAT_EQ(points(*store, "p1", coarse_tier, noon, noon + 2h)[0].values[0], 2);
}

TEST_F(Store, ItIsThereAfterAReopenReadableByItsOwnerOnly) {
  { ASSERT_TRUE(open()->write({slot("p1", noon, 7)}, noon)); }
  EXPECT_EQ(points(*open(), "p1", fine_tier, noon, noon + 1min).size(), 1u);
  struct ::stat facts {};
  ASSERT_EQ(::stat((folder / "metrics.db").c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0777, 0600u);
}

TEST_F(Store, TheFutureThePastAndMoreSeriesThanAllowedAreLeftOut) {
  auto store = open({.series_max = 3});
  std::vector<MeasuredSlot> slots{slot("a", noon + 2h, 1), slot("a", noon - 25h, 1), slot("a", noon, 1)};
  for (int i = 0; i < 10; ++i) slots.push_back(slot("p" + std::to_string(i), noon, 1));
  ASSERT_TRUE(store->write(slots, noon));
  const auto size = store->size();
  EXPECT_EQ(size->series, 3);
  EXPECT_EQ(size->fine_blocks, 3);
}

TEST_F(Store, OldValuesAreForgottenTierByTierAndAJumpOfTheClockBreaksNothing) {
  auto store = open();
  for (int day = 0; day < 40; ++day) ASSERT_TRUE(store->write({slot("p1", noon + 24h * day, 1)}, noon + 24h * day));
  const auto size = store->size();
  EXPECT_LE(size->fine_blocks, 2);
  EXPECT_LE(size->coarse_blocks, 32);
  EXPECT_GE(size->coarse_blocks, 30);
  const auto end = noon + 39 * 24h;
  ASSERT_TRUE(store->write({slot("p2", end - 20 * 24h, 5)}, end - 20 * 24h)) << "a clock that fell back";
  EXPECT_EQ(points(*store, "p2", coarse_tier, end - 20 * 24h, end).size(), 1u);
  // A series that said nothing for 30 days leaves no name behind.
  ASSERT_TRUE(store->write({}, end + 60 * 24h));
  EXPECT_EQ(store->size()->series, 0);
}

TEST_F(Store, TheFileNeverGrowsOverItsBoundAndTheNewestValuesStay) {
  const StoreLimits limits{.bytes_max = 2 << 20, .series_max = 500'000};
  auto store = open(limits);
  std::mt19937 dice(5);
  Time now = noon;
  for (int round = 0; round < 60; ++round) {
    std::vector<MeasuredSlot> slots;
    for (int pod = 0; pod < 300; ++pod)
      slots.push_back(slot("pod" + std::to_string(pod), now, static_cast<float>(dice())));
    ASSERT_TRUE(store->write(slots, now)) << "round " << round;
    ASSERT_LE(fs::file_size(folder / "metrics.db"), static_cast<std::uintmax_t>(limits.bytes_max)) << "round " << round;
    EXPECT_EQ(points(*store, "pod7", fine_tier, now, now + 10s).size(), 1u);
    now += 5min;
  }
  EXPECT_LT(store->size()->fine_blocks, 300 * 60) << "something had to go";
}

// kill -9 in the midst of writing, again and again: the file opens, and of every transaction there is all or nothing.
TEST_F(Store, AKillInTheMidstOfAWriteLeavesAWholeFile) {
  for (int round = 0; round < 8; ++round) {
    const pid_t child = ::fork();
    if (child == 0) {
      auto store = MetricsStore::open(folder / "metrics.db");
      if (!store) ::_exit(3);
      for (int i = 0; i < 100'000; ++i) {
        std::vector<MeasuredSlot> slots;
        for (int pod = 0; pod < 50; ++pod)
          slots.push_back(slot("p" + std::to_string(pod), noon + 10s * (i % 300), static_cast<float>(i)));
        if (!(*store)->write(slots, noon + 1h)) ::_exit(4);
      }
      ::_exit(0);
    }
    ASSERT_GT(child, 0);
    std::this_thread::sleep_for(std::chrono::milliseconds(60 + 17 * round));  // any moment will do
    ::kill(child, SIGKILL);
    int how = 0;
    ASSERT_EQ(::waitpid(child, &how, 0), child);
    ASSERT_TRUE(WIFSIGNALED(how)) << "it ended by itself with " << WEXITSTATUS(how);
    auto store = open();
    ASSERT_TRUE(store);
    for (Time at = noon; at < noon + 50min; at += 10s) {
      const auto first = points(*store, "p0", fine_tier, at, at + 10s);
      for (const int pod : {1, 25, 49})
        ASSERT_EQ(points(*store, "p" + std::to_string(pod), fine_tier, at, at + 10s).size(), first.size());
      if (!first.empty()) {
        ASSERT_EQ(points(*store, "p49", fine_tier, at, at + 10s)[0].values, first[0].values);
      }
    }
    EXPECT_FALSE(fs::exists(folder / "metrics.db.damaged"));
  }
}

TEST_F(Store, ADamagedFileIsSetAsideAndANewOneBegun) {
  std::mt19937 dice(11);
  for (int round = 0; round < 20; ++round) {
    fs::remove_all(folder);
    fs::create_directories(folder);
    {
      auto store = open();
      std::vector<MeasuredSlot> slots;
      for (int pod = 0; pod < 200; ++pod) slots.push_back(slot("p" + std::to_string(pod), noon, 1));
      ASSERT_TRUE(store->write(slots, noon));
    }
    const auto file = folder / "metrics.db";
    auto bytes = fs::file_size(file);
    if (round % 2 == 0) fs::resize_file(file, dice() % bytes);
    std::fstream out(file, std::ios::in | std::ios::out | std::ios::binary);
    for (int i = 0; i < 400; ++i) {
      out.seekp(static_cast<std::streamoff>(dice() % bytes));
      out.put(static_cast<char>(dice()));
    }
    out.close();
    auto store = open();
    ASSERT_TRUE(store) << "round " << round;
    // Whatever is left of it, the next values are written and read, sooner or later in a new file.
    ASSERT_TRUE(store->write({slot("new", noon + 1h, 5)}, noon + 1h)) << "round " << round;
    EXPECT_EQ(points(*store, "new", fine_tier, noon + 1h, noon + 2h).size(), 1u);
  }
  std::ofstream(folder / "metrics.db", std::ios::trunc) << std::string(5000, 'x');
  ASSERT_TRUE(open());
  EXPECT_TRUE(fs::exists(folder / "metrics.db.damaged"));
}

TEST_F(Store, AFolderThatCannotBeWrittenIsSaidAndNotACrash) {
  const auto store = MetricsStore::open(folder / "none" / "metrics.db");
  ASSERT_FALSE(store);
  EXPECT_EQ(store.error().reason, Reason::metrics_unavailable);
}

}  // namespace
}  // namespace gyre
