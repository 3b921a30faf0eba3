#include "http/connection.hpp"

#include <algorithm>

#include "base/check.hpp"
#include "base/log.hpp"
#include "http/response_head.hpp"
#include "http/web_socket.hpp"
#include "runtime/os_random.hpp"

namespace gyre::http {
namespace {

constexpr std::size_t read_size = 4 * 1024;  // an idle connection keeps this much
constexpr std::size_t body_read_size = 32 * 1024;
constexpr std::size_t write_size = 64 * 1024;  // what `write_time` is for
constexpr std::size_t ignored_bytes_max = 64 * 1024;
constexpr std::size_t refusals_max = 64;  // connections over the limit that get an answer at the same time

// Where the first head in these bytes ends; npos when it does not yet. Bare line feeds count, so that a request that
// uses them is answered (400) rather than waited for.
std::size_t head_end(std::string_view bytes) {
  for (auto at = bytes.find('\n'); at != std::string_view::npos; at = bytes.find('\n', at + 1)) {
    if (at == 0 || (at == 1 && bytes[0] == '\r')) continue;  // empty lines before a request
    auto next = at + 1;
    if (next < bytes.size() && bytes[next] == '\r') ++next;
    if (next < bytes.size() && bytes[next] == '\n') return next + 1;
  }
  return std::string_view::npos;
}

// The value of the first Host header; empty when there is none.
std::string_view host_in_head(std::string_view head) {
  for (auto at = head.find('\n'); at != std::string_view::npos; at = head.find('\n', at + 1)) {
    auto line = head.substr(at + 1, head.find('\n', at + 1) - at - 1);
    if (line.size() < 5 || line[4] != ':' || !same_header_name(line.substr(0, 4), "host")) continue;
    line.remove_prefix(5);
    while (!line.empty() && (line.front() == ' ' || line.front() == '\t')) line.remove_prefix(1);
    while (!line.empty() && (line.back() == ' ' || line.back() == '\t' || line.back() == '\r')) line.remove_suffix(1);
    return line;
  }
  return {};
}

bool is_safe(Method method) { return method == Method::get || method == Method::head || method == Method::options; }

// Brings an answer to the connection's thread. If it never arrives there, a stream in it hears that nobody reads it.
class Delivery {
 public:
  explicit Delivery(Response response) : response_(std::move(response)) {}
  ~Delivery() {
    if (response_.stream) response_.stream->reader_gone();
    if (response_.web_socket) response_.web_socket->peer_gone(close_broken);
  }
  Delivery(const Delivery&) = delete;
  Delivery& operator=(const Delivery&) = delete;
  Response take() { return std::exchange(response_, {}); }

 private:
  Response response_;
};

// The other end of Respond. Lives as long as somebody may still answer.
class Responder : public std::enable_shared_from_this<Responder> {
 public:
  Responder(Loop& loop, const std::shared_ptr<Connection>& connection, std::uint64_t number,
            std::shared_ptr<Site::Numbers> numbers, const Request& request)
      : loop_(loop.weak_from_this()),
        connection_(connection),
        number_(number),
        numbers_(std::move(numbers)),
        language_(request.language),
        path_(request.path),
        request_id_(request.request_id) {
    ++numbers_->requests_at_core;
    ++numbers_->requests_open;
  }
  ~Responder() {
    if (!decided_) {
      if (!connection_.expired() && numbers_->unanswered == Reason::internal_error)
        log::error("a request was dropped without an answer", {{"request_id", request_id_}});
      answer(unanswered());
    } else if (!sent_) {  // its Later was dropped
      send(unanswered());
    }
    --numbers_->requests_open;
  }
  Responder(const Responder&) = delete;
  Responder& operator=(const Responder&) = delete;

