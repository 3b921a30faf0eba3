#include "edge/session.hpp"

#include <algorithm>

#include "base/log.hpp"
#include "edge/tunnel_wire.hpp"
#include "http/message.hpp"

namespace gyre::edge {
namespace {

constexpr std::size_t write_max = 64 * 1024;
constexpr std::size_t joined_max = 16 * 1024;  // of a body, copied behind its head to leave in one write
constexpr std::uint64_t endless = ~0ULL;

std::int64_t in_ms(http::TimePoint time) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count();
}

std::string_view value_of(const std::vector<HeaderLine>& lines, std::string_view name) {
  for (const auto& line : lines)
    if (http::same_header_name(line.name, name)) return line.value;
  return {};
}

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '<')
      out += "&lt;";
    else if (c == '>')
      out += "&gt;";
    else if (c == '&')
      out += "&amp;";
    else
      out += c;
  }
  return out;
}

}  // namespace

std::string error_page(int status, const Error& why, bool html, Language language, bool http11, bool close,
                       bool head_only) {
  const auto said = sentence(why.reason, why.args, language);
  const auto fix = way_out(why.reason, why.args, language);
  std::string body;
  if (html) {
    const auto number = std::to_string(status);
    body = "<!doctype html><html lang=\"" + std::string(language == Language::ko ? "ko" : "en") +
           "\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\"><title>" + number +
           "</title><style>body{font:1rem/1.6 system-ui,sans-serif;max-width:36rem;margin:15vh auto;padding:0 1rem}"
           "b{font-size:2rem}</style><b>" +
           number + "</b><p>" + escaped(said) + "<p>" + escaped(fix) + "\n";
  } else {
    body = said + "\n" + fix + "\n";
  }
  const auto text = status == 524 ? std::string_view("A Timeout Occurred") : http::status_text(status);
  std::string out = "HTTP/1.1 " + std::to_string(status) + " " + std::string(text) +
                    "\r\nContent-Type: " + (html ? "text/html" : "text/plain") +
                    "; charset=utf-8\r\nCache-Control: no-store\r\nContent-Length: " + std::to_string(body.size()) +
                    "\r\n";
  if (status == 503 || status == 429) out += "Retry-After: 1\r\n";
  if (close)
    out += "Connection: close\r\n";
  else if (!http11)
    out += "Connection: keep-alive\r\n";
  out += "\r\n";
  if (!head_only) out += body;
  return out;
}

Session::Session(std::shared_ptr<Site> site, http::HandOver handed)
    : site_(std::move(site)),
      loop_(handed.loop),
      client_(std::move(handed.wire)),
      peer_(std::move(handed.peer)),
      tls_(handed.tls),
      seat_(std::move(handed.seat)),
      trusted_(site_->proxies.trusts(peer_)) {
  in_.put(handed.bytes);
  ++site_->numbers->sessions;
}

Session::~Session() { --site_->numbers->sessions; }

void Session::start() {
  client_->hand_to(shared_from_this());
  moved();
  // From the loop: whoever hands over has still to say that we are here.
  loop_.post([weak = weak_from_this()] {
    if (const auto self = weak.lock(); self && self->phase_ == Phase::resting) self->advance();
  });
}

// ---- a request begins ----

// After every event: as far as it goes without waiting.
void Session::advance() {
  const auto self = shared_from_this();
  switch (phase_) {
    case Phase::resting:
      next_request();
      break;
    case Phase::opening:
      break;
    case Phase::busy:
      pump_request();
      if (phase_ == Phase::busy) pump_answer();
      break;
    case Phase::upgraded:
      pump_raw();
      break;
    case Phase::leaving:
    case Phase::over:
      return;
  }
  set_alarm();
}

