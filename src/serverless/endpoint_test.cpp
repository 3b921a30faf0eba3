#include "serverless/endpoint.hpp"

#include "db/test_database.hpp"
#include "serverless/endpoint_store.hpp"
#include "sim/calls.hpp"

namespace gyre {
namespace {

using http::Method;
using sim::list_of;
using sim::object_of;
using sim::text_of;

TEST(EndpointSpec, OnlyWhatWorkersRunAndRunOnMakesANewVersion) {
  EndpointSpec before;
  before.template_id = "t";
  auto after = before;
  after.workers_min = 1;
  after.workers_max = 9;
  after.idle_timeout_seconds = 60;
  after.scaler = ScalerType::REQUEST_COUNT;
  after.scaler_value = 1;
  after.execution_timeout_ms = 5'000;
  after.flashboot = true;
  EXPECT_FALSE(makes_new_version(before, after));
  after.settings.image = "x:2";
  EXPECT_TRUE(makes_new_version(before, after));
  after = before;
  after.gpu_types = {"NVIDIA A40"};
  EXPECT_TRUE(makes_new_version(before, after));
}

class EndpointStoreTest : public testing::TestWithParam<db::Backend> {
 protected:
  db::TestDatabase database_{GetParam()};
};

TEST_P(EndpointStoreTest, KeepsDefinitionsTheirUsesAndTheLastHundredReleases) {
  if (!database_.available()) GTEST_SKIP() << db::no_postgres;
  const auto db = database_.connect();
  db::migrate(*db);
  EndpointStore store(*db);
  EndpointSpec spec;
  spec.template_id = "t1";
  spec.network_volumes = {"v1", "v2"};
  spec.settings.env = {{"A", "\"b\"\n"}};
  Endpoint endpoint;
  endpoint.id = EndpointId("e1");
  endpoint.workspace = WorkspaceId("w1");
  endpoint.account = AccountId("a1");
  endpoint.name = "name";
  endpoint.spec = spec_to_text(spec);
  endpoint.created_at = Time(Duration(5));
  store.insert(endpoint);
  store.set_uses(endpoint.id, spec);
  auto stale = endpoint;
  endpoint.name = "other";
  store.update(endpoint);
  EXPECT_THROW(store.update(stale), db::DbError);
  const auto read = store.find(WorkspaceId("w1"), endpoint.id).value();
  EXPECT_EQ(read.name, "other");
  EXPECT_EQ(endpoint_spec_from_text(read.spec).settings.env.at("A"), "\"b\"\n");
  EXPECT_FALSE(store.find(WorkspaceId("w2"), endpoint.id));
  using Uses = EndpointStore::Uses;
  EXPECT_EQ(store.users_of(Uses::network_volume, WorkspaceId("w1"), "v2").size(), 1u);
  EXPECT_TRUE(store.users_of(Uses::network_volume, WorkspaceId("w1"), "t1").empty());
  EXPECT_TRUE(store.users_of(Uses::template_id, WorkspaceId("w2"), "t1").empty()) << "another workspace's";
  spec.network_volumes = {};
  store.set_uses(endpoint.id, spec);
  EXPECT_TRUE(store.users_of(Uses::network_volume, WorkspaceId("w1"), "v1").empty());
  for (int i = 1; i <= EndpointStore::releases_kept_max + 3; ++i)
    store.add({endpoint.id, i, endpoint.spec, endpoint.account, Time(Duration(i))});
  const auto releases = store.releases(endpoint.id);
  ASSERT_EQ(releases.size(), static_cast<std::size_t>(EndpointStore::releases_kept_max));
  EXPECT_EQ(releases.front().release, EndpointStore::releases_kept_max + 3);
  store.remove(endpoint.id);
  EXPECT_EQ(store.count(WorkspaceId("w1")), 0);
  EXPECT_TRUE(store.releases(endpoint.id).empty());
}
GYRE_TEST_ON_EVERY_DATABASE(EndpointStoreTest);

class EndpointTest : public testing::Test {
 protected:
  sim::World world{1};
  const std::string path = "/v1/endpoints";
  std::string template_made(const std::string& name, const std::string& more = R"(,"isServerless":true)",
                            const std::string& key = {}) {
    const auto answer =
        world.call(Method::post, "/v1/templates", R"({"imageName":"x:1","name":")" + name + "\"" + more + "}", key);
    EXPECT_EQ(answer.status, 200) << answer.body;
    return text_of(answer, "id");
  }
  http::Response create(const std::string& tpl, const std::string& more = {}, const std::string& key = {}) {
    return world.call(Method::post, path, R"({"templateId":")" + tpl + "\"" + more + "}", key);
  }
  std::string made(const std::string& tpl, const std::string& more = {}) {
    const auto answer = create(tpl, more);
    EXPECT_EQ(answer.status, 200) << answer.body;
    return text_of(answer, "id");
  }
  boost::json::object shown(const std::string& id) { return object_of(world.call(Method::get, path + "/" + id)); }
  http::Response change(const std::string& id, const std::string& body) {
    return world.call(Method::patch, path + "/" + id, body);
  }
  std::int64_t version(const std::string& id) { return shown(id).at("version").as_int64(); }
};

