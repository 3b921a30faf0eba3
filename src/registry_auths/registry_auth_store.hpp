// Every line of SQL about registry credentials.
#pragma once

#include <optional>
#include <vector>

#include "db/db.hpp"
#include "registry_auths/registry_auth.hpp"

namespace gyre {

class RegistryAuthStore {
 public:
  explicit RegistryAuthStore(db::Connection& db) : db_(db) {}

  void insert(const RegistryAuth& auth);  // throws UniqueViolation when the name is taken
  void update(const RegistryAuth& auth);  // its login
  void remove(const RegistryAuthId& id);
  std::optional<RegistryAuth> find(const WorkspaceId& workspace, const RegistryAuthId& id) const;
  std::optional<RegistryAuth> by_name(const WorkspaceId& workspace, const std::string& name) const;
  std::vector<RegistryAuth> list(const WorkspaceId& workspace) const;  // by name
  int count(const WorkspaceId& workspace) const;

 private:
  db::Connection& db_;
};

}  // namespace gyre
