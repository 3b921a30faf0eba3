#include "catalog/gpu_price.hpp"

#include <algorithm>
#include <utility>

namespace gyre {
namespace {

constexpr std::pair<std::string_view, std::string_view> pools[] = {
    {"NVIDIA RTX A4000", "AMPERE_16"},
    {"NVIDIA RTX A4500", "AMPERE_16"},
    {"NVIDIA RTX 4000 Ada Generation", "AMPERE_16"},
    {"NVIDIA RTX 2000 Ada Generation", "AMPERE_16"},
    {"NVIDIA L4", "AMPERE_24"},
    {"NVIDIA RTX A5000", "AMPERE_24"},
    {"NVIDIA GeForce RTX 3090", "AMPERE_24"},
    {"NVIDIA GeForce RTX 4090", "ADA_24"},
    {"NVIDIA GeForce RTX 5090", "ADA_32_PRO"},
    {"NVIDIA RTX A6000", "AMPERE_48"},
    {"NVIDIA A40", "AMPERE_48"},
    {"NVIDIA L40", "ADA_48_PRO"},
    {"NVIDIA L40S", "ADA_48_PRO"},
    {"NVIDIA RTX 6000 Ada Generation", "ADA_48_PRO"},
    {"NVIDIA A100 80GB PCIe", "AMPERE_80"},
    {"NVIDIA A100-SXM4-80GB", "AMPERE_80"},
    {"NVIDIA H100 NVL", "ADA_80_PRO"},
    {"NVIDIA H100 PCIe", "ADA_80_PRO"},
    {"NVIDIA H100 80GB HBM3", "ADA_80_PRO"},
    {"NVIDIA RTX PRO 6000 Blackwell Server Edition", "BLACKWELL_96"},
    {"NVIDIA RTX PRO 6000 Blackwell Workstation Edition", "BLACKWELL_96"},
    {"NVIDIA RTX PRO 6000 Blackwell Max-Q Workstation Edition", "BLACKWELL_96"},
    {"NVIDIA H200", "HOPPER_141"},
    {"NVIDIA B200", "BLACKWELL_180"},
};

std::optional<Money> of_cloud(const std::optional<Money>& secure, const std::optional<Money>& community,
                              std::string_view cloud) {
  if (!secure || !community) return secure ? secure : community;
  if (cloud == "SECURE") return secure;
  if (cloud == "COMMUNITY") return community;
  return std::min(*secure, *community);
}

}  // namespace

std::optional<Money> on_demand(const GpuPrice& price, std::string_view cloud) {
  return of_cloud(price.secure, price.community, cloud);
}

std::optional<Money> lowest_bid(const GpuPrice& price, std::string_view cloud) {
  const auto set = of_cloud(price.secure_spot, price.community_spot, cloud);
  return set ? set : on_demand(price, cloud);
}

std::optional<std::string> known_pool(std::string_view gpu_type) {
  for (const auto& [type, pool] : pools)
    if (type == gpu_type) return std::string(pool);
  return std::nullopt;
}

}  // namespace gyre
