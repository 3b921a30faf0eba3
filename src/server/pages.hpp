// The pages: / and /login (log in, and the pods, live), a pod's terminal, a pod's cloud syncs. Their files travel
// inside the binary; nothing is fetched elsewhere.
#pragma once

#include <string_view>
#include <vector>

#include "http/router.hpp"

namespace gyre::server {

struct Asset {
  std::string_view name;  // "pods.js"
  std::string_view content;
};
const std::vector<Asset>& assets();

std::vector<http::Route> page_routes();

}  // namespace gyre::server
