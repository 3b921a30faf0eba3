// One WebSocket on one connection: between the connection's bytes and its handler's messages. Decides about pings, the
// goodbye and patience; knows no socket and no clock of its own.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "http/web_socket.hpp"

namespace gyre::http {

struct WebSocketOptions {
  std::chrono::milliseconds ping_after{20'000};     // of silence; as long again without a sign of life ends it
  std::chrono::milliseconds goodbye_within{5'000};  // from our goodbye to the client's
};

class WebSocketSession {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;
  WebSocketSession(std::shared_ptr<WebSocket> socket, WebSocketOptions options, TimePoint now);
  ~WebSocketSession();  // the handler hears that the client is gone
  WebSocketSession(const WebSocketSession&) = delete;
  WebSocketSession& operator=(const WebSocketSession&) = delete;

  void received(std::string_view bytes, TimePoint now);
  void fill(std::string& out, std::size_t enough, TimePoint now);  // what is to be sent, until `out` has enough
  void say_goodbye(int code, TimePoint now);                       // at once, before what the handler still has to say
  void room();                                                     // the handler has received what it had
  bool wants_more() const;  // false: what was read is not received yet, so read no further
  bool over() const;  // both have said goodbye, or we have and the peer broke the rules: all that is left is `fill`
  // Something is due then: a ping, or the end of patience.
  TimePoint due() const;
  void tick(TimePoint now);
  bool out_of_patience(TimePoint now) const;

  const std::shared_ptr<WebSocket>& socket() const { return socket_; }

 private:
  void event(WebSocketEvent event);

  const std::shared_ptr<WebSocket> socket_;
  const WebSocketOptions options_;
  WebSocketDecoder decoder_;
  std::string control_;  // pongs and the goodbye, before all else
  bool full_ = false, said_goodbye_ = false, heard_goodbye_ = false, broken_ = false, ping_sent_ = false;
  TimePoint heard_, goodbye_at_{};
};

}  // namespace gyre::http
