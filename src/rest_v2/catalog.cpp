#include <algorithm>
#include <cmath>

#include "json/money.hpp"
#include "rest_v2/parts.hpp"

namespace gyre::rest_v2 {
namespace {

using http::Access;
using http::Method;
using http::Request;
using http::Response;
using http::Route;

enum class AvailabilityV2 { NONE, LOW, MEDIUM, HIGH };
BOOST_DESCRIBE_ENUM(AvailabilityV2, NONE, LOW, MEDIUM, HIGH)

AvailabilityV2 level(int free) {
  const auto stock = stock_status(free);
  if (!stock) return AvailabilityV2::NONE;
  return *stock == "High" ? AvailabilityV2::HIGH : *stock == "Medium" ? AvailabilityV2::MEDIUM : AvailabilityV2::LOW;
}

struct GpuV2Price {
  std::optional<Money> secure, community, serverless;
};
BOOST_DESCRIBE_STRUCT(GpuV2Price, (), (secure, community, serverless))
json::Fields fields(const GpuV2Price*) {
  return {{"secure", "dollars an hour for one on demand; null: it has no price", "0.44"},
          {"community", "the same for COMMUNITY", "0.34"},
          {"serverless", "null: endpoints have no prices yet", "null"}};
}

struct GpuV2Max {
  int secure = 0, community = 0;
};
BOOST_DESCRIBE_STRUCT(GpuV2Max, (), (secure, community))
json::Fields fields(const GpuV2Max*) {
  return {{"secure", "the most on one host", "4"}, {"community", "the same: every host counts as both", "4"}};
}

struct AvailableV2 {
  std::string id, name;
  AvailabilityV2 availability = AvailabilityV2::NONE;
};
BOOST_DESCRIBE_STRUCT(AvailableV2, (), (id, name, availability))
json::Fields fields(const AvailableV2*) {
  return {{"id", "what it is called in bodies", R"("LOCAL")"},
          {"name", "name for people", R"("LOCAL")"},
          {"availability", "HIGH from 8 free ones, MEDIUM from 3, LOW from 1, NONE", R"("MEDIUM")"}};
}

struct CudaV2 {
  std::string version;
  AvailabilityV2 availability = AvailabilityV2::NONE;
};
BOOST_DESCRIBE_STRUCT(CudaV2, (), (version, availability))
json::Fields fields(const CudaV2*) {
  return {{"version", "that drivers support at most", R"("12.4")"},
          {"availability", "on hosts that support at least this", R"("MEDIUM")"}};
}

struct GpuV2 {
  std::string id, name;
  std::optional<std::string> pool;
  std::string manufacturer;
  std::int64_t memory = 0;
  bool secure = true, community = true;
  GpuV2Price price;
  GpuV2Max maxCount;
  std::optional<AvailabilityV2> availability;
  std::optional<std::vector<AvailableV2>> dataCenters;
  std::optional<std::vector<CudaV2>> cudaVersions;
};
BOOST_DESCRIBE_STRUCT(GpuV2, (),
                      (id, name, pool, manufacturer, memory, secure, community, price, maxCount, availability,
                       dataCenters, cudaVersions))
json::Fields fields(const GpuV2*) {
  return {{"id", "what pods name as gpu.id", R"("NVIDIA A40")"},
          {"name", "name for people", R"("A40")"},
          {"pool", "pool of serverless endpoints; null: in none", R"("AMPERE_48")"},
          {"manufacturer", "NVIDIA or AMD", R"("NVIDIA")"},
          {"memory", "of one, in GB", "48"},
          {"secure", "always true: every host counts as both", "true"},
          {"community", "always true", "true"},
          {"price", "of one", R"({"secure":0.44,"community":0.34})"},
          {"maxCount", "what one pod can have at most", R"({"secure":4,"community":4})"},
          {"availability", "of `count` on one host, with include=AVAILABILITY; else absent", R"("MEDIUM")"},
          {"dataCenters", "where; likewise, and absent when there are none", "[]"},
          {"cudaVersions", "on which drivers; likewise", "[]"}};
}

struct GpuV2List {
  std::vector<GpuV2> gpus;
};
BOOST_DESCRIBE_STRUCT(GpuV2List, (), (gpus))
json::Fields fields(const GpuV2List*) { return {{"gpus", "also those that no host has", "[]"}}; }

struct CpuV2Range {
  int min = 1, max = 0;
};
BOOST_DESCRIBE_STRUCT(CpuV2Range, (), (min, max))
json::Fields fields(const CpuV2Range*) {
  return {{"min", "the fewest", "1"}, {"max", "the most that are free on one host now", "16"}};
}

struct CpuV2Price {
  double securePerVcpu = 0, serverlessPerVcpu = 0;
};
BOOST_DESCRIBE_STRUCT(CpuV2Price, (), (securePerVcpu, serverlessPerVcpu))
json::Fields fields(const CpuV2Price*) {
  return {{"securePerVcpu", "always 0: vCPUs have no price here", "0"}, {"serverlessPerVcpu", "always 0", "0"}};
}

struct CpuV2 {
  std::string id, name, group;
  CpuV2Range vcpu;
  double ramGbPerVcpu = 0;
  CpuV2Price price;
  std::optional<AvailabilityV2> availability;
};
BOOST_DESCRIBE_STRUCT(CpuV2, (), (id, name, group, vcpu, ramGbPerVcpu, price, availability))
json::Fields fields(const CpuV2*) {
  return {{"id", "what pods name as cpu.id", R"("cpu3c")"},
          {"name", "name for people", R"("3rd generation, compute")"},
          {"group", "its generation", R"("3rd generation")"},
          {"vcpu", "how many a pod may have", R"({"min":1,"max":16})"},
          {"ramGbPerVcpu", "memory that each brings", "2"},
          {"price", "of a vCPU", R"({"securePerVcpu":0,"serverlessPerVcpu":0})"},
          {"availability", "of `vcpuCount` on one host, with include=AVAILABILITY; else absent", R"("HIGH")"}};
}

struct CpuV2List {
  std::vector<CpuV2> cpus;
};
BOOST_DESCRIBE_STRUCT(CpuV2List, (), (cpus))
json::Fields fields(const CpuV2List*) { return {{"cpus", "hosts are not told apart by flavour", "[]"}}; }

struct DataCenterV2 {
  std::string id, name, region;
  std::vector<std::string> networkVolumeTypes, compliance;
  bool globalNetwork = false;
  std::optional<std::vector<AvailableV2>> gpuAvailability, cpuAvailability;
};
BOOST_DESCRIBE_STRUCT(DataCenterV2, (),
                      (id, name, region, networkVolumeTypes, compliance, globalNetwork, gpuAvailability,
                       cpuAvailability))
json::Fields fields(const DataCenterV2*) {
  return {{"id", "RUNPOD_DC_ID in its pods", R"("LOCAL")"},
          {"name", "name for people", R"("LOCAL")"},
          {"region", "its country; UNKNOWN: nobody has said", R"("UNKNOWN")"},
          {"networkVolumeTypes", "STANDARD where shared storage is set up; else empty", R"(["STANDARD"])"},
          {"compliance", "always empty", "[]"},
          {"globalNetwork", "always false: not offered yet", "false"},
          {"gpuAvailability", "of the GPU types its hosts have, with include=GPU_AVAILABILITY; else absent", "[]"},
          {"cpuAvailability", "of CPU flavours, with include=CPU_AVAILABILITY; else absent", "[]"}};
}

struct DataCenterV2List {
  std::vector<DataCenterV2> dataCenters;
};
BOOST_DESCRIBE_STRUCT(DataCenterV2List, (), (dataCenters))
json::Fields fields(const DataCenterV2List*) {
  return {{"dataCenters", "LOCAL, and those that the operator added", "[]"}};
}

// What is asked about availability. `product` is what it is for: without difference here, but it must be said.
struct Asked {
  bool availability = false;
  int count = 1;
  Where where;
};

std::vector<std::string> parts_of(const std::vector<std::string>& values) {
  std::vector<std::string> out;
  for (const auto& value : values)
    for (std::size_t at = 0; at <= value.size();) {
      const auto end = std::min(value.find(',', at), value.size());
      if (end > at) out.push_back(value.substr(at, end - at));
      at = end + 1;
    }
  return out;
}

Result<std::vector<std::string>> choices(const Request& request, const std::string& name,
                                         const std::vector<std::string>& known) {
  auto given = parts_of(request.query.all(name));
  std::string all;
  for (const auto& one : known) all += (all.empty() ? "" : ", ") + one;
  for (const auto& one : given)
    if (std::find(known.begin(), known.end(), one) == known.end())
      return invalid(name, Detail::one_of, {{"choices", all}});
  return given;
}

// Such as 12.4, as pods name it.
bool is_cuda_version(const std::string& text) {
  const auto dot = text.find('.');
  const auto digits = [](const std::string& part) {
    return !part.empty() && part.size() <= 3 && part.find_first_not_of("0123456789") == std::string::npos;
  };
  return dot != std::string::npos && digits(text.substr(0, dot)) && digits(text.substr(dot + 1));
}

AvailabilityV2 level(const GpuStock& stock, int count) {
  return stock.max_free_on_host >= count ? level(stock.free) : AvailabilityV2::NONE;
}

Result<Asked> asked_of(const Request& request, const std::string& count, const std::vector<std::string>& products) {
  Asked out;
  out.availability = !TRY(choices(request, "include", {"AVAILABILITY"})).empty();
  const auto product = TRY(choices(request, "product", products));
  TRY(choice(request, "cloud", {"SECURE", "COMMUNITY"}));
  constexpr int count_max = 1024;
  out.count = TRY(number(request, count, 1, count_max)).value_or(1);
  if (out.availability && product.empty()) return fail(Reason::missing_field, {{"field", "product"}}, "product");
  for (const auto& name : {std::string("product"), count, std::string("cloud"), std::string("countryCodes"),
                           std::string("cudaVersions"), std::string("minCudaVersion")})
    if (!out.availability && request.query.get(name))
      return invalid(name, Detail::only_with, {{"other", "include=AVAILABILITY"}});
  out.where.countries = parts_of(request.query.all("countryCodes"));
  out.where.cuda_allowed = parts_of(request.query.all("cudaVersions"));
  for (const auto& version : out.where.cuda_allowed)
    if (!is_cuda_version(version)) return invalid("cudaVersions", Detail::cuda_version);
  out.where.cuda_min = request.query.get("minCudaVersion");
  if (out.where.cuda_min && !is_cuda_version(*out.where.cuda_min))
    return invalid("minCudaVersion", Detail::cuda_version);
  return out;
}

boost::json::value shown(const CatalogGpu& gpu, const Asked& asked, const CatalogService& catalog) {
  GpuV2 out;
  out.id = gpu.type.id;
  out.name = gpu.type.display_name;
  out.pool = gpu.type.pool;
  out.manufacturer = gpu.type.id.starts_with("AMD") ? "AMD" : "NVIDIA";
  out.memory = gpu.type.memory_gb;
  if (gpu.price) {
    out.price.secure = gpu.price->secure;
    out.price.community = gpu.price->community;
  }
  out.maxCount = {gpu.stock.max_on_host, gpu.stock.max_on_host};
  if (asked.availability) {
    const auto stock = catalog.stock(gpu.type.id, {}, asked.where);
    out.availability = level(stock, asked.count);
    if (stock.free > 0) {
      std::vector<AvailableV2> centers;
      for (const auto& center : catalog.data_centers()) {
        auto where = asked.where;
        where.data_centers = {center.id};
        const auto there = level(catalog.stock(gpu.type.id, {}, where), asked.count);
        if (there != AvailabilityV2::NONE) centers.push_back({center.id, center.name, there});
      }
      if (!centers.empty()) out.dataCenters = std::move(centers);
      std::vector<CudaV2> versions;
      for (const auto& version : catalog.cuda_versions(gpu.type.id, asked.where)) {
        auto where = asked.where;
        where.cuda_min = version;  // no lower than what is asked for: these hosts fit
        const auto there = level(catalog.stock(gpu.type.id, {}, where), asked.count);
        if (there != AvailabilityV2::NONE) versions.push_back({version, there});
      }
      if (!versions.empty()) out.cudaVersions = std::move(versions);
    }
  }
  auto made = json::to_json(out);
  if (!out.availability) made.get_object().stable_erase("availability");
  if (!out.dataCenters) made.get_object().stable_erase("dataCenters");
  if (!out.cudaVersions) made.get_object().stable_erase("cudaVersions");
  return made;
}

boost::json::value shown(const CpuFlavor& flavor, const Asked& asked, int free) {
  CpuV2 out;
  out.id = flavor.id;
  out.name = flavor.display_name;
  out.group = flavor.display_name.substr(0, flavor.display_name.find(','));
  out.vcpu.max = free;
  out.ramGbPerVcpu = flavor.memory_gb_per_vcpu;
  if (asked.availability) out.availability = free >= asked.count ? level(free / asked.count) : AvailabilityV2::NONE;
  auto made = json::to_json(out);
  if (!out.availability) made.get_object().stable_erase("availability");
  return made;
}

boost::json::value data_center(const Services& services, const DataCenter& center,
                               const std::vector<std::string>& include) {
  const auto& catalog = services.resources.catalog();
  const auto wants = [&](const char* what) { return std::find(include.begin(), include.end(), what) != include.end(); };
  DataCenterV2 out;
  out.id = center.id;
  out.name = center.name;
  out.region = center.country.empty() ? "UNKNOWN" : center.country;
  Where where;
  where.data_centers = {center.id};
  if (services.resources.volumes().offered_in(out.id)) out.networkVolumeTypes = {"STANDARD"};
  if (wants("GPU_AVAILABILITY")) {
    std::vector<AvailableV2> all;
    for (const auto& gpu : catalog.gpus(where))
      if (gpu.stock.total > 0) all.push_back({gpu.type.id, gpu.type.display_name, level(gpu.stock.free)});
    if (!all.empty()) out.gpuAvailability = std::move(all);
  }
  if (wants("CPU_AVAILABILITY")) {
    std::vector<AvailableV2> all;
    for (const auto& flavor : catalog.cpu_flavors())
      all.push_back({flavor.id, flavor.display_name, level(static_cast<int>(catalog.vcpus_free(where)))});
    out.cpuAvailability = std::move(all);
  }
  auto made = json::to_json(out);
  if (!out.gpuAvailability) made.get_object().stable_erase("gpuAvailability");
  if (!out.cpuAvailability) made.get_object().stable_erase("cpuAvailability");
  return made;
}

Response named(const char* name, boost::json::array list) {
  return http::json_response(200, json::encode(boost::json::value(boost::json::object{{name, std::move(list)}})));
}

}  // namespace

std::vector<Route> catalog_routes(const Services& services) {
  const auto& catalog = services.resources.catalog();
  const std::string tag = "Catalogue (v2)";
  const std::vector<std::string> gpu_products{"POD", "CLUSTER", "SERVERLESS"}, cpu_products{"POD", "SERVERLESS"};
  const std::vector<http::QueryParameter> gpu_query{
      {"include", "AVAILABILITY: with what is free now", "AVAILABILITY"},
      {"product", "what for: POD, CLUSTER, SERVERLESS, comma-separated; needed with include", "POD"},
      {"count", "how many on one host; 1 without it", "2"},
      {"cloud", "SECURE or COMMUNITY: the same here", "SECURE"},
      {"countryCodes", "only in data centres of these countries, comma-separated", "KR"},
      {"cudaVersions", "only where the driver supports one of these, comma-separated", "12.4"},
      {"minCudaVersion", "only where the driver supports this", "12.1"}};
  const std::vector<http::QueryParameter> cpu_query{
      {"include", "AVAILABILITY: with what is free now", "AVAILABILITY"},
      {"product", "what for: POD, SERVERLESS, comma-separated; needed with include", "POD"},
      {"vcpuCount", "how many on one host; 1 without it", "4"}};
  const std::vector<http::QueryParameter> center_query{
      {"include", "GPU_AVAILABILITY, CPU_AVAILABILITY, comma-separated", "GPU_AVAILABILITY"}};
  const auto route = [&](const std::string& path, const std::string& summary, const std::string& description,
                         std::vector<http::QueryParameter> query, json::SchemaRef answer, std::vector<Reason> errors,
                         http::Handler handler) {
    return Route{.method = Method::get,
                 .path = path,
                 .access = Access::reader,
                 .summary = summary,
                 .description = description,
                 .tag = tag,
                 .query = std::move(query),
                 .answer = answer,
                 .errors = std::move(errors),
                 .handler = std::move(handler)};
  };
  const std::vector<Reason> of_query{Reason::invalid_field, Reason::missing_field, Reason::not_offered};
  auto of_gpu = of_query, of_cpu = of_query, of_center = of_query;
  of_gpu.push_back(Reason::gpu_type_not_found);
  of_cpu.push_back(Reason::cpu_flavor_not_found);
  of_center.push_back(Reason::data_center_not_found);
  const auto free = [&catalog] { return static_cast<int>(catalog.vcpus_free()); };
  const auto included = [](const Request& request) {
    return choices(request, "include", {"GPU_AVAILABILITY", "CPU_AVAILABILITY"});
  };
  return {
      route("/v2/catalog/gpus", "List GPU types", "Types that no host has are listed, too.", gpu_query,
            json::schema<GpuV2List>(), of_query,
            [&catalog, gpu_products](const Request& request) -> Result<Response> {
              const auto asked = TRY(asked_of(request, "count", gpu_products));
              boost::json::array list;
              for (const auto& gpu : catalog.gpus()) list.push_back(shown(gpu, asked, catalog));
              return named("gpus", std::move(list));
            }),
      route("/v2/catalog/gpus/{id}", "Get a GPU type", "The id is escaped in the path: NVIDIA%20A40.", gpu_query,
            json::schema<GpuV2>(), of_gpu,
            [&catalog, gpu_products](const Request& request) -> Result<Response> {
              const auto asked = TRY(asked_of(request, "count", gpu_products));
              const auto gpu = TRY(catalog.gpu(request.param("id")));
              return http::json_response(200, json::encode(shown(gpu, asked, catalog)));
            }),
      route("/v2/catalog/cpus", "List CPU flavours", "Each says how much memory a vCPU brings.", cpu_query,
            json::schema<CpuV2List>(), of_query,
            [&catalog, cpu_products, free](const Request& request) -> Result<Response> {
              const auto asked = TRY(asked_of(request, "vcpuCount", cpu_products));
              boost::json::array list;
              for (const auto& flavor : catalog.cpu_flavors()) list.push_back(shown(flavor, asked, free()));
              return named("cpus", std::move(list));
            }),
      route("/v2/catalog/cpus/{id}", "Get a CPU flavour", "", cpu_query, json::schema<CpuV2>(), of_cpu,
            [&catalog, cpu_products, free](const Request& request) -> Result<Response> {
              const auto asked = TRY(asked_of(request, "vcpuCount", cpu_products));
              for (const auto& flavor : catalog.cpu_flavors())
                if (flavor.id == request.param("id"))
                  return http::json_response(200, json::encode(shown(flavor, asked, free())));
              return fail(Reason::cpu_flavor_not_found, {{"id", request.param("id")}});
            }),
      route("/v2/catalog/datacenters", "List data centres", "LOCAL, and those that the operator added.", center_query,
            json::schema<DataCenterV2List>(), of_query,
            [&services, included](const Request& request) -> Result<Response> {
              const auto include = TRY(included(request));
              boost::json::array list;
              for (const auto& center : services.resources.catalog().data_centers())
                list.push_back(data_center(services, center, include));
              return named("dataCenters", std::move(list));
            }),
      route("/v2/catalog/datacenters/{id}", "Get a data centre", "", center_query, json::schema<DataCenterV2>(),
            of_center,
            [&services, &catalog, included](const Request& request) -> Result<Response> {
              const auto include = TRY(included(request));
              const auto center = TRY(catalog.data_center(request.param("id")));
              return http::json_response(200, json::encode(data_center(services, center, include)));
            }),
  };
}

}  // namespace gyre::rest_v2
