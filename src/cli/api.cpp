#include "cli/api.hpp"

#include <boost/json.hpp>

namespace gyre::cli {
namespace {

// A status alone, from a proxy or a server that is newer than this program.
ErrorCode kind_of(int status) {
  switch (status) {
    case 401:
      return ErrorCode::unauthenticated;
    case 402:
      return ErrorCode::payment_required;
    case 403:
      return ErrorCode::permission_denied;
    case 404:
    case 410:
      return ErrorCode::not_found;
    case 408:
    case 504:
      return ErrorCode::deadline_exceeded;
    case 409:
    case 423:
      return ErrorCode::failed_precondition;
    case 412:
      return ErrorCode::stale_version;
    case 429:
      return ErrorCode::rate_limited;
    case 502:
    case 503:
      return ErrorCode::unavailable;
    default:
      return status >= 400 && status < 500 ? ErrorCode::invalid_argument : ErrorCode::internal;
  }
}

}  // namespace

Exit exit_of(ErrorCode kind) {
  switch (kind) {
    case ErrorCode::invalid_argument:
    case ErrorCode::method_not_allowed:
    case ErrorCode::too_large:
    case ErrorCode::unsupported_media:
      return exit_usage;
    case ErrorCode::not_found:
      return exit_not_found;
    case ErrorCode::unauthenticated:
      return exit_log_in;
    case ErrorCode::permission_denied:
      return exit_forbidden;
    case ErrorCode::already_exists:
    case ErrorCode::failed_precondition:
    case ErrorCode::stale_version:
      return exit_conflict;
    case ErrorCode::payment_required:
    case ErrorCode::rate_limited:
    case ErrorCode::out_of_capacity:
      return exit_limit;
    case ErrorCode::deadline_exceeded:
      return exit_timed_out;
    case ErrorCode::unavailable:
      return exit_unreachable;
    case ErrorCode::none:
    case ErrorCode::internal:
      return exit_failed;
  }
  return exit_failed;
}

Exit exit_of(Reason reason) {
  if (reason == Reason::request_cancelled) return exit_interrupted;
  if (reason == Reason::too_many_api_keys) return exit_limit;         // 409 on the wire, and a limit all the same
  if (reason == Reason::server_not_trusted) return exit_unreachable;  // there is no server that we may talk to
  return exit_of(error_code(reason));
}

Failure Failure::from(const Error& error, Language language) {
  Failure out;
  out.code = reason_text(error.reason);
  out.detail = error.message(language);
  out.fix = error.fix(language);
  out.field = error.field;
  out.exit = exit_of(error.reason);
  return out;
}

Outcome<std::unique_ptr<http::WebSocketClient>> Api::socket(const std::string&, const std::string&) {
  return tl::unexpected(
      Failure::from(Error{Reason::server_unreachable, {{"server", url()}, {"detail", "-"}}, ""}, Language::en));
}

Failure failure_of(const Answer& answer, const std::string& url, Language language) {
  boost::system::error_code ignored;
  const auto parsed = boost::json::parse(answer.body, ignored);
  const auto* problem = parsed.if_object();
  const auto text = [&](const char* name) -> std::string {
    const auto* value = problem ? problem->if_contains(name) : nullptr;
    return value && value->is_string() ? std::string(value->as_string()) : std::string();
  };
  Failure out;
  out.code = text("code");
  out.detail = text("detail");
  if (out.detail.empty()) out.detail = text("message");
  if (out.detail.empty()) {
    Args args{{"url", url}, {"detail", "HTTP " + std::to_string(answer.status)}};
    out = Failure::from(Error{Reason::answer_unreadable, std::move(args), ""}, language);
    out.code.clear();
  }
  if (out.fix.empty()) out.fix = text("fix");
  out.field = text("field");
  out.request_id = text("requestId");
  if (problem) out.body = answer.body;
  const auto known = reason_from_text(out.code);
  out.exit = known ? exit_of(*known) : exit_of(kind_of(answer.status));
  if (out.code.empty()) out.code = reason_text(Reason::answer_unreadable);
  return out;
}

}  // namespace gyre::cli
