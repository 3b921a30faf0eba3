// /v1/networkvolumes, in the shape of RunPod's REST API.
#pragma once

#include "http/router.hpp"
#include "json/codec.hpp"
#include "volumes/network_volume_service.hpp"

namespace gyre {

std::vector<http::Route> network_volume_routes(NetworkVolumeService& volumes, json::UnknownKeys unknown);

}  // namespace gyre
