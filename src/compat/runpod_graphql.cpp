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

Result<> may_write(const Ask& ask) {
  if (caller_of(ask).scope == Scope::read_write) return {};
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

std::string command_line(const std::vector<std::string>& words) {
  constexpr std::string_view plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_=./:@%+,";
  std::string out;
  for (const auto& word : words) {
    if (!out.empty()) out += ' ';
    if (!word.empty() && word.find_first_not_of(plain) == std::string::npos) {
      out += word;
      continue;
    }
    out += '\'';
    for (const char c : word) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
    out += '\'';
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
        engine(with_resolvers(), {.leniency = {.enum_strings = true, .unknown_inputs = true}}) {}

  graphql::Resolvers& with_resolvers() {
    add_pods(resolvers, services);
    add_catalog(resolvers, services);
    add_templates(resolvers, services);
    add_endpoints(resolvers, services);
    add_account(resolvers, services);
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
    auto reply = engine.answer(question, asked);
    http::Response response;
    response.status = reply.status;
    response.headers.set("Content-Type", reply.content_type);
    response.body = std::move(reply.body);
    return response;
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
  return {{.method = http::Method::post,
           .path = "/graphql",
           .access = http::Access::reader,
           .summary = "RunPod's GraphQL API",
           .description =
               "For clients made for RunPod. The body is {\"query\": ..., \"variables\": ...}; every request "
               "that can be read is answered with 200, refusals stand in `errors`. The schema is answered to "
               "introspection.",
           .tag = "GraphQL",
           .body = json::schema<Body>(),
           .answer_type = "application/json",
           .handler = [this](const http::Request& request) { return impl_->answer(request); }}};
}

}  // namespace gyre::compat