  void answer(Response response) {
    if (decided_.exchange(true)) return;
    --numbers_->requests_at_core;
    if (!response.later) return send(std::move(response));
    // Here, on the thread that answers, because a Later belongs to one thread.
    const auto later = std::move(response.later);
    to_connection([number = number_, later](Connection* connection) {
      if (connection)
        connection->waits_for(number, later);
      else
        later->abandoned = true;
    });
    later->when_done([self = shared_from_this(), route = std::move(response.route)](Response known) {
      if (known.route.empty()) known.route = route;
      self->send(std::move(known));
    });
  }

 private:
  Response unanswered() const {
    Request request;
    request.language = language_;
    request.path = path_;
    request.request_id = request_id_;
    const Reason why = numbers_->unanswered;
    auto response = problem({why, {}, {}}, request);
    if (why != Reason::internal_error) response.headers.set("Retry-After", "1");
    return response;
  }

  void send(Response response) {
    if (sent_.exchange(true)) return;
    to_connection(
        [number = number_, delivery = std::make_shared<Delivery>(std::move(response))](Connection* connection) {
          if (connection) connection->answered(number, delivery->take());
        });
  }

  // `call` gets null when the connection is over.
  void to_connection(std::function<void(Connection*)> call) {
    const auto loop = loop_.lock();
    if (!loop) return call(nullptr);
    loop->post([connection = connection_, call = std::move(call)] { call(connection.lock().get()); });
  }

