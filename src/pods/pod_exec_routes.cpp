#include "pods/pod_exec_routes.hpp"

#include <algorithm>
#include <charconv>

namespace gyre {
namespace {

using http::Request;

constexpr std::size_t words_max = 1'000;
constexpr std::uint64_t cells_max = 1'000;

Result<std::uint64_t> number(const Request& request, const std::string& name, std::uint64_t high) {
  const auto text = request.query.get(name).value_or("0");
  std::uint64_t value = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (problem != std::errc{} || end != text.data() + text.size() || value > high)
    return invalid(name, "a number between 0 and " + std::to_string(high));
  return value;
}

bool is_session(const std::string& text) {
  return text.size() == 32 &&
         std::all_of(text.begin(), text.end(), [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); });
}

Result<link::ExecRequest> wanted(const Request& request) {
  link::ExecRequest out;
  out.container = request.query.get("container").value_or("");
  if (const auto session = request.query.get("session")) {
    if (!is_session(*session)) return invalid("session", "the id that the server gave when the session began");
    out.session = *session;
    out.resume = true;
    out.from = TRY(number(request, "from", UINT64_MAX));
    return out;
  }
  out.command = request.query.all("command");
  if (out.command.empty() || out.command.front().empty()) return invalid("command", "name the program to run");
  if (out.command.size() > words_max) return invalid("command", "at most " + std::to_string(words_max) + " words");
  out.tty = request.query.flag("tty");
  out.columns = static_cast<int>(TRY(number(request, "cols", cells_max)));
  out.rows = static_cast<int>(TRY(number(request, "rows", cells_max)));
  return out;
}

}  // namespace

std::vector<http::Route> pod_exec_routes(PodService& pods) {
  return {http::Route{
      .method = http::Method::get,
      .path = "/v1/pods/{id}/exec",
      .access = http::Access::writer,
      .summary = "Run a program in a pod (WebSocket)",
      .description =
          "Subprotocol gyre.exec.v1. Binary messages are data: their first byte says which (0 input, 1 output, 2 error "
          "output; a terminal has no error output). Text messages are JSON. The server says {\"session\": {\"id\", "
          "\"output\", \"input\", \"inputEnded\"}} first, then {\"input\": BYTES} as the program takes its input, at "
          "the end {\"exit\": {\"code\", \"output\"}} or {\"error\": {\"code\", \"message\", \"fix\"}}. The client "
          "says "
          "{\"seen\": BYTES} as it receives output, {\"resize\": {\"cols\", \"rows\"}} and {\"endOfInput\": true}. At "
          "most 256 KiB are under way each way. A session lives on for five minutes after its connection broke: "
          "?session=ID&from=BYTES resumes it with nothing lost or doubled. A client that offers no subprotocol need "
          "not "
          "say what it has seen, and may lose output when its connection breaks. Close codes: 1000 the program ended, "
          "1012 come back and resume, 4404 the session is gone, other 4xxx as the HTTP status of the error.",
      .tag = "Pods",
      .web_socket = true,
      .protocols = {PodExec::protocol},
      .query = {{"command", "the program and its arguments, one each", "bash", true},
                {"tty", "with a terminal", "true"},
                {"container", "name; the main one without it", "main"},
                {"cols", "columns of the terminal", "80"},
                {"rows", "rows of the terminal", "24"},
                {"session", "resume this one; then no command", "8zk2m1x0q4wv7c8zk2m1x0q4wv7c8zk2"},
                {"from", "bytes of its output that have been received", "0"}},
      .status = 101,
      .errors = {Reason::pod_not_found, Reason::pod_not_running, Reason::pod_host_unreachable,
                 Reason::too_many_requests, Reason::invalid_field},
      .handler = [&pods](const Request& request) -> Result<http::Response> {
        const auto protocol = http::chosen_protocol(request, {PodExec::protocol});
        auto socket = TRY(pods.exec(request.caller, PodId(request.param("id")), TRY(wanted(request)), !protocol.empty(),
                                    request.language));
        return http::web_socket_response(std::move(socket), protocol);
      }}};
}

}  // namespace gyre
