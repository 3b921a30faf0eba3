// Who people are here: accounts, the workspaces that own everything, and the role of one in the other. Pure.
#pragma once

#include <boost/describe.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "base/caller.hpp"
#include "base/ids.hpp"
#include "base/result.hpp"
#include "base/time.hpp"

namespace gyre {

enum class AccountStatus { active, suspended };
BOOST_DESCRIBE_ENUM(AccountStatus, active, suspended)

enum class WorkspaceKind { personal, team, institution };
BOOST_DESCRIBE_ENUM(WorkspaceKind, personal, team, institution)

// What a member may do in a workspace.
enum class Role { basic, billing, dev, admin };
BOOST_DESCRIBE_ENUM(Role, basic, billing, dev, admin)

struct Account {
  AccountId id;
  std::optional<std::string> email;  // lower case, unique
  std::string name;
  std::optional<std::string> password_hash;  // none: no log-in by password
  bool is_operator = false;                  // runs this installation
  AccountStatus status = AccountStatus::active;
  Time created_at;
};
BOOST_DESCRIBE_STRUCT(Account, (), (id, email, name, password_hash, is_operator, status, created_at))

// A key as its owner sees it: never the secret.
struct ApiKey {
  ApiKeyId id;
  std::string name;
  std::string last_characters;
  Scope scope = Scope::read;
  bool enabled = true;
  Time created_at;
  std::optional<Time> last_used_at;  // to the minute
  bool operator==(const ApiKey&) const = default;
};
BOOST_DESCRIBE_STRUCT(ApiKey, (), (id, name, last_characters, scope, enabled, created_at, last_used_at))

// What a key of this scope may do in the hands of somebody with this role: never more than either.
Scope allowed_scope(Scope scope, Role role);

// "  Kim@Example.ORG " -> "kim@example.org", or which rule it breaks.
Result<std::string> normal_email(std::string_view text);

// A name that a person gave: 1 to 100 characters, none of them a control character; white space around it is dropped.
Result<std::string> normal_name(std::string_view text, const std::string& field);

}  // namespace gyre
