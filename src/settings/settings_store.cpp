#include "settings/settings_store.hpp"

namespace gyre {

UserSettings SettingsStore::find(const AccountId& account) const {
  auto found = db_.one<UserSettings>(
      "SELECT account, ssh_keys, language, version FROM account_settings WHERE account=$1", account);
  if (found) return std::move(*found);
  UserSettings out;
  out.account = account;
  return out;
}

void SettingsStore::save(UserSettings& s) {
  const auto changed =
      s.version == 0
          ? db_.exec("INSERT INTO account_settings (account, ssh_keys, language, version) VALUES ($1,$2,$3,1)",
                     s.account, s.ssh_keys, s.language)
          : db_.exec(
                "UPDATE account_settings SET ssh_keys=$1, language=$2, version=version+1 WHERE account=$3 AND "
                "version=$4",
                s.ssh_keys, s.language, s.account, s.version);
  if (changed != 1) throw db::DbError("stale write of the settings of account " + s.account.str());
  ++s.version;
}

}  // namespace gyre
