// Every line of SQL about templates.
#pragma once

#include <optional>
#include <vector>

#include "db/db.hpp"
#include "templates/template.hpp"

namespace gyre {

// A name is unique among a workspace's templates for pods, and among those for endpoints. The table's rule knows only
// the workspace: there the name of one for endpoints ends in U+001F, which nobody outside of this file sees.
class TemplateStore {
 public:
  explicit TemplateStore(db::Connection& db) : db_(db) {}

  void insert(const Template& made);  // throws UniqueViolation when the name is taken
  void update(Template& changed);     // throws on a stale version
  void remove(const TemplateId& id);
  std::optional<Template> find(const TemplateId& id) const;  // of any workspace
  // Who has the name that this one would get; itself, when it has it already.
  std::optional<Template> of_same_name(const Template& one) const;
  std::vector<Template> of(const WorkspaceId& workspace) const;  // by name
  // The newest of all workspaces, at most so many.
  std::vector<Template> published(int limit) const;
  std::vector<Template> official(int limit) const;
  int count(const WorkspaceId& workspace) const;
  std::optional<std::string> user_of(const RegistryAuthId& auth) const;  // the name of one that uses it

 private:
  db::Connection& db_;
};

}  // namespace gyre
