#include "engine/gpu_probe.hpp"

#include <charconv>

#include "engine/amd_gpus.hpp"
#include "engine/gpu_types.hpp"
#include "engine/nvml.hpp"

namespace gyre::engine {
namespace {

constexpr int simulated_max = 256;  // of one host; more is a slip of the keyboard
constexpr int simulated_idle_celsius = 30;

class SystemProbe final : public GpuProbe {
 public:
  explicit SystemProbe(const GpuSources& sources)
      : nvidia_(nvml_probe(sources.nvml_library)), amd_(amd_probe(sources.sysfs, sources.dev)) {}

  std::vector<Gpu> gpus() override {
    auto out = nvidia_->gpus();
    for (auto& gpu : amd_->gpus()) {
      gpu.index = static_cast<int>(out.size());
      out.push_back(std::move(gpu));
    }
    return out;
  }
  std::vector<GpuReading> read() override {
    auto out = nvidia_->read();
    for (auto& reading : amd_->read()) out.push_back(std::move(reading));
    return out;
  }
  std::optional<GpuDriver> driver() override { return nvidia_->driver(); }
  std::vector<int> unreachable() override { return nvidia_->unreachable(); }

 private:
  std::unique_ptr<GpuProbe> nvidia_, amd_;
};

// GPUs that are only claimed. They idle: nothing runs on them, and nothing is invented about what would.
class SimulatedProbe final : public GpuProbe {
 public:
  explicit SimulatedProbe(std::vector<Gpu> gpus) : gpus_(std::move(gpus)) {}

  std::vector<Gpu> gpus() override { return gpus_; }
  std::vector<GpuReading> read() override {
    std::vector<GpuReading> out;
    for (const auto& gpu : gpus_) {
      GpuReading reading;
      reading.uuid = gpu.uuid;
      reading.temperature_celsius = simulated_idle_celsius;
      out.push_back(std::move(reading));
    }
    return out;
  }
  // Pods that ask for a CUDA version can be tried on simulated hosts too; the driver's name says what it is.
  std::optional<GpuDriver> driver() override { return GpuDriver{"simulated", "12.8"}; }

 private:
  std::vector<Gpu> gpus_;
};

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

}  // namespace

std::unique_ptr<GpuProbe> system_gpu_probe(const GpuSources& sources) { return std::make_unique<SystemProbe>(sources); }

Result<std::unique_ptr<GpuProbe>> simulated_gpu_probe(const std::string& spec, const std::string& host_name) {
  std::vector<Gpu> gpus;
  for (std::string_view rest = spec;;) {
    const auto comma = rest.find(',');
    const auto part = trimmed(rest.substr(0, comma));
    auto refuse = [&](std::string detail) {
      return fail(Reason::simulated_gpus_invalid, {{"part", std::string(part)}, {"detail", std::move(detail)}},
                  "simulate_gpus");
    };
    const auto colon = part.rfind(':');
    if (part.empty()) return refuse("there is nothing between the commas");
    if (colon == std::string_view::npos) return refuse("how many is missing after the name");
    const auto name = trimmed(part.substr(0, colon)), digits = trimmed(part.substr(colon + 1));
    int count = 0;
    const auto [end, problem] = std::from_chars(digits.data(), digits.data() + digits.size(), count);
    if (problem != std::errc() || end != digits.data() + digits.size() || count < 1 || count > simulated_max)
      return refuse("`" + std::string(digits) + "` is not a number from 1 to " + std::to_string(simulated_max));
    const auto* type = find_gpu_type(name);
    if (!type) return refuse("no known GPU type has the name `" + std::string(name) + "`");
    if (gpus.size() + static_cast<std::size_t>(count) > simulated_max)
      return refuse("that is more than " + std::to_string(simulated_max) + " GPUs in one host");
    for (int i = 0; i < count; ++i) {
      Gpu gpu;
      gpu.index = static_cast<int>(gpus.size());
      gpu.uuid = "SIM-" + host_name + "-" + std::to_string(gpu.index);
      gpu.type_id = type->id;
      gpu.memory_bytes = std::int64_t{type->memory_gb} << 30;
      gpu.simulated = true;
      gpus.push_back(std::move(gpu));
    }
    if (comma == std::string_view::npos) break;
    rest.remove_prefix(comma + 1);
  }
  return std::unique_ptr<GpuProbe>(std::make_unique<SimulatedProbe>(std::move(gpus)));
}

}  // namespace gyre::engine
