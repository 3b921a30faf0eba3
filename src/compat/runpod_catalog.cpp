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
  std::optional<int> gpuCount;
  std::optional<bool> secureCloud;
  std::optional<std::string> dataCenterId;
};
BOOST_DESCRIBE_STRUCT(LowestPriceInput, (), (gpuCount, secureCloud, dataCenterId))

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

LowestPrice lowest(const CatalogGpu& gpu, const LowestPriceInput& wanted, const std::string& here) {
  LowestPrice out;
  const int count = std::max(1, wanted.gpuCount.value_or(1));
  if (wanted.dataCenterId && !wanted.dataCenterId->empty() && *wanted.dataCenterId != here) return out;
  const std::string_view cloud = !wanted.secureCloud ? "ALL" : *wanted.secureCloud ? "SECURE" : "COMMUNITY";
  if (gpu.price) out.uninterruptablePrice = amount(on_demand(*gpu.price, cloud));
  for (int n = 1; n <= gpu.stock.max_free_on_host; ++n) out.availableGpuCounts.push_back(n);
  if (gpu.stock.max_free_on_host < count) return out;
  out.gpuName = gpu.type.display_name;
  out.gpuTypeId = gpu.type.id;
  out.minMemory = out.minVcpu = 1;  // the least that a pod may ask for
  out.stockStatus = stock_status(gpu.stock.free);
  return out;
}

}  // namespace

void add_catalog(graphql::Resolvers& resolvers, const Services& services) {
  const auto& catalog = services.resources.catalog();
  resolvers.type<RunpodGpu>("GpuType").members().field(
      "lowestPrice", [&catalog](const RunpodGpu& gpu, Ask& ask) -> Result<LowestPrice> {
        const auto wanted = TRY(input_of<std::optional<LowestPriceInput>>(ask));
        return lowest(gpu.gpu, wanted.value_or(LowestPriceInput{}), catalog.data_center());
      });
  resolvers.type<LowestPrice>("LowestPrice").members();
  resolvers.type<Availability>("GpuAvailability").members();
  resolvers.type<RunpodDataCenter>("DataCenter").members();
  resolvers.type<Pool>("ServerlessGpuPool").members();

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
    RunpodDataCenter here{catalog.data_center(), catalog.data_center(), "", {}};
    for (const auto& gpu : catalog.gpus())
      here.gpuAvailability.push_back({gpu.type.id, gpu.type.display_name, stock_status(gpu.stock.free)});
    return std::vector<RunpodDataCenter>{std::move(here)};
  });
  resolvers.query().field("serverlessGpuPools", [&catalog](Ask&) {
    std::vector<Pool> out;
    for (const auto& gpu : catalog.gpus()) {
      if (!gpu.type.pool) continue;
      auto found = std::find_if(out.begin(), out.end(), [&](const Pool& pool) { return pool.id == *gpu.type.pool; });
      if (found == out.end()) found = out.insert(out.end(), Pool{*gpu.type.pool, {}});
      found->gpuTypeIds.push_back(gpu.type.id);
    }
    return out;
  });
}

}  // namespace gyre::compat
