#include "cloud_syncs/cloud_sync.hpp"

#include <gtest/gtest.h>

#include "cloud_syncs/cloud_sync_store.hpp"
#include "db/test_database.hpp"
#include "sim/calls.hpp"

namespace gyre {
namespace {

using http::Method;
using sim::list_of;
using sim::object_of;
using sim::text_of;

// ---- pure ----

CloudSyncInput input(CloudSyncDirection direction = CloudSyncDirection::TO_CLOUD) {
  return {direction, "", "results", "", "", ""};
}
std::string field_of(const CloudSyncInput& wrong) {
  const auto wish = cloud_sync_wish(wrong, "/workspace");
  return wish ? "none" : wish.error().field;
}

TEST(CloudSyncWish, SaysWhatIsLeftOut) {
  const auto wish = cloud_sync_wish(input(), "/workspace").value();
  EXPECT_EQ(wish.path, "/workspace");
  EXPECT_EQ(wish.region, "us-east-1");
  EXPECT_EQ(wish.prefix, "");
}

TEST(CloudSyncWish, APathStaysInTheVolume) {
  auto wrong = input();
  for (const char* path : {"/", "/etc/passwd", "/workspace/../etc", "/workspace2", "workspace/a", "/workspace/./..",
                           "/workspace/a/..", "..", "/workspace/\n"}) {
    wrong.path = path;
    EXPECT_EQ(field_of(wrong), "path") << path;
  }
  for (const auto& [path, kept] : {std::pair{"/workspace/", "/workspace"},
                                   {"/workspace//a///b/", "/workspace/a/b"},
                                   {"/workspace/결과 1", "/workspace/결과 1"},
                                   {"/workspace/..a", "/workspace/..a"}}) {
    auto right = input();
    right.path = path;
    EXPECT_EQ(cloud_sync_wish(right, "/workspace").value().path, kept);
  }
}

TEST(CloudSyncWish, NamesTheFirstWrongField) {
  for (const char* bucket : {"", "ab", "-abc", "abc.", "a/bc", "a:bc", "a b"}) {
    auto wrong = input();
    wrong.bucket = bucket;
    EXPECT_EQ(field_of(wrong), "bucket") << bucket;
  }
  auto wrong = input();
  wrong.region = "us east";
  EXPECT_EQ(field_of(wrong), "region");
  wrong = input();
  wrong.prefix = std::string(2000, 'a');
  EXPECT_EQ(field_of(wrong), "prefix");
  for (const char* url : {"storage.example.org", "ftp://storage.example.org", "https://", "https://user@example.org",
                          "https://a b", "https:///bucket"}) {
    wrong = input();
    wrong.endpoint_url = url;
    EXPECT_EQ(field_of(wrong), "endpointUrl") << url;
  }
  EXPECT_EQ(check_credentials({"", "k", ""}).error().field, "accessKeyId");
  EXPECT_EQ(check_credentials({"id", "with space", ""}).error().field, "secretAccessKey");
  EXPECT_EQ(check_credentials({"id", "k", "new\nline"}).error().field, "sessionToken");
  EXPECT_TRUE(check_credentials({"id", "k", ""}));
}

// rclone reads a first word with a colon as a remote, and one with a dash as a flag: no input can become either.
TEST(CloudSyncWish, WhatAUserTypesIsNeverAFlagOrAnotherRemote) {
  auto odd = input(CloudSyncDirection::FROM_CLOUD);
  odd.prefix = "/--config=x:y";
  odd.path = "/workspace/--flag:remote";
  const auto wish = cloud_sync_wish(odd, "/workspace").value();
  const auto words = rclone_arguments(wish);
  EXPECT_EQ(words[0], "copy");
  EXPECT_EQ(words[1], "cloud:results/--config=x:y");
  EXPECT_EQ(words[2], "/workspace/--flag:remote");
  auto up = wish;
  up.direction = CloudSyncDirection::TO_CLOUD;
  EXPECT_EQ(rclone_arguments(up)[1], wish.path);
}

TEST(CloudSyncWish, KeysAreInTheEnvironmentOnly) {
  const auto wish = cloud_sync_wish(input(), "/workspace").value();
  const CloudCredentials keys{"AKIA", "never-shown", "token"};
  for (const auto& word : rclone_arguments(wish)) EXPECT_EQ(word.find("never-shown"), std::string::npos);
  const auto env = rclone_environment(wish, keys);
  EXPECT_EQ(env.at("RCLONE_CONFIG_CLOUD_SECRET_ACCESS_KEY"), "never-shown");
  EXPECT_EQ(env.at("RCLONE_CONFIG_CLOUD_SESSION_TOKEN"), "token");
  EXPECT_EQ(env.at("RCLONE_CONFIG_CLOUD_PROVIDER"), "AWS");
}

// ---- rows ----

class CloudSyncStoreTest : public testing::TestWithParam<db::Backend> {
 protected:
  db::TestDatabase database_{GetParam()};
};

TEST_P(CloudSyncStoreTest, ComesBackAsItWasWrittenAndAStaleWriteThrows) {
  if (!database_.available()) GTEST_SKIP() << db::no_postgres;
  const auto db = database_.connect();
  db::migrate(*db);
  CloudSyncStore store(*db);
  CloudSync sync;
  sync.id = CloudSyncId("cloudsync1");
  sync.workspace = WorkspaceId("w1");
  sync.pod = PodId("p1");
  sync.host = HostId("h1");
  sync.wish = "{}";
  sync.credentials_sealed = "sealed";
  sync.created_at = Time(Duration(5));
  store.insert(sync);
  auto stale = sync;
  ASSERT_TRUE(apply(sync, CloudSyncEvent::copied, Time(Duration(9)), {Reason::cloud_sync_copied, {}}));
  sync.exit_code = 0;
  store.update(sync);
  EXPECT_THROW(store.update(stale), db::DbError);
  const auto read = store.find(sync.id).value();
  EXPECT_EQ(read.state, CloudSyncState::SUCCEEDED);
  EXPECT_EQ(read.credentials_sealed, "") << "nobody needs the keys any more";
  EXPECT_EQ(read.ended_at, Time(Duration(9)));
  EXPECT_EQ(read.exit_code, 0);
  EXPECT_EQ(store.on_hosts().size(), 1u);
  EXPECT_EQ(store.remove_ended_before(Time(Duration(10)), 10), 0) << "its host has something of it";
  sync.on_host = false;
  store.update(sync);
  EXPECT_TRUE(store.on_hosts().empty());
  EXPECT_EQ(store.remove_ended_before(Time(Duration(9)), 10), 0);
  EXPECT_EQ(store.remove_ended_before(Time(Duration(10)), 10), 1);
  EXPECT_EQ(store.count(sync.workspace), 0);
}
GYRE_TEST_ON_EVERY_DATABASE(CloudSyncStoreTest);

// ---- in the simulated world ----

class CloudSyncTest : public testing::Test {
 protected:
  CloudSyncTest() {
    world.registry.push("team/train:1", {});
    copies_for(20s, 0);
    host = world.add_host("h1");
    pod = made_pod();
  }

