#include "edge/routes.hpp"

namespace gyre::edge {
namespace {

template <class Key, class Value>
std::shared_ptr<Value> shared_for(std::map<Key, std::weak_ptr<Value>>& map, const Key& key) {
  auto& known = map[key];
  auto out = known.lock();
  if (!out) known = out = std::make_shared<Value>();
  return out;
}

}  // namespace

RouteTable::RouteTable() {
  for (auto& shard : shards_) shard.store(std::make_shared<const Shard>());
}

std::shared_ptr<const Route> RouteTable::find(std::string_view pod, int port) const {
  const auto shard = shards_[Hash()(pod) % shards].load(std::memory_order_acquire);
  const auto found = shard->find(pod);
  if (found == shard->end()) return nullptr;
  for (const auto& route : found->second)
    if (route->port == port) return route;
  return nullptr;
}

void RouteTable::set(const PodId& pod, const WorkspaceId& workspace, const HostId& host, const std::vector<Way>& ways) {
  const auto before = known_.find(pod);
  if (before == known_.end() && ways.empty()) return;
  if (before != known_.end() && before->second.ways == ways && before->second.host == host) return;
  auto& known = known_[pod];
  known.workspace = workspace;
  known.host = host;
  known.ways = ways;
  if (!known.use) known.use = std::make_shared<PodUse>();
  Routes routes;
  for (const auto& way : ways)
    routes.push_back(
        std::make_shared<const Route>(Route{pod, workspace, host, way.port, way.address, way.host_port, known.use,
                                            shared_for(workspaces_, workspace), shared_for(hosts_, host)}));
  auto& shard = shards_[Hash()(pod.str()) % shards];
  auto changed = std::make_shared<Shard>(*shard.load());
  if (routes.empty())
    changed->erase(pod.str());
  else
    (*changed)[pod.str()] = std::move(routes);
  shard.store(std::move(changed), std::memory_order_release);
}

std::vector<UseDelta> RouteTable::unwritten_use() const {
  std::vector<UseDelta> out;
  for (const auto& [pod, known] : known_) {
    const UseDelta delta{pod, known.workspace, known.use->bytes_in - known.told.bytes_in,
                         known.use->bytes_out - known.told.bytes_out, known.use->requests - known.told.requests};
    if (delta.bytes_in != 0 || delta.bytes_out != 0 || delta.requests != 0) out.push_back(delta);
  }
  return out;
}

void RouteTable::written(const std::vector<UseDelta>& use) {
  for (const auto& delta : use) {
    const auto found = known_.find(delta.pod);
    if (found == known_.end()) continue;
    auto& told = found->second.told;
    told.bytes_in += delta.bytes_in;
    told.bytes_out += delta.bytes_out;
    told.requests += delta.requests;
  }
  // Connections of a pod that is gone may still end; only when none is left and all is written is it forgotten.
  std::erase_if(known_, [](const auto& entry) {
    const auto& known = entry.second;
    return known.ways.empty() && known.use.use_count() == 1 && known.use->bytes_in == known.told.bytes_in &&
           known.use->bytes_out == known.told.bytes_out && known.use->requests == known.told.requests;
  });
  std::erase_if(workspaces_, [](const auto& entry) { return entry.second.expired(); });
  std::erase_if(hosts_, [](const auto& entry) { return entry.second.expired(); });
}

}  // namespace gyre::edge
