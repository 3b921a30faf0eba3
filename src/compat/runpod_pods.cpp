#include "compat/runpod_resolvers.hpp"
#include "json/money.hpp"
#include "monitoring/pod_use.hpp"
#include "pods/parse.hpp"
#include "pods/pod_view.hpp"

namespace gyre::compat {
namespace {

using graphql::Ask;

// ---- what is shown: contract 2.2 ----

struct RunpodPort {
  std::string ip;
  bool isIpPublic = false;
  int privatePort = 0, publicPort = 0;
  std::string type;
};
BOOST_DESCRIBE_STRUCT(RunpodPort, (), (ip, isIpPublic, privatePort, publicPort, type))

struct RunpodGpuUse {
  std::string id;
  std::optional<double> gpuUtilPercent, memoryUtilPercent;
};
BOOST_DESCRIBE_STRUCT(RunpodGpuUse, (), (id, gpuUtilPercent, memoryUtilPercent))

struct RunpodContainerUse {
  std::optional<double> cpuPercent, memoryPercent;
};
BOOST_DESCRIBE_STRUCT(RunpodContainerUse, (), (cpuPercent, memoryPercent))

struct RunpodRuntime {
  std::int64_t uptimeInSeconds = 0;
  std::vector<RunpodPort> ports;
  std::vector<RunpodGpuUse> gpus;
  RunpodContainerUse container;
};
BOOST_DESCRIBE_STRUCT(RunpodRuntime, (), (uptimeInSeconds, ports, gpus, container))

struct RunpodMachine {
  std::string podHostId, gpuDisplayName, location;
};
BOOST_DESCRIBE_STRUCT(RunpodMachine, (), (podHostId, gpuDisplayName, location))

struct RunpodPod {
  std::string id, name, imageName, desiredStatus, podType;
  double costPerHr = 0;
  int containerDiskInGb = 0, volumeInGb = 0;
  std::int64_t memoryInGb = 0, vcpuCount = 0;
  int gpuCount = 0;
  std::int64_t uptimeSeconds = 0;
  std::string ports;
  std::optional<int> port;
  std::vector<std::string> env;
  std::string dockerArgs;
  std::optional<std::string> dockerId;
  std::string lastStatusChange, volumeMountPath;
  std::optional<std::string> machineId, templateId;
  std::optional<RunpodRuntime> runtime;
  RunpodMachine machine;
};
BOOST_DESCRIBE_STRUCT(RunpodPod, (),
                      (id, name, imageName, desiredStatus, podType, costPerHr, containerDiskInGb, volumeInGb,
                       memoryInGb, vcpuCount, gpuCount, uptimeSeconds, ports, port, env, dockerArgs, dockerId,
                       lastStatusChange, volumeMountPath, machineId, templateId, runtime, machine))

RunpodRuntime runtime_of(const PodDetail& detail, std::int64_t uptime, const PodNow* now) {
  RunpodRuntime out{uptime, {}, {}, {}};
  for (auto& port : ports_of(detail))
    out.ports.push_back({std::move(port.address), port.is_public, port.container_port, port.host_port, port.type});
  auto use = use_of(detail, now);
  for (auto& gpu : use.gpus) out.gpus.push_back({std::move(gpu.uuid), gpu.busy, gpu.memory});
  out.container = {use.cpu, use.memory};
  return out;
}

RunpodPod shown(const PodDetail& detail, const PodNow* measured, Time now) {
  const auto rest = view(detail, Language::en);
  RunpodPod out;
  out.id = rest.id;
  out.name = rest.name;
  out.imageName = rest.imageName;
  out.desiredStatus = rest.desiredStatus;
  out.podType = rest.interruptible ? "INTERRUPTABLE" : "RESERVED";
  out.costPerHr = rest.costPerHr;
  out.containerDiskInGb = rest.containerDiskInGb;
  out.volumeInGb = rest.volumeInGb;
  out.memoryInGb = rest.memoryInGb;
  out.vcpuCount = rest.vcpuCount;
  out.gpuCount = rest.gpuCount;
  out.ports = joined(rest.ports);
  for (const auto& [name, value] : rest.env) out.env.push_back(name + "=" + value);
  out.dockerArgs = command_line(rest.dockerStartCmd);
  if (!rest.containers.empty()) out.dockerId = rest.containers.front().containerId;
  out.lastStatusChange = rest.lastStatusChange;
  out.volumeMountPath = rest.volumeMountPath;
  out.machineId = rest.machineId;
  out.templateId = rest.templateId;
  const auto& where = detail.data_center;
  out.machine = {rest.podHostId, rest.gpu ? rest.gpu->displayName : "",
                 where.location.empty() ? where.id : where.location};
  if (detail.pod.state == PodState::running) {
    if (rest.lastStartedAt) out.uptimeSeconds = std::max<std::int64_t>(0, (now - *rest.lastStartedAt).count() / 1000);
    out.runtime = runtime_of(detail, out.uptimeSeconds, measured);
  }
  return out;
}

// ---- what is asked: contract 2.3 ----

struct DeployInput {
  std::optional<std::string> name, imageName, templateId, gpuTypeId;
  std::optional<std::vector<std::optional<std::string>>> gpuTypeIdList;
  std::optional<std::string> cloudType;
  std::optional<int> gpuCount, minVcpuCount, minMemoryInGb, containerDiskInGb, volumeInGb;
  std::optional<std::string> volumeMountPath, networkVolumeId, dataCenterId, countryCode, dockerArgs;
  std::optional<std::vector<KeyValue>> env;
  std::optional<std::string> ports, containerRegistryAuthId;
  std::optional<bool> supportPublicIp;
  std::optional<std::vector<std::string>> allowedCudaVersions;
  std::optional<std::string> minCudaVersion;
  std::optional<double> deployCost;
  std::optional<std::string> stopAfter, terminateAfter;
  std::optional<bool> globalNetwork;
  std::optional<std::string> instanceId;
  std::optional<Money> bidPerGpu;  // of podRentInterruptable
};
BOOST_DESCRIBE_STRUCT(DeployInput, (),
                      (name, imageName, templateId, gpuTypeId, gpuTypeIdList, cloudType, gpuCount, minVcpuCount,
                       minMemoryInGb, containerDiskInGb, volumeInGb, volumeMountPath, networkVolumeId, dataCenterId,
                       countryCode, dockerArgs, env, ports, containerRegistryAuthId, supportPublicIp,
                       allowedCudaVersions, minCudaVersion, deployCost, stopAfter, terminateAfter, globalNetwork,
                       instanceId, bidPerGpu))

struct PodIdInput {
  std::string podId;
};
BOOST_DESCRIBE_STRUCT(PodIdInput, (), (podId))

struct ResumeInput {
  std::string podId;
  std::optional<int> gpuCount;
};
BOOST_DESCRIBE_STRUCT(ResumeInput, (), (podId, gpuCount))

struct BidResumeInput {
  std::string podId;
  Money bidPerGpu;
};
BOOST_DESCRIBE_STRUCT(BidResumeInput, (), (podId, bidPerGpu))

struct EditInput {
  std::string podId;
  std::optional<std::string> imageName, dockerArgs;
  std::optional<std::vector<KeyValue>> env;
  std::optional<std::string> ports;
  std::optional<int> containerDiskInGb, volumeInGb;
  std::optional<std::string> volumeMountPath;
};
BOOST_DESCRIBE_STRUCT(EditInput, (),
                      (podId, imageName, dockerArgs, env, ports, containerDiskInGb, volumeInGb, volumeMountPath))

Result<boost::json::value> port_list(const std::string& text) {
  boost::json::array out;
  for (const auto& port : TRY(split_ports(text, "ports"))) out.emplace_back(port);
  return out;
}

Result<> take_instance(CreatePod& out, const std::string& id) {
  const auto instance = instance_of(id);
  if (!instance) return invalid("instanceId", "expected FLAVOUR-VCPUS-GB, as cpu3c-2-4");
  out.cpuFlavorIds = {instance->flavor};
  out.vcpuCount = instance->vcpus;
  out.memoryInGb = instance->memory_gb;
  return {};
}

Result<CreatePod> pod_of(const DeployInput& in, bool cpu) {
  CreatePod out;
  out.name = given(in.name);
  out.imageName = given(in.imageName);
  out.templateId = given(in.templateId);
  out.containerDiskInGb = in.containerDiskInGb;
  out.volumeInGb = in.volumeInGb;
  if (!out.templateId) {  // GraphQL's own defaults, which are not REST's
    if (!out.containerDiskInGb) out.containerDiskInGb = 10;
    if (!out.volumeInGb) out.volumeInGb = 0;
  }
  out.volumeMountPath = given(in.volumeMountPath);
  out.networkVolumeId = given(in.networkVolumeId);
  out.dockerArgs = given(in.dockerArgs);
  if (in.env && !in.env->empty()) out.env = env_of(*in.env);
  if (given(in.ports)) out.ports = TRY(port_list(*in.ports));
  out.containerRegistryAuthId = given(in.containerRegistryAuthId);
  out.supportPublicIp = in.supportPublicIp;
  out.stopAfter = given(in.stopAfter);
  out.terminateAfter = given(in.terminateAfter);
  out.globalNetworking = in.globalNetwork;
  if (given(in.dataCenterId)) out.dataCenterIds = {*in.dataCenterId};
  if (given(in.countryCode)) out.countryCodes = {*in.countryCode};
  if (in.cloudType == "SECURE") out.cloudType = "SECURE";
  // Without a preference the lowest bid is the lower of the two, as lowestPrice shows it.
  if (in.bidPerGpu && in.cloudType != "SECURE") out.cloudType = "ALL";
  if (cpu) {
    out.computeType = "CPU";
    if (given(in.instanceId)) TRY(take_instance(out, *in.instanceId));
    return out;
  }
  const int gpus = in.gpuCount.value_or(1);
  out.gpuCount = gpus;
  std::vector<std::string> types;
  if (given(in.gpuTypeId)) types = {*in.gpuTypeId};
  for (const auto& type : in.gpuTypeIdList.value_or(std::vector<std::optional<std::string>>()))
    if (given(type)) types.push_back(*type);
  if (!types.empty()) out.gpuTypeIds = std::move(types);
  if (gpus > 0) {  // of the pod here, of each GPU there
    out.minVCPUPerGPU = in.minVcpuCount.value_or(1) / static_cast<double>(gpus);
    out.minRAMPerGPU = in.minMemoryInGb.value_or(1) / static_cast<double>(gpus);
  }
  if (in.allowedCudaVersions && !in.allowedCudaVersions->empty()) out.allowedCudaVersions = in.allowedCudaVersions;
  out.minCudaVersion = given(in.minCudaVersion);
  out.bidPerGpu = in.bidPerGpu;
  return out;
}

}  // namespace

void add_pods(graphql::Resolvers& resolvers, const Services& services) {
  const auto& catalog = services.resources.catalog();
  auto& pods = services.pods;
  const auto show = [&pods, &monitoring = services.monitoring, &core = services.core](Pod pod) {
    const auto* measured = monitoring.now_of(pod.id);
    return shown(pods.detail(std::move(pod), PodService::Waiting::left_out), measured, core.now());
  };
  using Shown = Result<std::optional<RunpodPod>>;

  resolvers.type<RunpodPort>("PodRuntimePort").members();
  resolvers.type<RunpodGpuUse>("PodRuntimeGpu").members();
  resolvers.type<RunpodContainerUse>("PodRuntimeContainer").members();
  resolvers.type<RunpodRuntime>("PodRuntime").members();
  resolvers.type<RunpodMachine>("PodMachine").members();
  resolvers.type<RunpodPod>("Pod").members();

  resolvers.query().field("pod", [&pods, show](Ask& ask) -> Shown {
    const PodId id(TRY(input_of<PodIdInput>(ask)).podId);
    const auto found = pods.get(caller_of(ask, id), id);
    if (!found) return std::nullopt;
    return show(*found);
  });
  const auto all = [&pods, show](Ask& ask) {
    constexpr int pods_max = 10'000;
    std::vector<RunpodPod> out;
    if (const auto& own = ask.context<Caller>().pod) {  // whose key it is
      if (auto pod = pods.get(caller_of(ask, *own), *own)) out.push_back(show(std::move(*pod)));
      return out;
    }
    for (auto& pod : pods.list(caller_of(ask), Time::max(), "", pods_max)) out.push_back(show(std::move(pod)));
    return out;
  };
  resolvers.type<Myself>("User")
      .field("pods", [all](const Myself&, Ask& ask) { return all(ask); })
      .field("currentSpendPerHr", [all](const Myself&, Ask& ask) {
        double sum = 0;
        for (const auto& pod : all(ask))
          if (pod.desiredStatus == "RUNNING") sum += pod.costPerHr;
        return sum;
      });

  enum class Offered { gpus, cpus, spot };
  const auto deploy = [&pods, &catalog, &core = services.core, show](Ask& ask, Offered offered) -> Shown {
    const auto input = TRY(input_of<DeployInput>(ask));
    const auto wish = TRY(pod_of(input, offered == Offered::cpus));
    const auto none = offered == Offered::spot ? Reason::no_spot_instances_available : Reason::no_instances_available;
    // RunPod's clients take an error as the sign to try another type, and do not expect to wait.
    const auto run = TRY(pods.dry_run(caller_of(ask), wish));
    if (!run.verdict.placement) return fail(none);
    if (input.deployCost.value_or(0) > 0 && !run.gpus.empty()) {
      const auto offer = catalog.offer(run.gpus.front().type_id, run.wish.cloud_type, core.now());
      const auto per_gpu = run.bid ? *run.bid : offer.per_gpu_hour.value_or(Money());
      if ((per_gpu * static_cast<int>(run.gpus.size())).as_double() > *input.deployCost) return fail(none);
    }
    return show(TRY(pods.create(caller_of(ask), wish)));
  };
  mutation(resolvers, "podFindAndDeployOnDemand", [deploy](Ask& ask) { return deploy(ask, Offered::gpus); });
  mutation(resolvers, "deployCpuPod", [deploy](Ask& ask) { return deploy(ask, Offered::cpus); });
  mutation(resolvers, "podRentInterruptable", [deploy](Ask& ask) { return deploy(ask, Offered::spot); });
  mutation(
      resolvers, "podStop",
      [&pods, show](Ask& ask) -> Shown {
        const PodId id(TRY(input_of<PodIdInput>(ask)).podId);
        auto pod = TRY(pods.get(caller_of(ask, id), id));
        if (desired_status(pod.state) == "EXITED") return show(std::move(pod));
        return show(TRY(pods.stop(caller_of(ask, id), id)));
      },
      Theirs::of_pod);
  const auto resume = [&pods, show](Ask& ask, const PodId& id, const PodService::StartPod& how) -> Shown {
    auto started = pods.start(caller_of(ask, id), id, how);
    if (!started && started.error().reason == Reason::gpu_taken) return fail(Reason::not_enough_free_gpus);
    return show(TRY(std::move(started)));
  };
  mutation(
      resolvers, "podResume",
      [&pods, show, resume](Ask& ask) -> Shown {
        const auto input = TRY(input_of<ResumeInput>(ask));
        const PodId id(input.podId);
        auto pod = TRY(pods.get(caller_of(ask, id), id));
        if (desired_status(pod.state) == "RUNNING") return show(std::move(pod));
        if (pod.bid && input.gpuCount != 0) return fail(Reason::spot_not_on_demand);
        return resume(ask, id, {.zero_gpu = input.gpuCount == 0, .bid = {}});
      },
      Theirs::of_pod);
  // Old clients may send a gpuCount; the pod has its own, and none is nothing to bid for.
  mutation(
      resolvers, "podBidResume",
      [&pods, show, resume](Ask& ask) -> Shown {
        const auto input = TRY(input_of<BidResumeInput>(ask));
        const PodId id(input.podId);
        auto pod = TRY(pods.get(caller_of(ask, id), id));
        // One that runs keeps its bid: another is refused by `start`, not passed over.
        if (desired_status(pod.state) == "RUNNING" && pod.bid == input.bidPerGpu) return show(std::move(pod));
        return resume(ask, id, {.zero_gpu = false, .bid = input.bidPerGpu});
      },
      Theirs::of_pod);
  const auto restart = [&pods, show](Ask& ask) -> Shown {
    const PodId id(TRY(input_of<PodIdInput>(ask)).podId);
    return show(TRY(pods.restart(caller_of(ask, id), id)));
  };
  mutation(resolvers, "podRestart", restart, Theirs::of_pod);
  mutation(resolvers, "podReset", restart, Theirs::of_pod);
  mutation(
      resolvers, "podTerminate",
      [&pods](Ask& ask) -> Result<std::optional<std::string>> {
        const PodId id(TRY(input_of<PodIdInput>(ask)).podId);
        TRY(pods.remove(caller_of(ask, id), id));
        return std::nullopt;
      },
      Theirs::of_pod);
  mutation(resolvers, "podEditJob", [&pods, show](Ask& ask) -> Shown {
    const auto input = TRY(input_of<EditInput>(ask));
    UpdatePod change;
    change.imageName = given(input.imageName);
    change.dockerArgs = input.dockerArgs;
    if (input.env) change.env = env_of(*input.env);
    if (input.ports) change.ports = TRY(port_list(*input.ports));
    change.containerDiskInGb = input.containerDiskInGb;
    change.volumeInGb = input.volumeInGb;
    change.volumeMountPath = given(input.volumeMountPath);
    return show(TRY(pods.update(caller_of(ask), PodId(input.podId), change)));
  });
}

}  // namespace gyre::compat