  // What rclone does, and what each of its containers was given.
  void copies_for(Duration span, int exit_code) {
    engine::FakeImage rclone;
    rclone.program = [this, span, exit_code](const engine::ContainerSpec& spec) {
      given.push_back(spec);
      engine::FakeProgram program;
      program.lines = {"Transferred: 1 / 1"};
      program.exits_after = span;
      program.exit_code = exit_code;
      return program;
    };
    world.registry.push(sim::sync_image, rclone);
  }

  std::string made_pod() {
    const auto answer =
        world.call(Method::post, "/v1/pods", R"({"imageName":"team/train:1","gpuCount":1,"volumeInGb":5,"name":"t"})");
    EXPECT_EQ(answer.status, 201) << answer.body;
    world.run_for(30s);
    return text_of(answer, "id");
  }

  static std::string body(const std::string& of, const std::string& more = "") {
    return R"({"podId":")" + of + R"(","direction":"TO_CLOUD","bucket":"results","accessKeyId":"AKIA",)" +
           R"("secretAccessKey":"never-shown")" + more + "}";
  }
  std::string start() {
    const auto answer = world.call(Method::post, path, body(pod));
    EXPECT_EQ(answer.status, 201) << answer.body;
    EXPECT_EQ(answer.body.find("never-shown"), std::string::npos);
    return text_of(answer, "id");
  }
  std::string status_of(const std::string& id) {
    const auto answer = world.call(Method::get, path + "/" + id);
    EXPECT_EQ(answer.body.find("never-shown"), std::string::npos);
    return answer.status == 200 ? text_of(answer, "status") : "HTTP " + std::to_string(answer.status);
  }
  std::string reason_of(const std::string& id) {
    const auto sync = object_of(world.call(Method::get, path + "/" + id));
    return sync.at("reason").is_object() ? text_of(sync.at("reason").as_object(), "code") : "";
  }
  // Of this sync, in whatever state.
  int containers(const std::string& id) {
    int count = 0;
    world.engine(host).list({{"gyre.pod", id}}, [&](const auto& found) { count = static_cast<int>(found->size()); });
    world.run_for(1s);
    return count;
  }
  bool holds_credentials(const std::string& id) {
    return world.database().value<std::string>("SELECT credentials_sealed FROM cloud_syncs WHERE id=$1", id) != "";
  }

