// AMD GPUs, as the amdgpu driver shows them in sysfs: no library is needed. Only gpu_probe.cpp uses it.
#pragma once

#include <memory>
#include <string>

#include "engine/gpu_probe.hpp"

namespace gyre::engine {

// `sysfs` is "/sys", or what a test put in its place; `dev` is where the device files stand. Any thread.
std::unique_ptr<GpuProbe> amd_probe(std::string sysfs, std::string dev);

}  // namespace gyre::engine
