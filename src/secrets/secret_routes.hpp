// /v1/secrets.
#pragma once

#include "http/router.hpp"
#include "json/codec.hpp"
#include "secrets/secret_service.hpp"

namespace gyre {

std::vector<http::Route> secret_routes(SecretService& secrets, json::UnknownKeys unknown);

}  // namespace gyre
