#include "sim/spot_rules.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "fleet/host_store.hpp"
#include "pods/pod_wish.hpp"
#include "scheduler/eviction.hpp"

namespace gyre::sim {
namespace {

constexpr std::int64_t gb = 1'000'000'000;

std::vector<scheduler::Host> hosts_of(const HostStore& store) {
  std::vector<scheduler::Host> out;
  for (const auto& row : store.list(false)) {
    scheduler::Host host;
    host.id = row.id;
    host.online = row.online;
    host.listed = row.state == HostState::listed;
    host.engine_up = row.engine_reachable;
    host.cuda_version = row.cuda_version;
    host.network_volumes = true;  // as all of the simulated world
    host.vcpus = host.vcpus_free = row.cpus;
    host.memory_bytes = host.memory_free = row.memory_bytes;
    host.disk_free = row.disk_bytes;
    for (const auto& gpu : store.gpus(row.id))
      if (gpu.present) host.gpus.push_back({gpu.uuid, gpu.type_id, gpu.memory_bytes, !gpu.pod});
    for (const auto& held : store.allocations()) {
      if (held.host != row.id) continue;
      host.vcpus_free -= held.vcpus;
      host.memory_free -= held.memory_bytes;
      host.disk_free -= held.disk_bytes;
    }
    out.push_back(std::move(host));
  }
  return out;
}

std::optional<scheduler::Occupant> occupant(const HostStore& store, const Pod& pod) {
  const auto held = store.allocation(pod.id);
  if (!held) return std::nullopt;
  scheduler::Occupant out{pod.id,      held->host,         pod.bid,         false, {}, store.gpus_of(pod.id),
                          held->vcpus, held->memory_bytes, held->disk_bytes};
  if (pod.state != PodState::deleting) out.disk_bytes -= wish_from_text(pod.wish).volume_gb * gb;
  return out;
}

bool goes_before(const Pod& a, const Pod& b) { return a.bid != b.bid && (!a.bid || (b.bid && *a.bid > *b.bid)); }

}  // namespace

void check_interruption(db::Connection& db, const Pod& pod, const std::string& where) {
  const PodStore pods(db);
  const HostStore store(db);
  ASSERT_TRUE(pod.bid) << where << "pod " << pod.id.str() << " is on demand and was interrupted";
  const auto mine = occupant(store, pod);
  ASSERT_TRUE(mine) << where << "pod " << pod.id.str() << " was interrupted and holds nothing";

  for (const auto state : {PodState::provisioning, PodState::running})
    for (const auto& other : pods.in_state(state)) {
      const auto theirs = occupant(store, other);
      if (!theirs || !other.bid || other.zero_gpu || theirs->host != mine->host) continue;
      EXPECT_FALSE(*other.bid < *pod.bid && theirs->gpus.size() >= mine->gpus.size() && theirs->vcpus >= mine->vcpus &&
                   theirs->memory_bytes >= mine->memory_bytes && theirs->disk_bytes >= mine->disk_bytes)
          << where << "pod " << pod.id.str() << " was interrupted at $" << pod.bid->text() << ", and " << other.id.str()
          << " on the same host, which holds no less, goes on at $" << other.bid->text();
    }

  // Somebody who goes before it would wait on, had it been left alone: what leaves anyway would not be enough.
  auto hosts = hosts_of(store);
  for (const auto state : {PodState::interrupting, PodState::stopping, PodState::deleting})
    for (const auto& leaving : pods.in_state(state))
      if (leaving.id != pod.id)
        if (const auto who = occupant(store, leaving)) scheduler::vacate(hosts, *who);
  auto waiting = pods.queue();
  std::stable_sort(waiting.begin(), waiting.end(), goes_before);
  std::vector<scheduler::Request> queue;
  for (const auto& one : waiting) {
    const auto wish = wish_from_text(one.wish);
    const bool bound = one.host && wish.volume_gb > 0;
    auto request = request_for(one.id, wish, one.zero_gpu, bound ? one.host : std::nullopt, one.bid);
    if (bound)
      if (const auto held = store.allocation(one.id)) request.disk_bytes -= held->disk_bytes;
    queue.push_back(std::move(request));
  }
  const auto verdicts = scheduler::place_queue(queue, hosts);
  bool needed = false;
  for (std::size_t i = 0; i < waiting.size(); ++i)
    needed = needed || (goes_before(waiting[i], pod) && !verdicts[i].placement);
  EXPECT_TRUE(needed) << where << "pod " << pod.id.str() << " was interrupted, and nobody needed its room";
}

}  // namespace gyre::sim