  const std::string path = "/v1/cloudsyncs";
  std::vector<engine::ContainerSpec> given;
  sim::World world{1};
  HostId host;
  std::string pod;
};

TEST_F(CloudSyncTest, CopiesBesideThePodFromItsVolumeAndForgetsTheKeys) {
  const auto id = start();
  EXPECT_EQ(status_of(id), "STARTING");
  world.run_for(10s);
  EXPECT_EQ(status_of(id), "RUNNING");
  EXPECT_TRUE(holds_credentials(id));
  ASSERT_EQ(given.size(), 1u);
  ASSERT_EQ(given[0].mounts.size(), 1u);
  EXPECT_EQ(given[0].mounts[0].volume, "gyre-volume-" + pod);
  EXPECT_EQ(given[0].mounts[0].path, "/workspace");
  EXPECT_EQ(given[0].env.at("RCLONE_CONFIG_CLOUD_SECRET_ACCESS_KEY"), "never-shown");
  EXPECT_EQ(given[0].command->at(1), "/workspace");
  EXPECT_EQ(given[0].command->at(2), "cloud:results");
  EXPECT_TRUE(given[0].gpus.empty());
  EXPECT_GT(given[0].cpus, 0);
  EXPECT_GT(given[0].memory_bytes, 0);
  EXPECT_EQ(list_of(world.call(Method::get, "/v1/pods")).size(), 1u) << "a sync is no pod";
  world.run_for(30s);
  EXPECT_EQ(status_of(id), "SUCCEEDED");
  EXPECT_EQ(reason_of(id), "cloud_sync_copied");
  EXPECT_FALSE(holds_credentials(id));
  EXPECT_EQ(containers(id), 1) << "kept for its log";
  EXPECT_EQ(given.size(), 1u) << "it is not done twice";
  world.check();
}

TEST_F(CloudSyncTest, WorksForAStoppedPodAndOnlyWithAVolumeThatIsThere) {
  EXPECT_EQ(world.call(Method::post, "/v1/pods/" + pod + "/stop").status, 200);
  world.run_for(30s);
  const auto id = start();
  world.run_for(1min);
  EXPECT_EQ(status_of(id), "SUCCEEDED");
  const auto without = text_of(
      world.call(Method::post, "/v1/pods", R"({"imageName":"team/train:1","gpuCount":1,"volumeInGb":0})"), "id");
  world.run_for(30s);
  const auto refused = world.call(Method::post, path, body(without));
  EXPECT_EQ(refused.status, 409);
  EXPECT_EQ(text_of(refused, "code"), "pod_volume_not_there");
}

TEST_F(CloudSyncTest, SaysWhyItFailed) {
  for (const auto& [code, reason] : {std::pair{3, "cloud_sync_source_missing"}, {7, "cloud_sync_failed"}}) {
    copies_for(2s, code);
    const auto id = start();
    world.run_for(30s);
    EXPECT_EQ(status_of(id), "FAILED");
    EXPECT_EQ(reason_of(id), reason);
    EXPECT_FALSE(holds_credentials(id));
  }
  copies_for(2s, 9);
  const auto nothing = start();
  world.run_for(30s);
  EXPECT_EQ(status_of(nothing), "SUCCEEDED");
  EXPECT_EQ(reason_of(nothing), "cloud_sync_nothing_copied");
  world.registry.remove(sim::sync_image);
  const auto id = start();
  world.run_for(30s);
  EXPECT_EQ(status_of(id), "FAILED");
  EXPECT_EQ(reason_of(id), "image_not_found");
}

TEST_F(CloudSyncTest, OneAtATimeForAPodAndCancellingMakesRoomOnceItIsGone) {
  copies_for(1h, 0);
  const auto id = start();
  world.run_for(10s);
  const auto second = world.call(Method::post, path, body(pod));
  EXPECT_EQ(second.status, 409);
  EXPECT_EQ(text_of(second, "code"), "cloud_sync_under_way");
  EXPECT_EQ(world.call(Method::del, path + "/" + id).status, 204);
  EXPECT_EQ(status_of(id), "CANCELLING");
  EXPECT_EQ(world.call(Method::del, path + "/" + id).status, 204) << "asked twice";
  world.run_for(30s);
  EXPECT_EQ(status_of(id), "CANCELLED");
  EXPECT_EQ(containers(id), 0);
  copies_for(5s, 0);
  const auto next = start();
  world.run_for(30s);
  EXPECT_EQ(status_of(next), "SUCCEEDED");
  EXPECT_EQ(world.call(Method::del, path + "/" + next).status, 204);
  EXPECT_EQ(status_of(next), "HTTP 404");
  world.run_for(30s);
  EXPECT_EQ(containers(next), 0) << "nothing is left on the host of what left the list";
}

TEST_F(CloudSyncTest, ThereIsALimitToThoseThatAreKept) {
  const auto id = start();
  world.run_for(1min);
  ASSERT_EQ(status_of(id), "SUCCEEDED");
  for (int i = 1; i < 1'000; ++i)
    world.database().exec(
        "INSERT INTO cloud_syncs SELECT id || $1, workspace, account, pod, host, state, reason, reason_args, wish, "
        "credentials_sealed, generation, 0, 0, 0, exit_code, created_at, started_at, ended_at, version FROM "
        "cloud_syncs "
        "WHERE id=$2",
        std::to_string(i), id);
  const auto refused = world.call(Method::post, path, body(pod));
  EXPECT_EQ(refused.status, 409);
  EXPECT_EQ(text_of(refused, "code"), "too_many_things");
  EXPECT_EQ(world.call(Method::del, path + "/" + id).status, 204);
  start();
}

TEST_F(CloudSyncTest, IsUnknownToOthersAndAReadingKeyChangesNothing) {
  const auto id = start();
  const auto stranger = world.stranger_key();
  EXPECT_EQ(world.call(Method::get, path + "/" + id, "", stranger).status, 404);
  EXPECT_EQ(world.call(Method::del, path + "/" + id, "", stranger).status, 404);
  EXPECT_EQ(world.call(Method::get, path + "/" + id + "/logs", "", stranger).status, 404);
  EXPECT_TRUE(list_of(world.call(Method::get, path, "", stranger)).empty());
  const auto other = world.call(Method::post, path, body(pod), stranger);
  EXPECT_EQ(other.status, 404);
  EXPECT_EQ(text_of(other, "code"), "pod_not_found");
  const auto reader = world.new_key(Scope::read);
  EXPECT_EQ(world.call(Method::post, path, body(pod), reader).status, 403);
  EXPECT_EQ(world.call(Method::del, path + "/" + id, "", reader).status, 403);
}

TEST_F(CloudSyncTest, KeysMayBeSecretsOfTheWorkspace) {
  const auto with = [&](const std::string& key) {
    return world.call(Method::post, path,
                      R"({"podId":")" + pod + R"(","direction":"FROM_CLOUD","bucket":"results","accessKeyId":"AKIA",)" +
                          R"("secretAccessKey":")" + key + "\"}");
  };
  const auto refused = with("{{ RUNPOD_SECRET_aws }}");
  EXPECT_EQ(refused.status, 409);
  EXPECT_EQ(text_of(refused, "code"), "secret_missing");
  EXPECT_EQ(text_of(refused, "field"), "secretAccessKey");
  EXPECT_EQ(world.call(Method::post, "/v1/secrets", R"({"name":"aws","value":"never-shown"})").status, 201);
  EXPECT_EQ(with("{{ RUNPOD_SECRET_aws }}").status, 201);
  world.run_for(10s);
  ASSERT_EQ(given.size(), 1u);
  EXPECT_EQ(given[0].env.at("RCLONE_CONFIG_CLOUD_SECRET_ACCESS_KEY"), "never-shown");
}

TEST_F(CloudSyncTest, EndsWithItsPodWhoseVolumeIsThenGone) {
  copies_for(1h, 0);
  const auto id = start();
  world.run_for(10s);
  EXPECT_EQ(world.call(Method::del, "/v1/pods/" + pod).status, 204);
  world.run_for(2min);
  EXPECT_EQ(status_of(id), "CANCELLED");
  EXPECT_EQ(reason_of(id), "cloud_sync_pod_deleted");
  EXPECT_EQ(world.call(Method::get, "/v1/pods/" + pod).status, 404);
  EXPECT_TRUE(world.engine(host).volumes().empty());
}

TEST_F(CloudSyncTest, AnEndedOneKeptForItsLogDoesNotHoldTheVolumeOfADeletedPod) {
  const auto id = start();
  world.run_for(1min);
  ASSERT_EQ(status_of(id), "SUCCEEDED");
  world.set_link_faults({.drop = 0.5});
  EXPECT_EQ(world.call(Method::del, "/v1/pods/" + pod).status, 204);
  world.run_for(5min);
  EXPECT_TRUE(world.engine(host).volumes().empty());
  EXPECT_EQ(status_of(id), "SUCCEEDED");
}

// Found by the hostile worlds: the order to remove it was lost together with what its agent knew of it.
TEST_F(CloudSyncTest, AnAgentThatForgotAnEndedOneIsToldAgainToRemoveIt) {
  for (const bool by_hand : {false, true}) {
    const auto id = start();
    world.run_for(1min);
    ASSERT_EQ(status_of(id), "SUCCEEDED");
    world.crash_agent(host);
    world.lose_journal(host);
    if (by_hand)
      EXPECT_EQ(world.call(Method::del, path + "/" + id).status, 204);
    else
      EXPECT_EQ(world.call(Method::del, "/v1/pods/" + pod).status, 204);
    world.run_for(1min);
    world.restart_agent(host);
    world.run_for(2min);
    EXPECT_EQ(containers(id), 0);
    EXPECT_EQ(status_of(id), by_hand ? "HTTP 404" : "SUCCEEDED");
    if (!by_hand) pod = made_pod();
  }
  EXPECT_EQ(world.call(Method::del, "/v1/pods/" + pod).status, 204);
  world.run_for(2min);
  EXPECT_TRUE(world.engine(host).volumes().empty());
}

TEST_F(CloudSyncTest, GoesOnWhenServerAndAgentDieAndMessagesAreLost) {
  copies_for(3min, 0);
  world.set_link_faults({.drop = 0.4, .duplicate = 0.2});
  const auto id = start();
  world.run_for(1min);
  world.crash_server();
  world.run_for(10s);
  world.restart_server();
  world.crash_agent(host);
  world.run_for(10s);
  world.restart_agent(host);
  world.run_for(6min);
  EXPECT_EQ(status_of(id), "SUCCEEDED");
  EXPECT_EQ(given.size(), 1u) << "the same container all the time";
}

TEST_F(CloudSyncTest, BeginsAnewAfterAPowerLoss) {
  copies_for(3min, 0);
  const auto id = start();
  world.run_for(1min);
  world.reboot_host(host, 30s);
  world.run_for(6min);
  EXPECT_EQ(status_of(id), "SUCCEEDED");
  EXPECT_EQ(given.size(), 2u);
}

TEST_F(CloudSyncTest, IsNotDoneAgainAfterARestoreOfAnOlderTable) {
  const auto id = start();
  world.take_backup();
  world.run_for(1min);
  ASSERT_EQ(status_of(id), "SUCCEEDED");
  EXPECT_EQ(world.call(Method::del, path + "/" + id).status, 204);
  world.run_for(1min);
  ASSERT_EQ(containers(id), 0);
  world.crash_server();
  world.restore_backup();
  world.restart_server();
  world.run_for(10min);
  EXPECT_EQ(status_of(id), "FAILED");
  EXPECT_EQ(reason_of(id), "cloud_sync_lost");
  EXPECT_EQ(given.size(), 1u);
}

TEST_F(CloudSyncTest, OneThatOutlivedARestoreIsTakenUpAgain) {
  copies_for(20min, 0);
  const auto id = start();
  world.take_backup();
  world.run_for(1min);
  world.crash_server();
  world.restore_backup();
  world.restart_server();
  world.run_for(30min);
  EXPECT_EQ(status_of(id), "SUCCEEDED");
  EXPECT_EQ(given.size(), 1u);
}

TEST_F(CloudSyncTest, FailsWithItsHostAndIsRefusedByOneThatIsAwayOrOld) {
  copies_for(1h, 0);
  const auto id = start();
  world.run_for(10s);
  EXPECT_EQ(world.call(Method::del, "/v1/hosts/" + host.str() + "?force=true").status, 204);
  EXPECT_EQ(status_of(id), "FAILED");
  EXPECT_EQ(reason_of(id), "host_gone_for_good");

  host = world.add_host("h2");
  pod = made_pod();
  world.cut_link(host, true);
  world.run_for(10s);
  auto refused = world.call(Method::post, path, body(pod));
  EXPECT_EQ(text_of(refused, "code"), "pod_host_unreachable");
  world.cut_link(host, false);
  world.run_for(10s);
  world.in_task([&] { world.hosts_service().agent_said(host, link::Hello{}); });
  refused = world.call(Method::post, path, body(pod));
  EXPECT_EQ(text_of(refused, "code"), "agent_too_old");
}

TEST_F(CloudSyncTest, ItsContainerIsKeptForADayForItsLog) {
  const auto id = start();
  world.run_for(1min);
  world.run_for(23h);
  EXPECT_EQ(containers(id), 1);
  world.run_for(2h);
  EXPECT_EQ(containers(id), 0);
  EXPECT_EQ(status_of(id), "SUCCEEDED");
}

}  // namespace
}  // namespace gyre
