#include "compat/runpod_resolvers.hpp"

namespace gyre::compat {
namespace {

using graphql::Ask;

struct FilterInput {
  std::optional<std::string> id;
  std::optional<std::vector<std::string>> ids;
};
BOOST_DESCRIBE_STRUCT(FilterInput, (), (id, ids))

struct LowestPriceInput {
  std::optional<int> gpuCount, minMemoryInGb, minVcpuCount, totalDisk;
  std::optional<bool> secureCloud;
  std::optional<std::string> dataCenterId, countryCode, minCudaVersion;
  std::optional<std::vector<std::string>> allowedCudaVersions;
};
BOOST_DESCRIBE_STRUCT(LowestPriceInput, (),
                      (gpuCount, minMemoryInGb, minVcpuCount, totalDisk, secureCloud, dataCenterId, countryCode,
                       minCudaVersion, allowedCudaVersions))

struct FlavorInput {
  std::optional<std::string> id;
};
BOOST_DESCRIBE_STRUCT(FlavorInput, (), (id))

struct SpecificsInput {
  std::optional<std::string> dataCenterId, instanceId;
};
BOOST_DESCRIBE_STRUCT(SpecificsInput, (), (dataCenterId, instanceId))

struct RunpodGpu {
  CatalogGpu gpu;
  std::string id, displayName;
  std::int64_t memoryInGb = 0;
  int maxGpuCount = 0;
  std::string manufacturer;
  std::optional<int> cudaCores;
  bool secureCloud = false, communityCloud = false;
  std::optional<double> securePrice, communityPrice, secureSpotPrice, communitySpotPrice, oneWeekPrice, oneMonthPrice,
      threeMonthPrice, sixMonthPrice;
};
BOOST_DESCRIBE_STRUCT(RunpodGpu, (),
                      (id, displayName, memoryInGb, maxGpuCount, manufacturer, cudaCores, secureCloud, communityCloud,
                       securePrice, communityPrice, secureSpotPrice, communitySpotPrice, oneWeekPrice, oneMonthPrice,
                       threeMonthPrice, sixMonthPrice))

struct LowestPrice {
  std::optional<std::string> gpuName, gpuTypeId;
  std::optional<double> minimumBidPrice, uninterruptablePrice;
  std::optional<int> minMemory, minVcpu;
  std::optional<std::string> stockStatus;
  std::vector<int> availableGpuCounts;
};
BOOST_DESCRIBE_STRUCT(LowestPrice, (),
                      (gpuName, gpuTypeId, minimumBidPrice, uninterruptablePrice, minMemory, minVcpu, stockStatus,
                       availableGpuCounts))

struct Availability {
  std::string gpuTypeId, displayName;
  std::optional<std::string> stockStatus;
};
BOOST_DESCRIBE_STRUCT(Availability, (), (gpuTypeId, displayName, stockStatus))

struct RunpodDataCenter {
  std::string id, name, location;
  std::vector<Availability> gpuAvailability;
};
BOOST_DESCRIBE_STRUCT(RunpodDataCenter, (), (id, name, location, gpuAvailability))

struct Pool {
  std::string id;
  std::vector<std::string> gpuTypeIds;
};
BOOST_DESCRIBE_STRUCT(Pool, (), (id, gpuTypeIds))

struct CpuType {
  std::string id, displayName;
  int cores = 0, threadsPerCore = 1;
  std::string groupId;
};
BOOST_DESCRIBE_STRUCT(CpuType, (), (id, displayName, cores, threadsPerCore, groupId))

struct RunpodFlavor {
  std::string id, displayName;
  int ramMultiplier = 0;
};
BOOST_DESCRIBE_STRUCT(RunpodFlavor, (), (id, displayName, ramMultiplier))

struct Specifics {
  std::optional<std::string> stockStatus;
};
BOOST_DESCRIBE_STRUCT(Specifics, (), (stockStatus))

std::optional<double> amount(const std::optional<Money>& money) {
  if (!money) return std::nullopt;
  return money->as_double();
}

RunpodGpu shown(CatalogGpu gpu) {
  RunpodGpu out;
  out.id = gpu.type.id;
  out.displayName = gpu.type.display_name;
  out.memoryInGb = gpu.type.memory_gb;
  out.maxGpuCount = gpu.stock.max_on_host;
  out.manufacturer = gpu.type.id.starts_with("AMD") ? "AMD" : "Nvidia";
  if (gpu.price) {
    out.secureCloud = gpu.price->secure.has_value();
    out.communityCloud = gpu.price->community.has_value();
    out.securePrice = amount(gpu.price->secure);
    out.communityPrice = amount(gpu.price->community);
    out.secureSpotPrice = amount(gpu.price->secure_spot);
    out.communitySpotPrice = amount(gpu.price->community_spot);
  }
  out.gpu = std::move(gpu);
  return out;
}

constexpr std::int64_t gb = 1'000'000'000;

LowestPrice lowest(CatalogGpu gpu, const LowestPriceInput& wanted, const CatalogService& catalog) {
  LowestPrice out;
  const int count = std::max(1, wanted.gpuCount.value_or(1));
  if (given(wanted.dataCenterId) && !catalog.data_center(*wanted.dataCenterId)) return out;
  Where where;
  if (given(wanted.dataCenterId)) where.data_centers = {*wanted.dataCenterId};
  if (given(wanted.countryCode)) where.countries = {*wanted.countryCode};
  if (given(wanted.minCudaVersion)) where.cuda_min = wanted.minCudaVersion;
  where.cuda_allowed = wanted.allowedCudaVersions.value_or(std::vector<std::string>());
  const CatalogService::Need need{static_cast<double>(wanted.minVcpuCount.value_or(0)),
                                  wanted.minMemoryInGb.value_or(0) * gb, wanted.totalDisk.value_or(0) * gb};
  const bool somewhere =
      !where.data_centers.empty() || !where.countries.empty() || !where.cuda_allowed.empty() || where.cuda_min;
  if (gpu.stock.free > 0 && (somewhere || need.vcpus > 0 || need.memory_bytes > 0 || need.disk_bytes > 0))
    gpu.stock = catalog.stock(gpu.type.id, need, where);
  const std::string_view cloud = !wanted.secureCloud ? "ALL" : *wanted.secureCloud ? "SECURE" : "COMMUNITY";
  if (gpu.price) out.uninterruptablePrice = amount(on_demand(*gpu.price, cloud));
  if (gpu.price) out.minimumBidPrice = amount(lowest_bid(*gpu.price, cloud));
  for (int n = 1; n <= gpu.stock.max_free_on_host; ++n) out.availableGpuCounts.push_back(n);
  if (gpu.stock.max_free_on_host < count) return out;
  out.gpuName = gpu.type.display_name;
  out.gpuTypeId = gpu.type.id;
  out.minMemory = out.minVcpu = 1;  // the least that a pod may ask for
  out.stockStatus = stock_status(gpu.stock.free);
  return out;
}

Specifics specifics(const RunpodFlavor& flavor, const SpecificsInput& wanted, const CatalogService& catalog) {
  Specifics out;
  Where where;
  if (given(wanted.dataCenterId)) where.data_centers = {*wanted.dataCenterId};
  const auto size = instance_of(wanted.instanceId.value_or(""));
  if (given(wanted.instanceId) && (!size || size->flavor != flavor.id)) return out;
  const double free = catalog.vcpus_free(where);
  const int vcpus = size ? size->vcpus : 2;
  out.stockStatus = stock_status(static_cast<int>(free) / vcpus);
  return out;
}

}  // namespace

void add_catalog(graphql::Resolvers& resolvers, const Services& services) {
  const auto& catalog = services.resources.catalog();
  resolvers.type<RunpodGpu>("GpuType").members().field(
      "lowestPrice", [&catalog](const RunpodGpu& gpu, Ask& ask) -> Result<LowestPrice> {
        const auto wanted = TRY(input_of<std::optional<LowestPriceInput>>(ask));
        return lowest(gpu.gpu, wanted.value_or(LowestPriceInput{}), catalog);
      });
  resolvers.type<LowestPrice>("LowestPrice").members();
  resolvers.type<Availability>("GpuAvailability").members();
  resolvers.type<RunpodDataCenter>("DataCenter").members();
  resolvers.type<Pool>("ServerlessGpuPool").members();
  resolvers.type<CpuType>("CpuType").members();
  resolvers.type<Specifics>("CpuSpecifics").members();
  resolvers.type<RunpodFlavor>("CpuFlavor")
      .members()
      .field("specifics", [&catalog](const RunpodFlavor& flavor, Ask& ask) -> Result<Specifics> {
        const auto wanted = TRY(input_of<std::optional<SpecificsInput>>(ask)).value_or(SpecificsInput{});
        return specifics(flavor, wanted, catalog);
      });
  resolvers.query().field("cpuTypes", [&catalog](Ask&) {
    std::vector<CpuType> out;
    const int cores = static_cast<int>(catalog.vcpus_free());
    for (const auto& flavor : catalog.cpu_flavors())
      out.push_back({flavor.id, flavor.display_name, cores, 1, flavor.id});
    return out;
  });
  resolvers.query().field("cpuFlavors", [&catalog](Ask& ask) -> Result<std::vector<RunpodFlavor>> {
    const auto filter = TRY(input_of<std::optional<FlavorInput>>(ask)).value_or(FlavorInput{});
    std::vector<RunpodFlavor> out;
    for (const auto& flavor : catalog.cpu_flavors())
      if (!given(filter.id) || *filter.id == flavor.id)
        out.push_back({flavor.id, flavor.display_name, flavor.memory_gb_per_vcpu});
    return out;
  });

  resolvers.query().field("gpuTypes", [&catalog](Ask& ask) -> Result<std::vector<RunpodGpu>> {
    const auto filter = TRY(input_of<std::optional<FilterInput>>(ask)).value_or(FilterInput{});
    const auto wanted = [&](const std::string& id) {
      if (given(filter.id) && id != *filter.id) return false;
      return !filter.ids || std::find(filter.ids->begin(), filter.ids->end(), id) != filter.ids->end();
    };
    std::vector<RunpodGpu> out;
    for (auto& gpu : catalog.gpus())
      if (wanted(gpu.type.id)) out.push_back(shown(std::move(gpu)));
    return out;
  });
  resolvers.query().field("dataCenters", [&catalog](Ask&) {
    std::vector<RunpodDataCenter> out;
    for (const auto& center : catalog.data_centers()) {
      Where where;
      where.data_centers = {center.id};
      RunpodDataCenter shown{center.id, center.name, center.location, {}};
      for (const auto& gpu : catalog.gpus(where))
        shown.gpuAvailability.push_back({gpu.type.id, gpu.type.display_name, stock_status(gpu.stock.free)});
      out.push_back(std::move(shown));
    }
    return out;
  });
  resolvers.query().field("serverlessGpuPools", [&catalog](Ask&) {
    std::vector<Pool> out;
    for (auto& pool : catalog.pools()) out.push_back({std::move(pool.id), std::move(pool.types)});
    return out;
  });
}

}  // namespace gyre::compat
