#include "scheduler/eviction.hpp"

#include <algorithm>
#include <map>
#include <tuple>

#include "base/check.hpp"

namespace gyre::scheduler {
namespace {

// So often one question looks whether it fits; from then on each host is only asked for the first answer, which spares
// the higher bids in any case. It takes some dozens: hosts have eight or sixteen GPUs, and of pods that hold and bid
// alike only the number is tried.
constexpr int looks_max = 2000;

// How much harm a set of pods would suffer; the least wins (eviction.hpp).
struct Harm {
  std::vector<std::int64_t> bids;  // from the highest
  std::size_t gpus = 0;
  std::vector<std::int64_t> ages;  // from the youngest
  std::vector<PodId> pods;
  bool operator<(const Harm& other) const {
    return std::tie(bids, gpus, ages, pods) < std::tie(other.bids, other.gpus, other.ages, other.pods);
  }
};

Harm harm_of(const std::vector<const Occupant*>& stopped) {
  Harm out;
  for (const auto* one : stopped) {
    out.bids.push_back(one->bid->in_micros());
    out.gpus += one->gpus.size();
    out.ages.push_back(-one->began.time_since_epoch().count());
    out.pods.push_back(one->pod);
  }
  std::sort(out.bids.rbegin(), out.bids.rend());
  std::sort(out.ages.begin(), out.ages.end());
  std::sort(out.pods.begin(), out.pods.end());
  return out;
}

enum class Now { free, held };

void set(Host& host, const Occupant& occupant, Now now) {
  for (auto& gpu : host.gpus)
    if (std::find(occupant.gpus.begin(), occupant.gpus.end(), gpu.uuid) != occupant.gpus.end())
      gpu.free = now == Now::free;
  const int sign = now == Now::free ? 1 : -1;
  host.vcpus_free += sign * occupant.vcpus;
  host.memory_free += sign * occupant.memory_bytes;
  host.disk_free += sign * occupant.disk_bytes;
}

struct Best {
  std::optional<Harm> harm;
  int looks = 0;
};

// Whether one host does better. Each pod in turn, from the highest bid, is spared where the others would do; of equal
// bids the other way is tried as well.
class Search {
 public:
  Search(const Request& request, const Host& host, const std::vector<const Occupant*>& candidates,
         const std::set<std::string>& blocked, Best& best)
      : request_(request), blocked_(blocked), best_(best), trial_{host} {
    for (const auto* candidate : candidates) set(trial_.front(), *candidate, Now::free);
    for (const auto* candidate : candidates) pods_.push_back({candidate, holding_of(host, *candidate)});
    const auto place = [](const Pod& pod) {
      return std::tuple<std::int64_t, const Holding&, std::int64_t, const PodId&>(
          precedence(pod.occupant->bid), pod.holding, -pod.occupant->began.time_since_epoch().count(),
          pod.occupant->pod);
    };
    std::sort(pods_.begin(), pods_.end(), [&](const Pod& a, const Pod& b) { return place(a) < place(b); });
  }

  void run() {
    if (fits()) decide(0);
  }

 private:
  // What its leaving frees. Pods that hold alike and bid alike are told apart by age alone.
  using Holding = std::tuple<std::vector<std::pair<std::string, std::int64_t>>, double, std::int64_t, std::int64_t>;
  struct Pod {
    const Occupant* occupant;
    Holding holding;
    bool spared = false;
  };

  static Holding holding_of(const Host& host, const Occupant& occupant) {
    std::vector<std::pair<std::string, std::int64_t>> gpus;
    for (const auto& gpu : host.gpus)
      if (std::find(occupant.gpus.begin(), occupant.gpus.end(), gpu.uuid) != occupant.gpus.end())
        gpus.emplace_back(gpu.type_id, gpu.memory_bytes);
    std::sort(gpus.begin(), gpus.end());
    return {std::move(gpus), occupant.vcpus, occupant.memory_bytes, occupant.disk_bytes};
  }

  bool fits() {
    ++best_.looks;
    return fit(request_, trial_, blocked_).placement.has_value();
  }

