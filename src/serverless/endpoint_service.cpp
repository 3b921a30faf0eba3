#include "serverless/endpoint_service.hpp"

#include <algorithm>
#include <set>

namespace gyre {
namespace {

constexpr std::size_t name_max = 191;

Result<> check_name(const std::string& name) {
  if (name.empty() || name.size() > name_max)
    return invalid("name", Detail::characters_between, {{"low", "1"}, {"high", std::to_string(name_max)}});
  for (const unsigned char c : name)
    if (c < 0x20 || c == 0x7f) return invalid("name", Detail::control_characters);
  return {};
}

TemplateSettings settings_of(const Template& of) {
  auto out = settings_from_text(of.spec);
  out.readme.clear();
  return out;
}

std::string at(const char* field, std::size_t i) { return field + ("[" + std::to_string(i) + "]"); }

}  // namespace

EndpointService::EndpointService(Core& core, const TemplateService& templates, const CatalogService& catalog,
                                 const NetworkVolumeService& volumes, EndpointConfig config)
    : core_(core),
      templates_(templates),
      catalog_(catalog),
      volumes_(volumes),
      config_(std::move(config)),
      store_(core.db()) {}

std::string EndpointService::registry_auth_of(const Caller& caller, const EndpointSpec& spec) const {
  if (spec.template_id.empty()) return spec.registry_auth_id;
  const auto found = templates_.get(caller, TemplateId(spec.template_id));
  const bool own = found && found->workspace == caller.workspace;
  return own && found->registry_auth ? found->registry_auth->str() : std::string();
}

void EndpointService::let_go_of_template(const Caller& caller, EndpointSpec& spec) const {
  if (spec.template_id.empty()) return;
  spec.registry_auth_id = registry_auth_of(caller, spec);
  spec.template_id.clear();
}

// What it names must be there; `into.spec` is what it was, if it was. A template that it had already may have gone: an
// endpoint that a stranger's was made into can still be changed.
Result<> EndpointService::take(const Caller& caller, const EndpointWish& wish, Endpoint& into) const {
  const auto before =
      into.spec.empty() ? std::nullopt : std::optional<EndpointSpec>(endpoint_spec_from_text(into.spec));
  auto spec = wish.spec;
  TRY(check_name(wish.name));
  const bool own_settings = spec.template_id.empty() && !spec.settings.image.empty();
  if (spec.template_id.empty() && !own_settings)
    return fail(Reason::missing_field, {{"field", "templateId"}}, "templateId");
  spec.settings.serverless = true;
  TRY(check(spec));
  if (!own_settings) spec.registry_auth_id.clear();
  if (!spec.registry_auth_id.empty() &&
      !config_.knows_registry_auth(caller.workspace, RegistryAuthId(spec.registry_auth_id)))
    return invalid("containerRegistryAuthId", Detail::no_registry_auth, {{"value", spec.registry_auth_id}});
  const bool same_template = before && before->template_id == spec.template_id;
  const auto found = !own_settings && (wish.template_named || !same_template)
                         ? std::optional(templates_.get(caller, TemplateId(spec.template_id)))
                         : std::nullopt;
  if (found && !*found && !same_template)
    return invalid("templateId", Detail::no_template, {{"value", spec.template_id}});
  if (found && *found) {
    spec.settings = settings_of(**found);
    if (!spec.settings.serverless)
      return fail(Reason::template_not_serverless, {{"name", (*found)->name}}, "templateId");
  }
  if (!before || before->gpu_types != spec.gpu_types) {
    std::set<std::string> known;
    for (const auto& type : catalog_.types()) known.insert(type.id);
    for (std::size_t i = 0; i < spec.gpu_types.size(); ++i)
      if (!known.contains(spec.gpu_types[i]))
        return invalid(at("gpuTypeIds", i), Detail::gpu_type_no_pool, {{"value", spec.gpu_types[i]}});
  }
  for (std::size_t i = 0; i < spec.cpu_flavors.size(); ++i) {
    std::string choices;
    for (const auto& flavor : catalog_.cpu_flavors()) choices += (choices.empty() ? "" : ", ") + flavor.id;
    if (std::none_of(catalog_.cpu_flavors().begin(), catalog_.cpu_flavors().end(),
                     [&](const CpuFlavor& flavor) { return flavor.id == spec.cpu_flavors[i]; }))
      return invalid(at("cpuFlavorIds", i), Detail::one_of, {{"choices", choices}});
  }
  TRY(catalog_.check_data_centers("dataCenterIds", spec.data_centers));
  for (std::size_t i = 0; i < spec.network_volumes.size(); ++i) {
    const auto& id = spec.network_volumes[i];
    const auto volume = volumes_.find(caller.workspace, NetworkVolumeId(id));
    if (!volume) return invalid(at("networkVolumeIds", i), Detail::no_network_volume, {{"value", id}});
    if (!spec.data_centers.empty() &&
        std::find(spec.data_centers.begin(), spec.data_centers.end(), volume->data_center) == spec.data_centers.end())
      return invalid(at("networkVolumeIds", i), Detail::other_data_center,
                     {{"value", id}, {"data_center", volume->data_center}});
  }
  if (before && makes_new_version(*before, spec)) ++into.release;
  into.name = wish.name;
  into.spec = spec_to_text(spec);
  return {};
}

void EndpointService::add_release(const Caller& caller, const Endpoint& endpoint) {
  store_.add({endpoint.id, endpoint.release, endpoint.spec, caller.account, core_.now()});
}

Result<Endpoint> EndpointService::create(const Caller& caller, const EndpointWish& wish) {
  if (const int count = store_.count(caller.workspace); count >= config_.per_workspace_max)
    return fail(Reason::too_many_things,
                {{"count", std::to_string(count)}, {"limit", std::to_string(config_.per_workspace_max)}});
  return core_.transact([&]() -> Result<Endpoint> {
    Endpoint made;
    made.id = EndpointId(core_.random().letters_and_digits(14));
    made.workspace = caller.workspace;
    made.account = caller.account;
    made.created_at = core_.now();
    TRY(take(caller, wish, made));
    store_.insert(made);
    store_.set_uses(made.id, endpoint_spec_from_text(made.spec));
    add_release(caller, made);
    return made;
  });
}

Result<Endpoint> EndpointService::get(const Caller& caller, const EndpointId& id) const {
  auto found = store_.find(caller.workspace, id);
  if (!found) return fail(Reason::endpoint_not_found, {{"id", id.str()}});
  return std::move(*found);
}

std::vector<Endpoint> EndpointService::list(const Caller& caller) const { return store_.list(caller.workspace); }

Result<Endpoint> EndpointService::update(const Caller& caller, const EndpointId& id,
                                         const std::function<Result<EndpointWish>(const Endpoint&)>& change) {
  return core_.transact([&]() -> Result<Endpoint> {
    auto endpoint = TRY(get(caller, id));
    const auto release = endpoint.release;
    TRY(take(caller, TRY(change(endpoint)), endpoint));
    store_.update(endpoint);
    store_.set_uses(id, endpoint_spec_from_text(endpoint.spec));
    if (endpoint.release != release) add_release(caller, endpoint);
    return endpoint;
  });
}

Result<> EndpointService::remove(const Caller& caller, const EndpointId& id) {
  return core_.transact([&]() -> Result<> {
    TRY(get(caller, id));
    store_.remove(id);
    return {};
  });
}

Result<std::vector<EndpointRelease>> EndpointService::releases(const Caller& caller, const EndpointId& id) const {
  TRY(get(caller, id));
  return store_.releases(id);
}

void EndpointService::take_over(const Caller& caller, const Template& changed) {
  for (auto& endpoint : store_.users_of(EndpointStore::Uses::template_id, changed.workspace, changed.id.str())) {
    const auto before = endpoint_spec_from_text(endpoint.spec);
    auto spec = before;
    spec.settings = settings_of(changed);
    if (!makes_new_version(before, spec)) continue;
    ++endpoint.release;
    endpoint.spec = spec_to_text(spec);
    store_.update(endpoint);
    add_release(caller, endpoint);
  }
}

}  // namespace gyre