void Session::next_request() {
  if (client_writing_) return;
  if (last_word_) return leave();
  while (!in_.empty() && (in_.view().starts_with("\r\n"))) in_.use(2);
  const auto size = end_of_head(in_.view());
  if (size == std::string_view::npos) {
    exchange_ = {};
    if (in_.size() > site_->settings.header_bytes_max)
      return refuse(431,
                    {Reason::headers_too_large, {{"limit", std::to_string(site_->settings.header_bytes_max)}}, {}});
    if (client_done_ || (draining_ && in_.empty())) return leave();
    return read_client();
  }
  ++request_;
  exchange_ = {};
  const auto parsed = parse_request(in_.view().substr(0, size));
  if (!parsed) return refuse(400, parsed.error());
  const auto& head = *parsed;
  exchange_.method = head.method;
  exchange_.http11 = head.http11;
  exchange_.keep_alive = head.keep_alive && !draining_;
  exchange_.wants_upgrade = !head.upgrade.empty();
  exchange_.wants_html = value_of(head.lines, "accept").find("text/html") != std::string_view::npos;
  exchange_.language = http::preferred_language(value_of(head.lines, "accept-language"));
  exchange_.request = BodyEnd(head.body, head.length);
  exchange_.retryable = head.body == Body::none && head.upgrade.empty() &&
                        (head.method == "GET" || head.method == "HEAD" || head.method == "OPTIONS");
  const auto name = parse_host(head.host, site_->settings.domain);
  if (name && name->port != 0) exchange_.route = site_->routes->find(name->pod, name->port);
  Asker asker{peer_, tls_, {}};
  http::TrustedProxies::Client client;
  if (trusted_) {
    http::Headers headers;
    for (const auto& line : head.lines) headers.add(std::string(line.name), std::string(line.value));
    client = site_->proxies.client(peer_, tls_, headers);
    // The chain that the proxy has seen ends with itself; its own address is what it did not write.
    asker.forwarded_for = value_of(head.lines, "x-forwarded-for");
    asker.secure = client.secure;
  }
  if (exchange_.route) exchange_.head = write_request(head, asker);
  in_.use(size);
  moved();
  if (!exchange_.route) return refuse(404, {Reason::proxy_nothing_here, {}, {}});
  exchange_.port = exchange_.route->port;
  if (!admit()) return;
  connect();
}

bool Session::admit() {
  const auto& settings = site_->settings;
  auto& pod = *exchange_.route->pod_use;
  auto& workspace = *exchange_.route->workspace_use;
  const int of_pod = ++pod.open, of_workspace = ++workspace.open;
  ++site_->numbers->open;
  exchange_.counted = true;
  ++pod.requests;
  if (of_pod > settings.open_per_pod) {
    refuse(503, {Reason::proxy_pod_busy, {{"limit", std::to_string(settings.open_per_pod)}}, {}});
    return false;
  }
  if (of_workspace > settings.open_per_workspace) {
    refuse(429, {Reason::proxy_workspace_busy, {{"limit", std::to_string(settings.open_per_workspace)}}, {}});
    return false;
  }
  return true;
}

void Session::uncount() {
  if (!std::exchange(exchange_.counted, false)) return;
  --exchange_.route->pod_use->open;
  --exchange_.route->workspace_use->open;
  --site_->numbers->open;
}

// ---- to the pod ----

Pool& Session::pool() {
  if (!loop_.shared)
    loop_.shared = std::make_shared<Pool>(loop_, site_->settings.resting_per_pod, site_->settings.resting);
  return *static_cast<Pool*>(loop_.shared.get());
}

void Session::connect() {
  const auto& route = exchange_.route;
  phase_ = Phase::opening;
  moved();
  // A request that could not be sent twice does not ride on a connection that the pod may be closing just now.
  if (exchange_.retryable) {
    if (auto kept = pool().take(route.get())) {
      up_ = std::move(kept);
      up_->user = this;
      site_->reused.add();
      return upstream_open();
    }
  }
  if (route->address.empty() || exchange_.tunnel || route->reach->tunnel_until_ms > in_ms(loop_.now()))
    return use_tunnel();
  site_->straight.add();
  up_ = std::make_shared<Upstream>(route, loop_.dial(route->address, route->host_port), true);
  up_->user = this;
  up_->wire->open(up_);
}

