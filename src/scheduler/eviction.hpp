// Who makes room. A spot pod may be stopped for a pod that goes before it, on demand or with a higher bid, and finds no
// free room; a pod on demand is never stopped. Pure: a snapshot in, names out.
//
// Of all sets of spot pods whose leaving would make the request fit, the one is taken that
//   1. spares the higher bids: two sets are written down from the highest bid to the lowest; at the first difference
//      the lower bid wins, and a set that ends there wins over one that goes on. So nobody is stopped where a lower
//      bid would do, and among equal bids as few as possible;
//   2. then holds the fewest GPUs, so that no large pod is stopped where a small one will do;
//   3. then began last: written down from the youngest, the younger wins. They lose the least;
//   4. then has the lower ids, so that the answer is repeatable.
// No such set has anybody too many: whoever could be left out would make a better one. Where the order of types or how
// tightly a host is filled would say something else, it does not count here.
//
// What is being stopped or deleted already counts as room that comes, so nobody is stopped while that is enough.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/time.hpp"
#include "scheduler/placement.hpp"

namespace gyre::scheduler {

// A pod that holds a place which may become free.
struct Occupant {
  PodId pod;
  HostId host;
  std::optional<Money> bid;  // of a spot pod, for each GPU; absent: on demand, never stopped for others
  bool leaving = false;      // being stopped or deleted
  Time began{};
  std::vector<std::string> gpus;  // UUIDs
  double vcpus = 0;
  std::int64_t memory_bytes = 0, disk_bytes = 0;  // what is free once it has left; a volume stays
};

// Empty: it fits as it is. None: whoever were stopped, it would not fit. `blocked` as for `fit`; those who leave are in
// `hosts` as free (`vacate`) and not among `occupants`.
std::optional<std::vector<PodId>> whom_to_stop(const Request& request, const std::vector<Host>& hosts,
                                               const std::vector<Occupant>& occupants,
                                               const std::set<std::string>& blocked = {});

void vacate(std::vector<Host>& hosts, const Occupant& occupant);

struct Eviction {
  PodId taker;
  std::vector<PodId> stopped;  // never empty
};

// The hosts as they will be when all who leave have left and all who wait have what they can get, in their order.
struct Outlook {
  Outlook(std::vector<Host> hosts, std::vector<Occupant> occupants);

  // The next in the queue takes its part: what is coming, or what others are stopped for. False: it goes on waiting.
  bool serve(const Request& request);

  std::vector<Host> hosts;
  std::vector<Occupant> occupants;  // those who may still be stopped
  std::set<std::string> blocked;
  std::vector<Eviction> evictions;
};

// The queue, in its order, against one snapshot. The rule in its plainest form, as place_queue is; waiting_line.hpp
// gives the same answers.
std::vector<Eviction> evict_for_queue(const std::vector<Request>& queue, const std::vector<Host>& hosts,
                                      const std::vector<Occupant>& occupants);

}  // namespace gyre::scheduler
