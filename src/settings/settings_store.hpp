// What a person has set for themselves, and every line of SQL about it.
#pragma once

#include <boost/describe.hpp>
#include <optional>
#include <string>

#include "db/db.hpp"

namespace gyre {

struct UserSettings {
  AccountId account;
  std::string ssh_keys;                 // one a line, checked
  std::optional<std::string> language;  // en, ko; absent: what the browser asks for
  std::int64_t version = 0;             // 0: nothing was set yet
};
BOOST_DESCRIBE_STRUCT(UserSettings, (), (account, ssh_keys, language, version))

class SettingsStore {
 public:
  explicit SettingsStore(db::Connection& db) : db_(db) {}

  UserSettings find(const AccountId& account) const;  // the defaults when nothing was set
  void save(UserSettings& settings);                  // throws on a stale version

 private:
  db::Connection& db_;
};

}  // namespace gyre
