#include "engine/gpu_probe.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "engine/gpu_types.hpp"

namespace gyre::engine {
namespace {

namespace fs = std::filesystem;

class GpuProbes : public testing::Test {
 protected:
  GpuProbes() {
    std::string pattern = (fs::temp_directory_path() / "gyre-gpus-XXXXXX").string();
    folder = ::mkdtemp(pattern.data());
    ::setenv("GYRE_NVML_STATE", (folder / "nvml").c_str(), 1);
  }
  ~GpuProbes() override {
    ::unsetenv("GYRE_NVML_STATE");
    fs::remove_all(folder);
  }
  void nvml(const std::string& state) { std::ofstream(folder / "nvml") << state; }
  void file(const fs::path& path, const std::string& text) {
    fs::create_directories((folder / "sys" / path).parent_path());
    std::ofstream(folder / "sys" / path) << text << "\n";
  }
  std::unique_ptr<GpuProbe> probe() {
    return system_gpu_probe({.nvml_library = GYRE_NVML_DOUBLE, .sysfs = (folder / "sys").string()});
  }

  fs::path folder;
};

TEST_F(GpuProbes, AMachineWithoutLibraryOrCardsHasNoGpus) {
  auto none = system_gpu_probe({.nvml_library = "libnosuch-ml.so.1", .sysfs = (folder / "nowhere").string()});
  EXPECT_TRUE(none->gpus().empty());
  EXPECT_TRUE(none->read().empty());
  EXPECT_FALSE(none->driver());
}

TEST_F(GpuProbes, ADriverThatIsLoadedLaterIsFound) {
  auto found = probe();
  EXPECT_TRUE(found->gpus().empty());
  EXPECT_TRUE(found->read().empty());
  nvml("driver 535.129.03\ncuda 12020\ngpu GPU-1 name=NVIDIA_A40 memory=48305799168\n");
  EXPECT_EQ(found->gpus().size(), 1u);
  EXPECT_EQ(found->driver()->driver_version, "535.129.03");
  EXPECT_EQ(found->driver()->cuda_version, "12.2");
}

TEST_F(GpuProbes, NvidiaGpusAreToldWithWhatTheyAreAndHowTheyDo) {
  nvml(
      "driver 1\ncuda 13000\n"
      "gpu GPU-1 name=NVIDIA_A40 memory=48305799168 used=1000 util=37 temp=61 power=214499 ecc=2 bus=0000:3B:00.0\n"
      "gpu GPU-2 name=NVIDIA_GeForce_RTX_4090 memory=25757220864 noecc=1 power=214500\n");
  auto found = probe();
  const auto gpus = found->gpus();
  ASSERT_EQ(gpus.size(), 2u);
  EXPECT_EQ(gpus[0].uuid, "GPU-1");
  EXPECT_EQ(gpus[0].type_id, "NVIDIA A40");
  EXPECT_EQ(gpus[0].memory_bytes, 48305799168);
  EXPECT_EQ(gpus[0].bus, "0000:3B:00.0");
  EXPECT_FALSE(gpus[0].simulated);
  EXPECT_EQ(gpus[1].index, 1);
  EXPECT_EQ(gpus[1].type_id, "NVIDIA GeForce RTX 4090");
  const auto readings = found->read();
  ASSERT_EQ(readings.size(), 2u);
  EXPECT_EQ(readings[0].uuid, "GPU-1");
  EXPECT_EQ(readings[0].utilisation_percent, 37);
  EXPECT_EQ(readings[0].memory_used_bytes, 1000);
  EXPECT_EQ(readings[0].temperature_celsius, 61);
  EXPECT_EQ(readings[0].power_watts, 214);
  EXPECT_EQ(readings[0].ecc_errors_uncorrected, 2);
  EXPECT_EQ(readings[1].power_watts, 215);
  EXPECT_EQ(readings[1].ecc_errors_uncorrected, 0);
  EXPECT_EQ(found->driver()->cuda_version, "13.0");
}

TEST_F(GpuProbes, AnXidIsToldOnceAndOfTheRightGpu) {
  const std::string gpus = "gpu GPU-1 name=NVIDIA_A40 memory=1\ngpu GPU-2 name=NVIDIA_L4 memory=1 noecc=1\n";
  nvml(gpus);
  auto found = probe();
  found->gpus();
  EXPECT_TRUE(found->read()[0].events.empty());
  nvml(gpus + "xid GPU-2 79\nxid GPU-2 31\n");
  auto readings = found->read();
  EXPECT_TRUE(readings[0].events.empty());
  EXPECT_EQ(readings[1].events, (std::vector<std::string>{"XID 79", "XID 31"}));
  EXPECT_TRUE(found->read()[1].events.empty());
}

TEST_F(GpuProbes, AGpuThatIsLostStaysInTheListAndSaysSo) {
  nvml("gpu GPU-1 name=NVIDIA_A40 memory=1\ngpu GPU-2 name=NVIDIA_A40 memory=1\n");
  auto found = probe();
  EXPECT_EQ(found->gpus().size(), 2u);
  nvml("gpu GPU-1 name=NVIDIA_A40 memory=1 lost=1\ngpu GPU-2 name=NVIDIA_A40 memory=1 util=5\n");
  EXPECT_EQ(found->gpus().size(), 2u);
  const auto readings = found->read();
  EXPECT_EQ(readings[0].events, (std::vector<std::string>{"lost"}));
  EXPECT_TRUE(readings[1].events.empty());
  EXPECT_EQ(readings[1].utilisation_percent, 5);
}

TEST_F(GpuProbes, AmdCardsAreReadFromSysfsInTheOrderOfTheBus) {
  const std::string second = "class/drm/card0/device/", first = "class/drm/card2/device/";
  file(second + "vendor", "0x1002");
  file(second + "device", "0x744c");
  file(second + "uevent", "DRIVER=amdgpu\nPCI_SLOT_NAME=0000:83:00.0");
  file(second + "mem_info_vram_total", "25753026560");
  file(first + "vendor", "0x1002");
  file(first + "uevent", "PCI_SLOT_NAME=0000:03:00.0");
  file(first + "unique_id", "8f3c0a1b2c3d4e5f");
  file(first + "product_name", "AMD Instinct MI300X OAM");
  file(first + "mem_info_vram_total", "206141652992");
  file(first + "mem_info_vram_used", "1234");
  file(first + "gpu_busy_percent", "98");
  file(first + "hwmon/hwmon3/temp1_input", "71000");
  file(first + "hwmon/hwmon3/power1_average", "543000000");
  file(first + "ras/umc_err_count", "ue: 3\nce: 9");
  file(first + "drm/card2/dev", "226:2");
  file(first + "drm/renderD130/dev", "226:130");
  file("class/drm/card2-DP-1/device/vendor", "0x1002");  // a plug of it
  file("class/drm/card3/device/vendor", "0x1002");       // graphics inside a processor
  file("class/drm/card3/device/mem_info_vram_total", "536870912");
  file("class/drm/card4/device/vendor", "0x8086");  // somebody else's
  file("class/drm/card4/device/mem_info_vram_total", "206141652992");
  auto found = probe();
  const auto gpus = found->gpus();
  ASSERT_EQ(gpus.size(), 2u);
  EXPECT_EQ(gpus[0].uuid, "AMD-8f3c0a1b2c3d4e5f");
  EXPECT_EQ(gpus[0].type_id, "AMD Instinct MI300X OAM");
  EXPECT_EQ(gpus[0].memory_bytes, 206141652992);
  EXPECT_EQ(gpus[0].devices, (std::vector<std::string>{"/dev/kfd", "/dev/dri/renderD130"}));
  EXPECT_TRUE(gpus[1].devices.empty()) << "its driver offers no compute";
  EXPECT_EQ(gpus[1].uuid, "AMD-0000:83:00.0");
  EXPECT_EQ(gpus[1].type_id, "AMD Radeon RX 7900 XTX");
  EXPECT_EQ(gpus[1].index, 1);
  const auto readings = found->read();
  ASSERT_EQ(readings.size(), 2u);
  EXPECT_EQ(readings[0].uuid, gpus[0].uuid);
  EXPECT_EQ(readings[0].utilisation_percent, 98);
  EXPECT_EQ(readings[0].memory_used_bytes, 1234);
  EXPECT_EQ(readings[0].temperature_celsius, 71);
  EXPECT_EQ(readings[0].power_watts, 543);
  EXPECT_EQ(readings[0].ecc_errors_uncorrected, 3);
  EXPECT_EQ(readings[1].power_watts, 0);
}

TEST(SimulatedGpus, TheListSaysWhichAndHowMany) {
  auto probe = simulated_gpu_probe("NVIDIA A40:2, NVIDIA GeForce RTX 4090:1", "h1");
  ASSERT_TRUE(probe) << probe.error().message();
  const auto gpus = (*probe)->gpus();
  ASSERT_EQ(gpus.size(), 3u);
  EXPECT_EQ(gpus[0].uuid, "SIM-h1-0");
  EXPECT_EQ(gpus[0].type_id, "NVIDIA A40");
  EXPECT_EQ(gpus[0].memory_bytes, std::int64_t{48} << 30);
  EXPECT_TRUE(gpus[0].simulated);
  EXPECT_EQ(gpus[2].uuid, "SIM-h1-2");
  EXPECT_EQ(gpus[2].type_id, "NVIDIA GeForce RTX 4090");
  EXPECT_EQ((*probe)->read().size(), 3u);
  EXPECT_EQ((*probe)->driver()->driver_version, "simulated");
  EXPECT_EQ((*simulated_gpu_probe("a40:1", "h"))->gpus()[0].type_id, "NVIDIA A40") << "as people say it";
}

TEST(SimulatedGpus, AnUnreadableListIsRefusedWithThePartThatIsWrong) {
  for (const auto& [spec, part] :
       std::vector<std::pair<std::string, std::string>>{{"", ""},
                                                        {"NVIDIA A40", "NVIDIA A40"},
                                                        {"NVIDIA A40:", "NVIDIA A40:"},
                                                        {"NVIDIA A40:0", "NVIDIA A40:0"},
                                                        {"NVIDIA A40:-1", "NVIDIA A40:-1"},
                                                        {"NVIDIA A40:2x", "NVIDIA A40:2x"},
                                                        {"NVIDIA A40:1,", ""},
                                                        {"NVIDIA A40:1,NVIDIA A41:2", "NVIDIA A41:2"},
                                                        {":3", ":3"},
                                                        {"NVIDIA A40:99999999999", "NVIDIA A40:99999999999"},
                                                        {"NVIDIA A40:200,NVIDIA L4:100", "NVIDIA L4:100"}}) {
    const auto probe = simulated_gpu_probe(spec, "h1");
    ASSERT_FALSE(probe) << spec;
    EXPECT_EQ(probe.error().reason, Reason::simulated_gpus_invalid);
    EXPECT_EQ(probe.error().args[0].second, part) << spec;
  }
}

TEST(GpuTypes, AllTypesThatClientsKnowHaveTheirMemory) {
  EXPECT_EQ(find_gpu_type("NVIDIA H100 80GB HBM3")->memory_gb, 80);
  EXPECT_EQ(find_gpu_type("H100 SXM"), find_gpu_type("NVIDIA H100 80GB HBM3"));
  EXPECT_EQ(find_gpu_type("AMD Instinct MI300X OAM")->memory_gb, 192);
  EXPECT_EQ(find_gpu_type("Tesla V100-SXM2-32GB")->memory_gb, 32);
  EXPECT_EQ(find_gpu_type("NVIDIA A41"), nullptr);
  EXPECT_EQ(find_gpu_type(""), nullptr);
}

}  // namespace
}  // namespace gyre::engine
