// Hosts and requests for the tests of this folder: plain ones, and by chance.
#pragma once

#include <random>
#include <string>
#include <utility>
#include <vector>

#include "scheduler/eviction.hpp"

namespace gyre::scheduler {

constexpr std::int64_t gb = 1'000'000'000;

inline Host host(std::string id, std::string type, int gpus, int used = 0) {
  Host out;
  out.id = HostId(id);
  out.name = id;
  out.vcpus = out.vcpus_free = 32;
  out.memory_bytes = out.memory_free = 128 * gb;
  out.disk_free = 1000 * gb;
  out.cuda_version = "12.4";
  for (int i = 0; i < gpus; ++i) out.gpus.push_back({id + "-" + std::to_string(i), type, 48 * gb, i >= used});
  return out;
}

inline Request wants(std::string pod, int count, std::vector<std::string> types = {"NVIDIA A40"}) {
  Request out;
  out.pod = PodId(pod);
  out.gpu_count = count;
  out.gpu_types = std::move(types);
  return out;
}

inline Request bids(Request request, std::int64_t cents) {
  request.bid = Money::micros(cents * 10'000);
  return request;
}

class Dice {
 public:
  explicit Dice(unsigned seed) : dice_(seed) {}
  int pick(int low, int high) { return low + static_cast<int>(dice_() % static_cast<unsigned>(high - low + 1)); }

 private:
  std::mt19937 dice_;
};

inline const std::vector<std::string>& some_types() {
  static const std::vector<std::string> types{"A", "B", "C"};
  return types;
}

inline std::vector<Host> some_hosts(Dice& dice) {
  std::vector<Host> hosts;
  for (int h = dice.pick(0, 5); h > 0; --h) {
    const int gpus = dice.pick(0, 8);
    hosts.push_back(host("h" + std::to_string(h), some_types()[static_cast<std::size_t>(dice.pick(0, 2))], gpus,
                         dice.pick(0, gpus)));
    hosts.back().online = dice.pick(0, 9) > 0;
    hosts.back().listed = dice.pick(0, 9) > 0;
    hosts.back().network_volumes = dice.pick(0, 1) > 0;
    hosts.back().data_center = dice.pick(0, 2) ? "LOCAL" : "KR-1";
    hosts.back().country = hosts.back().data_center == "KR-1" ? "KR" : "";
  }
  return hosts;
}

// Some ask for much disk or processor, some are bound to a host, some only want to reach their data.
inline Request some_request(Dice& dice, std::string pod, const std::vector<Host>& hosts) {
  auto request = wants(std::move(pod), dice.pick(0, 4), {});
  for (const auto& type : some_types())
    if (dice.pick(0, 1)) request.gpu_types.push_back(type);
  if (dice.pick(0, 4) == 0) request.disk_bytes = dice.pick(1, 6) * 200 * gb;
  if (dice.pick(0, 4) == 0) request.vcpus = dice.pick(1, 20);
  request.network_volume = dice.pick(0, 5) == 0;
  if (dice.pick(0, 4) == 0) request.data_centers = {dice.pick(0, 1) ? "LOCAL" : "KR-1"};
  if (dice.pick(0, 9) == 0) {
    request.data_centers = {"KR-1", "LOCAL"};
    request.centers_in_order = true;
  }
  if (dice.pick(0, 9) == 0) request.countries = {"KR"};
  if (dice.pick(0, 5) == 0 && !hosts.empty()) {
    request.bound_to = hosts[static_cast<std::size_t>(dice.pick(0, static_cast<int>(hosts.size()) - 1))].id;
    if (dice.pick(0, 1)) {
      request.gpu_count = 0;
      request.rescue = true;
    }
  }
  if (request.gpu_count > 0 && dice.pick(0, 2) == 0) request = bids(std::move(request), dice.pick(0, 4));
  return request;
}

// Pods on the GPUs that the hosts have given out: on demand, with bids of which many are equal, or leaving.
inline std::vector<Occupant> some_occupants(Dice& dice, std::vector<Host>& hosts) {
  std::vector<Occupant> out;
  for (auto& host : hosts) {
    Occupant occupant;
    for (const auto& gpu : host.gpus) {
      if (gpu.free) continue;
      occupant.gpus.push_back(gpu.uuid);
      if (dice.pick(0, 1) == 0) continue;  // it has more than one
      occupant.pod = PodId("o" + std::to_string(out.size()) + "-" + host.id.str());
      occupant.host = host.id;
      occupant.vcpus = dice.pick(0, 3) == 0 ? dice.pick(1, 4) : static_cast<double>(occupant.gpus.size());
      occupant.memory_bytes = static_cast<std::int64_t>(occupant.gpus.size()) * 4 * gb;
      occupant.disk_bytes = dice.pick(0, 3) == 0 ? 100 * gb : 10 * gb;
      host.vcpus_free -= occupant.vcpus;
      host.memory_free -= occupant.memory_bytes;
      host.disk_free -= occupant.disk_bytes;
      occupant.began = Time(Duration(dice.pick(0, 3) * 60'000));
      occupant.leaving = dice.pick(0, 5) == 0;
      if (!occupant.leaving && dice.pick(0, 3) > 0) occupant.bid = Money::micros(dice.pick(0, 3) * 10'000);
      out.push_back(std::exchange(occupant, {}));
    }
  }
  return out;
}

}  // namespace gyre::scheduler
