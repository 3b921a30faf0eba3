#include "templates/template.hpp"

#include "db/test_database.hpp"
#include "sim/calls.hpp"
#include "templates/template_store.hpp"

namespace gyre {
namespace {

using http::Method;
using sim::list_of;
using sim::object_of;
using sim::text_of;

class TemplateStoreTest : public testing::TestWithParam<db::Backend> {
 protected:
  db::TestDatabase database_{GetParam()};
};

TEST_P(TemplateStoreTest, ATemplateComesBackAsItWasWrittenAndListsKeepApart) {
  if (!database_.available()) GTEST_SKIP() << db::no_postgres;
  const auto db = database_.connect();
  db::migrate(*db);
  TemplateStore store(*db);
  const auto make = [&](const std::string& id, const std::string& workspace, bool is_public, bool is_official) {
    Template made;
    made.id = TemplateId(id);
    made.workspace = WorkspaceId(workspace);
    made.name = "name of " + id;
    TemplateSettings settings;
    settings.image = "x:1";
    settings.env = {{"A", "\"b\"\n"}};
    made.spec = settings_to_text(settings);
    made.is_public = is_public;
    made.is_official = is_official;
    made.created_at = Time(Duration(5));
    store.insert(made);
    return made;
  };
  auto own = make("t1", "w1", false, false);
  make("t2", "w2", true, false);
  make("t3", "w2", false, true);
  make("t4", "w2", false, false);
  auto stale = own;
  own.is_public = true;
  store.update(own);
  EXPECT_THROW(store.update(stale), db::DbError);
  const auto read = store.find(own.id).value();
  EXPECT_EQ(settings_from_text(read.spec).env.at("A"), "\"b\"\n");
  EXPECT_TRUE(read.is_public);
  EXPECT_EQ(store.of(WorkspaceId("w1")).size(), 1u);
  EXPECT_EQ(store.of(WorkspaceId("w2")).size(), 3u);
  EXPECT_EQ(store.published(10).size(), 2u);
  EXPECT_EQ(store.published(1).size(), 1u);
  ASSERT_EQ(store.official(10).size(), 1u);
  EXPECT_EQ(store.official(10).front().id, TemplateId("t3"));
  store.remove(own.id);
  EXPECT_FALSE(store.find(own.id));
}

TEST_P(TemplateStoreTest, OneForPodsAndOneForEndpointsMayHaveTheSameName) {
  if (!database_.available()) GTEST_SKIP() << db::no_postgres;
  const auto db = database_.connect();
  db::migrate(*db);
  TemplateStore store(*db);
  const auto of = [](const std::string& id, bool serverless) {
    Template made;
    made.id = TemplateId(id);
    made.workspace = WorkspaceId("w1");
    made.name = "test";
    made.spec = settings_to_text({.image = "x:1", .ports = {}, .env = {}, .serverless = serverless, .readme = ""});
    return made;
  };
  store.insert(of("t1", false));
  EXPECT_EQ(store.of_same_name(of("t2", false))->id, TemplateId("t1"));
  EXPECT_FALSE(store.of_same_name(of("t2", true)));
  store.insert(of("t2", true));
  EXPECT_EQ(store.of_same_name(of("t3", true))->id, TemplateId("t2"));
  EXPECT_EQ(store.find(TemplateId("t2"))->name, "test");
  const auto all = store.of(WorkspaceId("w1"));
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].name + " " + all[1].name, "test test");
  // As they were written before endpoints' had names of their own.
  db->exec("UPDATE templates SET name='old' WHERE id=$1", TemplateId("t2"));
  auto older = of("t3", true);
  older.name = "old";
  EXPECT_EQ(store.of_same_name(older)->id, TemplateId("t2"));
}
GYRE_TEST_ON_EVERY_DATABASE(TemplateStoreTest);

class TemplateTest : public testing::Test {
 protected:
  sim::World world{1};
  std::string made(const std::string& body, const std::string& key = {}) {
    const auto answer = world.call(Method::post, "/v1/templates", body, key);
    EXPECT_EQ(answer.status, 200) << answer.body;
    return text_of(answer, "id");
  }
  std::size_t listed(const std::string& query, const std::string& key) {
    return list_of(world.call(Method::get, "/v1/templates" + query, "", key)).size();
  }
};

