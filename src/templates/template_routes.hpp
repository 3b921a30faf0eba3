// /v1/templates, in the shape of RunPod's REST API.
#pragma once

#include <boost/json/fwd.hpp>

#include "http/router.hpp"
#include "json/codec.hpp"
#include "templates/template_service.hpp"

namespace gyre {

// As its routes show it to that workspace.
boost::json::object template_json(const Template& shown, const WorkspaceId& reader);

std::vector<http::Route> template_routes(TemplateService& templates, json::UnknownKeys unknown);

}  // namespace gyre
