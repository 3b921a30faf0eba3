#include "serverless/endpoint_store.hpp"

#define ENDPOINT_COLUMNS "id, workspace, account, name, spec, release, created_at, version"
#define RELEASE_COLUMNS "endpoint, release, spec, account, created_at"

namespace gyre {
namespace {

const char* text_of(EndpointStore::Uses kind) {
  switch (kind) {
    case EndpointStore::Uses::template_id:
      return "template";
    case EndpointStore::Uses::registry_auth_id:
      return "registry_auth";
    case EndpointStore::Uses::network_volume:
      break;
  }
  return "network_volume";
}

}  // namespace

void EndpointStore::insert(const Endpoint& e) {
  db_.exec("INSERT INTO endpoints (" ENDPOINT_COLUMNS ") VALUES ($1,$2,$3,$4,$5,$6,$7,$8)", e.id, e.workspace,
           e.account, e.name, e.spec, e.release, e.created_at, e.version);
}

void EndpointStore::update(Endpoint& e) {
  const auto changed =
      db_.exec("UPDATE endpoints SET name=$1, spec=$2, release=$3, version=version+1 WHERE id=$4 AND version=$5",
               e.name, e.spec, e.release, e.id, e.version);
  if (changed != 1) throw db::DbError("stale write of endpoint " + e.id.str());
  ++e.version;
}

void EndpointStore::remove(const EndpointId& id) {
  db_.exec("DELETE FROM endpoint_uses WHERE endpoint=$1", id);
  db_.exec("DELETE FROM endpoint_releases WHERE endpoint=$1", id);
  db_.exec("DELETE FROM endpoints WHERE id=$1", id);
}

std::optional<Endpoint> EndpointStore::find(const WorkspaceId& workspace, const EndpointId& id) const {
  return db_.one<Endpoint>("SELECT " ENDPOINT_COLUMNS " FROM endpoints WHERE id=$1 AND workspace=$2", id, workspace);
}

std::vector<Endpoint> EndpointStore::list(const WorkspaceId& workspace) const {
  return db_.all<Endpoint>("SELECT " ENDPOINT_COLUMNS " FROM endpoints WHERE workspace=$1 ORDER BY name, id",
                           workspace);
}

int EndpointStore::count(const WorkspaceId& workspace) const {
  return db_.value<int>("SELECT COUNT(*) FROM endpoints WHERE workspace=$1", workspace);
}

void EndpointStore::set_uses(const EndpointId& id, const EndpointSpec& spec) {
  db_.exec("DELETE FROM endpoint_uses WHERE endpoint=$1", id);
  const auto add = [&](Uses kind, const std::string& thing) {
    db_.exec("INSERT INTO endpoint_uses (endpoint, kind, thing) VALUES ($1,$2,$3)", id, text_of(kind), thing);
  };
  if (!spec.template_id.empty()) add(Uses::template_id, spec.template_id);
  if (!spec.registry_auth_id.empty()) add(Uses::registry_auth_id, spec.registry_auth_id);
  for (const auto& volume : spec.network_volumes) add(Uses::network_volume, volume);
}

std::vector<Endpoint> EndpointStore::users_of(Uses kind, const WorkspaceId& workspace, const std::string& thing) const {
  return db_.all<Endpoint>("SELECT " ENDPOINT_COLUMNS
                           " FROM endpoints WHERE workspace=$1 AND id IN (SELECT endpoint FROM endpoint_uses WHERE "
                           "kind=$2 AND thing=$3) ORDER BY id",
                           workspace, text_of(kind), thing);
}

void EndpointStore::add(const EndpointRelease& r) {
  db_.exec("INSERT INTO endpoint_releases (" RELEASE_COLUMNS ") VALUES ($1,$2,$3,$4,$5)", r.endpoint, r.release, r.spec,
           r.account, r.created_at);
  db_.exec("DELETE FROM endpoint_releases WHERE endpoint=$1 AND release<=$2", r.endpoint,
           r.release - releases_kept_max);
}

std::vector<EndpointRelease> EndpointStore::releases(const EndpointId& id) const {
  return db_.all<EndpointRelease>(
      "SELECT " RELEASE_COLUMNS " FROM endpoint_releases WHERE endpoint=$1 ORDER BY release DESC", id);
}

}  // namespace gyre
