// A test double of libnvidia-ml.so.1; see README.md. It is written against NVIDIA's documentation, not against our own
// declarations in src/engine/nvml.cpp, so that a slip in those shows.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

extern "C" {

typedef enum nvmlReturn_enum {
  NVML_SUCCESS = 0,
  NVML_ERROR_UNINITIALIZED = 1,
  NVML_ERROR_INVALID_ARGUMENT = 2,
  NVML_ERROR_NOT_SUPPORTED = 3,
  NVML_ERROR_INSUFFICIENT_SIZE = 7,
  NVML_ERROR_DRIVER_NOT_LOADED = 9,
  NVML_ERROR_TIMEOUT = 10,
  NVML_ERROR_GPU_IS_LOST = 15,
} nvmlReturn_t;

typedef struct nvmlDevice_st* nvmlDevice_t;
typedef struct nvmlEventSet_st* nvmlEventSet_t;
typedef struct nvmlMemory_st {
  unsigned long long total, free, used;
} nvmlMemory_t;
typedef struct nvmlUtilization_st {
  unsigned int gpu, memory;
} nvmlUtilization_t;
typedef struct nvmlPciInfo_st {
  char busIdLegacy[16];
  unsigned int domain, bus, device, pciDeviceId, pciSubSystemId;
  char busId[32];
} nvmlPciInfo_t;
typedef struct nvmlEventData_st {
  nvmlDevice_t device;
  unsigned long long eventType, eventData;
  unsigned int gpuInstanceId, computeInstanceId;
} nvmlEventData_t;
}

namespace {

struct Gpu {
  std::string uuid;
  std::map<std::string, std::string> values;
  unsigned long long number(const char* name) const {
    const auto found = values.find(name);
    return found == values.end() ? 0 : std::strtoull(found->second.c_str(), nullptr, 10);
  }
  std::string text(const char* name) const {
    const auto found = values.find(name);
    return found == values.end() ? "" : found->second;
  }
};

struct State {
  bool loaded = false;
  std::string driver = "0";
  int cuda = 0;
  std::vector<Gpu> gpus;
  std::vector<std::pair<std::string, unsigned long long>> xids;
};

State read_state() {
  State out;
  const char* path = std::getenv("GYRE_NVML_STATE");
  std::ifstream file(path ? path : "");
  out.loaded = static_cast<bool>(file);
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string kind, uuid;
    words >> kind;
    if (kind == "driver") words >> out.driver;
    if (kind == "cuda") words >> out.cuda;
    if (kind == "xid") {
      unsigned long long number = 0;
      words >> uuid >> number;
      out.xids.emplace_back(uuid, number);
    }
    if (kind != "gpu") continue;
    Gpu gpu;
    words >> gpu.uuid;
    for (std::string word; words >> word;) {
      const auto equals = word.find('=');
      auto value = equals == std::string::npos ? "" : word.substr(equals + 1);
      for (char& c : value)
        if (c == '_') c = ' ';
      gpu.values[word.substr(0, equals)] = value;
    }
    out.gpus.push_back(gpu);
  }
  return out;
}

bool initialized = false;
std::set<std::string> handles;                        // a handle points at its UUID here
std::map<std::string, unsigned long long> listening;  // UUID -> kinds of events
std::size_t xids_told = 0;

nvmlDevice_t handle_of(const std::string& uuid) {
  return reinterpret_cast<nvmlDevice_t>(const_cast<std::string*>(&*handles.insert(uuid).first));
}

// Finds the GPU of a handle; the answer for one that is lost or unknown.
nvmlReturn_t find(nvmlDevice_t device, Gpu& out) {
  if (!initialized) return NVML_ERROR_UNINITIALIZED;
  const auto& uuid = *reinterpret_cast<std::string*>(device);
  for (const auto& gpu : read_state().gpus)
    if (gpu.uuid == uuid) {
      out = gpu;
      return gpu.number("lost") ? NVML_ERROR_GPU_IS_LOST : NVML_SUCCESS;
    }
  return NVML_ERROR_INVALID_ARGUMENT;
}

nvmlReturn_t give(const std::string& text, char* to, unsigned int size) {
  if (text.size() + 1 > size) return NVML_ERROR_INSUFFICIENT_SIZE;
  std::memcpy(to, text.c_str(), text.size() + 1);
  return NVML_SUCCESS;
}

}  // namespace