TEST_F(EndpointTest, IsMadeWithRunPodsDefaultsReadAndDeleted) {
  const auto tpl = template_made("t", R"(,"isServerless":true,"env":{"MODEL":"llama"})");
  const auto id = made(tpl);
  EXPECT_EQ(id.size(), 14u);
  const auto endpoint = shown(id);
  EXPECT_EQ(text_of(endpoint, "templateId"), tpl);
  EXPECT_EQ(text_of(endpoint, "computeType"), "GPU");
  EXPECT_EQ(endpoint.at("gpuCount").as_int64(), 1);
  EXPECT_EQ(endpoint.at("workersMin").as_int64(), 0);
  EXPECT_EQ(endpoint.at("workersMax").as_int64(), 3);
  EXPECT_EQ(endpoint.at("idleTimeout").as_int64(), 5);
  EXPECT_EQ(text_of(endpoint, "scalerType"), "QUEUE_DELAY");
  EXPECT_EQ(endpoint.at("scalerValue").as_int64(), 4);
  EXPECT_EQ(endpoint.at("executionTimeoutMs").as_int64(), 600'000);
  EXPECT_EQ(endpoint.at("version").as_int64(), 1);
  EXPECT_EQ(text_of(endpoint.at("env").as_object(), "MODEL"), "llama");
  EXPECT_FALSE(endpoint.contains("template"));
  const auto with = object_of(world.call(Method::get, path + "/" + id + "?includeTemplate=true"));
  EXPECT_EQ(text_of(with.at("template").as_object(), "name"), "t");
  EXPECT_EQ(list_of(world.call(Method::get, path)).size(), 1u);
  EXPECT_EQ(world.call(Method::del, path + "/" + id).status, 204);
  EXPECT_EQ(text_of(world.call(Method::get, path + "/" + id), "code"), "endpoint_not_found");
}

TEST_F(EndpointTest, AnswersHaveEveryFieldThatRunPodsClientsRead) {
  const auto tpl = template_made("t");
  const auto endpoint = shown(made(tpl));
  for (const char* field : {"id",
                            "name",
                            "userId",
                            "templateId",
                            "workers",
                            "computeType",
                            "gpuTypeIds",
                            "gpuCount",
                            "instanceIds",
                            "dataCenterIds",
                            "networkVolumeId",
                            "networkVolumeIds",
                            "env",
                            "executionTimeoutMs",
                            "idleTimeout",
                            "scalerType",
                            "scalerValue",
                            "workersMin",
                            "workersMax",
                            "allowedCudaVersions",
                            "minCudaVersion",
                            "version",
                            "createdAt"})
    EXPECT_TRUE(endpoint.contains(field)) << field;
  const auto one = object_of(world.call(Method::get, "/v1/templates/" + tpl));
  for (const char* field : {"id", "name", "imageName", "category", "containerDiskInGb", "volumeInGb", "volumeMountPath",
                            "ports", "env", "dockerEntrypoint", "dockerStartCmd", "isPublic", "isServerless", "readme",
                            "containerRegistryAuthId", "isRunpod", "earned", "runtimeInMin"})
    EXPECT_TRUE(one.contains(field)) << field;
}

TEST_F(EndpointTest, WrongInputIsNamed) {
  const auto tpl = template_made("t");
  const auto missing = world.call(Method::post, path, R"({"name":"n"})");
  EXPECT_EQ(missing.status, 400);
  EXPECT_EQ(text_of(missing, "field"), "templateId");
  EXPECT_EQ(text_of(create("none"), "field"), "templateId");
  EXPECT_EQ(text_of(create(template_made("for pods", "")), "code"), "template_not_serverless");
  const std::pair<const char*, const char*> wrong[] = {
      {R"(,"name":"")", "name"},
      {R"(,"gpuTypeIds":["AMPERE_48"])", "gpuTypeIds[0]"},
      {R"(,"gpuTypeIds":["NVIDIA A40","NVIDIA A40"])", "gpuTypeIds[1]"},
      {R"(,"gpuCount":0)", "gpuCount"},
      {R"(,"workersMin":-1)", "workersMin"},
      {R"(,"workersMin":4)", "workersMin"},
      {R"(,"workersMax":-1)", "workersMax"},
      {R"(,"idleTimeout":0)", "idleTimeout"},
      {R"(,"idleTimeout":3601)", "idleTimeout"},
      {R"(,"scalerType":"GUESS")", "scalerType"},
      {R"(,"scalerValue":0)", "scalerValue"},
      {R"(,"executionTimeoutMs":4999)", "executionTimeoutMs"},
      {R"(,"computeType":"TPU")", "computeType"},
      {R"(,"cpuFlavorIds":["cpu3c"])", "cpuFlavorIds"},
      {R"(,"computeType":"CPU","cpuFlavorIds":["cpu9x"])", "cpuFlavorIds[0]"},
      {R"(,"computeType":"CPU","gpuTypeIds":["NVIDIA A40"])", "gpuTypeIds"},
      {R"(,"minCudaVersion":"twelve")", "minCudaVersion"},
      {R"(,"allowedCudaVersions":["12"])", "allowedCudaVersions[0]"},
      {R"(,"networkVolumeId":"none")", "networkVolumeIds[0]"},
      {R"(,"surprise":1)", "surprise"}};
  for (const auto& [more, field] : wrong) {
    const auto answer = create(tpl, more);
    EXPECT_EQ(answer.status, 400) << more << answer.body;
    EXPECT_EQ(text_of(answer, "field"), field) << answer.body;
  }
  EXPECT_EQ(create(tpl, R"(,"computeType":"CPU","cpuFlavorIds":["cpu3c"],"vcpuCount":4)").status, 200);
}

TEST_F(EndpointTest, AChangeOfWhatWorkersRunIsANewVersionAndOthersAreNot) {
  const auto id = made(template_made("t"), R"(,"name":"n","gpuTypeIds":["NVIDIA A40"])");
  EXPECT_EQ(change(id, R"({"workersMax":5,"name":"m","scalerType":"REQUEST_COUNT"})").status, 200);
  EXPECT_EQ(version(id), 1);
  EXPECT_EQ(world.call(Method::post, path + "/" + id + "/update", R"({"gpuTypeIds":["NVIDIA L4"]})").status, 200);
  EXPECT_EQ(version(id), 2);
  EXPECT_EQ(change(id, R"({"gpuTypeIds":["NVIDIA L4"]})").status, 200);
  EXPECT_EQ(version(id), 2) << "nothing changed";
  EXPECT_EQ(change(id, R"({"templateId":")" + template_made("other") + "\"}").status, 200);
  EXPECT_EQ(version(id), 3);
  EXPECT_EQ(text_of(shown(id), "name"), "m");
  const auto versions = list_of(world.call(Method::get, path + "/" + id + "/versions"));
  ASSERT_EQ(versions.size(), 3u);
  EXPECT_EQ(versions[0].at("version").as_int64(), 3);
  EXPECT_EQ(versions[2].at("gpuTypeIds").as_array().front().as_string(), "NVIDIA A40");
  EXPECT_EQ(text_of(change(id, R"({"workersMin":6})"), "field"), "workersMin");
}

