// The wire of data centres, as far as the operator says what there is; what is free in them is in catalog/.
#pragma once

#include "fleet/host_service.hpp"
#include "http/router.hpp"
#include "json/codec.hpp"

namespace gyre {

std::vector<http::Route> data_center_routes(HostService& hosts, json::UnknownKeys unknown);

}  // namespace gyre
