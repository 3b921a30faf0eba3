#include "compat/runpod_resolvers.hpp"

namespace gyre::compat {
namespace {

using graphql::Ask;

struct SaveRegistryAuthInput {
  std::string name, username, password;
};
BOOST_DESCRIBE_STRUCT(SaveRegistryAuthInput, (), (name, username, password))

struct UpdateRegistryAuthInput {
  std::string id, username, password;
};
BOOST_DESCRIBE_STRUCT(UpdateRegistryAuthInput, (), (id, username, password))

struct SecretInput {
  std::string name, value;
  std::optional<std::string> description;
};
BOOST_DESCRIBE_STRUCT(SecretInput, (), (name, value, description))

struct SettingsInput {
  std::optional<std::string> pubKey;
};
BOOST_DESCRIBE_STRUCT(SettingsInput, (), (pubKey))

}  // namespace

void add_account(graphql::Resolvers& resolvers, const Services& services) {
  auto& settings = services.resources.settings();
  auto& registry_auths = services.resources.registry_auths();
  auto& secrets = services.resources.secrets();
  const auto& volumes = services.resources.volumes();
  const auto myself = [&settings, &accounts = services.accounts](const Caller& caller) {
    Myself out;
    out.id = caller.account.str();
    if (caller.scope == Scope::pod) return out;
    if (const auto account = accounts.find(caller.account)) out.email = account->email;
    out.pubKey = settings.get(caller.account).ssh_keys;
    return out;
  };

  resolvers.query().field("myself", [myself](Ask& ask) {
    const auto pod = ask.context<Caller>().pod;
    return std::optional(myself(pod ? caller_of(ask, *pod) : caller_of(ask)));
  });
  resolvers.type<Discount>("ServerlessDiscount").members();
  resolvers.type<Myself>("User").members().field(
      "networkVolumes", [&volumes](const Myself&, Ask& ask) { return volumes.list(caller_of(ask)); });
  resolvers.type<NetworkVolume>("NetworkVolume")
      .field("id", [](const NetworkVolume& volume) { return volume.id; })
      .field("name", [](const NetworkVolume& volume) { return volume.name; })
      .field("size", [](const NetworkVolume& volume) { return volume.size_gb; })
      .field("dataCenterId", [](const NetworkVolume& volume) { return volume.data_center; });
  resolvers.type<RegistryAuth>("RegistryAuth").members();
  resolvers.type<Secret>("Secret").members();

  mutation(resolvers, "updateUserSettings", [&settings, myself](Ask& ask) -> Result<std::optional<Myself>> {
    const auto input = TRY(input_of<std::optional<SettingsInput>>(ask)).value_or(SettingsInput{});
    TRY(settings.update(caller_of(ask), {.ssh_keys = input.pubKey, .language = {}}));
    return myself(caller_of(ask));
  });
  mutation(resolvers, "saveRegistryAuth", [&registry_auths](Ask& ask) -> Result<std::optional<RegistryAuth>> {
    const auto input = TRY(input_of<SaveRegistryAuthInput>(ask));
    return TRY(registry_auths.create(caller_of(ask), input.name, {input.username, input.password}));
  });
  mutation(resolvers, "updateRegistryAuth", [&registry_auths](Ask& ask) -> Result<std::optional<RegistryAuth>> {
    const auto input = TRY(input_of<UpdateRegistryAuthInput>(ask));
    return TRY(registry_auths.update(caller_of(ask), RegistryAuthId(input.id), {input.username, input.password}));
  });
  mutation(resolvers, "deleteRegistryAuth", [&registry_auths](Ask& ask) -> Result<std::optional<bool>> {
    TRY(registry_auths.remove(caller_of(ask), RegistryAuthId(TRY(ask.get<std::string>("registryAuthId")))));
    return true;
  });
  mutation(resolvers, "secretCreate", [&secrets](Ask& ask) -> Result<std::optional<Secret>> {
    const auto input = TRY(input_of<SecretInput>(ask));
    return TRY(secrets.create(caller_of(ask), {input.name, input.value, input.description}));
  });
  mutation(resolvers, "secretDelete", [&secrets](Ask& ask) -> Result<std::optional<std::string>> {
    TRY(secrets.remove(caller_of(ask), SecretId(TRY(ask.get<std::string>("id")))));
    return std::nullopt;
  });
}

}  // namespace gyre::compat
