// The engine as its users see it: resolvers over structs, HTTP, limits, what is kept.
#include "graphql/engine.hpp"

#include <gtest/gtest.h>
#include <boost/json/parse.hpp>

namespace gyre::graphql {
namespace {

enum class Status { RUNNING, EXITED };
BOOST_DESCRIBE_ENUM(Status, RUNNING, EXITED)

struct Machine {
  std::string gpuDisplayName;
};
BOOST_DESCRIBE_STRUCT(Machine, (), (gpuDisplayName))

struct Pod {
  std::string id;
  std::optional<std::string> name;
  double costPerHr = 0;
  int gpuCount = 0;
  Status desiredStatus = Status::RUNNING;
  std::vector<std::string> env;
  std::vector<bool> flags;
  Time createdAt{};
  int internal = 0;  // not a field of the schema
};
BOOST_DESCRIBE_STRUCT(Pod, (), (id, name, costPerHr, gpuCount, desiredStatus, env, flags, createdAt, internal))

struct Template {
  std::string id;
};
BOOST_DESCRIBE_STRUCT(Template, (), (id))

struct EnvVariable {
  std::string key, value;
};
BOOST_DESCRIBE_STRUCT(EnvVariable, (), (key, value))

struct CreatePod {
  std::string name;
  std::optional<int> gpuCount;
  std::vector<EnvVariable> env;
};
BOOST_DESCRIBE_STRUCT(CreatePod, (), (name, gpuCount, env))

struct Store {
  std::vector<Pod> pods;
  int batches = 0, singles = 0;
  std::vector<std::string> log;
};

constexpr std::string_view schema_text = R"(
  enum Status { RUNNING EXITED }
  scalar Time
  type Machine { gpuDisplayName: String! }
  interface Named { id: ID! }
  type Pod implements Named { id: ID! name: String costPerHr: Float gpuCount: Int desiredStatus: Status env: [String] flags: [Boolean] createdAt: Time machine: Machine! label(upper: Boolean = false): String }
  type Template implements Named { id: ID! }
  union Thing = Pod | Template
  input EnvVariable { key: String! value: String! }
  input CreatePod { name: String! gpuCount: Int env: [EnvVariable!] = [] }
  type Query { pods: [Pod!]! pod(id: ID!): Pod things: [Thing] named: [Named!] }
  type Mutation { createPod(input: CreatePod!): Pod refuse: Pod refuseHard: Pod! }
)";

struct Fixture : testing::Test {
  Fixture() {
    store.pods.push_back(
        {"a", "first", 0.5, 2, Status::RUNNING, {"K=V"}, {true, false}, Time(std::chrono::milliseconds(0)), 0});
    store.pods.push_back({"b", std::nullopt, 1, 1, Status::EXITED, {}, {}, Time(std::chrono::milliseconds(1500)), 0});
    request.context.add(store);
    make_engine({});
  }

  static void add(Resolvers& to) {
    to.query()
        .field("pods", [](Ask& ask) -> const std::vector<Pod>& { return ask.context<Store>().pods; })
        .field("pod",
               [](Ask& ask) -> Result<const Pod*> {
                 const auto id = TRY(ask.get<std::string>("id"));
                 for (const auto& pod : ask.context<Store>().pods)
                   if (pod.id == id) return &pod;
                 return nullptr;
               })
        .field("things",
               [](Ask& ask) {
                 std::vector<std::variant<std::monostate, Pod, Template>> out{Template{"t"}, std::monostate{},
                                                                              ask.context<Store>().pods[0]};
                 return out;
               })
        .field("named", [](Ask&) {
          return std::vector<std::variant<Pod, Template>>{Template{"t"}, Pod{.id = "p"}};
        });
    to.mutation()
        .field("createPod",
               [](Ask& ask) -> Result<Pod> {
                 const auto input = TRY(ask.get<CreatePod>("input"));
                 auto& all = ask.context<Store>();
                 Pod pod{.id = "new", .name = input.name, .gpuCount = input.gpuCount.value_or(1)};
                 for (const auto& variable : input.env) pod.env.push_back(variable.key + '=' + variable.value);
                 all.pods.push_back(pod);
                 all.log.push_back("create " + input.name);
                 return pod;
               })
        .field("refuse", [](Ask&) -> Result<Pod> { return invalid("name", "is taken"); })
        .field("refuseHard", [](Ask&) -> Result<Pod> { return invalid("name", "is taken"); });
    to.type<Pod>("Pod")
        .members()
        .batch("machine",
               [](std::span<const Pod* const> pods, Ask& ask) {
                 auto& all = ask.context<Store>();
                 ++(pods.size() > 1 ? all.batches : all.singles);
                 std::vector<Machine> out;
                 for (const auto* pod : pods) out.push_back({"GPU of " + pod->id});
                 return out;
               })
        .field("label", [](const Pod& pod, Ask& ask) -> Result<std::string> {
          return pod.id + (TRY(ask.get<bool>("upper")) ? "!" : "");
        });
    to.type<Machine>("Machine").members();
    to.type<Template>("Template").members();
  }

