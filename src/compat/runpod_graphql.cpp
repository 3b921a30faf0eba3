#include "compat/runpod_graphql.hpp"

#include "compat/runpod_resolvers.hpp"
#include "graphql/engine.hpp"

namespace gyre::compat {

using graphql::Ask;

namespace {

// For the OpenAPI document; read by the engine.
struct Body {
  std::string query;
  std::optional<boost::json::value> variables;
  std::optional<std::string> operationName;
};
BOOST_DESCRIBE_STRUCT(Body, (), (query, variables, operationName))
json::Fields fields(const Body*) {
  return {{"query", "a document with one operation, or with operationName of several", R"("query { myself { id } }")"},
          {"variables", "an object of them", "{}"},
          {"operationName", "which of several", "null"}};
}

}  // namespace

Caller& caller_of(const Ask& ask) {
  auto& caller = ask.context<Caller>();
  if (caller.account == AccountId()) throw NotForThem{Error{Reason::not_logged_in, {}, ""}};
  if (caller.scope == Scope::pod) throw NotForThem{Error{Reason::access_denied, {{"needed", "READ"}}, ""}};
  return caller;
}

Caller& caller_of(const Ask& ask, const PodId& pod) {
  auto& caller = ask.context<Caller>();
  return caller.scope == Scope::pod && caller.pod == pod ? caller : caller_of(ask);
}

Result<> may_write(const Ask& ask, Theirs theirs) {
  const auto& caller = ask.context<Caller>();
  if (caller.scope == Scope::pod) {
    const auto* input = ask.argument("input").if_object();
    const auto* pod = input && theirs == Theirs::of_pod ? input->if_contains("podId") : nullptr;
    if (pod && pod->is_string() && caller.pod == PodId(std::string(pod->get_string()))) return {};
  } else if (caller_of(ask).scope == Scope::read_write) {
    return {};
  }
  return fail(Reason::access_denied, {{"needed", "READ_WRITE"}});
}

std::optional<std::string> given(const std::optional<std::string>& text) {
  return text && !text->empty() ? text : std::nullopt;
}

std::map<std::string, std::string> env_of(const std::vector<KeyValue>& list) {
  std::map<std::string, std::string> out;
  for (const auto& [key, value] : list) out[key] = value;
  return out;
}

std::vector<KeyValue> env_list(const std::map<std::string, std::string>& env) {
  std::vector<KeyValue> out;
  for (const auto& [key, value] : env) out.push_back({key, value});
  return out;
}

std::string joined(const std::vector<std::string>& words, std::string_view between) {
  std::string out;
  for (const auto& word : words) {
    if (&word != &words.front()) out += between;
    out += word;
  }
  return out;
}

std::optional<Instance> instance_of(const std::string& id) {
  std::vector<std::string> parts{""};
  for (const char c : id)
    if (c == '-')
      parts.emplace_back();
    else
      parts.back() += c;
  const auto number = [](const std::string& text) {
    const bool digits = !text.empty() && text.size() < 6 && text.find_first_not_of("0123456789") == std::string::npos;
    return digits ? std::stoi(text) : 0;
  };
  if (parts.size() != 3 || number(parts[1]) == 0 || number(parts[2]) == 0) return std::nullopt;
  return Instance{parts[0], number(parts[1]), number(parts[2])};
}

std::vector<std::string> parts_of(std::string_view text) {
  std::vector<std::string> out;
  while (!text.empty()) {
    const auto comma = std::min(text.find(','), text.size());
    auto part = text.substr(0, comma);
    while (part.starts_with(' ')) part.remove_prefix(1);
    while (part.ends_with(' ')) part.remove_suffix(1);
    if (!part.empty()) out.emplace_back(part);
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return out;
}

struct RunpodGraphql::Impl {
  Impl(Core& core_of_all, PodService& pods, Resources& resources, const MonitoringService& monitoring)
      : core(core_of_all),
        accounts(core.db()),
        services{core, pods, resources, monitoring, accounts},
        schema(std::string(runpod_schema())),
        resolvers(schema),
        engine(with_resolvers(),
               {.leniency = {.enum_strings = true, .unknown_inputs = true}, .places_in_messages = true}) {}

  graphql::Resolvers& with_resolvers() {
    add_pods(resolvers, services);
    add_catalog(resolvers, services);
    add_templates(resolvers, services);
    add_endpoints(resolvers, services);
    add_account(resolvers, services);
    add_hub(resolvers);
    return resolvers;
  }

  Result<http::Response> answer(const http::Request& request) {
    graphql::Question question;
    if (request.headers.has("Content-Type")) question.content_type = request.headers.get("Content-Type");
    question.accept = request.headers.get("Accept");
    question.body = request.body;
    Caller caller = request.caller;
    graphql::Request asked;
    asked.context.add(caller);
    // The answer is 200 whatever happens, so each mutation that fails takes its own changes back.
    asked.around_mutation = [this](const std::function<bool()>& run) {
      (void)core.transact([&]() -> Result<> {
        if (run()) return {};
        return fail(Reason::internal_error);  // said to nobody: the field has said why
      });
    };
    graphql::Reply reply;
    try {
      reply = engine.answer(question, asked);
    } catch (const NotForThem& refused) {
      if (refused.error.code() == ErrorCode::unauthenticated) return fail(refused.error);
      reply = refusal(refused.error, request.language);  // only what reads is refused so: nothing has been changed
    }
    http::Response response;
    response.status = reply.status;
    response.headers.set("Content-Type", reply.content_type);
    response.body = std::move(reply.body);
    return response;
  }

  static graphql::Reply refusal(const Error& error, Language language) {
    const boost::json::object one{{"message", error.message(language)},
                                  {"extensions", {{"code", reason_text(error.reason)}}}};
    const boost::json::object body{{"errors", boost::json::array{one}}, {"data", nullptr}};
    return {200, "application/json", json::serialize(body), ""};
  }

  Core& core;
  AccountStore accounts;
  Services services;
  graphql::Schema schema;
  graphql::Resolvers resolvers;
  graphql::Engine engine;
};

RunpodGraphql::RunpodGraphql(Core& core, PodService& pods, Resources& resources, const MonitoringService& monitoring)
    : impl_(std::make_unique<Impl>(core, pods, resources, monitoring)) {}
RunpodGraphql::~RunpodGraphql() = default;

std::vector<http::Route> RunpodGraphql::routes() {
  http::Route route{
      .method = http::Method::post,
      .path = "/graphql",
      .access = http::Access::guest,
      .summary = "RunPod's GraphQL API",
      .description =
          "For clients made for RunPod. The body is {\"query\": ..., \"variables\": ...}; every request "
          "that can be read is answered with 200, refusals stand in `errors`. The schema is answered to "
          "introspection. Without a key the catalogue alone is answered (gpuTypes, cpuTypes, "
          "cpuFlavors, dataCenters, serverlessGpuPools) and the hub, which is empty, and 401 to everything else.",
      .tag = "GraphQL",
      .body = json::schema<Body>(),
      .answer_type = "application/json",
      .handler = [this](const http::Request& request) { return impl_->answer(request); }};
  auto bare = route;
  bare.path = "/v1";
  bare.summary = "The same, for runpodctl 2.0 to 2.4";
  bare.description = "These versions take the address of REST for that of GraphQL.";
  return {std::move(route), std::move(bare)};
}

}  // namespace gyre::compat
