#include "http/web_socket_session.hpp"

namespace gyre::http {
namespace {
constexpr std::size_t control_bytes_max = 4 * 1024;  // of pongs that wait; a client that only pings gets fewer back
}

WebSocketSession::WebSocketSession(std::shared_ptr<WebSocket> socket, WebSocketOptions options, TimePoint now)
    : socket_(std::move(socket)),
      options_(options),
      decoder_(WebSocketDecoder::From::client, WebSocket::message_bytes),
      heard_(now) {}

WebSocketSession::~WebSocketSession() { socket_->peer_gone(close_broken); }

void WebSocketSession::received(std::string_view bytes, TimePoint now) {
  heard_ = now;
  ping_sent_ = false;
  const auto hear = [this](WebSocketEvent one) { event(std::move(one)); };
  if (decoder_.feed(bytes, hear) || broken_) return;
  broken_ = true;
  say_goodbye(decoder_.failure(), now);
  socket_->peer_gone(decoder_.failure());
}

void WebSocketSession::event(WebSocketEvent one) {
  switch (one.kind) {
    case Opcode::text:
    case Opcode::binary:
      if (said_goodbye_) return;
      if (!socket_->deliver({one.kind == Opcode::text, std::move(one.bytes)})) full_ = true;
      return;
    case Opcode::ping:
      if (!said_goodbye_ && control_.size() < control_bytes_max) control_ += web_socket_frame(Opcode::pong, one.bytes);
      return;
    case Opcode::close:
      heard_goodbye_ = true;
      if (!said_goodbye_) {
        said_goodbye_ = true;
        control_ += web_socket_close(one.code, {});  // the same code back
      }
      socket_->peer_gone(one.code);
      return;
    default:
      return;
  }
}

void WebSocketSession::say_goodbye(int code, TimePoint now) {
  if (said_goodbye_) return;
  said_goodbye_ = true;
  goodbye_at_ = now;
  control_ += web_socket_close(code, {});
}

void WebSocketSession::fill(std::string& out, std::size_t enough, TimePoint now) {
  out += std::exchange(control_, {});
  while (!said_goodbye_ && out.size() < enough) {
    auto next = socket_->take();
    if (next.message) {
      out += web_socket_frame(next.message->text ? Opcode::text : Opcode::binary, next.message->bytes);
    } else if (next.close) {
      said_goodbye_ = true;
      goodbye_at_ = now;
      out += web_socket_close(next.close->first, next.close->second);
    } else {
      return;
    }
  }
}

void WebSocketSession::tick(TimePoint now) {
  if (said_goodbye_ || ping_sent_ || now < due()) return;
  ping_sent_ = true;
  control_ += web_socket_frame(Opcode::ping, {});
}

bool WebSocketSession::wants_more() const { return !full_ || said_goodbye_; }
void WebSocketSession::room() { full_ = false; }
bool WebSocketSession::over() const { return said_goodbye_ && (heard_goodbye_ || broken_); }

WebSocketSession::TimePoint WebSocketSession::due() const {
  if (said_goodbye_) return goodbye_at_ + options_.goodbye_within;
  return heard_ + (ping_sent_ ? 2 : 1) * options_.ping_after;
}

bool WebSocketSession::out_of_patience(TimePoint now) const { return now >= due() && (said_goodbye_ || ping_sent_); }

}  // namespace gyre::http