  // All from the one at `next` on are as if they left; of those before, the ones in `stopped_` do.
  void decide(std::size_t next) {
    if (answered_ && best_.looks >= looks_max) return;
    if (next == pods_.size()) {
      answered_ = true;
      auto harm = harm_of(stopped_);
      if (!best_.harm || harm < *best_.harm) best_.harm = std::move(harm);
      return;
    }
    auto& pod = pods_[next];
    const bool follows_twin =
        next > 0 && pods_[next - 1].occupant->bid == pod.occupant->bid && pods_[next - 1].holding == pod.holding;
    set(trial_.front(), *pod.occupant, Now::held);
    pod.spared = true;
    if (fits()) decide(next + 1);
    set(trial_.front(), *pod.occupant, Now::free);
    pod.spared = false;
    if (follows_twin && pods_[next - 1].spared) return;  // where its younger twin is spared, so is it
    stopped_.push_back(pod.occupant);
    if (is_hopeless())
      answered_ = true;
    else
      decide(next + 1);
    stopped_.pop_back();
  }

  // Some higher bid is among the stopped than in the best set so far, and no further one can mend that.
  bool is_hopeless() const {
    if (!best_.harm) return false;
    const auto& bids = best_.harm->bids;
    for (std::size_t i = 0; i < stopped_.size(); ++i) {
      if (i == bids.size()) return true;
      const auto bid = stopped_[i]->bid->in_micros();
      if (bid != bids[i]) return bid > bids[i];
    }
    return false;
  }

  const Request& request_;
  const std::set<std::string>& blocked_;
  Best& best_;               // of all hosts so far
  std::vector<Host> trial_;  // one host
  std::vector<Pod> pods_;    // highest bid first, then alike, then youngest
  std::vector<const Occupant*> stopped_;
  bool answered_ = false;
};

}  // namespace

std::optional<std::vector<PodId>> whom_to_stop(const Request& request, const std::vector<Host>& hosts,
                                               const std::vector<Occupant>& occupants,
                                               const std::set<std::string>& blocked) {
  if (fit(request, hosts, blocked).placement) return std::vector<PodId>();
  if (request.rescue) return std::nullopt;  // it only wants what is left over
  std::map<HostId, std::vector<const Occupant*>> candidates;
  for (const auto& occupant : occupants)
    if (occupant.bid && !occupant.leaving && precedence(request.bid) < precedence(occupant.bid))
      candidates[occupant.host].push_back(&occupant);
  Best best;
  for (const auto& host : hosts)
    if (const auto here = candidates.find(host.id); here != candidates.end())
      Search(request, host, here->second, blocked, best).run();
  if (!best.harm) return std::nullopt;
  return std::move(best.harm->pods);
}

void vacate(std::vector<Host>& hosts, const Occupant& occupant) {
  for (auto& host : hosts)
    if (host.id == occupant.host) set(host, occupant, Now::free);
}

Outlook::Outlook(std::vector<Host> now, std::vector<Occupant> who) : hosts(std::move(now)), occupants(std::move(who)) {
  for (const auto& occupant : occupants)
    if (occupant.leaving) vacate(hosts, occupant);
  std::erase_if(occupants, [](const Occupant& occupant) { return occupant.leaving; });
}

bool Outlook::serve(const Request& request) {
  const auto stopped = whom_to_stop(request, hosts, occupants, blocked);
  if (!stopped) {
    if (fit(request, hosts, blocked).possible)
      for (auto& pool : blocks(request, pools_of(request, hosts))) blocked.insert(std::move(pool));
    return false;
  }
  const auto goes = [&](const Occupant& occupant) {
    return std::find(stopped->begin(), stopped->end(), occupant.pod) != stopped->end();
  };
  for (const auto& occupant : occupants)
    if (goes(occupant)) vacate(hosts, occupant);
  std::erase_if(occupants, goes);
  if (!stopped->empty()) evictions.push_back({request.pod, *stopped});
  const auto verdict = fit(request, hosts, blocked);
  CHECK(verdict.placement);
  take(hosts, request, *verdict.placement);
  return true;
}

std::vector<Eviction> evict_for_queue(const std::vector<Request>& queue, const std::vector<Host>& hosts,
                                      const std::vector<Occupant>& occupants) {
  Outlook outlook(hosts, occupants);
  const auto verdicts = place_queue(queue, hosts);
  for (std::size_t i = 0; i < queue.size(); ++i)
    if (verdicts[i].placement) take(outlook.hosts, queue[i], *verdicts[i].placement);
  for (std::size_t i = 0; i < queue.size(); ++i)
    if (!verdicts[i].placement) outlook.serve(queue[i]);
  return std::move(outlook.evictions);
}

}  // namespace gyre::scheduler
