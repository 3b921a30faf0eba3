#include "fleet/gpu_routes.hpp"

#include <algorithm>
#include <map>

#include "json/codec.hpp"

namespace gyre {

struct GpuTypeView {
  std::string id;
  std::int64_t memoryInGb = 0;
  int total = 0, free = 0, mostFreeOnOneHost = 0;
  bool simulated = false;
};
BOOST_DESCRIBE_STRUCT(GpuTypeView, (), (id, memoryInGb, total, free, mostFreeOnOneHost, simulated))
json::Fields fields(const GpuTypeView*) {
  return {{"id", "GPU type, as gpuTypeIds takes it", R"("NVIDIA A40")"},
          {"memoryInGb", "memory of one, in GB", "48"},
          {"total", "how many the hosts have that are not retired", "8"},
          {"free", "how many of them no pod has, on hosts that are online and take pods", "3"},
          {"mostFreeOnOneHost", "the most that one pod can get at once now", "2"},
          {"simulated", "there are no such devices", "false"}};
}

namespace {

// The smallest of a type counts: that much a pod can rely on.
void add(GpuTypeView& type, const HostGpu& gpu) {
  constexpr std::int64_t gb = 1'000'000'000;
  const auto memory = (gpu.memory_bytes + gb / 2) / gb;
  type.memoryInGb = type.total == 0 ? memory : std::min(type.memoryInGb, memory);
  type.simulated = type.simulated || gpu.simulated;
  ++type.total;
}

std::vector<GpuTypeView> gpu_types(const HostStore& store) {
  std::map<HostId, bool> takes_pods;
  for (const auto& host : store.list(false)) takes_pods[host.id] = host.state == HostState::listed && host.online;
  std::map<std::string, GpuTypeView> types;
  std::map<std::pair<std::string, HostId>, int> free_on;
  for (const auto& gpu : store.all_gpus()) {
    const auto host = takes_pods.find(gpu.host);
    if (host == takes_pods.end() || !gpu.present) continue;
    auto& type = types[gpu.type_id];
    type.id = gpu.type_id;
    add(type, gpu);
    if (!host->second || gpu.pod) continue;
    ++type.free;
    type.mostFreeOnOneHost = std::max(type.mostFreeOnOneHost, ++free_on[{gpu.type_id, gpu.host}]);
  }
  std::vector<GpuTypeView> out;
  for (auto& [id, type] : types) out.push_back(std::move(type));
  return out;
}

}  // namespace

std::vector<http::Route> gpu_routes(HostService& hosts) {
  return {http::Route{
      .method = http::Method::get,
      .path = "/v1/gpus",
      .access = http::Access::reader,
      .summary = "List GPU types",
      .description = "Those that this installation has, by id, with how many there are and how many are free now. A "
                     "pod that asks for more than mostFreeOnOneHost waits.",
      .tag = "GPUs",
      .answer = json::schema_list<GpuTypeView>(),
      .handler = [&hosts](const http::Request&) -> Result<http::Response> {
        return http::json_response(200, json::encode(gpu_types(hosts.store())));
      }}};
}

}  // namespace gyre
