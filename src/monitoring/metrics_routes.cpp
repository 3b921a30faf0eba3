#include "monitoring/metrics_routes.hpp"

#include "json/codec.hpp"
#include "monitoring/metrics_view.hpp"

namespace gyre {
namespace {

using http::Access;
using http::Request;
using http::Response;
using http::Route;

std::vector<http::QueryParameter> range_parameters() {
  return {{"from", "a time, or a time ago: 30m, 8h, 7d; 8h when not given", "8h"},
          {"to", "a time, a time ago, or now", "now"},
          {"step", "what one value stands for: 1m to 5h, or 10s for every value there is; 10m when not given", "10m"}};
}

constexpr const char* range_words =
    "Means over steps that begin at multiples of their length. Values every 10 seconds are kept for 24 hours, means "
    "over 5 "
    "minutes for 30 days: a range that begins earlier than 24 hours ago needs a step of at least 5 minutes. Where "
    "nothing "
    "was measured stands null; nothing is interpolated.";

Result<Response> chart(MonitoringService& monitoring, const Request& request, const std::string& owner,
                       const std::string& id, const std::string& name) {
  const WindowWish wish{request.query.get("from"), request.query.get("to"), request.query.get("step")};
  const auto window = TRY(window_of(wish, monitoring.now()));
  auto later = std::make_shared<http::Later>();
  // What an error is answered with depends on the request, which is gone by then.
  auto asked = std::make_shared<Request>();
  asked->request_id = request.request_id;
  asked->language = request.language;
  monitoring.read(owner, window, [later, asked, window, id, name](Result<std::vector<StoredSeries>> series) {
    later->complete(series ? http::json_response(200, json::encode(view(id, name, window, *series)))
                           : http::problem(series.error(), *asked));
  });
  return http::later_response(later);
}

}  // namespace

std::vector<Route> metrics_routes(MonitoringService& monitoring, PodService& pods, HostService& hosts) {
  std::vector<Route> out;
  out.push_back(
      {.path = "/v1/pods/{id}/metrics",
       .access = Access::reader,
       .summary = "What a pod used",
       .description = std::string("CPU, memory, network and disk of the pod, and what its GPUs did. ") + range_words,
       .tag = "Metrics",
       .pod_key = true,
       .query = range_parameters(),
       .answer = json::schema<MetricsView>(),
       .errors = {Reason::pod_not_found, Reason::invalid_field, Reason::metrics_unavailable},
       .handler = [&monitoring, &pods](const Request& request) -> Result<Response> {
         const auto pod = TRY(pods.get(request.caller, PodId(request.param("id"))));
         return chart(monitoring, request, owner_of(pod.id), pod.id.str(), pod.name);
       }});
  out.push_back({.path = "/v1/pods/{id}/metrics/live",
                 .access = Access::reader,
                 .summary = "Follow what a pod uses",
                 .description =
                     "Server-sent events named `metrics`, without end: the last sample at once, then each as it comes, "
                     "about every 5 seconds while the pod runs. A reader that is too slow is cut off.",
                 .tag = "Metrics",
                 .pod_key = true,
                 .answer = json::schema<PodNowView>(),
                 .answer_type = "text/event-stream",
                 .errors = {Reason::pod_not_found, Reason::too_many_requests},
                 .handler = [&monitoring, &pods](const Request& request) -> Result<Response> {
                   const auto pod = TRY(pods.get(request.caller, PodId(request.param("id"))));
                   Response response;
                   if (request.method == http::Method::head)
                     response.headers.add("Content-Type", "text/event-stream");
                   else
                     response = http::stream_response("text/event-stream", TRY(monitoring.live(pod)));
                   response.headers.add("Cache-Control", "no-cache");
                   response.headers.add("X-Accel-Buffering", "no");  // nginx would keep events back
                   return response;
                 }});
  out.push_back({.path = "/v1/hosts/{id}/metrics",
                 .access = Access::admin,
                 .summary = "What a host used",
                 .description = std::string("The whole machine, and each of its GPUs whoever had it. ") + range_words,
                 .tag = "Metrics",
                 .query = range_parameters(),
                 .answer = json::schema<MetricsView>(),
                 .errors = {Reason::host_not_found, Reason::invalid_field, Reason::metrics_unavailable},
                 .handler = [&monitoring, &hosts](const Request& request) -> Result<Response> {
                   const auto host = TRY(hosts.get(request.caller, HostId(request.param("id"))));
                   return chart(monitoring, request, owner_of(host.id), host.id.str(), host.name);
                 }});
  return out;
}

}  // namespace gyre