extern "C" {

nvmlReturn_t nvmlInit_v2() {
  if (!read_state().loaded) return NVML_ERROR_DRIVER_NOT_LOADED;
  initialized = true;
  return NVML_SUCCESS;
}
nvmlReturn_t nvmlShutdown() {
  initialized = false;
  listening.clear();
  xids_told = 0;
  return NVML_SUCCESS;
}
nvmlReturn_t nvmlDeviceGetCount_v2(unsigned int* count) {
  if (!initialized) return NVML_ERROR_UNINITIALIZED;
  *count = static_cast<unsigned int>(read_state().gpus.size());
  return NVML_SUCCESS;
}
nvmlReturn_t nvmlDeviceGetHandleByIndex_v2(unsigned int index, nvmlDevice_t* device) {
  if (!initialized) return NVML_ERROR_UNINITIALIZED;
  const auto state = read_state();
  if (index >= state.gpus.size()) return NVML_ERROR_INVALID_ARGUMENT;
  if (state.gpus[index].number("lost")) return NVML_ERROR_GPU_IS_LOST;
  *device = handle_of(state.gpus[index].uuid);
  return NVML_SUCCESS;
}
nvmlReturn_t nvmlDeviceGetUUID(nvmlDevice_t device, char* uuid, unsigned int length) {
  Gpu gpu;
  const auto found = find(device, gpu);
  return found == NVML_SUCCESS ? give(gpu.uuid, uuid, length) : found;
}
nvmlReturn_t nvmlDeviceGetName(nvmlDevice_t device, char* name, unsigned int length) {
  Gpu gpu;
  const auto found = find(device, gpu);
  return found == NVML_SUCCESS ? give(gpu.text("name"), name, length) : found;
}
nvmlReturn_t nvmlDeviceGetMemoryInfo(nvmlDevice_t device, nvmlMemory_t* memory) {
  Gpu gpu;
  if (const auto found = find(device, gpu); found != NVML_SUCCESS) return found;
  memory->total = gpu.number("memory");
  memory->used = gpu.number("used");
  memory->free = memory->total - memory->used;
  return NVML_SUCCESS;
}
nvmlReturn_t nvmlDeviceGetUtilizationRates(nvmlDevice_t device, nvmlUtilization_t* utilization) {
  Gpu gpu;
  if (const auto found = find(device, gpu); found != NVML_SUCCESS) return found;
  utilization->gpu = static_cast<unsigned int>(gpu.number("util"));
  utilization->memory = 0;
  return NVML_SUCCESS;
}
nvmlReturn_t nvmlDeviceGetTemperature(nvmlDevice_t device, int sensor, unsigned int* celsius) {
  Gpu gpu;
  if (const auto found = find(device, gpu); found != NVML_SUCCESS) return found;
  if (sensor != 0) return NVML_ERROR_INVALID_ARGUMENT;
  *celsius = static_cast<unsigned int>(gpu.number("temp"));
  return NVML_SUCCESS;
}
nvmlReturn_t nvmlDeviceGetPowerUsage(nvmlDevice_t device, unsigned int* milliwatts) {
  Gpu gpu;
  if (const auto found = find(device, gpu); found != NVML_SUCCESS) return found;
  *milliwatts = static_cast<unsigned int>(gpu.number("power"));
  return NVML_SUCCESS;
}
nvmlReturn_t nvmlDeviceGetTotalEccErrors(nvmlDevice_t device, int type, int counter, unsigned long long* errors) {
  Gpu gpu;
  if (const auto found = find(device, gpu); found != NVML_SUCCESS) return found;
  if (gpu.number("noecc")) return NVML_ERROR_NOT_SUPPORTED;
  if (counter != 0 && counter != 1) return NVML_ERROR_INVALID_ARGUMENT;
  *errors = type == 1 ? gpu.number("ecc") : 0;  // 1: uncorrected
  return NVML_SUCCESS;
}
nvmlReturn_t nvmlDeviceGetPciInfo_v3(nvmlDevice_t device, nvmlPciInfo_t* pci) {
  Gpu gpu;
  if (const auto found = find(device, gpu); found != NVML_SUCCESS) return found;
  std::memset(pci, 0, sizeof *pci);
  std::snprintf(pci->busId, sizeof pci->busId, "%s", gpu.text("bus").c_str());
  std::snprintf(pci->busIdLegacy, sizeof pci->busIdLegacy, "legacy");
  return NVML_SUCCESS;
}
nvmlReturn_t nvmlSystemGetDriverVersion(char* version, unsigned int length) {
  return initialized ? give(read_state().driver, version, length) : NVML_ERROR_UNINITIALIZED;
}
nvmlReturn_t nvmlSystemGetCudaDriverVersion_v2(int* version) {
  *version = read_state().cuda;
  return NVML_SUCCESS;
}
nvmlReturn_t nvmlEventSetCreate(nvmlEventSet_t* set) {
  if (!initialized) return NVML_ERROR_UNINITIALIZED;
  *set = reinterpret_cast<nvmlEventSet_t>(&xids_told);
  return NVML_SUCCESS;
}
nvmlReturn_t nvmlDeviceRegisterEvents(nvmlDevice_t device, unsigned long long kinds, nvmlEventSet_t) {
  Gpu gpu;
  if (const auto found = find(device, gpu); found != NVML_SUCCESS) return found;
  if (gpu.number("noecc") && (kinds & 0x3)) return NVML_ERROR_NOT_SUPPORTED;
  listening[gpu.uuid] = kinds;
  return NVML_SUCCESS;
}
nvmlReturn_t nvmlEventSetWait_v2(nvmlEventSet_t, nvmlEventData_t* data, unsigned int) {
  const auto state = read_state();
  while (xids_told < state.xids.size()) {
    const auto& [uuid, number] = state.xids[xids_told++];
    if (!(listening[uuid] & 0x8)) continue;
    std::memset(data, 0, sizeof *data);
    data->device = handle_of(uuid);
    data->eventType = 0x8;
    data->eventData = number;
    return NVML_SUCCESS;
  }
  return NVML_ERROR_TIMEOUT;
}
nvmlReturn_t nvmlEventSetFree(nvmlEventSet_t) { return NVML_SUCCESS; }
}
