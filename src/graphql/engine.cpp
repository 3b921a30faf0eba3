#include "graphql/engine.hpp"

#include <algorithm>

#include "graphql/measure.hpp"
#include "graphql/parser.hpp"
#include "graphql/validate.hpp"
#include "json/codec.hpp"

namespace gyre::graphql {
namespace {

namespace bj = boost::json;

constexpr std::string_view json_type = "application/json";
constexpr std::string_view graphql_type = "application/graphql-response+json";

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  return first == std::string_view::npos ? "" : text.substr(first, text.find_last_not_of(" \t") + 1 - first);
}

std::string media_type(std::string_view header) {
  std::string out(trimmed(header.substr(0, header.find(';'))));
  std::transform(out.begin(), out.end(), out.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

// The one of our two types that the client names first. Whoever names neither gets JSON: refusing an answer because of
// an Accept header helps nobody.
std::string_view wanted_type(std::string_view accept) {
  while (!accept.empty()) {
    const auto comma = accept.find(',');
    const auto type = media_type(accept.substr(0, comma));
    if (type == graphql_type) return graphql_type;
    if (type == json_type) return json_type;
    accept.remove_prefix(comma == std::string_view::npos ? accept.size() : comma + 1);
  }
  return json_type;
}

Reply reply(int status, std::string_view type, Execution execution) {
  return {status, std::string(type) + "; charset=utf-8", write_answer(std::move(execution)), {}};
}

int status_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::method_not_allowed:
      return 405;
    case ErrorCode::too_large:
      return 413;
    case ErrorCode::unsupported_media:
      return 415;
    default:
      return 400;
  }
}

Reply refused(std::string_view type, const Error& error) {
  return reply(status_of(error.code()), type, {std::nullopt, {refusal(error.reason, error.args)}});
}

struct Asked {
  std::string document;
  bj::object variables;
  std::optional<std::string> operation_name;
};

tl::unexpected<Error> malformed(const std::string& field, const std::string& expected) {
  return fail(Reason::graphql_request_malformed, {{"field", field}, {"expected", expected}}, field);
}

Result<Asked> read_object(const bj::object& object) {
  Asked out;
  const auto* query = object.if_contains("query");
  if (!query || query->is_null()) return fail(Reason::graphql_query_missing, {}, "query");
  if (!query->is_string()) return malformed("query", "a string");
  out.document.assign(query->get_string().data(), query->get_string().size());
  if (const auto* variables = object.if_contains("variables"); variables && !variables->is_null()) {
    if (!variables->is_object()) return malformed("variables", "an object");
    out.variables = variables->get_object();
  }
  if (const auto* name = object.if_contains("operationName"); name && !name->is_null()) {
    if (!name->is_string()) return malformed("operationName", "a string");
    // Some clients send "" where they mean none.
    if (!name->get_string().empty())
      out.operation_name = std::string(name->get_string().data(), name->get_string().size());
  }
  return out;
}

Result<Asked> read_body(const Question& question) {
  const auto value = TRY(json::parse(question.body));
  if (!value.is_object()) return malformed("the body", "a JSON object");
  return read_object(value.get_object());
}

Result<Asked> read_query(const Question& question) {
  bj::object object;
  for (const auto& [key, text] : question.query) {
    if (key == "query" || key == "operationName") object[key] = text;
    if (key == "variables" && !text.empty()) object[key] = TRY(json::parse(text));
  }
  return read_object(object);
}

}  // namespace

Engine::Engine(Resolvers& resolvers, EngineOptions options) : resolvers_(resolvers), options_(std::move(options)) {
  add_introspection(resolvers);
  resolvers.check();
}

tl::expected<std::shared_ptr<const ast::Document>, GraphErrors> Engine::prepare(std::string_view text) {
  if (const auto found = by_text_.find(text); found != by_text_.end()) {
    recent_.splice(recent_.begin(), recent_, found->second);
    return found->second->document;
  }
  const auto wrong = [](GraphError error) { return tl::unexpected(GraphErrors{std::move(error)}); };
  const auto& limits = options_.limits;
  if (text.size() > limits.document_bytes_max)
    return wrong(refusal(Reason::graphql_too_large,
                         {{"size", std::to_string(text.size())}, {"max", std::to_string(limits.document_bytes_max)}}));
  auto parsed = parse(std::string(text), {limits.tokens_max, limits.nesting_max});
  if (!parsed) return wrong(std::move(parsed.error()));
  if (auto over = over_limit(**parsed, limits)) return wrong(std::move(*over));
  auto errors = validate(resolvers_.schema(), **parsed, options_.leniency);
  if (!errors.empty()) return tl::unexpected(std::move(errors));
  if (text.size() > options_.cached_bytes_max || options_.cached_documents_max == 0) return *parsed;
  recent_.push_front({std::string(text), *parsed});
  by_text_.emplace(recent_.front().text, recent_.begin());
  cached_bytes_ += text.size();
  while (recent_.size() > options_.cached_documents_max || cached_bytes_ > options_.cached_bytes_max) {
    cached_bytes_ -= recent_.back().text.size();
    by_text_.erase(recent_.back().text);
    recent_.pop_back();
  }
  return *parsed;
}

Execution Engine::run(std::string_view document, const bj::object& variables,
                      const std::optional<std::string>& operation_name, const Request& request, bool read_only) {
  const auto prepared = prepare(document);
  if (!prepared) return {std::nullopt, prepared.error()};
  const auto operation = choose_operation(**prepared, operation_name);
  if (!operation) return {std::nullopt, {operation.error()}};
  if (read_only && (*operation)->operation != ast::OperationKind::query)
    return {std::nullopt, {refusal(Reason::graphql_mutation_by_get)}};
  const ExecuteOptions options{options_.limits.values_max, options_.leniency, request.around_mutation,
                               last_bytes_ + 64};
  auto out = execute(resolvers_, **prepared, **operation, variables, request.context, options);
  last_bytes_ = out.data ? out.data->size() : 0;
  return out;
}

Reply Engine::answer(const Question& question, const Request& request) {
  const auto type = wanted_type(question.accept);
  const bool get = question.method == "GET";
  if (!get && question.method != "POST") {
    auto out = refused(type, Error{Reason::graphql_method_unknown, {{"method", question.method}}, {}});
    out.allow = "GET, POST";
    return out;
  }
  if (!get && media_type(question.content_type) != json_type)
    return refused(type, Error{Reason::unsupported_media_type, {{"type", question.content_type}}, {}});
  const auto asked = get ? read_query(question) : read_body(question);
  if (!asked) return refused(type, asked.error());
  auto execution = run(asked->document, asked->variables, asked->operation_name, request, get);
  if (options_.places_in_messages && !execution.data)
    for (auto& error : execution.errors)
      if (!error.locations.empty())
        error.message += " (line " + std::to_string(error.locations[0].line) + ", column " +
                         std::to_string(error.locations[0].column) + ")";
  const auto code = execution.errors.empty() ? nullptr : execution.errors[0].extensions.if_contains("code");
  if (code && *code == bj::string_view(reason_text(Reason::graphql_mutation_by_get).data())) {
    auto out = reply(405, type, std::move(execution));
    out.allow = "POST";
    return out;
  }
  const int status = !execution.data && type == graphql_type ? 400 : 200;
  return reply(status, type, std::move(execution));
}

}  // namespace gyre::graphql
