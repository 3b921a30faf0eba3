// Everything that pods are made from, built and told of each other. The functions of `sources()` point into it: it must
// outlive the PodService that gets them.
#pragma once

#include "catalog/catalog_service.hpp"
#include "http/router.hpp"
#include "json/codec.hpp"
#include "pods/pod_sources.hpp"
#include "pods/pod_store.hpp"
#include "registry_auths/registry_auth_service.hpp"
#include "secrets/secret_service.hpp"
#include "serverless/endpoint_service.hpp"
#include "settings/settings_service.hpp"
#include "templates/template_service.hpp"
#include "volumes/network_volume_service.hpp"

namespace gyre {

struct ResourcesConfig {
  std::function<std::string(const std::string& plain)> seal;
  std::function<std::string(const std::string& sealed)> unseal;
  CatalogConfig catalog;
  std::map<std::string, std::string> shared_paths;  // of network volumes, by data centre
  VolumeDirectories directories;
};

class Resources {
 public:
  Resources(Core& core, const ResourcesConfig& config);
  Resources(const Resources&) = delete;
  Resources& operator=(const Resources&) = delete;

  PodSources sources();
  std::vector<http::Route> routes(json::UnknownKeys unknown);

  // For who shows them in another API's words.
  RegistryAuthService& registry_auths() { return registry_auths_; }
  SecretService& secrets() { return secrets_; }
  SettingsService& settings() { return settings_; }
  TemplateService& templates() { return templates_; }
  CatalogService& catalog() { return catalog_; }
  NetworkVolumeService& volumes() { return volumes_; }
  EndpointService& endpoints() { return endpoints_; }

 private:
  RegistryAuthConfig registry_auth_config(const ResourcesConfig& config);
  TemplateConfig template_config();
  EndpointConfig endpoint_config();
  NetworkVolumeConfig volume_config(const ResourcesConfig& config);
  // "endpoint ID" when one uses it.
  std::optional<std::string> endpoint_using(EndpointStore::Uses kind, const WorkspaceId& workspace,
                                            const std::string& thing) const;

  PodStore pods_;
  EndpointStore endpoint_store_;
  RegistryAuthService registry_auths_;
  SecretService secrets_;
  SettingsService settings_;
  TemplateService templates_;
  CatalogService catalog_;
  NetworkVolumeService volumes_;
  EndpointService endpoints_;
};

}  // namespace gyre
