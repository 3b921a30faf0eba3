#include "rest_v2/parts.hpp"
#include "settings/ssh_keys.hpp"

namespace gyre::rest_v2 {
namespace {

using http::Request;
using http::Response;
using http::Route;

struct SshKeysV2 {
  std::vector<std::string> keys;
};
BOOST_DESCRIBE_STRUCT(SshKeysV2, (), (keys))
json::Fields fields(const SshKeysV2*) {
  return {{"keys", "public keys, each a line of authorized_keys without options",
           R"(["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILXGDN/SclOozk1xsDztpmhGiKkkrfQB9SKoO8dSIQQZ laptop"])"}};
}

Response shown(const Services& services, const AccountId& account) {
  const SshKeysV2 keys{services.resources.settings().authorized_keys(account)};
  return http::with_version(http::json_response(200, json::encode(keys)),
                            services.resources.settings().get(account).version);
}

}  // namespace

std::vector<Route> account_routes(const Services& services) {
  const std::string tag = "Account (v2)", path = "/v2/account/ssh-keys";
  const auto answer = json::schema<SshKeysV2>();
  return {Route{.method = http::Method::get,
                .path = path,
                .access = http::Access::reader,
                .summary = "Get my SSH keys",
                .description = "They follow the person into every workspace.",
                .tag = tag,
                .answer = answer,
                .handler = [&services](const Request& request) -> Result<Response> {
                  return shown(services, request.caller.account);
                }},
          Route{.method = http::Method::put,
                .path = path,
                .access = http::Access::writer,
                .summary = "Replace my SSH keys",
                .description = "All of them; an empty list removes them. Pods get them as PUBLIC_KEY at their next "
                               "start, the SSH gateway at once.",
                .tag = tag,
                .body = answer,
                .answer = answer,
                .errors = {Reason::invalid_field, Reason::unknown_field, Reason::missing_field, Reason::stale_version},
                .handler = [&services](const Request& request) -> Result<Response> {
                  const auto input = TRY(json::decode<SshKeysV2>(request.body, services.config.unknown));
                  std::string all;
                  for (std::size_t i = 0; i < input.keys.size(); ++i) {
                    const auto field = "keys[" + std::to_string(i) + "]";
                    const auto found = TRY(parse_ssh_keys(input.keys[i], field));
                    if (found.size() != 1 || input.keys[i].find('\n') != std::string::npos)
                      return invalid(field, Detail::one_key_each);
                    all += input.keys[i] + "\n";
                  }
                  const SettingsChange wanted{std::move(all), std::nullopt};
                  const auto unchanged = [&](const UserSettings& now) {
                    return http::check_version(request, now.version);
                  };
                  const Names names{{"pubKey", "keys"}};
                  TRY(renamed(services.resources.settings().update(request.caller, wanted, unchanged), names));
                  return shown(services, request.caller.account);
                }}};
}

}  // namespace gyre::rest_v2
