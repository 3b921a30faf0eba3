#include "db/test_database.hpp"
#include "registry_auths/registry_auth_store.hpp"
#include "sim/calls.hpp"

namespace gyre {
namespace {

using http::Method;
using sim::list_of;
using sim::object_of;
using sim::text_of;

class RegistryAuthStoreTest : public testing::TestWithParam<db::Backend> {
 protected:
  db::TestDatabase database_{GetParam()};
};

TEST_P(RegistryAuthStoreTest, KeepsNamesUniqueInAWorkspaceAndWorkspacesApart) {
  if (!database_.available()) GTEST_SKIP() << db::no_postgres;
  const auto db = database_.connect();
  db::migrate(*db);
  RegistryAuthStore store(*db);
  const WorkspaceId one("w1"), two("w2");
  RegistryAuth auth{RegistryAuthId("r1"), one, "hub", "alice", "sealed", Time(Duration(5))};
  store.insert(auth);
  auth.id = RegistryAuthId("r2");
  db->begin();
  EXPECT_THROW(store.insert(auth), db::UniqueViolation);
  db->rollback();
  auth.workspace = two;
  store.insert(auth);
  const auto read = store.by_name(one, "hub").value();
  EXPECT_EQ(read.id, RegistryAuthId("r1"));
  EXPECT_EQ(read.username, "alice");
  EXPECT_EQ(read.password_sealed, "sealed");
  EXPECT_EQ(read.created_at, Time(Duration(5)));
  EXPECT_FALSE(store.find(two, RegistryAuthId("r1")));
  auto other_login = read;
  other_login.username = "bob";
  other_login.password_sealed = "sealed too";
  store.update(other_login);
  EXPECT_EQ(store.find(one, RegistryAuthId("r1"))->username, "bob");
  EXPECT_EQ(store.find(one, RegistryAuthId("r1"))->password_sealed, "sealed too");
  EXPECT_EQ(store.find(two, RegistryAuthId("r2"))->username, "alice");
  EXPECT_EQ(store.list(two).size(), 1u);
  store.remove(RegistryAuthId("r1"));
  EXPECT_EQ(store.count(one), 0);
  EXPECT_EQ(store.count(two), 1);
}
GYRE_TEST_ON_EVERY_DATABASE(RegistryAuthStoreTest);

class RegistryAuthTest : public testing::Test {
 protected:
  const std::string path = "/v1/containerregistryauth";
  sim::World world{1};
  std::string made(const std::string& name) {
    const auto answer =
        world.call(Method::post, path, R"({"username":"alice","password":"pw-never-shown","name":")" + name + "\"}");
    EXPECT_EQ(answer.status, 200) << answer.body;
    return text_of(answer, "id");
  }
};

TEST_F(RegistryAuthTest, IsMadeListedReadAndDeletedWithoutEverShowingItsPassword) {
  const auto id = made("hub");
  for (const auto& target : {path, path + "/" + id}) {
    const auto answer = world.call(Method::get, target);
    EXPECT_EQ(answer.status, 200);
    EXPECT_NE(answer.body.find(id), std::string::npos);
    EXPECT_EQ(answer.body.find("pw-never-shown"), std::string::npos);
    EXPECT_EQ(answer.body.find("alice"), std::string::npos);
  }
  const auto rows = world.database().all<std::string>("SELECT password_sealed FROM registry_auths");
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows.front().find("pw-never-shown"), std::string::npos);
  EXPECT_EQ(world.call(Method::del, path + "/" + id).status, 204);
  EXPECT_EQ(text_of(world.call(Method::get, path + "/" + id), "code"), "registry_auth_not_found");
}

TEST_F(RegistryAuthTest, WrongInputIsNamed) {
  made("hub");
  const std::pair<const char*, const char*> wrong[] = {{R"({"username":"a","password":"p"})", "name"},
                                                       {R"({"name":"","username":"a","password":"p"})", "name"},
                                                       {R"({"name":"n","username":"","password":"p"})", "username"},
                                                       {R"({"name":"n","username":"a","password":""})", "password"},
                                                       {R"({"name":"n","username":"a","password":7})", "password"},
                                                       {R"({"name":"hub","username":"a","password":"p"})", "name"}};
  for (const auto& [body, field] : wrong) {
    const auto answer = world.call(Method::post, path, body);
    EXPECT_TRUE(answer.status == 400 || answer.status == 409) << answer.body;
    EXPECT_EQ(text_of(answer, "field"), field) << answer.body;
  }
}

