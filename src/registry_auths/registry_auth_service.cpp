#include "registry_auths/registry_auth_service.hpp"

namespace gyre {
namespace {

constexpr std::size_t name_max = 191, username_max = 255, password_max = 4096;

Result<> check_length(const std::string& field, const std::string& text, std::size_t max) {
  if (!text.empty() && text.size() <= max) return {};
  return invalid(field, Detail::characters_between, {{"low", "1"}, {"high", std::to_string(max)}});
}

Result<> check(const RegistryLogin& login) {
  TRY(check_length("username", login.username, username_max));
  return check_length("password", login.password, password_max);
}

}  // namespace

RegistryAuthService::RegistryAuthService(Core& core, RegistryAuthConfig config)
    : core_(core), config_(std::move(config)), store_(core.db()) {}

Result<RegistryAuth> RegistryAuthService::create(const Caller& caller, const std::string& name,
                                                 const RegistryLogin& login) {
  TRY(check_length("name", name, name_max));
  TRY(check(login));
  if (const int count = store_.count(caller.workspace); count >= config_.per_workspace_max)
    return fail(Reason::too_many_things,
                {{"count", std::to_string(count)}, {"limit", std::to_string(config_.per_workspace_max)}});
  return core_.transact([&]() -> Result<RegistryAuth> {
    if (store_.by_name(caller.workspace, name)) return fail(Reason::registry_auth_name_taken, {{"name", name}}, "name");
    RegistryAuth made;
    made.id = RegistryAuthId(core_.random().letters_and_digits(25));
    made.workspace = caller.workspace;
    made.name = name;
    made.username = login.username;
    made.password_sealed = config_.seal(login.password);
    made.created_at = core_.now();
    store_.insert(made);
    return made;
  });
}

Result<RegistryAuth> RegistryAuthService::update(const Caller& caller, const RegistryAuthId& id,
                                                 const RegistryLogin& login) {
  return core_.transact([&]() -> Result<RegistryAuth> {
    auto auth = TRY(get(caller, id));
    TRY(check(login));
    auth.username = login.username;
    auth.password_sealed = config_.seal(login.password);
    store_.update(auth);
    return auth;
  });
}

Result<RegistryAuth> RegistryAuthService::get(const Caller& caller, const RegistryAuthId& id) const {
  auto found = store_.find(caller.workspace, id);
  if (!found) return fail(Reason::registry_auth_not_found, {{"id", id.str()}});
  return std::move(*found);
}

std::optional<RegistryAuth> RegistryAuthService::find(const WorkspaceId& workspace, const RegistryAuthId& id) const {
  return store_.find(workspace, id);
}

std::vector<RegistryAuth> RegistryAuthService::list(const Caller& caller) const {
  return store_.list(caller.workspace);
}

Result<> RegistryAuthService::remove(const Caller& caller, const RegistryAuthId& id) {
  return core_.transact([&]() -> Result<> {
    const auto auth = TRY(get(caller, id));
    if (const auto user = config_.user_of(caller.workspace, id))
      return fail(Reason::registry_auth_in_use, {{"name", auth.name}, {"user", *user}});
    store_.remove(id);
    return {};
  });
}

std::optional<RegistryLogin> RegistryAuthService::login(const WorkspaceId& workspace, const RegistryAuthId& id) const {
  const auto found = store_.find(workspace, id);
  if (!found) return std::nullopt;
  return RegistryLogin{found->username, config_.unseal(found->password_sealed)};
}

}  // namespace gyre