  void make_engine(EngineOptions options) {
    engine.reset();
    fresh = std::make_unique<Resolvers>(schema);
    add(*fresh);
    engine = std::make_unique<Engine>(*fresh, options);
  }

  std::string ask(std::string_view document, const char* variables = "{}") {
    return write_answer(engine->run(document, boost::json::parse(variables).as_object(), std::nullopt, request));
  }
  std::string code_of(std::string_view document) {
    const auto answer = boost::json::parse(ask(document));
    const auto* errors = answer.as_object().if_contains("errors");
    if (!errors) return "";
    const auto* extensions = errors->as_array()[0].as_object().if_contains("extensions");
    return extensions ? std::string(extensions->at("code").as_string().c_str()) : "no code";
  }

  const Schema schema{schema_text};
  std::unique_ptr<Resolvers> fresh;
  std::unique_ptr<Engine> engine;
  Store store;
  Request request;
};
using GraphQL = Fixture;

TEST_F(GraphQL, MembersOfAStructAreFields) {
  EXPECT_EQ(
      ask("{ pods { id name costPerHr gpuCount desiredStatus env flags createdAt } }"),
      R"({"data":{"pods":[{"id":"a","name":"first","costPerHr":0.5,"gpuCount":2,"desiredStatus":"RUNNING","env":["K=V"],"flags":[true,false],"createdAt":"1970-01-01T00:00:00.000Z"},{"id":"b","name":null,"costPerHr":1,"gpuCount":1,"desiredStatus":"EXITED","env":[],"flags":[],"createdAt":"1970-01-01T00:00:01.500Z"}]}})");
}

TEST_F(GraphQL, ABatchResolverIsAskedOnceForAWholeList) {
  EXPECT_EQ(
      ask("{ pods { machine { gpuDisplayName } } }"),
      R"({"data":{"pods":[{"machine":{"gpuDisplayName":"GPU of a"}},{"machine":{"gpuDisplayName":"GPU of b"}}]}})");
  EXPECT_EQ(store.batches, 1);
  EXPECT_EQ(store.singles, 0);
  EXPECT_EQ(ask(R"({ pod(id: "b") { machine { gpuDisplayName } } })"),
            R"({"data":{"pod":{"machine":{"gpuDisplayName":"GPU of b"}}}})");
  EXPECT_EQ(store.singles, 1);
}

TEST_F(GraphQL, AVariantIsTheObjectItHolds) {
  EXPECT_EQ(
      ask("{ things { __typename ... on Pod { label(upper: true) } } named { id __typename } }"),
      R"({"data":{"things":[{"__typename":"Template"},null,{"__typename":"Pod","label":"a!"}],"named":[{"id":"t","__typename":"Template"},{"id":"p","__typename":"Pod"}]}})");
}

TEST_F(GraphQL, InputsAreDecodedIntoStructs) {
  EXPECT_EQ(ask("mutation($i: CreatePod!) { createPod(input: $i) { name gpuCount env } }",
                R"({"i": {"name": "n", "env": [{"key": "A", "value": "b"}]}})"),
            R"({"data":{"createPod":{"name":"n","gpuCount":1,"env":["A=b"]}}})");
  EXPECT_EQ(ask(R"(mutation { createPod(input: {name: "m", gpuCount: 3}) { gpuCount } })"),
            R"({"data":{"createPod":{"gpuCount":3}}})");
}

TEST_F(GraphQL, ARefusalHasItsReasonAsCodeAndItsField) {
  EXPECT_EQ(
      ask("mutation { refuse { id } }"),
      R"({"errors":[{"message":"name: is taken","locations":[{"line":1,"column":12}],"path":["refuse"],"extensions":{"code":"invalid_field","field":"name"}}],"data":{"refuse":null}})");
}

TEST_F(GraphQL, EachMutationRunsInItsOwnSurroundingsAndSaysHowItWent) {
  request.around_mutation = [&](const std::function<bool()>& run) { store.log.push_back(run() ? "kept" : "undone"); };
  ask(R"(mutation { a: createPod(input: {name: "x"}) { id } refuse { id } b: createPod(input: {name: "y"}) { id } })");
  EXPECT_EQ(store.log, (std::vector<std::string>{"create x", "kept", "undone", "create y", "kept"}));
  store.log.clear();
  ask(R"(mutation { refuseHard { id } b: createPod(input: {name: "z"}) { id } })");
  EXPECT_EQ(store.log, (std::vector<std::string>{"undone"}));
}

TEST_F(GraphQL, WhatThrowsLeavesTheEngine) {
  Resolvers other(schema);
  add(other);
  Engine broken(other);
  const Request without_store;
  EXPECT_THROW(broken.run("{ pods { id } }", {}, std::nullopt, without_store), std::logic_error);
}

TEST_F(GraphQL, AFieldWithoutAResolverIsFoundAtStart) {
  Resolvers some(schema);
  some.query().field("pods", [](Ask&) { return std::vector<Pod>{}; });
  try {
    some.check();
    FAIL() << "nothing was missing";
  } catch (const std::logic_error& error) {
    EXPECT_NE(std::string(error.what()).find("Query.pod"), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()).find("Pod.machine"), std::string::npos) << error.what();
    EXPECT_EQ(std::string(error.what()).find("Query.pods"), std::string::npos) << error.what();
  }
}

