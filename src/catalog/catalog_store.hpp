// Every line of SQL about GPU types and their prices.
#pragma once

#include <vector>

#include "catalog/gpu_price.hpp"
#include "db/money.hpp"

namespace gyre {

class CatalogStore {
 public:
  explicit CatalogStore(db::Connection& db) : db_(db) {}

  void insert(const GpuType& type);  // throws UniqueViolation
  std::optional<GpuType> type(const std::string& id) const;
  std::vector<GpuType> types() const;  // those that were added, oldest first

  void save(const GpuPrice& price);                                              // replaces one of the same time
  std::optional<GpuPrice> price_at(const std::string& gpu_type, Time at) const;  // the latest that has begun
  std::vector<GpuPrice> prices(const std::string& gpu_type, int limit) const;    // the last ones, in their order

 private:
  db::Connection& db_;
};

}  // namespace gyre
