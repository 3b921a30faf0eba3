#include "cli/api.hpp"

#include <boost/json.hpp>

namespace gyre::cli {
namespace {

Exit exit_of(int status, std::string_view code) {
  if (status == 404) return exit_not_found;
  if (status >= 400 && status < 500) return exit_refused;
  const bool another_may_answer = code == "standing_by" || code == "no_leader" || code == "deposed";
  if (code == "shutting_down" || code == "unavailable" || another_may_answer || code.empty()) {
    if (status == 502 || status == 503 || status == 504)
      return exit_unreachable;  // a proxy, or a server on its way out or not yet in charge
  } else if (status == 503) {
    return exit_refused;  // out of capacity, engine unreachable: the server lives and says no
  }
  return exit_failed;
}

}  // namespace

Failure Failure::from(const Error& error, Language language) {
  Failure out;
  out.code = reason_text(error.reason);
  out.detail = error.message(language);
  out.fix = error.fix(language);
  out.field = error.field;
  switch (error.code()) {
    case ErrorCode::invalid_argument:
      out.exit = exit_usage;
      break;
    case ErrorCode::not_found:
      out.exit = exit_not_found;
      break;
    case ErrorCode::unauthenticated:
    case ErrorCode::permission_denied:
      out.exit = exit_refused;
      break;
    case ErrorCode::unavailable:
      out.exit = exit_unreachable;
      break;
    default:
      out.exit = exit_failed;
  }
  return out;
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
  out.exit = exit_of(answer.status, out.code);
  if (out.code.empty()) out.code = reason_text(Reason::answer_unreadable);
  return out;
}

}  // namespace gyre::cli