TEST_F(GraphQL, AResolverWithoutAFieldIsRefusedWhereItIsMade) {
  Resolvers some(schema);
  EXPECT_THROW(some.query().field("podz", [](Ask&) { return 1; }), std::logic_error);
  EXPECT_THROW(some.type<Pod>("Podd"), std::logic_error);
  EXPECT_THROW(some.type<Pod>("Named"), std::logic_error);
  EXPECT_THROW(some.type<EnvVariable>("Pod").members(), std::logic_error);
  some.type<Template>("Template").members();
  EXPECT_THROW(some.type<Template>("Template").field("id", [](const Template&) { return "x"; }), std::logic_error);
  EXPECT_THROW(some.type<Pod>("Template"), std::logic_error);
}

TEST_F(GraphQL, ASchemaThatIsNoneSaysAllThatIsWrong) {
  try {
    const Schema wrong("type Query { a: Nope b(c: Query): Int } union U = Int");
    FAIL() << "it was accepted";
  } catch (const SchemaError& error) {
    EXPECT_NE(std::string(error.what()).find("Unknown type \"Nope\""), std::string::npos) << error.what();
  }
  EXPECT_THROW(Schema("type Query { a: Int } { a }"), SchemaError);
  EXPECT_THROW(Schema("type Query { a(b: Int = \"x\"): Int }"), SchemaError);
}

// --- limits ---

TEST_F(GraphQL, LimitsHaveStableCodes) {
  Limits limits;
  limits.document_bytes_max = 400;
  limits.tokens_max = 60;
  limits.depth_max = 3;
  limits.aliases_max = 2;
  limits.cost_max = 20;
  make_engine({.limits = limits});
  EXPECT_EQ(code_of("{ pods { machine { gpuDisplayName } } }"), "");
  EXPECT_EQ(code_of("{ pods { id " + std::string(400, ' ') + "} }"), "graphql_too_large");
  EXPECT_EQ(code_of("{ pods { " +
                    [] {
                      std::string out;
                      for (int i = 0; i < 60; ++i) out += "id ";
                      return out;
                    }() +
                    "} }"),
            "graphql_too_many_tokens");
  EXPECT_EQ(code_of("{ a { b { c { d } } } }"), "graphql_too_deep");
  EXPECT_EQ(code_of("{ pods { ...A } } fragment A on Pod { machine { x { y } } }"), "graphql_too_deep");
  EXPECT_EQ(code_of("{ a: pods { id } b: pods { id } c: pods { id } }"), "graphql_too_many_aliases");
  EXPECT_EQ(code_of("{ ...A ...A } fragment A on Query { a: pods { b: id } }"), "graphql_too_many_aliases");
  EXPECT_EQ(code_of("{ pods { ...A ...A } } fragment A on Pod { ...B ...B } fragment B on Pod { ...C ...C ...C } "
                    "fragment C on Pod { id name }"),
            "graphql_too_costly");
}

TEST_F(GraphQL, AnAnswerMayNotGrowWithoutEnd) {
  Limits limits;
  limits.values_max = 4;
  make_engine({.limits = limits});
  EXPECT_EQ(code_of("{ pods { id } }"), "");
  const auto answer = boost::json::parse(ask("{ pods { id name } }"));
  EXPECT_EQ(answer.at("errors").at(0).at("extensions").at("code"), "graphql_too_costly");
  EXPECT_TRUE(answer.at("data").is_null());
}

