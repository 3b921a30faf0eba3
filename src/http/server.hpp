// The HTTP/1.1 server: sockets, TLS, limits and time-outs on one side, plain Requests and Responses on the other. Its
// own I/O threads parse and write; what a request means is decided by whoever gave `dispatch`, usually on the core.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/reasons.hpp"
#include "base/time.hpp"
#include "http/message.hpp"
#include "http/tls.hpp"
#include "http/wire.hpp"
#include "runtime/metrics.hpp"

namespace gyre::http {

struct ServerOptions {
  struct Listen {
    std::string
        address;  // "127.0.0.1:8080", "[::1]:8080", "localhost:0", "*:443" (IPv4 and IPv6); port 0: any free one
    bool tls = false;
  };
  std::vector<Listen> listen;
  TlsFiles tls;        // needed if one of `listen` says so
  TlsFiles other_tls;  // shown to clients who ask for a name that stands in it, and to all where `tls` is empty
  unsigned io_threads = 1;
  std::vector<std::string> trusted_proxies;  // whose X-Forwarded-For and -Proto are believed: "10.0.0.0/8", "::1"
  bool access_log = true;                    // one line at level info for each request

  std::size_t header_bytes_max = 16 * 1024;
  std::size_t body_bytes_max = 4 * 1024 * 1024;    // more is 413
  std::size_t connections_max = 10'000;            // more are told 503, and many more are closed
  std::size_t connections_per_remote_max = 1'000;  // of one IPv4 address or IPv6 /64; trusted proxies are not counted
  std::size_t requests_max = 4'096;                // dispatched and not answered at all yet; more are told 503
  std::size_t pipelined_max = 16;                  // of one connection; then it is not read any further

  Duration header_time = 15s;  // for TLS and the first header, and for each later one from its first byte
  Duration body_time = 15s;    // for the body, and more the larger it is:
  std::size_t body_bytes_per_second_min = 1024;
  Duration idle_time = 75s;   // between requests
  Duration write_time = 30s;  // for each 64 KiB; a reader slower than that is cut off
  Duration linger_time = 2s;  // after our last word, for the client's

  // Requests whose Host header these accept are not the API's: their connection is handed over, on its I/O thread,
  // before anything of the request is used up. Both or neither; they are called as long as the server lives.
  std::function<bool(std::string_view host)> is_taken_over;
  std::function<std::shared_ptr<Member>(HandOver)> take_over;
};

class Server {
 public:
  // Answers once, from any thread, also after the server is gone. A `Later` is answered on the thread that completes
  // it. Destroyed without having been called, it answers 500.
  using Respond = std::function<void(Response)>;
  // Called on an I/O thread, one request of a connection after the other (safe ones may overlap); must not block. Post
  // to the core, and respond once what the answer says is durable.
  using Dispatch = std::function<void(Request, Respond)>;

  // Listens when it returns. `metrics` outlives the server. Errors: cannot_listen, address_in_use, tls_unusable,
  // invalid_field.
  static Result<std::unique_ptr<Server>> start(ServerOptions options, Dispatch dispatch, Metrics& metrics);
  // Cuts off whatever is left; `dispatch` is not called any more once it returns.
  ~Server();

  struct Bound {
    std::string host;  // "127.0.0.1", "::1", "0.0.0.0"
    std::uint16_t port = 0;
    bool tls = false;
    std::size_t of = 0;       // which of the options' addresses
    std::string url() const;  // "http://127.0.0.1:8080", "https://[::1]:8443"
  };
  const std::vector<Bound>& bound() const;  // in the order of the options; a name or `*` may give two

  bool has_tls() const;  // on any of its addresses
  // Reads certificates and keys again; new connections get them. On an error the old ones stay. Any thread.
  Result<> reload_tls();

  // No new connections; idle ones are closed; requests in flight are answered with "Connection: close". What is not
  // over after `deadline` is ended: requests get 503, streams are cut so that the reader notices. Then calls `done`,
  // once, on an I/O thread. The core must go on running meanwhile, or nothing in flight gets its answer. Any thread.
  void drain(Duration deadline, std::function<void()> done);

  // From now on requests whose `respond` is destroyed without having been called get this and "Retry-After: 1" instead
  // of 500: whoever would have answered is gone on purpose. Any thread.
  void answer_unanswered(Reason reason);

  std::size_t connections() const;  // open now

 private:
  struct Impl;
  explicit Server(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace gyre::http
