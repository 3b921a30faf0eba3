// A pod as the API shows it: RunPod's REST v1 Pod (contracts 8.2) and our own fields after it.
#pragma once

#include <boost/describe.hpp>
#include <boost/json/value.hpp>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/reasons.hpp"
#include "json/schema.hpp"
#include "pods/pod_service.hpp"

namespace gyre {

struct ReasonView {
  std::string code, text;
  std::optional<std::string> fix;
  std::optional<Time> until;
};
BOOST_DESCRIBE_STRUCT(ReasonView, (), (code, text, fix, until))
json::Fields fields(const ReasonView*);
// From how a row keeps it: a code and its arguments as a JSON object. Empty for an empty code; one that this version
// does not know (after a downgrade) is shown as it is.
std::optional<ReasonView> reason_view(const std::string& code, const std::string& args, std::optional<Time> until,
                                      Language language);

struct PodGpuView {
  std::string id;
  int count = 0;
  std::string displayName;
};
BOOST_DESCRIBE_STRUCT(PodGpuView, (), (id, count, displayName))
json::Fields fields(const PodGpuView*);

struct ProgressView {
  std::string phase;
  std::optional<int> percent;
  std::int64_t bytesDone = 0, bytesTotal = 0, bytesPerSecond = 0;
  std::optional<int> secondsLeft;
};
BOOST_DESCRIBE_STRUCT(ProgressView, (), (phase, percent, bytesDone, bytesTotal, bytesPerSecond, secondsLeft))
json::Fields fields(const ProgressView*);

struct HostRefusalView {
  std::string id, name;
  ReasonView reason;
};
BOOST_DESCRIBE_STRUCT(HostRefusalView, (), (id, name, reason))
json::Fields fields(const HostRefusalView*);

struct QueueView {
  int position = 0;
  bool possible = false;
  std::vector<HostRefusalView> hosts;
};
BOOST_DESCRIBE_STRUCT(QueueView, (), (position, possible, hosts))
json::Fields fields(const QueueView*);

struct ContainerView {
  std::string name, imageName;
  std::optional<std::string> imageDigest, containerId;
  bool running = false;
  std::optional<Time> startedAt, finishedAt;
  std::optional<int> exitCode;
  int restarts = 0;
};
BOOST_DESCRIBE_STRUCT(ContainerView, (),
                      (name, imageName, imageDigest, containerId, running, startedAt, finishedAt, exitCode, restarts))
json::Fields fields(const ContainerView*);

struct PodNetworkVolumeView {
  std::string id, name;
  std::int64_t size = 0;
  std::string dataCenterId;
};
BOOST_DESCRIBE_STRUCT(PodNetworkVolumeView, (), (id, name, size, dataCenterId))
json::Fields fields(const PodNetworkVolumeView*);

// What RunPod's pods have.
struct RunpodsPodView {
  std::string id, name;
  std::string image, imageName;
  std::string desiredStatus, computeType, cloudType;
  double costPerHr = 0, adjustedCostPerHr = 0;
  int gpuCount = 0;
  std::optional<PodGpuView> gpu;
  std::int64_t vcpuCount = 0, memoryInGb = 0;
  int containerDiskInGb = 0, volumeInGb = 0;
  std::string volumeMountPath;
  bool volumeEncrypted = false, locked = false, interruptible = false;
  std::map<std::string, std::string> env;
  std::vector<std::string> ports;
  std::optional<std::string> publicIp;
  std::optional<std::map<std::string, int>> portMappings;
  std::map<std::string, std::string> proxyUrls;
  std::vector<std::string> dockerEntrypoint, dockerStartCmd;
  std::optional<std::string> machineId, templateId, endpointId, networkVolumeId, consumerUserId,
      containerRegistryAuthId, cpuFlavorId;
  std::optional<Time> lastStartedAt;
  std::string lastStatusChange;
  boost::json::value machine;
  std::optional<PodNetworkVolumeView> networkVolume;
  Time createdAt{};
};
BOOST_DESCRIBE_STRUCT(RunpodsPodView, (),
                      (id, name, image, imageName, desiredStatus, computeType, cloudType, costPerHr, adjustedCostPerHr,
                       gpuCount, gpu, vcpuCount, memoryInGb, containerDiskInGb, volumeInGb, volumeMountPath,
                       volumeEncrypted, locked, interruptible, env, ports, publicIp, portMappings, proxyUrls,
                       dockerEntrypoint, dockerStartCmd, machineId, templateId, endpointId, networkVolumeId,
                       consumerUserId, containerRegistryAuthId, cpuFlavorId, lastStartedAt, lastStatusChange, machine,
                       networkVolume, createdAt))

struct PodView : RunpodsPodView {
  std::string status;
  std::optional<ReasonView> reason;
  std::optional<ProgressView> progress;
  std::optional<QueueView> queue;
  std::vector<ContainerView> containers;
  std::string restartPolicy;
  std::int64_t generation = 0, run = 0;
  std::optional<std::string> hostName;
  std::string podHostId;
  bool simulated = false, healthy = false;
  std::optional<std::string> machineType;
  std::optional<double> bidPerGpu;
  std::optional<Time> stopAt, terminateAt;
  std::vector<ReasonView> warnings;
};
BOOST_DESCRIBE_STRUCT(PodView, (RunpodsPodView),
                      (status, reason, progress, queue, containers, restartPolicy, generation, run, hostName, podHostId,
                       simulated, healthy, machineType, bidPerGpu, stopAt, terminateAt, warnings))
json::Fields fields(const PodView*);

struct DryRunView {
  bool fits = false, possible = false;
  std::optional<std::string> hostId, hostName, gpuTypeId;
  double vcpuCount = 0;
  std::int64_t memoryInGb = 0;
  int interruptsPods = 0;
  std::vector<HostRefusalView> hosts;
};
BOOST_DESCRIBE_STRUCT(DryRunView, (),
                      (fits, possible, hostId, hostName, gpuTypeId, vcpuCount, memoryInGb, interruptsPods, hosts))
json::Fields fields(const DryRunView*);

// What RunPod's clients get only with includeMachine (else an empty object) and with includeNetworkVolume (else null).
struct PodParts {
  bool machine = false, network_volume = false;
};
PodView view(const PodDetail& detail, Language language, PodParts parts = {});
DryRunView view(const PodService::DryRun& run, const std::vector<Host>& hosts, Language language);
std::string_view desired_status(PodState state);  // RUNNING, EXITED or TERMINATED

}  // namespace gyre
