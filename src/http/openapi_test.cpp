#include <set>

#include "http/page.hpp"
#include "http/problem.hpp"
#include "http/router_world_test.hpp"
#include "json/codec.hpp"

namespace gyre::http {
namespace {

namespace bj = boost::json;

enum class Size { small, large };
BOOST_DESCRIBE_ENUM(Size, small, large)

struct Lid {
  std::optional<std::string> colour;
};
BOOST_DESCRIBE_STRUCT(Lid, (), (colour))
json::Fields fields(const Lid*) { return {{"colour", "of the lid", R"("red")"}}; }

struct Box {
  std::string name;
  std::optional<Lid> lid;
  std::vector<Box> inside;
  Size size = Size::small;
};
BOOST_DESCRIBE_STRUCT(Box, (), (name, lid, inside, size))
json::Fields fields(const Box*) {
  return {{"name", "what you call it", R"("a")"},
          {"lid", "what closes it", "{}"},
          {"inside", "what is in it", "[]", json::defaulted},
          {"size", "how big", R"("large")", json::defaulted}};
}

std::vector<Route> routes() {
  const Handler handler = [](const Request&) { return ok(); };
  auto list = route(Method::get, "/v1/boxes", Access::reader, handler);
  list.query = page_parameters();
  list.query.push_back({"size", "only of this size", "small", true});
  list.answer = json::schema_list<Box>();
  auto make = route(Method::post, "/v1/boxes", Access::writer, handler);
  make.body = make.answer = json::schema<Box>();
  make.status = 201;
  make.idempotency_key = true;
  make.errors = {Reason::host_not_found};
  auto change = route(Method::patch, "/v1/boxes/{id}", Access::writer, handler);
  change.body = change.answer = json::schema<Box>();
  change.errors = {Reason::stale_version, Reason::pod_not_found};
  change.pod_key = true;
  auto remove = route(Method::del, "/v1/boxes/{id}", Access::admin, handler);
  remove.status = 204;
  auto logs = route(Method::get, "/v1/boxes/{id}/logs/{part}", Access::reader, handler);
  logs.answer_type = "text/plain";
  auto health = route(Method::get, "/healthz", Access::open, handler);
  health.tag = "System";
  return {list, make, change, remove, logs, health};
}

void each(const bj::value& value, const std::function<void(const bj::object&)>& visit) {
  if (const auto* object = value.if_object()) {
    visit(*object);
    for (const auto& [name, member] : *object) each(member, visit);
  } else if (const auto* array = value.if_array()) {
    for (const auto& item : *array) each(item, visit);
  }
}

std::string text_at(const bj::object& object, std::string_view name) {
  const auto* found = object.if_contains(bj::string_view(name.data(), name.size()));
  return found && found->is_string() ? std::string(found->get_string().c_str()) : "";
}

class OpenApiTest : public testing::Test {
 protected:
  const bj::value document = json::parse(openapi(routes(), "1.2.3")).value();
  const bj::object& operation(const char* path, const char* method) {
    return document.at("paths").at(path).at(method).as_object();
  }
};

TEST_F(OpenApiTest, EveryReferenceResolves) {
  int references = 0;
  each(document, [&](const bj::object& object) {
    const auto to = text_at(object, "$ref");
    if (to.empty()) return;
    ++references;
    ASSERT_TRUE(to.starts_with("#/")) << to;
    bj::error_code missing;
    document.find_pointer(to.substr(1), missing);
    EXPECT_FALSE(missing) << to;
  });
  EXPECT_GT(references, 10);
}

TEST(OpenApiV2Test, WhatIsBelowV2HasADocumentOfItsOwnAndItsOwnRefusals) {
  auto all = routes();
  auto change = route(Method::patch, "/v2/boxes/{id}", Access::writer, [](const Request&) { return ok(); });
  change.body = change.answer = json::schema<Box>();
  all.push_back(change);
  for (const auto part : {OpenapiPart::whole, OpenapiPart::rest_v2}) {
    const auto document = json::parse(openapi(all, "1.2.3", part)).value();
    const bool v2_only = part == OpenapiPart::rest_v2;
    EXPECT_EQ(document.at("paths").as_object().size(), v2_only ? 1u : 5u);
    const auto& answers = document.at("paths").at("/v2/boxes/{id}").at("patch").at("responses").as_object();
    const auto& wrong = answers.at("422").at("content").at("application/problem+json").as_object();
    EXPECT_EQ(wrong.at("schema").at("$ref"), "#/components/schemas/ProblemV2");
    EXPECT_EQ(wrong.at("examples").at("missing_field").at("$ref"), "#/components/examples/v2_missing_field");
    EXPECT_EQ(document.at("components").at("schemas").as_object().contains("Problem"), !v2_only);
    each(document, [&](const bj::object& object) {
      const auto to = text_at(object, "$ref");
      bj::error_code missing;
      if (!to.empty()) document.find_pointer(to.substr(1), missing);
      EXPECT_FALSE(missing) << to;
    });
  }
}

TEST_F(OpenApiTest, EveryPathParameterIsDeclaredOnceAndOperationsHaveNamesOfTheirOwn) {
  std::set<std::string> ids;
  for (const auto& [path, methods] : document.at("paths").as_object())
    for (const auto& [method, operation] : methods.as_object()) {
      std::multiset<std::string> declared, named;
      if (const auto* all = operation.as_object().if_contains("parameters"))
        for (const auto& parameter : all->as_array())
          if (text_at(parameter.as_object(), "in") == "path") declared.insert(text_at(parameter.as_object(), "name"));
      const std::string text(path);
      for (auto at = text.find('{'); at != std::string::npos; at = text.find('{', at + 1))
        named.insert(text.substr(at + 1, text.find('}', at) - at - 1));
      EXPECT_EQ(declared, named) << path;
      EXPECT_TRUE(ids.insert(text_at(operation.as_object(), "operationId")).second) << path;
      EXPECT_FALSE(operation.at("responses").as_object().empty());
    }
  EXPECT_TRUE(ids.contains("patchV1BoxesById"));
}

TEST_F(OpenApiTest, EveryFieldAndParameterSaysWhatItIsAndShowsOne) {
  int fields_seen = 0;
  for (const auto& [name, schema] : document.at("components").at("schemas").as_object()) {
    EXPECT_EQ(schema.at("type"), "object") << name;
    for (const auto& [field, property] : schema.at("properties").as_object()) {
      EXPECT_FALSE(text_at(property.as_object(), "description").empty()) << name << '.' << field;
      EXPECT_EQ(property.at("examples").as_array().size(), 1u) << name << '.' << field;
      ++fields_seen;
    }
  }
  EXPECT_EQ(fields_seen, 11 + 4 + 1);
  each(document.at("paths"), [](const bj::object& object) {
    if (text_at(object, "in") != "query") return;
    EXPECT_FALSE(text_at(object, "description").empty()) << json::serialize(object);
    EXPECT_TRUE(object.contains("example")) << json::serialize(object);
  });
}

TEST_F(OpenApiTest, EveryRefusalOfARouteIsShownWithItsCodeAndWords) {
  const auto& responses = operation("/v1/boxes/{id}", "patch").at("responses").as_object();
  const auto& missing = responses.at("404").at("content").at("application/problem+json");
  EXPECT_EQ(missing.at("examples").at("pod_not_found").at("$ref"), "#/components/examples/pod_not_found");
  const auto& examples = document.at("components").at("examples");
  EXPECT_EQ(examples.at("pod_not_found").at("value").at("code"), "pod_not_found");
  EXPECT_EQ(examples.at("pod_not_found").at("value").at("detail"), "no pod {pod}");
  EXPECT_TRUE(responses.contains("412"));
  EXPECT_TRUE(responses.contains("401"));
  EXPECT_TRUE(responses.contains("403"));
  EXPECT_TRUE(responses.contains("415"));
  const auto& bad = responses.at("400").at("content").at("application/problem+json").at("examples").as_object();
  for (const char* code : {"invalid_field", "unknown_field", "missing_field", "invalid_json"})
    EXPECT_TRUE(bad.contains(code)) << code;
  for (const auto& [code, example] : examples.as_object()) {
    const auto body = json::decode<Problem>(example.at("value"), "", json::UnknownKeys::refuse);
    ASSERT_TRUE(body) << code;
    EXPECT_EQ(body->code, std::string(code));
  }
  EXPECT_TRUE(operation("/v1/boxes", "post").at("responses").as_object().contains("409"));
  EXPECT_FALSE(operation("/healthz", "get").at("responses").as_object().contains("401"));
}

TEST_F(OpenApiTest, SecurityAndTagsAreTold) {
  EXPECT_EQ(document.at("openapi"), "3.1.0");
  EXPECT_EQ(document.at("info").at("version"), "1.2.3");
  EXPECT_EQ(json::serialize(document.at("tags")), R"([{"name":"Things"},{"name":"System"}])");
  const auto& schemes = document.at("components").at("securitySchemes").as_object();
  for (const auto& choice : document.at("security").as_array())
    for (const auto& [name, scopes] : choice.as_object()) EXPECT_TRUE(schemes.contains(name)) << name;
  EXPECT_EQ(document.at("security").as_array().size(), 3u);
  EXPECT_TRUE(operation("/healthz", "get").at("security").as_array().empty());
  EXPECT_FALSE(operation("/v1/boxes", "get").contains("security"));
  EXPECT_NE(text_at(operation("/v1/boxes/{id}", "patch"), "description").find("a pod's own key"), std::string::npos);
}

TEST_F(OpenApiTest, BodiesAnswersAndHeadersAreTold) {
  const auto& make = operation("/v1/boxes", "post");
  EXPECT_EQ(make.at("requestBody").at("content").at("application/json").at("schema").at("$ref"),
            "#/components/schemas/Box");
  EXPECT_TRUE(make.at("responses").at("201").at("content").as_object().contains("application/json"));
  EXPECT_NE(json::serialize(make.at("parameters")).find("IdempotencyKey"), std::string::npos);
  EXPECT_NE(json::serialize(operation("/v1/boxes/{id}", "patch").at("parameters")).find("IfMatch"), std::string::npos);
  EXPECT_TRUE(operation("/v1/boxes/{id}/logs/{part}", "get")
                  .at("responses")
                  .at("200")
                  .at("content")
                  .as_object()
                  .contains("text/plain"));
  EXPECT_FALSE(operation("/v1/boxes/{id}", "delete").at("responses").at("204").as_object().contains("content"));
  EXPECT_EQ(
      json::serialize(document.at("components").at("schemas").at("Box").at("properties").at("size")),
      R"({"type":"string","enum":["small","large"],"description":"how big","default":"small","examples":["large"]})");
}

TEST(OpenApiText, IsTheSameEveryTimeAndHasLines) {
  const auto text = openapi(routes(), "1");
  EXPECT_EQ(text, openapi(routes(), "1"));
  EXPECT_GT(std::count(text.begin(), text.end(), '\n'), 100);
}

}  // namespace
}  // namespace gyre::http
