// A serverless endpoint as it is defined. Pure: the type, what its owner may say, and what makes a new version.
#pragma once

#include <boost/describe.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.hpp"
#include "base/result.hpp"
#include "base/time.hpp"
#include "templates/template.hpp"

namespace gyre {

enum class ScalerType { QUEUE_DELAY, REQUEST_COUNT };
BOOST_DESCRIBE_ENUM(ScalerType, QUEUE_DELAY, REQUEST_COUNT)

enum class ComputeType { GPU, CPU };
BOOST_DESCRIBE_ENUM(ComputeType, GPU, CPU)

// What its owner writes; stored as JSON. The defaults are RunPod's (contracts 2.6, 8.3).
struct EndpointSpec {
  // What workers run and run on: a change makes a new version.
  std::string template_id;       // empty: what follows is the endpoint's own
  TemplateSettings settings;     // of the template when this version was made, without its words for people
  std::string registry_auth_id;  // with settings of its own; empty: none
  ComputeType compute = ComputeType::GPU;
  std::vector<std::string> gpu_types, cpu_flavors;  // none: any
  int gpu_count = 1, vcpu_count = 2;
  std::vector<std::string> data_centers;  // none: any
  std::vector<std::string> network_volumes;
  std::vector<std::string> cuda_allowed;  // none: any
  std::optional<std::string> cuda_min;
  // How many there are when: workers that are there can go on.
  int workers_min = 0, workers_max = 3;
  int idle_timeout_seconds = 5;
  ScalerType scaler = ScalerType::QUEUE_DELAY;
  int scaler_value = 4;
  std::int64_t execution_timeout_ms = 600'000;
  bool flashboot = false;
};
BOOST_DESCRIBE_STRUCT(EndpointSpec, (),
                      (template_id, settings, registry_auth_id, compute, gpu_types, cpu_flavors, gpu_count, vcpu_count,
                       data_centers, network_volumes, cuda_allowed, cuda_min, workers_min, workers_max,
                       idle_timeout_seconds, scaler, scaler_value, execution_timeout_ms, flashboot))

struct Endpoint {
  EndpointId id;
  WorkspaceId workspace;
  AccountId account;
  std::string name;
  std::string spec;          // JSON of EndpointSpec
  std::int64_t release = 1;  // what the API calls its version
  Time created_at{};
  std::int64_t version = 0;  // of the row
};
BOOST_DESCRIBE_STRUCT(Endpoint, (), (id, workspace, account, name, spec, release, created_at, version))

std::string spec_to_text(const EndpointSpec& spec);
EndpointSpec endpoint_spec_from_text(const std::string& text);  // of the database; throws DbError when it is none

// All that can be said without knowing what else there is; the first wrong field is named as the API names it.
Result<> check(const EndpointSpec& spec);

// Workers of the one cannot go on as workers of the other.
bool makes_new_version(const EndpointSpec& before, const EndpointSpec& after);

}  // namespace gyre
