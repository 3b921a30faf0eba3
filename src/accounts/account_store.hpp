// Every line of SQL about accounts, keys and sessions. Core thread, within a task.
#pragma once

#include <vector>

#include "accounts/account.hpp"
#include "accounts/throttle.hpp"
#include "db/db.hpp"

namespace gyre {

// What a valid key or session says about its bearer.
struct Identity {
  std::string id;  // the key's or the session's
  WorkspaceId workspace;
  AccountId account;
  Role role = Role::basic;
  bool is_operator = false;
  Scope scope = Scope::read;  // a session: read_write
  std::optional<PodId> pod;   // with Scope::pod
  Time created_at;
  std::optional<Time> last_seen_at;  // as written: to the minute
};
BOOST_DESCRIBE_STRUCT(Identity, (), (id, workspace, account, role, is_operator, scope, pod, created_at, last_seen_at))

struct Membership {
  WorkspaceId workspace;
  WorkspaceKind kind = WorkspaceKind::personal;
  std::string name;  // the workspace's
  Role role = Role::basic;
};
BOOST_DESCRIBE_STRUCT(Membership, (), (workspace, kind, name, role))

struct Member {
  AccountId account;
  Role role = Role::basic;
};
BOOST_DESCRIBE_STRUCT(Member, (), (account, role))

// Where a key stands in the list.
struct KeyPosition {
  Time created_at;
  ApiKeyId id;
};

class AccountStore {
 public:
  explicit AccountStore(db::Connection& db) : db_(db) {}

  std::optional<Account> find(const AccountId& id) const;
  std::optional<Account> find_by_email(const std::string& email) const;
  std::optional<Account> first_operator() const;
  void insert(const Account& account);
  Result<> update(const Account& account);  // email, name, password; email_taken when another has the address

  void insert_workspace(const WorkspaceId& id, WorkspaceKind kind, const std::string& name, Time now);
  void insert_membership(const WorkspaceId& workspace, const AccountId& account, Role role, Time now);
  std::optional<Membership> membership(const WorkspaceId& workspace, const AccountId& account) const;
  std::vector<Member> members(const WorkspaceId& workspace) const;  // active accounts
  std::optional<Membership> home(const AccountId& account) const;   // the workspace a log-in opens: the personal one

  std::optional<Identity> identity_of_key(const std::string& digest) const;  // enabled, not revoked, account active
  std::optional<Identity> identity_of_session(const std::string& digest) const;
  void key_used(const std::string& id, Time now);
  void session_seen(const std::string& id, Time now);

  void insert_key(const ApiKey& key, const std::string& digest, const WorkspaceId& workspace, const AccountId& account,
                  const std::optional<PodId>& pod);
  // A member sees their own keys, an admin all of the workspace. Pods' keys and revoked ones are never among them. The
  // newest first, from the one after `after` on.
  std::vector<ApiKey> keys(const WorkspaceId& workspace, const AccountId& account,
                           const std::optional<KeyPosition>& after, std::int64_t limit) const;
  std::optional<ApiKey> find_key(const WorkspaceId& workspace, const AccountId& account, const ApiKeyId& id) const;
  int count_keys(const WorkspaceId& workspace) const;
  void set_key_enabled(const ApiKeyId& id, bool enabled);
  void revoke_key(const ApiKeyId& id, Time now);
  void delete_pod_keys(const PodId& pod);

  // Ends the longest unused ones of the account beyond `keep`, then begins one.
  void insert_session(const SessionId& id, const std::string& digest, const Membership& in, const AccountId& account,
                      int keep, Time now);
  void delete_session(const std::string& digest);
  void delete_sessions(const AccountId& account, const std::optional<SessionId>& except);
  std::int64_t delete_old_sessions(Time last_seen_before, Time created_before, int limit);

  void insert_one_time_login(const std::string& digest, const AccountId& account, Time now, Time expires_at);
  std::optional<AccountId> account_of_one_time_login(const std::string& digest, Time now) const;
  void delete_one_time_logins(const AccountId& account);
  std::int64_t delete_expired_one_time_logins(Time now, int limit);

  ThrottleState throttle(const std::string& subject) const;
  void save_throttle(const std::string& subject, const ThrottleState& state);
  void forgive(const std::string& subject);      // as if nothing had failed
  void forgive_one(const std::string& subject);  // takes the last failure back
  std::int64_t delete_old_throttles(Time before, int limit);

 private:
  db::Connection& db_;
};

}  // namespace gyre
