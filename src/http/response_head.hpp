// The bytes before and around an answer's body.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/time.hpp"
#include "http/message.hpp"

namespace gyre::http {

struct Framing {
  bool http11 = true;                 // what the client speaks
  bool close = false;                 // "Connection: close" after this answer
  bool chunked = false;               // a stream to an HTTP/1.1 client
  std::optional<std::size_t> length;  // of the body; absent for streams
  bool upgrade = false;               // 101: other bytes follow
};

// Status line and headers, up to and with the empty line. The server's own headers (Date, Connection, Content-Length,
// Transfer-Encoding, X-Request-Id) replace a handler's. A header that would break out of its line is left out and
// logged.
std::string response_head(const Response& response, const Framing& framing, std::string_view request_id, Time now);

bool status_has_body(int status);                             // not 1xx, 204, 304
void append_chunk(std::string& out, std::string_view bytes);  // nothing for no bytes, which would end the body
constexpr std::string_view last_chunk = "0\r\n\r\n";
std::string http_date(Time time);  // Sun, 06 Nov 1994 08:49:37 GMT

}  // namespace gyre::http
