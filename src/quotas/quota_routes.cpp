#include "quotas/quota_routes.hpp"

#include <charconv>

#include "http/page.hpp"
#include "quotas/quota_view.hpp"

namespace gyre {
namespace {

using http::Access;
using http::Method;
using http::Request;
using http::Response;
using http::Route;

std::string etag_of(const MachineType& type) { return http::etag(std::to_string(type.version)); }

Response shown(int status, const MachineType& type) {
  auto response = http::json_response(status, json::encode(view(type)));
  response.headers.set("ETag", etag_of(type));
  return response;
}

Response shown(int status, const QuotaService& quotas, const QuotaRequest& request) {
  return http::json_response(status, json::encode(view(request, quotas.known(request.machine_type))));
}

QuotaRequestId request_id(const Request& request) { return QuotaRequestId(request.param("id")); }

Result<Response> list_requests(const QuotaService& quotas, const Request& request) {
  const auto page = TRY(http::page_of(request, "-createdAt", 2));
  Time before = Time::max();
  std::string before_id;
  if (page.after) {
    std::int64_t ms = 0;
    const auto& text = page.after->front();
    std::from_chars(text.data(), text.data() + text.size(), ms);
    before = Time(Duration(ms));
    before_id = page.after->back();
  }
  auto found = quotas.list(request.caller, request.query.flag("all"), before, before_id, page.limit + 1);
  const bool more = static_cast<std::int64_t>(found.size()) > page.limit;
  if (more) found.pop_back();
  std::vector<QuotaRequestView> views;
  for (const auto& one : found) views.push_back(view(one, quotas.known(one.machine_type)));
  auto response = http::json_response(200, json::encode(views));
  if (more)
    http::add_next(response, request, page,
                   {std::to_string(found.back().created_at.time_since_epoch().count()), found.back().id.str()});
  return response;
}

Result<Response> update_type(QuotaService& quotas, const Request& request, json::UnknownKeys unknown) {
  const auto input = TRY(json::decode<UpdateMachineType>(request.body, unknown));
  const auto before = TRY(quotas.machine_type(request.param("id")));
  MachineTypeWish wish;
  wish.name = input.name.value_or(before.name);
  wish.description = input.description.value_or(before.description);
  wish.gpu_type = input.gpuTypeId.value_or(before.gpu_type);
  wish.gpu_count = input.gpuCount.value_or(before.gpu_count);
  wish.vcpus = input.vcpuCount.value_or(before.vcpus);
  wish.memory_gb = input.memoryInGb.value_or(before.memory_gb);
  const auto unchanged = [&](const MachineType& type) { return http::check_if_match(request, etag_of(type)); };
  return shown(200, TRY(quotas.update(before.id, wish, unchanged)));
}

std::vector<Route> machine_type_routes(QuotaService& quotas, json::UnknownKeys unknown) {
  const std::string tag = "Quotas";
  const auto one = json::schema<MachineTypeView>();
  return {
      Route{.method = Method::get,
            .path = "/v1/machinetypes",
            .access = Access::reader,
            .summary = "List machine types",
            .description = "By name. Which of them a workspace may use, and how many, is at /v1/quotas.",
            .tag = tag,
            .answer = json::schema_list<MachineTypeView>(),
            .handler = [&quotas](const Request&) -> Result<Response> {
              std::vector<MachineTypeView> views;
              for (const auto& type : quotas.machine_types()) views.push_back(view(type));
              return http::json_response(200, json::encode(views));
            }},
      Route{.method = Method::post,
            .path = "/v1/machinetypes",
            .access = Access::admin,
            .summary = "Make a machine type",
            .description = "It can be requested at once.",
            .tag = tag,
            .idempotency_key = true,
            .body = json::schema<CreateMachineType>(),
            .status = 201,
            .answer = one,
            .errors = {Reason::machine_type_taken},
            .handler = [&quotas, unknown](const Request& request) -> Result<Response> {
              const auto input = TRY(json::decode<CreateMachineType>(request.body, unknown));
              MachineTypeWish wish;
              wish.name = input.name;
              wish.description = input.description.value_or("");
              wish.gpu_type = input.gpuTypeId.value_or("");
              wish.gpu_count = input.gpuCount.value_or(wish.gpu_type.empty() ? 0 : 1);
              wish.vcpus = input.vcpuCount;
              wish.memory_gb = input.memoryInGb;
              return shown(201, TRY(quotas.create(request.caller, wish)));
            }},
      Route{.method = Method::get,
            .path = "/v1/machinetypes/{id}",
            .access = Access::reader,
            .summary = "Get a machine type",
            .description = "By its id or its name.",
            .tag = tag,
            .answer = one,
            .errors = {Reason::machine_type_not_found},
            .handler = [&quotas](const Request& request) -> Result<Response> {
              return shown(200, TRY(quotas.machine_type(request.param("id"))));
            }},
      Route{.method = Method::patch,
            .path = "/v1/machinetypes/{id}",
            .access = Access::admin,
            .summary = "Change a machine type",
            .description = "Pods that were made with it keep what they have.",
            .tag = tag,
            .body = json::schema<UpdateMachineType>(),
            .answer = one,
            .errors = {Reason::machine_type_not_found, Reason::machine_type_taken, Reason::stale_version},
            .handler = [&quotas, unknown](const Request& request) { return update_type(quotas, request, unknown); }},
      Route{.method = Method::del,
            .path = "/v1/machinetypes/{id}",
            .access = Access::admin,
            .summary = "Delete a machine type",
            .description = "Refused while a pod uses it, a request for it waits or a grant of it lasts.",
            .tag = tag,
            .status = 204,
            .errors = {Reason::machine_type_not_found, Reason::machine_type_in_use},
            .handler = [&quotas](const Request& request) -> Result<Response> {
              TRY(quotas.retire(TRY(quotas.machine_type(request.param("id"))).id));
              return Response{.status = 204};
            }},
  };
}

}  // namespace

std::vector<Route> quota_routes(QuotaService& quotas, json::UnknownKeys unknown) {
  const std::string tag = "Quotas";
  const auto one = json::schema<QuotaRequestView>();
  auto routes = machine_type_routes(quotas, unknown);
  std::vector<Route> more{
      Route{.method = Method::get,
            .path = "/v1/quotas",
            .access = Access::reader,
            .summary = "List this workspace's quotas",
            .description = "One for each machine type that it may use, or uses.",
            .tag = tag,
            .answer = json::schema_list<QuotaView>(),
            .handler = [&quotas](const Request& request) -> Result<Response> {
              std::vector<QuotaView> views;
              for (const auto& quota : quotas.quotas(request.caller)) views.push_back(view(quota));
              return http::json_response(200, json::encode(views));
            }},
      Route{.method = Method::del,
            .path = "/v1/quotagrants/{id}",
            .access = Access::admin,
            .summary = "Take a grant back",
            .description = "Nothing that runs is stopped; nothing more is started with it.",
            .tag = tag,
            .status = 204,
            .errors = {Reason::quota_grant_not_found},
            .handler = [&quotas](const Request& request) -> Result<Response> {
              TRY(quotas.revoke(QuotaGrantId(request.param("id"))));
              return Response{.status = 204};
            }},
      Route{.method = Method::get,
            .path = "/v1/quotarequests",
            .access = Access::reader,
            .summary = "List quota requests",
            .description = "Newest first, of this workspace; with all=true the operator sees everybody's.",
            .tag = tag,
            .query =
                [] {
                  std::vector<http::QueryParameter> all{{"all", "of all workspaces (operator only)", "true"}};
                  for (auto& parameter : http::page_parameters()) all.push_back(std::move(parameter));
                  return all;
                }(),
            .answer = json::schema_list<QuotaRequestView>(),
            .errors = {Reason::bad_cursor},
            .handler = [&quotas](const Request& request) { return list_requests(quotas, request); }},
      Route{.method = Method::post,
            .path = "/v1/quotarequests",
            .access = Access::writer,
            .summary = "Ask for quota",
            .description = "An administrator approves or rejects it.",
            .tag = tag,
            .idempotency_key = true,
            .body = json::schema<CreateQuotaRequest>(),
            .status = 201,
            .answer = one,
            .errors = {Reason::machine_type_not_found},
            .handler = [&quotas, unknown](const Request& request) -> Result<Response> {
              const auto input = TRY(json::decode<CreateQuotaRequest>(request.body, unknown));
              const QuotaWish wish{input.machineType, input.count, input.startsAt, input.endsAt, input.reason};
              return shown(201, quotas, TRY(quotas.request(request.caller, wish)));
            }},
      Route{.method = Method::get,
            .path = "/v1/quotarequests/{id}",
            .access = Access::reader,
            .summary = "Get a quota request",
            .description = "With the administrator's words once it was decided.",
            .tag = tag,
            .answer = one,
            .errors = {Reason::quota_request_not_found},
            .handler = [&quotas](const Request& request) -> Result<Response> {
              return shown(200, quotas, TRY(quotas.get(request.caller, request_id(request))));
            }},
      Route{.method = Method::post,
            .path = "/v1/quotarequests/{id}/cancel",
            .access = Access::writer,
            .summary = "Withdraw a quota request",
            .description = "While nobody has decided.",
            .tag = tag,
            .answer = one,
            .errors = {Reason::quota_request_not_found, Reason::quota_request_decided},
            .handler = [&quotas](const Request& request) -> Result<Response> {
              return shown(200, quotas, TRY(quotas.cancel(request.caller, request_id(request))));
            }},
      Route{.method = Method::post,
            .path = "/v1/quotarequests/{id}/approve",
            .access = Access::admin,
            .summary = "Approve a quota request",
            .description = "The workspace may use the machine type at once, or from the start of the period.",
            .tag = tag,
            .body = json::schema<ApproveQuotaRequest>(),
            .answer = one,
            .errors = {Reason::quota_request_not_found, Reason::quota_request_decided},
            .handler = [&quotas, unknown](const Request& request) -> Result<Response> {
              const auto input =
                  TRY(json::decode<ApproveQuotaRequest>(request.body.empty() ? "{}" : request.body, unknown));
              const QuotaDecision decision{input.count, input.endsAt, input.reason.value_or("")};
              return shown(200, quotas, TRY(quotas.approve(request.caller, request_id(request), decision)));
            }},
      Route{.method = Method::post,
            .path = "/v1/quotarequests/{id}/reject",
            .access = Access::admin,
            .summary = "Reject a quota request",
            .description = "With a reason, which the requester sees.",
            .tag = tag,
            .body = json::schema<RejectQuotaRequest>(),
            .answer = one,
            .errors = {Reason::quota_request_not_found, Reason::quota_request_decided},
            .handler = [&quotas, unknown](const Request& request) -> Result<Response> {
              const auto input = TRY(json::decode<RejectQuotaRequest>(request.body, unknown));
              return shown(200, quotas, TRY(quotas.reject(request.caller, request_id(request), input.reason)));
            }},
  };
  for (auto& route : more) routes.push_back(std::move(route));
  return routes;
}

}  // namespace gyre
