// Requests and answers as plain data: what a handler sees. No socket, no Beast; the simulator makes them by hand.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/caller.hpp"
#include "base/result.hpp"

namespace gyre::http {

enum class Method { get, head, post, put, patch, del, options };
std::string_view method_text(Method method);  // "GET"
std::optional<Method> method_from_text(std::string_view text);

bool same_header_name(std::string_view a, std::string_view b);  // "host" is "Host"

// Header names are case-insensitive; order is kept; a name may stand more than once.
class Headers {
 public:
  void add(std::string name, std::string value) { lines_.emplace_back(std::move(name), std::move(value)); }
  void set(std::string_view name, std::string value);
  std::string_view get(std::string_view name) const;  // the first, or empty
  bool has(std::string_view name) const;
  const std::vector<std::pair<std::string, std::string>>& lines() const { return lines_; }

 private:
  std::vector<std::pair<std::string, std::string>> lines_;
};

// ?a=1&a=2&b: decoded, in order. A bad escape, a zero character or text that is not UTF-8 is bad_request.
class Query {
 public:
  static Result<Query> parse(std::string_view text);            // what follows the question mark
  std::optional<std::string> get(std::string_view name) const;  // the first
  std::vector<std::string> all(std::string_view name) const;
  bool flag(std::string_view name) const;  // present and "true", "1" or empty
  std::string text() const;                // encoded again; parses to the same items
  void set(std::string_view name, std::string value);
  void remove(std::string_view name);
  const std::vector<std::pair<std::string, std::string>>& items() const { return items_; }

 private:
  std::vector<std::pair<std::string, std::string>> items_;
};

struct Request {
  Method method = Method::get;
  std::string path;  // decoded, without the query
  Query query;
  Headers headers;
  std::string body;
  std::map<std::string, std::string> params;  // filled by the router: /v1/pods/{id}
  Caller caller;                              // filled by the router on routes that need one
  std::string request_id;
  std::string remote_address;        // the peer, or what a trusted proxy said
  bool secure = false;               // came over TLS
  Language language = Language::en;  // from Accept-Language

  const std::string& param(const std::string& name) const { return params.at(name); }
};

// Fills path and query from a request line's target ("/v1/pods?limit=10"). The only way a path is decoded, for the
// server and for whoever makes requests by hand. bad_request as for Query; "http://host/path" is understood too.
Result<void> set_target(Request& request, std::string_view target);

// "%2F" -> "/". Empty for a bad escape.
std::optional<std::string> percent_decoded(std::string_view text);
std::string percent_encoded(std::string_view text);  // all but letters, digits and -._~

// The language of ours that the header likes best; English when it likes none.
Language preferred_language(std::string_view accept_language);

// An X-Request-Id of a caller that may be kept: 1 to 128 characters, visible and without quotes or backslashes.
bool is_request_id(std::string_view text);

// A body that goes on: logs, server-sent events. Written by any thread, read by the connection. Bounded: `write` says
// false when the reader is too slow or gone, and the writer then waits for `on_room` or gives up.
class Stream {
 public:
  static constexpr std::size_t window_bytes = 256 * 1024;

  // Writer's side.
  bool write(std::string chunk);  // false: over the window (the chunk was still taken) or closed (it was not)
  void close();                   // no more will come; the connection ends the body properly
  void abort();                   // ends it so that the reader sees it was cut off
  bool closed_by_reader() const;
  // Once, when the reader has made room (below half the window), at once if there is room; never after it went away.
  // The latest callback counts. Any thread.
  void on_room(std::function<void()> callback);
  void on_closed(std::function<void()> callback);  // the reader went away; any thread; at once if it has already

  // Connection's side.
  struct Next {
    std::string bytes;
    bool ended = false, aborted = false;
  };
  Next take();  // whatever is there now; may be empty
  // Called (on any thread) each time that `take` has something to give again, and at once if it has now. It may be
  // called once more than needed. Stays until the next on_data or reader_gone.
  void on_data(std::function<void()> callback);
  void reader_gone();  // also when the body has been sent to its end: lets go of all callbacks

 private:
  mutable std::mutex mutex_;
  std::string buffer_;
  bool ended_ = false, aborted_ = false, gone_ = false;
  std::function<void()> on_data_, on_room_;
  std::vector<std::function<void()>> on_closed_;
};

class WebSocket;  // web_socket.hpp
struct Response;

// An answer that is not known yet. The handler keeps one end and completes it later, from the core thread, where the
// connection's side is called too.
class Later {
 public:
  void complete(Response response);                        // the first one counts
  void when_done(std::function<void(Response)> receiver);  // the connection's side; at once if it is there already
  std::atomic<bool> abandoned =
      false;  // nobody waits any more, set by the connection's thread; the handler may give up

 private:
  std::unique_ptr<Response> response_;
  std::function<void(Response)> receiver_;
  bool done_ = false;
};

// A HEAD request gets the body of GET here, so that its length is known; the connection does not send it.
struct Response {
  int status = 200;
  Headers headers;
  std::string body;
  std::shared_ptr<Stream> stream;         // instead of body
  std::shared_ptr<Later> later;           // instead of all of it
  std::shared_ptr<WebSocket> web_socket;  // with 101: the connection speaks WebSocket from here on
  std::string route;  // filled by the router: the pattern that matched, "/v1/pods/{id}"; names the metrics
};

int status_of(ErrorCode code);
std::string_view status_text(int status);  // 404 -> "Not Found"
// RFC 9457, plus the two keys that RunPod's clients look for (`error`, `message`), in the request's language.
Response problem(const Error& error, const Request& request);
Response json_response(int status, std::string json);
Response later_response(std::shared_ptr<Later> later);
Response stream_response(std::string content_type, std::shared_ptr<Stream> stream);

}  // namespace gyre::http
