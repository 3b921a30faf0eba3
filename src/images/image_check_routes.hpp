// /v1/images/check.
#pragma once

#include "http/router.hpp"
#include "images/image_check_service.hpp"
#include "json/codec.hpp"

namespace gyre {

std::vector<http::Route> image_check_routes(ImageCheckService& images, json::UnknownKeys unknown);

}  // namespace gyre
