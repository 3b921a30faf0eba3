#include "compat/runpod_resolvers.hpp"
#include "pods/parse.hpp"

namespace gyre::compat {
namespace {

using graphql::Ask;

struct VolumeOfEndpoint {
  std::string networkVolumeId;
  std::optional<std::string> dataCenterId;
};
BOOST_DESCRIBE_STRUCT(VolumeOfEndpoint, (), (networkVolumeId, dataCenterId))

struct RunpodEndpoint {
  EndpointId id;
  std::string name, templateId;
  AccountId userId;
  std::string gpuIds;
  int gpuCount = 1;
  std::optional<std::string> networkVolumeId;
  std::vector<std::string> volumes;
  std::string locations;
  int idleTimeout = 0;
  ScalerType scalerType = ScalerType::QUEUE_DELAY;
  int scalerValue = 0, workersMin = 0, workersMax = 0, workersStandby = 0;
  std::int64_t executionTimeoutMs = 0;
  std::string allowedCudaVersions;
  std::optional<std::string> minCudaVersion;
  std::string flashBootType, type;
  std::int64_t version = 0;
  std::optional<std::string> aiKey;
  std::vector<KeyValue> env;
  Time createdAt{};
  ComputeType computeType = ComputeType::GPU;
  std::vector<std::string> instanceIds, modelReferences;
};
BOOST_DESCRIBE_STRUCT(RunpodEndpoint, (),
                      (id, name, templateId, userId, gpuIds, gpuCount, networkVolumeId, locations, idleTimeout,
                       scalerType, scalerValue, workersMin, workersMax, workersStandby, executionTimeoutMs,
                       allowedCudaVersions, minCudaVersion, flashBootType, type, version, aiKey, env, createdAt,
                       computeType, instanceIds, modelReferences))

struct VolumeInput {
  std::string networkVolumeId;
};
BOOST_DESCRIBE_STRUCT(VolumeInput, (), (networkVolumeId))

struct TemplateOfEndpoint {
  std::optional<std::string> name, imageName;
  std::optional<int> containerDiskInGb;
  std::optional<std::string> dockerArgs;
  std::optional<std::vector<KeyValue>> env;
};
BOOST_DESCRIBE_STRUCT(TemplateOfEndpoint, (), (name, imageName, containerDiskInGb, dockerArgs, env))

struct EndpointInput {
  std::optional<std::string> id, name, templateId;
  std::optional<TemplateOfEndpoint> template_;
  std::optional<std::string> gpuIds;
  std::optional<int> gpuCount;
  std::optional<std::vector<std::string>> instanceIds;
  std::optional<int> workersMin, workersMax, idleTimeout;
  std::optional<std::string> scalerType;
  std::optional<int> scalerValue;
  std::optional<std::string> locations, networkVolumeId;
  std::optional<std::vector<VolumeInput>> networkVolumeIds;
  std::optional<std::int64_t> executionTimeoutMs;
  std::optional<std::string> allowedCudaVersions, minCudaVersion, flashBootType, type;
};
BOOST_DESCRIBE_STRUCT(EndpointInput, (),
                      (id, name, templateId, template_, gpuIds, gpuCount, instanceIds, workersMin, workersMax,
                       idleTimeout, scalerType, scalerValue, locations, networkVolumeId, networkVolumeIds,
                       executionTimeoutMs, allowedCudaVersions, minCudaVersion, flashBootType, type))

struct TemplateOfInput {
  std::string templateId, endpointId;
};
BOOST_DESCRIBE_STRUCT(TemplateOfInput, (), (templateId, endpointId))

bool has(const std::vector<std::string>& list, const std::string& item) {
  return std::find(list.begin(), list.end(), item) != list.end();
}

// "AMPERE_48,-NVIDIA L40": pools and types, less those behind a minus.
Result<std::vector<std::string>> gpu_types_of(const CatalogService& catalog, const std::string& gpu_ids) {
  constexpr std::size_t parts_max = 100;
  const auto parts = parts_of(gpu_ids);
  if (parts.size() > parts_max) return invalid("gpuIds", Detail::at_most, {{"limit", std::to_string(parts_max)}});
  const auto pools = catalog.pools();
  const auto types = catalog.types();
  std::vector<std::string> out, without;
  for (const auto& part : parts) {
    if (part.starts_with('-')) {
      without.push_back(part.substr(1));
      continue;
    }
    const auto pool = std::find_if(pools.begin(), pools.end(), [&](const GpuPool& one) { return one.id == part; });
    if (pool != pools.end()) {
      out.insert(out.end(), pool->types.begin(), pool->types.end());
      continue;
    }
    if (std::none_of(types.begin(), types.end(), [&](const GpuType& one) { return one.id == part; }))
      return fail(Reason::gpu_type_not_found, {{"id", part}}, "gpuIds");
    out.push_back(part);
  }
  std::erase_if(out, [&](const auto& type) { return has(without, type); });
  return out;
}

// The pools whose types are all wanted, and the types that are left.
std::string gpu_ids_of(const CatalogService& catalog, std::vector<std::string> types) {
  std::vector<std::string> out;
  for (const auto& pool : catalog.pools()) {
    if (!std::all_of(pool.types.begin(), pool.types.end(), [&](const auto& type) { return has(types, type); }))
      continue;
    out.push_back(pool.id);
    std::erase_if(types, [&](const auto& type) { return has(pool.types, type); });
  }
  out.insert(out.end(), types.begin(), types.end());
  return joined(out);
}

std::vector<std::string> instances_of(const EndpointSpec& spec, const CatalogService& catalog) {
  std::vector<std::string> out;
  for (const auto& flavor : catalog.cpu_flavors())
    if (std::find(spec.cpu_flavors.begin(), spec.cpu_flavors.end(), flavor.id) != spec.cpu_flavors.end())
      out.push_back(flavor.id + "-" + std::to_string(spec.vcpu_count) + "-" +
                    std::to_string(spec.vcpu_count * flavor.memory_gb_per_vcpu));
  return out;
}

RunpodEndpoint shown(const Endpoint& endpoint, const CatalogService& catalog) {
  const auto spec = endpoint_spec_from_text(endpoint.spec);
  RunpodEndpoint out;
  out.id = endpoint.id;
  out.name = endpoint.name;
  out.templateId = spec.template_id;
  out.userId = endpoint.account;
  out.gpuIds = gpu_ids_of(catalog, spec.gpu_types);
  out.gpuCount = spec.gpu_count;
  out.volumes = spec.network_volumes;
  if (!spec.network_volumes.empty()) out.networkVolumeId = spec.network_volumes.front();
  out.locations = joined(spec.data_centers);
  out.idleTimeout = spec.idle_timeout_seconds;
  out.scalerType = spec.scaler;
  out.scalerValue = spec.scaler_value;
  out.workersMin = spec.workers_min;
  out.workersMax = spec.workers_max;
  out.executionTimeoutMs = spec.execution_timeout_ms;
  out.allowedCudaVersions = joined(spec.cuda_allowed);
  out.minCudaVersion = spec.cuda_min;
  out.flashBootType = spec.flashboot ? "FLASHBOOT" : "OFF";
  out.type = "QB";
  out.version = endpoint.release;
  out.env = env_list(spec.settings.env);
  out.createdAt = endpoint.created_at;
  out.computeType = spec.compute;
  if (spec.compute == ComputeType::CPU) out.instanceIds = instances_of(spec, catalog);
  return out;
}

// The endpoint's own settings, without a template to be kept under a name.
Result<> take_settings(const TemplateOfEndpoint& in, EndpointSpec& spec) {
  if (!given(in.imageName)) return fail(Reason::missing_field, {{"field", "template.imageName"}}, "template.imageName");
  spec.template_id.clear();
  spec.registry_auth_id.clear();
  TemplateSettings settings;
  settings.image = *in.imageName;
  settings.volume_gb = 0;
  settings.container_disk_gb = in.containerDiskInGb.value_or(10);
  if (in.env) settings.env = env_of(*in.env);
  if (given(in.dockerArgs)) {
    const auto command = TRY(parse_docker_args(*in.dockerArgs, "template.dockerArgs"));
    settings.command = command.command.value_or(std::vector<std::string>());
    if (command.entrypoint) settings.entrypoint = *command.entrypoint;
  }
  spec.settings = std::move(settings);
  return {};
}

Result<EndpointWish> wish_of(const EndpointInput& in, EndpointWish wish, const CatalogService& catalog) {
  auto& spec = wish.spec;
  const auto take = [](auto& into, const auto& from) {
    if (from) into = *from;
  };
  take(wish.name, in.name);
  // Old clients say FlashBoot with the name (contract 2.6).
  if (in.name && in.name->ends_with("-fb")) spec.flashboot = true;
  if (given(in.templateId)) {
    spec.template_id = *in.templateId;
    wish.template_named = true;
  } else if (in.template_) {
    TRY(take_settings(*in.template_, spec));
  }
  if (given(in.type) && in.type != "QB") return fail(Reason::not_offered, {{"what", "type " + *in.type}}, "type");
  if (in.gpuIds) spec.gpu_types = TRY(gpu_types_of(catalog, *in.gpuIds));
  take(spec.gpu_count, in.gpuCount);
  if (in.instanceIds && !in.instanceIds->empty()) {
    spec.compute = ComputeType::CPU;
    spec.cpu_flavors.clear();
    for (const auto& id : *in.instanceIds) {
      const auto instance = instance_of(id);
      if (!instance) return invalid("instanceIds", "expected FLAVOUR-VCPUS-GB, as cpu3c-2-4");
      spec.cpu_flavors.push_back(instance->flavor);
      spec.vcpu_count = instance->vcpus;
    }
  }
  take(spec.workers_min, in.workersMin);
  take(spec.workers_max, in.workersMax);
  take(spec.idle_timeout_seconds, in.idleTimeout);
  if (in.scalerType) {
    const auto scaler = enum_from_text<ScalerType>(*in.scalerType);
    if (!scaler) return invalid("scalerType", Detail::one_of, {{"choices", enum_choices<ScalerType>()}});
    spec.scaler = *scaler;
  }
  take(spec.scaler_value, in.scalerValue);
  if (in.locations) spec.data_centers = parts_of(*in.locations);
  if (in.networkVolumeIds) {
    spec.network_volumes.clear();
    for (const auto& volume : *in.networkVolumeIds) spec.network_volumes.push_back(volume.networkVolumeId);
  } else if (in.networkVolumeId) {
    spec.network_volumes = in.networkVolumeId->empty() ? std::vector<std::string>() : std::vector{*in.networkVolumeId};
  }
  take(spec.execution_timeout_ms, in.executionTimeoutMs);
  if (in.allowedCudaVersions) spec.cuda_allowed = parts_of(*in.allowedCudaVersions);
  if (in.minCudaVersion) spec.cuda_min = given(in.minCudaVersion);
  if (in.flashBootType) spec.flashboot = in.flashBootType != "OFF";
  return wish;
}

}  // namespace

void add_endpoints(graphql::Resolvers& resolvers, const Services& services) {
  auto& endpoints = services.resources.endpoints();
  const auto& catalog = services.resources.catalog();
  const auto& volumes = services.resources.volumes();
  const auto volume_of = [&volumes](const Ask& ask, const std::string& id) {
    return volumes.find(caller_of(ask).workspace, NetworkVolumeId(id));
  };
  using Shown = Result<std::optional<RunpodEndpoint>>;

  resolvers.type<VolumeOfEndpoint>("EndpointNetworkVolume").members();
  resolvers.type<RunpodEndpoint>("Endpoint")
      .members()
      .field("networkVolumeIds",
             [volume_of](const RunpodEndpoint& endpoint, Ask& ask) {
               std::vector<VolumeOfEndpoint> out;
               for (const auto& id : endpoint.volumes) {
                 const auto found = volume_of(ask, id);
                 out.push_back({id, found ? std::optional(found->data_center) : std::nullopt});
               }
               return out;
             })
      .field("networkVolume", [volume_of](const RunpodEndpoint& endpoint, Ask& ask) -> std::optional<NetworkVolume> {
        return endpoint.networkVolumeId ? volume_of(ask, *endpoint.networkVolumeId) : std::nullopt;
      });

  resolvers.type<Myself>("User")
      .field("endpoints",
             [&endpoints, &catalog](const Myself&, Ask& ask) {
               std::vector<RunpodEndpoint> out;
               for (const auto& one : endpoints.list(caller_of(ask))) out.push_back(shown(one, catalog));
               return out;
             })
      .field("endpoint", [&endpoints, &catalog](const Myself&, Ask& ask) -> Shown {
        const auto found = endpoints.get(caller_of(ask), EndpointId(TRY(ask.get<std::string>("id"))));
        if (!found) return std::nullopt;
        return shown(*found, catalog);
      });
  mutation(resolvers, "saveEndpoint", [&endpoints, &catalog](Ask& ask) -> Shown {
    const auto input = TRY(input_of<EndpointInput>(ask));
    if (!given(input.id)) {
      if (!given(input.name)) return fail(Reason::missing_field, {{"field", "name"}}, "name");
      return shown(TRY(endpoints.create(caller_of(ask), TRY(wish_of(input, {}, catalog)))), catalog);
    }
    const auto change = [&](const Endpoint& was) {
      return wish_of(input, {was.name, endpoint_spec_from_text(was.spec), false}, catalog);
    };
    return shown(TRY(endpoints.update(caller_of(ask), EndpointId(*input.id), change)), catalog);
  });
  mutation(resolvers, "updateEndpointTemplate", [&endpoints, &catalog](Ask& ask) -> Shown {
    const auto input = TRY(input_of<TemplateOfInput>(ask));
    const auto change = [&](const Endpoint& was) -> Result<EndpointWish> {
      EndpointWish wish{was.name, endpoint_spec_from_text(was.spec), true};
      wish.spec.template_id = input.templateId;
      return wish;
    };
    return shown(TRY(endpoints.update(caller_of(ask), EndpointId(input.endpointId), change)), catalog);
  });
  mutation(resolvers, "deleteEndpoint", [&endpoints](Ask& ask) -> Result<std::optional<std::string>> {
    TRY(endpoints.remove(caller_of(ask), EndpointId(TRY(ask.get<std::string>("id")))));
    return std::nullopt;
  });
}

}  // namespace gyre::compat
