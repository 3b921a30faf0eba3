#include "http/problem.hpp"

#include "http/message.hpp"
#include "json/codec.hpp"

namespace gyre::http {

json::Fields fields(const Problem*) {
  return {
      {"type", "a page that explains this code; a relative reference", R"("/docs/errors#pod_not_found")"},
      {"title", "the words of the status", R"("Not Found")"},
      {"status", "the HTTP status again", "404"},
      {"detail", "what is the matter, in English or Korean (Accept-Language)", R"("no pod 2s56cp0pof1rmt")"},
      {"code", "the stable code to test for; never renamed", R"("pod_not_found")"},
      {"field", "the input that is to blame; absent when no single one is", R"("ports[1]")"},
      {"fix", "what to do about it", R"("see the list of pods")"},
      {"args", "the values in the sentence, by name; absent when there are none", R"({"pod":"2s56cp0pof1rmt"})",
       json::defaulted},
      {"requestId", "give this to the operator; it is in the server's log", R"("req-8zk2m1x0q4wv7c")"},
      {"error", "the same as detail, for clients that look here", R"("no pod 2s56cp0pof1rmt")"},
      {"message", "the same as detail, for clients that look here", R"("no pod 2s56cp0pof1rmt")"},
  };
}

json::Fields fields(const ProblemV2*) {
  json::Fields out{
      {"title", "the words of the status", R"("Not Found")"},
      {"status", "the HTTP status again", "404"},
      {"detail", "what kind of refusal it is; in Korean (Accept-Language) the sentence of errors",
       R"("resource not found")"},
      {"errors", "what is the matter, in English or Korean (Accept-Language)", R"(["no pod 2s56cp0pof1rmt"])"}};
  for (auto& field : fields(static_cast<const Problem*>(nullptr)))
    if (field.name == "type" || field.name == "code" || field.name == "field" || field.name == "fix" ||
        field.name == "args" || field.name == "requestId")
      out.push_back(std::move(field));
  return out;
}

int status_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::invalid_argument:
      return 400;
    case ErrorCode::unauthenticated:
      return 401;
    case ErrorCode::payment_required:
      return 402;
    case ErrorCode::permission_denied:
      return 403;
    case ErrorCode::not_found:
      return 404;
    case ErrorCode::method_not_allowed:
      return 405;
    case ErrorCode::already_exists:
    case ErrorCode::failed_precondition:
      return 409;
    case ErrorCode::stale_version:
      return 412;
    case ErrorCode::too_large:
      return 413;
    case ErrorCode::unsupported_media:
      return 415;
    case ErrorCode::rate_limited:
      return 429;
    case ErrorCode::out_of_capacity:
    case ErrorCode::unavailable:
      return 503;
    case ErrorCode::deadline_exceeded:
      return 504;
    case ErrorCode::none:  // explains a state; whoever answers a request with it is wrong
    case ErrorCode::internal:
      return 500;
  }
  return 500;
}

std::string_view status_text(int status) {
  switch (status) {
    case 101:
      return "Switching Protocols";
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 202:
      return "Accepted";
    case 204:
      return "No Content";
    case 304:
      return "Not Modified";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 402:
      return "Payment Required";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 409:
      return "Conflict";
    case 412:
      return "Precondition Failed";
    case 413:
      return "Content Too Large";
    case 415:
      return "Unsupported Media Type";
    case 422:
      return "Unprocessable Entity";
    case 429:
      return "Too Many Requests";
    case 500:
      return "Internal Server Error";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    default:
      return "Unknown";
  }
}

Problem problem_of(const Error& error, Language language, std::string request_id) {
  Problem out;
  out.code = reason_text(error.reason);
  out.type = "/docs/errors#" + out.code;
  out.status = status_of(error.code());
  out.title = status_text(out.status);
  out.detail = out.error = out.message = error.message(language);
  if (!error.field.empty()) out.field = error.field;
  if (auto fix = error.fix(language); !fix.empty()) out.fix = std::move(fix);
  const auto args = args_in(error.args, language);
  out.args.insert(args.begin(), args.end());
  out.requestId = std::move(request_id);
  return out;
}

ProblemForm problem_form(std::string_view path) {
  while (path.starts_with('/')) path.remove_prefix(1);  // as the router cuts it
  const bool below = path == "v2" || path.starts_with("v2/");
  return below ? ProblemForm::rest_v2 : ProblemForm::ours;
}

int status_of(Reason reason, ProblemForm form) {
  const auto code = error_code(reason);
  const bool unreadable =
      reason == Reason::bad_request || reason == Reason::invalid_json || reason == Reason::upgrade_required;
  if (form == ProblemForm::rest_v2 && code == ErrorCode::invalid_argument && !unreadable) return 422;
  return status_of(code);
}

namespace {

// What RunPod's clients are used to read; absent: our own sentence says more.
std::string_view known_detail(Reason reason, int status) {
  if (reason == Reason::not_logged_in) return "missing bearer token";
  if (reason == Reason::access_denied) return "access denied";
  if (status == 404) return "resource not found";
  if (status == 405) return "The requested method is not allowed for this path.";
  if (status == 422) return "Request validation failed.";
  return {};
}

template <class AProblem>
std::string without_absent(const AProblem& problem) {
  auto body = json::to_json(problem);
  auto& members = body.get_object();
  if (!problem.field) members.stable_erase("field");
  if (!problem.fix) members.stable_erase("fix");
  if (problem.args.empty()) members.stable_erase("args");
  return json::serialize(body);
}

}  // namespace

ProblemV2 problem_v2_of(const Error& error, Language language, std::string request_id) {
  auto ours = problem_of(error, language, std::move(request_id));
  ProblemV2 out;
  out.status = status_of(error.reason, ProblemForm::rest_v2);
  out.title = status_text(out.status);
  const auto known = language == Language::en ? known_detail(error.reason, out.status) : std::string_view();
  out.detail = known.empty() ? ours.detail : std::string(known);
  out.errors = {std::move(ours.detail)};
  out.type = std::move(ours.type);
  out.code = std::move(ours.code);
  out.field = std::move(ours.field);
  out.fix = std::move(ours.fix);
  out.args = std::move(ours.args);
  out.requestId = std::move(ours.requestId);
  return out;
}

std::string problem_json(const Problem& problem) { return without_absent(problem); }
std::string problem_json(const ProblemV2& problem) { return without_absent(problem); }

Response problem(const Error& error, const Request& request) {
  const auto form = problem_form(request.path);
  const auto body = problem_of(error, request.language, request.request_id);
  Response response;
  response.status = status_of(error.reason, form);
  response.headers.add("Content-Type", "application/problem+json");
  response.headers.add("Content-Language", request.language == Language::ko ? "ko" : "en");
  response.headers.add("Cache-Control", "no-store");
  if (body.status == 401) response.headers.add("WWW-Authenticate", R"(Bearer realm="gyre")");
  const bool may_come_back = body.status == 429 || body.status == 503;
  if (const auto seconds = body.args.find("seconds"); may_come_back && seconds != body.args.end()) {
    response.headers.add("Retry-After", seconds->second);
    if (form == ProblemForm::rest_v2 && body.status == 429)
      response.headers.add("RateLimit", R"("requests";r=0;t=)" + seconds->second);
  }
  response.body = form == ProblemForm::ours ? problem_json(body)
                                            : problem_json(problem_v2_of(error, request.language, request.request_id));
  return response;
}

}  // namespace gyre::http
