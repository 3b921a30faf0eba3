// Every line of SQL about secrets.
#pragma once

#include <optional>
#include <vector>

#include "db/db.hpp"
#include "secrets/secret.hpp"

namespace gyre {

class SecretStore {
 public:
  explicit SecretStore(db::Connection& db) : db_(db) {}

  void insert(const Secret& secret);  // throws UniqueViolation when the name is taken
  void update(Secret& secret);        // throws on a stale version
  void remove(const SecretId& id);
  std::optional<Secret> find(const WorkspaceId& workspace, const SecretId& id) const;
  std::optional<Secret> by_name(const WorkspaceId& workspace, const std::string& name) const;
  std::vector<Secret> list(const WorkspaceId& workspace) const;  // by name
  int count(const WorkspaceId& workspace) const;

 private:
  db::Connection& db_;
};

}  // namespace gyre
