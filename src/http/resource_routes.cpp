#include "http/resource_routes.hpp"

#include "http/update_route.hpp"

namespace gyre::http {
namespace {

std::vector<Reason> joined(std::vector<Reason> reasons, const std::vector<Reason>& more) {
  for (const auto reason : more)
    if (std::find(reasons.begin(), reasons.end(), reason) == reasons.end()) reasons.push_back(reason);
  return reasons;
}

}  // namespace

std::vector<Route> resource_routes(Resource r) {
  std::vector<Route> out;
  const auto one_path = r.path + "/{id}";
  if (r.create.handler)
    out.push_back(Route{
        .method = Method::post,
        .path = r.path,
        .access = Access::writer,
        .summary = "Create " + r.one,
        .description = r.create.description,
        .tag = r.tag,
        .idempotency_key = !r.secret_body,
        .body = r.create_body,
        .status = r.made,
        .answer = r.answer,
        .errors = joined({Reason::invalid_field, Reason::missing_field, Reason::unknown_field, Reason::too_many_things},
                         r.create.errors),
        .handler = std::move(r.create.handler)});
  if (r.list.handler) {
    auto query = std::move(r.list.query);
    for (auto& parameter : page_parameters()) query.push_back(std::move(parameter));
    out.push_back(Route{.method = Method::get,
                        .path = r.path,
                        .access = Access::reader,
                        .summary = "List " + r.many,
                        .description = r.list.description,
                        .tag = r.tag,
                        .query = std::move(query),
                        .answer = r.answers,
                        .errors = joined({Reason::invalid_field, Reason::bad_cursor}, r.list.errors),
                        .handler = std::move(r.list.handler)});
  }
  if (r.get.handler)
    out.push_back(Route{.method = Method::get,
                        .path = one_path,
                        .access = Access::reader,
                        .summary = "Get " + r.one,
                        .description = r.get.description,
                        .tag = r.tag,
                        .query = std::move(r.get.query),
                        .answer = r.answer,
                        .errors = joined({r.not_found}, r.get.errors),
                        .handler = std::move(r.get.handler)});
  if (r.update.handler)
    for (auto& route :
         with_update_route(Route{.method = Method::patch,
         .path = one_path,
         .access = Access::writer,
         .summary = "Change " + r.one,
         .description = "Absent fields stay as they are. " + r.update.description,
         .tag = r.tag,
         .body = r.update_body,
         .answer = r.answer,
         .errors = joined({r.not_found, Reason::invalid_field, Reason::unknown_field, Reason::stale_version},
                          r.update.errors),
         .handler = std::move(r.update.handler)}))
      out.push_back(std::move(route));
  if (r.remove.handler)
    out.push_back(Route{.method = Method::del,
                        .path = one_path,
                        .access = Access::writer,
                        .summary = "Delete " + r.one,
                        .description = r.remove.description,
                        .tag = r.tag,
                        .status = 204,
                        .errors = joined({r.not_found}, r.remove.errors),
                        .handler = std::move(r.remove.handler)});
  return out;
}

Response with_version(Response response, std::int64_t version) {
  response.headers.set("ETag", etag(std::to_string(version)));
  return response;
}

Result<> check_version(const Request& request, std::int64_t version) {
  return check_if_match(request, etag(std::to_string(version)));
}

}  // namespace gyre::http