void Session::use_tunnel() {
  exchange_.tunnel = true;
  site_->tunnelled.add();
  moved();
  site_->tunnel(exchange_.route, [weak = weak_from_this(), loop = loop_.weak_from_this(),
                                  request = request_](Result<std::shared_ptr<link::Carry>> carry) {
    const auto to = loop.lock();
    if (!to) return;  // and the carry ends
    to->post([weak, request, carry = std::move(carry)] {
      if (const auto self = weak.lock()) self->tunnel_arrived(request, carry);
    });
  });
}

void Session::tunnel_arrived(std::uint64_t request, const Result<std::shared_ptr<link::Carry>>& carry) {
  if (phase_ != Phase::opening || request != request_ || up_) {
    if (carry) (*carry)->cancel();
    return;
  }
  if (!carry) {
    const auto& why = carry.error();
    Args port{{"port", std::to_string(exchange_.port)}};
    if (why.reason == Reason::too_many_tunnels)
      refuse(503, why);
    else if (why.reason == Reason::tunnel_not_possible)
      refuse(502, {Reason::proxy_nothing_listens, std::move(port), {}});
    else
      refuse(502, {Reason::proxy_host_unreachable, {}, {}});
    return set_alarm();
  }
  up_ = std::make_shared<Upstream>(exchange_.route, tunnel_wire(loop_, *carry), false);
  up_->user = this;
  up_->wire->open(up_);
  set_alarm();
}

void Session::upstream_open() {
  if (phase_ != Phase::opening) return;
  const auto self = shared_from_this();
  phase_ = Phase::busy;
  moved();
  up_->read();
  advance();
}

void Session::upstream_failed() {
  if (phase_ != Phase::opening) return;
  const auto self = shared_from_this();
  const bool refused = up_->wire->refused();
  const bool straight = up_->is_straight;
  let_go_of_upstream();
  if (!straight || refused)
    refuse(502, {Reason::proxy_nothing_listens, {{"port", std::to_string(exchange_.port)}}, {}});
  else {
    exchange_.route->reach->tunnel_until_ms = in_ms(loop_.now() + site_->settings.avoid_time);
    use_tunnel();
  }
  set_alarm();
}

void Session::let_go_of_upstream() {
  if (const auto old = std::exchange(up_, nullptr)) old->close();
  up_pending_ = down_pending_ = 0;
}

void Session::pump_request() {
  auto& request = exchange_.request;
  if (up_->writing || exchange_.deaf) return;
  if (exchange_.head_at == 0 && !exchange_.head.empty() && !request.ended() && !in_.empty()) {
    const auto bytes = in_.view().substr(0, joined_max);
    const auto size = request.take(bytes);
    exchange_.head.append(bytes.substr(0, size));
    in_.use(size);
  }
  if (exchange_.head_at < exchange_.head.size())
    return up_->write(std::string_view(exchange_.head).substr(exchange_.head_at, write_max));
  if (up_pending_ == 0 && !request.ended() && !in_.empty()) up_pending_ = request.take(in_.view());
  if (request.broken()) return refuse(400, {Reason::proxy_request_unreadable, {{"detail", "chunks"}}, {}});
  if (up_pending_ > 0) return up_->write(in_.view().substr(0, std::min(up_pending_, write_max)));
  if (in_.empty()) read_client();  // also when it has all been sent: to hear of the client's end
}

