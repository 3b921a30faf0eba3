// The page at / and /login: log in, and the pods, live. Its files travel inside the binary; nothing is fetched
// elsewhere.
#pragma once

#include <string_view>
#include <vector>

#include "http/router.hpp"

namespace gyre::server {

struct Asset {
  std::string_view name;  // "landing.js"
  std::string_view content;
};
const std::vector<Asset>& assets();

std::vector<http::Route> landing_routes();

}  // namespace gyre::server
