#include "registry_auths/registry_auth_store.hpp"

#define REGISTRY_AUTH_COLUMNS "id, workspace, name, username, password_sealed, created_at"

namespace gyre {

void RegistryAuthStore::insert(const RegistryAuth& a) {
  db_.exec("INSERT INTO registry_auths (" REGISTRY_AUTH_COLUMNS ") VALUES ($1,$2,$3,$4,$5,$6)", a.id, a.workspace,
           a.name, a.username, a.password_sealed, a.created_at);
}

void RegistryAuthStore::update(const RegistryAuth& a) {
  db_.exec("UPDATE registry_auths SET username=$1, password_sealed=$2 WHERE id=$3", a.username, a.password_sealed,
           a.id);
}

void RegistryAuthStore::remove(const RegistryAuthId& id) { db_.exec("DELETE FROM registry_auths WHERE id=$1", id); }

std::optional<RegistryAuth> RegistryAuthStore::find(const WorkspaceId& workspace, const RegistryAuthId& id) const {
  return db_.one<RegistryAuth>("SELECT " REGISTRY_AUTH_COLUMNS " FROM registry_auths WHERE id=$1 AND workspace=$2", id,
                               workspace);
}

std::optional<RegistryAuth> RegistryAuthStore::by_name(const WorkspaceId& workspace, const std::string& name) const {
  return db_.one<RegistryAuth>("SELECT " REGISTRY_AUTH_COLUMNS " FROM registry_auths WHERE workspace=$1 AND name=$2",
                               workspace, name);
}

std::vector<RegistryAuth> RegistryAuthStore::list(const WorkspaceId& workspace) const {
  return db_.all<RegistryAuth>("SELECT " REGISTRY_AUTH_COLUMNS " FROM registry_auths WHERE workspace=$1 ORDER BY name",
                               workspace);
}

int RegistryAuthStore::count(const WorkspaceId& workspace) const {
  return db_.value<int>("SELECT COUNT(*) FROM registry_auths WHERE workspace=$1", workspace);
}

}  // namespace gyre
