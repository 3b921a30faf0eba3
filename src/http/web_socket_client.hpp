// The client's end of a WebSocket, over libcurl's connection (so that TLS, names and addresses are handled as for every
// other request), for the command line. Not blocking but for `connect`: its owner polls `socket()`.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "http/client.hpp"
#include "http/web_socket_frames.hpp"

namespace gyre::http {

class WebSocketClient {
 public:
  static constexpr std::size_t message_bytes = 1024 * 1024;  // of one message from the server
  ~WebSocketClient();

  // The file to poll for reading, and for writing while `wants_to_write`.
  int socket() const;
  bool wants_to_write() const;
  std::size_t unsent_bytes() const;

  // Sends what it can, keeps the rest for `flush`. False: the connection is gone.
  bool send(Opcode kind, std::string_view bytes);
  bool flush();
  // All that has come; pings are answered. False: no more will come, after a close or without one.
  bool read(const std::function<void(WebSocketEvent)>& event);

 private:
  friend Result<struct WebSocketAnswer> connect(const ClientRequest& request, const std::string& protocol);
  struct Impl;
  explicit WebSocketClient(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

struct WebSocketAnswer {
  ClientResponse response;                  // 101, or the refusal with its body
  std::unique_ptr<WebSocketClient> socket;  // with 101
};

// Opens request.url (http:// or https://) with its headers; method and body are not used. Errors as of `fetch`.
Result<WebSocketAnswer> connect(const ClientRequest& request, const std::string& protocol);

}  // namespace gyre::http
