#include "serverless/endpoint.hpp"

#include <set>

#include "db/db.hpp"
#include "json/codec.hpp"
#include "pods/parse.hpp"

namespace gyre {
namespace {

constexpr int workers_limit = 1000, gpus_limit = 64, vcpus_limit = 1024, things_max = 100, volumes_max = 5;
constexpr std::int64_t second_ms = 1'000, week_ms = 7 * 24 * 3'600'000LL;  // contracts 3.5

Result<> within(const char* field, std::int64_t value, std::int64_t low, std::int64_t high) {
  if (value >= low && value <= high) return {};
  return invalid(field, Detail::integer_between, {{"low", std::to_string(low)}, {"high", std::to_string(high)}});
}

std::string at(const char* field, std::size_t i) { return field + ("[" + std::to_string(i) + "]"); }

Result<> check_list(const char* field, const std::vector<std::string>& list, int limit) {
  if (list.size() > static_cast<std::size_t>(limit))
    return invalid(field, Detail::at_most, {{"limit", std::to_string(limit)}});
  std::set<std::string> seen;
  for (std::size_t i = 0; i < list.size(); ++i) {
    if (list[i].empty()) return invalid(at(field, i), Detail::empty);
    if (!seen.insert(list[i]).second) return invalid(at(field, i), Detail::twice, {{"value", list[i]}});
  }
  return {};
}

}  // namespace

std::string spec_to_text(const EndpointSpec& spec) { return json::encode(spec); }

EndpointSpec endpoint_spec_from_text(const std::string& text) {
  auto spec = json::decode<EndpointSpec>(text, json::UnknownKeys::ignore);
  if (!spec) throw db::DbError("an endpoint's stored definition cannot be read");
  return std::move(*spec);
}

Result<> check(const EndpointSpec& spec) {
  if (spec.template_id.empty()) TRY(check(spec.settings));
  TRY(check_list("gpuTypeIds", spec.gpu_types, things_max));
  TRY(check_list("cpuFlavorIds", spec.cpu_flavors, things_max));
  if (spec.compute == ComputeType::CPU && !spec.gpu_types.empty()) return invalid("gpuTypeIds", Detail::for_gpu_only);
  if (spec.compute == ComputeType::GPU && !spec.cpu_flavors.empty())
    return invalid("cpuFlavorIds", Detail::for_cpu_only);
  TRY(within("gpuCount", spec.gpu_count, 1, gpus_limit));
  TRY(within("vcpuCount", spec.vcpu_count, 1, vcpus_limit));
  TRY(check_list("dataCenterIds", spec.data_centers, things_max));
  TRY(check_list("networkVolumeIds", spec.network_volumes, volumes_max));
  TRY(check_list("allowedCudaVersions", spec.cuda_allowed, things_max));
  for (std::size_t i = 0; i < spec.cuda_allowed.size(); ++i)
    TRY(check_cuda(spec.cuda_allowed[i], at("allowedCudaVersions", i)));
  if (spec.cuda_min) TRY(check_cuda(*spec.cuda_min, "minCudaVersion"));
  TRY(within("workersMin", spec.workers_min, 0, workers_limit));
  TRY(within("workersMax", spec.workers_max, 0, workers_limit));
  if (spec.workers_min > spec.workers_max)
    return invalid("workersMin", Detail::workers_min_over_max, {{"limit", std::to_string(spec.workers_max)}});
  TRY(within("idleTimeout", spec.idle_timeout_seconds, 1, 3600));
  TRY(within("scalerValue", spec.scaler_value, 1, 10'000));
  TRY(within("executionTimeoutMs", spec.execution_timeout_ms, 5 * second_ms, week_ms));
  return {};
}

bool makes_new_version(const EndpointSpec& before, const EndpointSpec& after) {
  // With what changes no worker made equal, whatever is left to tell them apart does.
  auto kept = after;
  kept.workers_min = before.workers_min;
  kept.workers_max = before.workers_max;
  kept.idle_timeout_seconds = before.idle_timeout_seconds;
  kept.scaler = before.scaler;
  kept.scaler_value = before.scaler_value;
  kept.execution_timeout_ms = before.execution_timeout_ms;
  kept.flashboot = before.flashboot;
  return spec_to_text(kept) != spec_to_text(before);
}

}  // namespace gyre
