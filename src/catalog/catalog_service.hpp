// What this installation offers: GPU types with prices and stock, CPU flavours, data centres. One public method is one
// transaction, within a core task.
#pragma once

#include "base/caller.hpp"
#include "base/result.hpp"
#include "catalog/catalog_store.hpp"
#include "fleet/host_store.hpp"
#include "runtime/core.hpp"

namespace gyre {

struct CatalogConfig {
  bool simulated_stock = false;  // simulated GPUs count as stock
};

// Which hosts count; each part that is empty lets all through.
struct Where {
  std::vector<std::string> data_centers, countries;
  std::vector<std::string> cuda_allowed;  // its driver supports one of these
  std::optional<std::string> cuda_min;
};

// Of online, listed hosts.
struct GpuStock {
  int total = 0, free = 0;
  int max_on_host = 0, max_free_on_host = 0;  // what one pod can have at most, and now
};

std::optional<std::string> stock_status(int free);  // High from 8 free ones, Medium from 3, Low from 1; none: nothing

struct CatalogGpu {
  GpuType type;
  std::optional<GpuPrice> price;  // in force now
  GpuStock stock;
};

// What serverless endpoints name: types that stand for each other.
struct GpuPool {
  std::string id;
  std::vector<std::string> types;  // at least one
};

struct CpuFlavor {
  std::string id, display_name;
  int memory_gb_per_vcpu = 0;
};

class CatalogService {
 public:
  CatalogService(Core& core, CatalogConfig config);

  std::vector<CatalogGpu> gpus(const Where& where = {}) const;  // all types; of the stock what is there
  Result<CatalogGpu> gpu(const std::string& id, const Where& where = {}) const;
  // The CUDA versions that the drivers of hosts with this type support at most, the highest first.
  std::vector<std::string> cuda_versions(const std::string& gpu_type, const Where& where = {}) const;
  std::vector<GpuPrice> prices(const std::string& gpu_type) const;  // oldest first, those to come too
  std::vector<GpuType> types() const;                               // all, without price and stock
  std::vector<GpuPool> pools() const;                               // reads no host
  const std::vector<CpuFlavor>& cpu_flavors() const;
  double vcpus_free(const Where& where = {}) const;  // the most on one host
  // Of the hosts alone that have this free beside their GPUs.
  struct Need {
    double vcpus = 0;
    std::int64_t memory_bytes = 0, disk_bytes = 0;
  };
  GpuStock stock(const std::string& gpu_type, const Need& need, const Where& where = {}) const;
  std::vector<DataCenter> data_centers() const { return hosts_.data_centers(); }  // LOCAL first
  Result<DataCenter> data_center(const std::string& id) const;
  Result<> check_data_centers(const std::string& field, const std::vector<std::string>& ids) const;

  // For the operator. A type that is known already: gpu_type_exists.
  Result<GpuType> add_type(const GpuType& type);
  // From then on; without a time from now on. Refused when that time has passed.
  Result<GpuPrice> set_price(const GpuPrice& price, std::optional<Time> from);

  struct Offer {
    std::string display_name;
    std::optional<Money> per_gpu_hour;
    Money lowest_bid;  // zero where the type has no price
  };
  // What a pod that was made at that time pays for a GPU of the type, and what a spot pod had to bid then.
  Offer offer(const std::string& gpu_type, const std::string& cloud, Time made_at) const;

 private:
  std::optional<GpuType> known(const std::string& id) const;  // built in or added
  std::vector<GpuType> named() const;                         // all of those
  struct Fleet {
    std::vector<HostGpu> gpus;  // those that count
    std::vector<Host> hosts;
  };
  Fleet fleet(const Where& where = {}) const;
  static GpuStock stock(const Fleet& fleet, const std::string& type);

  Core& core_;
  CatalogConfig config_;
  CatalogStore store_;
  HostStore hosts_;
};

}  // namespace gyre
