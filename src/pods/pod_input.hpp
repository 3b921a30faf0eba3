// The bodies of POST and PATCH /v1/pods: RunPod's REST v1 fields (contracts: PodCreateInput, PodUpdateInput) and ours.
#pragma once

#include <boost/describe.hpp>
#include <boost/json/value.hpp>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/money.hpp"
#include "json/schema.hpp"

namespace gyre {

struct ContainerInput {
  std::string name;
  std::string imageName;
  std::optional<boost::json::value> dockerEntrypoint, dockerStartCmd;
  std::optional<std::map<std::string, std::string>> env;
};
BOOST_DESCRIBE_STRUCT(ContainerInput, (), (name, imageName, dockerEntrypoint, dockerStartCmd, env))
json::Fields fields(const ContainerInput*);

struct RegistryAuthInput {
  std::string username, password;
};
BOOST_DESCRIBE_STRUCT(RegistryAuthInput, (), (username, password))
json::Fields fields(const RegistryAuthInput*);

struct CreatePod {
  std::optional<std::string> name, imageName, templateId, computeType, cloudType;
  std::optional<std::vector<std::string>> gpuTypeIds;
  std::optional<std::string> gpuTypePriority, dataCenterPriority, cpuFlavorPriority;
  std::optional<int> gpuCount;
  std::optional<std::vector<std::string>> cpuFlavorIds;
  std::optional<int> vcpuCount;
  std::optional<double> minRAMPerGPU, minVCPUPerGPU, minDiskBandwidthMBps, minDownloadMbps, minUploadMbps;
  std::optional<std::vector<std::string>> allowedCudaVersions, dataCenterIds, countryCodes;
  std::optional<int> containerDiskInGb, volumeInGb;
  std::optional<std::string> volumeMountPath, networkVolumeId;
  std::optional<boost::json::value> dockerEntrypoint, dockerStartCmd;
  std::optional<std::string> dockerArgs;
  std::optional<std::map<std::string, std::string>> env;
  std::optional<boost::json::value> ports;
  std::optional<bool> supportPublicIp, globalNetworking, interruptible, locked;
  std::optional<std::string> containerRegistryAuthId;
  // Ours:
  std::optional<std::vector<ContainerInput>> containers;
  std::optional<std::string> restartPolicy, minCudaVersion;
  std::optional<double> shmSizeInGb;
  std::optional<int> minGpuMemoryInGb, memoryInGb;
  std::optional<RegistryAuthInput> registryAuth;
  std::optional<std::string> machineType;
  std::optional<Money> bidPerGpu;
  std::optional<std::string> stopAfter, terminateAfter;  // RunPod has these in GraphQL
};
BOOST_DESCRIBE_STRUCT(CreatePod, (),
                      (name, imageName, templateId, computeType, cloudType, gpuTypeIds, gpuTypePriority,
                       dataCenterPriority, cpuFlavorPriority, gpuCount, cpuFlavorIds, vcpuCount, minRAMPerGPU,
                       minVCPUPerGPU, minDiskBandwidthMBps, minDownloadMbps, minUploadMbps, allowedCudaVersions,
                       dataCenterIds, countryCodes, containerDiskInGb, volumeInGb, volumeMountPath, networkVolumeId,
                       dockerEntrypoint, dockerStartCmd, dockerArgs, env, ports, supportPublicIp, globalNetworking,
                       interruptible, locked, containerRegistryAuthId, containers, restartPolicy, minCudaVersion,
                       shmSizeInGb, minGpuMemoryInGb, memoryInGb, registryAuth, machineType, bidPerGpu, stopAfter,
                       terminateAfter))
json::Fields fields(const CreatePod*);

struct UpdatePod {
  std::optional<std::string> name, imageName;
  std::optional<int> containerDiskInGb, volumeInGb;
  std::optional<std::string> volumeMountPath;
  std::optional<boost::json::value> dockerEntrypoint, dockerStartCmd;
  std::optional<std::string> dockerArgs;
  std::optional<std::map<std::string, std::string>> env;
  std::optional<boost::json::value> ports;
  std::optional<bool> globalNetworking, locked;
  std::optional<std::string> containerRegistryAuthId, restartPolicy, stopAfter, terminateAfter;
};
BOOST_DESCRIBE_STRUCT(UpdatePod, (),
                      (name, imageName, containerDiskInGb, volumeInGb, volumeMountPath, dockerEntrypoint,
                       dockerStartCmd, dockerArgs, env, ports, globalNetworking, locked, containerRegistryAuthId,
                       restartPolicy, stopAfter, terminateAfter))
json::Fields fields(const UpdatePod*);

}  // namespace gyre
