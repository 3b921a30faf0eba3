// What was measured as the API shows it: charts and live samples.
#pragma once

#include <boost/describe.hpp>
#include <optional>
#include <string>
#include <vector>

#include "json/schema.hpp"
#include "monitoring/metrics_service.hpp"

namespace gyre {

struct MetricSeriesView {
  std::string name, unit;
  std::optional<std::string> gpu, container;
  std::vector<std::optional<double>> values;
};
BOOST_DESCRIBE_STRUCT(MetricSeriesView, (), (name, unit, gpu, container, values))
json::Fields fields(const MetricSeriesView*);

struct MetricsView {
  std::string id, name;
  Time from{}, to{};
  std::int64_t stepSeconds = 0, points = 0;
  std::vector<MetricSeriesView> series;
};
BOOST_DESCRIBE_STRUCT(MetricsView, (), (id, name, from, to, stepSeconds, points, series))
json::Fields fields(const MetricsView*);

struct GpuNowView {
  std::string uuid;
  std::optional<double> utilisationPercent, memoryMb, temperatureCelsius, powerWatts;
};
BOOST_DESCRIBE_STRUCT(GpuNowView, (), (uuid, utilisationPercent, memoryMb, temperatureCelsius, powerWatts))
json::Fields fields(const GpuNowView*);

struct ContainerNowView {
  std::string name;
  std::optional<double> cpuPercent, memoryMb;
};
BOOST_DESCRIBE_STRUCT(ContainerNowView, (), (name, cpuPercent, memoryMb))
json::Fields fields(const ContainerNowView*);

struct PodNowView {
  std::string podId;
  Time at{};
  std::optional<double> cpuPercent, memoryMb, networkReceivedKbps, networkSentKbps, containerDiskMb, volumeMb;
  std::vector<GpuNowView> gpus;
  std::vector<ContainerNowView> containers;
};
BOOST_DESCRIBE_STRUCT(PodNowView, (),
                      (podId, at, cpuPercent, memoryMb, networkReceivedKbps, networkSentKbps, containerDiskMb, volumeMb,
                       gpus, containers))
json::Fields fields(const PodNowView*);

MetricsView view(const std::string& id, const std::string& name, const Window& window,
                 const std::vector<StoredSeries>& series);
PodNowView view(const PodId& pod, const PodNow& now);

}  // namespace gyre