TEST_F(TemplateTest, IsMadeReadChangedAndDeleted) {
  const auto id = made(R"({"name":"t","imageName":"x:1","env":{"A":"1"},"ports":["8888/http"],"readme":"# hi"})");
  const auto shown = object_of(world.call(Method::get, "/v1/templates/" + id));
  EXPECT_EQ(text_of(shown, "imageName"), "x:1");
  EXPECT_EQ(shown.at("containerDiskInGb").as_int64(), 50);
  EXPECT_EQ(shown.at("volumeInGb").as_int64(), 20);
  EXPECT_EQ(text_of(shown, "category"), "NVIDIA");
  EXPECT_FALSE(shown.at("isServerless").as_bool());
  auto changed = world.call(Method::patch, "/v1/templates/" + id, R"({"imageName":"x:2"})");
  EXPECT_EQ(text_of(changed, "imageName"), "x:2");
  EXPECT_EQ(text_of(changed, "readme"), "# hi");
  changed = world.call(Method::post, "/v1/templates/" + id + "/update", R"({"name":"u"})");
  EXPECT_EQ(text_of(changed, "name"), "u");
  EXPECT_EQ(world.call(Method::del, "/v1/templates/" + id).status, 204);
  EXPECT_EQ(text_of(world.call(Method::get, "/v1/templates/" + id), "code"), "template_not_found");
}

TEST_F(TemplateTest, ANameIsTakenAmongThoseForPodsOrAmongThoseForEndpoints) {
  const auto id = made(R"({"name":"test","imageName":"x:1"})");
  const auto of_endpoints = made(R"({"name":"test","imageName":"x:1","isServerless":true,"volumeInGb":0})");
  for (const char* again : {R"({"name":"test","imageName":"x:1"})",
                            R"({"name":"test","imageName":"x:1","isServerless":true,"volumeInGb":0})"})
    EXPECT_EQ(text_of(world.call(Method::post, "/v1/templates", again), "code"), "template_name_taken");
  EXPECT_EQ(world.call(Method::patch, "/v1/templates/" + of_endpoints, R"({"readme":"kept"})").status, 200);
  EXPECT_EQ(text_of(world.call(Method::get, "/v1/templates/" + of_endpoints), "name"), "test");
  // By name alone there is no saying which.
  const std::string document = R"({"query":"mutation { deleteTemplate(templateName: \"test\") }"})";
  const auto refused = world.call(Method::post, "/graphql", document).body;
  EXPECT_NE(refused.find(id), std::string::npos) << refused;
  EXPECT_NE(refused.find(of_endpoints), std::string::npos) << refused;
  EXPECT_EQ(world.call(Method::del, "/v1/templates/" + id).status, 204);
  EXPECT_EQ(world.call(Method::post, "/graphql", document).body.find("errors"), std::string::npos);
  EXPECT_EQ(world.call(Method::get, "/v1/templates/" + of_endpoints).status, 404);
}

TEST_F(TemplateTest, IsCheckedAsThePodItWouldMake) {
  made(R"({"name":"t","imageName":"x:1"})");
  const std::pair<const char*, const char*> wrong[] = {
      {R"({"name":"n"})", "imageName"},
      {R"({"imageName":"x:1"})", "name"},
      {R"({"name":"t","imageName":"x:1"})", "name"},
      {R"({"name":"n","imageName":"UPPER CASE"})", "imageName"},
      {R"({"name":"n","imageName":"x:1","ports":["70000/http"]})", "ports[0]"},
      {R"({"name":"n","imageName":"x:1","env":{"1A":"b"}})", "env.1A"},
      {R"({"name":"n","imageName":"x:1","volumeMountPath":"etc"})", "volumeMountPath"},
      {R"({"name":"n","imageName":"x:1","containerDiskInGb":-1})", "containerDiskInGb"},
      {R"({"name":"n","imageName":"x:1","category":"TPU"})", "category"},
      {R"({"name":"n","imageName":"x:1","containerRegistryAuthId":"no"})", "containerRegistryAuthId"}};
  for (const auto& [body, field] : wrong) {
    const auto answer = world.call(Method::post, "/v1/templates", body);
    EXPECT_TRUE(answer.status == 400 || answer.status == 409) << answer.body;
    EXPECT_EQ(text_of(answer, "field"), field) << answer.body;
  }
}

TEST_F(TemplateTest, TeamCommunityAndOfficialAreSeenByWhomTheyAreFor) {
  const auto team = made(R"({"name":"team","imageName":"x:1"})");
  const auto community = made(R"({"name":"community","imageName":"x:1","isPublic":true})");
  const auto official = made(R"({"name":"official","imageName":"x:1","isRunpod":true})");
  const auto stranger = world.stranger_key();
  EXPECT_EQ(world.call(Method::get, "/v1/templates/" + team, "", stranger).status, 404);
  EXPECT_EQ(world.call(Method::get, "/v1/templates/" + community, "", stranger).status, 200);
  EXPECT_EQ(world.call(Method::get, "/v1/templates/" + official, "", stranger).status, 200);
  EXPECT_EQ(listed("", stranger), 0u);
  EXPECT_EQ(listed("?includePublicTemplates=true", stranger), 1u);
  EXPECT_EQ(listed("?includeRunpodTemplates=true", stranger), 1u);
  EXPECT_EQ(listed("?includePublicTemplates=true&includeRunpodTemplates=true", stranger), 2u);
  EXPECT_EQ(listed("?includePublicTemplates=true&includeRunpodTemplates=true", {}), 3u) << "each once";
  // Only their own workspace changes them, and only the operator makes official ones.
  EXPECT_EQ(world.call(Method::patch, "/v1/templates/" + community, R"({"readme":"x"})", stranger).status, 403);
  EXPECT_EQ(world.call(Method::del, "/v1/templates/" + official, "", stranger).status, 403);
  EXPECT_EQ(world.call(Method::patch, "/v1/templates/" + team, R"({"readme":"x"})", stranger).status, 404);
  EXPECT_EQ(
      world.call(Method::post, "/v1/templates", R"({"name":"o","imageName":"x:1","isRunpod":true})", stranger).status,
      403);
  const auto reader = world.new_key(Scope::read);
  EXPECT_EQ(world.call(Method::post, "/v1/templates", R"({"name":"r","imageName":"x:1"})", reader).status, 403);
}

TEST_F(TemplateTest, MakesPodsWhoseOwnFieldsWinAndIsKeptWhileTheyExist) {
  const auto id = made(
      R"({"name":"t","imageName":"x:1","env":{"A":"t","B":"t"},"containerDiskInGb":7,"dockerStartCmd":["serve"]})");
  const auto answer =
      world.call(Method::post, "/v1/pods", R"({"env":{"B":"own"},"volumeInGb":3,"templateId":")" + id + "\"}");
  ASSERT_EQ(answer.status, 201) << answer.body;
  const auto pod = object_of(answer);
  EXPECT_EQ(text_of(pod, "imageName"), "x:1");
  EXPECT_EQ(text_of(pod, "templateId"), id);
  EXPECT_EQ(pod.at("containerDiskInGb").as_int64(), 7);
  EXPECT_EQ(pod.at("volumeInGb").as_int64(), 3);
  EXPECT_EQ(text_of(pod.at("env").as_object(), "A"), "t");
  EXPECT_EQ(text_of(pod.at("env").as_object(), "B"), "own");
  EXPECT_EQ(pod.at("dockerStartCmd").as_array().size(), 1u);
  EXPECT_EQ(list_of(world.call(Method::get, "/v1/pods?templateId=" + id)).size(), 1u);
  EXPECT_EQ(list_of(world.call(Method::get, "/v1/pods?templateId=other")).size(), 0u);

  const auto refused = world.call(Method::del, "/v1/templates/" + id);
  EXPECT_EQ(text_of(refused, "code"), "template_in_use");
  EXPECT_NE(refused.body.find(text_of(pod, "id")), std::string::npos);
  EXPECT_EQ(world.call(Method::del, "/v1/pods/" + text_of(pod, "id")).status, 204);
  EXPECT_EQ(world.call(Method::del, "/v1/templates/" + id).status, 204);
}

