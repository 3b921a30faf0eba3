// RunPod's API offers every change twice: PATCH /v1/things/{id}, and POST /v1/things/{id}/update for clients that
// cannot send PATCH. The second is made from the first, so that the two cannot differ.
#pragma once

#include "http/router.hpp"

namespace gyre::http {

inline Route update_route(Route patch) {
  patch.method = Method::post;
  patch.path += "/update";
  patch.summary += " (same as PATCH)";
  patch.description = "For clients that cannot send PATCH. " + patch.description;
  return patch;
}

// For tables of routes: {patch, its twin}.
inline std::vector<Route> with_update_route(Route patch) {
  auto twin = update_route(patch);
  return {std::move(patch), std::move(twin)};
}

}  // namespace gyre::http
