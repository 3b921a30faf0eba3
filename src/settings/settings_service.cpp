#include "settings/settings_service.hpp"

#include <algorithm>

#include "settings/ssh_keys.hpp"

namespace gyre {

std::vector<std::string> SettingsService::authorized_keys(const AccountId& account) const {
  std::vector<std::string> out;
  const auto keys = store_.find(account).ssh_keys;
  for (std::size_t at = 0; at < keys.size();) {
    const auto end = std::min(keys.find('\n', at), keys.size());
    if (end > at) out.push_back(keys.substr(at, end - at));
    at = end + 1;
  }
  return out;
}

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
