#include "secrets/secret_routes.hpp"

#include "http/update_route.hpp"

namespace gyre {
namespace {

using http::Access;
using http::Method;
using http::Request;
using http::Response;
using http::Route;

const json::Field name_field{"name", "letters, digits and '_'; unique in the workspace", R"("hf_token")"};
const json::Field value_field{"value", "at most 32 KiB; kept encrypted and never shown again", R"("hf_example")"};
const json::Field description_field{"description", "for people", R"("Hugging Face, read only")"};

struct SecretCreateInput {
  std::string name, value;
  std::optional<std::string> description;
};
BOOST_DESCRIBE_STRUCT(SecretCreateInput, (), (name, value, description))
json::Fields fields(const SecretCreateInput*) { return {name_field, value_field, description_field}; }

struct SecretUpdateInput {
  std::optional<std::string> name, value, description;
};
BOOST_DESCRIBE_STRUCT(SecretUpdateInput, (), (name, value, description))
json::Fields fields(const SecretUpdateInput*) { return {name_field, value_field, description_field}; }

struct SecretView {
  SecretId id;
  std::string name, description;
  Time createdAt{}, updatedAt{};
};
BOOST_DESCRIBE_STRUCT(SecretView, (), (id, name, description, createdAt, updatedAt))
json::Fields fields(const SecretView*) {
  return {{"id", "for changing and deleting it", R"("k3v0q8m1x2z4ab")"},
          {"name", "a pod's variable refers to it as {{ RUNPOD_SECRET_name }}", R"("hf_token")"},
          description_field,
          {"createdAt", "when it was made", R"("2026-11-22T01:15:00.250Z")"},
          {"updatedAt", "when it was last changed", R"("2026-11-22T01:15:00.250Z")"}};
}

SecretView view(const Secret& secret) {
  return {secret.id, secret.name, secret.description, secret.created_at, secret.updated_at};
}

SecretId id_of(const Request& request) { return SecretId(request.param("id")); }
std::string etag_of(const Secret& secret) { return http::etag(std::to_string(secret.version)); }

Response shown(int status, const Secret& secret) {
  auto response = http::json_response(status, json::encode(view(secret)));
  response.headers.set("ETag", etag_of(secret));
  return response;
}

}  // namespace

std::vector<Route> secret_routes(SecretService& secrets, json::UnknownKeys unknown) {
  const std::string tag = "Secrets";
  const auto one = json::schema<SecretView>();
  std::vector<Route> routes{
      Route{.method = Method::post,
            .path = "/v1/secrets",
            .access = Access::writer,
            .summary = "Store a secret",
            .description = "A pod's variable may hold {{ RUNPOD_SECRET_name }}; the value takes its place when the pod "
                           "starts. No answer ever shows it.",
            .tag = tag,
            .body = json::schema<SecretCreateInput>(),
            .status = 201,
            .answer = one,
            .errors = {Reason::invalid_field, Reason::missing_field, Reason::unknown_field, Reason::secret_name_taken,
                       Reason::too_many_things},
            .handler = [&secrets, unknown](const Request& request) -> Result<Response> {
              auto input = TRY(json::decode<SecretCreateInput>(request.body, unknown));
              const SecretChange wanted{std::move(input.name), std::move(input.value), std::move(input.description)};
              return shown(201, TRY(secrets.create(request.caller, wanted)));
            }},
      Route{.method = Method::get,
            .path = "/v1/secrets",
            .access = Access::reader,
            .summary = "List secrets",
            .description = "By name, without their values.",
            .tag = tag,
            .answer = json::schema_list<SecretView>(),
            .handler = [&secrets](const Request& request) -> Result<Response> {
              std::vector<SecretView> views;
              for (const auto& secret : secrets.list(request.caller)) views.push_back(view(secret));
              return http::json_response(200, json::encode(views));
            }},
      Route{.method = Method::get,
            .path = "/v1/secrets/{id}",
            .access = Access::reader,
            .summary = "Get a secret",
            .description = "All but its value.",
            .tag = tag,
            .answer = one,
            .errors = {Reason::secret_not_found},
            .handler = [&secrets](const Request& request) -> Result<Response> {
              return shown(200, TRY(secrets.get(request.caller, id_of(request))));
            }},
      Route{.method = Method::del,
            .path = "/v1/secrets/{id}",
            .access = Access::writer,
            .summary = "Delete a secret",
            .description = "Pods that run keep what they were given; their next start says what is missing.",
            .tag = tag,
            .status = 204,
            .errors = {Reason::secret_not_found},
            .handler = [&secrets](const Request& request) -> Result<Response> {
              TRY(secrets.remove(request.caller, id_of(request)));
              return Response{.status = 204};
            }},
  };
  for (auto& route :
       http::with_update_route(Route{.method = Method::patch,
       .path = "/v1/secrets/{id}",
       .access = Access::writer,
       .summary = "Change a secret",
       .description = "Absent fields stay as they are. A new value reaches a pod at its next start.",
       .tag = tag,
       .body = json::schema<SecretUpdateInput>(),
       .answer = one,
       .errors = {Reason::secret_not_found, Reason::invalid_field, Reason::unknown_field, Reason::secret_name_taken,
                  Reason::stale_version},
       .handler = [&secrets, unknown](const Request& request) -> Result<Response> {
         auto input = TRY(json::decode<SecretUpdateInput>(request.body, unknown));
         const SecretChange wanted{std::move(input.name), std::move(input.value), std::move(input.description)};
         const auto unchanged = [&](const Secret& s) { return http::check_if_match(request, etag_of(s)); };
         return shown(200, TRY(secrets.update(request.caller, id_of(request), wanted, unchanged)));
       }}))
    routes.push_back(std::move(route));
  return routes;
}

}  // namespace gyre
