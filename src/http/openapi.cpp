// The OpenAPI 3.1 document, made from nothing but the route table, the wire structs' words and the reasons.
#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "http/problem.hpp"
#include "http/router.hpp"
#include "json/codec.hpp"

namespace gyre::http {
namespace {

namespace bj = boost::json;

constexpr std::string_view about_v2 =
    "RunPod's REST v2, over the same pods, templates and volumes as /v1. A list stands under its name in an object. A "
    "refusal is `application/problem+json` (RFC 9457): `title`, `status`, `detail`, `errors`, and a stable `code`. "
    "When "
    "there is more, `X-Next-Cursor` and a `Link` with `rel=\"next\"` say where to go on.";

constexpr std::string_view about =
    "Every answer carries `X-Request-Id`. A refusal is `application/problem+json` with a stable `code`, the words in "
    "English or Korean (`Accept-Language`), the field to blame and what to do. Lists are arrays; when there is more, "
    "`X-Next-Cursor` and a `Link` with `rel=\"next\"` say where to go on.";

bj::object object_of(std::initializer_list<std::pair<std::string_view, bj::value>> members) {
  bj::object out;
  for (const auto& [name, value] : members) out[name] = value;
  return out;
}

bj::value text(std::string_view words) { return bj::value(bj::string_view(words.data(), words.size())); }

bj::object reference(std::string_view to) { return object_of({{"$ref", text(to)}}); }

// GET /v1/pods/{id} -> getV1PodsById
std::string operation_id(const Route& route) {
  std::string out(method_text(route.method));
  for (char& c : out) c = static_cast<char>(c + ('a' - 'A'));
  bool start = true;
  for (const char c : route.path) {
    if (c == '{') out += "By";
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (letter) out += start && c >= 'a' && c <= 'z' ? static_cast<char>(c - ('a' - 'A')) : c;
    start = !letter;
  }
  return out;
}

std::string needed(const Route& route) {
  std::string out;
  switch (route.access) {
    case Access::open:
      return "Needs no key.";
    case Access::guest:
      return "Needs no key for some of it; a pod's own key reaches that pod.";
    case Access::reader:
      out = "Needs a key or session of the workspace";
      break;
    case Access::writer:
      out = "Needs READ_WRITE";
      break;
    case Access::admin:
      out = "Needs READ_WRITE of an operator of this installation";
      break;
  }
  return out + (route.pod_key ? "; a pod's own key may use it for that pod." : ".");
}

bj::array parameters(const Route& route) {
  bj::array out;
  for (std::size_t at = route.path.find('{'); at != std::string::npos; at = route.path.find('{', at + 1)) {
    const auto name = route.path.substr(at + 1, route.path.find('}', at) - at - 1);
    const auto words = name == "id" ? std::string("the id, as the list and the creation gave it") : "the " + name;
    out.push_back(object_of({{"name", text(name)},
                             {"in", "path"},
                             {"required", true},
                             {"description", text(words)},
                             {"schema", object_of({{"type", "string"}})}}));
  }
  for (const auto& parameter : route.query) {
    auto schema = object_of({{"type", "string"}});
    if (parameter.repeatable) schema = object_of({{"type", "array"}, {"items", bj::value(schema)}});
    auto made = object_of({{"name", text(parameter.name)},
                           {"in", "query"},
                           {"required", false},
                           {"description", text(parameter.description)},
                           {"schema", bj::value(schema)}});
    if (parameter.repeatable) {
      made["explode"] = true;
      made["example"] = bj::array{text(parameter.example)};
    } else {
      made["example"] = text(parameter.example);
    }
    out.push_back(std::move(made));
  }
  if (route.idempotency_key) out.push_back(reference("#/components/parameters/IdempotencyKey"));
  if (std::count(route.errors.begin(), route.errors.end(), Reason::stale_version))
    out.push_back(reference("#/components/parameters/IfMatch"));
  return out;
}

std::vector<Reason> errors_of(const Route& route) {
  std::vector<Reason> out = route.errors;
  const auto also = [&](std::initializer_list<Reason> more) { out.insert(out.end(), more); };
  also({Reason::bad_request, Reason::too_many_requests, Reason::overloaded, Reason::internal_error,
        Reason::shutting_down});
  if (!route.body.empty())
    also({Reason::invalid_json, Reason::invalid_field, Reason::unknown_field, Reason::missing_field,
          Reason::unsupported_media_type, Reason::body_too_large});
  if (!route.query.empty()) also({Reason::invalid_field});
  if (std::any_of(route.query.begin(), route.query.end(), [](const auto& one) { return one.name == "cursor"; }))
    also({Reason::bad_cursor});
  if (route.access != Access::open) also({Reason::not_logged_in, Reason::access_denied});
  if (route.access != Access::open && (route.method != Method::get || route.web_socket))
    also({Reason::cross_site_request});
  if (route.web_socket) also({Reason::upgrade_required});
  if (route.idempotency_key) also({Reason::idempotency_key_reused, Reason::invalid_field});
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

// An example of the refusal, with its placeholders standing: "no pod {pod}".
bj::object example_of(Reason reason, ProblemForm form) {
  Error error{reason, {}, ""};
  for (const auto& name : argument_names(reason)) {
    error.args.emplace_back(name, "{" + name + "}");
    if (name == "field") error.field = "{field}";
  }
  const std::string request = "req-8zk2m1x0q4wv7c";
  const auto body = form == ProblemForm::ours ? problem_json(problem_of(error, Language::en, request))
                                              : problem_json(problem_v2_of(error, Language::en, request));
  return object_of({{"summary", text(error.message())}, {"value", json::parse(body).value()}});
}

// What operations share and refer to: schemas, and one example per reason.
struct Shared {
  bj::object schemas, examples;
};

bj::object success(int status, const json::SchemaRef& answer, const std::string& type, Shared& shared) {
  auto out = object_of({{"description", text(status_text(status))},
                        {"headers", object_of({{"X-Request-Id", reference("#/components/headers/RequestId")}})}});
  bj::object content;
  if (!answer.empty())
    content[type] = object_of({{"schema", answer.build(shared.schemas)}});
  else if (type != "application/json")
    content[type] = object_of({{"schema", object_of({{"type", "string"}})}});
  if (!content.empty()) out["content"] = std::move(content);
  return out;
}

bj::object responses(const Route& route, Shared& shared) {
  bj::object out;
  out[std::to_string(route.status)] = success(route.status, route.answer, route.answer_type, shared);
  for (const auto& [status, answer] : route.other_answers)
    out[std::to_string(status)] = success(status, answer, "application/json", shared);

  const auto form = problem_form(route.path);
  std::map<int, bj::object> examples;  // by status
  for (const auto reason : errors_of(route)) {
    const auto code = reason_text(reason);
    const auto name = (form == ProblemForm::ours ? "" : "v2_") + std::string(code);
    examples[status_of(reason, form)][code] = reference("#/components/examples/" + name);
    if (!shared.examples.contains(name)) shared.examples[name] = example_of(reason, form);
  }
  for (auto& [status, of_status] : examples) {
    auto body = object_of({{"schema", form == ProblemForm::ours ? json::schema<Problem>().build(shared.schemas)
                                                                : json::schema<ProblemV2>().build(shared.schemas)}});
    body["examples"] = std::move(of_status);
    auto answer = object_of({{"description", text(status_text(status))}});
    answer["content"] = object_of({{"application/problem+json", bj::value(std::move(body))}});
    out[std::to_string(status)] = std::move(answer);
  }
  return out;
}

bj::object operation(const Route& route, Shared& shared) {
  bj::object out;
  out["operationId"] = operation_id(route);
  out["summary"] = route.summary;
  out["description"] = route.description + (route.description.empty() ? "" : "\n\n") + needed(route);
  out["tags"] = bj::array{text(route.tag)};
  if (route.access == Access::open) out["security"] = bj::array();
  if (route.access == Access::guest) out["security"] = bj::array{bj::object(), object_of({{"bearer", bj::array()}})};
  out["x-gyre-access"] = text(enum_text(route.access));  // the words above, for programs
  if (auto all = parameters(route); !all.empty()) out["parameters"] = std::move(all);
  if (route.web_socket) {
    bj::array protocols;
    for (const auto& one : route.protocols) protocols.emplace_back(one);
    out["x-websocket"] = object_of({{"protocols", std::move(protocols)}});
  }
  if (!route.body.empty())
    out["requestBody"] = object_of(
        {{"required", true},
         {"content", object_of({{"application/json", object_of({{"schema", route.body.build(shared.schemas)}})}})}});
  out["responses"] = responses(route, shared);
  return out;
}

bj::object header_parameter(std::string_view name, std::string_view words, std::string_view example) {
  return object_of({{"name", text(name)},
                    {"in", "header"},
                    {"required", false},
                    {"description", text(words)},
                    {"schema", object_of({{"type", "string"}})},
                    {"example", text(example)}});
}

bj::object security_schemes() {
  return object_of(
      {{"bearer",
        object_of({{"type", "http"},
                   {"scheme", "bearer"},
                   {"description", "`Authorization: Bearer KEY`; the bare key without `Bearer` is understood"}})},
       {"api_key", object_of({{"type", "apiKey"},
                              {"in", "query"},
                              {"name", "api_key"},
                              {"description", "for clients that cannot set a header; hidden in our logs"}})},
       {"session", object_of({{"type", "apiKey"},
                              {"in", "cookie"},
                              {"name", "gyre_session"},
                              {"description", "of a browser that logged in; changes also need `X-Gyre-CSRF: 1`"}})}});
}

}  // namespace

std::string openapi(const std::vector<Route>& routes, const std::string& version, const OpenapiPart part) {
  const bool v2_only = part == OpenapiPart::rest_v2;
  Shared shared;
  if (!v2_only) json::schema<Problem>().build(shared.schemas);
  bj::object paths;
  bj::array tags;
  for (const auto& route : routes) {
    if (v2_only && problem_form(route.path) != ProblemForm::rest_v2) continue;
    auto& path = paths[route.path];
    if (path.is_null()) path = bj::object();
    auto method = std::string(method_text(route.method));
    for (char& c : method) c = static_cast<char>(c + ('a' - 'A'));
    path.get_object()[method] = operation(route, shared);
    const auto tag = object_of({{"name", text(route.tag)}});
    if (std::find(tags.begin(), tags.end(), bj::value(tag)) == tags.end()) tags.push_back(tag);
  }
  bj::object components;
  components["schemas"] = std::move(shared.schemas);
  components["examples"] = std::move(shared.examples);
  components["parameters"] = object_of(
      {{"IdempotencyKey",
        header_parameter("Idempotency-Key",
                         "1 to 255 visible characters of your choice. The same request with the same key within a day "
                         "has its effect once and gets the same answer, marked `Idempotent-Replayed: true`",
                         "2f1c9d52-trainer")},
       {"IfMatch",
        header_parameter("If-Match", "the ETag you read; the change is refused if it is stale", etag("1"))}});
  components["headers"] = object_of(
      {{"RequestId", object_of({{"description", "of this request in the server's log; yours, if you sent a sane one"},
                                {"schema", object_of({{"type", "string"}})}})}});
  components["securitySchemes"] = security_schemes();

  bj::object out;
  out["openapi"] = "3.1.0";
  out["info"] = object_of({{"title", "Gyre"},
                           {"version", text(version)},
                           {"description", text(v2_only ? about_v2 : about)},
                           {"license", object_of({{"name", "Apache-2.0"}, {"identifier", "Apache-2.0"}})}});
  out["servers"] = bj::array{object_of({{"url", "/"}})};
  out["security"] = bj::array{object_of({{"bearer", bj::array()}}), object_of({{"api_key", bj::array()}}),
                              object_of({{"session", bj::array()}})};
  out["tags"] = std::move(tags);
  out["paths"] = std::move(paths);
  out["components"] = std::move(components);
  return json::serialize_pretty(out);
}

}  // namespace gyre::http