TEST_F(RegistryAuthTest, OthersSeeNothingAndReadersChangeNothing) {
  const auto id = made("hub");
  const auto stranger = world.stranger_key();
  EXPECT_EQ(world.call(Method::get, path + "/" + id, "", stranger).status, 404);
  EXPECT_EQ(world.call(Method::del, path + "/" + id, "", stranger).status, 404);
  EXPECT_TRUE(list_of(world.call(Method::get, path, "", stranger)).empty());
  const auto reader = world.new_key(Scope::read);
  EXPECT_EQ(world.call(Method::get, path + "/" + id, "", reader).status, 200);
  EXPECT_EQ(world.call(Method::del, path + "/" + id, "", reader).status, 403);
  EXPECT_EQ(world.call(Method::post, path, R"({"name":"n","username":"a","password":"p"})", reader).status, 403);
}

TEST_F(RegistryAuthTest, WhatAPodOrATemplateUsesIsNotDeleted) {
  const auto id = made("hub");
  const auto pod = text_of(
      world.call(Method::post, "/v1/pods", R"({"imageName":"x:1","containerRegistryAuthId":")" + id + "\"}"), "id");
  auto refused = world.call(Method::del, path + "/" + id);
  EXPECT_EQ(refused.status, 409);
  EXPECT_EQ(text_of(refused, "code"), "registry_auth_in_use");
  EXPECT_NE(refused.body.find("pod " + pod), std::string::npos) << refused.body;
  // It is let go by the pod when that takes another way, and by deleting it.
  EXPECT_EQ(world.call(Method::patch, "/v1/pods/" + pod, R"({"containerRegistryAuthId":""})").status, 200);
  const auto made_template =
      text_of(world.call(Method::post, "/v1/templates",
                         R"({"name":"t","imageName":"x:1","containerRegistryAuthId":")" + id + "\"}"),
              "id");
  refused = world.call(Method::del, path + "/" + id);
  EXPECT_NE(refused.body.find("template t"), std::string::npos) << refused.body;
  EXPECT_EQ(world.call(Method::del, "/v1/templates/" + made_template).status, 204);
  EXPECT_EQ(world.call(Method::del, path + "/" + id).status, 204);
}

TEST_F(RegistryAuthTest, ThePullLogsInWithIt) {
  world.registry.push("team/private:1", {.login = engine::RegistryLogin{"alice", "pw-never-shown"}});
  world.add_host("h1");
  const auto id = made("hub");
  const auto without = text_of(world.call(Method::post, "/v1/pods", R"({"imageName":"team/private:1"})"), "id");
  const auto with = text_of(
      world.call(Method::post, "/v1/pods", R"({"imageName":"team/private:1","containerRegistryAuthId":")" + id + "\"}"),
      "id");
  world.run_for(1min);
  EXPECT_EQ(text_of(world.call(Method::get, "/v1/pods/" + without), "status"), "failed");
  const auto answer = world.call(Method::get, "/v1/pods/" + with);
  EXPECT_EQ(text_of(answer, "status"), "running") << answer.body;
  EXPECT_EQ(text_of(answer, "containerRegistryAuthId"), id);
  EXPECT_EQ(answer.body.find("pw-never-shown"), std::string::npos);
  world.check();
}

TEST_F(RegistryAuthTest, APodThatNamesNoneOfTheWorkspacesIsRefused) {
  const auto id = made("hub");
  const auto body = R"({"imageName":"x:1","containerRegistryAuthId":")" + id + "\"}";
  for (const auto& answer :
       {world.call(Method::post, "/v1/pods", body, world.stranger_key()),
        world.call(Method::post, "/v1/pods", R"({"imageName":"x:1","containerRegistryAuthId":"no"})")}) {
    EXPECT_EQ(answer.status, 400) << answer.body;
    EXPECT_EQ(text_of(answer, "field"), "containerRegistryAuthId");
  }
}

}  // namespace
}  // namespace gyre
