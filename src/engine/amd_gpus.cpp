#include "engine/amd_gpus.hpp"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <map>

namespace gyre::engine {
namespace {

namespace fs = std::filesystem;

// Graphics that are part of a processor have their little memory from the machine's; nobody rents those.
constexpr std::int64_t memory_min = std::int64_t{4} << 30;

// Names for cards whose driver gives no product name; data centre cards do.
const std::map<std::string, std::string>& names_by_device() {
  static const std::map<std::string, std::string> names{
      {"0x738c", "AMD Instinct MI100"},     {"0x740c", "AMD Instinct MI250"},   {"0x7408", "AMD Instinct MI250X"},
      {"0x740f", "AMD Instinct MI210"},     {"0x74a0", "AMD Instinct MI300A"},  {"0x74a1", "AMD Instinct MI300X OAM"},
      {"0x744c", "AMD Radeon RX 7900 XTX"}, {"0x7448", "AMD Radeon PRO W7900"}, {"0x73bf", "AMD Radeon RX 6900 XT"},
  };
  return names;
}

std::string line_of(const fs::path& file) {
  std::ifstream in(file);
  std::string out;
  std::getline(in, out);
  while (!out.empty() && (out.back() == ' ' || out.back() == '\n')) out.pop_back();
  return out;
}

std::optional<std::int64_t> number_in(const fs::path& file) {
  const auto text = line_of(file);
  std::int64_t out = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (problem != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return out;
}

// "ue: 3" in ras/umc_err_count: errors of the memory that were not corrected.
std::int64_t uncorrected_errors(const fs::path& device) {
  std::ifstream in(device / "ras" / "umc_err_count");
  std::string word;
  std::int64_t count = 0;
  while (in >> word)
    if (word == "ue:" && in >> count) return count;
  return 0;
}

class AmdProbe final : public GpuProbe {
 public:
  AmdProbe(std::string sysfs, std::string dev)
      : cards_(fs::path(std::move(sysfs)) / "class" / "drm"), dev_(std::move(dev)) {}

  std::vector<Gpu> gpus() override {
    std::vector<Gpu> out;
    for (const auto& device : devices()) out.push_back(gpu_at(device, static_cast<int>(out.size())));
    return out;
  }

  std::vector<GpuReading> read() override {
    std::vector<GpuReading> out;
    for (const auto& device : devices()) {
      GpuReading reading;
      reading.uuid = gpu_at(device, 0).uuid;
      reading.utilisation_percent = static_cast<int>(number_in(device / "gpu_busy_percent").value_or(0));
      reading.memory_used_bytes = number_in(device / "mem_info_vram_used").value_or(0);
      std::error_code ignored;
      for (const auto& sensor : fs::directory_iterator(device / "hwmon", ignored)) {
        reading.temperature_celsius = static_cast<int>(number_in(sensor.path() / "temp1_input").value_or(0) / 1000);
        auto microwatts = number_in(sensor.path() / "power1_average");
        if (!microwatts) microwatts = number_in(sensor.path() / "power1_input");
        reading.power_watts = static_cast<int>(microwatts.value_or(0) / 1'000'000);
      }
      reading.ecc_errors_uncorrected = uncorrected_errors(device);
      out.push_back(std::move(reading));
    }
    return out;
  }

  std::optional<GpuDriver> driver() override { return std::nullopt; }  // CUDA's versions are NVIDIA's alone

 private:
  // The folders of cards that are worth renting, in the order of their place on the bus.
  std::vector<fs::path> devices() const {
    std::vector<std::pair<std::string, fs::path>> found;
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator(cards_, ignored)) {
      const auto name = entry.path().filename().string();
      if (!name.starts_with("card") || name.find('-') != std::string::npos) continue;  // card0-DP-1 is a plug
      const auto device = entry.path() / "device";
      if (line_of(device / "vendor") != "0x1002") continue;
      if (number_in(device / "mem_info_vram_total").value_or(0) < memory_min) continue;
      found.emplace_back(bus_of(device), device);
    }
    std::sort(found.begin(), found.end());
    std::vector<fs::path> out;
    for (auto& [bus, device] : found) out.push_back(std::move(device));
    return out;
  }

  static std::string bus_of(const fs::path& device) {
    std::ifstream in(device / "uevent");
    constexpr std::string_view key = "PCI_SLOT_NAME=";
    for (std::string line; std::getline(in, line);)
      if (line.starts_with(key)) return line.substr(key.size());
    return "";
  }

  // The compute interface, which all cards share, and the card's own render node: what ROCm opens. The card node, which
  // can switch displays, is not among them.
  std::vector<std::string> device_files(const fs::path& device) const {
    std::vector<std::string> nodes;
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator(device / "drm", ignored))
      if (const auto name = entry.path().filename().string(); name.starts_with("renderD"))
        nodes.push_back(dev_ + "/dri/" + name);
    if (nodes.empty()) return {};
    std::sort(nodes.begin(), nodes.end());
    nodes.insert(nodes.begin(), dev_ + "/kfd");
    return nodes;
  }

  Gpu gpu_at(const fs::path& device, int index) const {
    Gpu gpu;
    gpu.index = index;
    gpu.bus = bus_of(device);
    // Older cards have no number of their own: their place on the bus has to do.
    const auto number = line_of(device / "unique_id");
    gpu.uuid = "AMD-" + (number.empty() ? gpu.bus : number);
    gpu.memory_bytes = number_in(device / "mem_info_vram_total").value_or(0);
    gpu.type_id = line_of(device / "product_name");
    if (gpu.type_id.empty()) {
      const auto model = line_of(device / "device");
      const auto known = names_by_device().find(model);
      gpu.type_id = known == names_by_device().end() ? "AMD GPU " + model : known->second;
    }
    gpu.devices = device_files(device);
    return gpu;
  }

  fs::path cards_;
  std::string dev_;
};

}  // namespace

std::unique_ptr<GpuProbe> amd_probe(std::string sysfs, std::string dev) {
  return std::make_unique<AmdProbe>(std::move(sysfs), std::move(dev));
}

}  // namespace gyre::engine
