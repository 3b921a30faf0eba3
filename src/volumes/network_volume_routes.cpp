#include "volumes/network_volume_routes.hpp"

#include "http/resource_routes.hpp"

namespace gyre {
namespace {

using http::Request;
using http::Response;
using http::Route;

const json::Field name_field{"name", "what you call it; unique in the workspace", R"("datasets")"};
const json::Field size_field{"size", "in GB, at most 4000; it may grow and never shrink", "100"};

struct NetworkVolumeCreateInput {
  std::string name;
  std::int64_t size = 0;
  std::string dataCenterId;
};
BOOST_DESCRIBE_STRUCT(NetworkVolumeCreateInput, (), (name, size, dataCenterId))
json::Fields fields(const NetworkVolumeCreateInput*) {
  return {name_field, size_field, {"dataCenterId", "where it is; see GET /v1/catalog/datacenters", R"("LOCAL")"}};
}

struct NetworkVolumeUpdateInput {
  std::optional<std::string> name;
  std::optional<std::int64_t> size;
};
BOOST_DESCRIBE_STRUCT(NetworkVolumeUpdateInput, (), (name, size))
json::Fields fields(const NetworkVolumeUpdateInput*) { return {name_field, size_field}; }

struct NetworkVolumeView {
  NetworkVolumeId id;
  std::string name;
  std::int64_t size = 0;
  std::string dataCenterId;
  bool ready = false;
  std::optional<std::int64_t> usedBytes;
  Time createdAt{};
};
BOOST_DESCRIBE_STRUCT(NetworkVolumeView, (), (id, name, size, dataCenterId, ready, usedBytes, createdAt))
json::Fields fields(const NetworkVolumeView*) {
  return {
      {"id", "what pods and endpoints name as networkVolumeId", R"("agv6w2qcg7")"},
      name_field,
      size_field,
      {"dataCenterId", "where it is", R"("LOCAL")"},
      {"ready", "its directory is there; false for a moment after it was made, and while the storage is away", "true"},
      {"usedBytes", "what its files take on the disk, counted now and then; null when it has not been counted yet",
       "0"},
      {"createdAt", "when it was made", R"("2026-11-22T01:15:00.250Z")"}};
}

NetworkVolumeView view(const NetworkVolumeService& volumes, const NetworkVolume& v) {
  return {v.id, v.name, v.size_gb, v.data_center, v.ready, volumes.used_bytes(v.id), v.created_at};
}

NetworkVolumeId id_of(const Request& request) { return NetworkVolumeId(request.param("id")); }

Response shown(const NetworkVolumeService& volumes, const NetworkVolume& volume) {
  return http::with_version(http::json_response(200, json::encode(view(volumes, volume))), volume.version);
}

}  // namespace

std::vector<Route> network_volume_routes(NetworkVolumeService& volumes, json::UnknownKeys unknown) {
  http::Resource out{.path = "/v1/networkvolumes",
                     .tag = "Network volumes",
                     .one = "a network volume",
                     .many = "network volumes",
                     .not_found = Reason::network_volume_not_found,
                     .create_body = json::schema<NetworkVolumeCreateInput>(),
                     .update_body = json::schema<NetworkVolumeUpdateInput>(),
                     .answer = json::schema<NetworkVolumeView>(),
                     .answers = json::schema_list<NetworkVolumeView>()};
  out.create = {"Storage that outlives what uses it, in one data centre. It can be used once it is ready.",
                {Reason::network_volume_name_taken, Reason::no_shared_storage},
                [&volumes, unknown](const Request& request) -> Result<Response> {
                  const auto input = TRY(json::decode<NetworkVolumeCreateInput>(request.body, unknown));
                  return shown(volumes,
                               TRY(volumes.create(request.caller, input.name, input.size, input.dataCenterId)));
                }};
  out.list = {"By name.", {}, [&volumes](const Request& request) -> Result<Response> {
                const auto by_name = [](const NetworkVolume& v) { return std::vector{v.name, v.id.str()}; };
                return http::list_response(request, volumes.list(request.caller), by_name,
                                           [&volumes](const NetworkVolume& v) { return view(volumes, v); });
              }};
  out.get = {"With whether it is ready.", {}, [&volumes](const Request& request) -> Result<Response> {
               return shown(volumes, TRY(volumes.get(request.caller, id_of(request))));
             }};
  out.update = {"A volume may grow and never shrink.",
                {Reason::network_volume_name_taken},
                [&volumes, unknown](const Request& request) -> Result<Response> {
                  auto input = TRY(json::decode<NetworkVolumeUpdateInput>(request.body, unknown));
                  const NetworkVolumeChange wanted{std::move(input.name), input.size};
                  const auto unchanged = [&](const NetworkVolume& now) {
                    return http::check_version(request, now.version);
                  };
                  return shown(volumes, TRY(volumes.update(request.caller, id_of(request), wanted, unchanged)));
                }};
  out.remove = {"With everything in it, for good. Refused while a pod or an endpoint uses it.",
                {Reason::network_volume_in_use},
                [&volumes](const Request& request) -> Result<Response> {
                  TRY(volumes.remove(request.caller, id_of(request)));
                  return Response{.status = 204};
                }};
  return http::resource_routes(std::move(out));
}

}  // namespace gyre
