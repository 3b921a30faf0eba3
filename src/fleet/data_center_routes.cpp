#include "fleet/data_center_routes.hpp"

namespace gyre {
namespace {

using http::Access;
using http::Method;
using http::Request;
using http::Response;
using http::Route;

const json::Field location{"location", "for people; empty: nobody has said", R"("Seoul")"},
    country{"countryCode", "ISO 3166-1 alpha-2; empty: nobody has said", R"("KR")"};

struct DataCenterCreateInput {
  std::string id;
  std::optional<std::string> name, location, countryCode;
};
BOOST_DESCRIBE_STRUCT(DataCenterCreateInput, (), (id, name, location, countryCode))
json::Fields fields(const DataCenterCreateInput*) {
  return {{"id", "upper-case letters, digits and '-'; RUNPOD_DC_ID in its pods", R"("KR-SEOUL-1")"},
          {"name", "name for people; its id without it", R"("Seoul 1")"},
          location,
          country};
}

struct DataCenterUpdateInput {
  std::optional<std::string> name, location, countryCode;
};
BOOST_DESCRIBE_STRUCT(DataCenterUpdateInput, (), (name, location, countryCode))
json::Fields fields(const DataCenterUpdateInput*) {
  return {{"name", "name for people", R"("Seoul 1")"}, location, country};
}

struct DataCenterRecordView {
  std::string id, name, location, countryCode;
};
BOOST_DESCRIBE_STRUCT(DataCenterRecordView, (), (id, name, location, countryCode))
json::Fields fields(const DataCenterRecordView*) {
  return {{"id", "RUNPOD_DC_ID in its pods", R"("KR-SEOUL-1")"},
          {"name", "name for people", R"("Seoul 1")"},
          location,
          country};
}

std::string shown(const DataCenter& one) {
  return json::encode(DataCenterRecordView{one.id, one.name, one.location, one.country});
}

}  // namespace

std::vector<Route> data_center_routes(HostService& hosts, json::UnknownKeys unknown) {
  const std::string tag = "Catalogue";
  return {
      Route{.method = Method::post,
            .path = "/v1/catalog/datacenters",
            .access = Access::admin,
            .summary = "Add a data centre",
            .description = "LOCAL is always there. Hosts are put into another one by PATCH /v1/hosts/{id}, or join it "
                           "with their token. Data centres stay. For the operator.",
            .tag = tag,
            .idempotency_key = true,
            .body = json::schema<DataCenterCreateInput>(),
            .status = 201,
            .answer = json::schema<DataCenterRecordView>(),
            .errors = {Reason::invalid_field, Reason::missing_field, Reason::unknown_field, Reason::data_center_exists},
            .handler = [&hosts, unknown](const Request& request) -> Result<Response> {
              auto input = TRY(json::decode<DataCenterCreateInput>(request.body, unknown));
              DataCenter wanted;
              wanted.id = std::move(input.id);
              wanted.name = input.name.value_or("");
              wanted.location = input.location.value_or("");
              wanted.country = input.countryCode.value_or("");
              return http::json_response(201, shown(TRY(hosts.add_data_center(wanted))));
            }},
      Route{.method = Method::patch,
            .path = "/v1/catalog/datacenters/{id}",
            .access = Access::admin,
            .summary = "Change what is said of a data centre",
            .description = "Its id stays. LOCAL's name, place and country are said here, too. For the operator.",
            .tag = tag,
            .body = json::schema<DataCenterUpdateInput>(),
            .answer = json::schema<DataCenterRecordView>(),
            .errors = {Reason::data_center_not_found, Reason::invalid_field, Reason::unknown_field},
            .handler = [&hosts, unknown](const Request& request) -> Result<Response> {
              auto input = TRY(json::decode<DataCenterUpdateInput>(request.body, unknown));
              HostService::DataCenterChange change{std::move(input.name), std::move(input.location),
                                                   std::move(input.countryCode)};
              return http::json_response(200, shown(TRY(hosts.change_data_center(request.param("id"), change))));
            }},
  };
}

}  // namespace gyre
