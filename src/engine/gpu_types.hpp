// The GPU types that are known without having one: their ids, what people call them, and their memory.
#pragma once

#include <span>
#include <string_view>

namespace gyre::engine {

struct KnownGpuType {
  std::string_view id;            // "NVIDIA A40"
  std::string_view display_name;  // "A40"
  int memory_gb;
};

// By id, else by display name, whatever the case of the letters; null when unknown. Lives as long as the program.
const KnownGpuType* find_gpu_type(std::string_view name);

// All of them, in the order in which they are shown.
std::span<const KnownGpuType> known_gpu_types();

}  // namespace gyre::engine