TEST_F(GraphQL, FragmentsThatSpreadToBillionsAreMeasuredNotWalked) {
  std::string text = "{ pods { ...F0 } }";
  for (int i = 0; i < 60; ++i)
    text += " fragment F" + std::to_string(i) + " on Pod { ...F" + std::to_string(i + 1) + " ...F" +
            std::to_string(i + 1) + " }";
  text += " fragment F60 on Pod { id }";
  EXPECT_EQ(code_of(text), "graphql_too_costly");
}

TEST_F(GraphQL, FieldsThatWouldBeComparedWithoutEndAreRefused) {
  std::string text = "{ pods { ";
  for (int i = 0; i < 5000; ++i) text += "id ";
  EXPECT_EQ(code_of(text + "} }"), "graphql_too_costly");
}

TEST_F(GraphQL, LongChainsOfFragmentsDoNotExhaustTheStack) {
  std::string text = "{ pods { ...F0 } }";
  for (int i = 0; i < 1500; ++i)
    text += "fragment F" + std::to_string(i) + " on Pod{...F" + std::to_string(i + 1) + "}";
  EXPECT_EQ(code_of(text + "fragment F1500 on Pod{id}"), "graphql_too_deep");
}

TEST_F(GraphQL, ValidDocumentsAreKeptAndTheCacheIsBounded) {
  make_engine({.cached_documents_max = 3});
  for (int i = 0; i < 10; ++i) ask("{ pods { id } }" + std::string(static_cast<std::size_t>(i), ' '));
  EXPECT_EQ(engine->cached_documents(), 3u);
  ask("{ nope }");
  ask("{");
  EXPECT_EQ(engine->cached_documents(), 3u);
  make_engine({.cached_bytes_max = 40});
  ask("{ pods { id } }");
  ask("{ pods { name } }");
  EXPECT_EQ(engine->cached_documents(), 2u);
  ask("{ pods { id name } }");
  EXPECT_EQ(engine->cached_documents(), 1u + 1u);
  EXPECT_EQ(ask("{ pods { gpuCount } }"), ask("{ pods { gpuCount } }"));
}

// --- leniency ---

TEST_F(GraphQL, LeniencyTakesStringsForEnumsAndPassesOverUnknownInputs) {
  const Schema lenient_schema("enum E { A B } input I { e: E } type Query { echo(e: E, i: I): String }");
  Resolvers echo(lenient_schema);
  echo.query().field("echo", [](Ask& ask) {
    std::string out;
    write_json(out, ask.arguments());
    return out;
  });
  Engine lenient(echo, {.leniency = {.enum_strings = true, .unknown_inputs = true}});
  const auto run = [&](std::string_view text, const char* variables = "{}") {
    return write_answer(lenient.run(text, boost::json::parse(variables).as_object(), std::nullopt, request));
  };
  EXPECT_EQ(run(R"({ echo(e: "A", i: {e: "B", more: {x: 1}}) })"),
            R"({"data":{"echo":"{\"e\":\"A\",\"i\":{\"e\":\"B\"}}"}})");
  EXPECT_EQ(run("query($i: I) { echo(i: $i) }", R"({"i": {"e": "A", "more": 1}})"),
            R"({"data":{"echo":"{\"i\":{\"e\":\"A\"}}"}})");
  EXPECT_NE(run(R"({ echo(e: "C") })").find("cannot represent non-enum value"), std::string::npos);
}

TEST_F(GraphQL, PlacesAreInMessagesForClientsThatShowNothingElse) {
  const Schema small("type Query { echo(i: Int): String }");
  Resolvers echo(small);
  echo.query().field("echo", [](Ask&) { return std::string("x"); });
  Engine telling(echo, {.places_in_messages = true});
  const auto message = [&](const char* document) {
    const boost::json::object body{{"query", document}};
    const auto reply = telling.answer({.body = json::serialize(body)}, request);
    return std::string(boost::json::parse(reply.body).at("errors").at(0).at("message").as_string());
  };
  EXPECT_EQ(message("{\n  colour }"), "Cannot query field \"colour\" on type \"Query\". (line 2, column 3)");
  EXPECT_EQ(message("{ echo(i: true) }"), "Int cannot represent non-integer value: true (line 1, column 11)");
  EXPECT_NE(message("{ echo").find("(line 1, column 7)"), std::string::npos) << message("{ echo");
}

// --- HTTP ---