void Session::upstream_written(bool ok, std::size_t size) {
  if (phase_ == Phase::over || phase_ == Phase::leaving || !up_) return;
  const auto self = shared_from_this();
  if (!ok) {
    if (phase_ == Phase::upgraded) return upstream_lost();
    // It takes no more. What it said before that is still to be read, and tells more than this.
    exchange_.deaf = true;
    exchange_.head_at = exchange_.head.size();
    up_pending_ = 0;
    if (phase_ == Phase::busy) pump_answer();
    return set_alarm();
  }
  moved();
  exchange_.route->pod_use->bytes_in += static_cast<std::int64_t>(size);
  site_->bytes_in.add(static_cast<double>(size));
  if (exchange_.head_at < exchange_.head.size()) {
    exchange_.head_at += size;
    if (exchange_.head_at == exchange_.head.size() && !exchange_.retryable) {
      exchange_.head_at = 0;
      exchange_.head = {};
    }
  } else {
    up_pending_ -= size;
    in_.use(size);
  }
  if (phase_ == Phase::upgraded)
    pump_raw();
  else if (phase_ == Phase::busy)
    pump_request();
  if (phase_ == Phase::busy && exchange_.answered && exchange_.answer.ended()) pump_answer();
  set_alarm();
}

// What is being written to the pod ends the request.
bool Session::last_piece_is_out() const {
  const auto of_head = exchange_.head.size() - exchange_.head_at;
  return exchange_.request.ended() && !exchange_.deaf && of_head + up_pending_ <= write_max &&
         (of_head == 0 || up_pending_ == 0);
}

// ---- from the pod ----

void Session::upstream_read(Read what) {
  if (!up_ || phase_ == Phase::over || phase_ == Phase::leaving) return;
  const auto self = shared_from_this();
  if (what == Read::bytes) moved();
  if (phase_ == Phase::upgraded)
    pump_raw();
  else if (phase_ == Phase::busy)
    pump_answer();
  set_alarm();
}

void Session::pump_answer() {
  if (client_writing_ || !up_) return;
  while (!exchange_.answered) {
    if (!read_answer_head()) return;
    if (phase_ != Phase::busy) return;
  }
  auto& answer = exchange_.answer;
  if (down_pending_ == 0 && !answer.ended() && !up_->in.empty()) {
    const auto bytes = up_->in.view();
    const auto size = answer.take(bytes);
    if (!out_.empty() && size <= joined_max) {
      out_.append(bytes.substr(0, size));
      up_->in.use(size);
    } else {
      down_pending_ = size;
    }
    if (answer.broken()) return upstream_lost();
  }
  if (!out_.empty() || down_pending_ > 0) return write_to_client();
  if (answer.ended()) {
    // An answer may be here before it is known that the last piece of its request has left, through a tunnel above all.
    // Until then neither connection can carry the next request: upstream_written goes on here.
    if (up_->writing && last_piece_is_out() && !up_->ended && !up_->broken) return;
    return end_exchange();
  }
  if (up_->ended || up_->broken) return upstream_lost();
  up_->read();
}

// One head, if there is one. False: wait, or it has come to an end.
bool Session::read_answer_head() {
  const auto bytes = up_->in.view();
  const auto size = end_of_head(bytes);
  if (size == std::string_view::npos) {
    if (bytes.size() > 2 * site_->settings.header_bytes_max || up_->ended || up_->broken)
      upstream_lost();
    else if (!out_.empty())
      write_to_client();
    else
      up_->read();
    return false;
  }
  const auto parsed = parse_response(bytes.substr(0, size), exchange_.method);
  if (!parsed || (parsed->body == Body::chunked && !exchange_.http11)) {
    if (!parsed) log::debug("a pod's answer is no HTTP", {{"problem", parsed.error().message()}});
    refuse(502, {Reason::proxy_broken_answer, {}, {}});
    return false;
  }
  const auto& head = *parsed;
  if (head.status == 101) {
    if (!exchange_.wants_upgrade) {
      refuse(502, {Reason::proxy_broken_answer, {}, {}});
      return false;
    }
    out_ += write_response(head, true, false);
    up_->in.use(size);
    site_->by_status[1].add();
    upgrade();
    return false;
  }
  if (head.status < 200) {  // 100 Continue, 103 Early Hints
    if (exchange_.http11) out_ += write_response(head, true, false);
    up_->in.use(size);
    return true;
  }
  exchange_.answered = true;
  exchange_.answer = BodyEnd(head.body, head.length);
  exchange_.pod_keeps_alive = head.keep_alive;
  // A body without a length ends with the connection, for the client too.
  if (head.body == Body::until_close || draining_) exchange_.keep_alive = false;
  out_ += write_response(head, exchange_.http11, !exchange_.keep_alive);
  up_->in.use(size);
  site_->by_status[std::min(head.status / 100, 5)].add();
  return true;
}

