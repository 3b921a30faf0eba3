#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <cmath>

#include "json/money.hpp"
#include "monitoring/pod_use.hpp"
#include "pods/parse.hpp"
#include "pods/pod_view.hpp"
#include "rest_v2/parts.hpp"

namespace gyre::rest_v2 {
namespace {

using http::Access;
using http::Method;
using http::Request;
using http::Response;
using http::Route;

enum class PodV2Status { PROVISIONING, STARTING, RUNNING, EXITED, ERROR, TERMINATED };
BOOST_DESCRIBE_ENUM(PodV2Status, PROVISIONING, STARTING, RUNNING, EXITED, ERROR, TERMINATED)
enum class PodV2Action { start, stop, restart, terminate };
BOOST_DESCRIBE_ENUM(PodV2Action, start, stop, restart, terminate)
enum class CloudV2 { SECURE, COMMUNITY };
BOOST_DESCRIBE_ENUM(CloudV2, SECURE, COMMUNITY)

// ---- words that bodies and answers share ----

const json::Field image_field{"image", "the image to run, as `docker pull` would name it", R"("ubuntu:22.04")"};
const json::Field args_field{"args",
                             "arguments of the container, one line as a shell would cut it; empty: the image's own",
                             R"("python3 app.py")"};
const json::Field disk_field{"disk", "the container's own disk in GB; lost when the pod stops", "50"};
const json::Field env_field{"env", "environment variables, at most 50", R"({"MODEL":"llama"})"};
const json::Field ports_field{"ports", "PORT/http through the proxy, PORT/tcp mapped on the host",
                              R"(["8888/http","22/tcp"])"};
const json::Field registry_field{"registry", "a registry credential of the workspace (GET /v2/registries)", "null"};
const json::Field mounts_field{"mounts", "a volume of the pod's own, or one network volume",
                               R"({"persistent":{"size":20,"path":"/workspace"}})"};
const json::Field locked_field{"locked", "a locked pod cannot be stopped, restarted or terminated", "false"};
const json::Field name_field{"name", "what you call the pod; need not be unique", R"("train")"};

struct PersistentMount {
  int size = 0;
  std::string path;
};
BOOST_DESCRIBE_STRUCT(PersistentMount, (), (size, path))
json::Fields fields(const PersistentMount*) {
  return {{"size", "in GB; it may grow, never shrink", "20"}, {"path", "where it is mounted", R"("/workspace")"}};
}

struct NetworkMount {
  std::string volumeId, path;
};
BOOST_DESCRIBE_STRUCT(NetworkMount, (), (volumeId, path))
json::Fields fields(const NetworkMount*) {
  return {{"volumeId", "a network volume of the workspace", R"("agv6w2qcg7")"},
          {"path", "where it is mounted", R"("/workspace")"}};
}

struct Mounts {
  std::optional<PersistentMount> persistent;
  std::optional<std::vector<NetworkMount>> network;
};
BOOST_DESCRIBE_STRUCT(Mounts, (), (persistent, network))
json::Fields fields(const Mounts*) {
  return {{"persistent", "on the pod's host, kept over stop and start, gone with the pod",
           R"({"size":20,"path":"/workspace"})"},
          {"network", "at most one", R"([{"volumeId":"agv6w2qcg7","path":"/workspace"}])"}};
}

// ---- what is shown ----

struct PodV2Gpu {
  std::string id;
  int count = 0;
  double vcpuCount = 0;
  std::int64_t memory = 0;
};
BOOST_DESCRIBE_STRUCT(PodV2Gpu, (), (id, count, vcpuCount, memory))
json::Fields fields(const PodV2Gpu*) {
  return {{"id", "GPU type; empty while it waits for a GPU of any type", R"("NVIDIA A40")"},
          {"count", "how many it has or waits for; 0: it was started without, to reach its data", "1"},
          {"vcpuCount", "vCPUs of the pod; 0 while it has no host", "8"},
          {"memory", "memory of the pod in GB", "32"}};
}

struct PodV2Cpu {
  std::optional<std::string> id;
  double vcpuCount = 0;
  std::int64_t memory = 0;
};
BOOST_DESCRIBE_STRUCT(PodV2Cpu, (), (id, vcpuCount, memory))
json::Fields fields(const PodV2Cpu*) {
  return {{"id", "CPU flavour it was made with; null: with none", R"("cpu3c")"},
          {"vcpuCount", "vCPUs of the pod", "4"},
          {"memory", "in GB", "8"}};
}

struct SshEndpoint {
  std::string host;
  int port = 0;
  std::string username, command;
};
BOOST_DESCRIBE_STRUCT(SshEndpoint, (), (host, port, username, command))
json::Fields fields(const SshEndpoint*) {
  return {{"host", "where to connect", R"("gpu.example.org")"},
          {"port", "TCP port", "2222"},
          {"username", "of the gateway: the pod's name there", R"("2s56cp0pof1rmt-6441103b")"},
          {"command", "ready to run", R"("ssh -p 2222 2s56cp0pof1rmt-6441103b@gpu.example.org")"}};
}

struct PodV2Ssh {
  std::optional<SshEndpoint> proxy, direct;
};
BOOST_DESCRIBE_STRUCT(PodV2Ssh, (), (proxy, direct))
json::Fields fields(const PodV2Ssh*) {
  return {{"proxy", "the SSH gateway, which needs no SSH server in the pod; null where there is none", "null"},
          {"direct", "the pod's own SSH server over its port 22/tcp; null while that is not mapped on a public address",
           "null"}};
}

struct Utilization {
  std::optional<int> util;
};
BOOST_DESCRIBE_STRUCT(Utilization, (), (util))
json::Fields fields(const Utilization*) { return {{"util", "per cent; null: not measured", "45"}}; }

struct GpuUtilization {
  std::optional<int> util, memoryUtil;
};
BOOST_DESCRIBE_STRUCT(GpuUtilization, (), (util, memoryUtil))
json::Fields fields(const GpuUtilization*) {
  return {{"util", "per cent; null: not measured", "94"}, {"memoryUtil", "of its memory, per cent", "78"}};
}

struct RuntimePort {
  int private_ = 0, public_ = 0;
  std::string type, ip;
};
BOOST_DESCRIBE_STRUCT(RuntimePort, (), (private_, public_, type, ip))
json::Fields fields(const RuntimePort*) {
  return {{"private", "in the container", "22"},
          {"public", "on the host", "10341"},
          {"type", "http or tcp; http is reached through the proxy", R"("tcp")"},
          {"ip", "address of the host; 127.0.0.1: it has no public one", R"("203.0.113.7")"}};
}

struct PodV2Runtime {
  std::int64_t uptime = 0;
  std::vector<GpuUtilization> gpus;
  Utilization cpu, memory;
  std::vector<RuntimePort> ports;
};
BOOST_DESCRIBE_STRUCT(PodV2Runtime, (), (uptime, gpus, cpu, memory, ports))
json::Fields fields(const PodV2Runtime*) {
  return {{"uptime", "seconds since all its containers were up", "3600"},
          {"gpus", "one for each GPU", R"([{"util":94,"memoryUtil":78}])"},
          {"cpu", "of its vCPUs", R"({"util":45})"},
          {"memory", "of its memory", R"({"util":45})"},
          {"ports", "where its ports are", R"([{"private":22,"public":10341,"type":"tcp","ip":"203.0.113.7"}])"}};
}

struct GlobalNetworking {
  bool enabled = false;
};
BOOST_DESCRIBE_STRUCT(GlobalNetworking, (), (enabled))
json::Fields fields(const GlobalNetworking*) { return {{"enabled", "always false: not offered yet", "false"}}; }

struct PodV2 {
  std::string id, name;
  PodV2Status status = PodV2Status::PROVISIONING;
  std::vector<PodV2Action> actions;
  std::string image, args;
  int disk = 0;
  std::map<std::string, std::string> env;
  std::vector<std::string> ports;
  std::optional<std::string> registry;
  Mounts mounts;
  std::optional<PodV2Gpu> gpu;
  std::optional<PodV2Cpu> cpu;
  std::string cloud;
  std::optional<std::string> dataCenterId, cudaVersion;
  PodV2Ssh ssh;
  std::optional<std::string> template_;
  double cost = 0;
  bool locked = false;
  GlobalNetworking globalNetworking;
  std::optional<PodV2Runtime> runtime;
  Time createdAt{};
  std::optional<Time> startedAt;
  std::optional<ReasonView> reason;
};
BOOST_DESCRIBE_STRUCT(PodV2, (),
                      (id, name, status, actions, image, args, disk, env, ports, registry, mounts, gpu, cpu, cloud,
                       dataCenterId, cudaVersion, ssh, template_, cost, locked, globalNetworking, runtime, createdAt,
                       startedAt, reason))
json::Fields fields(const PodV2*) {
  return {{"id", "14 lower-case letters and digits", R"("2s56cp0pof1rmt")"},
          name_field,
          {"status",
           "PROVISIONING: it waits for a host; STARTING: its containers come up; RUNNING; EXITED: stopped, or about to "
           "be; ERROR: it failed, `reason` says why; TERMINATED: it is being deleted",
           R"("RUNNING")"},
          {"actions", "what POST .../action may do now", R"(["stop","restart","terminate"])"},
          image_field,
          args_field,
          disk_field,
          env_field,
          ports_field,
          registry_field,
          mounts_field,
          {"gpu", "of a pod with GPUs; else absent", R"({"id":"NVIDIA A40","count":1,"vcpuCount":8,"memory":32})"},
          {"cpu", "of a pod without; else absent", R"({"id":"cpu3c","vcpuCount":4,"memory":8})"},
          {"cloud", "SECURE, COMMUNITY or ALL", R"("SECURE")"},
          {"dataCenterId", "where its host is; null while it has none", R"("LOCAL")"},
          {"cudaVersion", "of its host's driver; null: not known", R"("12.4")"},
          {"ssh", "how to reach it over SSH", R"({"proxy":null,"direct":null})"},
          {"template", "template it was made from", "null"},
          {"cost", "dollars an hour now; 0 while it does not run", "0.44"},
          locked_field,
          {"globalNetworking", "a private network between hosts", R"({"enabled":false})"},
          {"runtime", "while it runs", "null"},
          {"createdAt", "when it was made", R"("2026-01-31T11:59:00.000Z")"},
          {"startedAt", "when all its containers were last up", R"("2026-01-31T12:00:00.000Z")"},
          {"reason", "why it is so (our own field)", R"({"code":"started","text":"all containers run"})"}};
}

struct PodV2List {
  std::vector<PodV2> pods;
};
BOOST_DESCRIBE_STRUCT(PodV2List, (), (pods))
json::Fields fields(const PodV2List*) { return {{"pods", "oldest first", "[]"}}; }

PodV2Status status_of(PodState state) {
  switch (state) {
    case PodState::registered:
    case PodState::queued:
      return PodV2Status::PROVISIONING;
    case PodState::provisioning:
      return PodV2Status::STARTING;
    case PodState::running:
    case PodState::host_lost:
      return PodV2Status::RUNNING;
    case PodState::interrupting:
    case PodState::stopping:
    case PodState::stopped:
      return PodV2Status::EXITED;
    case PodState::failed:
      return PodV2Status::ERROR;
    case PodState::deleting:
    case PodState::deleted:
      return PodV2Status::TERMINATED;
  }
  return PodV2Status::ERROR;
}

std::vector<PodV2Action> actions_of(PodState state, bool is_locked) {
  std::vector<PodV2Action> out;
  for (const auto verb : verbs_of(state)) {
    const auto action = verb == "delete" ? PodV2Action::terminate : enum_from_text<PodV2Action>(verb).value();
    if (!is_locked || action == PodV2Action::start) out.push_back(action);
  }
  return out;
}

std::optional<int> whole(const std::optional<double>& percent) {
  if (!percent) return std::nullopt;
  return static_cast<int>(std::lround(*percent));
}

PodV2Runtime runtime_of(const PodDetail& detail, const PodNow* measured, Time now) {
  PodV2Runtime out;
  if (detail.pod.started_at) out.uptime = std::max<std::int64_t>(0, (now - *detail.pod.started_at).count() / 1000);
  const auto use = use_of(detail, measured);
  for (const auto& gpu : use.gpus) out.gpus.push_back({whole(gpu.busy), whole(gpu.memory)});
  out.cpu.util = whole(use.cpu);
  out.memory.util = whole(use.memory);
  for (const auto& port : ports_of(detail))
    out.ports.push_back({port.container_port, port.host_port, port.type, port.address});
  return out;
}

SshEndpoint endpoint(const std::string& user, const std::string& host, int port) {
  const auto where = user + "@" + host;
  return {host, port, user, "ssh -p " + std::to_string(port) + " " + where};
}

PodV2Ssh ssh_of(const PodView& rest, const SshAddress& gateway) {
  PodV2Ssh out;
  if (!gateway.host.empty()) out.proxy = endpoint(rest.podHostId, gateway.host, gateway.port);
  constexpr const char* ssh_port = "22";
  if (rest.publicIp && !rest.publicIp->empty() && rest.portMappings && rest.portMappings->contains(ssh_port))
    out.direct = endpoint("root", *rest.publicIp, rest.portMappings->at(ssh_port));
  return out;
}

boost::json::value shown(const PodDetail& detail, const Services& services, Language language) {
  const auto rest = view(detail, language);
  const auto& wish = detail.wish;
  PodV2 out;
  out.id = rest.id;
  out.name = rest.name;
  out.status = status_of(detail.pod.state);
  out.actions = actions_of(detail.pod.state, rest.locked);
  out.image = rest.imageName;
  out.args = command_line(rest.dockerStartCmd);
  out.disk = rest.containerDiskInGb;
  out.env = rest.env;
  out.ports = rest.ports;
  out.registry = rest.containerRegistryAuthId;
  if (rest.networkVolumeId)
    out.mounts.network = std::vector{NetworkMount{*rest.networkVolumeId, rest.volumeMountPath}};
  else if (rest.volumeInGb > 0)
    out.mounts.persistent = PersistentMount{rest.volumeInGb, rest.volumeMountPath};
  const auto vcpus = detail.allocation ? detail.allocation->vcpus : wish.vcpus.value_or(0);
  const auto memory = detail.allocation ? rest.memoryInGb : wish.memory_gb.value_or(0);
  if (wish.gpu_count > 0)
    out.gpu = PodV2Gpu{rest.gpu ? rest.gpu->id : "", rest.gpuCount, vcpus, memory};
  else
    out.cpu = PodV2Cpu{rest.cpuFlavorId, vcpus, memory};
  out.cloud = rest.cloudType;
  if (detail.host) out.dataCenterId = detail.data_center.id;
  if (detail.host && !detail.host->cuda_version.empty()) out.cudaVersion = detail.host->cuda_version;
  out.ssh = ssh_of(rest, services.config.ssh());
  out.template_ = rest.templateId;
  const bool up = holds_shares(detail.pod.state) && !is_leaving(detail.pod.state);
  out.cost = up ? rest.costPerHr : 0;
  out.locked = rest.locked;
  if (detail.pod.state == PodState::running)
    out.runtime = runtime_of(detail, services.monitoring.now_of(detail.pod.id), services.core.now());
  out.createdAt = rest.createdAt;
  out.startedAt = rest.lastStartedAt;
  out.reason = rest.reason;
  auto made = json::to_json(out);
  auto& members = made.get_object();
  // A pod has the one or the other; null is neither.
  if (!out.gpu) members.stable_erase("gpu");
  if (!out.cpu) members.stable_erase("cpu");
  auto& mounted = members.at("mounts").get_object();
  if (!out.mounts.persistent) mounted.stable_erase("persistent");
  if (!out.mounts.network) mounted.stable_erase("network");
  return made;
}

// ---- what is asked ----

struct CreatePodV2Gpu {
  std::string id;
  std::optional<int> count;
  std::optional<std::vector<std::string>> allowedCudaVersions;
  std::optional<std::string> minCudaVersion;
  std::optional<double> minRamPerGpu, minVcpuCountPerGpu;
};
BOOST_DESCRIBE_STRUCT(CreatePodV2Gpu, (),
                      (id, count, allowedCudaVersions, minCudaVersion, minRamPerGpu, minVcpuCountPerGpu))
json::Fields fields(const CreatePodV2Gpu*) {
  return {{"id", "GPU type (GET /v2/catalog/gpus)", R"("NVIDIA A40")"},
          {"count", "how many, all on one host; 1 without it", "1"},
          {"allowedCudaVersions", "the host's driver must support one of these", R"(["12.4"])"},
          {"minCudaVersion", "the lowest CUDA version the host's driver must support", R"("12.1")"},
          {"minRamPerGpu", "memory in GB for each GPU; without it a GPU brings its even share of the host", "8"},
          {"minVcpuCountPerGpu", "vCPUs for each GPU; without it a GPU brings its even share of the host", "2"}};
}

struct CreatePodV2Cpu {
  std::string id;
  int vcpuCount = 0;
};
BOOST_DESCRIBE_STRUCT(CreatePodV2Cpu, (), (id, vcpuCount))
json::Fields fields(const CreatePodV2Cpu*) {
  return {{"id", "CPU flavour (GET /v2/catalog/cpus): it says how much memory a vCPU brings", R"("cpu3c")"},
          {"vcpuCount", "how many", "4"}};
}

struct CreatePodV2 {
  std::string name;
  std::optional<std::string> image, templateId;
  std::optional<CreatePodV2Gpu> gpu;
  std::optional<CreatePodV2Cpu> cpu;
  std::optional<CloudV2> cloud;
  std::optional<std::vector<std::string>> dataCenterIds;
  std::optional<int> disk;
  std::optional<std::map<std::string, std::string>> env;
  std::optional<std::vector<std::string>> ports;
  std::optional<Mounts> mounts;
  std::optional<std::string> registry, args;
  std::optional<bool> globalNetworking, startJupyter, startSsh;
};
BOOST_DESCRIBE_STRUCT(CreatePodV2, (),
                      (name, image, templateId, gpu, cpu, cloud, dataCenterIds, disk, env, ports, mounts, registry,
                       args, globalNetworking, startJupyter, startSsh))
json::Fields fields(const CreatePodV2*) {
  return {name_field,
          image_field,
          {"templateId",
           "a template to take from what is left out here; variables are merged by name, and those given here win",
           R"("30zmvf89kd")"},
          {"gpu", "its GPUs; either this or cpu", R"({"id":"NVIDIA A40","count":1})"},
          {"cpu", "a pod without GPUs", R"({"id":"cpu3c","vcpuCount":4})"},
          {"cloud", "SECURE without it; every host of this installation counts as both", R"("SECURE")"},
          {"dataCenterIds", "data centres where it may be; none given: any", R"(["LOCAL"])"},
          disk_field,
          env_field,
          ports_field,
          mounts_field,
          registry_field,
          args_field,
          {"globalNetworking", "a private network between hosts; not offered yet, only false is accepted", "false"},
          {"startJupyter", "not offered: set JUPYTER_PASSWORD in env; only false is accepted", "false"},
          {"startSsh", "accepted: pods get their owner's public keys anyway", "true"}};
}

struct UpdatePodV2 {
  std::optional<std::string> name, image;
  std::optional<int> disk;
  std::optional<std::map<std::string, std::string>> env;
  std::optional<std::vector<std::string>> ports;
  std::optional<Mounts> mounts;
  std::optional<std::string> registry, args;
  std::optional<bool> globalNetworking, locked;
};
BOOST_DESCRIBE_STRUCT(UpdatePodV2, (),
                      (name, image, disk, env, ports, mounts, registry, args, globalNetworking, locked))
json::Fields fields(const UpdatePodV2*) {
  return {name_field,     image_field, disk_field,
          env_field,      ports_field, mounts_field,
          registry_field, args_field,  {"globalNetworking", "not offered yet, only false is accepted", "false"},
          locked_field};
}

struct PodActionV2 {
  PodV2Action action = PodV2Action::start;
};
BOOST_DESCRIBE_STRUCT(PodActionV2, (), (action))
json::Fields fields(const PodActionV2*) {
  return {{"action", "start, stop, restart or terminate: one of the pod's `actions`", R"("stop")"}};
}

const Names names{{"imageName", "image"},
                  {"containerDiskInGb", "disk"},
                  {"containerRegistryAuthId", "registry"},
                  {"dockerArgs", "args"},
                  {"dockerStartCmd", "args"},
                  {"gpuTypeIds", "gpu.id!"},
                  {"gpuCount", "gpu.count"},
                  {"allowedCudaVersions", "gpu.allowedCudaVersions"},
                  {"minCudaVersion", "gpu.minCudaVersion"},
                  {"minRAMPerGPU", "gpu.minRamPerGpu"},
                  {"minVCPUPerGPU", "gpu.minVcpuCountPerGpu"},
                  {"vcpuCount", "cpu.vcpuCount"},
                  {"memoryInGb", "cpu.vcpuCount"},
                  {"cloudType", "cloud"},
                  {"volumeInGb", "mounts.persistent.size"}};

// Where the path and the id of a mount stand depends on which kind it is.
Names names_for(const std::optional<Mounts>& mounts) {
  auto out = names;
  const bool network = mounts && mounts->network && !mounts->network->empty();
  out.emplace_back("volumeMountPath", network ? "mounts.network[0].path" : "mounts.persistent.path");
  out.emplace_back("networkVolumeId", "mounts.network[0].volumeId");
  return out;
}

boost::json::value port_list(const std::vector<std::string>& list) {
  boost::json::array out;
  for (const auto& port : list) out.emplace_back(port);
  return out;
}

template <class Out>
Result<> take_mounts(Out& out, const std::optional<Mounts>& mounts) {
  if (!mounts) return {};
  const bool network = mounts->network && !mounts->network->empty();
  if (network && mounts->persistent)
    return invalid("mounts", Detail::one_of_two, {{"one", "persistent"}, {"other", "network"}});
  if (network && mounts->network->size() > 1) return invalid("mounts.network", Detail::at_most, {{"limit", "1"}});
  if (mounts->persistent) {
    out.volumeInGb = mounts->persistent->size;
    out.volumeMountPath = mounts->persistent->path;
  }
  if (network) out.volumeMountPath = mounts->network->front().path;
  return {};
}

Result<CreatePod> pod_of(const CreatePodV2& in, const CatalogService& catalog) {
  if (in.gpu && in.cpu) return invalid("gpu", Detail::one_of_two, {{"one", "gpu"}, {"other", "cpu"}});
  if (!in.gpu && !in.cpu) return fail(Reason::missing_field, {{"field", "gpu"}}, "gpu");
  const bool of_template = in.templateId && !in.templateId->empty();
  if (!in.image && !of_template) return fail(Reason::missing_field, {{"field", "image"}}, "image");
  if (in.startJupyter.value_or(false)) return fail(Reason::not_offered, {{"what", "startJupyter"}}, "startJupyter");
  CreatePod out;
  out.name = in.name;
  out.imageName = in.image;
  out.templateId = in.templateId;
  if (in.gpu) {
    out.gpuTypeIds = std::vector{in.gpu->id};
    out.gpuCount = in.gpu->count.value_or(1);
    out.allowedCudaVersions = in.gpu->allowedCudaVersions;
    out.minCudaVersion = in.gpu->minCudaVersion;
    out.minRAMPerGPU = in.gpu->minRamPerGpu;
    out.minVCPUPerGPU = in.gpu->minVcpuCountPerGpu;
  } else {
    const auto& flavors = catalog.cpu_flavors();
    const auto flavor =
        std::find_if(flavors.begin(), flavors.end(), [&](const CpuFlavor& one) { return one.id == in.cpu->id; });
    if (flavor == flavors.end()) {
      std::string choices;
      for (const auto& one : flavors) choices += (choices.empty() ? "" : ", ") + one.id;
      return invalid("cpu.id", Detail::one_of, {{"choices", choices}});
    }
    out.computeType = "CPU";
    out.cpuFlavorIds = std::vector{in.cpu->id};
    out.vcpuCount = in.cpu->vcpuCount;
    // How many there may be, the service says; here they must only fit into a number.
    constexpr std::int64_t memory_max = 1'000'000;
    const auto memory = static_cast<std::int64_t>(in.cpu->vcpuCount) * flavor->memory_gb_per_vcpu;
    out.memoryInGb = static_cast<int>(std::min(memory, memory_max));
  }
  if (in.cloud) out.cloudType = std::string(enum_text(*in.cloud));
  out.dataCenterIds = in.dataCenterIds;
  out.containerDiskInGb = in.disk;
  out.env = in.env;
  if (in.ports) out.ports = port_list(*in.ports);
  TRY(take_mounts(out, in.mounts));
  if (in.mounts && in.mounts->network && !in.mounts->network->empty())
    out.networkVolumeId = in.mounts->network->front().volumeId;
  // Nothing is mounted unasked; a pod without GPUs does not take the template's volume.
  if (!out.volumeInGb && !out.networkVolumeId && (!of_template || in.cpu)) out.volumeInGb = 0;
  out.containerRegistryAuthId = in.registry;
  out.dockerArgs = in.args;
  out.globalNetworking = in.globalNetworking;
  return out;
}

Result<UpdatePod> change_of(const UpdatePodV2& in, const PodWish& now) {
  UpdatePod out;
  out.name = in.name;
  out.imageName = in.image;
  out.containerDiskInGb = in.disk;
  out.env = in.env;
  if (in.ports) out.ports = port_list(*in.ports);
  out.containerRegistryAuthId = in.registry;
  out.dockerArgs = in.args;
  out.globalNetworking = in.globalNetworking;
  out.locked = in.locked;
  TRY(take_mounts(out, in.mounts));
  // The kind of a mount is chosen when the pod is made.
  if (in.mounts && in.mounts->persistent && (now.volume_gb == 0 || !now.network_volume.empty()))
    return invalid("mounts.persistent", Detail::chosen_when_made);
  if (in.mounts && in.mounts->network) {
    if (in.mounts->network->empty() || now.network_volume.empty())
      return invalid("mounts.network", Detail::chosen_when_made);
    if (in.mounts->network->front().volumeId != now.network_volume)
      return invalid("mounts.network[0].volumeId", Detail::chosen_when_made);
  }
  return out;
}

PodId id_of(const Request& request) { return PodId(request.param("id")); }

// ---- logs ----

constexpr int tail_default = 100, tail_max = 5'000;

Response event_stream(const Request& request, const std::function<Result<std::shared_ptr<http::Stream>>()>& open,
                      Result<>& trouble) {
  Response response;
  if (request.method == Method::head) {
    response.headers.add("Content-Type", "text/event-stream");
  } else if (auto stream = open()) {
    response = http::stream_response("text/event-stream", std::move(*stream));
  } else {
    trouble = fail(std::move(stream).error());
  }
  response.headers.add("Cache-Control", "no-cache");
  response.headers.add("X-Accel-Buffering", "no");  // nginx would keep events back
  return response;
}

struct LogAsked {
  std::optional<LogPlace> after;    // Last-Event-ID
  std::optional<std::string> text;  // ... as it came
  std::optional<Time> since;
  int tail = tail_default;
};

// Last-Event-ID counts before ?since=, and that before ?tail=.
Result<LogAsked> log_asked(const Request& request) {
  LogAsked out;
  out.tail = TRY(number(request, "tail", 0, tail_max)).value_or(tail_default);
  if (const auto since = request.query.get("since")) {
    out.since = parse_rfc3339(*since);
    if (!out.since) return invalid("since", Detail::time);
  }
  if (const auto last = request.headers.get("Last-Event-ID"); !last.empty()) {
    out.text = std::string(last);
    out.after = parse_place(last);
  }
  return out;
}

Result<std::shared_ptr<http::Stream>> container_log(const Services& services, const Request& request,
                                                    const LogAsked& asked) {
  link::LogRequest wanted;
  wanted.container = request.query.get("container").value_or("");
  wanted.follow = wanted.timestamps = true;
  if (asked.text && !asked.after) return invalid("Last-Event-ID", Detail::log_position);
  if (asked.after) {
    // A second earlier, for lines that carry earlier times than those before them; LogFrames leaves out the known ones.
    wanted.since = Time(Duration(asked.after->nanoseconds / 1'000'000)) - 1s;
  } else if (asked.since) {
    wanted.since = asked.since;
  } else {
    wanted.tail = asked.tail;
  }
  auto log = TRY(services.pods.logs(request.caller, id_of(request), std::move(wanted)));
  return services.logs.open(std::move(log), asked.after);
}

// What happened to the pod, as lines of a log: the id is the time and the event's place in the feed.
struct SystemLine {
  std::string source, line, ts, kind;
};
BOOST_DESCRIBE_STRUCT(SystemLine, (), (source, line, ts, kind))

std::string system_frame(const Event& event, Language language) {
  const auto words = event.reason ? sentence(*event.reason, event.args, language) : std::string();
  const SystemLine shown{"system", event.kind + (words.empty() ? "" : ": " + words), rfc3339(event.at), event.kind};
  return "id: " + shown.ts + "/" + std::to_string(event.id) + "\ndata: " + json::encode(shown) + "\n\n";
}

Result<std::shared_ptr<http::Stream>> system_log(const Services& services, const Request& request,
                                                 const LogAsked& asked) {
  const auto pod = TRY(services.pods.get(request.caller, id_of(request)));
  EventFeed::Wish wish;
  wish.workspace = pod.workspace;
  wish.pod = pod.id;
  wish.language = request.language;
  wish.frame = system_frame;
  const auto oldest = services.events.range().oldest;
  EventId after = oldest > 0 ? oldest - 1 : 0;
  if (asked.text) {
    if (!asked.after) return invalid("Last-Event-ID", Detail::log_position);
    if (asked.text->find('/') != std::string::npos) {
      wish.after = asked.after->further;
      return services.feed.open(wish);
    }
  }
  // By time, or so many: what there is of one pod is looked through, page by page.
  const auto from = asked.after ? std::optional(Time(Duration(asked.after->nanoseconds / 1'000'000))) : asked.since;
  // Of a pod that has had more than so many, the stream begins earlier than it was asked to.
  constexpr int page = 1'000, pages_max = 10;
  std::vector<EventId> seen;
  auto begin = after;
  bool found = false;
  for (int pages = 0; pages < pages_max && !found; ++pages) {
    const auto events = services.events.list({pod.workspace, pod.id, begin, page});
    for (const auto& event : events) {
      if (from && (asked.after ? event.at > *from : event.at >= *from)) {
        found = true;
        break;
      }
      begin = event.id;
      seen.push_back(event.id);
    }
    if (events.size() < page) break;
  }
  if (from)
    after = begin;
  else if (const auto tail = static_cast<std::size_t>(asked.tail); seen.size() > tail)
    after = seen[seen.size() - tail - 1];
  wish.after = after;
  return services.feed.open(wish);
}

Result<Response> logs(const Services& services, const Request& request) {
  const auto source = TRY(choice(request, "source", {"container", "system"})).value_or("container");
  const auto asked = TRY(log_asked(request));
  TRY(services.pods.get(request.caller, id_of(request)));
  Result<> trouble;
  auto response = event_stream(
      request,
      [&] {
        return source == "system" ? system_log(services, request, asked) : container_log(services, request, asked);
      },
      trouble);
  TRY(std::move(trouble));
  return response;
}

}  // namespace

std::vector<Route> pod_routes(const Services& services) {
  const std::string tag = "Pods (v2)";
  const auto etag = [](const Pod& pod) { return http::etag(std::to_string(pod.version)); };
  const auto show = [&services, etag](int status, Pod pod, const Request& request) {
    const auto version = etag(pod);
    const auto detail = services.pods.detail(std::move(pod), PodService::Waiting::left_out);
    auto response = http::json_response(status, json::encode(shown(detail, services, request.language)));
    response.headers.set("ETag", version);
    return response;
  };
  const auto list = [&services](const Request& request) -> Result<Response> {
    constexpr int pods_max = 100'000;
    const auto key = [](const Pod& pod) { return std::vector{rfc3339(pod.created_at), pod.id.str()}; };
    const auto view = [&](const Pod& pod) {
      return shown(services.pods.detail(pod, PodService::Waiting::left_out), services, request.language);
    };
    return wrapped(
        "pods", http::list_response(request, services.pods.list(request.caller, Time::max(), "", pods_max), key, view));
  };
  const auto create = [&services, show](const Request& request) -> Result<Response> {
    const auto input = TRY(json::decode<CreatePodV2>(request.body, services.config.unknown));
    const auto wanted = TRY(pod_of(input, services.resources.catalog()));
    auto made = renamed(services.pods.create(request.caller, wanted), names_for(input.mounts));
    return show(201, TRY(std::move(made)), request);
  };
  const auto update = [&services, show, etag](const Request& request) -> Result<Response> {
    const auto input = TRY(json::decode<UpdatePodV2>(request.body, services.config.unknown));
    const auto now = TRY(services.pods.get(request.caller, id_of(request)));
    const auto change = TRY(change_of(input, wish_from_text(now.wish)));
    const auto unchanged = [&](const Pod& pod) { return http::check_if_match(request, etag(pod)); };
    auto changed =
        renamed(services.pods.update(request.caller, id_of(request), change, unchanged), names_for(input.mounts));
    return show(200, TRY(std::move(changed)), request);
  };
  const auto remove = [&services](const Request& request) -> Result<Response> {
    TRY(services.pods.remove(request.caller, id_of(request)));
    return Response{.status = 204};
  };
  const auto act = [&services, show, remove](const Request& request) -> Result<Response> {
    const auto input = TRY(json::decode<PodActionV2>(request.body, services.config.unknown));
    auto& pods = services.pods;
    const auto id = id_of(request);
    switch (input.action) {
      case PodV2Action::start:
        return show(200, TRY(pods.start(request.caller, id, {})), request);
      case PodV2Action::stop:
        return show(200, TRY(pods.stop(request.caller, id)), request);
      case PodV2Action::restart:
        return show(200, TRY(pods.restart(request.caller, id)), request);
      case PodV2Action::terminate:
        return remove(request);
    }
    return fail(Reason::internal_error);
  };
  const auto one = json::schema<PodV2>();
  auto list_query = http::page_parameters();
  list_query.push_back({"includeClusterPods", "accepted: there are no clusters", "true"});
  return {
      Route{.method = Method::get,
            .path = "/v2/pods",
            .access = Access::reader,
            .summary = "List pods",
            .description = "Oldest first.",
            .tag = tag,
            .query = std::move(list_query),
            .answer = json::schema<PodV2List>(),
            .errors = {Reason::invalid_field, Reason::bad_cursor},
            .handler = list},
      Route{.method = Method::post,
            .path = "/v2/pods",
            .access = Access::writer,
            .summary = "Create a pod",
            .description = "It waits in the queue of its pool and starts on the first host that fits.",
            .tag = tag,
            .idempotency_key = true,
            .body = json::schema<CreatePodV2>(),
            .status = 201,
            .answer = one,
            .errors = {Reason::invalid_field, Reason::missing_field, Reason::unknown_field, Reason::not_offered,
                       Reason::too_many_pods, Reason::quota_missing, Reason::quota_used_up,
                       Reason::template_is_serverless, Reason::network_volume_full},
            .handler = create},
      Route{.method = Method::get,
            .path = "/v2/pods/{id}",
            .access = Access::reader,
            .summary = "Get a pod",
            .description = "With what may be done with it now.",
            .tag = tag,
            .pod_key = true,
            .answer = one,
            .errors = {Reason::pod_not_found},
            .handler = [&services, show](const Request& request) -> Result<Response> {
              return show(200, TRY(services.pods.get(request.caller, id_of(request))), request);
            }},
      Route{.method = Method::patch,
            .path = "/v2/pods/{id}",
            .access = Access::writer,
            .summary = "Change a pod",
            .description = "Absent fields stay as they are. A running pod gets new containers when anything but name "
                           "and locked changed. Which kind of mount it has stays.",
            .tag = tag,
            .body = json::schema<UpdatePodV2>(),
            .answer = one,
            .errors = {Reason::pod_not_found, Reason::invalid_field, Reason::stale_version, Reason::pod_locked,
                       Reason::no_room_on_host, Reason::pod_host_unreachable, Reason::not_offered,
                       Reason::secret_missing},
            .handler = update},
      Route{.method = Method::del,
            .path = "/v2/pods/{id}",
            .access = Access::writer,
            .summary = "Terminate a pod",
            .description = "The pod and its own volume are gone for good.",
            .tag = tag,
            .pod_key = true,
            .status = 204,
            .errors = {Reason::pod_not_found, Reason::pod_locked, Reason::pod_host_unreachable},
            .handler = remove},
      Route{.method = Method::post,
            .path = "/v2/pods/{id}/action",
            .access = Access::writer,
            .summary = "Start, stop, restart or terminate a pod",
            .description = "One of the pod's `actions`; any other is refused (409). The pod is the answer, but for "
                           "terminate, which is answered with 204.",
            .tag = tag,
            .pod_key = true,
            .body = json::schema<PodActionV2>(),
            .answer = one,
            .other_answers = {{204, {}}},
            .errors = {Reason::pod_not_found, Reason::pod_transition_refused, Reason::pod_locked,
                       Reason::pod_host_unreachable, Reason::gpu_taken, Reason::no_room_on_host, Reason::quota_missing,
                       Reason::quota_used_up, Reason::secret_missing, Reason::network_volume_full},
            .handler = act},
      Route{.method = Method::get,
            .path = "/v2/pods/{id}/logs",
            .access = Access::reader,
            .summary = "Follow a pod's log",
            .description =
                "Server-sent events, one for each line: the id is its time (and, where several share one, a number), "
                "the data is `{\"source\", \"line\", \"ts\"}`. Connect again with `Last-Event-ID` (browsers do so by "
                "themselves): each further line comes once. It counts before since, and that before tail. A comment "
                "comes every 15 seconds.",
            .tag = tag,
            .pod_key = true,
            .query = {{"source", "container: its output (also without it); system: what happened to it", "container"},
                      {"tail", "begin with so many lines, 0 to 5000; 100 without it", "100"},
                      {"since", "begin at this time", "2026-01-31T12:00:00Z"},
                      {"container", "name; the main one without it", "main"}},
            .answer_type = "text/event-stream",
            .errors = {Reason::pod_not_found, Reason::pod_has_no_logs, Reason::pod_host_unreachable,
                       Reason::invalid_field, Reason::too_many_requests},
            .handler = [&services](const Request& request) { return logs(services, request); }},
  };
}

}  // namespace gyre::rest_v2
