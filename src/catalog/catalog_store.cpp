#include "catalog/catalog_store.hpp"

#include <algorithm>

#define TYPE_COLUMNS "id, display_name, memory_gb, pool, created_at"
#define PRICE_COLUMNS "gpu_type, from_at, secure, community, secure_spot, community_spot"

namespace gyre {

void CatalogStore::insert(const GpuType& t) {
  db_.exec("INSERT INTO gpu_types (" TYPE_COLUMNS ") VALUES ($1,$2,$3,$4,$5)", t.id, t.display_name, t.memory_gb,
           t.pool, t.created_at);
}

std::optional<GpuType> CatalogStore::type(const std::string& id) const {
  return db_.one<GpuType>("SELECT " TYPE_COLUMNS " FROM gpu_types WHERE id=$1", id);
}

std::vector<GpuType> CatalogStore::types() const {
  return db_.all<GpuType>("SELECT " TYPE_COLUMNS " FROM gpu_types ORDER BY created_at, id");
}

void CatalogStore::save(const GpuPrice& p) {
  db_.exec("INSERT INTO gpu_prices (" PRICE_COLUMNS
           ") VALUES ($1,$2,$3,$4,$5,$6) ON CONFLICT (gpu_type, from_at) DO UPDATE SET secure=excluded.secure, "
           "community=excluded.community, secure_spot=excluded.secure_spot, community_spot=excluded.community_spot",
           p.gpu_type, p.from_at, p.secure, p.community, p.secure_spot, p.community_spot);
}

std::optional<GpuPrice> CatalogStore::price_at(const std::string& gpu_type, Time at) const {
  return db_.one<GpuPrice>("SELECT " PRICE_COLUMNS
                           " FROM gpu_prices WHERE gpu_type=$1 AND from_at<=$2 ORDER BY from_at DESC LIMIT 1",
                           gpu_type, at);
}

std::vector<GpuPrice> CatalogStore::prices(const std::string& gpu_type, int limit) const {
  auto out = db_.all<GpuPrice>(
      "SELECT " PRICE_COLUMNS " FROM gpu_prices WHERE gpu_type=$1 ORDER BY from_at DESC LIMIT $2", gpu_type, limit);
  std::reverse(out.begin(), out.end());
  return out;
}

}  // namespace gyre