void Session::write_to_client() {
  client_writing_ = true;
  if (out_at_ < out_.size()) return client_->write(std::string_view(out_).substr(out_at_, write_max));
  client_->write(up_->in.view().substr(0, std::min(down_pending_, write_max)));
}

void Session::on_written(bool ok, std::size_t size) {
  client_writing_ = false;
  if (phase_ == Phase::over) return;
  if (!ok) return give_up("reader gone");
  const auto self = shared_from_this();
  moved();
  if (exchange_.route) exchange_.route->pod_use->bytes_out += static_cast<std::int64_t>(size);
  site_->bytes_out.add(static_cast<double>(size));
  if (out_at_ < out_.size()) {
    out_at_ += size;
    if (out_at_ == out_.size()) {
      out_.clear();
      out_at_ = 0;
      if (out_.capacity() > 2 * write_max || phase_ == Phase::upgraded) out_.shrink_to_fit();
    }
  } else {
    down_pending_ -= size;
    up_->in.use(size);
  }
  if (!out_.empty() || down_pending_ > 0) {
    write_to_client();
    return set_alarm();
  }
  if (phase_ == Phase::busy)
    pump_answer();
  else
    advance();
  set_alarm();
}

// The answer has been written to its end.
void Session::end_exchange() {
  const bool whole =
      exchange_.request.ended() && up_pending_ == 0 && exchange_.head_at == exchange_.head.size() && !exchange_.deaf;
  const bool reusable =
      whole && exchange_.pod_keeps_alive && up_ && up_->in.empty() && !up_->ended && !up_->broken && !up_->writing;
  if (reusable)
    pool().put(std::exchange(up_, nullptr));
  else
    let_go_of_upstream();
  uncount();
  if (!whole || !exchange_.keep_alive || client_done_ || draining_) return leave();
  exchange_ = {};
  phase_ = Phase::resting;
  moved();
  advance();
}

// The pod's side is over, and an answer is not complete.
void Session::upstream_lost() {
  if (phase_ == Phase::upgraded) return give_up("pod gone");
  if (exchange_.answered) {
    if (exchange_.answer.until_close() && up_->ended && !exchange_.answer.broken()) {
      exchange_.keep_alive = false;
      return end_exchange();
    }
    return give_up("answer cut off");  // with a reset: the client sees that something is missing
  }
  const bool nothing_said = up_->in.empty();
  const bool again = up_->reused && nothing_said && exchange_.retryable;
  let_go_of_upstream();
  if (again) {
    // It was closed while it rested. The head is still known: written again, on a connection of its own.
    log::debug("a resting connection to a pod had ended; the request goes again");
    exchange_.retryable = exchange_.deaf = false;
    exchange_.head_at = 0;
    return connect();
  }
  if (nothing_said) return refuse(502, {Reason::proxy_nothing_listens, {{"port", std::to_string(exchange_.port)}}, {}});
  refuse(502, {Reason::proxy_broken_answer, {}, {}});
}

