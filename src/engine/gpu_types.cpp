#include "engine/gpu_types.hpp"

#include <algorithm>

namespace gyre::engine {
namespace {

// The ids are NVML's device names (AMD's: the product name), as RunPod's clients send them.
constexpr KnownGpuType known_types[] = {
    {"NVIDIA A100 80GB PCIe", "A100 PCIe", 80},
    {"NVIDIA A100-SXM4-80GB", "A100 SXM", 80},
    {"NVIDIA A30", "A30", 24},
    {"NVIDIA A40", "A40", 48},
    {"NVIDIA H100 NVL", "H100 NVL", 94},
    {"NVIDIA H100 PCIe", "H100 PCIe", 80},
    {"NVIDIA H100 80GB HBM3", "H100 SXM", 80},
    {"NVIDIA L4", "L4", 24},
    {"NVIDIA L40", "L40", 48},
    {"NVIDIA L40S", "L40S", 48},
    {"AMD Instinct MI300X OAM", "MI300X", 192},
    {"NVIDIA RTX 2000 Ada Generation", "RTX 2000 Ada", 16},
    {"NVIDIA GeForce RTX 3070", "RTX 3070", 8},
    {"NVIDIA GeForce RTX 3080", "RTX 3080", 10},
    {"NVIDIA GeForce RTX 3080 Ti", "RTX 3080 Ti", 12},
    {"NVIDIA GeForce RTX 3090", "RTX 3090", 24},
    {"NVIDIA GeForce RTX 3090 Ti", "RTX 3090 Ti", 24},
    {"NVIDIA RTX 4000 Ada Generation", "RTX 4000 Ada", 20},
    {"NVIDIA GeForce RTX 4070 Ti", "RTX 4070 Ti", 12},
    {"NVIDIA GeForce RTX 4080", "RTX 4080", 16},
    {"NVIDIA GeForce RTX 4090", "RTX 4090", 24},
    {"NVIDIA RTX 5000 Ada Generation", "RTX 5000 Ada", 32},
    {"NVIDIA RTX 6000 Ada Generation", "RTX 6000 Ada", 48},
    {"NVIDIA RTX A2000", "RTX A2000", 6},
    {"NVIDIA RTX A4000", "RTX A4000", 16},
    {"NVIDIA RTX A4500", "RTX A4500", 20},
    {"NVIDIA RTX A5000", "RTX A5000", 24},
    {"NVIDIA RTX A6000", "RTX A6000", 48},
    {"Tesla V100-SXM2-16GB", "V100 SXM2", 16},
    {"Tesla V100-SXM2-32GB", "V100 SXM2 32GB", 32},
    {"NVIDIA H200", "H200 SXM", 141},
    {"NVIDIA H200 NVL", "NVIDIA H200 NVL", 143},
    {"NVIDIA B200", "B200", 180},
    {"NVIDIA B300 SXM6 AC", "B300", 288},
    {"NVIDIA GeForce RTX 4080 SUPER", "RTX 4080 SUPER", 16},
    {"NVIDIA GeForce RTX 5080", "RTX 5080", 16},
    {"NVIDIA GeForce RTX 5090", "RTX 5090", 32},
    {"NVIDIA RTX 4000 SFF Ada Generation", "RTX 4000 Ada SFF", 20},
    {"NVIDIA RTX PRO 4500 Blackwell", "RTX PRO 4500", 32},
    {"NVIDIA RTX PRO 6000 Blackwell Server Edition", "RTX PRO 6000", 96},
    {"NVIDIA RTX PRO 6000 Blackwell Server Edition MIG 1g.24gb", "PRO 6000 MIG 24GB", 24},
    {"NVIDIA RTX PRO 6000 Blackwell Server Edition MIG 2g.48gb", "PRO 6000 MIG 48GB", 48},
    {"NVIDIA RTX PRO 6000 Blackwell Workstation Edition", "RTX PRO 6000 WK", 96},
    {"NVIDIA RTX PRO 6000 Blackwell Max-Q Workstation Edition", "RTX PRO 6000 MaxQ", 96},
    {"Tesla V100-PCIE-16GB", "Tesla V100", 16},
    {"Tesla V100-FHHL-16GB", "V100 FHHL", 16},
    {"Tesla V100-PCIE-32GB", "V100 PCIe 32GB", 32},
    {"Tesla T4", "T4", 16},
    {"NVIDIA A100-SXM4-40GB", "A100 SXM 40GB", 40},
};

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool same_word(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) { return lower(x) == lower(y); });
}

}  // namespace

std::span<const KnownGpuType> known_gpu_types() { return known_types; }

const KnownGpuType* find_gpu_type(std::string_view name) {
  for (const auto& type : known_types)
    if (same_word(type.id, name)) return &type;
  for (const auto& type : known_types)
    if (same_word(type.display_name, name)) return &type;
  return nullptr;
}

}  // namespace gyre::engine
