#include "settings/settings_routes.hpp"

#include "http/update_route.hpp"

namespace gyre {
namespace {

using http::Access;
using http::Method;
using http::Request;
using http::Response;
using http::Route;

const json::Field keys_field{
    "pubKey", "SSH public keys, one a line; pods get them as PUBLIC_KEY at their next start",
    R"("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEMgUSzpGwGvx24BZqbC7g7Qb1MF8RmLjKu8z/H/XzjV laptop")"};

struct SettingsUpdateInput {
  std::optional<std::string> pubKey, language;
};
BOOST_DESCRIBE_STRUCT(SettingsUpdateInput, (), (pubKey, language))
json::Fields fields(const SettingsUpdateInput*) {
  return {keys_field, {"language", "en or ko; empty: what the browser asks for", R"("ko")"}};
}

struct SettingsView {
  std::string pubKey;
  std::optional<std::string> language;
};
BOOST_DESCRIBE_STRUCT(SettingsView, (), (pubKey, language))
json::Fields fields(const SettingsView*) {
  return {keys_field, {"language", "en, ko, or null: what the browser asks for", R"("ko")"}};
}

std::string etag_of(const UserSettings& settings) { return http::etag(std::to_string(settings.version)); }

Response shown(const UserSettings& settings) {
  const SettingsView view{settings.ssh_keys, settings.language};
  auto response = http::json_response(200, json::encode(view));
  response.headers.set("ETag", etag_of(settings));
  return response;
}

}  // namespace

std::vector<Route> settings_routes(SettingsService& settings, json::UnknownKeys unknown) {
  const std::string tag = "Accounts";
  std::vector<Route> routes{Route{.method = Method::get,
                                  .path = "/v1/me/settings",
                                  .access = Access::reader,
                                  .summary = "Get my settings",
                                  .description = "They follow the person into every workspace.",
                                  .tag = tag,
                                  .answer = json::schema<SettingsView>(),
                                  .handler = [&settings](const Request& request) -> Result<Response> {
                                    return shown(settings.get(request.caller.account));
                                  }}};
  for (auto& route : http::with_update_route(Route{.method = Method::patch,
                     .path = "/v1/me/settings",
                     .access = Access::writer,
                     .summary = "Change my settings",
                     .description = "Absent fields stay as they are.",
                     .tag = tag,
                     .body = json::schema<SettingsUpdateInput>(),
                     .answer = json::schema<SettingsView>(),
                     .errors = {Reason::invalid_field, Reason::unknown_field, Reason::stale_version},
                     .handler = [&settings, unknown](const Request& request) -> Result<Response> {
                       auto input = TRY(json::decode<SettingsUpdateInput>(request.body, unknown));
                       const SettingsChange wanted{std::move(input.pubKey), std::move(input.language)};
                       const auto unchanged = [&](const UserSettings& now) {
                         return http::check_if_match(request, etag_of(now));
                       };
                       return shown(TRY(settings.update(request.caller, wanted, unchanged)));
                     }}))
    routes.push_back(std::move(route));
  return routes;
}

}  // namespace gyre
