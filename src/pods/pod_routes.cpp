#include "pods/pod_routes.hpp"

#include <charconv>

#include "events/event_view.hpp"
#include "http/page.hpp"
#include "http/update_route.hpp"
#include "json/money.hpp"
#include "pods/pod_view.hpp"

namespace gyre {
namespace {

using http::Access;
using http::Method;
using http::Request;
using http::Response;
using http::Route;

PodParts parts(const Request& request) {
  return {.machine = request.query.flag("includeMachine"),
          .network_volume = request.query.flag("includeNetworkVolume")};
}

const http::QueryParameter include_machine{"includeMachine", "its host in RunPod's words, in `machine`", "true"};
const http::QueryParameter include_volume{"includeNetworkVolume", "its network volume, in `networkVolume`", "true"};

std::string etag_of(const Pod& pod) { return http::etag(std::to_string(pod.version)); }

Response shown(int status, const PodService& pods, Pod pod, const Request& request) {
  const auto tag = etag_of(pod);
  auto response =
      http::json_response(status, json::encode(view(pods.detail(std::move(pod)), request.language, parts(request))));
  response.headers.set("ETag", tag);
  return response;
}

PodId id_of(const Request& request) { return PodId(request.param("id")); }

Result<std::optional<int>> number(const Request& request, const std::string& name, int low, int high) {
  const auto text = request.query.get(name);
  if (!text) return std::optional<int>();
  int value = 0;
  const auto [end, problem] = std::from_chars(text->data(), text->data() + text->size(), value);
  if (problem != std::errc{} || end != text->data() + text->size() || value < low || value > high)
    return invalid(name, Detail::number_between, {{"low", std::to_string(low)}, {"high", std::to_string(high)}});
  return std::optional<int>(value);
}

bool contains(const std::vector<std::string>& list, const std::string& item) {
  return list.empty() || std::find(list.begin(), list.end(), item) != list.end();
}

// The filters of GET /v1/pods; each absent one lets everything through.
struct Filter {
  std::vector<std::string> compute, desired, id, image, name, status, gpu_types, templates, volumes, data_centers;

  static Result<Filter> of(const Request& request) {
    Filter out{
        request.query.all("computeType"), request.query.all("desiredStatus"), request.query.all("id"),
        request.query.all("imageName"),   request.query.all("name"),          request.query.all("status"),
        request.query.all("gpuTypeId"),   request.query.all("templateId"),    request.query.all("networkVolumeId"),
        request.query.all("dataCenterId")};
    for (const auto& text : out.compute)
      if (text != "GPU" && text != "CPU") return invalid("computeType", Detail::one_of, {{"choices", "GPU, CPU"}});
    for (const auto& text : out.desired)
      if (text != "RUNNING" && text != "EXITED" && text != "TERMINATED")
        return invalid("desiredStatus", Detail::one_of, {{"choices", "RUNNING, EXITED, TERMINATED"}});
    for (const auto& text : out.status)
      if (!enum_from_text<PodState>(text))
        return invalid("status", Detail::one_of, {{"choices", enum_choices<PodState>()}});
    return out;
  }

