#include "monitoring/pod_use.hpp"

#include <cmath>

namespace gyre {
namespace {

constexpr double mb = 1e6;  // in which memory is measured

template <class Metric>
std::optional<double> percent(const std::vector<float>& values, Metric which, double whole) {
  const auto at = static_cast<std::size_t>(which);
  if (at >= values.size() || std::isnan(values[at]) || whole <= 0) return std::nullopt;
  return std::round(values[at] / whole * 1000) / 10;
}

}  // namespace

PodUse use_of(const PodDetail& detail, const PodNow* measured) {
  PodUse out;
  for (const auto& gpu : detail.gpus) {
    GpuUse use{gpu.uuid, {}, {}};
    if (measured)
      if (const auto values = measured->gpus.find(gpu.uuid); values != measured->gpus.end()) {
        use.busy = percent(values->second, link::GpuMetric::utilisation, 100);
        use.memory = percent(values->second, link::GpuMetric::memory, static_cast<double>(gpu.memory_bytes) / mb);
      }
    out.gpus.push_back(std::move(use));
  }
  if (measured && detail.allocation) {
    out.cpu = percent(measured->values, link::PodMetric::cpu, 100);
    out.memory =
        percent(measured->values, link::PodMetric::memory, static_cast<double>(detail.allocation->memory_bytes) / mb);
  }
  return out;
}

std::vector<PodPort> ports_of(const PodDetail& detail) {
  std::vector<PodPort> out;
  for (const auto& port : detail.seen.ports) {
    const bool is_public = !port.http && detail.host && !detail.host->public_address.empty();
    out.push_back({is_public ? detail.host->public_address : "127.0.0.1", is_public, port.container_port,
                   port.host_port, port.http ? "http" : "tcp"});
  }
  return out;
}

}  // namespace gyre
