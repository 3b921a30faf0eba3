// RunPod's GraphQL API (contract section 2): POST /graphql over the same services as REST, for clients that were made
// for RunPod. The schema is api/schema.graphql; no field has a rule of its own.
#pragma once

#include <memory>
#include <vector>

#include "accounts/account_store.hpp"
#include "http/router.hpp"
#include "monitoring/metrics_service.hpp"
#include "pods/pod_service.hpp"
#include "resources/resources.hpp"

namespace gyre::compat {

class RunpodGraphql {
 public:
  // All outlive it. Throws when a field of the schema has no resolver: at start, not when a client asks.
  RunpodGraphql(Core& core, PodService& pods, Resources& resources, const MonitoringService& monitoring);
  ~RunpodGraphql();

  std::vector<http::Route> routes();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace gyre::compat
