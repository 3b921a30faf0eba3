#include <filesystem>
#include <fstream>
#include <set>

#include "db/backends.hpp"
#include "db/test_database.hpp"
#include "sim/calls.hpp"
#include "sim/sim_runtime.hpp"
#include "volumes/network_volume_service.hpp"

namespace gyre {
namespace {

namespace fs = std::filesystem;
using http::Method;
using sim::list_of;
using sim::object_of;
using sim::text_of;

class NetworkVolumeStoreTest : public testing::TestWithParam<db::Backend> {
 protected:
  db::TestDatabase database_{GetParam()};
};

TEST_P(NetworkVolumeStoreTest, WhatIsToBeDoneToTheDisksStaysUntilItIsDone) {
  if (!database_.available()) GTEST_SKIP() << db::no_postgres;
  const auto db = database_.connect();
  db::migrate(*db);
  NetworkVolumeStore store(*db);
  NetworkVolume volume{NetworkVolumeId("v1"), WorkspaceId("w1"), "data", 10, "LOCAL", false, Time(Duration(5)), 0};
  store.insert(volume);
  ASSERT_EQ(store.to_make("LOCAL", 10).size(), 1u);
  store.made(volume.id);
  EXPECT_TRUE(store.to_make("LOCAL", 10).empty());
  auto stale = volume;
  volume.size_gb = 20;
  store.update(volume);
  EXPECT_THROW(store.update(stale), db::DbError);
  const auto read = store.find(WorkspaceId("w1"), volume.id).value();
  EXPECT_EQ(read.size_gb, 20);
  EXPECT_TRUE(read.ready);
  EXPECT_FALSE(store.find(WorkspaceId("w2"), volume.id));
  EXPECT_TRUE(store.by_name(WorkspaceId("w1"), "data"));
  EXPECT_EQ(store.count(WorkspaceId("w1")), 1);
  store.remove(volume);
  EXPECT_TRUE(store.list(WorkspaceId("w1")).empty());
  ASSERT_EQ(store.to_remove("LOCAL", 10).size(), 1u);
  EXPECT_TRUE(store.to_remove("OTHER", 10).empty());
  store.removed(volume.id);
  EXPECT_TRUE(store.to_remove("LOCAL", 10).empty());
}
GYRE_TEST_ON_EVERY_DATABASE(NetworkVolumeStoreTest);

class VolumeDirectoriesTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "gyre-volumes-XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    shared_ = name;
  }
  void TearDown() override { fs::remove_all(shared_); }
  fs::path shared_;
  VolumeDirectories directories_ = real_volume_directories();
};

TEST_F(VolumeDirectoriesTest, AreMadeOnceKeptWithWhatTheyHoldAndRemovedWhole) {
  EXPECT_EQ(directories_.make(shared_.string(), "v1"), "");
  std::ofstream(shared_ / "v1" / "file") << "kept";
  EXPECT_EQ(directories_.make(shared_.string(), "v1"), "") << "again";
  EXPECT_TRUE(fs::exists(shared_ / "v1" / "file"));
  EXPECT_EQ(directories_.make(shared_.string(), "v2"), "");
  EXPECT_EQ(directories_.remove(shared_.string(), "v1"), "");
  EXPECT_EQ(directories_.remove(shared_.string(), "v1"), "") << "again";
  EXPECT_FALSE(fs::exists(shared_ / "v1"));
  EXPECT_TRUE(fs::exists(shared_ / "v2"));
}

TEST_F(VolumeDirectoriesTest, NothingIsDoneWhereNothingIsMounted) {
  const auto away = (shared_ / "away").string();
  EXPECT_NE(directories_.make(away, "v1"), "");
  EXPECT_NE(directories_.remove(away, "v1"), "") << "what is away is not gone";
  EXPECT_FALSE(fs::exists(away));
}

TEST_F(VolumeDirectoriesTest, ALinkInAVolumeIsRemovedAndWhatItPointsAtStays) {
  EXPECT_EQ(directories_.make(shared_.string(), "v1"), "");
  fs::create_directory(shared_ / "other");
  std::ofstream(shared_ / "other" / "file") << "kept";
  fs::create_directory_symlink(shared_ / "other", shared_ / "v1" / "link");
  EXPECT_EQ(directories_.remove(shared_.string(), "v1"), "");
  EXPECT_TRUE(fs::exists(shared_ / "other" / "file"));
}

// The service alone, so that the disk's troubles are the test's.
class NetworkVolumeServiceTest : public testing::Test {
 protected:
  NetworkVolumeServiceTest() {
    db::migrate(*db_);
    NetworkVolumeConfig config;
    config.shared_paths = {{"FAR", "/far"}, {"LOCAL", "/shared"}};
    config.directories.make = [this](const std::string& path, const std::string& name) {
      ++tried_;
      if (away_ || path == "/far") return std::string("away");
      there_.insert(name);
      return std::string();
    };
    config.directories.remove = [this](const std::string&, const std::string& name) {
      if (away_) return std::string("away");
      there_.erase(name);
      return std::string();
    };
    config.directories.used = [this](const std::string&,
                                     const std::string&) -> tl::expected<std::int64_t, std::string> {
      if (away_) return tl::unexpected(std::string("away"));
      return bytes_;
    };
    service_ = std::make_unique<NetworkVolumeService>(core_, std::move(config));
    caller_.workspace = WorkspaceId("w1");
  }
  template <class Work>
  auto in_task(Work work) {
    std::optional<decltype(work())> out;
    core_.post("test", [&] { out.emplace(work()); });
    while (!out && runtime_.step()) {
    }
    return std::move(*out);
  }
  Result<NetworkVolume> made(const std::string& name, const std::string& data_center = "LOCAL") {
    return in_task([&] { return service_->create(caller_, name, 10, data_center); });
  }

