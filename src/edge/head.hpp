// Heads of HTTP/1.x messages as the proxy reads and writes them. Pure. Strict in what a smuggler would use: whatever
// two readers could understand differently is refused, never mended.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace gyre::edge {

struct HeaderLine {
  std::string_view name, value;  // into the bytes that were parsed; the value without outer blanks
};

enum class Body { none, counted, chunked, until_close };

struct RequestHead {
  std::string_view method, target, host;
  bool http11 = true;
  bool keep_alive = true;    // what the client wants
  std::string_view upgrade;  // empty: none is asked for
  Body body = Body::none;
  std::uint64_t length = 0;  // counted
  std::vector<HeaderLine> lines;
  std::vector<std::string_view> hop_by_hop;  // named by Connection
};

struct ResponseHead {
  int status = 0;
  std::string_view reason;
  bool http11 = true;
  bool keep_alive = true;
  Body body = Body::none;
  std::uint64_t length = 0;
  std::vector<HeaderLine> lines;
  std::vector<std::string_view> hop_by_hop;
};

// Where the head at the front of these bytes ends (after its empty line); npos while it does not.
std::size_t end_of_head(std::string_view bytes);

// `head` is exactly one head, its empty line included. The views point into it. Errors: proxy_request_unreadable,
// with a detail; proxy_broken_answer.
Result<RequestHead> parse_request(std::string_view head);
// `method` is that of the request it answers: HEAD has no body, whatever the head says.
Result<ResponseHead> parse_response(std::string_view head, std::string_view method);

// Who asked, as the pod shall learn it.
struct Asker {
  std::string_view address;  // of the client
  bool secure = false;
  std::string_view forwarded_for;  // what a trusted proxy before us has said; empty: we are the first
};

// The head that goes to the pod: everything as it came, without what is meant for one hop, with who asked.
std::string write_request(const RequestHead& head, const Asker& asker);
// The head that goes to the client. `close`: this connection ends after it. An upgrade (101) keeps its two headers.
std::string write_response(const ResponseHead& head, bool client_http11, bool close);

// What the pod is asked for by name: "<pod>-<port>.<domain>[:port]".
struct Name {
  std::string pod;  // lower case
  int port = 0;
};
// Empty when it is not of the domain; a Name with port 0 when it is, but names no pod and port.
std::optional<Name> parse_host(std::string_view host, std::string_view domain);

}  // namespace gyre::edge
