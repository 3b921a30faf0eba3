// What is done to shared storage for network volumes. On the worker pool: storage of a network may be slow or away.
#pragma once

#include <functional>
#include <string>

namespace gyre {

// Each answers "" when it is as wanted now (also when it was so before), else why not.
struct VolumeDirectories {
  std::function<std::string(const std::string&shared_path, const std::string&name)> make, remove;
};

// Of this machine's file system. The shared path itself is never made: where it is missing nothing is mounted.
VolumeDirectories real_volume_directories();

}  // namespace gyre
