#include "db/test_database.hpp"
#include "secrets/secret_store.hpp"
#include "sim/calls.hpp"

namespace gyre {
namespace {

using http::Method;
using sim::list_of;
using sim::text_of;

class SecretStoreTest : public testing::TestWithParam<db::Backend> {
 protected:
  db::TestDatabase database_{GetParam()};
};

TEST_P(SecretStoreTest, ASecretComesBackAsItWasWrittenAndAStaleWriteThrows) {
  if (!database_.available()) GTEST_SKIP() << db::no_postgres;
  const auto db = database_.connect();
  db::migrate(*db);
  SecretStore store(*db);
  const WorkspaceId workspace("w1");
  Secret secret{SecretId("s1"), workspace, "token", "for \"x\"", "sealed", Time(Duration(5)), Time(Duration(6)), 0};
  store.insert(secret);
  auto stale = secret;
  secret.name = "other";
  secret.updated_at = Time(Duration(7));
  store.update(secret);
  EXPECT_THROW(store.update(stale), db::DbError);
  const auto read = store.by_name(workspace, "other").value();
  EXPECT_EQ(read.description, "for \"x\"");
  EXPECT_EQ(read.value_sealed, "sealed");
  EXPECT_EQ(read.updated_at, Time(Duration(7)));
  EXPECT_EQ(read.version, 1);
  EXPECT_FALSE(store.by_name(workspace, "token"));
  EXPECT_FALSE(store.find(WorkspaceId("w2"), SecretId("s1")));
  store.remove(SecretId("s1"));
  EXPECT_EQ(store.count(workspace), 0);
}
GYRE_TEST_ON_EVERY_DATABASE(SecretStoreTest);

class SecretTest : public testing::Test {
 protected:
  sim::World world{1};
  std::string made(const std::string& name) {
    const auto answer = world.call(Method::post, "/v1/secrets", R"({"value":"never-shown","name":")" + name + "\"}");
    EXPECT_EQ(answer.status, 201) << answer.body;
    EXPECT_EQ(answer.body.find("never-shown"), std::string::npos);
    return text_of(answer, "id");
  }
};

TEST_F(SecretTest, IsMadeListedChangedAndDeletedWithoutEverShowingItsValue) {
  const auto id = made("token");
  auto answer = world.call(Method::patch, "/v1/secrets/" + id, R"({"value":"never-shown-2","description":"d"})");
  EXPECT_EQ(answer.status, 200) << answer.body;
  answer = world.call(Method::post, "/v1/secrets/" + id + "/update", R"({"name":"renamed"})");
  EXPECT_EQ(text_of(answer, "name"), "renamed");
  EXPECT_EQ(text_of(answer, "description"), "d");
  for (const auto& target : {std::string("/v1/secrets"), "/v1/secrets/" + id})
    EXPECT_EQ(world.call(Method::get, target).body.find("never-shown"), std::string::npos);
  for (const auto& sealed : world.database().all<std::string>("SELECT value_sealed FROM secrets"))
    EXPECT_EQ(sealed.find("never-shown"), std::string::npos);
  EXPECT_EQ(world.call(Method::del, "/v1/secrets/" + id).status, 204);
  EXPECT_EQ(text_of(world.call(Method::get, "/v1/secrets/" + id), "code"), "secret_not_found");
}

TEST_F(SecretTest, EachChangeHasAnETagOfItsOwn) {
  const auto id = made("token");
  const auto tag = std::string(world.call(Method::get, "/v1/secrets/" + id).headers.get("ETag"));
  EXPECT_FALSE(tag.empty());
  const auto changed = world.call(Method::patch, "/v1/secrets/" + id, R"({"description":"d"})");
  EXPECT_NE(changed.headers.get("ETag"), tag);
}

TEST_F(SecretTest, WrongInputIsNamed) {
  made("token");
  const std::pair<const char*, const char*> wrong[] = {{R"({"value":"v"})", "name"},
                                                       {R"({"name":"n"})", "value"},
                                                       {R"({"name":"n","value":""})", "value"},
                                                       {R"({"name":"with blank","value":"v"})", "name"},
                                                       {R"({"name":"token","value":"v"})", "name"}};
  for (const auto& [body, field] : wrong) {
    const auto answer = world.call(Method::post, "/v1/secrets", body);
    EXPECT_TRUE(answer.status == 400 || answer.status == 409) << answer.body;
    EXPECT_EQ(text_of(answer, "field"), field) << answer.body;
    EXPECT_EQ(answer.body.find("\"v\""), std::string::npos) << "a refusal repeats the value";
  }
}

TEST_F(SecretTest, OthersSeeNothingAndReadersChangeNothing) {
  const auto id = made("token");
  const auto stranger = world.stranger_key();
  for (const auto method : {Method::get, Method::del})
    EXPECT_EQ(world.call(method, "/v1/secrets/" + id, "", stranger).status, 404);
  EXPECT_EQ(world.call(Method::patch, "/v1/secrets/" + id, R"({"value":"x"})", stranger).status, 404);
  EXPECT_TRUE(list_of(world.call(Method::get, "/v1/secrets", "", stranger)).empty());
  const auto reader = world.new_key(Scope::read);
  EXPECT_EQ(world.call(Method::patch, "/v1/secrets/" + id, R"({"value":"x"})", reader).status, 403);
  EXPECT_EQ(world.call(Method::del, "/v1/secrets/" + id, "", reader).status, 403);
}

}  // namespace
}  // namespace gyre
