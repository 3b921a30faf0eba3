#include "http/router.hpp"

#include "http/idempotency.hpp"
#include "http/problem.hpp"
#include "http/router_world_test.hpp"
#include "json/codec.hpp"

namespace gyre::http {
namespace {

struct Thing {
  std::string name;
};
BOOST_DESCRIBE_STRUCT(Thing, (), (name))
json::Fields fields(const Thing*) { return {{"name", "what you call it", R"("a")"}}; }

Problem problem_in(const Response& response) {
  const auto body = json::decode<Problem>(response.body);
  EXPECT_TRUE(body) << response.body;
  return body.value_or(Problem{});
}

Handler echo(std::string name) {
  return [name](const Request& request) {
    auto text = name;
    for (const auto& [key, value] : request.params) text += " " + key + "=" + value;
    return ok(json::encode(text));
  };
}

TEST(RouterTest, FindsTheRouteAndItsParameters) {
  World world;
  world.router->add({route(Method::get, "/v1/pods", Access::open, echo("list")),
                     route(Method::get, "/v1/pods/{id}", Access::open, echo("one")),
                     route(Method::get, "/v1/pods/{id}/logs/{container}", Access::open, echo("logs")),
                     route(Method::get, "/v1/pods/new", Access::open, echo("new")),
                     route(Method::get, "/v1/{kind}/x/y", Access::open, echo("kind")),
                     route(Method::get, "/", Access::open, echo("root"))});
  EXPECT_EQ(world.call(Method::get, "/v1/pods").body, "\"list\"");
  EXPECT_EQ(world.call(Method::get, "/v1/pods/").body, "\"list\"");
  EXPECT_EQ(world.call(Method::get, "//v1//pods?x=1").body, "\"list\"");
  EXPECT_EQ(world.call(Method::get, "/v1/pods/p1").body, "\"one id=p1\"");
  EXPECT_EQ(world.call(Method::get, "/v1/pods/a%20b%41").body, "\"one id=a bA\"");
  EXPECT_EQ(world.call(Method::get, "/v1/pods/new").body, "\"new\"");
  EXPECT_EQ(world.call(Method::get, "/v1/pods/new/logs/c").body, "\"logs container=c id=new\"");
  EXPECT_EQ(world.call(Method::get, "/v1/pods/x/y").body, "\"kind kind=pods\"");  // back from /v1/pods/{id}
  EXPECT_EQ(world.call(Method::get, "/").body, "\"root\"");
}

TEST(RouterTest, WhatIsNotThereIs404AndAWrongMethodIs405) {
  World world;
  world.router->add({route(Method::get, "/v1/pods", Access::reader, echo("list")),
                     route(Method::post, "/v1/pods", Access::writer, echo("make"))});
  const auto nothing = world.call(Method::get, "/v1/pots");
  EXPECT_EQ(nothing.status, 404);
  EXPECT_EQ(problem_in(nothing).code, "route_not_found");
  EXPECT_EQ(world.call(Method::get, "/v1").status, 404);
  EXPECT_EQ(world.call(Method::get, "/" + std::string(5000, 'x')).body.find(std::string(300, 'x')), std::string::npos);

  const auto wrong = world.call(Method::del, "/v1/pods");
  EXPECT_EQ(wrong.status, 405);
  EXPECT_EQ(wrong.headers.get("Allow"), "GET, HEAD, POST, OPTIONS");
  EXPECT_EQ(problem_in(wrong).fix, "use GET, HEAD, POST, OPTIONS");

  const auto options = world.call(Method::options, "/v1/pods", "");
  EXPECT_EQ(options.status, 204);
  EXPECT_EQ(options.headers.get("Allow"), "GET, HEAD, POST, OPTIONS");
  EXPECT_EQ(world.call(Method::head, "/v1/pods").status, 200);
  EXPECT_EQ(world.call(Method::head, "/v1/pods", "").status, 401);
}

TEST(RouterTest, APageOfAnotherSiteMayAskWithAKeyOfItsOwnAndNeverWithASession) {
  World world;
  world.router->add({route(Method::post, "/v1/pods", Access::writer, [](const Request&) { return ok(); })});
  // Any path: the browser shows its page only what the request itself is told.
  for (const char* path : {"/v1/pods", "/v2/endpoint/run"}) {
    const auto asked = world.call(Method::options, path, "", {},
                                  {{"Origin", "https://elsewhere.example"},
                                   {"Access-Control-Request-Method", "POST"},
                                   {"Access-Control-Request-Headers", "authorization,content-type"}});
    EXPECT_EQ(asked.status, 204);
    EXPECT_EQ(asked.headers.get("Access-Control-Allow-Origin"), "*");
    EXPECT_FALSE(asked.headers.has("Access-Control-Allow-Credentials"));
    for (const char* name : {"Authorization, Content-Type", "User-Agent"})  // RunPod's JavaScript SDK sets the latter
      EXPECT_NE(asked.headers.get("Access-Control-Allow-Headers").find(name), std::string::npos);
    EXPECT_NE(asked.headers.get("Access-Control-Allow-Methods").find("POST"), std::string::npos);
  }
  world.router->add({route(Method::post, "/open", Access::open, [](const Request&) { return ok(); })});
  const auto from = [&](const char* target, const char* who) {
    const auto answer = world.call(Method::post, target, who, {}, {{"Origin", "https://elsewhere.example"}});
    EXPECT_FALSE(answer.headers.has("Access-Control-Allow-Credentials"));
    return std::pair(answer.status, std::string(answer.headers.get("Access-Control-Allow-Origin")));
  };
  EXPECT_EQ(from("/v1/pods", "writer"), std::pair(200, std::string("*")));
  EXPECT_EQ(from("/v1/pods", "nonsense"), std::pair(401, std::string("*"))) << "what is wrong can be read, too";
  EXPECT_EQ(from("/nowhere", "writer"), std::pair(404, std::string("*")));
  EXPECT_EQ(from("/v1/pods", ""), std::pair(401, std::string())) << "without a key nothing can be read";
  EXPECT_EQ(from("/open", "nonsense"), std::pair(200, std::string())) << "what is no key opens nothing";
  EXPECT_FALSE(world.call(Method::post, "/v1/pods", "writer").headers.has("Access-Control-Allow-Origin"));
}

TEST(RouterTest, ATableThatContradictsItselfIsRefusedAtStart) {
  World world;
  const auto refused = [&](auto&& change) {
    auto made = route(Method::post, "/v1/x/{id}", Access::writer, echo("x"));
    change(made);
    std::vector<Route> routes{made};
    try {
      world.router->add(routes);
    } catch (const std::logic_error&) {
      return true;
    }
    return false;
  };
  EXPECT_FALSE(refused([](Route&) {}));
  EXPECT_TRUE(refused([](Route& r) { r.path = "/v1/x/{other}"; }));  // the same place
  EXPECT_TRUE(refused([](Route& r) { r.path = "v1"; }));
  EXPECT_TRUE(refused([](Route& r) { r.path = "/v1/a{id}"; }));
  EXPECT_TRUE(refused([](Route& r) { r.path = "/v1/{}"; }));
  EXPECT_TRUE(refused([](Route& r) { r.path = "/a", r.handler = nullptr; }));
  EXPECT_TRUE(refused([](Route& r) { r.path = "/b", r.summary = ""; }));
  EXPECT_TRUE(refused([](Route& r) { r.path = "/c", r.pod_key = true; }));
  EXPECT_TRUE(refused([](Route& r) { r.path = "/d", r.method = Method::get, r.idempotency_key = true; }));
  EXPECT_TRUE(refused([](Route& r) { r.path = "/e", r.access = Access::open, r.idempotency_key = true; }));
  EXPECT_TRUE(refused([](Route& r) { r.path = "/f", r.method = Method::get, r.body = json::schema<Thing>(); }));
}

TEST(RouterTest, EveryAnswerCarriesARequestId) {
  World world;
  world.router->add({route(Method::get, "/x", Access::open,
                           [](const Request& request) { return ok(json::encode(request.request_id)); })});
  const auto made = world.call(Method::get, "/x");
  EXPECT_TRUE(made.headers.get("X-Request-Id").starts_with("req-"));
  EXPECT_EQ(made.body, "\"" + std::string(made.headers.get("X-Request-Id")) + "\"");
  EXPECT_NE(world.call(Method::get, "/x").headers.get("X-Request-Id"), made.headers.get("X-Request-Id"));
  const auto kept = world.call(Method::get, "/nothing", "", {}, {{"X-Request-Id", "mine-1"}});
  EXPECT_EQ(kept.headers.get("X-Request-Id"), "mine-1");
  EXPECT_EQ(problem_in(kept).requestId, "mine-1");
  const auto odd = world.call(Method::get, "/x", "", {}, {{"X-Request-Id", "bad id\r\nSet-Cookie: a"}});
  EXPECT_TRUE(odd.headers.get("X-Request-Id").starts_with("req-"));
}

TEST(RouterTest, TheBodyMustSayThatItIsJson) {
  World world;
  auto made = route(Method::post, "/x", Access::writer, [](const Request& request) -> Result<Response> {
    return ok(json::encode(TRY(json::decode<Thing>(request.body))));
  });
  made.body = json::schema<Thing>();
  world.router->add({made, route(Method::post, "/bodiless", Access::writer, echo("y"))});
  const std::string body = R"({"name":"a"})";
  EXPECT_EQ(world.call(Method::post, "/x", "writer", body).status, 200);
  for (const char* type : {"application/json", "Application/JSON; charset=utf-8", "application/merge-patch+json"})
    EXPECT_EQ(world.call(Method::post, "/x", "writer", body, {{"Content-Type", type}}).status, 200) << type;
  for (const char* type : {"text/plain", "application/x-www-form-urlencoded", "application/jsonx", ";"}) {
    const auto refused = world.call(Method::post, "/x", "writer", body, {{"Content-Type", type}});
    EXPECT_EQ(refused.status, 415) << type;
  }
  EXPECT_EQ(world.call(Method::post, "/bodiless", "writer", body, {{"Content-Type", "text/plain"}}).status, 200);
  const auto bad = world.call(Method::post, "/x", "writer", R"({"name":1})");
  EXPECT_EQ(bad.status, 400);
  EXPECT_EQ(problem_in(bad).field, "name");
  EXPECT_EQ(problem_in(world.call(Method::post, "/x", "writer", "{", {{"Accept-Language", "ko"}})).code,
            "invalid_json");
}

Handler insert_then(World& world, std::function<Result<Response>(const Request&)> then) {
  return [&world, then](const Request& request) {
    world.db->exec("INSERT INTO things (id) VALUES ($1)", world.core->random().letters_and_digits(14));
    return then(request);
  };
}

TEST(RouterTest, AnErrorUndoesWhatTheHandlerWrote) {
  World world;
  world.router->add({
      route(Method::post, "/good", Access::writer, insert_then(world, [](const Request&) { return ok(); })),
      route(Method::post, "/error", Access::writer,
            insert_then(world, [](const Request&) { return invalid("x", "wrong"); })),
      route(Method::post, "/refused", Access::writer,
            insert_then(world,
                        [](const Request& request) {
                          return problem(Error{Reason::not_logged_in, {}, ""}, request);
                        })),
  });
  EXPECT_EQ(world.call(Method::post, "/error").status, 400);
  EXPECT_EQ(world.things(), 0);
  EXPECT_EQ(world.call(Method::post, "/good").status, 200);
  EXPECT_EQ(world.things(), 1);
  EXPECT_EQ(world.call(Method::post, "/refused").status, 401);  // an answer, not an error: its rows stay
  EXPECT_EQ(world.things(), 2);
}

TEST(RouterTest, AnExceptionBecomesA500AndUndoesRowsAndEffects) {
  World world;
  int effects = 0;
  world.router->add({
      route(Method::post, "/throw", Access::writer,
            insert_then(world,
                        [&](const Request&) -> Result<Response> {
                          world.core->after_commit([&] { ++effects; });
                          throw std::runtime_error("the password is hunter2");
                        })),
      route(Method::post, "/broken_sql", Access::writer,
            insert_then(world,
                        [&](const Request&) -> Result<Response> {
                          world.db->exec("INSERT INTO no_such_table (id) VALUES ($1)", 1);
                          return ok();
                        })),
      route(Method::post, "/good", Access::writer, insert_then(world, [](const Request&) { return ok(); })),
  });
  const auto thrown = world.call(Method::post, "/throw");
  EXPECT_EQ(thrown.status, 500);
  EXPECT_EQ(problem_in(thrown).code, "internal_error");
  EXPECT_EQ(problem_in(thrown).requestId, thrown.headers.get("X-Request-Id"));
  EXPECT_EQ(thrown.body.find("hunter2"), std::string::npos);
  EXPECT_EQ(world.call(Method::post, "/broken_sql").status, 500);
  EXPECT_EQ(world.things(), 0);
  EXPECT_EQ(effects, 0);
  EXPECT_EQ(world.call(Method::post, "/good").status, 200);
  EXPECT_EQ(world.things(), 1);
}

TEST(RouterTest, AnETagSavesTheBodyAndGuardsAChange) {
  World world;
  int generation = 1;
  world.router->add({
      route(Method::get, "/x", Access::reader,
            [&](const Request&) {
              auto response = ok("{\"g\":1}");
              response.headers.set("ETag", etag(std::to_string(generation)));
              return response;
            }),
      route(Method::patch, "/x", Access::writer,
            [&](const Request& request) -> Result<Response> {
              TRY(check_if_match(request, etag(std::to_string(generation))));
              ++generation;
              return ok();
            }),
  });
  const auto first = world.call(Method::get, "/x");
  const std::string tag(first.headers.get("ETag"));
  EXPECT_EQ(world.call(Method::get, "/x", "writer", {}, {{"If-None-Match", "\"other\", W/" + tag}}).status, 304);
  EXPECT_EQ(world.call(Method::get, "/x", "writer", {}, {{"If-None-Match", "\"other\""}}).status, 200);
  EXPECT_EQ(world.call(Method::patch, "/x", "writer", {}, {{"If-Match", "\"other\""}}).status, 412);
  EXPECT_EQ(generation, 1);
  EXPECT_EQ(world.call(Method::patch, "/x", "writer", {}, {{"If-Match", tag}}).status, 200);
  EXPECT_EQ(world.call(Method::patch, "/x", "writer", {}, {{"If-Match", tag}}).status, 412);
  EXPECT_EQ(world.call(Method::patch, "/x", "writer", {}, {{"If-Match", "*"}}).status, 200);
  EXPECT_EQ(world.call(Method::patch, "/x").status, 200);
  EXPECT_EQ(world.call(Method::patch, "/x", "writer", {}, {{"If-Match", ""}}).status, 412);
  EXPECT_EQ(generation, 4);
}

// --- idempotency keys, on every database ---

class IdempotencyTest : public testing::TestWithParam<db::Backend> {
 protected:
  void SetUp() override {
    if (!world.database.available()) GTEST_SKIP() << db::no_postgres;
    auto make = route(Method::post, "/things", Access::writer, [this](const Request& request) -> Result<Response> {
      const auto id = world.core->random().letters_and_digits(14);
      world.db->exec("INSERT INTO things (id) VALUES ($1)", id);
      if (request.body == "wrong") return invalid("x", "wrong");
      if (request.body == "throw") throw std::runtime_error("broken");
      if (request.body == "busy") return problem(Error{Reason::shutting_down, {}, ""}, request);
      auto response = json_response(201, json::encode(id));
      response.headers.add("Location", "/things/" + id);
      response.headers.add("X-Other", "1");
      return response;
    });
    make.idempotency_key = true;
    auto other = make;
    other.path = "/others";
    world.router->add({make, other});
  }

