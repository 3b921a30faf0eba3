#include "serverless/endpoint_routes.hpp"

#include <boost/json/object.hpp>

#include "http/resource_routes.hpp"
#include "templates/template_routes.hpp"

namespace gyre {
namespace {

using http::Access;
using http::Method;
using http::Request;
using http::Response;
using http::Route;

using Words = std::vector<std::string>;

// The words that bodies and answer share.
const json::Fields shared{
    {"name", "what you call it, at most 191 characters; need not be unique", R"("llama")"},
    {"templateId", "the template its workers are made from; one with isServerless", R"("30zmvf89kd")"},
    {"gpuTypeIds", "acceptable GPU types (not pools), best first; none: any", R"(["NVIDIA A40"])"},
    {"gpuCount", "GPUs of one worker", "1"},
    {"cpuFlavorIds", "acceptable CPU flavours of a CPU endpoint; none: any", "[]"},
    {"vcpuCount", "vCPUs of one worker of a CPU endpoint", "2"},
    {"workersMin", "workers that are always there", "0"},
    {"workersMax", "workers at most", "3"},
    {"idleTimeout", "seconds after which a worker without work ends, 1 to 3600", "5"},
    {"scalerType", "what calls for another worker: QUEUE_DELAY or REQUEST_COUNT", R"("QUEUE_DELAY")"},
    {"scalerValue", "seconds that a job may wait, or jobs for one worker", "4"},
    {"executionTimeoutMs", "how long a job may take, 5000 to 604800000", "600000"},
    {"flashboot", "workers that were stopped are kept warm where that is possible", "false"},
    {"dataCenterIds", "data centres where workers may be; none: any", R"(["LOCAL"])"},
    {"networkVolumeId", "a network volume for its workers; the first of networkVolumeIds", R"("agv6w2qcg7")"},
    {"networkVolumeIds", "network volumes for its workers, at most 5", R"(["agv6w2qcg7"])"},
    {"allowedCudaVersions", "CUDA versions of acceptable hosts; none: any", R"(["12.4"])"},
    {"minCudaVersion", "the least CUDA version of acceptable hosts", R"("12.1")"},
};
const json::Field compute{"computeType", "GPU or CPU", R"("GPU")"};

struct EndpointUpdateInput {
  std::optional<std::string> name, templateId;
  std::optional<Words> gpuTypeIds;
  std::optional<int> gpuCount;
  std::optional<Words> cpuFlavorIds;
  std::optional<int> vcpuCount, workersMin, workersMax, idleTimeout;
  std::optional<ScalerType> scalerType;
  std::optional<int> scalerValue;
  std::optional<std::int64_t> executionTimeoutMs;
  std::optional<bool> flashboot;
  std::optional<Words> dataCenterIds;
  std::optional<std::string> networkVolumeId;
  std::optional<Words> networkVolumeIds, allowedCudaVersions;
  std::optional<std::string> minCudaVersion;
};
BOOST_DESCRIBE_STRUCT(EndpointUpdateInput, (),
                      (name, templateId, gpuTypeIds, gpuCount, cpuFlavorIds, vcpuCount, workersMin, workersMax,
                       idleTimeout, scalerType, scalerValue, executionTimeoutMs, flashboot, dataCenterIds,
                       networkVolumeId, networkVolumeIds, allowedCudaVersions, minCudaVersion))
json::Fields fields(const EndpointUpdateInput*) { return shared; }

struct EndpointCreateInput : EndpointUpdateInput {
  std::optional<ComputeType> computeType;
};
BOOST_DESCRIBE_STRUCT(EndpointCreateInput, (EndpointUpdateInput), (computeType))
json::Fields fields(const EndpointCreateInput*) {
  auto all = shared;
  all.push_back(compute);
  return all;
}

// What workers would run and run on: of an endpoint, and of each of its versions.
struct EndpointPart {
  std::string templateId, imageName;
  ComputeType computeType = ComputeType::GPU;
  Words gpuTypeIds;
  int gpuCount = 1;
  Words cpuFlavorIds;
  int vcpuCount = 2;
  Words dataCenterIds;
  std::optional<std::string> networkVolumeId;
  Words networkVolumeIds;
  std::map<std::string, std::string> env;
  Words allowedCudaVersions;
  std::optional<std::string> minCudaVersion;
  std::int64_t version = 1;
  Time createdAt{};
};
BOOST_DESCRIBE_STRUCT(EndpointPart, (),
                      (templateId, imageName, computeType, gpuTypeIds, gpuCount, cpuFlavorIds, vcpuCount, dataCenterIds,
                       networkVolumeId, networkVolumeIds, env, allowedCudaVersions, minCudaVersion, version, createdAt))

json::Fields part_words() {
  json::Fields out;
  for (const auto& field : shared)
    for (const char* name : {"templateId", "gpuTypeIds", "gpuCount", "cpuFlavorIds", "vcpuCount", "dataCenterIds",
                             "networkVolumeId", "networkVolumeIds", "allowedCudaVersions", "minCudaVersion"})
      if (field.name == name) out.push_back(field);
  out.push_back(compute);
  out.push_back({"imageName", "the image its workers run, of the template", R"("vllm/vllm-openai:v0.6")"});
  out.push_back({"env", "variables of its workers, of the template", R"({"MODEL":"llama"})"});
  out.push_back({"version", "counts up when what workers run or run on changes", "1"});
  out.push_back({"createdAt", "when it was made", R"("2026-11-22T01:15:00.250Z")"});
  return out;
}

struct EndpointVersionView : EndpointPart {
  AccountId userId;
};
BOOST_DESCRIBE_STRUCT(EndpointVersionView, (EndpointPart), (userId))
json::Fields fields(const EndpointVersionView*) {
  auto all = part_words();
  all.push_back({"userId", "who made this version", R"("user_2x7ab")"});
  return all;
}

struct EndpointView : EndpointPart {
  EndpointId id;
  std::string name;
  AccountId userId;
  int workersMin = 0, workersMax = 0, idleTimeout = 0;
  ScalerType scalerType = ScalerType::QUEUE_DELAY;
  int scalerValue = 0;
  std::int64_t executionTimeoutMs = 0;
  bool flashboot = false;
  Words instanceIds;
  std::vector<boost::json::value> workers;
};
BOOST_DESCRIBE_STRUCT(EndpointView, (EndpointPart),
                      (id, name, userId, workersMin, workersMax, idleTimeout, scalerType, scalerValue,
                       executionTimeoutMs, flashboot, instanceIds, workers))
json::Fields fields(const EndpointView*) {
  auto all = part_words();
  for (const auto& field : shared)
    for (const char* name : {"name", "workersMin", "workersMax", "idleTimeout", "scalerType", "scalerValue",
                             "executionTimeoutMs", "flashboot"})
      if (field.name == name) all.push_back(field);
  all.push_back({"id", "in the paths of its jobs", R"("4f0kx1m2a9c3de")"});
  all.push_back({"userId", "who made it", R"("user_2x7ab")"});
  all.push_back({"instanceIds", "always empty: CPU endpoints say cpuFlavorIds and vcpuCount", "[]"});
  all.push_back({"workers", "always empty: definitions have no workers yet", "[]"});
  return all;
}

void fill(EndpointPart& out, const EndpointSpec& spec, std::int64_t release, Time created_at) {
  out.templateId = spec.template_id;
  out.imageName = spec.settings.image;
  out.computeType = spec.compute;
  out.gpuTypeIds = spec.gpu_types;
  out.gpuCount = spec.gpu_count;
  out.cpuFlavorIds = spec.cpu_flavors;
  out.vcpuCount = spec.vcpu_count;
  out.dataCenterIds = spec.data_centers;
  if (!spec.network_volumes.empty()) out.networkVolumeId = spec.network_volumes.front();
  out.networkVolumeIds = spec.network_volumes;
  out.env = spec.settings.env;
  out.allowedCudaVersions = spec.cuda_allowed;
  out.minCudaVersion = spec.cuda_min;
  out.version = release;
  out.createdAt = created_at;
}

EndpointView view(const Endpoint& endpoint) {
  const auto spec = endpoint_spec_from_text(endpoint.spec);
  EndpointView out;
  fill(out, spec, endpoint.release, endpoint.created_at);
  out.id = endpoint.id;
  out.name = endpoint.name;
  out.userId = endpoint.account;
  out.workersMin = spec.workers_min;
  out.workersMax = spec.workers_max;
  out.idleTimeout = spec.idle_timeout_seconds;
  out.scalerType = spec.scaler;
  out.scalerValue = spec.scaler_value;
  out.executionTimeoutMs = spec.execution_timeout_ms;
  out.flashboot = spec.flashboot;
  return out;
}

EndpointVersionView view(const EndpointRelease& release) {
  EndpointVersionView out;
  fill(out, endpoint_spec_from_text(release.spec), release.release, release.created_at);
  out.userId = release.account;
  return out;
}

// `template` is no name that C++ lets a struct have.
boost::json::value with_template(const Endpoint& endpoint, const TemplateService& templates, const Request& request) {
  auto out = json::to_json(view(endpoint));
  if (!request.query.flag("includeTemplate")) return out;
  const auto id = endpoint_spec_from_text(endpoint.spec).template_id;
  const auto found = templates.get(request.caller, TemplateId(id));
  out.as_object()["template"] =
      found ? boost::json::value(template_json(*found, request.caller.workspace)) : boost::json::value();
  return out;
}

// The wish with what the body gives.
EndpointWish with(EndpointWish wish, const EndpointUpdateInput& input) {
  const auto take = [](auto& into, const auto& from) {
    if (from) into = *from;
  };
  auto& spec = wish.spec;
  take(wish.name, input.name);
  take(spec.template_id, input.templateId);
  wish.template_named = input.templateId.has_value();
  take(spec.gpu_types, input.gpuTypeIds);
  take(spec.gpu_count, input.gpuCount);
  take(spec.cpu_flavors, input.cpuFlavorIds);
  take(spec.vcpu_count, input.vcpuCount);
  take(spec.workers_min, input.workersMin);
  take(spec.workers_max, input.workersMax);
  take(spec.idle_timeout_seconds, input.idleTimeout);
  take(spec.scaler, input.scalerType);
  take(spec.scaler_value, input.scalerValue);
  take(spec.execution_timeout_ms, input.executionTimeoutMs);
  take(spec.flashboot, input.flashboot);
  take(spec.data_centers, input.dataCenterIds);
  take(spec.cuda_allowed, input.allowedCudaVersions);
  // Old clients send "" for none.
  if (input.minCudaVersion) {
    spec.cuda_min.reset();
    if (!input.minCudaVersion->empty()) spec.cuda_min = *input.minCudaVersion;
  }
  if (input.networkVolumeId || input.networkVolumeIds) {
    spec.network_volumes = input.networkVolumeIds.value_or(Words());
    const auto first = input.networkVolumeId.value_or("");
    if (!first.empty()) {
      std::erase(spec.network_volumes, first);
      spec.network_volumes.insert(spec.network_volumes.begin(), first);
    }
  }
  return wish;
}

EndpointId id_of(const Request& request) { return EndpointId(request.param("id")); }

Response shown(const Endpoint& endpoint, const TemplateService& templates, const Request& request) {
  auto response = http::json_response(200, json::encode(with_template(endpoint, templates, request)));
  return http::with_version(std::move(response), endpoint.version);
}

}  // namespace

std::vector<Route> endpoint_routes(EndpointService& endpoints, const TemplateService& templates,
                                   json::UnknownKeys unknown) {
  const std::vector<http::QueryParameter> included{
      {"includeTemplate", "its template, in `template`", "true"},
      {"includeWorkers", "accepted; definitions have no workers yet", "true"}};
  http::Resource out{.path = "/v1/endpoints",
                     .tag = "Endpoints",
                     .one = "an endpoint",
                     .many = "endpoints",
                     .not_found = Reason::endpoint_not_found,
                     .create_body = json::schema<EndpointCreateInput>(),
                     .update_body = json::schema<EndpointUpdateInput>(),
                     .answer = json::schema<EndpointView>(),
                     .answers = json::schema_list<EndpointView>()};
  out.create = {"Its definition: what workers run, on what, and how many there are when. Workers do not run yet.",
                {Reason::template_not_serverless},
                [&endpoints, &templates, unknown](const Request& request) -> Result<Response> {
                  const auto input = TRY(json::decode<EndpointCreateInput>(request.body, unknown));
                  auto wish = with({.name = "my endpoint"}, input);
                  wish.spec.compute = input.computeType.value_or(ComputeType::GPU);
                  return shown(TRY(endpoints.create(request.caller, wish)), templates, request);
                }};
  out.list = {"By name.",
              {},
              [&endpoints, &templates](const Request& request) -> Result<Response> {
                const auto by_name = [](const Endpoint& found) { return std::vector{found.name, found.id.str()}; };
                const auto shown = [&](const Endpoint& found) { return with_template(found, templates, request); };
                return http::list_response(request, endpoints.list(request.caller), by_name, shown);
              },
              included};
  out.get = {"With the number of its version.",
             {},
             [&endpoints, &templates](const Request& request) -> Result<Response> {
               return shown(TRY(endpoints.get(request.caller, id_of(request))), templates, request);
             },
             included};
  out.update = {"A change of what workers run or run on makes a new version.",
                {Reason::template_not_serverless},
                [&endpoints, &templates, unknown](const Request& request) -> Result<Response> {
                  const auto input = TRY(json::decode<EndpointUpdateInput>(request.body, unknown));
                  const auto change = [&](const Endpoint& now) -> Result<EndpointWish> {
                    TRY(http::check_version(request, now.version));
                    return with({.name = now.name, .spec = endpoint_spec_from_text(now.spec)}, input);
                  };
                  return shown(TRY(endpoints.update(request.caller, id_of(request), change)), templates, request);
                }};
  out.remove = {"With its versions.", {}, [&endpoints](const Request& request) -> Result<Response> {
                  TRY(endpoints.remove(request.caller, id_of(request)));
                  return Response{.status = 204};
                }};
  auto routes = http::resource_routes(std::move(out));
  routes.push_back(Route{.method = Method::get,
                         .path = "/v1/endpoints/{id}/versions",
                         .access = Access::reader,
                         .summary = "List the versions of an endpoint",
                         .description = "Newest first, the last hundred.",
                         .tag = "Endpoints",
                         .answer = json::schema_list<EndpointVersionView>(),
                         .errors = {Reason::endpoint_not_found},
                         .handler = [&endpoints](const Request& request) -> Result<Response> {
                           std::vector<EndpointVersionView> views;
                           for (const auto& release : TRY(endpoints.releases(request.caller, id_of(request))))
                             views.push_back(view(release));
                           return http::json_response(200, json::encode(views));
                         }});
  return routes;
}

}  // namespace gyre