// Answers instead of the pod.
void Session::refuse(int status, Error why) {
  let_go_of_upstream();
  if (exchange_.answered || client_writing_ || phase_ == Phase::upgraded) return give_up("answer cut off");
  uncount();
  const bool whole = exchange_.request.ended() && status != 400 && status != 431 && status != 408;
  exchange_.keep_alive = exchange_.keep_alive && whole && !draining_ && !client_done_;
  exchange_.answered = true;
  exchange_.answer = {};
  exchange_.head.clear();
  out_ = error_page(status, why, exchange_.wants_html, exchange_.language, exchange_.http11, !exchange_.keep_alive,
                    exchange_.method == "HEAD");
  out_at_ = 0;
  site_->by_status[std::min(status / 100, 5)].add();
  const bool goes_on = exchange_.keep_alive;
  exchange_ = {};
  exchange_.keep_alive = goes_on;
  exchange_.answered = true;
  phase_ = Phase::resting;
  moved();
  last_word_ = !goes_on;
  write_to_client();
}

// ---- after an upgrade ----

void Session::upgrade() {
  phase_ = Phase::upgraded;
  ++site_->numbers->upgraded;
  exchange_.request = exchange_.answer = BodyEnd(Body::until_close, endless);
  moved();
  pump_raw();
}

void Session::pump_raw() {
  // To the pod.
  if (!up_->writing && !pod_write_ended_) {
    if (up_pending_ == 0) up_pending_ = in_.size();
    if (up_pending_ > 0) {
      up_->write(in_.view().substr(0, std::min(up_pending_, write_max)));
    } else if (client_done_) {
      pod_write_ended_ = true;
      up_->wire->end_writes();
    } else {
      read_client();
    }
  }
  // To the client.
  if (client_writing_) return;
  if (down_pending_ == 0 && !up_->reading) down_pending_ = up_->in.size();
  if (!out_.empty() || down_pending_ > 0) return write_to_client();
  if (up_->broken) return upstream_lost();
  if (!up_->ended) return up_->read();
  if (!write_ended_) {
    write_ended_ = true;
    if (!tls_ && !client_done_) client_->end_writes();
  }
  if (client_done_ || tls_) {
    let_go_of_upstream();
    uncount();
    leave();
  }
}

// ---- from the client ----

void Session::read_client() {
  if (client_reading_ || client_done_) return;
  client_reading_ = true;
  const auto space = in_.space();
  client_->read(space.at, space.size);
}

void Session::on_read(Read what, std::size_t size) {
  client_reading_ = false;
  if (phase_ == Phase::over || phase_ == Phase::leaving) return;
  const auto self = shared_from_this();
  if (what == Read::broken) return give_up("client gone");
  if (what == Read::end) {
    client_done_ = true;
    moved();
    // Half of a request is none; whoever has sent a whole one may still want its answer.
    if (phase_ == Phase::resting) {
      if (!client_writing_) leave();
      return;
    }
    if (phase_ != Phase::upgraded && !exchange_.request.ended()) return give_up("client gone");
    if (phase_ == Phase::upgraded) advance();
    return set_alarm();
  }
  if (in_.empty() && phase_ == Phase::resting) moved();  // a head begins
  in_.filled(size);
  if (phase_ == Phase::busy) {
    if (!exchange_.request.ended()) {
      moved();
      pump_request();
    }
    return set_alarm();  // else it is the next request: later
  }
  if (phase_ == Phase::upgraded) moved();
  advance();
}

// ---- the end ----

void Session::leave() {
  if (phase_ == Phase::leaving || phase_ == Phase::over) return;
  if (phase_ == Phase::upgraded) --site_->numbers->upgraded;
  phase_ = Phase::leaving;
  moved();
  set_alarm();
  client_->finish();
}

void Session::on_gone() {
  if (phase_ == Phase::over) return;
  const auto self = shared_from_this();
  client_->close(false);
  over();
}

