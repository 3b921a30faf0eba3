#include "templates/template_store.hpp"

#define TEMPLATE_NAME "rtrim(name, '\x1f')"
#define TEMPLATE_COLUMNS \
  "id, workspace, " TEMPLATE_NAME " AS name, spec, registry_auth, is_public, is_official, created_at, version"

namespace gyre {
namespace {

std::string kept_name(const Template& t) { return settings_from_text(t.spec).serverless ? t.name + '\x1f' : t.name; }

}  // namespace

void TemplateStore::insert(const Template& t) {
  db_.exec(
      "INSERT INTO templates (id, workspace, name, spec, registry_auth, is_public, is_official, created_at, version) "
      "VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9)",
      t.id, t.workspace, kept_name(t), t.spec, t.registry_auth, t.is_public, t.is_official, t.created_at, t.version);
}

void TemplateStore::update(Template& t) {
  const auto changed = db_.exec(
      "UPDATE templates SET name=$1, spec=$2, registry_auth=$3, is_public=$4, is_official=$5, version=version+1 WHERE "
      "id=$6 AND version=$7",
      kept_name(t), t.spec, t.registry_auth, t.is_public, t.is_official, t.id, t.version);
  if (changed != 1) throw db::DbError("stale write of template " + t.id.str());
  ++t.version;
}

void TemplateStore::remove(const TemplateId& id) { db_.exec("DELETE FROM templates WHERE id=$1", id); }

std::optional<Template> TemplateStore::find(const TemplateId& id) const {
  return db_.one<Template>("SELECT " TEMPLATE_COLUMNS " FROM templates WHERE id=$1", id);
}

std::optional<Template> TemplateStore::of_same_name(const Template& one) const {
  const auto kept = kept_name(one);
  if (auto found = db_.one<Template>("SELECT " TEMPLATE_COLUMNS " FROM templates WHERE workspace=$1 AND name=$2",
                                     one.workspace, kept))
    return found;
  if (kept == one.name) return std::nullopt;
  // One for endpoints that was written before they had names of their own.
  auto older = db_.one<Template>("SELECT " TEMPLATE_COLUMNS " FROM templates WHERE workspace=$1 AND name=$2",
                                 one.workspace, one.name);
  if (older && !settings_from_text(older->spec).serverless) older.reset();
  return older;
}

std::vector<Template> TemplateStore::of(const WorkspaceId& workspace) const {
  return db_.all<Template>("SELECT " TEMPLATE_COLUMNS " FROM templates WHERE workspace=$1 ORDER BY name", workspace);
}

std::vector<Template> TemplateStore::published(int limit) const {
  return db_.all<Template>(
      "SELECT " TEMPLATE_COLUMNS " FROM templates WHERE is_public=1 ORDER BY created_at DESC, id DESC LIMIT $1", limit);
}

std::vector<Template> TemplateStore::official(int limit) const {
  return db_.all<Template>("SELECT " TEMPLATE_COLUMNS
                           " FROM templates WHERE is_official=1 ORDER BY created_at DESC, id DESC LIMIT $1",
                           limit);
}

int TemplateStore::count(const WorkspaceId& workspace) const {
  return db_.value<int>("SELECT COUNT(*) FROM templates WHERE workspace=$1", workspace);
}

std::optional<std::string> TemplateStore::user_of(const RegistryAuthId& auth) const {
  return db_.one<std::string>(
      "SELECT " TEMPLATE_NAME " AS name FROM templates WHERE registry_auth=$1 ORDER BY name LIMIT 1", auth);
}

}  // namespace gyre
