#include "engine/nvml.hpp"

#include <dlfcn.h>

#include <array>
#include <cstring>
#include <map>
#include <mutex>

#include "base/log.hpp"

namespace gyre::engine {
namespace {

// ---- what of nvml.h we use; the layouts are part of the library's promise (the _v2 and _v3 in its names) ----

using Return = int;
constexpr Return success = 0, error_not_supported = 3, error_no_permission = 4, error_gpu_is_lost = 15;
using Device = void*;
using EventSet = void*;

struct Memory {
  unsigned long long total, free, used;
};
struct Utilization {
  unsigned gpu, memory;
};
struct PciInfo {
  char bus_id_legacy[16];
  unsigned domain, bus, device, pci_device_id, pci_sub_system_id;
  char bus_id[32];
};
struct EventData {
  Device device;
  unsigned long long type, data;
  unsigned gpu_instance, compute_instance;
};

constexpr unsigned text_size = 96;
constexpr int temperature_gpu = 0, ecc_uncorrected = 1, ecc_since_boot = 0;
constexpr unsigned long long event_double_bit_ecc = 0x2, event_xid = 0x8;
constexpr int events_at_once = 64;  // a broken GPU repeats itself; the rest comes with the next reading

struct Functions {
  Return (*init)() = nullptr;
  Return (*shutdown)() = nullptr;
  Return (*count)(unsigned*) = nullptr;
  Return (*handle)(unsigned, Device*) = nullptr;
  Return (*uuid)(Device, char*, unsigned) = nullptr;
  Return (*name)(Device, char*, unsigned) = nullptr;
  Return (*memory)(Device, Memory*) = nullptr;
  Return (*utilization)(Device, Utilization*) = nullptr;
  Return (*temperature)(Device, int, unsigned*) = nullptr;
  Return (*power)(Device, unsigned*) = nullptr;
  Return (*ecc)(Device, int, int, unsigned long long*) = nullptr;
  Return (*pci)(Device, PciInfo*) = nullptr;
  Return (*driver)(char*, unsigned) = nullptr;
  Return (*cuda)(int*) = nullptr;
  Return (*event_set_create)(EventSet*) = nullptr;
  Return (*event_register)(Device, unsigned long long, EventSet) = nullptr;
  Return (*event_wait)(EventSet, EventData*, unsigned) = nullptr;
  Return (*event_set_free)(EventSet) = nullptr;
};

std::string text_of(const char* data, std::size_t size) { return {data, strnlen(data, size)}; }

class NvmlProbe final : public GpuProbe {
 public:
  explicit NvmlProbe(std::string library) : library_name_(std::move(library)) {}

  ~NvmlProbe() override {
    if (events_) call_.event_set_free(events_);
    if (ready_) call_.shutdown();
    if (library_) dlclose(library_);
  }

  std::vector<Gpu> gpus() override {
    const std::lock_guard lock(mutex_);
    if (!open()) return {};
    unsigned count = 0;
    if (call_.count(&count) != success) return {};
    std::vector<Gpu> out;
    for (unsigned index = 0; index < count; ++index) {
      Device device = nullptr;
      const auto found = call_.handle(index, &device);
      if (found != success) {
        // One that has fallen off the bus is still built in and still given to somebody.
        if (const auto known = by_index_.find(index); found == error_gpu_is_lost && known != by_index_.end())
          out.push_back(known->second.gpu);
        continue;
      }
      Gpu gpu;
      gpu.index = static_cast<int>(index);
      gpu.uuid = text(call_.uuid, device);
      gpu.type_id = text(call_.name, device);
      if (gpu.uuid.empty() || gpu.type_id.empty()) continue;  // cannot be given to a container
      if (Memory memory{}; call_.memory(device, &memory) == success)
        gpu.memory_bytes = static_cast<std::int64_t>(memory.total);
      if (PciInfo pci{}; call_.pci(device, &pci) == success) gpu.bus = text_of(pci.bus_id, sizeof pci.bus_id);
      listen(device, gpu.uuid);
      by_index_[index] = {gpu, device};
      out.push_back(std::move(gpu));
    }
    return out;
  }

  std::vector<GpuReading> read() override {
    const std::lock_guard lock(mutex_);
    if (!ready_) return {};
    auto events = new_events();
    std::vector<GpuReading> out;
    for (const auto& [index, known] : by_index_) {
      GpuReading reading;
      reading.uuid = known.gpu.uuid;
      Utilization utilization{};
      const auto answered = call_.utilization(known.device, &utilization);
      if (answered == success) reading.utilisation_percent = static_cast<int>(utilization.gpu);
      if (Memory memory{}; call_.memory(known.device, &memory) == success)
        reading.memory_used_bytes = static_cast<std::int64_t>(memory.used);
      if (unsigned celsius = 0; call_.temperature(known.device, temperature_gpu, &celsius) == success)
        reading.temperature_celsius = static_cast<int>(celsius);
      if (unsigned milliwatts = 0; call_.power(known.device, &milliwatts) == success)
        reading.power_watts = static_cast<int>((milliwatts + 500) / 1000);
      if (unsigned long long errors = 0; call_.ecc(known.device, ecc_uncorrected, ecc_since_boot, &errors) == success)
        reading.ecc_errors_uncorrected = static_cast<std::int64_t>(errors);
      reading.events = std::move(events[known.device]);
      if (answered == error_gpu_is_lost) reading.events.emplace_back("lost");
      out.push_back(std::move(reading));
    }
    return out;
  }

