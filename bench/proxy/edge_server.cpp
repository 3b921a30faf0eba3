// Our proxy alone: the HTTP server and the edge, with many routes to one upstream. Prints its port; ends with its
// input.
//   proxy_edge UPSTREAM_PORT ROUTES THREADS
#include <cstdio>
#include <cstdlib>

#include "base/log.hpp"
#include "edge/edge.hpp"
#include "http/server.hpp"

int main(int count, char** arguments) {
  using namespace gyre;
  if (count != 4) return 2;
  log::set_level(log::Level::error);
  Metrics metrics;
  edge::RouteTable routes;
  for (int i = 0; i < std::atoi(arguments[2]); ++i)
    routes.set(PodId("pod" + std::to_string(i)), WorkspaceId("w" + std::to_string(i % 100)), HostId("h"),
               {{8888, std::atoi(arguments[1]), "127.0.0.1"}});
  const auto made = edge::Edge::make(
      {}, routes, [](const auto&, auto arrived) { arrived(fail(Reason::pod_host_unreachable)); }, metrics);
  const auto& proxy = made.value();
  http::ServerOptions options;
  options.listen = {{"127.0.0.1:0", false}};
  options.io_threads = static_cast<unsigned>(std::atoi(arguments[3]));
  options.access_log = false;
  options.is_taken_over = [&](std::string_view host) { return proxy->wants(host); };
  options.take_over = [&](http::HandOver connection) { return proxy->take_over(std::move(connection)); };
  const auto server = http::Server::start(
      options, [](http::Request, http::Server::Respond) {}, metrics);
  if (!server) return 1;
  std::printf("%d\n", (*server)->bound().front().port);
  std::fflush(stdout);
  while (std::getchar() != EOF) {
  }
}