TEST_F(TemplateTest, OfAnotherWorkspaceOrForServerlessMakesNoPod) {
  const auto team = made(R"({"name":"team","imageName":"x:1"})");
  const auto serverless = made(R"({"name":"s","imageName":"x:1","isServerless":true})");
  auto answer = world.call(Method::post, "/v1/pods", R"({"templateId":")" + team + "\"}", world.stranger_key());
  EXPECT_EQ(answer.status, 400) << answer.body;
  EXPECT_EQ(text_of(answer, "field"), "templateId");
  answer = world.call(Method::post, "/v1/pods", R"({"templateId":")" + serverless + "\"}");
  EXPECT_EQ(text_of(answer, "code"), "template_is_serverless");
  EXPECT_EQ(text_of(world.call(Method::post, "/v1/pods", R"({"templateId":"none"})"), "field"), "templateId");
}

TEST_F(TemplateTest, APublicTemplatesCredentialStaysInItsWorkspace) {
  const auto auth = text_of(
      world.call(Method::post, "/v1/containerregistryauth", R"({"name":"r","username":"a","password":"p"})"), "id");
  const auto id = made(R"({"name":"t","imageName":"x:1","isPublic":true,"containerRegistryAuthId":")" + auth + "\"}");
  const auto stranger = world.stranger_key();
  EXPECT_TRUE(
      object_of(world.call(Method::get, "/v1/templates/" + id, "", stranger)).at("containerRegistryAuthId").is_null());
  const auto pod = world.call(Method::post, "/v1/pods", R"({"templateId":")" + id + "\"}", stranger);
  EXPECT_EQ(pod.status, 201) << pod.body;
  EXPECT_TRUE(object_of(pod).at("containerRegistryAuthId").is_null());
  EXPECT_EQ(text_of(world.call(Method::post, "/v1/pods", R"({"templateId":")" + id + "\"}"), "containerRegistryAuthId"),
            auth);
}

}  // namespace
}  // namespace gyre
