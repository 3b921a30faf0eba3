// What one GPU of a type costs from a date on. Pure.
#pragma once

#include <boost/describe.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "base/money.hpp"
#include "base/time.hpp"

namespace gyre {

struct GpuPrice {
  std::string gpu_type;
  Time from_at{};
  std::optional<Money> secure, community;            // on demand, an hour
  std::optional<Money> secure_spot, community_spot;  // the lowest bids
};
BOOST_DESCRIBE_STRUCT(GpuPrice, (), (gpu_type, from_at, secure, community, secure_spot, community_spot))

// On demand for SECURE, COMMUNITY or ALL (the lower of the two). Where one is not set, the other.
std::optional<Money> on_demand(const GpuPrice& price, std::string_view cloud);

// The lowest bid of a spot pod, chosen alike. Without one a spot pod costs what a pod on demand does: nobody gets a GPU
// for nothing because a price was not set.
std::optional<Money> lowest_bid(const GpuPrice& price, std::string_view cloud);

struct GpuType {
  std::string id, display_name;
  std::int64_t memory_gb = 0;
  std::optional<std::string> pool;  // of endpoints: "AMPERE_48"
  Time created_at{};
};
BOOST_DESCRIBE_STRUCT(GpuType, (), (id, display_name, memory_gb, pool, created_at))

std::optional<std::string> known_pool(std::string_view gpu_type);  // of RunPod's pools

}  // namespace gyre
