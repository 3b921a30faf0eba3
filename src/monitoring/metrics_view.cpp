#include "monitoring/metrics_view.hpp"

#include <cmath>

#include "json/codec.hpp"

namespace gyre {
namespace {

struct Channel {
  const char* name;
  const char* unit;
};
// In the order of the enums in link/messages.hpp.
const std::vector<Channel>& channels_of(link::MetricKind kind) {
  static const std::vector<Channel> pod{
      {"cpu", "%"},    {"memory", "MB"}, {"networkReceived", "Kbps"}, {"networkSent", "Kbps"}, {"containerDisk", "MB"},
      {"volume", "MB"}};
  static const std::vector<Channel> container{{"cpu", "%"}, {"memory", "MB"}};
  static const std::vector<Channel> gpu{
      {"gpuUtilisation", "%"}, {"gpuMemory", "MB"}, {"gpuTemperature", "°C"}, {"gpuPower", "W"}};
  static const std::vector<Channel> host{{"cpu", "%"}, {"memory", "MB"}, {"diskFree", "MB"}};
  switch (kind) {
    case link::MetricKind::pod:
      return pod;
    case link::MetricKind::container:
      return container;
    case link::MetricKind::gpu:
      return gpu;
    case link::MetricKind::host:
      return host;
  }
  return pod;
}

// Two decimals: more than what was measured is worth.
double rounded(double value) { return std::round(value * 100) / 100; }
std::optional<double> shown(const std::vector<float>& values, std::size_t channel) {
  if (channel >= values.size() || !std::isfinite(values[channel])) return std::nullopt;
  return rounded(static_cast<double>(values[channel]));
}

}  // namespace

MetricsView view(const std::string& id, const std::string& name, const Window& window,
                 const std::vector<StoredSeries>& series) {
  MetricsView out{id, name, window.start, window.end(), window.step / 1s, static_cast<std::int64_t>(window.count), {}};
  for (const auto& one : series) {
    const auto& channels = channels_of(one.name.kind);
    auto values = into_window(one.points, window, static_cast<int>(channels.size()));
    for (std::size_t i = 0; i < channels.size(); ++i) {
      MetricSeriesView shown_series{channels[i].name, channels[i].unit, std::nullopt, std::nullopt,
                                    std::move(values[i])};
      if (one.name.kind == link::MetricKind::gpu) shown_series.gpu = one.name.part;
      if (one.name.kind == link::MetricKind::container) shown_series.container = one.name.part;
      for (auto& value : shown_series.values)
        if (value) value = rounded(*value);
      out.series.push_back(std::move(shown_series));
    }
  }
  return out;
}

PodNowView view(const PodId& pod, const PodNow& now) {
  PodNowView out;
  out.podId = pod.str();
  out.at = now.at;
  out.cpuPercent = shown(now.values, 0);
  out.memoryMb = shown(now.values, 1);
  out.networkReceivedKbps = shown(now.values, 2);
  out.networkSentKbps = shown(now.values, 3);
  out.containerDiskMb = shown(now.values, 4);
  out.volumeMb = shown(now.values, 5);
  for (const auto& [uuid, values] : now.gpus)
    out.gpus.push_back({uuid, shown(values, 0), shown(values, 1), shown(values, 2), shown(values, 3)});
  for (const auto& [name, values] : now.containers)
    out.containers.push_back({name, shown(values, 0), shown(values, 1)});
  return out;
}

std::string live_json(const PodId& pod, const PodNow& now) { return json::encode(view(pod, now)); }

json::Fields fields(const MetricSeriesView*) {
  return {{"name",
           "cpu, memory, networkReceived, networkSent, containerDisk, volume, gpuUtilisation, gpuMemory, "
           "gpuTemperature, gpuPower; of a host also diskFree",
           R"("cpu")"},
          {"unit", "%, MB (1,000,000 bytes), Kbps (1,000 bits a second), °C or W", R"("%")"},
          {"gpu", "UUID, of a series of one GPU", R"("GPU-5a1e")"},
          {"container", "name, of a series of one container (only where a pod has several)", "null"},
          {"values", "one for each step, oldest first; null where nothing was measured", "[12.5,null,100]"}};
}
json::Fields fields(const MetricsView*) {
  return {{"id", "the pod or host", R"("2s56cp0pof1rmt")"},
          {"name", "its name", R"("train")"},
          {"from", "where the first step begins: a multiple of the step", R"("2026-01-31T04:00:00.000Z")"},
          {"to", "where the last step ends", R"("2026-01-31T12:00:00.000Z")"},
          {"stepSeconds", "length of a step", "600"},
          {"points", "number of steps, and of values in each series", "48"},
          {"series", "what was measured in this range; a pod that never ran has none", "[]"}};
}
json::Fields fields(const GpuNowView*) {
  return {{"uuid", "as the driver names it", R"("GPU-5a1e")"},
          {"utilisationPercent", "how busy it is", "37"},
          {"memoryMb", "memory in use, in MB", "3950"},
          {"temperatureCelsius", "of the chip", "61"},
          {"powerWatts", "drawn now", "180"}};
}
json::Fields fields(const ContainerNowView*) {
  return {{"name", "name in the pod", R"("main")"},
          {"cpuPercent", "of all vCPUs assigned to the pod", "50"},
          {"memoryMb", "memory in use, in MB", "812"}};
}
json::Fields fields(const PodNowView*) {
  return {{"podId", "pod id", R"("2s56cp0pof1rmt")"},
          {"at", "when its host measured it", R"("2026-01-31T12:00:00.000Z")"},
          {"cpuPercent", "100: every vCPU assigned to the pod is busy", "98.5"},
          {"memoryMb", "memory in use, in MB", "812"},
          {"networkReceivedKbps", "kilobits a second", "1000"},
          {"networkSentKbps", "kilobits a second", "12"},
          {"containerDiskMb", "written to the containers' own disk, in MB", "420"},
          {"volumeMb", "on the volume, in MB; null where the agent may not look", "1024"},
          {"gpus", "its GPUs", "[]"},
          {"containers", "each container, where there are several", "[]"}};
}

}  // namespace gyre
