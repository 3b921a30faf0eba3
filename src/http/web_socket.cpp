#include "http/web_socket.hpp"

namespace gyre::http {
namespace {

// "keep-alive, Upgrade" lists "upgrade".
bool lists(std::string_view header, std::string_view word) {
  while (!header.empty()) {
    const auto comma = header.find(',');
    auto one = header.substr(0, comma);
    while (!one.empty() && (one.front() == ' ' || one.front() == '\t')) one.remove_prefix(1);
    while (!one.empty() && (one.back() == ' ' || one.back() == '\t')) one.remove_suffix(1);
    if (same_header_name(one, word)) return true;
    if (comma == std::string_view::npos) break;
    header.remove_prefix(comma + 1);
  }
  return false;
}

}  // namespace

bool WebSocket::send(WebSocketMessage message) {
  std::function<void()> notify;
  bool room = false;
  {
    const std::lock_guard lock(mutex_);
    if (gone_ || close_) return false;
    out_bytes_ += message.bytes.size();
    out_.push_back(std::move(message));
    room = out_bytes_ <= window_bytes;
    notify = on_output_;
  }
  if (notify) notify();
  return room;
}

void WebSocket::close(int code, std::string reason) {
  std::function<void()> notify;
  {
    const std::lock_guard lock(mutex_);
    if (gone_ || close_) return;
    close_.emplace(code, std::move(reason));
    notify = on_output_;
  }
  if (notify) notify();
}

std::optional<WebSocketMessage> WebSocket::receive() {
  std::optional<WebSocketMessage> out;
  std::function<void()> open_again;
  {
    const std::lock_guard lock(mutex_);
    if (in_.empty()) return out;
    out = std::move(in_.front());
    in_.pop_front();
    in_bytes_ -= out->bytes.size();
    if (full_ && in_bytes_ <= window_bytes / 2) {
      full_ = false;
      open_again = on_received_;
    }
  }
  if (open_again) open_again();
  return out;
}

std::size_t WebSocket::waiting_bytes() const {
  const std::lock_guard lock(mutex_);
  return out_bytes_;
}

bool WebSocket::closed() const {
  const std::lock_guard lock(mutex_);
  return gone_ || close_.has_value();
}

void WebSocket::on_message(std::function<void()> callback) {
  std::function<void()> now;
  {
    const std::lock_guard lock(mutex_);
    if (gone_) return;
    if (!in_.empty()) now = callback;
    on_message_.swap(callback);
  }
  if (now) now();
}

void WebSocket::on_room(std::function<void()> callback) {
  {
    const std::lock_guard lock(mutex_);
    if (gone_) return;
    if (out_bytes_ >= window_bytes / 2) {
      on_room_.swap(callback);
      return;
    }
  }
  callback();
}

void WebSocket::on_closed(std::function<void()> callback) {
  {
    const std::lock_guard lock(mutex_);
    if (!gone_) {
      on_closed_.swap(callback);
      return;
    }
  }
  callback();
}

WebSocket::Out WebSocket::take() {
  Out out;
  std::function<void()> room;
  {
    const std::lock_guard lock(mutex_);
    if (!out_.empty()) {
      out.message = std::move(out_.front());
      out_.pop_front();
      out_bytes_ -= out.message->bytes.size();
      if (out_bytes_ < window_bytes / 2) room.swap(on_room_);
    } else if (close_ && !close_taken_) {
      close_taken_ = true;
      out.close = close_;
    }
  }
  if (room) room();
  return out;
}

bool WebSocket::deliver(WebSocketMessage message) {
  std::function<void()> notify;
  bool room = false;
  {
    const std::lock_guard lock(mutex_);
    if (gone_ || close_) return true;  // nobody will receive it
    in_bytes_ += message.bytes.size();
    in_.push_back(std::move(message));
    room = in_bytes_ <= window_bytes && in_.size() < 1024;
    full_ = full_ || !room;
    notify = on_message_;
  }
  if (notify) notify();
  return room;
}

void WebSocket::on_output(std::function<void()> callback) {
  std::function<void()> now;
  {
    const std::lock_guard lock(mutex_);
    if (gone_) return;
    if (!out_.empty() || close_) now = callback;
    on_output_.swap(callback);
  }
  if (now) now();
}

void WebSocket::on_received(std::function<void()> callback) {
  const std::lock_guard lock(mutex_);
  if (!gone_) on_received_.swap(callback);
}

void WebSocket::peer_gone(int code) {
  std::function<void()> message, room, closed, output, received;  // destroyed after the lock: they may hold us
  std::deque<WebSocketMessage> unsent;
  {
    const std::lock_guard lock(mutex_);
    if (gone_) return;
    gone_ = true;
    peer_code_ = code;
    unsent.swap(out_);
    out_bytes_ = 0;
    message.swap(on_message_);
    room.swap(on_room_);
    closed.swap(on_closed_);
    output.swap(on_output_);
    received.swap(on_received_);
  }
  if (closed) closed();
}

int WebSocket::peer_code() const {
  const std::lock_guard lock(mutex_);
  return peer_code_;
}

Result<void> check_upgrade(const Request& request) {
  const auto refuse = [&](const char* detail) {
    return fail(Reason::upgrade_required, {{"path", request.path}, {"detail", detail}});
  };
  const auto& headers = request.headers;
  if (request.method != Method::get) return refuse("it is opened with GET");
  if (!lists(headers.get("Connection"), "upgrade") || !lists(headers.get("Upgrade"), "websocket"))
    return refuse("the headers Connection: Upgrade and Upgrade: websocket are missing");
  if (headers.get("Sec-WebSocket-Version") != "13") return refuse("Sec-WebSocket-Version is not 13");
  if (headers.get("Sec-WebSocket-Key").size() != 24) return refuse("Sec-WebSocket-Key is not 16 bytes in base64");
  return {};
}

std::string chosen_protocol(const Request& request, const std::vector<std::string>& ours) {
  for (const auto& one : ours)
    if (lists(request.headers.get("Sec-WebSocket-Protocol"), one)) return one;
  return {};
}

Response web_socket_response(std::shared_ptr<WebSocket> socket, const std::string& protocol) {
  Response response;
  response.status = 101;
  response.headers.set("Upgrade", "websocket");
  if (!protocol.empty()) response.headers.set("Sec-WebSocket-Protocol", protocol);
  response.web_socket = std::move(socket);
  return response;
}

}  // namespace gyre::http
