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
  std::string data_center = "LOCAL";
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

struct CpuFlavor {
  std::string id, display_name;
  int memory_gb_per_vcpu = 0;
};

class CatalogService {
 public:
  CatalogService(Core& core, CatalogConfig config);

  std::vector<CatalogGpu> gpus() const;
  Result<CatalogGpu> gpu(const std::string& id) const;
  std::vector<GpuPrice> prices(const std::string& gpu_type) const;  // oldest first, those to come too
  const std::vector<CpuFlavor>& cpu_flavors() const;
  double vcpus_free() const;  // the most on one host
  const std::string& data_center() const { return config_.data_center; }

  // For the operator. A type that is known already: gpu_type_exists.
  Result<GpuType> add_type(const GpuType& type);
  // From then on; without a time from now on. Refused when that time has passed.
  Result<GpuPrice> set_price(const GpuPrice& price, std::optional<Time> from);

  struct Offer {
    std::string display_name;
    std::optional<Money> per_gpu_hour;
  };
  // What a pod that was made at that time pays for a GPU of the type.
  Offer offer(const std::string& gpu_type, const std::string& cloud, Time made_at) const;

 private:
  std::optional<GpuType> known(const std::string& id) const;  // built in or added
  struct Fleet {
    std::vector<HostGpu> gpus;  // those that count
    std::vector<Host> hosts;
  };
  Fleet fleet() const;
  static GpuStock stock(const Fleet& fleet, const std::string& type);

  Core& core_;
  CatalogConfig config_;
  CatalogStore store_;
  HostStore hosts_;
};

}  // namespace gyre
