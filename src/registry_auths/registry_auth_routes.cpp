#include "registry_auths/registry_auth_routes.hpp"

#include "http/resource_routes.hpp"

namespace gyre {
namespace {

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
  http::Resource out{.path = "/v1/containerregistryauth",
                     .tag = "Registry credentials",
                     .one = "a registry credential",
                     .many = "registry credentials",
                     .not_found = Reason::registry_auth_not_found,
                     .secret_body = true,
                     .create_body = json::schema<ContainerRegistryAuthCreateInput>(),
                     .answer = json::schema<ContainerRegistryAuth>(),
                     .answers = json::schema_list<ContainerRegistryAuth>()};
  out.create = {
      "For private images: name it as containerRegistryAuthId of a pod or a template. The password is kept "
      "encrypted.",
      {Reason::registry_auth_name_taken},
      [&auths, unknown](const Request& request) -> Result<Response> {
        const auto input = TRY(json::decode<ContainerRegistryAuthCreateInput>(request.body, unknown));
        const RegistryLogin login{input.username, input.password};
        const auto made = TRY(auths.create(request.caller, input.name, login));
        return http::json_response(200, json::encode(view(made)));
      }};
  out.list = {"By name.", {}, [&auths](const Request& request) -> Result<Response> {
                const auto by_name = [](const RegistryAuth& auth) { return std::vector{auth.name, auth.id.str()}; };
                return http::list_response(request, auths.list(request.caller), by_name, view);
              }};
  out.get = {"Its id and name; user name and password are not shown.",
             {},
             [&auths](const Request& request) -> Result<Response> {
               return http::json_response(200, json::encode(view(TRY(auths.get(request.caller, id_of(request))))));
             }};
  out.remove = {"Refused while a pod or a template uses it.",
                {Reason::registry_auth_in_use},
                [&auths](const Request& request) -> Result<Response> {
                  TRY(auths.remove(request.caller, id_of(request)));
                  return Response{.status = 204};
                }};
  return http::resource_routes(std::move(out));
}

}  // namespace gyre
