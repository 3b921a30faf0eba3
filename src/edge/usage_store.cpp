#include "edge/usage_store.hpp"

namespace gyre::edge {

void UsageStore::add(const UseDelta& delta, Time now) {
  const auto hour = std::chrono::floor<std::chrono::hours>(now);
  db_.exec(
      "INSERT INTO proxy_usage (workspace, pod, hour, bytes_in, bytes_out, requests) VALUES ($1, $2, $3, $4, $5, $6) "
      "ON CONFLICT (workspace, pod, hour) DO UPDATE SET bytes_in = proxy_usage.bytes_in + excluded.bytes_in, "
      "bytes_out = proxy_usage.bytes_out + excluded.bytes_out, requests = proxy_usage.requests + excluded.requests",
      delta.workspace, delta.pod, Time(hour), delta.bytes_in, delta.bytes_out, delta.requests);
}

std::vector<HourOfUse> UsageStore::of_pod(const WorkspaceId& workspace, const PodId& pod) const {
  return db_.all<HourOfUse>(
      "SELECT pod, workspace, hour, bytes_in, bytes_out, requests FROM proxy_usage WHERE workspace = $1 AND pod = $2 "
      "ORDER BY hour",
      workspace, pod);
}

std::int64_t UsageStore::remove_before(Time time, int limit) {
  return db_.exec(
      "DELETE FROM proxy_usage WHERE (workspace, pod, hour) IN (SELECT workspace, pod, hour FROM proxy_usage WHERE "
      "hour "
      "< $1 ORDER BY hour LIMIT $2)",
      time, limit);
}

}  // namespace gyre::edge
