// What is done to and read of shared storage for network volumes. On the worker pool: storage of a network may be slow
// or away.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <tl/expected.hpp>

namespace gyre {

// Each answers "" when it is as wanted now (also when it was so before), else why not.
struct VolumeDirectories {
  std::function<std::string(const std::string&shared_path, const std::string&name)> make, remove;
  // How many bytes it holds, or why that cannot be told.
  std::function<tl::expected<std::int64_t, std::string>(const std::string& shared_path, const std::string& name)> used;
};

// Of this machine's file system. The shared path itself is never made: where it is missing nothing is mounted.
VolumeDirectories real_volume_directories();

}  // namespace gyre
