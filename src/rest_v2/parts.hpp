// Inside of rest_v2/: what the routes of its nouns share.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "http/resource_routes.hpp"
#include "rest_v2/log_events.hpp"
#include "rest_v2/rest_v2.hpp"

namespace gyre::rest_v2 {

// Whom the routes ask. Borrowed.
struct Services {
  Core& core;
  PodService& pods;
  Events& events;
  EventFeed& feed;
  Resources& resources;
  const MonitoringService& monitoring;
  LogEvents& logs;
  const Config& config;
};

std::vector<http::Route> pod_routes(const Services& services);
std::vector<http::Route> template_routes(const Services& services);
std::vector<http::Route> storage_routes(const Services& services);  // network volumes, registries
std::vector<http::Route> account_routes(const Services& services);
std::vector<http::Route> serverless_routes(const Services& services);
std::vector<http::Route> catalog_routes(const Services& services);

// {"pods": [...]}: a list under its name.
Result<http::Response> wrapped(std::string_view name, Result<http::Response> list);

// The names of fields in a refusal of a service, as this API calls them: {"imageName", "image"}. What stands behind a
// name stays: "env.A B" is "env.A B". The first that fits counts.
using Names = std::vector<std::pair<std::string_view, std::string_view>>;
Error renamed(Error error, const Names& names);
template <class T>
Result<T> renamed(Result<T> result, const Names& names) {
  if (!result) return fail(renamed(std::move(result).error(), names));
  return result;
}

std::string joined(const std::vector<std::string>& words);  // "a, b"

// The text of the query's parameters that is one of these; invalid_field otherwise.
Result<std::optional<std::string>> choice(const http::Request& request, const std::string& name,
                                          const std::vector<std::string>& choices);
Result<std::optional<int>> number(const http::Request& request, const std::string& name, int low, int high);

}  // namespace gyre::rest_v2
