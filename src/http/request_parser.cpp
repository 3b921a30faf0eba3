#include "http/request_parser.hpp"

#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>

#include "base/check.hpp"
#include "http/response_head.hpp"

namespace gyre::http {
namespace {

namespace beast = boost::beast::http;
using Text = boost::core::string_view;
using ErrorCode = boost::system::error_code;

std::string_view view(Text text) { return {text.data(), text.size()}; }

// Nothing but what may stand in a log line without being mistaken for something else.
std::string printable(std::string_view text) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte > 0x20 && byte < 0x7f) {
      out += c;
    } else {
      out += '%';
      out += digits[byte >> 4];
      out += digits[byte & 15];
    }
  }
  return out;
}

Error bad_request(Detail detail, const Args& args = {}) {
  return {Reason::bad_request, in_both_languages("detail", detail, args), {}};
}

}  // namespace

// Beast's parser calls back with each piece, which goes straight into our Request.
struct RequestParser::Impl final : beast::basic_parser<true> {
  explicit Impl(const Limits& with) : limits(with) {
    header_limit(static_cast<std::uint32_t>(limits.header_bytes));
    body_limit(limits.body_bytes);
    eager(true);
  }

  void fail(Error why) {
    if (state == State::failed) return;
    error = std::move(why);
    state = State::failed;
  }

  // Ends Beast's parsing at once; `error` is what counts.
  void fail(Error why, ErrorCode& code) {
    fail(std::move(why));
    code = beast::error::bad_field;
  }

  // ---- called by Beast ----

  void on_request_impl(beast::verb, Text verb_text, Text target_text, int version, ErrorCode& code) override {
    method = view(verb_text);
    http11 = version == 11;
    const auto raw = view(target_text);
    log_target = printable(raw.substr(0, raw.find('?')));
    const auto known = method_from_text(method);
    if (!known) {
      request.path = log_target;
      fail({Reason::method_not_allowed,
            {{"method", method}, {"path", log_target}, {"allowed", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"}},
            {}},
           code);
      return;
    }
    request.method = *known;
    if (auto readable = set_target(request, raw); !readable) {
      request.path = log_target;           // which API's words the refusal has is told by it
      held = std::move(readable).error();  // said once the headers have told in which language
      return;
    }
    if (request.query.items().empty()) return;
    // From the decoded query, so that a key is hidden however its name was spelt.
    auto shown = request.query;
    if (shown.get("api_key")) shown.set("api_key", "***");
    log_target += "?" + shown.text();
  }

  void on_field_impl(beast::field field, Text name, Text value, ErrorCode& code) override {
    if (state != State::head)
      return;  // a trailer: what it says has been decided by the headers, and nobody asks for it
    if (field == beast::field::transfer_encoding && (!http11 || !same_header_name(view(value), "chunked")))
      return fail(bad_request(Detail::http_coding), code);
    if (field == beast::field::host && ++hosts > 1) return fail(bad_request(Detail::http_hosts), code);
    if (field == beast::field::expect) {
      if (!same_header_name(view(value), "100-continue")) return fail(bad_request(Detail::http_expect), code);
      expects_continue = http11;
    }
    request.headers.add(std::string(view(name)), std::string(view(value)));
  }

  void on_header_impl(ErrorCode& code) override {
    request.language = preferred_language(request.headers.get("accept-language"));
    if (held) return fail(std::move(*held), code);
    if (http11 && hosts == 0) return fail(bad_request(Detail::http_no_host), code);
    wants_keep_alive = basic_parser::keep_alive();
    state = State::body;
  }

  void on_body_init_impl(const boost::optional<std::uint64_t>&, ErrorCode&) override {
    // Nothing is reserved for the length that was announced: a client would have our memory for the price of a header.
  }
  std::size_t on_body_impl(Text bytes, ErrorCode&) override {
    request.body.append(bytes.data(), bytes.size());
    return bytes.size();
  }
  void on_chunk_header_impl(std::uint64_t, Text, ErrorCode&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, Text bytes, ErrorCode&) override {
    request.body.append(bytes.data(), bytes.size());
    return bytes.size();
  }
  void on_finish_impl(ErrorCode&) override { state = State::done; }
  void on_response_impl(int, Text, int, ErrorCode&) override {}

  // ---- what went wrong ----

  void failed(ErrorCode code) {
    if (state == State::failed) return;  // one of ours
    if (code == beast::error::header_limit) {
      fail({Reason::headers_too_large, {{"limit", std::to_string(limits.header_bytes)}}, {}});
    } else if (code == beast::error::body_limit) {
      fail({Reason::body_too_large, {{"limit", std::to_string(limits.body_bytes)}}, {}});
    } else {
      fail(bad_request(Detail::http_syntax, {{"words", code.message()}}));
    }
  }

  const Limits limits;
  Request request;
  State state = State::head;
  Error error;
  std::optional<Error> held;
  std::string method, log_target;
  std::size_t head_bytes = 0;
  int hosts = 0;
  bool http11 = false, wants_keep_alive = false, expects_continue = false;
};

RequestParser::RequestParser(const Limits& limits) : impl_(std::make_unique<Impl>(limits)) {}
RequestParser::~RequestParser() = default;

std::size_t RequestParser::feed(std::string_view bytes) {
  auto& at = *impl_;
  std::size_t used = 0;
  // Empty lines before a request come from old clients that end a body with one (RFC 9112, 2.2).
  if (at.state == State::head && !at.got_some())
    while (used < bytes.size() && (bytes[used] == '\r' || bytes[used] == '\n')) ++used;

  while (used < bytes.size() && (at.state == State::head || at.state == State::body)) {
    const bool in_head = at.state == State::head;
    const auto rest = bytes.substr(used);
    // Whatever is still to come of a chunked body ends with the five bytes of "0\r\n\r\n". Shown fewer of them,
    // Beast 1.81 asserts (parse_chunk_header, "n >= 5"): any client could stop the server so.
    if (!in_head && at.chunked() && rest.size() < last_chunk.size()) break;
    ErrorCode code;
    const auto taken = at.put(boost::asio::const_buffer(rest.data(), rest.size()), code);
    used += taken;
    if (in_head && at.state == State::head) at.head_bytes += taken;
    if (code && code != beast::error::need_more) {
      at.failed(code);
      break;
    }
    if (code || taken == 0) {
      // What is kept until more comes: a part of the head, of a chunk's line or of the trailers. Beast counts these
      // from where it stands rather than from the beginning.
      const auto kept = bytes.size() - used + (at.state == State::head ? at.head_bytes : 0);
      if (kept > at.limits.header_bytes) at.failed(beast::error::header_limit);
      break;
    }
  }
  return used;
}

RequestParser::State RequestParser::state() const { return impl_->state; }
const Error& RequestParser::error() const { return impl_->error; }
bool RequestParser::http11() const { return impl_->http11; }
bool RequestParser::keep_alive() const { return impl_->wants_keep_alive; }
bool RequestParser::expects_continue() const { return impl_->expects_continue; }
std::size_t RequestParser::body_bytes() const { return impl_->request.body.size(); }
const std::string& RequestParser::method() const { return impl_->method; }
const std::string& RequestParser::log_target() const { return impl_->log_target; }

Request RequestParser::take() {
  CHECK(impl_->state == State::done);
  return abandon();
}

Request RequestParser::abandon() { return std::move(impl_->request); }

}  // namespace gyre::http
