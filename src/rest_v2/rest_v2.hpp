// RunPod's REST v2 (contract section 8.6): /v2/... over the same services as /v1. A route here turns words into words;
// no rule is made here, and what a service refuses is refused in v2's names of the fields.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "events/event_feed.hpp"
#include "http/router.hpp"
#include "json/codec.hpp"
#include "monitoring/metrics_service.hpp"
#include "pods/pod_service.hpp"
#include "resources/resources.hpp"

namespace gyre::rest_v2 {

// Where people reach the SSH gateway; no host: there is none.
struct SshAddress {
  std::string host;
  int port = 0;
};

struct Config {
  std::function<SshAddress()> ssh = [] { return SshAddress(); };
  std::function<std::string()> public_url = [] { return std::string(); };  // "https://gyre.example.com"
  json::UnknownKeys unknown = json::UnknownKeys::refuse;
};

// All words that stand where the id of an endpoint stands in /v2/{endpointId}/run. No id may be one of them.
const std::vector<std::string_view>& reserved_words();

class RestV2 {
 public:
  // All outlive it.
  RestV2(Core& core, PodService& pods, Events& events, EventFeed& feed, Resources& resources,
         const MonitoringService& monitoring, Config config);
  ~RestV2();

  std::vector<http::Route> routes();
  void close_all();  // ends every log: the server is shutting down, and clients come back with the last id they saw

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace gyre::rest_v2
