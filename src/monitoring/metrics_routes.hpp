// GET /v1/pods/{id}/metrics, .../metrics/live, and the same of hosts for who runs the installation.
#pragma once

#include <vector>

#include "http/router.hpp"
#include "monitoring/metrics_service.hpp"

namespace gyre {

std::vector<http::Route> metrics_routes(MonitoringService& monitoring, PodService& pods, HostService& hosts);

}  // namespace gyre
