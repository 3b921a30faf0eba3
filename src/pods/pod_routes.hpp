// The wire of pods: paths, bodies and answers over PodService.
#pragma once

#include "events/events.hpp"
#include "http/router.hpp"
#include "json/codec.hpp"
#include "pods/pod_service.hpp"

namespace gyre {

// `unknown`: what happens to body keys that no version of the API knows (compat.unknown_fields).
std::vector<http::Route> pod_routes(PodService& pods, HostService& hosts, Events& events, json::UnknownKeys unknown);

// What the query of a log says: container, follow, tail, since, timestamps, stream.
Result<link::LogRequest> log_request(const http::Request& request);

}  // namespace gyre