TEST_F(EndpointTest, ATemplateThatChangesIsTakenOverByEndpointsOfItsWorkspaceOnly) {
  const auto tpl = template_made("t", R"(,"isServerless":true,"isPublic":true)");
  const auto id = made(tpl);
  const auto stranger = world.stranger_key();
  const auto theirs = text_of(create(tpl, {}, stranger), "id");
  EXPECT_EQ(world.call(Method::patch, "/v1/templates/" + tpl, R"({"readme":"# hi"})").status, 200);
  EXPECT_EQ(version(id), 1) << "words for people change no worker";
  EXPECT_EQ(world.call(Method::patch, "/v1/templates/" + tpl, R"({"imageName":"x:2"})").status, 200);
  EXPECT_EQ(version(id), 2);
  EXPECT_EQ(text_of(shown(id), "imageName"), "x:2");
  const auto other = object_of(world.call(Method::get, path + "/" + theirs, "", stranger));
  EXPECT_EQ(text_of(other, "imageName"), "x:1");
  EXPECT_EQ(other.at("version").as_int64(), 1);
  const auto again = world.call(Method::patch, path + "/" + theirs, R"({"templateId":")" + tpl + "\"}", stranger);
  EXPECT_EQ(text_of(again, "imageName"), "x:2") << "its owner named it again";
  EXPECT_EQ(object_of(again).at("version").as_int64(), 2);
  // A stranger's endpoint keeps nobody from deleting, and can be changed when the template has gone.
  EXPECT_EQ(text_of(world.call(Method::del, "/v1/templates/" + tpl), "code"), "template_in_use");
  EXPECT_EQ(world.call(Method::del, path + "/" + id).status, 204);
  EXPECT_EQ(world.call(Method::del, "/v1/templates/" + tpl).status, 204);
  EXPECT_EQ(world.call(Method::patch, path + "/" + theirs, R"({"workersMax":1})", stranger).status, 200);
  const auto kept = world.call(Method::patch, path + "/" + theirs, R"({"templateId":")" + tpl + "\"}", stranger);
  EXPECT_EQ(text_of(kept, "imageName"), "x:2") << kept.body;
}

