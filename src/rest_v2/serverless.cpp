// Endpoints as v2 has them: their containers' settings are their own. A template that is named is taken over once.
#include <algorithm>
#include <cmath>
#include <set>

#include "pods/parse.hpp"
#include "rest_v2/parts.hpp"

namespace gyre::rest_v2 {
namespace {

using http::Request;
using http::Response;
using http::Route;

using Words = std::vector<std::string>;

struct EndpointGpuInputV2 {
  std::optional<Words> pools, excludedTypes;
  std::optional<int> count;
  std::optional<Words> allowedCudaVersions;
  std::optional<std::string> minCudaVersion;
};
BOOST_DESCRIBE_STRUCT(EndpointGpuInputV2, (), (pools, excludedTypes, count, allowedCudaVersions, minCudaVersion))
const json::Fields gpu_words{
    {"pools", "pools of GPU types, as GET /v2/catalog/gpus shows them; workers run on any", R"(["AMPERE_48"])"},
    {"excludedTypes", "types of these pools that are not wanted", R"(["NVIDIA L40"])"},
    {"count", "GPUs of one worker", "1"},
    {"allowedCudaVersions", "CUDA versions of acceptable hosts; empty: any", R"(["12.4"])"},
    {"minCudaVersion", "the least CUDA version of acceptable hosts, instead; empty: any", R"("12.1")"},
};
json::Fields fields(const EndpointGpuInputV2*) { return gpu_words; }

struct EndpointCpuV2 {
  std::string id;
  int vcpuCount = 0;
};
BOOST_DESCRIBE_STRUCT(EndpointCpuV2, (), (id, vcpuCount))
json::Fields fields(const EndpointCpuV2*) {
  return {{"id", "a CPU flavour of GET /v2/catalog/cpus", R"("cpu3c")"},
          {"vcpuCount", "vCPUs of one worker, the same for each flavour", "2"}};
}

struct EndpointWorkersInputV2 {
  std::optional<int> min, max, idleTimeout;
};
BOOST_DESCRIBE_STRUCT(EndpointWorkersInputV2, (), (min, max, idleTimeout))
const json::Fields worker_words{{"min", "workers that are always there", "0"},
                                {"max", "workers at most", "3"},
                                {"idleTimeout", "seconds after which a worker without work ends, 1 to 3600", "10"}};
json::Fields fields(const EndpointWorkersInputV2*) { return worker_words; }

struct EndpointScalingV2 {
  ScalerType type = ScalerType::QUEUE_DELAY;
  std::optional<double> queueDelay;
  std::optional<int> requestCount;
};
BOOST_DESCRIBE_STRUCT(EndpointScalingV2, (), (type, queueDelay, requestCount))
json::Fields fields(const EndpointScalingV2*) {
  return {{"type", "what calls for another worker: QUEUE_DELAY or REQUEST_COUNT", R"("QUEUE_DELAY")"},
          {"queueDelay", "whole seconds that a job may wait, with QUEUE_DELAY", "4"},
          {"requestCount", "jobs for one worker, with REQUEST_COUNT", "null"}};
}

enum class EndpointTypeV2 { QUEUE, LOAD_BALANCER };
BOOST_DESCRIBE_ENUM(EndpointTypeV2, QUEUE, LOAD_BALANCER)
enum class FlashBootV2 { OFF, FLASHBOOT, PRIORITY_FLASHBOOT };
BOOST_DESCRIBE_ENUM(FlashBootV2, OFF, FLASHBOOT, PRIORITY_FLASHBOOT)

// The words that bodies and answer share.
const json::Fields container_words{
    {"image", "the image its workers run", R"("ubuntu:22.04")"},
    {"args", "arguments of the container, one line as a shell would cut it; empty: the image's own",
     R"("python3 app.py")"},
    {"disk", "container disk of a worker in GB", "50"},
    {"env", "variables of its workers", R"({"MODEL":"llama"})"},
    {"ports", "ports its workers expose", R"(["8888/http"])"},
    {"registry", "a registry credential of the workspace (GET /v2/registries)", "null"},
};
const json::Fields endpoint_words{
    {"name", "what you call it, at most 191 characters; need not be unique", R"("llama")"},
    {"gpu", "what its workers run on; instead of cpu", R"({"pools":["AMPERE_48"],"count":1})"},
    {"cpu", "CPU flavours that its workers may have; instead of gpu", R"([{"id":"cpu3c","vcpuCount":2}])"},
    {"workers", "how many there are", R"({"min":0,"max":3,"idleTimeout":10})"},
    {"scaling", "when there are more", R"({"type":"QUEUE_DELAY","queueDelay":4})"},
    {"dataCenterIds", "data centres where workers may be; empty: any", R"(["LOCAL"])"},
    {"networkVolumes", "ids of network volumes for its workers, at most 5", "[]"},
    {"timeout", "how long a job may take, in milliseconds, 5000 to 604800000", "300000"},
    {"flashboot", "OFF or FLASHBOOT: workers that were stopped are kept warm where that is possible", R"("OFF")"},
};
json::Fields words(json::Fields more) {
  for (const auto* fields : {&endpoint_words, &container_words})
    more.insert(more.end(), fields->begin(), fields->end());
  return more;
}

const json::Field type_words{"type", "QUEUE; LOAD_BALANCER is not offered", R"("QUEUE")"};
const json::Field template_words{
    "templateId", "a serverless template whose settings are taken over now; what else is named goes before them",
    R"("30zmvf89kd")"};

struct UpdateEndpointV2 {
  std::optional<std::string> name, templateId, image, args;
  std::optional<int> disk;
  std::optional<std::map<std::string, std::string>> env;
  std::optional<Words> ports;
  std::optional<std::string> registry;
  std::optional<EndpointGpuInputV2> gpu;
  std::optional<std::vector<EndpointCpuV2>> cpu;
  std::optional<EndpointWorkersInputV2> workers;
  std::optional<EndpointScalingV2> scaling;
  std::optional<Words> dataCenterIds, networkVolumes;
  std::optional<std::int64_t> timeout;
  std::optional<FlashBootV2> flashboot;
};
BOOST_DESCRIBE_STRUCT(UpdateEndpointV2, (),
                      (name, templateId, image, args, disk, env, ports, registry, gpu, cpu, workers, scaling,
                       dataCenterIds, networkVolumes, timeout, flashboot))
json::Fields fields(const UpdateEndpointV2*) { return words({template_words}); }

struct CreateEndpointV2 : UpdateEndpointV2 {
  EndpointTypeV2 type = EndpointTypeV2::QUEUE;
};
BOOST_DESCRIBE_STRUCT(CreateEndpointV2, (UpdateEndpointV2), (type))
json::Fields fields(const CreateEndpointV2*) { return words({type_words, template_words}); }

struct EndpointGpuV2 {
  Words pools, excludedTypes, types;
  int count = 0;
  Words allowedCudaVersions;
  std::optional<std::string> minCudaVersion;
};
BOOST_DESCRIBE_STRUCT(EndpointGpuV2, (), (pools, excludedTypes, types, count, allowedCudaVersions, minCudaVersion))
json::Fields fields(const EndpointGpuV2*) {
  auto all = gpu_words;
  all.push_back({"types", "the types that come of it, and those that are in no pool; empty: any", R"(["NVIDIA A40"])"});
  return all;
}

struct EndpointWorkersV2 {
  int min = 0, max = 0, idleTimeout = 0;
};
BOOST_DESCRIBE_STRUCT(EndpointWorkersV2, (), (min, max, idleTimeout))
json::Fields fields(const EndpointWorkersV2*) { return worker_words; }

struct RequestUrls {
  std::string run, runSync, status, stream, cancel, retry, purgeQueue, health;
};
BOOST_DESCRIBE_STRUCT(RequestUrls, (), (run, runSync, status, stream, cancel, retry, purgeQueue, health))
json::Fields fields(const RequestUrls*) {
  json::Fields out;
  for (const auto& [name, path] : {std::pair("run", "run"),
                                   {"runSync", "runsync"},
                                   {"status", "status/{jobId}"},
                                   {"stream", "stream/{jobId}"},
                                   {"cancel", "cancel/{jobId}"},
                                   {"retry", "retry/{jobId}"},
                                   {"purgeQueue", "purge-queue"},
                                   {"health", "health"}})
    out.push_back({name, "the address for its jobs",
                   R"("https://gyre.example.com/v2/4f0kx1m2a9c3de/)" + std::string(path) + '"'});
  return out;
}

struct EndpointV2 {
  EndpointId id;
  std::string name;
  EndpointTypeV2 type = EndpointTypeV2::QUEUE;
  RequestUrls requestUrls;
  std::string image, args;
  int disk = 0;
  std::map<std::string, std::string> env;
  Words ports;
  std::optional<std::string> registry;
  std::optional<EndpointGpuV2> gpu;
  std::optional<std::vector<EndpointCpuV2>> cpu;
  EndpointWorkersV2 workers;
  EndpointScalingV2 scaling;
  Words dataCenterIds, networkVolumes;
  std::int64_t timeout = 0;
  FlashBootV2 flashboot = FlashBootV2::OFF;
  std::optional<std::string> templateId;
  std::int64_t version = 1;
  Time createdAt{};
};
BOOST_DESCRIBE_STRUCT(EndpointV2, (),
                      (id, name, type, requestUrls, image, args, disk, env, ports, registry, gpu, cpu, workers, scaling,
                       dataCenterIds, networkVolumes, timeout, flashboot, templateId, version, createdAt))
json::Fields fields(const EndpointV2*) {
  auto all = words(
      {{"id", "in the addresses of its jobs", R"("4f0kx1m2a9c3de")"},
       type_words,
       {"requestUrls", "where its jobs are sent; workers do not run yet",
        R"({"run":"http://127.0.0.1:8080/v2/4f0kx1m2a9c3de/run","runSync":"http://127.0.0.1:8080/v2/4f0kx1m2a9c3de/runsync",)"
        R"("status":"http://127.0.0.1:8080/v2/4f0kx1m2a9c3de/status/{jobId}",)"
        R"("stream":"http://127.0.0.1:8080/v2/4f0kx1m2a9c3de/stream/{jobId}",)"
        R"("cancel":"http://127.0.0.1:8080/v2/4f0kx1m2a9c3de/cancel/{jobId}",)"
        R"("retry":"http://127.0.0.1:8080/v2/4f0kx1m2a9c3de/retry/{jobId}",)"
        R"("purgeQueue":"http://127.0.0.1:8080/v2/4f0kx1m2a9c3de/purge-queue",)"
        R"("health":"http://127.0.0.1:8080/v2/4f0kx1m2a9c3de/health"})"},
       {"templateId", "the template that it follows, of an endpoint made over /v1 or GraphQL; else null", "null"},
       {"version", "counts up when what workers run or run on changes", "1"},
       {"createdAt", "when it was made", R"("2026-11-22T01:15:00.250Z")"}});
  for (auto& field : all)
    if (field.name == "gpu")
      field.example =
          R"({"pools":["AMPERE_48"],"excludedTypes":[],"types":["NVIDIA A40","NVIDIA RTX A6000"],"count":1,)"
          R"("allowedCudaVersions":[],"minCudaVersion":null})";
  return all;
}

struct EndpointV2List {
  std::vector<EndpointV2> endpoints;
};
BOOST_DESCRIBE_STRUCT(EndpointV2List, (), (endpoints))
json::Fields fields(const EndpointV2List*) { return {{"endpoints", "by name", "[]"}}; }

bool has(const Words& words, const std::string& word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

EndpointGpuV2 gpu_of(const EndpointSpec& spec, const CatalogService& catalog) {
  EndpointGpuV2 out;
  out.types = spec.gpu_types;
  const auto wanted = [&](const std::string& type) { return spec.gpu_types.empty() || has(spec.gpu_types, type); };
  for (const auto& pool : catalog.pools()) {
    if (std::none_of(pool.types.begin(), pool.types.end(), wanted)) continue;
    out.pools.push_back(pool.id);
    for (const auto& type : pool.types)
      if (!wanted(type)) out.excludedTypes.push_back(type);
  }
  out.count = spec.gpu_count;
  out.allowedCudaVersions = spec.cuda_allowed;
  out.minCudaVersion = spec.cuda_min;
  return out;
}

boost::json::value shown(const Endpoint& endpoint, const Services& services, const Caller& reader) {
  auto spec = endpoint_spec_from_text(endpoint.spec);
  EndpointV2 out;
  out.id = endpoint.id;
  out.name = endpoint.name;
  const auto base = services.config.public_url() + "/v2/" + endpoint.id.str() + "/";
  out.requestUrls = {base + "run",
                     base + "runsync",
                     base + "status/{jobId}",
                     base + "stream/{jobId}",
                     base + "cancel/{jobId}",
                     base + "retry/{jobId}",
                     base + "purge-queue",
                     base + "health"};
  out.image = std::move(spec.settings.image);
  out.args = command_line(spec.settings.command);
  out.disk = spec.settings.container_disk_gb;
  out.env = std::move(spec.settings.env);
  out.ports = std::move(spec.settings.ports);
  if (const auto auth = services.resources.endpoints().registry_auth_of(reader, spec); !auth.empty())
    out.registry = auth;
  if (spec.compute == ComputeType::GPU) {
    out.gpu = gpu_of(spec, services.resources.catalog());
  } else {
    auto& cpu = out.cpu.emplace();
    for (const auto& flavor : spec.cpu_flavors) cpu.push_back({flavor, spec.vcpu_count});
  }
  out.workers = {spec.workers_min, spec.workers_max, spec.idle_timeout_seconds};
  out.scaling.type = spec.scaler;
  if (spec.scaler == ScalerType::QUEUE_DELAY)
    out.scaling.queueDelay = spec.scaler_value;
  else
    out.scaling.requestCount = spec.scaler_value;
  out.dataCenterIds = std::move(spec.data_centers);
  out.networkVolumes = std::move(spec.network_volumes);
  out.timeout = spec.execution_timeout_ms;
  out.flashboot = spec.flashboot ? FlashBootV2::FLASHBOOT : FlashBootV2::OFF;
  if (!spec.template_id.empty()) out.templateId = spec.template_id;
  out.version = endpoint.release;
  out.createdAt = endpoint.created_at;
  auto shown = json::to_json(out);
  auto& object = shown.get_object();
  object.stable_erase(out.gpu ? "cpu" : "gpu");
  object.at("scaling").get_object().stable_erase(out.scaling.queueDelay ? "requestCount" : "queueDelay");
  return shown;
}

std::string at(const char* field, std::size_t i) { return field + ("[" + std::to_string(i) + "]"); }

// Before any of them is looked up.
Result<> check_words(const char* field, const Words& words) {
  constexpr std::size_t words_max = 100;
  if (words.size() > words_max) return invalid(field, Detail::at_most, {{"limit", std::to_string(words_max)}});
  std::set<std::string_view> seen;
  for (std::size_t i = 0; i < words.size(); ++i)
    if (!seen.insert(words[i]).second) return invalid(at(field, i), Detail::twice, {{"value", words[i]}});
  return {};
}

Result<> take_gpu(EndpointSpec& spec, const EndpointGpuInputV2& in, const CatalogService& catalog) {
  if (in.excludedTypes && !in.pools) return invalid("gpu.excludedTypes", Detail::only_with, {{"other", "gpu.pools"}});
  if (in.pools) {
    if (in.pools->empty()) return invalid("gpu.pools", Detail::empty);
    const auto excluded = in.excludedTypes.value_or(Words());
    TRY(check_words("gpu.pools", *in.pools));
    TRY(check_words("gpu.excludedTypes", excluded));
    const auto pools = catalog.pools();
    spec.gpu_types.clear();
    for (std::size_t i = 0; i < in.pools->size(); ++i) {
      const auto pool =
          std::find_if(pools.begin(), pools.end(), [&](const GpuPool& one) { return one.id == (*in.pools)[i]; });
      if (pool == pools.end()) {
        Words choices;
        for (const auto& one : pools) choices.push_back(one.id);
        return invalid(at("gpu.pools", i), Detail::one_of, {{"choices", joined(choices)}});
      }
      spec.gpu_types.insert(spec.gpu_types.end(), pool->types.begin(), pool->types.end());
    }
    for (std::size_t i = 0; i < excluded.size(); ++i)
      if (std::erase(spec.gpu_types, excluded[i]) == 0)
        return invalid(at("gpu.excludedTypes", i), Detail::not_in_pools, {{"value", excluded[i]}});
    if (spec.gpu_types.empty()) return invalid("gpu.excludedTypes", Detail::nothing_left);
  }
  if (in.count) spec.gpu_count = *in.count;
  if (in.minCudaVersion && !in.minCudaVersion->empty() && in.allowedCudaVersions && !in.allowedCudaVersions->empty())
    return invalid("gpu.minCudaVersion", Detail::not_with, {{"other", "gpu.allowedCudaVersions"}});
  if (in.allowedCudaVersions) {
    spec.cuda_allowed = *in.allowedCudaVersions;
    if (!spec.cuda_allowed.empty()) spec.cuda_min.reset();
  }
  if (in.minCudaVersion) {
    spec.cuda_min.reset();
    if (!in.minCudaVersion->empty()) {
      spec.cuda_min = *in.minCudaVersion;
      spec.cuda_allowed.clear();
    }
  }
  return {};
}

Result<> take_cpu(EndpointSpec& spec, const std::vector<EndpointCpuV2>& in) {
  if (in.empty()) return invalid("cpu", Detail::empty);
  spec.cpu_flavors.clear();
  for (std::size_t i = 0; i < in.size(); ++i) {
    if (in[i].vcpuCount != in[0].vcpuCount)
      return invalid("cpu[" + std::to_string(i) + "].vcpuCount", Detail::one_of,
                     {{"choices", std::to_string(in[0].vcpuCount)}});
    spec.cpu_flavors.push_back(in[i].id);
  }
  spec.vcpu_count = in[0].vcpuCount;
  return {};
}

Result<> take_scaling(EndpointSpec& spec, const EndpointScalingV2& in) {
  const bool by_delay = in.type == ScalerType::QUEUE_DELAY;
  const char* wanted = by_delay ? "scaling.queueDelay" : "scaling.requestCount";
  if (by_delay ? in.requestCount.has_value() : in.queueDelay.has_value())
    return invalid(by_delay ? "scaling.requestCount" : "scaling.queueDelay", Detail::only_with,
                   {{"other", by_delay ? "REQUEST_COUNT" : "QUEUE_DELAY"}});
  if (by_delay ? !in.queueDelay : !in.requestCount) return fail(Reason::missing_field, {{"field", wanted}}, wanted);
  constexpr double delay_max = 10'000;
  if (by_delay && (std::trunc(*in.queueDelay) != *in.queueDelay || *in.queueDelay < 1 || *in.queueDelay > delay_max))
    return invalid(wanted, Detail::integer_between, {{"low", "1"}, {"high", "10000"}});
  spec.scaler = in.type;
  spec.scaler_value = by_delay ? static_cast<int>(*in.queueDelay) : *in.requestCount;
  return {};
}

// What a worker's container is, from the template that is named and what the body says beside it.
Result<> take_container(EndpointSpec& spec, const UpdateEndpointV2& in, const Caller& caller,
                        const Services& services) {
  const bool named = in.templateId && !in.templateId->empty();
  if (!named && !in.image && !in.args && !in.disk && !in.env && !in.ports && !in.registry) return {};
  auto& settings = spec.settings;
  services.resources.endpoints().let_go_of_template(caller, spec);
  if (named) {
    const auto found = services.resources.templates().get(caller, TemplateId(*in.templateId));
    if (!found) return invalid("templateId", Detail::no_template, {{"value", *in.templateId}});
    spec.template_id = *in.templateId;
    spec.settings = settings_from_text(found->spec);
    if (!settings.serverless) return fail(Reason::template_not_serverless, {{"name", found->name}}, "templateId");
    settings.readme.clear();
    spec.registry_auth_id.clear();
    services.resources.endpoints().let_go_of_template(caller, spec);
  }
  settings.volume_gb = 0;
  settings.category = spec.compute == ComputeType::CPU ? TemplateCategory::CPU : TemplateCategory::NVIDIA;
  if (in.image) settings.image = *in.image;
  if (in.disk) settings.container_disk_gb = *in.disk;
  if (in.ports) settings.ports = *in.ports;
  if (in.registry) spec.registry_auth_id = *in.registry;
  if (in.env && named)
    for (const auto& [name, value] : *in.env) settings.env[name] = value;
  else if (in.env)
    settings.env = *in.env;
  if (in.args) {
    const auto command = TRY(parse_docker_args(*in.args, "args"));
    settings.command = command.command.value_or(Words());
    if (command.entrypoint) settings.entrypoint = *command.entrypoint;
  }
  if (settings.image.empty()) return invalid("image", Detail::empty);
  return {};
}

// The wish with what the body gives.
Result<EndpointWish> with(EndpointWish wish, const UpdateEndpointV2& in, const Caller& caller,
                          const Services& services) {
  auto& spec = wish.spec;
  const auto take = [](auto& into, const auto& from) {
    if (from) into = *from;
  };
  take(wish.name, in.name);
  TRY(take_container(spec, in, caller, services));
  if (in.gpu && spec.compute == ComputeType::CPU) return invalid("gpu", Detail::chosen_when_made);
  if (in.cpu && spec.compute == ComputeType::GPU) return invalid("cpu", Detail::chosen_when_made);
  if (in.gpu) TRY(take_gpu(spec, *in.gpu, services.resources.catalog()));
  if (in.cpu) TRY(take_cpu(spec, *in.cpu));
  if (in.workers) {
    take(spec.workers_min, in.workers->min);
    take(spec.workers_max, in.workers->max);
    take(spec.idle_timeout_seconds, in.workers->idleTimeout);
  }
  if (in.scaling) TRY(take_scaling(spec, *in.scaling));
  take(spec.data_centers, in.dataCenterIds);
  take(spec.network_volumes, in.networkVolumes);
  take(spec.execution_timeout_ms, in.timeout);
  if (in.flashboot == FlashBootV2::PRIORITY_FLASHBOOT)
    return fail(Reason::not_offered, {{"what", "PRIORITY_FLASHBOOT"}}, "flashboot");
  if (in.flashboot) spec.flashboot = *in.flashboot == FlashBootV2::FLASHBOOT;
  return wish;
}

Result<EndpointWish> wish_of(const CreateEndpointV2& in, const Caller& caller, const Services& services) {
  if (in.type == EndpointTypeV2::LOAD_BALANCER) return fail(Reason::not_offered, {{"what", "LOAD_BALANCER"}}, "type");
  for (const auto& [there, field] : {std::pair(in.name.has_value(), "name"),
                                     {in.image || (in.templateId && !in.templateId->empty()), "image"},
                                     {in.gpu || in.cpu, "gpu"},
                                     {!in.gpu || in.gpu->pools, "gpu.pools"},
                                     {in.scaling.has_value(), "scaling"}})
    if (!there) return fail(Reason::missing_field, {{"field", field}}, field);
  if (in.gpu && in.cpu) return invalid("cpu", Detail::not_with, {{"other", "gpu"}});
  EndpointWish fresh;
  auto& spec = fresh.spec;
  spec.compute = in.cpu ? ComputeType::CPU : ComputeType::GPU;
  spec.settings.volume_gb = 0;
  spec.idle_timeout_seconds = 10;  // v2's own defaults
  spec.execution_timeout_ms = 300'000;
  return with(std::move(fresh), in, caller, services);
}

const Names names{{"imageName", "image"},
                  {"containerDiskInGb", "disk"},
                  {"containerRegistryAuthId", "registry"},
                  {"dockerStartCmd", "args"},
                  {"dockerArgs", "args"},
                  {"gpuTypeIds", "gpu.pools!"},
                  {"gpuCount", "gpu.count"},
                  {"cpuFlavorIds", "cpu"},
                  {"vcpuCount", "cpu[0].vcpuCount"},
                  {"workersMin", "workers.min"},
                  {"workersMax", "workers.max"},
                  {"idleTimeout", "workers.idleTimeout"},
                  {"scalerValue", "scaling.requestCount"},
                  {"executionTimeoutMs", "timeout"},
                  {"networkVolumeIds", "networkVolumes"},
                  {"allowedCudaVersions", "gpu.allowedCudaVersions"},
                  {"minCudaVersion", "gpu.minCudaVersion"}};

EndpointId id_of(const Request& request) { return EndpointId(request.param("id")); }

Response answer(int status, const Endpoint& endpoint, const Services& services, const Request& request) {
  return http::with_version(http::json_response(status, json::encode(shown(endpoint, services, request.caller))),
                            endpoint.version);
}

}  // namespace

std::vector<Route> serverless_routes(const Services& services) {
  auto& endpoints = services.resources.endpoints();
  http::Resource out{.path = "/v2/serverless",
                     .tag = "Serverless (v2)",
                     .one = "an endpoint",
                     .many = "endpoints",
                     .not_found = Reason::endpoint_not_found,
                     .made = 201,
                     .create_body = json::schema<CreateEndpointV2>(),
                     .update_body = json::schema<UpdateEndpointV2>(),
                     .answer = json::schema<EndpointV2>(),
                     .answers = json::schema<EndpointV2List>()};
  const std::vector<Reason> refusals{Reason::template_not_serverless, Reason::not_offered};
  out.create = {"Its definition, with the settings of its containers. Workers do not run yet.", refusals,
                [&services, &endpoints](const Request& request) -> Result<Response> {
                  const auto input = TRY(json::decode<CreateEndpointV2>(request.body, services.config.unknown));
                  const auto wish = TRY(wish_of(input, request.caller, services));
                  return answer(201, TRY(renamed(endpoints.create(request.caller, wish), names)), services, request);
                }};
  out.list = {"By name.", {}, [&services, &endpoints](const Request& request) -> Result<Response> {
                const auto by_name = [](const Endpoint& one) { return std::vector{one.name, one.id.str()}; };
                const auto view = [&](const Endpoint& one) { return shown(one, services, request.caller); };
                return wrapped("endpoints",
                               http::list_response(request, endpoints.list(request.caller), by_name, view));
              }};
  out.get = {
      "Those made over /v1 and GraphQL, too.", {}, [&services, &endpoints](const Request& request) -> Result<Response> {
        return answer(200, TRY(endpoints.get(request.caller, id_of(request))), services, request);
      }};
  out.update = {
      "What is absent stays. `env` is replaced as a whole; with `templateId` it is the template's with what the body "
      "names. An endpoint that followed a template has settings of its own once any of them is named.",
      refusals, [&services, &endpoints](const Request& request) -> Result<Response> {
        const auto input = TRY(json::decode<UpdateEndpointV2>(request.body, services.config.unknown));
        const auto change = [&](const Endpoint& now) -> Result<EndpointWish> {
          TRY(http::check_version(request, now.version));
          return with({.name = now.name, .spec = endpoint_spec_from_text(now.spec)}, input, request.caller, services);
        };
        return answer(200, TRY(renamed(endpoints.update(request.caller, id_of(request), change), names)), services,
                      request);
      }};
  out.remove = {"With its versions.", {}, [&endpoints](const Request& request) -> Result<Response> {
                  TRY(endpoints.remove(request.caller, id_of(request)));
                  return Response{.status = 204};
                }};
  auto routes = http::resource_routes(std::move(out));
  // Not in v2: the POST twins of PATCH.
  std::erase_if(routes, [](const Route& route) { return route.path.ends_with("/update"); });
  return routes;
}

}  // namespace gyre::rest_v2
