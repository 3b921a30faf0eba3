#include "pods/pod_wish.hpp"

#include <set>

#include "base/image_reference.hpp"
#include "db/db.hpp"
#include "fleet/host.hpp"
#include "json/codec.hpp"
#include "pods/parse.hpp"

namespace gyre {
namespace {

constexpr std::size_t env_max = 50;
constexpr std::size_t env_value_max = 32 * 1024;
constexpr std::size_t containers_max = 8;
constexpr int disk_gb_max = 100'000;
constexpr std::int64_t gb = 1'000'000'000;

Result<> within(const std::string& field, double value, double low, double high) {
  if (value >= low && value <= high) return {};
  const auto plain = [](double n) { return std::to_string(static_cast<std::int64_t>(n)); };
  return invalid(field, Detail::between, {{"low", plain(low)}, {"high", plain(high)}});
}

Result<std::string> checked_name(const std::string& name) {
  if (name.empty() || name.size() > 191)
    return invalid("name", Detail::characters_between, {{"low", "1"}, {"high", "191"}});
  for (unsigned char c : name)
    if (c < 0x20 || c == 0x7f) return invalid("name", Detail::control_characters);
  return name;
}

// A list of words, or one string cut as a shell would; null, "" and [] mean the image's own.
Result<std::optional<std::vector<std::string>>> words(const std::optional<boost::json::value>& value,
                                                      const std::string& field) {
  using Words = std::vector<std::string>;
  if (!value || value->is_null()) return std::optional<Words>();
  Words out;
  if (value->is_string()) {
    out = TRY(split_command(std::string_view(value->as_string()), field));
  } else if (value->is_array()) {
    for (std::size_t i = 0; i < value->as_array().size(); ++i) {
      const auto& word = value->as_array()[i];
      if (!word.is_string()) return invalid(field + "[" + std::to_string(i) + "]", Detail::string);
      if (std::string_view(word.as_string()).find('\0') != std::string_view::npos)
        return invalid(field + "[" + std::to_string(i) + "]", Detail::zero_in_command);
      out.emplace_back(word.as_string());
    }
    if (out.size() > 1000) return invalid(field, Detail::words_at_most, {{"limit", "1000"}});
  } else {
    return invalid(field, Detail::command_shape);
  }
  if (out.empty()) return std::optional<Words>();
  return std::optional<Words>(std::move(out));
}

Result<std::vector<std::string>> checked_ports(const boost::json::value& value) {
  std::vector<std::string> texts;
  if (value.is_string()) {
    texts = TRY(split_ports(std::string_view(value.as_string()), "ports"));
  } else if (value.is_array()) {
    for (std::size_t i = 0; i < value.as_array().size(); ++i) {
      if (!value.as_array()[i].is_string()) return invalid("ports[" + std::to_string(i) + "]", Detail::port_shape);
      texts.emplace_back(value.as_array()[i].as_string());
    }
  } else {
    return invalid("ports", Detail::ports_shape);
  }
  std::vector<std::string> out;
  for (const auto& port : TRY(parse_ports(texts, "ports")))
    out.push_back(std::to_string(port.port) + (port.http ? "/http" : "/tcp"));
  return out;
}

Result<> check_env(const std::map<std::string, std::string>& env, const std::string& field) {
  if (env.size() > env_max) return invalid(field, Detail::variables_at_most, {{"limit", std::to_string(env_max)}});
  for (const auto& [name, value] : env) {
    const auto at = field + "." + (name.empty() ? "\"\"" : name);
    if (!is_variable_name(name)) return invalid(at, Detail::variable_name);
    if (value.size() > env_value_max)
      return invalid(at, Detail::bytes_at_most, {{"limit", std::to_string(env_value_max)}});
    if (value.find('\0') != std::string::npos) return invalid(at, Detail::zero_in_value);
  }
  return {};
}

Result<> check_mount(const std::string& path) {
  if (path.size() < 2 || path.size() > 255 || path.front() != '/' || path.find("//") != std::string::npos ||
      path.find(':') != std::string::npos || (path + "/").find("/../") != std::string::npos ||
      (path + "/").find("/./") != std::string::npos)
    return invalid("volumeMountPath", Detail::mount_path);
  for (const char* taken : {"/proc", "/sys", "/dev", "/etc", "/bin", "/sbin", "/lib", "/usr"})
    if (path == taken || path.starts_with(std::string(taken) + "/"))
      return invalid("volumeMountPath", Detail::mount_taken, {{"path", taken}});
  return {};
}

Result<link::RestartPolicy> restart_policy(const std::string& text) {
  if (const auto policy = enum_from_text<link::RestartPolicy>(text)) return *policy;
  return invalid("restartPolicy", Detail::one_of, {{"choices", enum_choices<link::RestartPolicy>()}});
}

// Fields of foreign clients that name something this version does not have: absent, empty or false is fine.
Result<> not_offered(const std::optional<bool>& value, const std::string& field) {
  if (value.value_or(false)) return fail(Reason::not_offered, {{"what", field}}, field);
  return {};
}

Result<> set_command(ContainerWish& container, const std::optional<boost::json::value>& entrypoint,
                     const std::optional<boost::json::value>& command, const std::optional<std::string>& args) {
  if (args && !args->empty()) {
    if (command && command->is_array() && !command->as_array().empty())
      return invalid("dockerArgs", Detail::command_twice);
    auto parsed = TRY(parse_docker_args(*args, "dockerArgs"));
    if (parsed.command) container.command = std::move(parsed.command);
    if (parsed.entrypoint) container.entrypoint = std::move(parsed.entrypoint);
  } else if (args && !command) {
    container.command.reset();
  }
  if (command && !(args && !args->empty())) container.command = TRY(words(command, "dockerStartCmd"));
  if (entrypoint) container.entrypoint = TRY(words(entrypoint, "dockerEntrypoint"));
  return {};
}

}  // namespace

Result<PodWish> wish_from(const CreatePod& input, const Seal& seal) {
  PodWish wish;
  if (input.name) TRY(checked_name(*input.name));
  TRY(not_offered(input.globalNetworking, "globalNetworking"));
  for (const auto& [value, field] : {std::pair{&input.gpuTypePriority, "gpuTypePriority"},
                                     {&input.dataCenterPriority, "dataCenterPriority"},
                                     {&input.cpuFlavorPriority, "cpuFlavorPriority"}})
    if (*value && **value != "availability" && **value != "custom")
      return invalid(field, Detail::one_of, {{"choices", "availability, custom"}});
  wish.cloud_type = input.cloudType.value_or("SECURE");
  if (wish.cloud_type != "SECURE" && wish.cloud_type != "COMMUNITY" && wish.cloud_type != "ALL")
    return invalid("cloudType", Detail::one_of, {{"choices", "SECURE, COMMUNITY, ALL"}});
  const auto compute = input.computeType.value_or("GPU");
  if (compute != "GPU" && compute != "CPU") return invalid("computeType", Detail::one_of, {{"choices", "GPU, CPU"}});
  const bool gpu = compute == "GPU";

  ContainerWish main;
  main.name = "main";
  main.image = input.imageName.value_or("");
  if (!input.imageName) return fail(Reason::missing_field, {{"field", "imageName"}}, "imageName");
  TRY(parse_image_reference(main.image, "imageName"));
  TRY(set_command(main, input.dockerEntrypoint, input.dockerStartCmd, input.dockerArgs));
  main.env = input.env.value_or(std::map<std::string, std::string>());
  TRY(check_env(main.env, "env"));
  if (input.registryAuth) {
    if (input.registryAuth->username.empty() || input.registryAuth->username.size() > 255)
      return invalid("registryAuth.username", Detail::characters_between, {{"low", "1"}, {"high", "255"}});
    if (input.registryAuth->password.size() > 4096)
      return invalid("registryAuth.password", Detail::characters_at_most, {{"limit", "4096"}});
    main.registry_user = input.registryAuth->username;
    main.registry_password_sealed = seal(input.registryAuth->password);
  }
  wish.template_id = input.templateId.value_or("");
  wish.registry_auth_id = input.containerRegistryAuthId.value_or("");
  if (input.registryAuth && !wish.registry_auth_id.empty())
    return invalid("containerRegistryAuthId", Detail::registry_auth_twice);
  wish.containers.push_back(std::move(main));
  std::set<std::string> names{"main"};
  const auto further = input.containers.value_or(std::vector<ContainerInput>());
  if (further.size() + 1 > containers_max)
    return invalid("containers", Detail::at_most, {{"limit", std::to_string(containers_max - 1)}});
  for (std::size_t i = 0; i < further.size(); ++i) {
    const auto at = "containers[" + std::to_string(i) + "]";
    ContainerWish container;
    container.name = further[i].name;
    if (container.name.empty() || container.name.size() > 40 ||
        container.name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") != std::string::npos ||
        container.name.front() == '-' || container.name.back() == '-')
      return invalid(at + ".name", Detail::container_name);
    if (!names.insert(container.name).second) return invalid(at + ".name", Detail::twice, {{"value", container.name}});
    container.image = further[i].imageName;
    TRY(parse_image_reference(container.image, at + ".imageName"));
    container.entrypoint = TRY(words(further[i].dockerEntrypoint, at + ".dockerEntrypoint"));
    container.command = TRY(words(further[i].dockerStartCmd, at + ".dockerStartCmd"));
    container.env = further[i].env.value_or(std::map<std::string, std::string>());
    TRY(check_env(container.env, at + ".env"));
    container.registry_user = wish.containers.front().registry_user;
    container.registry_password_sealed = wish.containers.front().registry_password_sealed;
    wish.containers.push_back(std::move(container));
  }

  if (gpu) {
    wish.gpu_count = input.gpuCount.value_or(1);
    TRY(within("gpuCount", wish.gpu_count, 0, 64));
    wish.gpu_types = input.gpuTypeIds.value_or(std::vector<std::string>());
    if (wish.gpu_types.size() > 50) return invalid("gpuTypeIds", Detail::at_most, {{"limit", "50"}});
    for (std::size_t i = 0; i < wish.gpu_types.size(); ++i)
      if (wish.gpu_types[i].empty() || wish.gpu_types[i].size() > 100)
        return invalid("gpuTypeIds[" + std::to_string(i) + "]", Detail::gpu_type);
    wish.gpu_types_in_order = input.gpuTypePriority.value_or("") == "custom";
    wish.gpu_memory_gb_min = input.minGpuMemoryInGb.value_or(0);
    TRY(within("minGpuMemoryInGb", wish.gpu_memory_gb_min, 0, 2000));
    if (input.minVCPUPerGPU) {
      TRY(within("minVCPUPerGPU", *input.minVCPUPerGPU, 0, 1024));
      wish.vcpus = *input.minVCPUPerGPU * std::max(wish.gpu_count, 1);
    }
    if (input.minRAMPerGPU) {
      TRY(within("minRAMPerGPU", *input.minRAMPerGPU, 0, 100'000));
      wish.memory_gb = static_cast<int>(*input.minRAMPerGPU * std::max(wish.gpu_count, 1));
    }
  } else if (input.gpuCount.value_or(0) > 1 || !input.gpuTypeIds.value_or(std::vector<std::string>()).empty()) {
    return invalid(input.gpuTypeIds && !input.gpuTypeIds->empty() ? "gpuTypeIds" : "gpuCount", Detail::cpu_pod_gpus);
  }
  if (!gpu && input.cpuFlavorIds && !input.cpuFlavorIds->empty()) wish.cpu_flavor = input.cpuFlavorIds->front();
  if (!gpu || wish.gpu_count == 0) {
    if (input.vcpuCount) {
      TRY(within("vcpuCount", *input.vcpuCount, 1, 1024));
      wish.vcpus = *input.vcpuCount;
    }
    if (input.memoryInGb) {
      TRY(within("memoryInGb", *input.memoryInGb, 1, 100'000));
      wish.memory_gb = *input.memoryInGb;
    }
  }
  if (input.minCudaVersion && !input.minCudaVersion->empty()) {
    TRY(check_cuda(*input.minCudaVersion, "minCudaVersion"));
    wish.cuda_min = input.minCudaVersion;
  }
  wish.cuda_allowed = input.allowedCudaVersions.value_or(std::vector<std::string>());
  if (wish.cuda_allowed.size() > 50) return invalid("allowedCudaVersions", Detail::at_most, {{"limit", "50"}});
  for (std::size_t i = 0; i < wish.cuda_allowed.size(); ++i)
    TRY(check_cuda(wish.cuda_allowed[i], "allowedCudaVersions[" + std::to_string(i) + "]"));

  wish.data_centers = input.dataCenterIds.value_or(std::vector<std::string>());
  wish.countries = input.countryCodes.value_or(std::vector<std::string>());
  for (const auto& [list, field] : {std::pair{&wish.data_centers, "dataCenterIds"}, {&wish.countries, "countryCodes"}})
    if (list->size() > 100) return invalid(field, Detail::at_most, {{"limit", "100"}});
  wish.data_centers_in_order = input.dataCenterPriority.value_or("") == "custom";

  wish.container_disk_gb = input.containerDiskInGb.value_or(50);
  TRY(within("containerDiskInGb", wish.container_disk_gb, 1, disk_gb_max));
  wish.volume_gb = input.volumeInGb.value_or(20);
  TRY(within("volumeInGb", wish.volume_gb, 0, disk_gb_max));
  wish.network_volume = input.networkVolumeId.value_or("");
  // Foreign clients ask for both by default; the contract says which one they get.
  if (!wish.network_volume.empty()) wish.volume_gb = 0;
  wish.volume_path = input.volumeMountPath.value_or("/workspace");
  TRY(check_mount(wish.volume_path));
  if (input.shmSizeInGb) {
    TRY(within("shmSizeInGb", *input.shmSizeInGb, 0, 10'000));
    wish.shm_gb = *input.shmSizeInGb;
  }
  if (input.ports) wish.ports = TRY(checked_ports(*input.ports));
  if (input.restartPolicy) wish.restart = TRY(restart_policy(*input.restartPolicy));
  wish.locked = input.locked.value_or(false);
  return wish;
}

Result<PodWish> wish_from(CreatePod input, const MachineType& type, const Seal& seal) {
  const std::string compute = type.gpu_count > 0 ? "GPU" : "CPU";
  if (input.computeType && *input.computeType != compute)
    return invalid("computeType", Detail::one_of, {{"choices", compute}});
  for (const auto& [given, field] : {std::pair{input.gpuTypeIds && !input.gpuTypeIds->empty(), "gpuTypeIds"},
                                     {input.gpuCount.has_value(), "gpuCount"},
                                     {input.minGpuMemoryInGb.has_value(), "minGpuMemoryInGb"},
                                     {input.minVCPUPerGPU.has_value(), "minVCPUPerGPU"},
                                     {input.minRAMPerGPU.has_value(), "minRAMPerGPU"},
                                     {input.vcpuCount.has_value(), "vcpuCount"},
                                     {input.memoryInGb.has_value(), "memoryInGb"}})
    if (given) return invalid(field, Detail::brought_by_machine_type);
  input.computeType = compute;
  if (type.gpu_count > 0) {
    input.gpuCount = type.gpu_count;
    if (!type.gpu_type.empty()) input.gpuTypeIds = std::vector{type.gpu_type};
  }
  auto wish = TRY(wish_from(input, seal));
  wish.vcpus = type.vcpus;
  wish.memory_gb = type.memory_gb;
  wish.machine_type = type.name;
  return wish;
}

Result<WishChange> changed(const PodWish& before, const UpdatePod& input) {
  WishChange change{before, std::nullopt, false};
  auto& wish = change.wish;
  auto& main = wish.containers.front();
  if (input.name) change.name = TRY(checked_name(*input.name));
  TRY(not_offered(input.globalNetworking, "globalNetworking"));
  if (input.containerRegistryAuthId) {
    wish.registry_auth_id = *input.containerRegistryAuthId;
    if (!wish.registry_auth_id.empty())
      for (auto& container : wish.containers) container.registry_user = container.registry_password_sealed = "";
  }
  if (input.imageName) {
    TRY(parse_image_reference(*input.imageName, "imageName"));
    main.image = *input.imageName;
  }
  TRY(set_command(main, input.dockerEntrypoint, input.dockerStartCmd, input.dockerArgs));
  if (input.env) {
    TRY(check_env(*input.env, "env"));
    main.env = *input.env;
  }
  if (input.ports) wish.ports = TRY(checked_ports(*input.ports));
  if (input.containerDiskInGb) {
    TRY(within("containerDiskInGb", *input.containerDiskInGb, 1, disk_gb_max));
    wish.container_disk_gb = *input.containerDiskInGb;
  }
  if (input.volumeInGb) {
    TRY(within("volumeInGb", *input.volumeInGb, 0, disk_gb_max));
    if (*input.volumeInGb < before.volume_gb)
      return invalid("volumeInGb", Detail::volume_shrinks, {{"size", std::to_string(before.volume_gb)}});
    if (*input.volumeInGb > 0 && !before.network_volume.empty())
      return invalid("volumeInGb", Detail::beside_network_volume);
    wish.volume_gb = *input.volumeInGb;
  }
  if (input.volumeMountPath) {
    TRY(check_mount(*input.volumeMountPath));
    wish.volume_path = *input.volumeMountPath;
  }
  if (input.restartPolicy) wish.restart = TRY(restart_policy(*input.restartPolicy));
  // Compared as text: exactly what an order would carry.
  change.resets = wish_to_text(wish) != wish_to_text(before);
  wish.locked = input.locked.value_or(before.locked);
  return change;
}

std::string wish_to_text(const PodWish& wish) { return json::encode(wish); }

PodWish wish_from_text(const std::string& text) {
  auto wish = json::decode<PodWish>(text, json::UnknownKeys::ignore);
  if (!wish || wish->containers.empty()) throw db::DbError("a pod's stored wish cannot be read");
  return std::move(*wish);
}

std::int64_t container_disk_bytes(const PodWish& wish) {
  return static_cast<std::int64_t>(wish.container_disk_gb) * (std::int64_t{1} << 30);
}

std::string gb_words(std::int64_t bytes) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f GB", static_cast<double>(bytes) / static_cast<double>(gb));
  return text;
}

std::int64_t disk_bytes(const PodWish& wish) { return container_disk_bytes(wish) + wish.volume_gb * gb; }

Result<bool> asks_for_spot(const CreatePod& input, const PodWish& wish) {
  if (!input.interruptible.value_or(input.bidPerGpu.has_value())) {
    if (input.bidPerGpu) return invalid("bidPerGpu", Detail::bid_on_demand);
    return false;
  }
  const auto field = input.interruptible ? "interruptible" : "bidPerGpu";
  if (!wish.machine_type.empty()) return invalid(field, Detail::spot_of_machine_type);
  if (wish.gpu_count == 0) return invalid(field, Detail::spot_without_gpus);
  return true;
}

scheduler::Request request_for(const PodId& pod, const PodWish& wish, bool zero_gpu,
                               const std::optional<HostId>& bound_to, const std::optional<Money>& bid) {
  scheduler::Request request;
  request.pod = pod;
  request.gpu_count = zero_gpu ? 0 : wish.gpu_count;
  request.gpu_types = wish.gpu_types;
  request.types_in_order = wish.gpu_types_in_order;
  request.gpu_memory_min = wish.gpu_memory_gb_min * gb;
  request.rescue = zero_gpu;
  if (!zero_gpu) request.vcpus = wish.vcpus;
  if (!zero_gpu && wish.memory_gb) request.memory_bytes = *wish.memory_gb * gb;
  request.disk_bytes = disk_bytes(wish);
  request.cuda_min = zero_gpu ? std::nullopt : wish.cuda_min;
  if (!zero_gpu) request.cuda_allowed = wish.cuda_allowed;
  request.bound_to = bound_to;
  if (!zero_gpu) request.bid = bid;
  request.network_volume = !wish.network_volume.empty();
  request.data_centers = wish.data_centers;
  request.centers_in_order = wish.data_centers_in_order && wish.data_centers.size() > 1;
  request.countries = wish.countries;
  if (request.network_volume) {  // it is in one, and never mounted in another
    request.data_centers = {wish.volume_data_center.empty() ? std::string(local_data_center) : wish.volume_data_center};
    request.centers_in_order = false;
  }
  return request;
}

}  // namespace gyre
