#include "edge/tunnels.hpp"

namespace gyre::edge {
namespace {

constexpr std::size_t token_letters = 32;

// Whoever comes first: the link's thread with the carry, or the core with its patience at an end.
void tell(const std::shared_ptr<Tunnels::Asker>& asker, Result<std::shared_ptr<link::Carry>> outcome) {
  if (!asker->told.exchange(true)) return asker->arrived(std::move(outcome));
  if (outcome) (*outcome)->cancel();
}

}  // namespace

Tunnels::Tunnels(Core& core, link::AgentLink& link, link::CarryDesk& desk, Duration patience)
    : core_(core), link_(link), desk_(desk), patience_(patience) {}

void Tunnels::open(const std::shared_ptr<const Route>& route, link::CarryDesk::Arrived arrived) {
  const auto shared = std::make_shared<Asker>();
  shared->arrived = std::move(arrived);
  core_.post("open a tunnel", alive_.guard([this, route, shared] { begin(route, shared); }),
             [shared] { tell(shared, fail(Reason::pod_host_unreachable)); });
}

void Tunnels::begin(const std::shared_ptr<const Route>& route, const std::shared_ptr<Asker>& arrived) {
  if (!link_.connected(route->host)) return tell(arrived, fail(Reason::pod_host_unreachable));
  if (waiting_of_[route->host] >= waiting_per_host_max)
    return tell(arrived, fail(Reason::too_many_tunnels, {{"limit", std::to_string(waiting_per_host_max)}}));
  const auto token = core_.random().letters_and_digits(token_letters);
  ++waiting_of_[route->host];
  auto& waiting = waiting_[token];
  waiting.host = route->host;
  waiting.arrived = arrived;
  waiting.timer = core_.runtime().after(
      patience_, alive_.guard([this, token, pod = route->pod, port = route->port] { late(token, pod, port); }));
  // Arrives on a thread of the link. The desk lets one answer through; the book is kept on the core.
  auto& runtime = core_.runtime();
  desk_.expect(route->host, token, [&runtime, arrived, done = alive_.guard([this, token] {
                 settled(token);
               })](Result<std::shared_ptr<link::Carry>> outcome) {
    tell(arrived, std::move(outcome));
    runtime.post(done);
  });
  core_.after_commit([this, host = route->host, order = link::TunnelOpen{token, route->pod, route->port}] {
    link_.send(host, order);
  });
}

void Tunnels::late(const std::string& token, const PodId& pod, int port) {
  const auto found = waiting_.find(token);
  if (found == waiting_.end()) return;
  desk_.forget(token);
  // An answer that came in this very moment has its own news on the way, and nobody is told twice.
  const auto arrived = found->second.arrived;
  settled(token);
  core_.runtime().post([arrived, pod, port] {
    tell(arrived,
         fail(Reason::tunnel_not_possible,
              {{"pod", pod.str()}, {"port", std::to_string(port)}, {"detail", "its agent did not answer in time"}}));
  });
}

void Tunnels::settled(const std::string& token) {
  const auto found = waiting_.find(token);
  if (found == waiting_.end()) return;
  core_.runtime().cancel(found->second.timer);
  if (--waiting_of_[found->second.host] == 0) waiting_of_.erase(found->second.host);
  waiting_.erase(found);
}

}  // namespace gyre::edge
