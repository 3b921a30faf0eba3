#include "catalog/catalog_service.hpp"

#include <algorithm>
#include <map>
#include <set>

#include "engine/gpu_types.hpp"
#include "scheduler/placement.hpp"

namespace gyre {
namespace {

constexpr std::int64_t gb = 1'000'000'000;
constexpr int prices_shown = 1000;

GpuType built_in(const engine::KnownGpuType& known) {
  return {std::string(known.id), std::string(known.display_name), known.memory_gb, known_pool(known.id), Time{}};
}

GpuType nameless(const HostGpu& gpu) {
  return {gpu.type_id, gpu.type_id, (gpu.memory_bytes + gb / 2) / gb, std::nullopt, Time{}};
}

Result<> check_text(const std::string& field, const std::string& text) {
  if (text.empty() || text.size() > 100)
    return invalid(field, Detail::characters_between, {{"low", "1"}, {"high", "100"}});
  for (const unsigned char c : text)
    if (c < 0x20 || c == 0x7f || c == '/') return invalid(field, Detail::plain_name);
  return {};
}

}  // namespace

std::optional<std::string> stock_status(int free) {
  if (free == 0) return std::nullopt;
  return free >= 8 ? "High" : free >= 3 ? "Medium" : "Low";
}

CatalogService::CatalogService(Core& core, CatalogConfig config)
    : core_(core), config_(std::move(config)), store_(core.db()), hosts_(core.db()) {}

CatalogService::Fleet CatalogService::fleet(const Where& where) const {
  std::map<std::string, std::string> countries;
  if (!where.countries.empty())
    for (auto& center : hosts_.data_centers()) countries[center.id] = std::move(center.country);
  const auto lets = [](const std::vector<std::string>& list, const std::string& item) {
    return list.empty() || std::find(list.begin(), list.end(), item) != list.end();
  };
  const auto fits = [&](const Host& host) {
    return lets(where.data_centers, host.data_center) &&
           (where.countries.empty() || lets(where.countries, countries[host.data_center])) &&
           (!where.cuda_min || scheduler::version_at_least(host.cuda_version, *where.cuda_min)) &&
           (where.cuda_allowed.empty() ||
            std::any_of(where.cuda_allowed.begin(), where.cuda_allowed.end(), [&](const std::string& version) {
              return scheduler::version_at_least(host.cuda_version, version);
            }));
  };
  Fleet out;
  std::map<HostId, bool> counts;
  for (auto& host : hosts_.list(false)) {
    counts[host.id] = host.online && host.state == HostState::listed && host.engine_reachable && fits(host);
    if (counts[host.id]) out.hosts.push_back(std::move(host));
  }
  std::set<HostId> simulated;
  for (auto& gpu : hosts_.all_gpus()) {
    if (!counts[gpu.host] || !gpu.present) continue;
    if (gpu.simulated) simulated.insert(gpu.host);
    if (!gpu.simulated || config_.simulated_stock) out.gpus.push_back(std::move(gpu));
  }
  if (!config_.simulated_stock) std::erase_if(out.hosts, [&](const Host& host) { return simulated.contains(host.id); });
  return out;
}

GpuStock CatalogService::stock(const Fleet& fleet, const std::string& type) {
  GpuStock out;
  std::map<HostId, std::pair<int, int>> of_host;  // all, free
  for (const auto& gpu : fleet.gpus) {
    if (gpu.type_id != type) continue;
    auto& [all, free] = of_host[gpu.host];
    ++all;
    if (!gpu.pod) ++free;
  }
  for (const auto& [host, count] : of_host) {
    out.total += count.first;
    out.free += count.second;
    out.max_on_host = std::max(out.max_on_host, count.first);
    out.max_free_on_host = std::max(out.max_free_on_host, count.second);
  }
  return out;
}

GpuStock CatalogService::stock(const std::string& gpu_type, const Need& need, const Where& where) const {
  auto now = fleet(where);
  std::map<HostId, Need> free;
  for (const auto& host : now.hosts) free[host.id] = {host.cpus, host.memory_bytes, host.disk_bytes};
  for (const auto& held : hosts_.allocations()) {
    auto& of_host = free[held.host];
    of_host.vcpus -= held.vcpus;
    of_host.memory_bytes -= held.memory_bytes;
    of_host.disk_bytes -= held.disk_bytes;
  }
  std::erase_if(now.gpus, [&](const HostGpu& gpu) {
    const auto& has = free[gpu.host];
    return has.vcpus < need.vcpus || has.memory_bytes < need.memory_bytes || has.disk_bytes < need.disk_bytes;
  });
  return stock(now, gpu_type);
}

std::optional<GpuType> CatalogService::known(const std::string& id) const {
  for (const auto& type : engine::known_gpu_types())
    if (type.id == id) return built_in(type);
  return store_.type(id);
}

std::vector<GpuType> CatalogService::named() const {
  std::vector<GpuType> out;
  std::set<std::string> there;
  const auto add = [&](GpuType type) {
    if (there.insert(type.id).second) out.push_back(std::move(type));
  };
  for (const auto& type : engine::known_gpu_types()) add(built_in(type));
  for (auto& type : store_.types()) add(std::move(type));
  return out;
}

std::vector<GpuType> CatalogService::types() const {
  auto out = named();
  std::set<std::string> there;
  for (const auto& type : out) there.insert(type.id);
  for (const auto& gpu : fleet().gpus)
    if (there.insert(gpu.type_id).second) out.push_back(nameless(gpu));
  return out;
}

std::vector<CatalogGpu> CatalogService::gpus(const Where& where) const {
  auto types = this->types();
  const auto there = fleet(where);
  std::vector<CatalogGpu> out;
  for (auto& type : types) {
    CatalogGpu shown;
    shown.price = store_.price_at(type.id, core_.now());
    shown.stock = stock(there, type.id);
    shown.type = std::move(type);
    out.push_back(std::move(shown));
  }
  return out;
}

Result<CatalogGpu> CatalogService::gpu(const std::string& id, const Where& where) const {
  const auto now = fleet();
  auto type = known(id);
  if (!type)
    for (const auto& gpu : now.gpus)
      if (gpu.type_id == id) type = nameless(gpu);
  if (!type) return fail(Reason::gpu_type_not_found, {{"id", id}});
  CatalogGpu out;
  out.price = store_.price_at(id, core_.now());
  out.stock = stock(fleet(where), id);
  out.type = std::move(*type);
  return out;
}

std::vector<GpuPrice> CatalogService::prices(const std::string& gpu_type) const {
  return store_.prices(gpu_type, prices_shown);
}

std::vector<GpuPool> CatalogService::pools() const {
  std::vector<GpuPool> out;
  for (const auto& type : named()) {
    if (!type.pool) continue;
    auto found = std::find_if(out.begin(), out.end(), [&](const GpuPool& pool) { return pool.id == *type.pool; });
    if (found == out.end()) found = out.insert(out.end(), GpuPool{*type.pool, {}});
    found->types.push_back(type.id);
  }
  return out;
}

const std::vector<CpuFlavor>& CatalogService::cpu_flavors() const {
  static const std::vector<CpuFlavor> flavors{
      {"cpu3c", "3rd generation, compute", 2}, {"cpu3g", "3rd generation, general", 4},
      {"cpu3m", "3rd generation, memory", 8},  {"cpu5c", "5th generation, compute", 2},
      {"cpu5g", "5th generation, general", 4}, {"cpu5m", "5th generation, memory", 8}};
  return flavors;
}

std::vector<std::string> CatalogService::cuda_versions(const std::string& gpu_type, const Where& where) const {
  const auto there = fleet(where);
  std::set<HostId> having;
  for (const auto& gpu : there.gpus)
    if (gpu.type_id == gpu_type) having.insert(gpu.host);
  std::vector<std::string> out;
  for (const auto& host : there.hosts)
    if (having.contains(host.id) && !host.cuda_version.empty()) out.push_back(host.cuda_version);
  std::sort(out.begin(), out.end(),
            [](const std::string& a, const std::string& b) { return !scheduler::version_at_least(b, a); });
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

Result<DataCenter> CatalogService::data_center(const std::string& id) const {
  auto found = hosts_.data_center(id);
  if (!found) return fail(Reason::data_center_not_found, {{"id", id}});
  return std::move(*found);
}

Result<> CatalogService::check_data_centers(const std::string& field, const std::vector<std::string>& ids) const {
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (hosts_.data_center(ids[i])) continue;
    std::string choices;
    for (const auto& one : hosts_.data_centers()) choices += (choices.empty() ? "" : ", ") + one.id;
    return invalid(field + "[" + std::to_string(i) + "]", Detail::no_data_center,
                   {{"value", ids[i]}, {"choices", choices}});
  }
  return {};
}

double CatalogService::vcpus_free(const Where& where) const {
  std::map<HostId, double> held;
  for (const auto& allocation : hosts_.allocations()) held[allocation.host] += allocation.vcpus;
  double most = 0;
  for (const auto& host : fleet(where).hosts) most = std::max(most, host.cpus - held[host.id]);
  return most;
}

Result<GpuType> CatalogService::add_type(const GpuType& type) {
  return core_.transact([&]() -> Result<GpuType> {
    TRY(check_text("id", type.id));
    TRY(check_text("displayName", type.display_name));
    if (type.memory_gb < 1 || type.memory_gb > 10'000)
      return invalid("memoryInGb", Detail::integer_between, {{"low", "1"}, {"high", "10000"}});
    if (type.pool) TRY(check_text("pool", *type.pool));
    if (known(type.id)) return fail(Reason::gpu_type_exists, {{"id", type.id}}, "id");
    auto made = type;
    made.created_at = core_.now();
    store_.insert(made);
    return made;
  });
}

Result<GpuPrice> CatalogService::set_price(const GpuPrice& price, std::optional<Time> from) {
  return core_.transact([&]() -> Result<GpuPrice> {
    TRY(gpu(price.gpu_type));
    for (const auto& [amount, field] :
         {std::pair{&price.secure, "securePrice"}, std::pair{&price.community, "communityPrice"},
          std::pair{&price.secure_spot, "secureSpotPrice"}, std::pair{&price.community_spot, "communitySpotPrice"}})
      if (*amount && (**amount < Money() || **amount > Money::micros(100'000 * Money::micros_per_dollar)))
        return invalid(field, Detail::number_between, {{"low", "0"}, {"high", "100000"}});
    // The next millisecond at the earliest: what was made in this one has its price already.
    const auto earliest = core_.now() + Duration(1);
    if (from && *from < earliest) return invalid("from", Detail::price_in_the_past);
    auto made = price;
    made.from_at = from.value_or(earliest);
    store_.save(made);
    return made;
  });
}

CatalogService::Offer CatalogService::offer(const std::string& gpu_type, const std::string& cloud, Time made_at) const {
  Offer out;
  const auto type = known(gpu_type);
  out.display_name = type ? type->display_name : gpu_type;
  if (const auto price = store_.price_at(gpu_type, made_at)) {
    out.per_gpu_hour = on_demand(*price, cloud);
    out.lowest_bid = gyre::lowest_bid(*price, cloud).value_or(Money());
  }
  return out;
}

}  // namespace gyre