  sim::SimRuntime runtime_{1};
  std::unique_ptr<db::Connection> db_ = db::open_sqlite(":memory:");
  Core core_{runtime_, *db_};
  bool away_ = false;
  int tried_ = 0;
  std::int64_t bytes_ = 0;
  std::set<std::string> there_;
  Caller caller_;
  std::unique_ptr<NetworkVolumeService> service_;
};

TEST_F(NetworkVolumeServiceTest, ADirectoryFollowsItsVolumeEvenWhenTheStorageWasAway) {
  away_ = true;
  const auto volume = made("data");
  ASSERT_TRUE(volume);
  runtime_.run_for(std::chrono::minutes(3));
  EXPECT_FALSE(service_->find(caller_.workspace, volume->id)->ready);
  away_ = false;
  runtime_.run_for(std::chrono::minutes(3));
  EXPECT_TRUE(service_->find(caller_.workspace, volume->id)->ready);
  EXPECT_TRUE(there_.contains(volume->id.str()));
  away_ = true;
  EXPECT_TRUE(in_task([&] { return service_->remove(caller_, volume->id); }));
  runtime_.run_for(std::chrono::minutes(3));
  EXPECT_TRUE(there_.contains(volume->id.str()));
  away_ = false;
  runtime_.run_for(std::chrono::minutes(3));
  EXPECT_TRUE(there_.empty());
}

TEST_F(NetworkVolumeServiceTest, AfterARestoreADirectoryThatWasRemovedIsMadeAgain) {
  const auto volume = made("data");
  runtime_.run_for(std::chrono::minutes(2));
  there_.clear();
  NetworkVolumeConfig config;
  config.shared_paths = {{"LOCAL", "/shared"}};
  config.directories.make = [this](const std::string&, const std::string& name) {
    there_.insert(name);
    return std::string();
  };
  service_ = std::make_unique<NetworkVolumeService>(core_, std::move(config));
  runtime_.run_for(std::chrono::minutes(2));
  EXPECT_TRUE(there_.contains(volume->id.str()));
  EXPECT_TRUE(service_->find(caller_.workspace, volume->id)->ready);
}

TEST_F(NetworkVolumeServiceTest, StorageThatIsAwayKeepsNothingElsewhereWaitingAndIsNotHammered) {
  for (int i = 0; i < 150; ++i) ASSERT_TRUE(made("far " + std::to_string(i), "FAR"));
  runtime_.run_for(std::chrono::minutes(2));
  const auto near = made("near");
  runtime_.run_for(std::chrono::seconds(10));
  EXPECT_TRUE(service_->find(caller_.workspace, near->id)->ready);
  tried_ = 0;
  runtime_.run_for(std::chrono::minutes(10));
  EXPECT_LE(tried_, 11 * 100) << "once a minute, a hundred at a time";
}

TEST_F(NetworkVolumeServiceTest, EachIsCountedInItsTurn) {
  const auto one = made("one"), other = made("other"), far = made("far", "FAR");
  EXPECT_FALSE(service_->used_bytes(one->id));
  bytes_ = 7;
  runtime_.run_for(std::chrono::minutes(3));
  EXPECT_EQ(service_->used_bytes(one->id), 7);
  EXPECT_EQ(service_->used_bytes(other->id), 7);
  EXPECT_FALSE(service_->used_bytes(far->id)) << "its directory was never made";
  bytes_ = 8;
  away_ = true;
  runtime_.run_for(std::chrono::minutes(3));
  EXPECT_EQ(service_->used_bytes(one->id), 7) << "what was counted last stands";
  away_ = false;
  runtime_.run_for(std::chrono::minutes(3));
  EXPECT_EQ(service_->used_bytes(one->id), 8);
  ASSERT_TRUE(in_task([&] { return service_->remove(caller_, one->id); }));
  runtime_.run_for(std::chrono::minutes(3));
  EXPECT_FALSE(service_->used_bytes(one->id));
  EXPECT_EQ(service_->used_bytes(other->id), 8);
}

TEST_F(NetworkVolumeServiceTest, OneThatIsRefusedNeverTouchesADisk) {
  ASSERT_TRUE(made("data"));
  runtime_.run_for(std::chrono::minutes(3));
  EXPECT_FALSE(made("data"));
  runtime_.run_for(std::chrono::minutes(3));
  EXPECT_EQ(there_.size(), 1u);
}