  Response make(std::string key, std::string body = "{}", std::string_view target = "/things",
                std::string_view who = "writer") {
    return world.call(Method::post, target, who, std::move(body), {{"Idempotency-Key", std::move(key)}});
  }
  std::int64_t kept() { return world.db->value<std::int64_t>("SELECT count(*) FROM idempotency_keys"); }

  World world{GetParam()};
};
GYRE_TEST_ON_EVERY_DATABASE(IdempotencyTest);

TEST_P(IdempotencyTest, TheSameRequestHasItsEffectOnceAndTheSameAnswer) {
  const auto first = make("k1");
  EXPECT_EQ(first.status, 201);
  EXPECT_FALSE(first.headers.has("Idempotent-Replayed"));
  world.runtime.run_for(23h);
  const auto again = make("k1");
  EXPECT_EQ(again.status, 201);
  EXPECT_EQ(again.body, first.body);
  EXPECT_EQ(again.headers.get("Idempotent-Replayed"), "true");
  EXPECT_EQ(again.headers.get("Location"), first.headers.get("Location"));
  EXPECT_EQ(again.headers.get("Content-Type"), "application/json");
  EXPECT_FALSE(again.headers.has("X-Other"));
  EXPECT_NE(again.headers.get("X-Request-Id"), first.headers.get("X-Request-Id"));
  EXPECT_EQ(world.things(), 1);
}

TEST_P(IdempotencyTest, TwoInOneBatchOfTheCoreHaveOneEffect) {
  std::vector<Response> answers;
  for (int i = 0; i < 2; ++i)
    world.core->post("http", [&] {
      Request request;
      request.method = Method::post;
      request.path = "/things";
      request.headers.add("Authorization", "writer");
      request.headers.add("Idempotency-Key", "k1");
      auto response = std::make_shared<Response>(world.router->dispatch(std::move(request)));
      world.core->after_commit([&answers, response] { answers.push_back(std::move(*response)); });
    });
  world.runtime.run_until_idle(1s);
  ASSERT_EQ(answers.size(), 2u);
  EXPECT_EQ(answers[0].body, answers[1].body);
  EXPECT_EQ(world.things(), 1);
}

TEST_P(IdempotencyTest, AKeyForAnotherRequestIsRefused) {
  make("k1");
  for (const auto& other : {make("k1", "{} "), make("k1", "{}", "/others"), make("k1", "{}", "/things?dryRun=true")}) {
    EXPECT_EQ(other.status, 409);
    EXPECT_NE(other.body.find("idempotency_key_reused"), std::string::npos);
  }
  EXPECT_EQ(world.things(), 1);
  EXPECT_EQ(make("k1", "{}", "/things?api_key=rpa_x").status, 201);  // who asks is not what is asked
  EXPECT_EQ(world.things(), 1);
}

TEST_P(IdempotencyTest, KeysOfAnotherWorkspaceAreOthers) {
  EXPECT_NE(make("k1").body, make("k1", "{}", "/things", "stranger").body);
  EXPECT_EQ(world.things(), 2);
  EXPECT_EQ(make("k1", "{}", "/things", "reader").status, 403);  // who may not do it may not see the answer either
}

TEST_P(IdempotencyTest, ARefusalIsNotKept) {
  EXPECT_EQ(make("k1", "wrong").status, 400);
  EXPECT_EQ(make("k1", "throw").status, 500);
  EXPECT_EQ(make("k1", "busy").status, 503);
  world.db->exec("DELETE FROM things");
  EXPECT_EQ(kept(), 0);
  EXPECT_EQ(make("k1", "{}").status, 201);
  EXPECT_EQ(world.things(), 1);
  EXPECT_EQ(kept(), 1);
}

TEST_P(IdempotencyTest, AKeyIsForgottenAfterADay) {
  const auto first = make("k1");
  world.runtime.run_for(24h);
  const auto second = make("k1");
  EXPECT_NE(first.body, second.body);
  EXPECT_EQ(make("k1").body, second.body);
  EXPECT_EQ(world.things(), 2);
  EXPECT_EQ(kept(), 1);
}

TEST_P(IdempotencyTest, OldKeysAreDeletedAFewAtATime) {
  for (int i = 0; i < 250; ++i) make("old" + std::to_string(i));
  EXPECT_EQ(kept(), 250);
  world.runtime.run_for(25h);
  make("new1");
  EXPECT_EQ(kept(), 151);
  make("new2");
  EXPECT_EQ(kept(), 52);
  make("new3");
  EXPECT_EQ(kept(), 3);
}

TEST_P(IdempotencyTest, AKeyIsShortVisibleText) {
  for (const auto& key : {std::string(), std::string(256, 'k'), std::string("a\tb"), std::string("한")}) {
    const auto refused = make(key);
    EXPECT_EQ(refused.status, 400) << key;
    EXPECT_EQ(problem_in(refused).field, "Idempotency-Key");
  }
  EXPECT_EQ(make(std::string(255, 'k')).status, 201);
  EXPECT_EQ(world.things(), 1);
}

}  // namespace
}  // namespace gyre::http