void Session::give_up(const char* why) {
  if (phase_ == Phase::over) return;
  const auto self = shared_from_this();
  log::debug("a proxied connection was cut", {{"why", why}});
  site_->cut.add();
  client_->close(true);
  over();
}

void Session::over() {
  if (phase_ == Phase::upgraded) --site_->numbers->upgraded;
  phase_ = Phase::over;
  let_go_of_upstream();
  uncount();
  seat_.reset();
  loop_.forget(*this);
}

void Session::drain() {
  draining_ = true;
  if (phase_ != Phase::resting || !in_.empty() || client_writing_) return;
  const auto self = shared_from_this();
  on_gone();
}

// An upgraded connection has no last word that we could say for the pod: it is closed, and its client comes again.
void Session::end_now() {
  const auto self = shared_from_this();
  if (phase_ == Phase::opening || (phase_ == Phase::busy && !exchange_.answered)) {
    draining_ = true;
    refuse(503, {Reason::shutting_down, {}, {}});
    return set_alarm();
  }
  if (phase_ == Phase::upgraded) {
    let_go_of_upstream();
    uncount();
    return leave();
  }
  if (phase_ == Phase::resting && !client_writing_) return leave();
  if (phase_ == Phase::busy) give_up("shutting down");
}

// ---- time ----

std::optional<http::TimePoint> Session::deadline() const {
  const auto& settings = site_->settings;
  switch (phase_) {
    case Phase::over:
      return std::nullopt;
    case Phase::leaving:
      return moved_at_ + settings.linger_time;
    case Phase::resting:
      if (client_writing_) return moved_at_ + settings.stall_time;
      return moved_at_ + (in_.empty() ? settings.idle_time : settings.head_time);
    case Phase::opening:
      return moved_at_ + (exchange_.tunnel ? settings.tunnel_time : settings.connect_time);
    case Phase::busy:
      if (client_writing_) return moved_at_ + settings.stall_time;
      if (!exchange_.request.ended() && client_reading_) return moved_at_ + settings.body_time;
      if (!exchange_.answered) return moved_at_ + settings.answer_time;
      if (client_done_) return moved_at_ + settings.stall_time;
      return std::nullopt;  // the pod may be silent for as long as it likes
    case Phase::upgraded:
      if (client_writing_ || (up_ && up_->writing) || client_done_ || write_ended_)
        return moved_at_ + settings.stall_time;
      return std::nullopt;
  }
  return std::nullopt;
}

void Session::set_alarm() {
  if (const auto when = deadline()) client_->wake_at(*when);
}

void Session::on_time() {
  const auto self = shared_from_this();
  const auto when = deadline();
  if (!when) return;
  if (loop_.now() < *when) return set_alarm();
  switch (phase_) {
    case Phase::over:
      return;
    case Phase::leaving:
      return on_gone();
    case Phase::resting:
      if (client_writing_) return give_up("slow reader");
      if (in_.empty()) return leave();
      exchange_ = {};
      refuse(408, {Reason::proxy_request_too_slow, {}, {}});
      return set_alarm();
    case Phase::opening:
      if (exchange_.tunnel) {
        refuse(502, {Reason::proxy_host_unreachable, {}, {}});
      } else {
        let_go_of_upstream();
        exchange_.route->reach->tunnel_until_ms = in_ms(loop_.now() + site_->settings.avoid_time);
        use_tunnel();
      }
      return set_alarm();
    case Phase::busy:
      if (client_writing_) return give_up("slow reader");
      if (exchange_.answered) return give_up("slow reader");
      if (!exchange_.request.ended() && client_reading_)
        refuse(408, {Reason::proxy_request_too_slow, {}, {}});
      else
        refuse(524, {Reason::proxy_answer_too_late,
                     {{"seconds", std::to_string(site_->settings.answer_time.count() / 1000)}},
                     {}});
      return set_alarm();
    case Phase::upgraded:
      return give_up("slow reader");
  }
}

}  // namespace gyre::edge
