// The wire of pods: paths, bodies and answers over PodService.
#pragma once

#include "events/events.hpp"
#include "http/router.hpp"
#include "json/codec.hpp"
#include "pods/pod_service.hpp"

namespace gyre {

// `unknown`: what happens to body keys that no version of the API knows (compat.unknown_fields).
std::vector<http::Route> pod_routes(PodService& pods, HostService& hosts, Events& events, json::UnknownKeys unknown);

}  // namespace gyre
