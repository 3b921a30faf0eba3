#include "secrets/secret_routes.hpp"

#include "http/resource_routes.hpp"

namespace gyre {
namespace {

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

Response shown(int status, const Secret& secret) {
  return http::with_version(http::json_response(status, json::encode(view(secret))), secret.version);
}

}  // namespace

std::vector<Route> secret_routes(SecretService& secrets, json::UnknownKeys unknown) {
  http::Resource out{.path = "/v1/secrets",
                     .tag = "Secrets",
                     .one = "a secret",
                     .many = "secrets",
                     .not_found = Reason::secret_not_found,
                     .made = 201,
                     .secret_body = true,
                     .create_body = json::schema<SecretCreateInput>(),
                     .update_body = json::schema<SecretUpdateInput>(),
                     .answer = json::schema<SecretView>(),
                     .answers = json::schema_list<SecretView>()};
  out.create = {
      "A pod's variable may hold {{ RUNPOD_SECRET_name }}; the value takes its place when the pod starts. No "
      "answer ever shows it.",
      {Reason::secret_name_taken},
      [&secrets, unknown](const Request& request) -> Result<Response> {
        auto input = TRY(json::decode<SecretCreateInput>(request.body, unknown));
        const SecretChange wanted{std::move(input.name), std::move(input.value), std::move(input.description)};
        return shown(201, TRY(secrets.create(request.caller, wanted)));
      }};
  out.list = {"By name, without their values.", {}, [&secrets](const Request& request) -> Result<Response> {
                const auto by_name = [](const Secret& secret) { return std::vector{secret.name, secret.id.str()}; };
                return http::list_response(request, secrets.list(request.caller), by_name, view);
              }};
  out.get = {"All but its value.", {}, [&secrets](const Request& request) -> Result<Response> {
               return shown(200, TRY(secrets.get(request.caller, id_of(request))));
             }};
  out.update = {
      "A new value reaches a pod at its next start.",
      {Reason::secret_name_taken},
      [&secrets, unknown](const Request& request) -> Result<Response> {
        auto input = TRY(json::decode<SecretUpdateInput>(request.body, unknown));
        const SecretChange wanted{std::move(input.name), std::move(input.value), std::move(input.description)};
        const auto unchanged = [&](const Secret& now) { return http::check_version(request, now.version); };
        return shown(200, TRY(secrets.update(request.caller, id_of(request), wanted, unchanged)));
      }};
  out.remove = {"Pods that run keep what they were given; their next start says what is missing.",
                {},
                [&secrets](const Request& request) -> Result<Response> {
                  TRY(secrets.remove(request.caller, id_of(request)));
                  return Response{.status = 204};
                }};
  return http::resource_routes(std::move(out));
}

}  // namespace gyre
