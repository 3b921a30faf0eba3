// The verbs of endpoints' definitions. One public method is one transaction, within a core task.
#pragma once

#include <functional>

#include "base/caller.hpp"
#include "base/result.hpp"
#include "catalog/catalog_service.hpp"
#include "runtime/core.hpp"
#include "serverless/endpoint_store.hpp"
#include "templates/template_service.hpp"
#include "volumes/network_volume_service.hpp"

namespace gyre {

struct EndpointConfig {
  std::function<bool(const WorkspaceId&, const RegistryAuthId&)> knows_registry_auth;
  int per_workspace_max = 1000;
};

// An endpoint as its owner wants it. For an update the caller fills what stays from the endpoint as it is.
struct EndpointWish {
  std::string name;
  EndpointSpec spec;
  bool template_named = false;  // its settings are taken over, also when it is the one that it was
};

class EndpointService {
 public:
  EndpointService(Core& core, const TemplateService& templates, const CatalogService& catalog,
                  const NetworkVolumeService& volumes, EndpointConfig config = {});

  Result<Endpoint> create(const Caller& caller, const EndpointWish& wish);
  Result<Endpoint> get(const Caller& caller, const EndpointId& id) const;
  std::vector<Endpoint> list(const Caller& caller) const;
  Result<Endpoint> update(const Caller& caller, const EndpointId& id,
                          const std::function<Result<EndpointWish>(const Endpoint&)>& change);
  Result<> remove(const Caller& caller, const EndpointId& id);
  // Its settings become its own, to be changed without the template they came from.
  void let_go_of_template(const Caller& caller, EndpointSpec& spec) const;
  // Its own credential, or that of the template that it follows; "": none, or a stranger's.
  std::string registry_auth_of(const Caller& caller, const EndpointSpec& spec) const;
  Result<std::vector<EndpointRelease>> releases(const Caller& caller, const EndpointId& id) const;  // newest first

  // A template changed: endpoints of its workspace that are made from it have a new version. Within its transaction.
  void take_over(const Caller& caller, const Template& changed);

 private:
  Result<> take(const Caller& caller, const EndpointWish& wish, Endpoint& into) const;
  void add_release(const Caller& caller, const Endpoint& endpoint);

  Core& core_;
  const TemplateService& templates_;
  const CatalogService& catalog_;
  const NetworkVolumeService& volumes_;
  EndpointConfig config_;
  EndpointStore store_;
};

}  // namespace gyre