  std::optional<GpuDriver> driver() override {
    const std::lock_guard lock(mutex_);
    if (!open()) return std::nullopt;
    GpuDriver out;
    std::array<char, text_size> version{};
    if (call_.driver(version.data(), version.size()) == success)
      out.driver_version = text_of(version.data(), version.size());
    if (int cuda = 0; call_.cuda(&cuda) == success)  // 12020 is 12.2
      out.cuda_version = std::to_string(cuda / 1000) + "." + std::to_string(cuda % 1000 / 10);
    return out;
  }

  std::vector<int> unreachable() override {
    const std::lock_guard lock(mutex_);
    unsigned count = 0;
    if (!open() || call_.count(&count) != success) return {};
    std::vector<int> out;
    for (unsigned index = 0; index < count; ++index) {
      Device device = nullptr;
      const auto found = call_.handle(index, &device);
      if (found != success && found != error_no_permission) out.push_back(static_cast<int>(index));
    }
    return out;
  }

 private:
  struct Known {
    Gpu gpu;
    Device device;
  };

  bool open() {
    if (ready_) return true;
    if (!library_) library_ = dlopen(library_name_.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (!library_ || !load()) return false;
    const auto result = call_.init();
    ready_ = result == success;
    if (!ready_ && result != last_problem_)
      log::warn("NVIDIA's library is here but does not start", {{"code", std::to_string(result)}});
    last_problem_ = result;
    return ready_;
  }

  bool load() {
    if (call_.init) return true;
    bool complete = true;
    const auto find = [&](auto& function, const char* name) {
      function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(dlsym(library_, name));
      if (function) return;
      complete = false;
      log::warn("NVIDIA's library lacks a function", {{"function", name}});
    };
    Functions found;
    find(found.init, "nvmlInit_v2");
    find(found.shutdown, "nvmlShutdown");
    find(found.count, "nvmlDeviceGetCount_v2");
    find(found.handle, "nvmlDeviceGetHandleByIndex_v2");
    find(found.uuid, "nvmlDeviceGetUUID");
    find(found.name, "nvmlDeviceGetName");
    find(found.memory, "nvmlDeviceGetMemoryInfo");
    find(found.utilization, "nvmlDeviceGetUtilizationRates");
    find(found.temperature, "nvmlDeviceGetTemperature");
    find(found.power, "nvmlDeviceGetPowerUsage");
    find(found.ecc, "nvmlDeviceGetTotalEccErrors");
    find(found.pci, "nvmlDeviceGetPciInfo_v3");
    find(found.driver, "nvmlSystemGetDriverVersion");
    find(found.cuda, "nvmlSystemGetCudaDriverVersion_v2");
    find(found.event_set_create, "nvmlEventSetCreate");
    find(found.event_register, "nvmlDeviceRegisterEvents");
    find(found.event_wait, "nvmlEventSetWait_v2");
    find(found.event_set_free, "nvmlEventSetFree");
    if (complete) call_ = found;
    return complete;
  }

  static std::string text(Return (*function)(Device, char*, unsigned), Device device) {
    std::array<char, text_size> out{};
    return function(device, out.data(), out.size()) == success ? text_of(out.data(), out.size()) : "";
  }

  void listen(Device device, const std::string& uuid) {
    if (!events_ && call_.event_set_create(&events_) != success) {
      events_ = nullptr;
      return;
    }
    auto& listening = listening_[uuid];
    if (listening) return;
    // GeForce cards have no ECC to report: then the XIDs alone.
    auto result = call_.event_register(device, event_xid | event_double_bit_ecc, events_);
    if (result == error_not_supported) result = call_.event_register(device, event_xid, events_);
    listening = result == success;
  }

  std::map<Device, std::vector<std::string>> new_events() {
    std::map<Device, std::vector<std::string>> out;
    for (int i = 0; events_ && i < events_at_once; ++i) {
      EventData event{};
      if (call_.event_wait(events_, &event, 0) != success) break;  // none left
      if (event.type & event_xid) out[event.device].push_back("XID " + std::to_string(event.data));
      if (event.type & event_double_bit_ecc) out[event.device].emplace_back("ECC");
    }
    return out;
  }

  std::mutex mutex_;
  std::string library_name_;
  void* library_ = nullptr;
  Functions call_;
  bool ready_ = false;
  Return last_problem_ = success;
  EventSet events_ = nullptr;
  std::map<unsigned, Known> by_index_;
  std::map<std::string, bool> listening_;
};

}  // namespace

std::unique_ptr<GpuProbe> nvml_probe(std::string library) { return std::make_unique<NvmlProbe>(std::move(library)); }

}  // namespace gyre::engine
