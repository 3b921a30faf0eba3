#include "resources/resources.hpp"

#include "catalog/catalog_routes.hpp"
#include "registry_auths/registry_auth_routes.hpp"
#include "secrets/secret_routes.hpp"
#include "serverless/endpoint_routes.hpp"
#include "settings/settings_routes.hpp"
#include "templates/template_routes.hpp"
#include "volumes/network_volume_routes.hpp"

namespace gyre {

Resources::Resources(Core& core, const ResourcesConfig& config)
    : pods_(core.db()),
      endpoint_store_(core.db()),
      registry_auths_(core, registry_auth_config(config)),
      secrets_(core, SecretConfig{config.seal, config.unseal}),
      settings_(core),
      templates_(core, template_config()),
      catalog_(core, config.catalog),
      volumes_(core, volume_config(config)),
      endpoints_(core, templates_, catalog_, volumes_, endpoint_config()) {}

RegistryAuthConfig Resources::registry_auth_config(const ResourcesConfig& config) {
  RegistryAuthConfig out;
  out.seal = config.seal;
  out.unseal = config.unseal;
  out.user_of = [this](const WorkspaceId& workspace, const RegistryAuthId& auth) -> std::optional<std::string> {
    if (const auto pod = pods_.user_of(PodStore::Uses::registry_auth_id, workspace, auth.str()))
      return "pod " + pod->str();
    if (auto endpoint = endpoint_using(EndpointStore::Uses::registry_auth_id, workspace, auth.str())) return endpoint;
    return templates_.user_of(auth);
  };
  return out;
}

EndpointConfig Resources::endpoint_config() {
  EndpointConfig out;
  out.knows_registry_auth = [this](const WorkspaceId& workspace, const RegistryAuthId& auth) {
    return registry_auths_.find(workspace, auth).has_value();
  };
  return out;
}

TemplateConfig Resources::template_config() {
  TemplateConfig out;
  out.knows_registry_auth = [this](const WorkspaceId& workspace, const RegistryAuthId& auth) {
    return registry_auths_.find(workspace, auth).has_value();
  };
  out.user_of = [this](const WorkspaceId& workspace, const TemplateId& id) -> std::optional<std::string> {
    if (const auto pod = pods_.user_of(PodStore::Uses::template_id, workspace, id.str())) return "pod " + pod->str();
    return endpoint_using(EndpointStore::Uses::template_id, workspace, id.str());
  };
  out.changed = [this](const Caller& caller, const Template& changed) { endpoints_.take_over(caller, changed); };
  return out;
}

NetworkVolumeConfig Resources::volume_config(const ResourcesConfig& config) {
  NetworkVolumeConfig out;
  out.shared_paths = config.shared_paths;
  out.directories = config.directories;
  out.user_of = [this](const WorkspaceId& workspace, const NetworkVolumeId& id) -> std::optional<std::string> {
    if (const auto pod = pods_.user_of(PodStore::Uses::network_volume, workspace, id.str())) return "pod " + pod->str();
    return endpoint_using(EndpointStore::Uses::network_volume, workspace, id.str());
  };
  return out;
}

std::optional<std::string> Resources::endpoint_using(EndpointStore::Uses kind, const WorkspaceId& workspace,
                                                     const std::string& thing) const {
  const auto users = endpoint_store_.users_of(kind, workspace, thing);
  if (users.empty()) return std::nullopt;
  return "endpoint " + users.front().id.str();
}

PodSources Resources::sources() {
  PodSources out;
  out.template_settings = [this](const WorkspaceId& workspace, const std::string& id) {
    return templates_.pod_settings_of(workspace, TemplateId(id));
  };
  out.registry_user = [this](const WorkspaceId& workspace, const std::string& id) -> std::optional<RegistryUser> {
    const auto login = registry_auths_.login(workspace, RegistryAuthId(id));
    if (!login) return std::nullopt;
    return RegistryUser{login->username, login->password};
  };
  out.secret = [this](const WorkspaceId& workspace, const std::string& name) {
    return secrets_.value(workspace, name);
  };
  out.network_volume = [this](const WorkspaceId& workspace,
                              const std::string& id) -> std::optional<NetworkVolumeFacts> {
    const auto found = volumes_.find(workspace, NetworkVolumeId(id));
    if (!found) return std::nullopt;
    return NetworkVolumeFacts{found->name, found->data_center, found->size_gb * 1'000'000'000,
                              volumes_.used_bytes(found->id)};
  };
  out.ssh_keys = [this](const AccountId& account) { return settings_.get(account).ssh_keys; };
  out.gpu_offer = [this](const std::string& type, const std::string& cloud, Time made_at) {
    auto offer = catalog_.offer(type, cloud, made_at);
    return GpuOffer{std::move(offer.display_name), offer.per_gpu_hour, offer.lowest_bid};
  };
  return out;
}

std::vector<http::Route> Resources::routes(json::UnknownKeys unknown) {
  std::vector<http::Route> out;
  const auto add = [&](std::vector<http::Route> more) {
    for (auto& route : more) out.push_back(std::move(route));
  };
  add(registry_auth_routes(registry_auths_, unknown));
  add(secret_routes(secrets_, unknown));
  add(settings_routes(settings_, unknown));
  add(template_routes(templates_, unknown));
  add(catalog_routes(catalog_, unknown));
  add(network_volume_routes(volumes_, unknown));
  add(endpoint_routes(endpoints_, templates_, unknown));
  return out;
}

}  // namespace gyre
