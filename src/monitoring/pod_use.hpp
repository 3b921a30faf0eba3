// How busy a running pod is, of what it has, and where its ports are: what other APIs show beside a pod. Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "monitoring/metrics_service.hpp"

namespace gyre {

// Percentages with one digit; none where none was measured.
struct GpuUse {
  std::string uuid;
  std::optional<double> busy, memory;
};
struct PodUse {
  std::vector<GpuUse> gpus;
  std::optional<double> cpu, memory;
};
PodUse use_of(const PodDetail& detail, const PodNow* measured);

// HTTP ports are reached over the proxy: here they have the address on which they are bound, which is not public.
struct PodPort {
  std::string address;
  bool is_public = false;
  int container_port = 0, host_port = 0;
  std::string type;  // http, tcp
};
std::vector<PodPort> ports_of(const PodDetail& detail);

}  // namespace gyre
