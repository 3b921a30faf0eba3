#include "edge/edge.hpp"

#include "edge/session.hpp"

namespace gyre::edge {

struct Edge::Impl {
  std::shared_ptr<Site> site = std::make_shared<Site>();
};

Result<std::shared_ptr<Edge>> Edge::make(Settings settings, const RouteTable& routes, OpenTunnel tunnel,
                                         Metrics& metrics) {
  auto impl = std::make_shared<Impl>();
  auto& site = *impl->site;
  site.proxies = TRY(http::TrustedProxies::parse(settings.trusted_proxies));
  site.settings = std::move(settings);
  site.routes = &routes;
  site.tunnel = std::move(tunnel);
  for (int i = 1; i <= 5; ++i)
    site.by_status[i] =
        metrics.counter("gyre_proxy_requests_total", "Requests to pods, by class of the answer's status.",
                        {{"status", std::to_string(i) + "xx"}});
  const auto bytes = [&](const char* way) {
    return metrics.counter("gyre_proxy_bytes_total", "Bytes carried to pods (in) and from them (out).", {{"way", way}});
  };
  site.bytes_in = bytes("in");
  site.bytes_out = bytes("out");
  const auto opened = [&](const char* how) {
    return metrics.counter("gyre_proxy_connections_total", "Connections to pods, by how the request came to have one.",
                           {{"how", how}});
  };
  site.reused = opened("reused");
  site.straight = opened("straight");
  site.tunnelled = opened("tunnel");
  site.cut = metrics.counter("gyre_proxy_cut_total", "Proxied connections that did not end well.");
  const auto level = [&](const char* name, const char* help, std::atomic<int> Site::Numbers::*member) {
    metrics.gauge(name, help, {},
                  [from = site.numbers, member] { return static_cast<double>(((*from).*member).load()); });
  };
  level("gyre_proxy_clients", "Clients' connections at the proxy.", &Site::Numbers::sessions);
  level("gyre_proxy_requests_open", "Requests to pods without a complete answer, upgraded ones included.",
        &Site::Numbers::open);
  level("gyre_proxy_upgraded", "Upgraded connections, as WebSockets.", &Site::Numbers::upgraded);
  return std::shared_ptr<Edge>(new Edge(std::move(impl)));
}

Edge::Edge(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
Edge::~Edge() = default;

bool Edge::wants(std::string_view host) const { return parse_host(host, impl_->site->settings.domain).has_value(); }

std::shared_ptr<http::Member> Edge::take_over(http::HandOver connection) {
  auto session = std::make_shared<Session>(impl_->site, std::move(connection));
  session->start();
  return session;
}

}  // namespace gyre::edge