struct Http : Fixture {
  Reply post(std::string body, std::string accept = "") {
    return engine->answer({.accept = std::move(accept), .body = std::move(body)}, request);
  }
};

TEST_F(Http, RunPodsClientsGet200WhateverTheErrors) {
  EXPECT_EQ(post(R"({"query": "{ pods { id } }"})").status, 200);
  EXPECT_EQ(post(R"({"query": "{ pods { id } }", "variables": null})").status, 200);
  EXPECT_EQ(post(R"({"query": "query { pods { id } }", "variables": {}, "operationName": ""})").status, 200);
  const auto refused = post(R"({"query": "{ pods { nope } }"})");
  EXPECT_EQ(refused.status, 200);
  EXPECT_EQ(refused.content_type, "application/json; charset=utf-8");
  EXPECT_NE(refused.body.find("Cannot query field \\\"nope\\\" on type \\\"Pod\\\""), std::string::npos);
  EXPECT_EQ(post(R"({"query": "{"})").status, 200);
}

TEST_F(Http, TheNewMediaTypeGets400WhenNothingWasExecuted) {
  constexpr const char* type = "application/graphql-response+json, application/json;q=0.9";
  EXPECT_EQ(post(R"({"query": "{"})", type).status, 400);
  EXPECT_EQ(post(R"({"query": "{ pods { id } }"})", type).status, 200);
  EXPECT_EQ(post(R"({"query": "mutation { refuse { id } }"})", type).status, 200);
  EXPECT_EQ(post(R"({"query": "{"})", type).content_type, "application/graphql-response+json; charset=utf-8");
  EXPECT_EQ(post(R"({"query": "{"})", "*/*").content_type, "application/json; charset=utf-8");
}

TEST_F(Http, WhatIsNoGraphQLRequestIsRefusedWithACode) {
  const auto refused = [&](std::string body) {
    const auto reply = post(std::move(body));
    EXPECT_EQ(reply.status, 400) << reply.body;
    return std::string(
        boost::json::parse(reply.body).at("errors").at(0).at("extensions").at("code").as_string().c_str());
  };
  EXPECT_EQ(refused(""), "invalid_json");
  EXPECT_EQ(refused("{\"query\": \"{ a }\""), "invalid_json");
  EXPECT_EQ(refused("[]"), "graphql_request_malformed");
  EXPECT_EQ(refused("{}"), "graphql_query_missing");
  EXPECT_EQ(refused(R"({"query": 1})"), "graphql_request_malformed");
  EXPECT_EQ(refused(R"({"query": "{ a }", "variables": []})"), "graphql_request_malformed");
  EXPECT_EQ(refused(R"({"query": "{ a }", "operationName": 1})"), "graphql_request_malformed");
  EXPECT_EQ(engine->answer({.content_type = "text/plain", .body = "{ pods { id } }"}, request).status, 415);
  EXPECT_EQ(engine
                ->answer({.content_type = "Application/JSON; charset=utf-8", .body = R"({"query": "{ pods { id } }"})"},
                         request)
                .status,
            200);
  const auto put = engine->answer({.method = "PUT"}, request);
  EXPECT_EQ(put.status, 405);
  EXPECT_EQ(put.allow, "GET, POST");
}

TEST_F(Http, GetReadsAndNeverChanges) {
  const auto get = [&](std::vector<std::pair<std::string, std::string>> query) {
    return engine->answer({.method = "GET", .content_type = "", .query = std::move(query)}, request);
  };
  EXPECT_EQ(get({{"query", "query($i: ID!) { pod(id: $i) { id } }"}, {"variables", R"({"i": "a"})"}}).body,
            R"({"data":{"pod":{"id":"a"}}})");
  EXPECT_EQ(get({{"query", "query A { pods { id } } mutation B { refuse { id } }"}, {"operationName", "A"}}).status,
            200);
  const auto refused = get({{"query", R"(mutation { createPod(input: {name: "x"}) { id } })"}});
  EXPECT_EQ(refused.status, 405);
  EXPECT_EQ(refused.allow, "POST");
  EXPECT_TRUE(store.log.empty());
  EXPECT_EQ(get({}).status, 400);
  EXPECT_EQ(get({{"query", "{ pods { id } }"}, {"variables", "{"}}).status, 400);
}

TEST_F(Http, AnEscapedAmpersandIsTheCharacterItself) {
  EXPECT_EQ(post(R"({"query":"query($i: ID!) { pod(id: $i) { id } }","variables":{"i":"a\u0026b"}})").body,
            R"({"data":{"pod":null}})");
}

}  // namespace
}  // namespace gyre::graphql
