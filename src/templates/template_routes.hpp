// /v1/templates, in the shape of RunPod's REST API.
#pragma once

#include "http/router.hpp"
#include "json/codec.hpp"
#include "templates/template_service.hpp"

namespace gyre {

std::vector<http::Route> template_routes(TemplateService& templates, json::UnknownKeys unknown);

}  // namespace gyre
