// /v1/cloudsyncs.
#pragma once

#include "cloud_syncs/cloud_sync_service.hpp"
#include "http/router.hpp"
#include "json/codec.hpp"

namespace gyre {

std::vector<http::Route> cloud_sync_routes(CloudSyncService& syncs, json::UnknownKeys unknown);

}  // namespace gyre
