#include "cloud_syncs/cloud_sync_routes.hpp"

#include "http/resource_routes.hpp"
#include "pods/pod_routes.hpp"
#include "pods/pod_view.hpp"

namespace gyre {
namespace {

using http::Request;
using http::Response;
using http::Route;

const json::Field pod_field{"podId", "the pod with the volume; it need not run", R"("2s56cp0pof1rmt")"};
const json::Field direction_field{"direction", "TO_CLOUD or FROM_CLOUD", R"("TO_CLOUD")"};
const json::Field path_field{"path", "in the volume, as the pod sees it; without it the whole volume",
                             R"("/workspace/results")"};
const json::Field bucket_field{"bucket", "the bucket, which must be there", R"("my-results")"};
const json::Field prefix_field{"prefix", "the folder in the bucket; without it the bucket's root", R"("run-7")"};
const json::Field region_field{"region", "us-east-1 without it", R"("eu-west-1")"};
const json::Field endpoint_field{"endpointUrl", "of other stores that speak S3; without it Amazon's",
                                 R"("https://storage.example.org")"};

struct CloudSyncCreateInput {
  PodId podId;
  CloudSyncDirection direction = CloudSyncDirection::TO_CLOUD;
  std::optional<std::string> path;
  std::string bucket;
  std::optional<std::string> prefix, region, endpointUrl;
  std::string accessKeyId, secretAccessKey;
  std::optional<std::string> sessionToken;
};
BOOST_DESCRIBE_STRUCT(CloudSyncCreateInput, (),
                      (podId, direction, path, bucket, prefix, region, endpointUrl, accessKeyId, secretAccessKey,
                       sessionToken))
json::Fields fields(const CloudSyncCreateInput*) {
  return {pod_field,
          direction_field,
          path_field,
          bucket_field,
          prefix_field,
          region_field,
          endpoint_field,
          {"accessKeyId", "or a secret: {{ RUNPOD_SECRET_name }}", R"("{{ RUNPOD_SECRET_aws_id }}")"},
          {"secretAccessKey", "or a secret; kept encrypted until the sync has ended, never shown",
           R"("{{ RUNPOD_SECRET_aws_key }}")"},
          {"sessionToken", "of temporary credentials", R"("{{ RUNPOD_SECRET_aws_token }}")"}};
}

struct CloudSyncView {
  CloudSyncId id;
  PodId podId;
  CloudSyncState status = CloudSyncState::STARTING;
  std::optional<ReasonView> reason;
  CloudSyncDirection direction = CloudSyncDirection::TO_CLOUD;
  std::string path, bucket, prefix, region;
  std::optional<std::string> endpointUrl;
  std::optional<int> exitCode;
  Time createdAt{};
  std::optional<Time> startedAt, endedAt;
};
BOOST_DESCRIBE_STRUCT(CloudSyncView, (),
                      (id, podId, status, reason, direction, path, bucket, prefix, region, endpointUrl, exitCode,
                       createdAt, startedAt, endedAt))
json::Fields fields(const CloudSyncView*) {
  return {{"id", "for watching, cancelling and deleting it", R"("cloudsyncx2k9d0w7v1q8az")"},
          pod_field,
          {"status", "STARTING, RUNNING, CANCELLING, SUCCEEDED, FAILED or CANCELLED", R"("RUNNING")"},
          {"reason", "why, when there is something to say", "null"},
          direction_field,
          path_field,
          bucket_field,
          prefix_field,
          region_field,
          endpoint_field,
          {"exitCode", "rclone's, when it has ended", "0"},
          {"createdAt", "when it was asked for", R"("2026-11-22T01:15:00.250Z")"},
          {"startedAt", "when the copying began", R"("2026-11-22T01:15:02.750Z")"},
          {"endedAt", "when it ended", R"("2026-11-22T01:17:31.000Z")"}};
}

CloudSyncView view(const CloudSync& sync, Language language) {
  const auto wish = wish_of(sync);
  CloudSyncView out;
  out.id = sync.id;
  out.podId = sync.pod;
  out.status = sync.state;
  out.reason = reason_view(sync.reason, sync.reason_args, {}, language);
  out.direction = wish.direction;
  out.path = wish.path;
  out.bucket = wish.bucket;
  out.prefix = wish.prefix;
  out.region = wish.region;
  if (!wish.endpoint_url.empty()) out.endpointUrl = wish.endpoint_url;
  out.exitCode = sync.exit_code;
  out.createdAt = sync.created_at;
  out.startedAt = sync.started_at;
  out.endedAt = sync.ended_at;
  return out;
}

CloudSyncId id_of(const Request& request) { return CloudSyncId(request.param("id")); }

}  // namespace

std::vector<Route> cloud_sync_routes(CloudSyncService& syncs, json::UnknownKeys unknown) {
  http::Resource out{.path = "/v1/cloudsyncs",
                     .tag = "Cloud syncs",
                     .one = "a cloud sync",
                     .many = "cloud syncs",
                     .not_found = Reason::cloud_sync_not_found,
                     .made = 201,
                     .secret_body = true,
                     .create_body = json::schema<CloudSyncCreateInput>(),
                     .answer = json::schema<CloudSyncView>(),
                     .answers = json::schema_list<CloudSyncView>()};
  out.create = {
      "Copies between a pod's own volume and a bucket of S3, or of a store that speaks its protocol. Nothing is "
      "deleted "
      "at either end; what is there already with the same size and time is not copied again. The pod may run, or be "
      "stopped. One at a time for each pod.",
      {Reason::pod_not_found, Reason::pod_volume_not_there, Reason::cloud_sync_under_way, Reason::secret_missing,
       Reason::pod_host_unreachable, Reason::agent_too_old},
      [&syncs, unknown](const Request& request) -> Result<Response> {
        const auto body = TRY(json::decode<CloudSyncCreateInput>(request.body, unknown));
        const CloudSyncInput input{body.direction,           body.path.value_or(""),   body.bucket,
                                   body.prefix.value_or(""), body.region.value_or(""), body.endpointUrl.value_or("")};
        CloudCredentials credentials{body.accessKeyId, body.secretAccessKey, body.sessionToken.value_or("")};
        const auto made = TRY(syncs.create(request.caller, body.podId, input, std::move(credentials)));
        return http::json_response(201, json::encode(view(made, request.language)));
      }};
  out.list = {
      "Newest first.",
      {},
      [&syncs](const Request& request) -> Result<Response> {
        auto rows = syncs.list(request.caller);
        if (const auto pod = request.query.get("podId"))
          std::erase_if(rows, [&](const CloudSync& sync) { return sync.pod.str() != *pod; });
        const auto newest_first = [](const CloudSync& sync) {
          return std::vector{std::to_string(INT64_MAX - sync.created_at.time_since_epoch().count()), sync.id.str()};
        };
        return http::list_response(request, std::move(rows), newest_first,
                                   [&](const CloudSync& sync) { return view(sync, request.language); });
      },
      {{"podId", "only of this pod", "2s56cp0pof1rmt"}}};
  out.get = {"How far it is; its log says more.", {}, [&syncs](const Request& request) -> Result<Response> {
               return http::json_response(
                   200, json::encode(view(TRY(syncs.get(request.caller, id_of(request))), request.language)));
             }};
  out.remove = {
      "One that is under way is cancelled, and stays in the list; what was copied stays too. One that has ended "
      "leaves the list.",
      {},
      [&syncs](const Request& request) -> Result<Response> {
        TRY(syncs.remove(request.caller, id_of(request)));
        return Response{.status = 204};
      }};
  auto routes = http::resource_routes(std::move(out));
  routes.push_back(
      Route{.method = http::Method::get,
            .path = "/v1/cloudsyncs/{id}/logs",
            .access = http::Access::reader,
            .summary = "Read a cloud sync's log",
            .description = "rclone's own words, with a line on its progress every five seconds; kept for a "
                           "day after the end.",
            .tag = "Cloud syncs",
            .query = {{"follow", "go on as it is written", "true"}, {"tail", "only the last lines", "100"}},
            .answer_type = "text/plain",
            .errors = {Reason::cloud_sync_not_found, Reason::pod_host_unreachable, Reason::invalid_field},
            .handler = [&syncs](const Request& request) -> Result<Response> {
              auto stream = TRY(syncs.logs(request.caller, id_of(request), TRY(log_request(request))));
              return http::stream_response("text/plain; charset=utf-8", std::move(stream));
            }});
  return routes;
}

}  // namespace gyre
