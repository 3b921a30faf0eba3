// The verbs of secrets. One public method is one transaction, within a core task.
#pragma once

#include <functional>

#include "base/caller.hpp"
#include "base/result.hpp"
#include "runtime/core.hpp"
#include "secrets/secret_store.hpp"

namespace gyre {

struct SecretConfig {
  std::function<std::string(const std::string& plain)> seal;
  std::function<std::string(const std::string& sealed)> unseal;
  int per_workspace_max = 1000;
};

struct SecretChange {
  std::optional<std::string> name, value, description;  // absent: stays as it is
};

class SecretService {
 public:
  SecretService(Core& core, SecretConfig config);

  Result<Secret> create(const Caller& caller, const SecretChange& input);  // with a name and a value
  Result<Secret> get(const Caller& caller, const SecretId& id) const;
  std::vector<Secret> list(const Caller& caller) const;
  Result<Secret> update(const Caller& caller, const SecretId& id, const SecretChange& change,
                        const std::function<Result<>(const Secret&)>& precondition = {});
  Result<> remove(const Caller& caller, const SecretId& id);

  // In clear, for the order of a pod; never for an answer. Empty: there is none of that name.
  std::optional<std::string> value(const WorkspaceId& workspace, const std::string& name) const;

 private:
  Result<> check(const SecretChange& change) const;

  Core& core_;
  SecretConfig config_;
  SecretStore store_;
};

}  // namespace gyre
