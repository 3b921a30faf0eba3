#include "secrets/secret_store.hpp"

#define SECRET_COLUMNS "id, workspace, name, description, value_sealed, created_at, updated_at, version"

namespace gyre {

void SecretStore::insert(const Secret& s) {
  db_.exec("INSERT INTO secrets (" SECRET_COLUMNS ") VALUES ($1,$2,$3,$4,$5,$6,$7,$8)", s.id, s.workspace, s.name,
           s.description, s.value_sealed, s.created_at, s.updated_at, s.version);
}

void SecretStore::update(Secret& s) {
  const auto changed = db_.exec(
      "UPDATE secrets SET name=$1, description=$2, value_sealed=$3, updated_at=$4, version=version+1 WHERE id=$5 AND "
      "version=$6",
      s.name, s.description, s.value_sealed, s.updated_at, s.id, s.version);
  if (changed != 1) throw db::DbError("stale write of secret " + s.id.str());
  ++s.version;
}

void SecretStore::remove(const SecretId& id) { db_.exec("DELETE FROM secrets WHERE id=$1", id); }

std::optional<Secret> SecretStore::find(const WorkspaceId& workspace, const SecretId& id) const {
  return db_.one<Secret>("SELECT " SECRET_COLUMNS " FROM secrets WHERE id=$1 AND workspace=$2", id, workspace);
}

std::optional<Secret> SecretStore::by_name(const WorkspaceId& workspace, const std::string& name) const {
  return db_.one<Secret>("SELECT " SECRET_COLUMNS " FROM secrets WHERE workspace=$1 AND name=$2", workspace, name);
}

std::vector<Secret> SecretStore::list(const WorkspaceId& workspace) const {
  return db_.all<Secret>("SELECT " SECRET_COLUMNS " FROM secrets WHERE workspace=$1 ORDER BY name", workspace);
}

int SecretStore::count(const WorkspaceId& workspace) const {
  return db_.value<int>("SELECT COUNT(*) FROM secrets WHERE workspace=$1", workspace);
}

}  // namespace gyre
