// The proxy: requests for "<pod>-<port>.<domain>" are taken over from the HTTP server and carried to the pod, straight
// or through its agent's tunnel. It carries bytes and decides nothing: where a pod is and who may have how much was
// decided by the core and stands in the route table. All on the server's I/O threads.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "base/time.hpp"
#include "edge/routes.hpp"
#include "http/wire.hpp"
#include "link/carry.hpp"
#include "runtime/metrics.hpp"

namespace gyre::edge {

struct Settings {
  std::string domain = "proxy.localhost";
  std::vector<std::string> trusted_proxies;  // whose X-Forwarded-For and -Proto are believed
  std::size_t header_bytes_max = 32 * 1024;  // of a request; answers may have twice as much
  int open_per_pod = 20'000;                 // requests and upgraded connections at the same time
  int open_per_workspace = 50'000;
  std::size_t resting_per_pod = 512,
              resting = 4'096;  // idle connections to pods that a thread keeps for the next request
  Duration answer_time = 100s;  // until the answer begins; then 524
  Duration connect_time = 2s;   // straight; then the tunnel is tried, and straight not for `avoid_time`
  Duration avoid_time = 30s;
  Duration tunnel_time = 12s;  // for a tunnel to open
  Duration head_time = 10s;    // for a request's head, from its first byte
  Duration body_time = 60s;    // without a byte of a body that is to come
  Duration stall_time = 5min;  // a reader that takes nothing, or a half-closed connection where nothing moves
  Duration idle_time = 75s;    // between requests
  Duration linger_time = 2s;
};

// Asks for a tunnel to this route. Any thread; `arrived` once, on any thread.
using OpenTunnel = std::function<void(const std::shared_ptr<const Route>&, link::CarryDesk::Arrived arrived)>;

class Edge {
 public:
  // `routes` and `metrics` outlive the edge and all that it has taken over. Errors: invalid_field (trusted_proxies).
  static Result<std::shared_ptr<Edge>> make(Settings settings, const RouteTable& routes, OpenTunnel tunnel,
                                            Metrics& metrics);
  ~Edge();

  bool wants(std::string_view host) const;  // is it a name of the proxy's domain?
  std::shared_ptr<http::Member> take_over(http::HandOver connection);

 private:
  struct Impl;
  explicit Edge(std::shared_ptr<Impl> impl);
  std::shared_ptr<Impl> impl_;
};

}  // namespace gyre::edge
