#include "templates/template_service.hpp"

#include <set>

namespace gyre {
namespace {

constexpr int foreign_max = 1000;  // of the newest public and of the newest official ones in a list

}  // namespace

TemplateService::TemplateService(Core& core, TemplateConfig config)
    : core_(core), config_(std::move(config)), store_(core.db()) {}

Result<Template> TemplateService::visible(const WorkspaceId& workspace, const TemplateId& id) const {
  auto found = store_.find(id);
  if (!found || (found->workspace != workspace && !found->is_public && !found->is_official))
    return fail(Reason::template_not_found, {{"id", id.str()}});
  return std::move(*found);
}

Result<Template> TemplateService::mine(const Caller& caller, const TemplateId& id) const {
  auto found = TRY(visible(caller.workspace, id));
  if (found.workspace != caller.workspace)
    return fail(Reason::access_denied, {{"needed", "the workspace that owns the template"}});
  return found;
}

Result<> TemplateService::take(const Caller& caller, const TemplateWish& wish, Template& into) const {
  if (wish.name.empty() || wish.name.size() > 191)
    return invalid("name", Detail::characters_between, {{"low", "1"}, {"high", "191"}});
  TRY(check(wish.settings));
  into.name = wish.name;
  into.spec = settings_to_text(wish.settings);
  if (const auto other = store_.of_same_name(into); other && other->id != into.id)
    return fail(Reason::template_name_taken, {{"name", wish.name}}, "name");
  into.registry_auth.reset();
  if (!wish.registry_auth_id.empty()) {
    into.registry_auth = RegistryAuthId(wish.registry_auth_id);
    if (!config_.knows_registry_auth(caller.workspace, *into.registry_auth))
      return invalid("containerRegistryAuthId", Detail::no_registry_auth, {{"value", wish.registry_auth_id}});
  }
  if (wish.is_official && !into.is_official && !caller.operator_of_installation)
    return fail(Reason::access_denied, {{"needed", "operator of the installation"}}, "isRunpod");
  into.is_public = wish.is_public;
  into.is_official = wish.is_official;
  return {};
}

Result<Template> TemplateService::create(const Caller& caller, const TemplateWish& wish) {
  if (const int count = store_.count(caller.workspace); count >= config_.per_workspace_max)
    return fail(Reason::too_many_things,
                {{"count", std::to_string(count)}, {"limit", std::to_string(config_.per_workspace_max)}});
  return core_.transact([&]() -> Result<Template> {
    Template made;
    made.id = TemplateId(core_.random().letters_and_digits(10));
    made.workspace = caller.workspace;
    made.created_at = core_.now();
    TRY(take(caller, wish, made));
    store_.insert(made);
    return made;
  });
}

Result<Template> TemplateService::get(const Caller& caller, const TemplateId& id) const {
  return visible(caller.workspace, id);
}

std::vector<Template> TemplateService::list(const Caller& caller, const TemplateList& wanted) const {
  auto out = store_.of(caller.workspace);
  std::set<TemplateId> there;
  for (const auto& own : out) there.insert(own.id);
  const auto add = [&](std::vector<Template> others) {
    for (auto& other : others)
      if (there.insert(other.id).second) out.push_back(std::move(other));
  };
  if (wanted.with_official) add(store_.official(foreign_max));
  if (wanted.with_public) add(store_.published(foreign_max));
  return out;
}

Result<Template> TemplateService::update(const Caller& caller, const TemplateId& id,
                                         const std::function<Result<TemplateWish>(const Template&)>& change) {
  return core_.transact([&]() -> Result<Template> {
    auto found = TRY(mine(caller, id));
    TRY(take(caller, TRY(change(found)), found));
    store_.update(found);
    if (config_.changed) config_.changed(caller, found);
    return found;
  });
}

Result<> TemplateService::remove(const Caller& caller, const TemplateId& id) {
  return core_.transact([&]() -> Result<> {
    const auto found = TRY(mine(caller, id));
    if (const auto user = config_.user_of(caller.workspace, id))
      return fail(Reason::template_in_use, {{"name", found.name}, {"user", *user}});
    store_.remove(id);
    return {};
  });
}

Result<CreatePod> TemplateService::pod_settings_of(const WorkspaceId& workspace, const TemplateId& id) const {
  const auto found = visible(workspace, id);
  if (!found) return invalid("templateId", Detail::no_template, {{"value", id.str()}});
  const auto settings = settings_from_text(found->spec);
  if (settings.serverless) return fail(Reason::template_is_serverless, {{"name", found->name}}, "templateId");
  return pod_settings(settings, found->workspace == workspace ? found->registry_auth : std::nullopt);
}

std::optional<std::string> TemplateService::user_of(const RegistryAuthId& auth) const {
  const auto name = store_.user_of(auth);
  if (!name) return std::nullopt;
  return "template " + *name;
}

}  // namespace gyre
