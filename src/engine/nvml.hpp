// NVIDIA's management library, opened at run time so that the agent starts without a driver. Only gpu_probe.cpp uses
// it.
#pragma once

#include <memory>
#include <string>

#include "engine/gpu_probe.hpp"

namespace gyre::engine {

// `library` is what dlopen is asked for. One that is not there, or a driver that is not loaded, is looked for again by
// every call of gpus(). Any thread, one at a time inside.
std::unique_ptr<GpuProbe> nvml_probe(std::string library);

}  // namespace gyre::engine
