// One HTTP/1.x request from bytes as they come. Knows no socket; bounded in everything it keeps. Refuses whatever two
// readers could understand differently (two lengths, a length and chunks, unknown codings): that is how requests are
// smuggled past a proxy.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "http/message.hpp"

namespace gyre::http {

class RequestParser {
 public:
  struct Limits {
    std::size_t header_bytes = 16 * 1024;      // request line and headers; also the trailers of a chunked body
    std::size_t body_bytes = 4 * 1024 * 1024;  // after chunks are taken apart
  };
  enum class State {
    head,    // the request line and the headers are not complete
    body,    // they are, and the body is not
    done,    // `take` gives the request
    failed,  // `error` says why; the connection cannot be read any further
  };

  explicit RequestParser(const Limits& limits);
  ~RequestParser();

  // Returns how many of the bytes it has used. The rest is given again with what comes after it, or, when the request
  // is done, belongs to the next one.
  std::size_t feed(std::string_view bytes);

  State state() const;
  const Error& error() const;

  // From the head on.
  bool http11() const;
  bool keep_alive() const;         // what the client wants
  bool expects_continue() const;   // it waits for "100 Continue" before it sends the body
  std::size_t body_bytes() const;  // received so far

  // Once, when done: method, path, query, headers, body and language. Unreadable paths, unknown methods and missing
  // hosts have become `failed` before.
  Request take();
  Request abandon();  // in any state: as much of it as was read

  // For the access log; empty if not read. The target is without API keys and other control of the log's reader.
  const std::string& method() const;
  const std::string& log_target() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace gyre::http