TEST_F(EndpointTest, ANetworkVolumeIsKeptWhileAnEndpointUsesIt) {
  const auto volume =
      text_of(world.call(Method::post, "/v1/networkvolumes", R"({"name":"v","size":1,"dataCenterId":"LOCAL"})"), "id");
  const auto tpl = template_made("t");
  EXPECT_EQ(text_of(create(tpl, R"(,"dataCenterIds":["EU-RO-1"])"), "field"), "dataCenterIds[0]") << "there is none";
  EXPECT_EQ(world.call(Method::post, "/v1/catalog/datacenters", R"({"id":"EU-RO-1"})").status, 201);
  EXPECT_EQ(text_of(create(tpl, R"(,"dataCenterIds":["EU-RO-1"],"networkVolumeId":")" + volume + "\""), "field"),
            "networkVolumeIds[0]");
  const auto id = made(tpl, R"(,"networkVolumeId":")" + volume + "\"");
  EXPECT_EQ(text_of(shown(id), "networkVolumeId"), volume);
  const auto refused = world.call(Method::del, "/v1/networkvolumes/" + volume);
  EXPECT_EQ(text_of(refused, "code"), "network_volume_in_use");
  EXPECT_NE(refused.body.find(id), std::string::npos);
  EXPECT_EQ(change(id, R"({"networkVolumeId":""})").status, 200);
  EXPECT_EQ(world.call(Method::del, "/v1/networkvolumes/" + volume).status, 204);
}

TEST_F(EndpointTest, OthersSeeNothingReadersChangeNothingAndAStaleChangeIsRefused) {
  const auto id = made(template_made("t"));
  const auto stranger = world.stranger_key();
  for (const auto method : {Method::get, Method::del})
    EXPECT_EQ(world.call(method, path + "/" + id, "", stranger).status, 404);
  EXPECT_EQ(world.call(Method::patch, path + "/" + id, R"({"workersMax":1})", stranger).status, 404);
  EXPECT_EQ(world.call(Method::get, path + "/" + id + "/versions", "", stranger).status, 404);
  EXPECT_EQ(world.call(Method::del, path + "/" + id, "", world.new_key(Scope::read)).status, 403);
  const auto tag = std::string(world.call(Method::get, path + "/" + id).headers.get("ETag"));
  EXPECT_FALSE(tag.empty());
  EXPECT_EQ(change(id, R"({"name":"n"})").status, 200);
  EXPECT_NE(world.call(Method::get, path + "/" + id).headers.get("ETag"), tag);
}

}  // namespace
}  // namespace gyre
