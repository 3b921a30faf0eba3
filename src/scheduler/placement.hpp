// Which host, and which of its GPUs, a pod gets. Pure: a snapshot in, a verdict with reasons out; no clock, no
// database. All or nothing: a pod gets all its GPUs, of one type, on one host, or waits. Pods on demand go before spot
// pods, and spot pods with the higher bid before those with a lower one; else the queue is first come, first served
// within a pool (a GPU type, or the hosts for pods without GPUs): nobody overtakes a pod that could run once others
// end. Whom a pod may take room from is in eviction.hpp.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/ids.hpp"
#include "base/money.hpp"
#include "base/reasons.hpp"

namespace gyre::scheduler {

struct Gpu {
  std::string uuid, type_id;
  std::int64_t memory_bytes = 0;
  bool free = true;
};

struct Host {
  HostId id;
  std::string name;
  bool online = true;
  bool listed = true;      // takes new pods
  std::string state_text;  // for the reason when it does not
  bool engine_up = true;
  bool network_volumes = false;                // has the storage that they are on
  std::string data_center = "LOCAL", country;  // none: nobody has said which
  std::string cuda_version;                    // highest supported, "12.2"; empty: no NVIDIA driver
  std::vector<Gpu> gpus;
  double vcpus = 0, vcpus_free = 0;
  std::int64_t memory_bytes = 0, memory_free = 0;
  std::int64_t disk_free = 0;
};

struct Request {
  PodId pod;
  int gpu_count = 0;
  std::vector<std::string> gpu_types;        // acceptable ones; empty: any
  bool types_in_order = false;               // the first that fits, else the one with the tightest fit
  std::int64_t gpu_memory_min = 0;           // bytes per GPU
  std::optional<double> vcpus;               // absent: the even share of the GPUs given, or 2 without GPUs
  std::optional<std::int64_t> memory_bytes;  // absent: the even share, or 4 GB without GPUs
  std::int64_t disk_bytes = 0;               // container disk and local volume together
  std::optional<std::string> cuda_min;
  std::vector<std::string> cuda_allowed;  // one of these must be supported; empty: any
  std::optional<HostId> bound_to;         // where its local volume is
  bool network_volume = false;            // has one mounted
  std::vector<std::string> data_centers;  // where it may be; empty: anywhere
  bool centers_in_order = false;          // the first that has room, else wherever it fits best
  std::vector<std::string> countries;     // where it may be; empty: anywhere
  bool rescue = false;                    // started without its GPUs to reach its data: takes what little is free
  std::optional<Money> bid;               // of a spot pod, for each GPU and hour; absent: on demand
};

// The lower goes first; among equals, who came first.
std::int64_t precedence(const std::optional<Money>& bid);

struct Placement {
  HostId host;
  std::vector<std::string> gpus;  // UUIDs
  double vcpus = 0;
  std::int64_t memory_bytes = 0;
  bool operator==(const Placement&) const = default;
};

struct Refusal {
  HostId host;
  std::string host_name;
  Reason reason{};
  Args args;
};

struct Verdict {
  std::optional<Placement> placement;
  std::vector<Refusal> refusals;  // one per host that cannot take it, the first thing that is in the way
  bool possible = false;          // some host that is listed could take it once its pods have ended
};

// The best place for one pod. Best fit: the host where the fewest GPUs of the type stay free, then the smallest GPUs
// that satisfy, then the fewest free vCPUs, then the id, so that large gaps stay whole and the answer is repeatable.
// Before that the order of GPU types counts, then that of data centres, where the request says so.
// `blocked`: what `blocks` named for those who wait and go before.
Verdict fit(const Request& request, const std::vector<Host>& hosts, const std::set<std::string>& blocked = {});

// What a placement leaves of the hosts.
void take(std::vector<Host>& hosts, const Request& request, const Placement& placement);

// What nobody who comes after this waiting pod may take: its pools; of these only what is in the data centres or
// countries that it asks for; or, where it is bound to a host, those there. Spot pods keep to this even on the host
// that they are bound to; a pod on demand starts where its volume is.
std::vector<std::string> blocks(const Request& request, const std::vector<std::string>& pools);

// The queue, in its order, against one snapshot; each placement takes from what the next one sees. Verdicts in order.
// The rule in its plainest form; waiting_line.hpp gives the same answers about a queue that is kept.
std::vector<Verdict> place_queue(const std::vector<Request>& queue, std::vector<Host> hosts);

// Pools a request waits in: the GPU types it would take among those that exist, or "CPU".
std::vector<std::string> pools_of(const Request& request, const std::vector<Host>& hosts);

bool version_at_least(const std::string& has, const std::string& needed);  // "12.10" >= "12.4"

}  // namespace gyre::scheduler
