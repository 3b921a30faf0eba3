#include "secrets/secret_service.hpp"

namespace gyre {
namespace {

constexpr std::size_t name_max = 100, description_max = 1000, value_max = 32 * 1024;
constexpr std::string_view name_characters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";

}  // namespace

SecretService::SecretService(Core& core, SecretConfig config)
    : core_(core), config_(std::move(config)), store_(core.db()) {}

Result<> SecretService::check(const SecretChange& change) const {
  // It stands in {{ RUNPOD_SECRET_name }}.
  if (change.name && (change.name->empty() || change.name->size() > name_max ||
                      change.name->find_first_not_of(name_characters) != std::string::npos))
    return invalid("name", Detail::secret_name, {{"limit", std::to_string(name_max)}});
  if (change.value && (change.value->empty() || change.value->size() > value_max))
    return invalid("value", Detail::bytes_between, {{"low", "1"}, {"high", std::to_string(value_max)}});
  if (change.description && change.description->size() > description_max)
    return invalid("description", Detail::bytes_at_most, {{"limit", std::to_string(description_max)}});
  return {};
}

Result<Secret> SecretService::create(const Caller& caller, const SecretChange& input) {
  for (const auto& [member, field] : {std::pair{&input.name, "name"}, std::pair{&input.value, "value"}})
    if (!*member) return fail(Reason::missing_field, {{"field", field}}, field);
  TRY(check(input));
  if (const int count = store_.count(caller.workspace); count >= config_.per_workspace_max)
    return fail(Reason::too_many_things,
                {{"count", std::to_string(count)}, {"limit", std::to_string(config_.per_workspace_max)}});
  return core_.transact([&]() -> Result<Secret> {
    if (store_.by_name(caller.workspace, *input.name))
      return fail(Reason::secret_name_taken, {{"name", *input.name}}, "name");
    Secret made;
    made.id = SecretId(core_.random().letters_and_digits(14));
    made.workspace = caller.workspace;
    made.name = *input.name;
    made.description = input.description.value_or("");
    made.value_sealed = config_.seal(*input.value);
    made.created_at = made.updated_at = core_.now();
    store_.insert(made);
    return made;
  });
}

Result<Secret> SecretService::get(const Caller& caller, const SecretId& id) const {
  auto found = store_.find(caller.workspace, id);
  if (!found) return fail(Reason::secret_not_found, {{"id", id.str()}});
  return std::move(*found);
}

std::vector<Secret> SecretService::list(const Caller& caller) const { return store_.list(caller.workspace); }

Result<Secret> SecretService::update(const Caller& caller, const SecretId& id, const SecretChange& change,
                                     const std::function<Result<>(const Secret&)>& precondition) {
  return core_.transact([&]() -> Result<Secret> {
    auto secret = TRY(get(caller, id));
    if (precondition) TRY(precondition(secret));
    TRY(check(change));
    if (change.name && *change.name != secret.name && store_.by_name(caller.workspace, *change.name))
      return fail(Reason::secret_name_taken, {{"name", *change.name}}, "name");
    if (change.name) secret.name = *change.name;
    if (change.description) secret.description = *change.description;
    if (change.value) secret.value_sealed = config_.seal(*change.value);
    secret.updated_at = core_.now();
    store_.update(secret);
    return secret;
  });
}

Result<> SecretService::remove(const Caller& caller, const SecretId& id) {
  return core_.transact([&]() -> Result<> {
    TRY(get(caller, id));
    store_.remove(id);
    return {};
  });
}

std::optional<std::string> SecretService::value(const WorkspaceId& workspace, const std::string& name) const {
  const auto found = store_.by_name(workspace, name);
  if (!found) return std::nullopt;
  return config_.unseal(found->value_sealed);
}

}  // namespace gyre
