// The verbs of templates, and who sees which. One public method is one transaction, within a core task.
#pragma once

#include <functional>

#include "base/caller.hpp"
#include "base/result.hpp"
#include "runtime/core.hpp"
#include "templates/template_store.hpp"

namespace gyre {

struct TemplateConfig {
  std::function<bool(const WorkspaceId&, const RegistryAuthId&)> knows_registry_auth;
  // What of the workspace was made from it, in words for the refusal ("pod 2s56cp0pof1rmt"); empty: nothing.
  std::function<std::optional<std::string>(const WorkspaceId&, const TemplateId&)> user_of;
  // It has changed: endpoints take it over. Within the same transaction.
  std::function<void(const Caller&, const Template&)> changed;
  int per_workspace_max = 1000;
};

// A template as its owner wants it. For an update the caller fills what stays from the template as it is.
struct TemplateWish {
  std::string name;
  TemplateSettings settings;
  std::string registry_auth_id;  // "": none
  bool is_public = false, is_official = false;
};

struct TemplateList {
  bool with_public = false, with_official = false;  // beside the workspace's own
};

class TemplateService {
 public:
  TemplateService(Core& core, TemplateConfig config);

  Result<Template> create(const Caller& caller, const TemplateWish& wish);
  // One's own, a public or an official one; every other is not found.
  Result<Template> get(const Caller& caller, const TemplateId& id) const;
  std::vector<Template> list(const Caller& caller, const TemplateList& wanted) const;
  Result<Template> update(const Caller& caller, const TemplateId& id,
                          const std::function<Result<TemplateWish>(const Template&)>& change);
  Result<> remove(const Caller& caller, const TemplateId& id);  // template_in_use while something is made from it

  // For POST /v1/pods with templateId.
  Result<CreatePod> pod_settings_of(const WorkspaceId& workspace, const TemplateId& id) const;
  // "template NAME" when one uses the credential.
  std::optional<std::string> user_of(const RegistryAuthId& auth) const;

 private:
  Result<Template> visible(const WorkspaceId& workspace, const TemplateId& id) const;
  Result<Template> mine(const Caller& caller, const TemplateId& id) const;
  Result<> take(const Caller& caller, const TemplateWish& wish, Template& into) const;

  Core& core_;
  TemplateConfig config_;
  TemplateStore store_;
};

}  // namespace gyre
