// The verbs of registry credentials. One public method is one transaction, within a core task.
#pragma once

#include <functional>

#include "base/caller.hpp"
#include "base/result.hpp"
#include "registry_auths/registry_auth_store.hpp"
#include "runtime/core.hpp"

namespace gyre {

struct RegistryAuthConfig {
  std::function<std::string(const std::string& plain)> seal;
  std::function<std::string(const std::string& sealed)> unseal;
  // Who uses it, in words for the refusal ("pod 2s56cp0pof1rmt"); empty: nobody.
  std::function<std::optional<std::string>(const WorkspaceId&, const RegistryAuthId&)> user_of;
  int per_workspace_max = 1000;
};

struct RegistryLogin {
  std::string username, password;
};

class RegistryAuthService {
 public:
  RegistryAuthService(Core& core, RegistryAuthConfig config);

  // Refuses with the field: an empty or long name, username or password; a taken name.
  Result<RegistryAuth> create(const Caller& caller, const std::string& name, const RegistryLogin& login);
  // Another login under the same id and name; pods take it with their next order. What runs is not touched.
  Result<RegistryAuth> update(const Caller& caller, const RegistryAuthId& id, const RegistryLogin& login);
  Result<RegistryAuth> get(const Caller& caller, const RegistryAuthId& id) const;
  std::vector<RegistryAuth> list(const Caller& caller) const;
  std::optional<RegistryAuth> find(const WorkspaceId& workspace, const RegistryAuthId& id) const;
  Result<> remove(const Caller& caller, const RegistryAuthId& id);  // registry_auth_in_use while somebody uses it

  // In clear, for the order of a pod; never for an answer.
  std::optional<RegistryLogin> login(const WorkspaceId& workspace, const RegistryAuthId& id) const;

 private:
  Core& core_;
  RegistryAuthConfig config_;
  RegistryAuthStore store_;
};

}  // namespace gyre
