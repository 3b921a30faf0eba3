// What GPUs this host has, and how they are. NVIDIA through NVML (opened with dlopen: the agent starts without a
// driver), AMD through sysfs, and simulated ones for machines without any.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"

namespace gyre::engine {

struct Gpu {
  std::string uuid;  // "GPU-..." as NVML gives it; simulated: "SIM-<host>-<index>"
  int index = 0;
  std::string type_id;  // the name NVML gives, which is the GPU type's id: "NVIDIA A40"
  std::int64_t memory_bytes = 0;
  std::string bus;  // PCI bus id
  bool simulated = false;
  // Device files that a container needs to use it, where the engine knows no better way (AMD); empty: by its UUID.
  std::vector<std::string> devices;
};

struct GpuReading {
  std::string uuid;
  int utilisation_percent = 0;
  std::int64_t memory_used_bytes = 0;
  int temperature_celsius = 0;
  int power_watts = 0;
  std::int64_t ecc_errors_uncorrected = 0;
  std::vector<std::string> events;  // "XID 79": fallen off the bus; "ECC" errors; "lost"; since the last reading
};

struct GpuDriver {
  std::string driver_version;  // "535.129.03"
  std::string cuda_version;    // highest CUDA version the driver supports: "12.2"
};

class GpuProbe {
 public:
  virtual ~GpuProbe() = default;
  virtual std::vector<Gpu> gpus() = 0;         // stable order
  virtual std::vector<GpuReading> read() = 0;  // blocking, milliseconds: call it on a worker
  virtual std::optional<GpuDriver> driver() = 0;
  // What the driver counts and cannot reach any more, by its index: such a GPU has not even a name. As of now.
  virtual std::vector<int> unreachable() { return {}; }
};

struct GpuSources {
  std::string nvml_library = "libnvidia-ml.so.1";  // as dlopen finds it
  std::string sysfs = "/sys";
  std::string dev = "/dev";  // written into Gpu::devices; nothing is opened there
};
// NVML and AMD sysfs; no GPUs found is an empty list. A driver that is loaded later is found by a later gpus(). Any
// thread.
std::unique_ptr<GpuProbe> system_gpu_probe(const GpuSources& sources = {});
// "NVIDIA A40:4" or "NVIDIA A40:2,NVIDIA L4:1"; memory from the table of known types. Refuses an unreadable spec.
Result<std::unique_ptr<GpuProbe>> simulated_gpu_probe(const std::string& spec, const std::string& host_name);

}  // namespace gyre::engine