TEST_F(NetworkVolumeServiceTest, ThereIsALimitToThoseOfAWorkspace) {
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(made("data " + std::to_string(i)));
  const auto refused = made("one more");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, Reason::too_many_things);
  runtime_.run_for(std::chrono::minutes(30));
  EXPECT_EQ(there_.size(), 1000u) << "made in batches, one after another";
}

TEST_F(NetworkVolumeServiceTest, WithoutASharedPathThereAreNone) {
  NetworkVolumeService none(core_, {});
  const auto refused = in_task([&] { return none.create(caller_, "data", 10, "LOCAL"); });
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, Reason::no_shared_storage);
}

class NetworkVolumeTest : public testing::Test {
 protected:
  sim::World world{1};
  const std::string path = "/v1/networkvolumes";
  std::string made(const std::string& name, int size = 10) {
    const auto answer =
        world.call(Method::post, path,
                   R"({"name":")" + name + R"(","size":)" + std::to_string(size) + R"(,"dataCenterId":"LOCAL"})");
    EXPECT_EQ(answer.status, 200) << answer.body;
    return text_of(answer, "id");
  }
};

TEST_F(NetworkVolumeTest, IsMadeReadGrownAndDeleted) {
  const auto id = made("data");
  EXPECT_EQ(id.size(), 10u);
  world.run_for(std::chrono::seconds(10));
  auto shown = object_of(world.call(Method::get, path + "/" + id));
  EXPECT_TRUE(shown.at("ready").as_bool());
  EXPECT_EQ(shown.at("size").as_int64(), 10);
  EXPECT_EQ(text_of(shown, "dataCenterId"), "LOCAL");
  EXPECT_EQ(object_of(world.call(Method::patch, path + "/" + id, R"({"size":20})")).at("size").as_int64(), 20);
  EXPECT_EQ(text_of(world.call(Method::post, path + "/" + id + "/update", R"({"name":"new"})"), "name"), "new");
  const auto shrunk = world.call(Method::patch, path + "/" + id, R"({"size":19})");
  EXPECT_EQ(shrunk.status, 400);
  EXPECT_EQ(text_of(shrunk, "field"), "size");
  EXPECT_EQ(list_of(world.call(Method::get, path)).size(), 1u);
  EXPECT_EQ(world.call(Method::del, path + "/" + id).status, 204);
  EXPECT_EQ(text_of(world.call(Method::get, path + "/" + id), "code"), "network_volume_not_found");
}

TEST_F(NetworkVolumeTest, WrongInputIsNamed) {
  made("data");
  const std::pair<const char*, const char*> wrong[] = {
      {R"({"size":1,"dataCenterId":"LOCAL"})", "name"},
      {R"({"name":"n","dataCenterId":"LOCAL"})", "size"},
      {R"({"name":"n","size":1})", "dataCenterId"},
      {R"({"name":"n","size":1,"dataCenterId":"EU-RO-1"})", "dataCenterId"},
      {R"({"name":"n","size":4001,"dataCenterId":"LOCAL"})", "size"},
      {R"({"name":"n","size":-1,"dataCenterId":"LOCAL"})", "size"},
      {R"({"name":"","size":1,"dataCenterId":"LOCAL"})", "name"},
      {R"({"name":"data","size":1,"dataCenterId":"LOCAL"})", "name"}};
  for (const auto& [body, field] : wrong) {
    const auto answer = world.call(Method::post, path, body);
    EXPECT_TRUE(answer.status == 400 || answer.status == 409) << answer.body;
    EXPECT_EQ(text_of(answer, "field"), field) << answer.body;
  }
}

TEST_F(NetworkVolumeTest, AListHasPagesAndOthersSeeNothing) {
  for (int i = 0; i < 5; ++i) made("volume " + std::to_string(4 - i));
  std::vector<std::string> names;
  std::string cursor;
  do {
    const auto answer = world.call(Method::get, path + "?limit=2" + (cursor.empty() ? "" : "&cursor=" + cursor));
    for (const auto& one : list_of(answer)) names.push_back(text_of(one.as_object(), "name"));
    cursor = std::string(answer.headers.get("X-Next-Cursor"));
  } while (!cursor.empty());
  EXPECT_EQ(names, (std::vector<std::string>{"volume 0", "volume 1", "volume 2", "volume 3", "volume 4"}));
  EXPECT_EQ(text_of(world.call(Method::get, path + "?cursor=nonsense"), "code"), "bad_cursor");
  const auto stranger = world.stranger_key();
  EXPECT_TRUE(list_of(world.call(Method::get, path, "", stranger)).empty());
  const auto id = text_of(list_of(world.call(Method::get, path)).front().as_object(), "id");
  for (const auto method : {Method::get, Method::del})
    EXPECT_EQ(world.call(method, path + "/" + id, "", stranger).status, 404);
  EXPECT_EQ(world.call(Method::patch, path + "/" + id, R"({"size":99})", stranger).status, 404);
  EXPECT_EQ(world.call(Method::del, path + "/" + id, "", world.new_key(Scope::read)).status, 403);
}

}  // namespace
}  // namespace gyre
