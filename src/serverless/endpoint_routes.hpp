// /v1/endpoints, in the shape of RunPod's REST API.
#pragma once

#include "http/router.hpp"
#include "json/codec.hpp"
#include "serverless/endpoint_service.hpp"

namespace gyre {

std::vector<http::Route> endpoint_routes(EndpointService& endpoints, const TemplateService& templates,
                                         json::UnknownKeys unknown);

}  // namespace gyre
