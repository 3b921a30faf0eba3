#include "pods/pod_view.hpp"

#include <boost/json.hpp>
#include <cmath>
#include <cstdio>

#include "json/codec.hpp"
#include "pods/parse.hpp"

namespace gyre {
namespace {

constexpr std::int64_t gb = 1'000'000'000;
std::int64_t in_gb(std::int64_t bytes) { return (bytes + gb / 2) / gb; }

ReasonView words(Reason reason, const Args& args, std::optional<Time> until, Language language) {
  ReasonView out{std::string(reason_text(reason)), sentence(reason, args, language), std::nullopt, until};
  if (auto fix = way_out(reason, args, language); !fix.empty()) out.fix = std::move(fix);
  return out;
}

std::optional<ReasonView> words(const Pod& pod, Language language) {
  return reason_view(pod.reason, pod.reason_args, pod.reason_until, language);
}

std::vector<HostRefusalView> refusals(const scheduler::Verdict& verdict, Language language) {
  std::vector<HostRefusalView> out;
  for (const auto& refusal : verdict.refusals)
    out.push_back({refusal.host.str(), refusal.host_name, words(refusal.reason, refusal.args, {}, language)});
  return out;
}

std::optional<ProgressView> progress(const PodDetail& detail) {
  if (!detail.facts || detail.pod.state != PodState::provisioning) return std::nullopt;
  const auto& facts = *detail.facts;
  ProgressView out{std::string(enum_text(facts.phase)), std::nullopt, facts.pull_bytes_done, facts.pull_bytes_total,
                   facts.pull_bytes_per_second,         std::nullopt};
  if (facts.pull_bytes_total > 0) {
    out.percent = static_cast<int>(std::min<std::int64_t>(100, facts.pull_bytes_done * 100 / facts.pull_bytes_total));
    if (facts.pull_bytes_per_second > 0)
      out.secondsLeft = static_cast<int>(std::max<std::int64_t>(0, facts.pull_bytes_total - facts.pull_bytes_done) /
                                         facts.pull_bytes_per_second);
  }
  return out;
}

constexpr int nearly_full_percent = 90;  // R-221

void warn_if_full(PodView& out, Reason reason, std::int64_t used, std::int64_t limit, Language language) {
  if (limit <= 0 || used < limit / 100 * nearly_full_percent) return;
  const Args args{
      {"percent", std::to_string(used * 100 / limit)}, {"used", gb_words(used)}, {"limit", gb_words(limit)}};
  out.warnings.push_back(words(reason, args, {}, language));
}

// The keys of RunPod's `machine` that are known here (contracts 8.2).
boost::json::object machine_view(const PodDetail& detail, Money per_gpu) {
  boost::json::object out{{"cpuCount", std::llround(detail.host->cpus)},
                          {"supportPublicIp", !detail.host->public_address.empty()},
                          {"secureCloud", detail.wish.cloud_type != "COMMUNITY"},
                          {"location", detail.data_center.location},
                          {"dataCenterId", detail.data_center.id},
                          {"currentPricePerGpu", per_gpu.as_double()}};
  if (!detail.gpus.empty()) {
    const auto& type = detail.gpus.front().type_id;
    out["gpuTypeId"] = type;
    out["gpuDisplayName"] = detail.offer ? detail.offer->display_name : type;
  }
  return out;
}

}  // namespace

std::string_view desired_status(PodState state) {
  switch (state) {
    case PodState::registered:
    case PodState::queued:
    case PodState::provisioning:
    case PodState::running:
    case PodState::host_lost:
      return "RUNNING";
    case PodState::interrupting:
    case PodState::stopping:
    case PodState::stopped:
    case PodState::failed:
      return "EXITED";
    case PodState::deleting:
    case PodState::deleted:
      return "TERMINATED";
  }
  return "TERMINATED";
}

PodView view(const PodDetail& detail, Language language, PodParts parts) {
  const auto& pod = detail.pod;
  const auto& wish = detail.wish;
  const auto& main = wish.containers.front();
  PodView out;
  out.id = pod.id.str();
  out.name = pod.name;
  out.image = out.imageName = main.image;
  out.desiredStatus = desired_status(pod.state);
  out.computeType = wish.gpu_count > 0 ? "GPU" : "CPU";
  out.cloudType = wish.cloud_type;
  out.gpuCount = pod.zero_gpu ? 0 : wish.gpu_count;
  if (!detail.gpus.empty())
    out.gpu =
        PodGpuView{detail.gpus.front().type_id, static_cast<int>(detail.gpus.size()), detail.gpus.front().type_id};
  else if (!wish.gpu_types.empty())
    out.gpu = PodGpuView{wish.gpu_types.front(), out.gpuCount, wish.gpu_types.front()};
  const auto per_gpu = pod.bid ? *pod.bid : detail.offer ? detail.offer->per_gpu_hour.value_or(Money()) : Money();
  if (detail.offer && out.gpu) out.gpu->displayName = detail.offer->display_name;
  out.costPerHr = out.adjustedCostPerHr = (per_gpu * out.gpuCount).as_double();
  for (const auto& gpu : detail.gpus) out.simulated = out.simulated || gpu.simulated;
  if (detail.allocation) {
    out.vcpuCount = std::llround(detail.allocation->vcpus);
    out.memoryInGb = in_gb(detail.allocation->memory_bytes);
  }
  out.containerDiskInGb = wish.container_disk_gb;
  out.volumeInGb = wish.volume_gb;
  out.volumeMountPath = wish.volume_path;
  out.locked = wish.locked;
  out.interruptible = pod.bid.has_value();
  if (pod.bid) out.bidPerGpu = pod.bid->as_double();
  out.env = main.env;
  out.ports = wish.ports;
  out.dockerEntrypoint = main.entrypoint.value_or(std::vector<std::string>());
  out.dockerStartCmd = main.command.value_or(std::vector<std::string>());
  if (pod.host) out.machineId = pod.host->str();
  out.consumerUserId = pod.account.str();
  out.lastStartedAt = pod.started_at;
  if (!wish.template_id.empty()) out.templateId = wish.template_id;
  if (!wish.network_volume.empty()) out.networkVolumeId = wish.network_volume;
  if (!wish.cpu_flavor.empty()) out.cpuFlavorId = wish.cpu_flavor;
  if (!wish.registry_auth_id.empty()) out.containerRegistryAuthId = wish.registry_auth_id;
  out.machine = boost::json::object();
  if (parts.machine && detail.host) out.machine = machine_view(detail, per_gpu);
  if (parts.network_volume && detail.network_volume) {
    const auto& volume = *detail.network_volume;
    out.networkVolume = PodNetworkVolumeView{wish.network_volume, volume.name, volume.bytes / gb, volume.data_center};
  }
  out.stopAt = pod.stop_at;
  out.terminateAt = pod.terminate_at;
  out.createdAt = pod.created_at;
  out.status = enum_text(pod.state);
  out.reason = words(pod, language);
  out.lastStatusChange = (out.reason ? out.reason->text : out.status) + ": " + rfc3339(pod.state_changed_at);
  out.progress = progress(detail);
  if (detail.facts && pod.state == PodState::provisioning) {
    // What it is doing right now says more than how it got here; a registry that does not answer, above all.
    if (detail.facts->reason)
      out.reason = words(*detail.facts->reason, detail.facts->args, {}, language);
    else if (detail.facts->phase == link::PodPhase::pulling)
      out.reason = words(Reason::image_pulling, {{"image", main.image}}, {}, language);
    else if (detail.facts->phase == link::PodPhase::starting)
      out.reason = words(Reason::containers_starting, {}, {}, language);
  }
  if (detail.waiting)
    out.queue = QueueView{detail.waiting->position, detail.waiting->verdict.possible,
                          refusals(detail.waiting->verdict, language)};
  for (const auto& container : wish.containers) {
    ContainerView shown;
    shown.name = container.name;
    shown.imageName = container.image;
    for (const auto& seen : detail.seen.containers) {
      if (seen.name != container.name) continue;
      if (!seen.image_digest.empty()) shown.imageDigest = seen.image_digest;
      if (!seen.container_id.empty()) shown.containerId = seen.container_id;
      shown.running = seen.running;
      shown.startedAt = seen.started_at;
      shown.finishedAt = seen.finished_at;
      if (seen.finished_at && !seen.running) shown.exitCode = seen.exit_code;
      shown.restarts = seen.restarts;
    }
    out.containers.push_back(std::move(shown));
  }
  const bool up = pod.state == PodState::running;
  out.publicIp = up && detail.host ? detail.host->public_address : "";
  if (up && !detail.seen.ports.empty()) {
    auto& mappings = out.portMappings.emplace();
    for (const auto& port : detail.seen.ports)
      if (!port.http) mappings[std::to_string(port.container_port)] = port.host_port;
  }
  if (!wish.machine_type.empty()) out.machineType = wish.machine_type;
  out.proxyUrls = detail.proxy_urls;
  out.restartPolicy = enum_text(wish.restart);
  out.generation = pod.generation;
  out.run = pod.run;
  if (detail.host) out.hostName = detail.host->name;
  out.podHostId = pod.host_name;
  out.healthy = up && detail.seen.healthy;
  if (detail.facts && up) {
    warn_if_full(out, Reason::container_disk_nearly_full, detail.facts->container_disk_used_bytes,
                 container_disk_bytes(wish), language);
    warn_if_full(out, Reason::volume_nearly_full, detail.facts->volume_used_bytes.value_or(0), wish.volume_gb * gb,
                 language);
    if (detail.network_volume)
      warn_if_full(out, Reason::volume_nearly_full, detail.network_volume->used_bytes.value_or(0),
                   detail.network_volume->bytes, language);
  }
  return out;
}

DryRunView view(const PodService::DryRun& run, const std::vector<Host>& hosts, Language language) {
  DryRunView out;
  out.possible = run.verdict.possible;
  out.hosts = refusals(run.verdict, language);
  if (run.verdict.placement) {
    out.fits = true;
    out.hostId = run.verdict.placement->host.str();
    for (const auto& host : hosts)
      if (host.id == run.verdict.placement->host) out.hostName = host.name;
    if (!run.gpus.empty()) out.gpuTypeId = run.gpus.front().type_id;
    out.vcpuCount = run.verdict.placement->vcpus;
    out.memoryInGb = in_gb(run.verdict.placement->memory_bytes);
    out.interruptsPods = run.interrupts;
  }
  return out;
}

std::optional<ReasonView> reason_view(const std::string& code, const std::string& args, std::optional<Time> until,
                                      Language language) {
  if (code.empty()) return std::nullopt;
  Args values;
  const auto stored = boost::json::parse(args);
  for (const auto& [name, value] : stored.as_object()) values.emplace_back(name, value.as_string());
  const auto reason = reason_from_text(code);
  if (!reason) return ReasonView{code, code, std::nullopt, until};
  return words(*reason, values, until, language);
}

json::Fields fields(const ReasonView*) {
  return {{"code", "stable code", R"("container_restarting")"},
          {"text", "a sentence in the language of Accept-Language", R"("all containers run")"},
          {"fix", "what to do about it", R"("look at the log")"},
          {"until", "when it is expected to change, if that can be known", R"("2026-01-31T12:00:00.000Z")"}};
}

json::Fields fields(const PodGpuView*) {
  return {{"id", "GPU type", R"("NVIDIA A40")"},
          {"count", "how many", "1"},
          {"displayName", "name for people", R"("NVIDIA A40")"}};
}

json::Fields fields(const ProgressView*) {
  return {{"phase", "accepted, pulling or starting", R"("pulling")"},
          {"percent", "of the image's bytes, once their number is known", "42"},
          {"bytesDone", "bytes pulled", "420000000"},
          {"bytesTotal", "bytes to pull, as far as known", "1000000000"},
          {"bytesPerSecond", "rate of the last seconds", "52000000"},
          {"secondsLeft", "at that rate", "11"}};
}

json::Fields fields(const HostRefusalView*) {
  return {{"id", "host id", R"("h7x2k9q4m1p0aa")"},
          {"name", "host name", R"("gpu-1")"},
          {"reason", "the first thing that is in the way", R"({"code":"host_offline","text":"the host is offline"})"}};
}

json::Fields fields(const QueueView*) {
  return {{"position", "place in its pool; 1 is next", "1"},
          {"possible", "some host could take it once other pods end", "true"},
          {"hosts", "why each host does not take it now", "[]"}};
}

json::Fields fields(const ContainerView*) {
  return {{"name", "name in the pod; the first is main", R"("main")"},
          {"imageName", "the image as asked for", R"("ubuntu:22.04")"},
          {"imageDigest", "what the name meant at the first pull; starts use just this", R"("sha256:0f1c")"},
          {"containerId", "id at the host's engine", R"("4f2a9c")"},
          {"running", "runs now", "true"},
          {"startedAt", "start of this container", R"("2026-01-31T12:00:00.000Z")"},
          {"finishedAt", "its last end", R"("2026-01-31T13:00:00.000Z")"},
          {"exitCode", "of its last end", "0"},
          {"restarts", "times it was started again by its restart policy", "0"}};
}

json::Fields fields(const PodNetworkVolumeView*) {
  return {{"id", "10 lower-case letters and digits", R"("agv6w2qcg7")"},
          {"name", "what its owner calls it", R"("data")"},
          {"size", "in GB", "100"},
          {"dataCenterId", "where it is", R"("LOCAL")"}};
}

json::Fields fields(const PodView*) {
  return {
      {"id", "14 lower-case letters and digits", R"("2s56cp0pof1rmt")"},
      {"name", "what its owner calls it", R"("train")"},
      {"image", "same as imageName", R"("ubuntu:22.04")"},
      {"imageName", "image of the main container", R"("ubuntu:22.04")"},
      {"desiredStatus", "RUNNING, EXITED or TERMINATED: what was asked for", R"("RUNNING")"},
      {"computeType", "GPU or CPU", R"("GPU")"},
      {"cloudType", "SECURE, COMMUNITY or ALL", R"("SECURE")"},
      {"costPerHr",
       "dollars an hour for all its GPUs, at the price of when it was made, or what a spot pod bids; 0: they have no "
       "price",
       "0.44"},
      {"adjustedCostPerHr", "after savings plans: the same while there are none", "0.44"},
      {"gpuCount", "GPUs it has or waits for", "1"},
      {"gpu", "type and number of its GPUs", R"({"id":"NVIDIA A40","count":1,"displayName":"NVIDIA A40"})"},
      {"vcpuCount", "vCPUs it has", "8"},
      {"memoryInGb", "memory it has, in GB", "32"},
      {"containerDiskInGb", "size of the containers' own disk", "50"},
      {"volumeInGb", "size of its volume", "20"},
      {"volumeMountPath", "where the volume is mounted", R"("/workspace")"},
      {"volumeEncrypted", "always false in this version", "false"},
      {"locked", "cannot be stopped, reset or deleted", "false"},
      {"interruptible", "a spot pod, which may be stopped for a pod on demand or a higher bid", "false"},
      {"env", "variables its owner set", R"({"MODEL":"llama"})"},
      {"ports", "exposed ports", R"(["8888/http","22/tcp"])"},
      {"publicIp", "address of mapped TCP ports; empty while it does not run", R"("203.0.113.7")"},
      {"portMappings", "container port to public port", R"({"22":10341})"},
      {"proxyUrls", "container port to the address of each HTTP port; it answers while the pod runs",
       R"({"8888":"http://2s56cp0pof1rmt-8888.proxy.localhost:8080"})"},
      {"dockerEntrypoint", "as set; empty: the image's", "[]"},
      {"dockerStartCmd", "as set; empty: the image's", R"(["sleep","infinity"])"},
      {"machineId", "host it is on", R"("h7x2k9q4m1p0aa")"},
      {"templateId", "template it was made from", "null"},
      {"endpointId", "endpoint it works for", "null"},
      {"networkVolumeId", "network volume it has", "null"},
      {"consumerUserId", "account that made it", R"("u1f0c2m8r5t7wx")"},
      {"containerRegistryAuthId", "stored registry credential", "null"},
      {"cpuFlavorId", "CPU flavour", "null"},
      {"lastStartedAt", "when all its containers were last up", R"("2026-01-31T12:00:00.000Z")"},
      {"lastStatusChange", "in words, with the time", R"("all containers run: 2026-01-31T12:00:00.000Z")"},
      {"machine", "its host in RunPod's words, with includeMachine; else an empty object", "{}"},
      {"networkVolume", "the network volume it has, with includeNetworkVolume", "null"},
      {"createdAt", "when it was made", R"("2026-01-31T11:59:00.000Z")"},
      {"status", "registered, queued, provisioning, running, interrupting, host_lost, stopping, stopped or failed",
       R"("running")"},
      {"reason", "why it is so", R"({"code":"started","text":"all containers run"})"},
      {"progress", "while it comes up", "null"},
      {"queue", "while it waits for a host (only when one pod is asked for)", "null"},
      {"containers", "its containers, the main one first", "[]"},
      {"restartPolicy", "always, on_failure or never", R"("always")"},
      {"generation", "grows with every change of what is wanted", "1"},
      {"run", "which incarnation of its containers", "1"},
      {"hostName", "name of its host", R"("gpu-1")"},
      {"podHostId", "its host name inside, and its name at the SSH gateway", R"("2s56cp0pof1rmt-6441103b")"},
      {"simulated", "its GPUs are simulated", "false"},
      {"healthy", "every exposed port accepts connections", "true"},
      {"machineType", "the machine type it was made with", R"("g2.small")"},
      {"bidPerGpu", "what a spot pod bids: dollars an hour for each GPU", "0.22"},
      {"stopAt", "when it stops by itself; null: never", R"("2026-11-22T13:15:00Z")"},
      {"terminateAt", "when it is deleted by itself, with its volume; null: never", R"("2026-11-29T01:15:00Z")"},
      {"warnings", "what will be trouble soon: a container disk or volume that is 90 % full", "[]"},
  };
}

json::Fields fields(const DryRunView*) {
  return {{"fits", "it would start now", "true"},
          {"possible", "it could start once other pods end", "true"},
          {"hostId", "where", R"("h7x2k9q4m1p0aa")"},
          {"hostName", "where, by name", R"("gpu-1")"},
          {"gpuTypeId", "type of the GPUs it would get", R"("NVIDIA A40")"},
          {"vcpuCount", "vCPUs it would get", "8"},
          {"memoryInGb", "memory it would get, in GB", "32"},
          {"interruptsPods", "so many spot pods would be stopped first; it would start once they have gone", "0"},
          {"hosts", "why each other host does not take it", "[]"}};
}

}  // namespace gyre
