// /v1/containerregistryauth, in the shape of RunPod's REST API.
#pragma once

#include "http/router.hpp"
#include "json/codec.hpp"
#include "registry_auths/registry_auth_service.hpp"

namespace gyre {

std::vector<http::Route> registry_auth_routes(RegistryAuthService& auths, json::UnknownKeys unknown);

}  // namespace gyre
