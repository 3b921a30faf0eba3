#include "catalog/catalog_routes.hpp"

#include "json/money.hpp"

namespace gyre {
namespace {

using http::Access;
using http::Method;
using http::Request;
using http::Response;
using http::Route;

const json::Fields price_words{
    {"securePrice", "dollars an hour for one GPU on demand, cloudType SECURE; null: none", "0.44"},
    {"communityPrice", "the same for COMMUNITY", "0.34"},
    {"secureSpotPrice", "lowest bid of a spot pod, SECURE", "0.22"},
    {"communitySpotPrice", "lowest bid of a spot pod, COMMUNITY", "0.17"},
};

struct CatalogGpuView {
  std::string id, displayName;
  std::int64_t memoryInGb = 0;
  std::optional<std::string> pool;
  bool secureCloud = true, communityCloud = true;
  std::optional<Money> securePrice, communityPrice, secureSpotPrice, communitySpotPrice;
  int totalCount = 0, availableCount = 0, maxGpuCount = 0, maxAvailableGpuCount = 0;
  std::optional<std::string> stockStatus;
};
BOOST_DESCRIBE_STRUCT(CatalogGpuView, (),
                      (id, displayName, memoryInGb, pool, secureCloud, communityCloud, securePrice, communityPrice,
                       secureSpotPrice, communitySpotPrice, totalCount, availableCount, maxGpuCount,
                       maxAvailableGpuCount, stockStatus))
json::Fields fields(const CatalogGpuView*) {
  json::Fields out{{"id", "what pods name in gpuTypeIds: the driver's name", R"("NVIDIA A40")"},
                   {"displayName", "name for people", R"("A40")"},
                   {"memoryInGb", "memory of one", "48"},
                   {"pool", "pool of serverless endpoints", R"("AMPERE_48")"},
                   {"secureCloud", "always true: every host counts as both", "true"},
                   {"communityCloud", "always true", "true"}};
  out.insert(out.end(), price_words.begin(), price_words.end());
  for (json::Field field :
       {json::Field{"totalCount", "on hosts that are online and take pods", "8"},
        {"availableCount", "of these, held by no pod", "3"},
        {"maxGpuCount", "the most on one host: what one pod can have", "4"},
        {"maxAvailableGpuCount", "the most that one pod can have now", "2"},
        {"stockStatus", "High from 8 available, Medium from 3, Low from 1; null: none", R"("Medium")"}})
    out.push_back(std::move(field));
  return out;
}

struct GpuTypeCreateInput {
  std::string id, displayName;
  std::int64_t memoryInGb = 0;
  std::optional<std::string> pool;
};
BOOST_DESCRIBE_STRUCT(GpuTypeCreateInput, (), (id, displayName, memoryInGb, pool))
json::Fields fields(const GpuTypeCreateInput*) {
  return {{"id", "exactly the driver's name", R"("NVIDIA GeForce GTX 1080 Ti")"},
          {"displayName", "name for people", R"("GTX 1080 Ti")"},
          {"memoryInGb", "memory of one", "11"},
          {"pool", "pool of serverless endpoints", R"("PASCAL_11")"}};
}

struct GpuPriceInput {
  std::optional<Time> from;
  std::optional<Money> securePrice, communityPrice, secureSpotPrice, communitySpotPrice;
};
BOOST_DESCRIBE_STRUCT(GpuPriceInput, (), (from, securePrice, communityPrice, secureSpotPrice, communitySpotPrice))
json::Fields fields(const GpuPriceInput*) {
  json::Fields out{{"from", "when it begins; now without it, never in the past", R"("2026-12-01T00:00:00.000Z")"}};
  out.insert(out.end(), price_words.begin(), price_words.end());
  return out;
}

struct GpuPriceView {
  Time from{};
  std::optional<Money> securePrice, communityPrice, secureSpotPrice, communitySpotPrice;
};
BOOST_DESCRIBE_STRUCT(GpuPriceView, (), (from, securePrice, communityPrice, secureSpotPrice, communitySpotPrice))
json::Fields fields(const GpuPriceView*) {
  json::Fields out{{"from", "it holds from then until the next one", R"("2026-12-01T00:00:00.000Z")"}};
  out.insert(out.end(), price_words.begin(), price_words.end());
  return out;
}

struct GpuAvailabilityView {
  std::string gpuTypeId, displayName;
  int availableCount = 0;
  std::optional<std::string> stockStatus;
};
BOOST_DESCRIBE_STRUCT(GpuAvailabilityView, (), (gpuTypeId, displayName, availableCount, stockStatus))
json::Fields fields(const GpuAvailabilityView*) {
  return {{"gpuTypeId", "GPU type", R"("NVIDIA A40")"},
          {"displayName", "name for people", R"("A40")"},
          {"availableCount", "held by no pod", "3"},
          {"stockStatus", "High, Medium, Low, or null: none", R"("Medium")"}};
}

struct DataCenterView {
  std::string id, name, location, countryCode;
  std::vector<GpuAvailabilityView> gpuAvailability;
};
BOOST_DESCRIBE_STRUCT(DataCenterView, (), (id, name, location, countryCode, gpuAvailability))
json::Fields fields(const DataCenterView*) {
  return {{"id", "RUNPOD_DC_ID in its pods", R"("LOCAL")"},
          {"name", "name for people", R"("LOCAL")"},
          {"location", "for people; empty: nobody has said", R"("Seoul")"},
          {"countryCode", "ISO 3166-1 alpha-2; empty: nobody has said", R"("KR")"},
          {"gpuAvailability", "the GPU types that its hosts have", "[]"}};
}

struct CpuTypeView {
  std::string id, displayName;
  int ramMultiplier = 0;
  int maxAvailableVcpu = 0;
};
BOOST_DESCRIBE_STRUCT(CpuTypeView, (), (id, displayName, ramMultiplier, maxAvailableVcpu))
json::Fields fields(const CpuTypeView*) {
  return {{"id", "CPU flavour, as in cpuFlavorIds", R"("cpu3c")"},
          {"displayName", "name for people", R"("3rd generation, compute")"},
          {"ramMultiplier", "GB of memory for each vCPU", "2"},
          {"maxAvailableVcpu", "free on one host now; flavours share the hosts", "16"}};
}

CatalogGpuView view(const CatalogGpu& gpu) {
  CatalogGpuView out;
  out.id = gpu.type.id;
  out.displayName = gpu.type.display_name;
  out.memoryInGb = gpu.type.memory_gb;
  out.pool = gpu.type.pool;
  if (gpu.price) {
    out.securePrice = gpu.price->secure;
    out.communityPrice = gpu.price->community;
    out.secureSpotPrice = gpu.price->secure_spot;
    out.communitySpotPrice = gpu.price->community_spot;
  }
  out.totalCount = gpu.stock.total;
  out.availableCount = gpu.stock.free;
  out.maxGpuCount = gpu.stock.max_on_host;
  out.maxAvailableGpuCount = gpu.stock.max_free_on_host;
  out.stockStatus = stock_status(gpu.stock.free);
  return out;
}

DataCenterView view(const CatalogService& catalog, const DataCenter& center) {
  DataCenterView out{center.id, center.name, center.location, center.country, {}};
  for (const auto& gpu :
       catalog.gpus({.data_centers = {center.id}, .countries = {}, .cuda_allowed = {}, .cuda_min = {}}))
    if (gpu.stock.total > 0)
      out.gpuAvailability.push_back({gpu.type.id, gpu.type.display_name, gpu.stock.free, stock_status(gpu.stock.free)});
  return out;
}

GpuPriceView view(const GpuPrice& price) {
  return {price.from_at, price.secure, price.community, price.secure_spot, price.community_spot};
}

}  // namespace

std::vector<Route> catalog_routes(CatalogService& catalog, json::UnknownKeys unknown) {
  const std::string tag = "Catalogue";
  return {
      Route{.method = Method::get,
            .path = "/v1/catalog/gputypes",
            .access = Access::reader,
            .summary = "List GPU types",
            .description = "With the prices in force and what is free now. Types that no host has are listed, too.",
            .tag = tag,
            .answer = json::schema_list<CatalogGpuView>(),
            .handler = [&catalog](const Request&) -> Result<Response> {
              std::vector<CatalogGpuView> views;
              for (const auto& gpu : catalog.gpus()) views.push_back(view(gpu));
              return http::json_response(200, json::encode(views));
            }},
      Route{.method = Method::post,
            .path = "/v1/catalog/gputypes",
            .access = Access::admin,
            .summary = "Add a GPU type",
            .description = "Gives a type that this version does not know a name for people. For the operator.",
            .tag = tag,
            .idempotency_key = true,
            .body = json::schema<GpuTypeCreateInput>(),
            .status = 201,
            .answer = json::schema<CatalogGpuView>(),
            .errors = {Reason::invalid_field, Reason::missing_field, Reason::unknown_field, Reason::gpu_type_exists},
            .handler = [&catalog, unknown](const Request& request) -> Result<Response> {
              auto input = TRY(json::decode<GpuTypeCreateInput>(request.body, unknown));
              GpuType wanted;
              wanted.id = std::move(input.id);
              wanted.display_name = std::move(input.displayName);
              wanted.memory_gb = input.memoryInGb;
              wanted.pool = std::move(input.pool);
              const auto made = TRY(catalog.add_type(wanted));
              return http::json_response(201, json::encode(view(TRY(catalog.gpu(made.id)))));
            }},
      Route{.method = Method::get,
            .path = "/v1/catalog/gputypes/{id}",
            .access = Access::reader,
            .summary = "Get a GPU type",
            .description = "The id is escaped in the path: NVIDIA%20A40.",
            .tag = tag,
            .answer = json::schema<CatalogGpuView>(),
            .errors = {Reason::gpu_type_not_found},
            .handler = [&catalog](const Request& request) -> Result<Response> {
              return http::json_response(200, json::encode(view(TRY(catalog.gpu(request.param("id"))))));
            }},
      Route{.method = Method::get,
            .path = "/v1/catalog/gputypes/{id}/prices",
            .access = Access::reader,
            .summary = "List the prices of a GPU type",
            .description = "Oldest first, those to come too; the last thousand.",
            .tag = tag,
            .answer = json::schema_list<GpuPriceView>(),
            .errors = {Reason::gpu_type_not_found},
            .handler = [&catalog](const Request& request) -> Result<Response> {
              TRY(catalog.gpu(request.param("id")));
              std::vector<GpuPriceView> views;
              for (const auto& price : catalog.prices(request.param("id"))) views.push_back(view(price));
              return http::json_response(200, json::encode(views));
            }},
      Route{.method = Method::post,
            .path = "/v1/catalog/gputypes/{id}/prices",
            .access = Access::admin,
            .summary = "Set the price of a GPU type",
            .description = "From a time on. Pods that were made before keep the price that held then. A price that has "
                           "not begun is replaced by one of the same time. For the operator.",
            .tag = tag,
            .body = json::schema<GpuPriceInput>(),
            .status = 201,
            .answer = json::schema<GpuPriceView>(),
            .errors = {Reason::invalid_field, Reason::unknown_field, Reason::gpu_type_not_found},
            .handler = [&catalog, unknown](const Request& request) -> Result<Response> {
              const auto input = TRY(json::decode<GpuPriceInput>(request.body, unknown));
              GpuPrice wanted;
              wanted.gpu_type = request.param("id");
              wanted.secure = input.securePrice;
              wanted.community = input.communityPrice;
              wanted.secure_spot = input.secureSpotPrice;
              wanted.community_spot = input.communitySpotPrice;
              return http::json_response(201, json::encode(view(TRY(catalog.set_price(wanted, input.from)))));
            }},
      Route{.method = Method::get,
            .path = "/v1/catalog/datacenters",
            .access = Access::reader,
            .summary = "List data centres",
            .description = "LOCAL first; others are those that the operator added. With what is free there now.",
            .tag = tag,
            .answer = json::schema_list<DataCenterView>(),
            .handler = [&catalog](const Request&) -> Result<Response> {
              std::vector<DataCenterView> views;
              for (const auto& center : catalog.data_centers()) views.push_back(view(catalog, center));
              return http::json_response(200, json::encode(views));
            }},
      Route{.method = Method::get,
            .path = "/v1/catalog/datacenters/{id}",
            .access = Access::reader,
            .summary = "Get a data centre",
            .description = "With what is free there now.",
            .tag = tag,
            .answer = json::schema<DataCenterView>(),
            .errors = {Reason::data_center_not_found},
            .handler = [&catalog](const Request& request) -> Result<Response> {
              return http::json_response(200,
                                         json::encode(view(catalog, TRY(catalog.data_center(request.param("id"))))));
            }},
      Route{.method = Method::get,
            .path = "/v1/catalog/cputypes",
            .access = Access::reader,
            .summary = "List CPU flavours",
            .description = "Accepted in cpuFlavorIds; hosts are not told apart by flavour in this version.",
            .tag = tag,
            .answer = json::schema_list<CpuTypeView>(),
            .handler = [&catalog](const Request&) -> Result<Response> {
              const int free = static_cast<int>(catalog.vcpus_free());
              std::vector<CpuTypeView> views;
              for (const auto& flavor : catalog.cpu_flavors())
                views.push_back({flavor.id, flavor.display_name, flavor.memory_gb_per_vcpu, free});
              return http::json_response(200, json::encode(views));
            }},
  };
}

}  // namespace gyre
