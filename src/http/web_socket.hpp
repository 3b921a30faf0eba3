// A WebSocket as a handler sees it: whole messages both ways, no socket. Any thread. Bounded both ways: who sends too
// much is told to wait for room, and the connection reads no further while what it has read is not received.
//
//   auto socket = std::make_shared<http::WebSocket>();
//   socket->on_message([...] { post to the core: while (auto message = socket->receive()) ...; });
//   return http::web_socket_response(socket, "gyre.exec.v1");      // from a Route with `web_socket = true`
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "http/message.hpp"
#include "http/web_socket_frames.hpp"

namespace gyre::http {

struct WebSocketMessage {
  bool text = false;
  std::string bytes;
};

class WebSocket {
 public:
  static constexpr std::size_t window_bytes = 256 * 1024;   // each way
  static constexpr std::size_t message_bytes = 128 * 1024;  // of one message from the client; more closes with 1009

  // Handler's side.
  bool send(WebSocketMessage message);        // false: over the window (it was still taken) or closed (it was not)
  void close(int code, std::string reason);   // after what was sent; the first counts
  std::optional<WebSocketMessage> receive();  // the next message, if one is there
  std::size_t waiting_bytes() const;          // sent, and not yet given to the connection
  bool closed() const;                        // by either side
  // Each time that there is something to receive; at once if there is now.
  void on_message(std::function<void()> callback);
  void on_room(std::function<void()> callback);    // once, below half the window; at once if there is room
  void on_closed(std::function<void()> callback);  // once: the client said goodbye, or is gone

  // Connection's side.
  struct Out {
    std::optional<WebSocketMessage> message;
    std::optional<std::pair<int, std::string>> close;  // after the last message
  };
  Out take();
  bool deliver(WebSocketMessage message);          // false: no more for now (this one was taken); wait for on_received
  void on_output(std::function<void()> callback);  // as Stream::on_data
  void on_received(std::function<void()> callback);  // each time that the window is open again
  void peer_gone(int code);                          // lets go of all callbacks
  int peer_code() const;                             // with which the peer went; 0 while it has not

 private:
  mutable std::mutex mutex_;
  std::deque<WebSocketMessage> out_, in_;
  std::size_t out_bytes_ = 0, in_bytes_ = 0;
  std::optional<std::pair<int, std::string>> close_;
  bool close_taken_ = false, gone_ = false, full_ = false;
  int peer_code_ = 0;
  std::function<void()> on_message_, on_room_, on_closed_, on_output_, on_received_;
};

// Is this request one for a WebSocket? upgrade_required, with what is missing.
Result<void> check_upgrade(const Request& request);
// The first of our protocols that the client offers (Sec-WebSocket-Protocol); empty: none.
std::string chosen_protocol(const Request& request, const std::vector<std::string>& ours);
Response web_socket_response(std::shared_ptr<WebSocket> socket, const std::string& protocol);

}  // namespace gyre::http