  bool lets_through(const Pod& pod) const {
    if (!contains(id, pod.id.str()) || !contains(name, pod.name) ||
        !contains(status, std::string(enum_text(pod.state))) ||
        !contains(desired, std::string(desired_status(pod.state))))
      return false;
    if (compute.empty() && image.empty() && gpu_types.empty() && templates.empty() && volumes.empty()) return true;
    const auto wish = wish_from_text(pod.wish);
    if (!contains(compute, wish.gpu_count > 0 ? "GPU" : "CPU") || !contains(image, wish.containers.front().image) ||
        !contains(templates, wish.template_id) || !contains(volumes, wish.network_volume))
      return false;
    return gpu_types.empty() || std::any_of(wish.gpu_types.begin(), wish.gpu_types.end(),
                                            [&](const auto& t) { return contains(gpu_types, t); });
  }
};

// What pods are sorted by, as text whose order is the order wanted; the id makes it unique.
std::vector<std::string> sort_key(const Pod& pod, const std::string& order) {
  return {order == "name" ? pod.name : rfc3339(pod.created_at), pod.id.str()};
}

Result<Response> list(const PodService& pods, const Request& request) {
  const auto order = request.query.get("sort").value_or("-createdAt");
  if (order != "name" && order != "createdAt" && order != "-createdAt")
    return invalid("sort", Detail::one_of, {{"choices", "name, createdAt, -createdAt"}});
  const auto filter = TRY(Filter::of(request));
  const auto page = TRY(http::page_of(request, order, 2));
  constexpr int pods_max = 100'000;
  std::vector<Pod> found;
  const auto hosts = pods.hosts_in(filter.data_centers);
  const auto there = [&](const Pod& pod) {
    return filter.data_centers.empty() || (pod.host && std::find(hosts.begin(), hosts.end(), *pod.host) != hosts.end());
  };
  for (auto& pod : pods.list(request.caller, Time::max(), "", pods_max))
    if (there(pod) && filter.lets_through(pod)) found.push_back(std::move(pod));
  const bool descending = order.front() == '-';
  std::sort(found.begin(), found.end(), [&](const Pod& a, const Pod& b) {
    return descending ? sort_key(a, order) > sort_key(b, order) : sort_key(a, order) < sort_key(b, order);
  });
  if (page.after)
    std::erase_if(found, [&](const Pod& pod) {
      return descending ? sort_key(pod, order) >= *page.after : sort_key(pod, order) <= *page.after;
    });
  const bool more = found.size() > static_cast<std::size_t>(page.limit);
  if (more) found.resize(static_cast<std::size_t>(page.limit));
  std::vector<PodView> views;
  for (const auto& pod : found)
    views.push_back(view(pods.detail(pod, PodService::Waiting::left_out), request.language, parts(request)));
  auto response = http::json_response(200, json::encode(views));
  if (more) http::add_next(response, request, page, sort_key(found.back(), order));
  return response;
}

Result<Response> logs(PodService& pods, const Request& request) {
  auto stream = TRY(pods.logs(request.caller, id_of(request), TRY(log_request(request))));
  return http::stream_response("text/plain; charset=utf-8", std::move(stream));
}

}  // namespace

Result<link::LogRequest> log_request(const Request& request) {
  link::LogRequest wanted;
  wanted.container = request.query.get("container").value_or("");
  wanted.follow = request.query.flag("follow");
  wanted.timestamps = request.query.flag("timestamps");
  wanted.tail = TRY(number(request, "tail", 0, 1'000'000));
  if (const auto since = request.query.get("since")) {
    wanted.since = parse_rfc3339(*since);
    if (!wanted.since) return invalid("since", Detail::time);
  }
  if (const auto which = request.query.get("stream")) {
    if (*which != "stdout" && *which != "stderr") return invalid("stream", "stdout or stderr; both without it");
    wanted.standard_output = *which == "stdout";
    wanted.standard_error = *which == "stderr";
  }
  return wanted;
}

std::vector<Route> pod_routes(PodService& pods, HostService& hosts, Events& events, json::UnknownKeys unknown) {
  const std::string tag = "Pods";
  const auto create = [&pods, &hosts, unknown](const Request& request) -> Result<Response> {
    const auto input = TRY(json::decode<CreatePod>(request.body, unknown));
    if (request.query.flag("dryRun")) {
      const auto run = TRY(pods.dry_run(request.caller, input));
      return http::json_response(200, json::encode(view(run, hosts.store().list(false), request.language)));
    }
    return shown(201, pods, TRY(pods.create(request.caller, input)), request);
  };
  const auto update = [&pods, unknown](const Request& request) -> Result<Response> {
    const auto input = TRY(json::decode<UpdatePod>(request.body, unknown));
    const auto unchanged = [&](const Pod& pod) { return http::check_if_match(request, etag_of(pod)); };
    return shown(200, pods, TRY(pods.update(request.caller, id_of(request), input, unchanged)), request);
  };
  const auto verb = [&pods](Result<Pod> (PodService::*call)(const Caller&, const PodId&)) {
    return [&pods, call](const Request& request) -> Result<Response> {
      return shown(200, pods, TRY((pods.*call)(request.caller, id_of(request))), request);
    };
  };
  const auto one = json::schema<PodView>();
  const std::vector<Reason> of_verbs{Reason::pod_not_found, Reason::pod_transition_refused, Reason::pod_locked,
                                     Reason::pod_host_unreachable};
  const std::vector<Reason> of_restart{Reason::pod_not_found, Reason::pod_transition_refused, Reason::pod_locked,
                                       Reason::pod_host_unreachable, Reason::secret_missing};
  const Route patch{
      .method = Method::patch,
      .path = "/v1/pods/{id}",
      .access = Access::writer,
      .summary = "Change a pod",
      .description =
          "Absent fields stay as they are. A running pod gets new containers when anything but name "
          "and locked changed.",
      .tag = tag,
      .body = json::schema<UpdatePod>(),
      .answer = one,
      .errors = {Reason::pod_not_found, Reason::invalid_field, Reason::stale_version, Reason::pod_locked,
                 Reason::no_room_on_host, Reason::pod_host_unreachable, Reason::not_offered, Reason::secret_missing},
      .handler = update};
  return {
      Route{.method = Method::post,
            .path = "/v1/pods",
            .access = Access::writer,
            .summary = "Create a pod",
            .description =
                "The pod waits in the queue of its pool and starts on the first host that fits. Pods on demand "
                "go before spot pods (interruptible), which go by their bids; spot pods are stopped for those "
                "who go before them and find no free room. With dryRun nothing is made: the answer (200) says "
                "whether, where and why.",
            .tag = tag,
            .idempotency_key = true,
            .query = {{"dryRun", "only say what would happen", "true"}},
            .body = json::schema<CreatePod>(),
            .status = 201,
            .answer = one,
            .other_answers = {{200, json::schema<DryRunView>()}},
            .errors = {Reason::invalid_field, Reason::missing_field, Reason::unknown_field, Reason::not_offered,
                       Reason::too_many_pods, Reason::machine_type_not_found, Reason::quota_missing,
                       Reason::quota_used_up, Reason::template_is_serverless, Reason::bid_too_low,
                       Reason::network_volume_full},
            .handler = create},
      Route{.method = Method::get,
            .path = "/v1/pods",
            .access = Access::reader,
            .summary = "List pods",
            .description = "Newest first, unless sort says otherwise. Deleted pods are not listed.",
            .tag = tag,
            .query =
                [] {
                  std::vector<http::QueryParameter> all{{"computeType", "GPU or CPU", "GPU", true},
                                                        {"desiredStatus", "RUNNING or EXITED", "RUNNING", true},
                                                        {"status", "a state", "queued", true},
                                                        {"id", "a pod id", "2s56cp0pof1rmt", true},
                                                        {"name", "the exact name", "train", true},
                                                        {"imageName", "the exact image", "ubuntu:22.04", true},
                                                        {"gpuTypeId", "a GPU type it asked for", "NVIDIA A40", true},
                                                        {"templateId", "made from it", "30zmvf89kd", true},
                                                        {"networkVolumeId", "has it mounted", "agv6w2qcg7", true},
                                                        {"dataCenterId", "is there", "LOCAL", true},
                                                        include_machine,
                                                        include_volume,
                                                        {"sort", "name, createdAt or -createdAt", "-createdAt"}};
                  for (auto& parameter : http::page_parameters()) all.push_back(std::move(parameter));
                  return all;
                }(),
            .answer = json::schema_list<PodView>(),
            .errors = {Reason::invalid_field, Reason::bad_cursor},
            .handler = [&pods](const Request& request) { return list(pods, request); }},
      Route{.method = Method::get,
            .path = "/v1/pods/{id}",
            .access = Access::reader,
            .summary = "Get a pod",
            .description = "Says in words why it waits or failed, how far a pull is, and its place in the queue.",
            .tag = tag,
            .pod_key = true,
            .query = {include_machine, include_volume},
            .answer = one,
            .errors = {Reason::pod_not_found},
            .handler = [&pods](const Request& request) -> Result<Response> {
              return shown(200, pods, TRY(pods.get(request.caller, id_of(request))), request);
            }},
      patch,
      http::update_route(patch),
      Route{.method = Method::del,
            .path = "/v1/pods/{id}",
            .access = Access::writer,
            .summary = "Delete a pod",
            .description = "The pod and its own volume are gone for good.",
            .tag = tag,
            .pod_key = true,
            .status = 204,
            .errors = {Reason::pod_not_found, Reason::pod_locked, Reason::pod_host_unreachable},
            .handler = [&pods](const Request& request) -> Result<Response> {
              TRY(pods.remove(request.caller, id_of(request)));
              return Response{.status = 204};
            }},
      Route{
          .method = Method::post,
          .path = "/v1/pods/{id}/start",
          .access = Access::writer,
          .summary = "Start a stopped pod",
          .description = "A pod with a volume starts on the host where the volume is; when its GPUs are taken it may "
                         "be started without (gpuCount=0) to reach its data. A spot pod bids what it bid before, or "
                         "bidPerGpu.",
          .tag = tag,
          .pod_key = true,
          .query = {{"gpuCount", "0: without its GPUs", "0"},
                    {"bidPerGpu", "of a spot pod: another bid, dollars an hour for each GPU", "0.25"}},
          .answer = one,
          .errors = {Reason::pod_not_found, Reason::pod_transition_refused, Reason::gpu_taken, Reason::no_room_on_host,
                     Reason::pod_host_unreachable, Reason::quota_missing, Reason::quota_used_up, Reason::secret_missing,
                     Reason::invalid_field, Reason::bid_too_low, Reason::not_a_spot_pod, Reason::network_volume_full},
          .handler = [&pods](const Request& request) -> Result<Response> {
            const auto count = request.query.get("gpuCount");
            if (count && *count != "0") return invalid("gpuCount", Detail::only_zero_gpus);
            PodService::StartPod how{count.has_value(), std::nullopt};
            if (const auto bid = request.query.get("bidPerGpu")) {
              how.bid = Money::parse(*bid);
              if (!how.bid) return invalid("bidPerGpu", Detail::dollars);
            }
            return shown(200, pods, TRY(pods.start(request.caller, id_of(request), how)), request);
          }},
      Route{
          .method = Method::post,
          .path = "/v1/pods/{id}/stop",
          .access = Access::writer,
          .summary = "Stop a pod",
          .description =
              "SIGTERM, SIGKILL after 5 s. The container disk is lost, the volume stays, the GPUs are free for others.",
          .tag = tag,
          .pod_key = true,
          .answer = one,
          .errors = of_verbs,
          .handler = verb(&PodService::stop)},
      Route{.method = Method::post,
            .path = "/v1/pods/{id}/restart",
            .access = Access::writer,
            .summary = "Restart a pod",
            .description = "New containers from the image; the container disk is lost, the volume stays.",
            .tag = tag,
            .pod_key = true,
            .answer = one,
            .errors = of_restart,
            .handler = verb(&PodService::restart)},
      Route{.method = Method::post,
            .path = "/v1/pods/{id}/reset",
            .access = Access::writer,
            .summary = "Reset a pod",
            .description = "The same as restart; public ports may change.",
            .tag = tag,
            .pod_key = true,
            .answer = one,
            .errors = of_restart,
            .handler = verb(&PodService::restart)},
      Route{.method = Method::get,
            .path = "/v1/pods/{id}/logs",
            .access = Access::reader,
            .summary = "Read a pod's log",
            .description = "Standard output and error of one container, as written.",
            .tag = tag,
            .pod_key = true,
            .query = {{"container", "name; the main one without it", "main"},
                      {"follow", "go on as it is written", "true"},
                      {"tail", "only the last lines", "100"},
                      {"since", "only after this time", "2026-01-31T12:00:00Z"},
                      {"timestamps", "begin every line with its time", "true"},
                      {"stream", "only stdout, or only stderr", "stderr"}},
            .answer_type = "text/plain",
            .errors = {Reason::pod_not_found, Reason::pod_has_no_logs, Reason::pod_host_unreachable,
                       Reason::invalid_field},
            .handler = [&pods](const Request& request) { return logs(pods, request); }},
      Route{.method = Method::get,
            .path = "/v1/pods/{id}/events",
            .access = Access::reader,
            .summary = "What happened to a pod",
            .description = "Every change of its state with the reason, oldest first.",
            .tag = tag,
            .pod_key = true,
            .answer = json::schema_list<EventView>(),
            .errors = {Reason::pod_not_found},
            .handler = [&pods, &events](const Request& request) -> Result<Response> {
              const auto pod = TRY(pods.get(request.caller, id_of(request)));
              std::vector<EventView> views;
              for (const auto& event : events.list({.workspace = pod.workspace, .pod = pod.id, .limit = 1000}))
                views.push_back(view(event, request.language));
              return http::json_response(200, json::encode(views));
            }},
  };
}

}  // namespace gyre
