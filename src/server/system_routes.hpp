// /healthz, /readyz, /metrics, /openapi.json, /.well-known/gyre: what machines ask.
#pragma once

#include <functional>
#include <string>

#include "http/router.hpp"
#include "runtime/metrics.hpp"

namespace gyre::server {

struct SystemRoutesNeeds {
  const http::Router& router;  // whose routes the document describes
  const Metrics& metrics;
  std::function<bool()> ready;        // false while it closes
  std::function<std::string()> pods;  // the last values of pods, in the same text format
  std::string installation;           // the same on all its servers, and on no other's
};
std::vector<http::Route> system_routes(SystemRoutesNeeds needs);

}  // namespace gyre::server
