#include "settings/settings_service.hpp"

#include "settings/ssh_keys.hpp"

namespace gyre {

Result<UserSettings> SettingsService::update(const Caller& caller, const SettingsChange& change,
                                             const std::function<Result<>(const UserSettings&)>& precondition) {
  return core_.transact([&]() -> Result<UserSettings> {
    auto settings = store_.find(caller.account);
    if (precondition) TRY(precondition(settings));
    if (change.ssh_keys) {
      settings.ssh_keys.clear();
      for (const auto& key : TRY(parse_ssh_keys(*change.ssh_keys, "pubKey")))
        settings.ssh_keys += (settings.ssh_keys.empty() ? "" : "\n") + key;
    }
    if (change.language) {
      if (!change.language->empty() && *change.language != "en" && *change.language != "ko")
        return invalid("language", Detail::language_choice);
      settings.language = change.language->empty() ? std::nullopt : change.language;
    }
    store_.save(settings);
    return settings;
  });
}

}  // namespace gyre
