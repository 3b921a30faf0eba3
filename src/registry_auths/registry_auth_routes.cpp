#include "registry_auths/registry_auth_routes.hpp"

namespace gyre {
namespace {

using http::Access;
using http::Method;
using http::Request;
using http::Response;
using http::Route;

struct ContainerRegistryAuthCreateInput {
  std::string name, username, password;
};
BOOST_DESCRIBE_STRUCT(ContainerRegistryAuthCreateInput, (), (name, username, password))
json::Fields fields(const ContainerRegistryAuthCreateInput*) {
  return {{"name", "what you call it; unique in the workspace", R"("my registry")"},
          {"username", "user name at the registry", R"("alice")"},
          {"password", "password or token; kept encrypted and never shown again", R"("dckr_pat_example")"}};
}

struct ContainerRegistryAuth {
  RegistryAuthId id;
  std::string name;
};
BOOST_DESCRIBE_STRUCT(ContainerRegistryAuth, (), (id, name))
json::Fields fields(const ContainerRegistryAuth*) {
  return {{"id", "what pods and templates name as containerRegistryAuthId", R"("clzdaifot0001l90809257ynb")"},
          {"name", "what you call it", R"("my registry")"}};
}

ContainerRegistryAuth view(const RegistryAuth& auth) { return {auth.id, auth.name}; }
RegistryAuthId id_of(const Request& request) { return RegistryAuthId(request.param("id")); }

}  // namespace

std::vector<Route> registry_auth_routes(RegistryAuthService& auths, json::UnknownKeys unknown) {
  const std::string tag = "Registry credentials";
  return {
      Route{.method = Method::post,
            .path = "/v1/containerregistryauth",
            .access = Access::writer,
            .summary = "Store a registry credential",
            .description = "For private images: name it as containerRegistryAuthId of a pod or a template. The "
                           "password is kept encrypted.",
            .tag = tag,
            .body = json::schema<ContainerRegistryAuthCreateInput>(),
            .answer = json::schema<ContainerRegistryAuth>(),
            .errors = {Reason::invalid_field, Reason::missing_field, Reason::unknown_field,
                       Reason::registry_auth_name_taken, Reason::too_many_things},
            .handler = [&auths, unknown](const Request& request) -> Result<Response> {
              const auto input = TRY(json::decode<ContainerRegistryAuthCreateInput>(request.body, unknown));
              const RegistryLogin login{input.username, input.password};
              return http::json_response(200, json::encode(view(TRY(auths.create(request.caller, input.name, login)))));
            }},
      Route{.method = Method::get,
            .path = "/v1/containerregistryauth",
            .access = Access::reader,
            .summary = "List registry credentials",
            .description = "By name.",
            .tag = tag,
            .answer = json::schema_list<ContainerRegistryAuth>(),
            .handler = [&auths](const Request& request) -> Result<Response> {
              std::vector<ContainerRegistryAuth> views;
              for (const auto& auth : auths.list(request.caller)) views.push_back(view(auth));
              return http::json_response(200, json::encode(views));
            }},
      Route{.method = Method::get,
            .path = "/v1/containerregistryauth/{id}",
            .access = Access::reader,
            .summary = "Get a registry credential",
            .description = "Its id and name; user name and password are not shown.",
            .tag = tag,
            .answer = json::schema<ContainerRegistryAuth>(),
            .errors = {Reason::registry_auth_not_found},
            .handler = [&auths](const Request& request) -> Result<Response> {
              return http::json_response(200, json::encode(view(TRY(auths.get(request.caller, id_of(request))))));
            }},
      Route{.method = Method::del,
            .path = "/v1/containerregistryauth/{id}",
            .access = Access::writer,
            .summary = "Delete a registry credential",
            .description = "Refused while a pod or a template uses it.",
            .tag = tag,
            .status = 204,
            .errors = {Reason::registry_auth_not_found, Reason::registry_auth_in_use},
            .handler = [&auths](const Request& request) -> Result<Response> {
              TRY(auths.remove(request.caller, id_of(request)));
              return Response{.status = 204};
            }},
  };
}

}  // namespace gyre
