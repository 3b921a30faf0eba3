// WebSocket frames (RFC 6455) from and to bytes, for both ends. Knows no socket and no time; bounded in what it keeps;
// nothing that a peer sends can make it do more than fail with a close code. No extension is spoken.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace gyre::http {

enum class Opcode : std::uint8_t { continuation = 0, text = 1, binary = 2, close = 8, ping = 9, pong = 10 };

// Why a WebSocket is closed, as the RFC numbers it. 4000 to 4999 are an application's own.
enum CloseCode : int {
  close_normal = 1000,
  close_going_away = 1001,
  close_protocol_error = 1002,
  close_nothing_said = 1005,  // never sent: the peer gave no code
  close_broken = 1006,        // never sent: the connection went without a goodbye
  close_not_utf8 = 1007,
  close_policy = 1008,
  close_too_large = 1009,
  close_internal_error = 1011,
  close_service_restart = 1012,
};

// A whole message, a ping, a pong, or the peer's goodbye.
struct WebSocketEvent {
  Opcode kind = Opcode::text;
  std::string bytes;  // of a close: its reason
  int code = 0;       // of a close
};

class WebSocketDecoder {
 public:
  enum class From { client, server };  // who wrote the bytes: a client masks its frames, a server does not
  WebSocketDecoder(From from, std::size_t message_bytes_max) : from_(from), message_max_(message_bytes_max) {}

  // Calls `event` for all that is complete. False when the peer has broken the rules; `failure` is then the code to
  // close with, and nothing more is taken. Nothing is taken after a close either.
  bool feed(std::string_view bytes, const std::function<void(WebSocketEvent)>& event);
  int failure() const { return failure_; }
  bool idle() const { return header_.empty() && !in_payload_ && !in_message_; }  // between two messages

 private:
  bool begin_frame();
  bool end_frame(const std::function<void(WebSocketEvent)>& event);
  bool fail(int code) {
    failure_ = code;
    return false;
  }

  From from_;
  std::size_t message_max_;
  std::string header_;
  bool in_payload_ = false, in_message_ = false, final_ = false, closed_ = false;
  Opcode opcode_ = Opcode::text, message_kind_ = Opcode::text;
  std::uint64_t left_ = 0;
  std::string mask_;
  std::size_t masked_ = 0;
  std::string control_, message_;
  int failure_ = 0;
};

// One frame that is a whole message. `mask`: four random bytes, as a client must; empty for a server.
std::string web_socket_frame(Opcode kind, std::string_view bytes, std::string_view mask = {});
std::string web_socket_close(int code, std::string_view reason, std::string_view mask = {});  // reason: cut to fit

bool is_close_code(int code);  // one that may be sent

// What a server answers to a Sec-WebSocket-Key.
std::string web_socket_accept(std::string_view key);

}  // namespace gyre::http
