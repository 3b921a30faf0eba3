// Network volumes and registry credentials.
#include "rest_v2/parts.hpp"

namespace gyre::rest_v2 {
namespace {

using http::Request;
using http::Response;
using http::Route;

enum class VolumeTypeV2 { STANDARD, HIGH_PERFORMANCE };
BOOST_DESCRIBE_ENUM(VolumeTypeV2, STANDARD, HIGH_PERFORMANCE)

const json::Field volume_name{"name", "what you call it; unique in the workspace", R"("datasets")"};
const json::Field volume_size{"size", "in GB, at most 4000; it may grow and never shrink", "100"};
const json::Field data_center{"dataCenter", "where it is (GET /v2/catalog/datacenters)", R"("LOCAL")"};

struct CreateNetworkVolumeV2 {
  std::string name;
  std::int64_t size = 0;
  std::string dataCenter;
  std::optional<VolumeTypeV2> type;
};
BOOST_DESCRIBE_STRUCT(CreateNetworkVolumeV2, (), (name, size, dataCenter, type))
json::Fields fields(const CreateNetworkVolumeV2*) {
  return {
      volume_name, volume_size, data_center, {"type", "STANDARD; HIGH_PERFORMANCE is not offered", R"("STANDARD")"}};
}

struct UpdateNetworkVolumeV2 {
  std::optional<std::string> name;
  std::optional<std::int64_t> size;
};
BOOST_DESCRIBE_STRUCT(UpdateNetworkVolumeV2, (), (name, size))
json::Fields fields(const UpdateNetworkVolumeV2*) { return {volume_name, volume_size}; }

struct NetworkVolumeV2 {
  NetworkVolumeId id;
  std::string name;
  std::int64_t size = 0;
  std::string dataCenter;
  VolumeTypeV2 type = VolumeTypeV2::STANDARD;
};
BOOST_DESCRIBE_STRUCT(NetworkVolumeV2, (), (id, name, size, dataCenter, type))
json::Fields fields(const NetworkVolumeV2*) {
  return {{"id", "what pods name as volumeId", R"("agv6w2qcg7")"},
          volume_name,
          volume_size,
          data_center,
          {"type", "always STANDARD", R"("STANDARD")"}};
}

struct NetworkVolumeV2List {
  std::vector<NetworkVolumeV2> networkVolumes;
};
BOOST_DESCRIBE_STRUCT(NetworkVolumeV2List, (), (networkVolumes))
json::Fields fields(const NetworkVolumeV2List*) { return {{"networkVolumes", "by name", "[]"}}; }

NetworkVolumeV2 view(const NetworkVolume& v) {
  return {v.id, v.name, v.size_gb, v.data_center, VolumeTypeV2::STANDARD};
}

Response shown(int status, const NetworkVolume& volume) {
  return http::with_version(http::json_response(status, json::encode(view(volume))), volume.version);
}

const Names names{{"dataCenterId", "dataCenter"}};

std::vector<Route> volume_routes(const Services& services) {
  auto& volumes = services.resources.volumes();
  const auto id_of = [](const Request& request) { return NetworkVolumeId(request.param("id")); };
  http::Resource out{.path = "/v2/network-volumes",
                     .tag = "Network volumes (v2)",
                     .one = "a network volume",
                     .many = "network volumes",
                     .not_found = Reason::network_volume_not_found,
                     .made = 201,
                     .create_body = json::schema<CreateNetworkVolumeV2>(),
                     .update_body = json::schema<UpdateNetworkVolumeV2>(),
                     .answer = json::schema<NetworkVolumeV2>(),
                     .answers = json::schema<NetworkVolumeV2List>()};
  out.create = {"Storage that outlives what uses it, in one data centre.",
                {Reason::network_volume_name_taken, Reason::no_shared_storage, Reason::not_offered},
                [&services, &volumes](const Request& request) -> Result<Response> {
                  const auto input = TRY(json::decode<CreateNetworkVolumeV2>(request.body, services.config.unknown));
                  if (input.type == VolumeTypeV2::HIGH_PERFORMANCE)
                    return fail(Reason::not_offered, {{"what", "HIGH_PERFORMANCE"}}, "type");
                  auto made = volumes.create(request.caller, input.name, input.size, input.dataCenter);
                  return shown(201, TRY(renamed(std::move(made), names)));
                }};
  out.list = {"By name.", {}, [&volumes](const Request& request) -> Result<Response> {
                const auto by_name = [](const NetworkVolume& v) { return std::vector{v.name, v.id.str()}; };
                return wrapped("networkVolumes",
                               http::list_response(request, volumes.list(request.caller), by_name, view));
              }};
  out.get = {"Its name, size and place.", {}, [&volumes, id_of](const Request& request) -> Result<Response> {
               return shown(200, TRY(volumes.get(request.caller, id_of(request))));
             }};
  out.update = {"A volume may grow and never shrink.",
                {Reason::network_volume_name_taken},
                [&services, &volumes, id_of](const Request& request) -> Result<Response> {
                  auto input = TRY(json::decode<UpdateNetworkVolumeV2>(request.body, services.config.unknown));
                  const NetworkVolumeChange wanted{std::move(input.name), input.size};
                  const auto unchanged = [&](const NetworkVolume& now) {
                    return http::check_version(request, now.version);
                  };
                  return shown(200, TRY(volumes.update(request.caller, id_of(request), wanted, unchanged)));
                }};
  out.remove = {"With everything in it, for good. Refused while a pod or an endpoint uses it.",
                {Reason::network_volume_in_use},
                [&volumes, id_of](const Request& request) -> Result<Response> {
                  TRY(volumes.remove(request.caller, id_of(request)));
                  return Response{.status = 204};
                }};
  return http::resource_routes(std::move(out));
}

// ---- registry credentials ----

struct CreateRegistryV2 {
  std::string name, username, password;
};
BOOST_DESCRIBE_STRUCT(CreateRegistryV2, (), (name, username, password))
json::Fields fields(const CreateRegistryV2*) {
  return {{"name", "what you call it; unique in the workspace", R"("my registry")"},
          {"username", "user name at the registry", R"("alice")"},
          {"password", "password or token; kept encrypted and never shown again", R"("dckr_pat_example")"}};
}

struct RegistryV2 {
  RegistryAuthId id;
  std::string name;
};
BOOST_DESCRIBE_STRUCT(RegistryV2, (), (id, name))
json::Fields fields(const RegistryV2*) {
  return {{"id", "what pods and templates name as registry", R"("clzdaifot0001l90809257ynb")"},
          {"name", "what you call it", R"("my registry")"}};
}

struct RegistryV2List {
  std::vector<RegistryV2> registries;
};
BOOST_DESCRIBE_STRUCT(RegistryV2List, (), (registries))
json::Fields fields(const RegistryV2List*) { return {{"registries", "by name", "[]"}}; }

RegistryV2 view_of(const RegistryAuth& auth) { return {auth.id, auth.name}; }

std::vector<Route> registry_routes(const Services& services) {
  auto& auths = services.resources.registry_auths();
  const auto id_of = [](const Request& request) { return RegistryAuthId(request.param("id")); };
  http::Resource out{.path = "/v2/registries",
                     .tag = "Registries (v2)",
                     .one = "a registry credential",
                     .many = "registry credentials",
                     .not_found = Reason::registry_auth_not_found,
                     .made = 201,
                     .secret_body = true,
                     .create_body = json::schema<CreateRegistryV2>(),
                     .answer = json::schema<RegistryV2>(),
                     .answers = json::schema<RegistryV2List>()};
  out.create = {"For private images: name it as registry of a pod or a template. The password is kept encrypted.",
                {Reason::registry_auth_name_taken},
                [&services, &auths](const Request& request) -> Result<Response> {
                  const auto input = TRY(json::decode<CreateRegistryV2>(request.body, services.config.unknown));
                  const RegistryLogin login{input.username, input.password};
                  const auto made = TRY(auths.create(request.caller, input.name, login));
                  return http::json_response(201, json::encode(view_of(made)));
                }};
  out.list = {"By name.", {}, [&auths](const Request& request) -> Result<Response> {
                const auto by_name = [](const RegistryAuth& auth) { return std::vector{auth.name, auth.id.str()}; };
                return wrapped("registries",
                               http::list_response(request, auths.list(request.caller), by_name, view_of));
              }};
  out.get = {"Its id and name; user name and password are not shown.",
             {},
             [&auths, id_of](const Request& request) -> Result<Response> {
               return http::json_response(200, json::encode(view_of(TRY(auths.get(request.caller, id_of(request))))));
             }};
  out.remove = {"Refused while a pod or a template uses it.",
                {Reason::registry_auth_in_use},
                [&auths, id_of](const Request& request) -> Result<Response> {
                  TRY(auths.remove(request.caller, id_of(request)));
                  return Response{.status = 204};
                }};
  return http::resource_routes(std::move(out));
}

}  // namespace

std::vector<Route> storage_routes(const Services& services) {
  auto out = volume_routes(services);
  for (auto& route : registry_routes(services)) out.push_back(std::move(route));
  // Not in v2: the POST twins of PATCH.
  std::erase_if(out, [](const Route& route) { return route.path.ends_with("/update"); });
  return out;
}

}  // namespace gyre::rest_v2
