// Our proxy alone: the HTTP server and the edge, with many routes to one upstream. Prints its port; ends with its
// input.
//   proxy_edge UPSTREAM_PORT ROUTES THREADS CHANGES
// CHANGES: routes changed in each second, as the core does it when pods come and go; every second one is a move of
// MEASURED, the pod that the clients ask for, between two addresses of the same upstream.
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>

#include "base/log.hpp"
#include "edge/edge.hpp"
#include "http/server.hpp"

namespace {

constexpr int measured = 4321;

}  // namespace

int main(int count, char** arguments) {
  using namespace gyre;
  if (count != 5) return 2;
  const int upstream = std::atoi(arguments[1]), pods = std::atoi(arguments[2]), changes = std::atoi(arguments[4]);
  log::set_level(log::Level::error);
  Metrics metrics;
  edge::RouteTable routes;
  const auto set = [&](int pod, const char* address) {
    routes.set(PodId("pod" + std::to_string(pod)), WorkspaceId("w" + std::to_string(pod % 100)), HostId("h"),
               {{8888, upstream, address}});
  };
  for (int pod = 0; pod < pods; ++pod) set(pod, "127.0.0.1");
  const auto made = edge::Edge::make(
      {}, routes, [](const auto&, auto arrived) { arrived(fail(Reason::pod_host_unreachable)); }, metrics);
  const auto& proxy = made.value();
  http::ServerOptions options;
  options.listen = {{"127.0.0.1:0", false}};
  options.io_threads = static_cast<unsigned>(std::atoi(arguments[3]));
  options.access_log = false;
  options.connections_max = options.connections_per_remote_max = 100'000;  // all clients are on this machine
  options.is_taken_over = [&](std::string_view host) { return proxy->wants(host); };
  options.take_over = [&](http::HandOver connection) { return proxy->take_over(std::move(connection)); };
  const auto server = http::Server::start(
      options, [](http::Request, http::Server::Respond) {}, metrics);
  if (!server) return 1;
  std::printf("%d\n", (*server)->bound().front().port);
  std::fflush(stdout);
  std::atomic<bool> over = false;
  std::thread core([&] {  // the one thread that changes routes
    auto next = std::chrono::steady_clock::now();
    for (int change = 0; changes > 0 && !over; ++change) {
      set(change % 2 == 0 ? measured : change % pods, change % 4 < 2 ? "127.0.0.2" : "127.0.0.1");
      std::this_thread::sleep_until(next += std::chrono::nanoseconds(1'000'000'000 / changes));
    }
  });
  while (std::getchar() != EOF) {
  }
  over = true;
  core.join();
}
