// GET /v1/gpus: which GPU types this installation has, and how many of each are free now. Anyone who may create pods
// may see it; it names no host.
#pragma once

#include "fleet/host_service.hpp"
#include "http/router.hpp"

namespace gyre {

std::vector<http::Route> gpu_routes(HostService& hosts);

}  // namespace gyre