  const std::weak_ptr<Loop> loop_;
  const std::weak_ptr<Connection> connection_;
  const std::uint64_t number_;
  const std::shared_ptr<Site::Numbers> numbers_;
  const Language language_;
  const std::string path_;
  const std::string request_id_;
  std::atomic<bool> decided_ = false, sent_ = false;
};

Response retry_soon(Response response) {
  response.headers.set("Retry-After", "1");
  return response;
}

}  // namespace

// ---- Site ----

Site::Site(ServerOptions with, TrustedProxies trusted, Server::Dispatch to, Metrics& metrics)
    : options(std::move(with)), proxies(std::move(trusted)), dispatch(std::move(to)), metrics_(metrics) {
  bytes_received = metrics.counter("gyre_http_received_bytes_total", "Bytes received from clients.");
  bytes_sent = metrics.counter("gyre_http_sent_bytes_total", "Bytes sent to clients.");
  const auto too_many = [&](const char* how) {
    return metrics.counter("gyre_http_excess_connections_total",
                           "Connections over a limit: told 503 (refused), or closed at once (dropped).",
                           {{"how", how}});
  };
  refused_ = too_many("refused");
  dropped_ = too_many("dropped");
  const auto level = [&](const char* name, const char* help, std::atomic<std::size_t> Numbers::*member) {
    metrics.gauge(name, help, {}, [from = numbers, member] { return static_cast<double>(((*from).*member).load()); });
  };
  level("gyre_http_connections", "Open connections.", &Numbers::connections);
  level("gyre_http_requests_in_flight", "Requests that have no answer yet.", &Numbers::requests_open);
  level("gyre_http_streams", "Answers that go on: logs, events.", &Numbers::streams);
}

Site::Admission Site::admit(const std::string& remote) {
  const bool proxy = proxies.trusts(remote);
  const std::lock_guard lock(mutex_);
  auto& of_remote = by_remote_[remote_group(remote)];
  const auto open = ++numbers->connections;
  ++of_remote;
  const bool excess = open > options.connections_max || (!proxy && of_remote > options.connections_per_remote_max);
  if (!excess) return Admission::welcome;
  if (open > options.connections_max + refusals_max || of_remote > options.connections_per_remote_max + refusals_max) {
    dropped_.add();
    return Admission::dropped;
  }
  refused_.add();
  return Admission::refused;
}

void Site::released(const std::string& remote) {
  const std::lock_guard lock(mutex_);
  const auto found = by_remote_.find(remote_group(remote));
  CHECK(found != by_remote_.end());
  if (--found->second == 0) by_remote_.erase(found);
  --numbers->connections;
}

void Site::answered(const std::string& route, std::string_view method, int status, Duration after) {
  const auto status_class = std::string(1, static_cast<char>('0' + status / 100 % 10)) + "xx";
  auto key = route + ' ' + std::string(method) + ' ' + status_class;
  const std::lock_guard lock(mutex_);
  auto found = by_route_.find(key);
  if (found == by_route_.end()) {
    PerRoute made;
    made.requests = metrics_.counter("gyre_http_requests_total", "Requests by route and class of status.",
                                     {{"route", route}, {"method", std::string(method)}, {"status", status_class}});
    made.seconds =
        metrics_.histogram("gyre_http_request_seconds", "From the whole request to the head of its answer.",
                           {.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}, {{"route", route}});
    found = by_route_.emplace(std::move(key), made).first;
  }
  found->second.requests.add();
  found->second.seconds.observe(std::chrono::duration<double>(after).count());
}

void Site::cut(const char* why) {
  metrics_.counter("gyre_http_cut_connections_total", "Connections that did not end well, by reason.", {{"why", why}})
      .add();
}

// ---- Connection: from and to the wire ----

Connection::Connection(std::shared_ptr<Site> site, Loop& loop, std::shared_ptr<Wire> wire, Peer peer)
    : site_(std::move(site)), loop_(loop), wire_(std::move(wire)), peer_(std::move(peer)) {}

void Connection::start() {
  since_ = idle_since_ = loop_.now();
  wire_->open(shared_from_this());
  set_alarm();
}

void Connection::on_open() {
  if (phase_ != Phase::opening) return;
  phase_ = Phase::open;
  if (site_->draining) return drain();
  advance();
}

void Connection::on_read(Read what, std::size_t size) {
  reading_ = false;
  if (phase_ != Phase::open) return;
  if (what == Read::broken) return give_up("reader gone");
  if (what == Read::end) {
    // The client will say no more. It may still want its answers, except one that goes on until the client leaves.
    client_done_ = true;
    no_more_ = true;
    parser_.reset();
    looking_ = false;
    in_.clear();
    if (web_socket_) return give_up("reader gone");  // it said no goodbye
    if (!exchanges_.empty() && exchanges_.front().begun) return give_up("reader gone");
    return advance();
  }
  site_->bytes_received.add(static_cast<double>(size));
  if (no_more_)
    ignored_bytes_ += size;
  else
    in_.append(read_buffer_, 0, size);
  advance();
}

void Connection::on_written(bool ok, std::size_t size) {
  writing_ = false;
  if (phase_ != Phase::open) return;
  if (!ok) return give_up("reader gone");
  site_->bytes_sent.add(static_cast<double>(size));
  out_at_ += size;
  if (out_at_ < out_.size()) {
    if (out_at_ - write_mark_ >= write_size) start_write_clock();  // not for every byte that a slow reader takes
    write_out();
    return set_alarm();
  }
  out_at_ = 0;
  out_.clear();
  if (out_.capacity() > 2 * write_size) out_.shrink_to_fit();
  for (const auto& exchange : leaving_) record(exchange, nullptr);
  leaving_.clear();
  advance();
}

void Connection::on_gone() {
  if (phase_ == Phase::over) return;
  wire_->close(false);
  over();
}

void Connection::on_time() {
  const auto now = loop_.now();
  if (phase_ == Phase::over) return;
  if (phase_ == Phase::leaving) {
    if (now < leave_since_ + site_->options.linger_time) return set_alarm();
    return on_gone();
  }
  if (writing_ && now >= write_since_ + site_->options.write_time) return give_up("slow reader");
  if (web_socket_ && web_socket_->out_of_patience(now)) return give_up("silent client");
  if (web_socket_) {
    web_socket_->tick(now);
    return advance();
  }
  const auto deadline = read_deadline();
  if (!deadline || now < *deadline) return set_alarm();
  if (phase_ == Phase::open && !parser_ && !looking_) return leave();  // idle: nothing is lost
  give_up("slow client");
}

void Connection::read_more() {
  if (phase_ != Phase::open || reading_ || client_done_ || handing_over_) return;
  // Beyond this the client waits: for answers, or for us to have taken apart what it sent.
  if (in_.size() > site_->options.header_bytes_max || ignored_bytes_ > ignored_bytes_max) return;
  if (web_socket_ && !web_socket_->wants_more()) return;
  const auto size = head_seen_ ? body_read_size : read_size;
  if (read_buffer_.size() != size) {
    read_buffer_.resize(size);
    read_buffer_.shrink_to_fit();
  }
  reading_ = true;
  wire_->read(read_buffer_.data(), read_buffer_.size());
}

void Connection::start_write_clock() {
  write_since_ = loop_.now();
  write_mark_ = out_at_;
}

void Connection::write_out() {
  writing_ = true;
  wire_->write(std::string_view(out_).substr(out_at_, write_size));
}

// ---- requests in ----

// After every event: as far as it goes without waiting.
void Connection::advance() {
  const auto self = shared_from_this();
  if (web_socket_) return advance_web_socket();
  dispatch_back();
  parse();
  if (phase_ != Phase::open) return;
  if (!writing_) {
    fill();
    if (phase_ != Phase::open) return;
    if (web_socket_) return advance_web_socket();
    if (!out_.empty()) {
      start_write_clock();
      write_out();
    } else if (closing_ || (client_done_ && exchanges_.empty())) {
      return leave();
    }
  }
  read_more();
  set_alarm();
}

void Connection::parse() {
  while (!no_more_ && exchanges_.size() < site_->options.pipelined_max &&
         (exchanges_.empty() || (!exchanges_.back().waiting && exchanges_.back().web_socket_key.empty()))) {
    if (in_.empty()) return;
    if (!parser_ && site_->options.take_over)
      if (hand_over() != HandedOver::no) return;
    if (!parser_) {
      RequestParser::Limits limits;
      limits.header_bytes = site_->options.header_bytes_max;
      limits.body_bytes = site_->options.body_bytes_max;
      parser_ = std::make_unique<RequestParser>(limits);
      head_seen_ = false;
      since_ = loop_.now();
    }
    in_.erase(0, parser_->feed(in_));
    switch (parser_->state()) {
      case RequestParser::State::body:
        if (!head_seen_) {
          head_seen_ = true;
          since_ = loop_.now();
          // A client that is to hear 503 hears it before it sends a large body.
          if (peer_.admission != Site::Admission::welcome) {
            refuse({Reason::unavailable, in_both_languages("detail", Detail::too_many_connections), {}});
            return;
          }
          continue_owed_ = parser_->expects_continue();
        }
        if (parser_->body_bytes() > 0) continue_owed_ = false;  // it did not wait
        return;
      case RequestParser::State::head:
        return;
      case RequestParser::State::failed:
        refuse(parser_->error());
        return;
      case RequestParser::State::done:
        accept();
        dispatch_back();
        break;
    }
  }
}

// A request for a host that is not ours goes, with its connection, to whoever takes such ones over, before anything of
// it is used up. It is looked at once its head is complete.
Connection::HandedOver Connection::hand_over() {
  const auto head = head_end(in_);
  if (head == std::string_view::npos && in_.size() <= site_->options.header_bytes_max) {
    if (!looking_) since_ = loop_.now();
    looking_ = true;
    return HandedOver::not_yet;
  }
  looking_ = false;
  if (head == std::string_view::npos || peer_.admission != Site::Admission::welcome) return HandedOver::no;
  // With a read under way it cannot be. That takes a client that pipelines changes to the API and then turns to a pod
  // on the same connection, which none does: the API answers it, with 404.
  if (reading_) return HandedOver::no;
  if (!site_->options.is_taken_over(host_in_head(std::string_view(in_).substr(0, head)))) return HandedOver::no;
  handing_over_ = true;
  if (!exchanges_.empty() || writing_ || !out_.empty()) return HandedOver::not_yet;  // first what came before it
  auto seat = std::shared_ptr<void>(nullptr, [site = site_, peer = peer_.address](void*) { site->released(peer); });
  phase_ = Phase::over;
  const auto self = shared_from_this();
  auto member = site_->options.take_over(
      HandOver{std::exchange(wire_, nullptr), loop_, std::move(in_), peer_.address, peer_.tls, std::move(seat)});
  loop_.replace(*this, member);
  if (site_->draining) member->drain();
  return HandedOver::yes;
}

// What is known of the request that the parser has; also when it could not be read to its end.
Connection::Exchange Connection::exchange_of_parser(Request& request) {
  Exchange exchange;
  exchange.number = next_number_++;
  if (!parser_->method().empty()) exchange.method = parser_->method();
  if (!parser_->log_target().empty()) exchange.target = parser_->log_target();
  exchange.http11 = parser_->http11();
  exchange.head_only = exchange.method == "HEAD";
  exchange.safe = is_safe(request.method);
  exchange.started = loop_.now();
  auto client = site_->proxies.client(peer_.address, peer_.tls, request.headers);
  exchange.remote = request.remote_address = std::move(client.address);
  request.secure = client.secure;
  if (request.method == Method::get && exchange.http11 && !request.headers.get("Upgrade").empty())
    exchange.web_socket_key = request.headers.get("Sec-WebSocket-Key");
  const auto given = request.headers.get("X-Request-Id");
  exchange.path = request.path;
  exchange.request_id = is_request_id(given) ? std::string(given) : "req-" + OsRandom().letters_and_digits(16);
  request.request_id = exchange.request_id;
  return exchange;
}

void Connection::accept() {
  const bool keep_alive = parser_->keep_alive();
  auto request = parser_->take();
  auto exchange = exchange_of_parser(request);
  parser_.reset();
  head_seen_ = continue_owed_ = false;
  exchange.last = no_more_ = !keep_alive || site_->draining || peer_.admission != Site::Admission::welcome;
  if (no_more_) in_.clear();
  if (peer_.admission != Site::Admission::welcome)
    exchange.answer = retry_soon(
        problem({Reason::unavailable, in_both_languages("detail", Detail::too_many_connections), {}}, request));
  else
    exchange.waiting = std::move(request);
  exchanges_.push_back(std::move(exchange));
}

void Connection::refuse(Error why) {
  auto request = parser_->abandon();
  auto exchange = exchange_of_parser(request);
  parser_.reset();
  head_seen_ = continue_owed_ = false;
  in_.clear();
  exchange.last = no_more_ = true;
  exchange.answer = problem(why, request);
  if (why.reason == Reason::unavailable) exchange.answer->headers.set("Retry-After", "1");
  for (const auto& [name, value] : why.args)
    if (name == "allowed") exchange.answer->headers.set("Allow", value);
  exchanges_.push_back(std::move(exchange));
}

// The newest request is the only one that may wait. It goes to the core when nothing before it can be changed by it, or
// change it: requests that only look may overlap, all others wait for the answer before them (RFC 9112, 9.3.2).
void Connection::dispatch_back() {
  if (exchanges_.empty() || !exchanges_.back().waiting) return;
  auto& exchange = exchanges_.back();
  const bool ready = std::all_of(exchanges_.begin(), exchanges_.end() - 1, [&](const Exchange& earlier) {
    return earlier.answer || (earlier.safe && exchange.safe);
  });
  if (!ready) return;
  auto request = *std::exchange(exchange.waiting, std::nullopt);
  if (site_->numbers->requests_at_core >= site_->options.requests_max) {
    exchange.answer =
        retry_soon(problem({Reason::unavailable, in_both_languages("detail", Detail::too_many_waiting), {}}, request));
    return;
  }
  const auto responder =
      std::make_shared<Responder>(loop_, shared_from_this(), exchange.number, site_->numbers, request);
  try {
    site_->dispatch(std::move(request), [responder](Response response) { responder->answer(std::move(response)); });
  } catch (const std::exception& problem) {
    log::error("dispatch failed", {{"problem", problem.what()}});  // the responder goes, and answers 500
  }
}

// ---- answers out ----

void Connection::answered(std::uint64_t number, Response response) {
  const auto found = std::find_if(exchanges_.begin(), exchanges_.end(),
                                  [&](const Exchange& exchange) { return exchange.number == number; });
  if (phase_ != Phase::open || found == exchanges_.end() || found->answer) {
    if (response.stream) response.stream->reader_gone();
    if (response.web_socket) response.web_socket->peer_gone(close_broken);
    return;
  }
  found->later.reset();
  found->answer = std::move(response);
  advance();
}

void Connection::waits_for(std::uint64_t number, const std::shared_ptr<Later>& later) {
  const auto found = std::find_if(exchanges_.begin(), exchanges_.end(),
                                  [&](const Exchange& exchange) { return exchange.number == number; });
  if (phase_ != Phase::open || found == exchanges_.end())
    later->abandoned = true;
  else
    found->later = later;
}

// Into out_, which is empty, what can leave now.
void Connection::fill() {
  if (continue_owed_ && exchanges_.empty() && parser_) {
    continue_owed_ = false;
    since_ = loop_.now();
    out_ = "HTTP/1.1 100 Continue\r\n\r\n";
  }
  while (!closing_ && !exchanges_.empty() && exchanges_.front().answer && out_.size() < write_size) {
    auto& exchange = exchanges_.front();
    if (exchange.answer->web_socket) return begin_web_socket(exchange);
    if (!exchange.begun) begin(exchange);
    if (phase_ != Phase::open) return;
    if (exchange.answer->stream && !fill_from_stream(exchange)) return;
    closing_ = closing_ || exchange.last || (site_->draining && exchanges_.size() == 1 && !parser_);
    leaving_.push_back(std::move(exchange));
    exchanges_.pop_front();
    idle_since_ = loop_.now();
  }
  if (closing_) {
    no_more_ = true;
    drop_exchanges("connection closed");
  }
}

void Connection::begin(Exchange& exchange) {
  auto& answer = *exchange.answer;
  exchange.begun = true;
  Framing framing;
  framing.http11 = exchange.http11;
  if (answer.stream) {
    if (exchange.head_only || !status_has_body(answer.status)) {
      framing.chunked = exchange.http11;
      std::exchange(answer.stream, nullptr)->reader_gone();
    } else if (client_done_) {
      return give_up("reader gone");
    } else {
      framing.chunked = exchange.http11;
      exchange.last = exchange.last || !exchange.http11;  // the end of the connection is the end of the body
      ++site_->numbers->streams;
    }
  } else {
    framing.length = answer.body.size();
  }
  if (site_->draining && exchanges_.size() == 1 && !parser_) exchange.last = true;
  framing.close = exchange.last;
  out_ += response_head(answer, framing, exchange.request_id,
                        std::chrono::floor<Duration>(std::chrono::system_clock::now()));
  site_->answered(answer.route.empty() ? "none" : answer.route,
                  method_from_text(exchange.method) ? exchange.method : "other", answer.status,
                  std::chrono::floor<Duration>(loop_.now() - exchange.started));
  if (!exchange.head_only && status_has_body(answer.status)) {
    out_ += answer.body;
    exchange.bytes = answer.body.size();
  }
  answer.body.clear();
  answer.body.shrink_to_fit();
  if (!answer.stream) return;
  // Comes from the writer's thread, once for each time that the stream was empty; answered by taking all there is.
  answer.stream->on_data([loop = loop_.weak_from_this(), weak = weak_from_this()] {
    if (const auto to = loop.lock())
      to->post([weak] {
        if (const auto connection = weak.lock(); connection && connection->phase_ == Phase::open) connection->advance();
      });
  });
}

// ---- after an answer of 101 ----

void Connection::begin_web_socket(Exchange& exchange) {
  auto& answer = *exchange.answer;
  if (exchange.web_socket_key.empty()) return give_up("not an upgrade");  // HTTP/1.0: the router does not see that
  exchange.begun = true;
  no_more_ = false;  // what comes now is for the WebSocket
  answer.headers.set("Sec-WebSocket-Accept", web_socket_accept(exchange.web_socket_key));
  Framing framing;
  framing.upgrade = true;
  out_ += response_head(answer, framing, exchange.request_id,
                        std::chrono::floor<Duration>(std::chrono::system_clock::now()));
  site_->answered(answer.route.empty() ? "none" : answer.route, exchange.method, answer.status,
                  std::chrono::floor<Duration>(loop_.now() - exchange.started));
  ++site_->numbers->streams;
  const auto socket = answer.web_socket;
  web_socket_ = std::make_unique<WebSocketSession>(socket, WebSocketOptions(), loop_.now());
  if (site_->draining) web_socket_->say_goodbye(close_service_restart, loop_.now());
  const auto again = [loop = loop_.weak_from_this(), weak = weak_from_this()](bool room) {
    if (const auto to = loop.lock())
      to->post([weak, room] {
        const auto connection = weak.lock();
        if (!connection || connection->phase_ != Phase::open || !connection->web_socket_) return;
        if (room) connection->web_socket_->room();
        connection->advance();
      });
  };
  socket->on_output([again] { again(false); });
  socket->on_received([again] { again(true); });
}

void Connection::advance_web_socket() {
  const auto now = loop_.now();
  if (!in_.empty()) web_socket_->received(std::exchange(in_, {}), now);
  if (!writing_) {
    const auto before = out_.size();
    web_socket_->fill(out_, write_size, now);
    exchanges_.front().bytes += out_.size() - before;
    if (!out_.empty()) {
      start_write_clock();
      write_out();
    } else if (web_socket_->over()) {
      drop_exchanges(nullptr);
      return leave();
    }
  }
  read_more();
  set_alarm();
}

// True when the stream has come to its end.
bool Connection::fill_from_stream(Exchange& exchange) {
  const auto next = exchange.answer->stream->take();
  if (exchange.http11)
    append_chunk(out_, next.bytes);
  else
    out_ += next.bytes;
  exchange.bytes += next.bytes.size();
  if (!next.ended) return false;
  if (next.aborted) {
    // Without the last chunk the client knows that there should have been more; HTTP/1.0 has only the reset for that.
    exchange.last = true;
    reset_at_end_ = !exchange.http11;
  } else if (exchange.http11) {
    out_ += last_chunk;
  }
  --site_->numbers->streams;
  std::exchange(exchange.answer->stream, nullptr)->reader_gone();
  return true;
}

// ---- the end ----

// Tells those who still work on an answer that nobody will read it.
void Connection::drop_exchanges(const char* why) {
  auto dropped = std::exchange(exchanges_, {});
  for (auto& exchange : dropped) {
    if (const auto later = exchange.later.lock()) later->abandoned = true;
    if (exchange.answer && exchange.answer->stream) {
      if (exchange.begun) --site_->numbers->streams;
      exchange.answer->stream->reader_gone();
    }
    if (exchange.answer && exchange.answer->web_socket) {
      if (exchange.begun) --site_->numbers->streams;
      exchange.answer->web_socket->peer_gone(close_broken);
    }
    record(exchange, why);
  }
}

void Connection::drain() {
  if (phase_ != Phase::open || parser_ || looking_)
    return;  // a request that is half here will be answered, as the last one
  if (web_socket_) {
    // Whoever resumes finds its session at the next server; waiting for the end of a terminal would be waiting for
    // ever.
    web_socket_->say_goodbye(close_service_restart, loop_.now());
    return advance();
  }
  if (exchanges_.empty() && out_.empty()) return on_gone();
  no_more_ = true;
  in_.clear();
  if (exchanges_.empty())
    closing_ = true;
  else if (!exchanges_.back().begun)
    exchanges_.back().last = true;
}

void Connection::end_now() {
  if (phase_ == Phase::opening) return on_gone();
  if (phase_ != Phase::open) return;
  if (web_socket_) return give_up("shutting down");
  no_more_ = true;
  parser_.reset();
  in_.clear();
  if (!exchanges_.empty() && !exchanges_.front().begun) {
    auto first = std::move(exchanges_.front());
    exchanges_.pop_front();
    drop_exchanges("shutting down");
    if (const auto later = first.later.lock()) later->abandoned = true;
    if (!first.answer) {
      Request request;
      request.request_id = first.request_id;
      request.path = first.path;
      first.answer = retry_soon(problem({Reason::shutting_down, {}, {}}, request));
    }
    first.waiting.reset();
    first.last = true;
    exchanges_.push_back(std::move(first));
  } else {
    reset_at_end_ = !exchanges_.empty() && !exchanges_.front().http11;
    drop_exchanges("shutting down");
    closing_ = true;
  }
  advance();
}

void Connection::give_up(const char* why) {
  if (phase_ == Phase::over) return;
  const auto self = shared_from_this();
  wire_->close(true);
  phase_ = Phase::over;
  for (const auto& exchange : leaving_) record(exchange, why);
  leaving_.clear();
  drop_exchanges(why);
  site_->cut(why);
  over();
}

void Connection::leave() {
  if (reset_at_end_) return give_up("stream aborted");
  phase_ = Phase::leaving;
  leave_since_ = loop_.now();
  set_alarm();
  wire_->finish();
}

void Connection::over() {
  phase_ = Phase::over;
  site_->released(peer_.address);
  loop_.forget(*this);
}

void Connection::record(const Exchange& exchange, const char* cut) {
  if (!site_->options.access_log) return;
  const auto took = std::chrono::floor<Duration>(loop_.now() - exchange.started);
  log::Fields fields{{"method", exchange.method},
                     {"target", exchange.target},
                     {"status", exchange.answer ? std::to_string(exchange.answer->status) : "-"},
                     {"ms", std::to_string(took.count())},
                     {"bytes", std::to_string(exchange.bytes)},
                     {"request_id", exchange.request_id},
                     {"remote", exchange.remote}};
  if (cut) fields.emplace_back("cut", cut);
  log::info("request", fields);
}

// ---- time ----

// When the client must have said what we wait for; empty while it is we who owe something.
std::optional<TimePoint> Connection::read_deadline() const {
  const auto& options = site_->options;
  if (phase_ == Phase::opening) return since_ + options.header_time;
  if (web_socket_) return web_socket_->due();
  if (client_done_ || no_more_) return std::nullopt;
  if (looking_ || (parser_ && !head_seen_)) return since_ + options.header_time;
  if (parser_ && continue_owed_) return std::nullopt;
  if (parser_) {
    const auto earned = std::chrono::milliseconds(parser_->body_bytes() * 1000 / options.body_bytes_per_second_min);
    return since_ + options.body_time + earned;
  }
  if (!exchanges_.empty() || !out_.empty()) return std::nullopt;
  return idle_since_ + (next_number_ == 1 ? options.header_time : options.idle_time);
}

void Connection::set_alarm() {
  if (phase_ == Phase::over) return;
  if (phase_ == Phase::leaving) return wire_->wake_at(leave_since_ + site_->options.linger_time);
  auto next = read_deadline();
  if (writing_) {
    const auto written = write_since_ + site_->options.write_time;
    next = next ? std::min(*next, written) : written;
  }
  if (next) wire_->wake_at(*next);
}

}  // namespace gyre::http
