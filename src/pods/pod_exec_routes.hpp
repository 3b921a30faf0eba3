// The wire of exec: GET /v1/pods/{id}/exec, a WebSocket. What is said over it: docs/exec.md.
#pragma once

#include <vector>

#include "http/router.hpp"
#include "pods/pod_service.hpp"

namespace gyre {

std::vector<http::Route> pod_exec_routes(PodService& pods);

}  // namespace gyre
