// The verbs of a person's settings. One public method is one transaction, within a core task.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/caller.hpp"
#include "base/result.hpp"
#include "runtime/core.hpp"
#include "settings/settings_store.hpp"

namespace gyre {

struct SettingsChange {
  std::optional<std::string> ssh_keys;  // all of them, one a line; "" for none
  std::optional<std::string> language;  // en, ko; "" for what the browser asks for
};

class SettingsService {
 public:
  explicit SettingsService(Core& core) : core_(core), store_(core.db()) {}

  UserSettings get(const AccountId& account) const { return store_.find(account); }
  // The public keys that may log in as this person, each a line of an authorized_keys file without options.
  std::vector<std::string> authorized_keys(const AccountId& account) const;
  Result<UserSettings> update(const Caller& caller, const SettingsChange& change,
                              const std::function<Result<>(const UserSettings&)>& precondition = {});

 private:
  Core& core_;
  SettingsStore store_;
};

}  // namespace gyre
