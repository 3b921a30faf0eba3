#include "accounts/account_store.hpp"

#define ACCOUNT_COLUMNS "id, email, name, password_hash, is_operator, status, created_at"
#define KEY_COLUMNS "id, name, last_characters, scope, enabled, created_at, last_used_at"
// Whose keys a member may see and change: their own, and as an admin everybody's.
#define KEYS_OF_MEMBER                                                                                                 \
  "workspace = $1 AND scope <> 'pod' AND revoked_at IS NULL AND (account = $2 OR EXISTS (SELECT 1 FROM memberships m " \
  "WHERE m.workspace = $1 AND m.account = $2 AND m.role = 'admin'))"

namespace gyre {
std::optional<Account> AccountStore::find(const AccountId& id) const {
  return db_.one<Account>("SELECT " ACCOUNT_COLUMNS " FROM accounts WHERE id = $1", id);
}

std::optional<Account> AccountStore::find_by_email(const std::string& email) const {
  return db_.one<Account>("SELECT " ACCOUNT_COLUMNS " FROM accounts WHERE email = $1", email);
}

std::optional<Account> AccountStore::first_operator() const {
  return db_.one<Account>("SELECT " ACCOUNT_COLUMNS
                          " FROM accounts WHERE is_operator = 1 ORDER BY created_at, id LIMIT 1");
}

void AccountStore::insert(const Account& a) {
  db_.exec("INSERT INTO accounts (" ACCOUNT_COLUMNS ") VALUES ($1, $2, $3, $4, $5, $6, $7)", a.id, a.email, a.name,
           a.password_hash, a.is_operator, a.status, a.created_at);
}

Result<> AccountStore::update(const Account& a) {
  if (a.email) {
    const auto other = find_by_email(*a.email);
    if (other && other->id != a.id) return fail(Reason::email_taken, {}, "email");
  }
  db_.exec("UPDATE accounts SET email = $1, name = $2, password_hash = $3 WHERE id = $4", a.email, a.name,
           a.password_hash, a.id);
  return {};
}

void AccountStore::insert_workspace(const WorkspaceId& id, WorkspaceKind kind, const std::string& name, Time now) {
  db_.exec("INSERT INTO workspaces (id, kind, name, created_at) VALUES ($1, $2, $3, $4)", id, kind, name, now);
}

void AccountStore::insert_membership(const WorkspaceId& workspace, const AccountId& account, Role role, Time now) {
  db_.exec("INSERT INTO memberships (workspace, account, role, created_at) VALUES ($1, $2, $3, $4)", workspace, account,
           role, now);
}

std::optional<Membership> AccountStore::membership(const WorkspaceId& workspace, const AccountId& account) const {
  return db_.one<Membership>(
      "SELECT m.workspace AS workspace, w.kind AS kind, w.name AS name, m.role AS role FROM memberships m "
      "JOIN workspaces w ON w.id = m.workspace WHERE m.workspace = $1 AND m.account = $2",
      workspace, account);
}

std::vector<Member> AccountStore::members(const WorkspaceId& workspace) const {
  return db_.all<Member>(
      "SELECT m.account AS account, m.role AS role FROM memberships m JOIN accounts a ON a.id = m.account "
      "WHERE m.workspace = $1 AND a.status = 'active' ORDER BY m.created_at, m.account",
      workspace);
}

std::optional<Membership> AccountStore::home(const AccountId& account) const {
  return db_.one<Membership>(
      "SELECT m.workspace AS workspace, w.kind AS kind, w.name AS name, m.role AS role FROM memberships m "
      "JOIN workspaces w ON w.id = m.workspace WHERE m.account = $1 "
      "ORDER BY CASE w.kind WHEN 'personal' THEN 0 ELSE 1 END, m.created_at, m.workspace LIMIT 1",
      account);
}

std::optional<Identity> AccountStore::identity_of_key(const std::string& digest) const {
  return db_.one<Identity>(
      "SELECT k.id AS id, k.workspace AS workspace, k.account AS account, m.role AS role, a.is_operator AS "
      "is_operator, "
      "k.scope AS scope, k.pod AS pod, k.created_at AS created_at, k.last_used_at AS last_seen_at FROM api_keys k "
      "JOIN memberships m ON m.workspace = k.workspace AND m.account = k.account JOIN accounts a ON a.id = k.account "
      "WHERE k.digest = $1 AND k.enabled = 1 AND k.revoked_at IS NULL AND a.status = 'active'",
      digest);
}

std::optional<Identity> AccountStore::identity_of_session(const std::string& digest) const {
  return db_.one<Identity>(
      "SELECT s.id AS id, s.workspace AS workspace, s.account AS account, m.role AS role, a.is_operator AS "
      "is_operator, "
      "'read_write' AS scope, NULL AS pod, s.created_at AS created_at, s.last_seen_at AS last_seen_at FROM sessions s "
      "JOIN memberships m ON m.workspace = s.workspace AND m.account = s.account JOIN accounts a ON a.id = s.account "
      "WHERE s.digest = $1 AND a.status = 'active'",
      digest);
}

void AccountStore::key_used(const std::string& id, Time now) {
  db_.exec("UPDATE api_keys SET last_used_at = $1 WHERE id = $2", now, id);
}

void AccountStore::session_seen(const std::string& id, Time now) {
  db_.exec("UPDATE sessions SET last_seen_at = $1 WHERE id = $2", now, id);
}

void AccountStore::insert_key(const ApiKey& key, const std::string& digest, const WorkspaceId& workspace,
                              const AccountId& account, const std::optional<PodId>& pod) {
  db_.exec(
      "INSERT INTO api_keys (id, workspace, account, name, digest, last_characters, scope, pod, enabled, created_at) "
      "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
      key.id, workspace, account, key.name, digest, key.last_characters, key.scope, pod, key.enabled, key.created_at);
}

std::vector<ApiKey> AccountStore::keys(const WorkspaceId& workspace, const AccountId& account,
                                       const std::optional<KeyPosition>& after, std::int64_t limit) const {
  if (!after)
    return db_.all<ApiKey>("SELECT " KEY_COLUMNS " FROM api_keys WHERE " KEYS_OF_MEMBER
                           " ORDER BY created_at DESC, id LIMIT $3",
                           workspace, account, limit);
  return db_.all<ApiKey>(
      "SELECT " KEY_COLUMNS " FROM api_keys WHERE " KEYS_OF_MEMBER
      " AND (created_at < $3 OR (created_at = $3 AND id > $4)) ORDER BY created_at DESC, id LIMIT $5",
      workspace, account, after->created_at, after->id, limit);
}

std::optional<ApiKey> AccountStore::find_key(const WorkspaceId& workspace, const AccountId& account,
                                             const ApiKeyId& id) const {
  return db_.one<ApiKey>("SELECT " KEY_COLUMNS " FROM api_keys WHERE id = $3 AND " KEYS_OF_MEMBER, workspace, account,
                         id);
}

int AccountStore::count_keys(const WorkspaceId& workspace) const {
  return db_.value<int>("SELECT COUNT(*) FROM api_keys WHERE workspace = $1 AND scope <> 'pod' AND revoked_at IS NULL",
                        workspace);
}

void AccountStore::set_key_enabled(const ApiKeyId& id, bool enabled) {
  db_.exec("UPDATE api_keys SET enabled = $1 WHERE id = $2", enabled, id);
}

void AccountStore::revoke_key(const ApiKeyId& id, Time now) {
  db_.exec("UPDATE api_keys SET enabled = 0, revoked_at = $1 WHERE id = $2", now, id);
}

void AccountStore::delete_pod_keys(const PodId& pod) { db_.exec("DELETE FROM api_keys WHERE pod = $1", pod); }

void AccountStore::insert_session(const SessionId& id, const std::string& digest, const Membership& in,
                                  const AccountId& account, int keep, Time now) {
  // A limit without end is spelled differently by the two databases; nobody has this many.
  db_.exec(
      "DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE account = $1 ORDER BY last_seen_at DESC, id "
      "LIMIT 1000000 OFFSET $2)",
      account, keep - 1);
  db_.exec(
      "INSERT INTO sessions (id, workspace, account, digest, created_at, last_seen_at) VALUES ($1, $2, $3, $4, $5, $6)",
      id, in.workspace, account, digest, now, now);
}

void AccountStore::delete_session(const std::string& digest) {
  db_.exec("DELETE FROM sessions WHERE digest = $1", digest);
}

void AccountStore::delete_sessions(const AccountId& account, const std::optional<SessionId>& except) {
  db_.exec("DELETE FROM sessions WHERE account = $1 AND id <> $2", account, except ? except->str() : std::string());
}

std::int64_t AccountStore::delete_old_sessions(Time last_seen_before, Time created_before, int limit) {
  return db_.exec(
      "DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE last_seen_at < $1 OR created_at < $2 LIMIT $3)",
      last_seen_before, created_before, limit);
}

void AccountStore::insert_one_time_login(const std::string& digest, const AccountId& account, Time now,
                                         Time expires_at) {
  db_.exec("INSERT INTO one_time_logins (digest, account, created_at, expires_at) VALUES ($1, $2, $3, $4)", digest,
           account, now, expires_at);
}

std::optional<AccountId> AccountStore::account_of_one_time_login(const std::string& digest, Time now) const {
  return db_.one<AccountId>(
      "SELECT o.account FROM one_time_logins o JOIN accounts a ON a.id = o.account "
      "WHERE o.digest = $1 AND o.expires_at > $2 AND a.status = 'active'",
      digest, now);
}

void AccountStore::delete_one_time_logins(const AccountId& account) {
  db_.exec("DELETE FROM one_time_logins WHERE account = $1", account);
}

std::int64_t AccountStore::delete_expired_one_time_logins(Time now, int limit) {
  return db_.exec(
      "DELETE FROM one_time_logins WHERE digest IN (SELECT digest FROM one_time_logins WHERE expires_at <= $1 LIMIT "
      "$2)",
      now, limit);
}

ThrottleState AccountStore::throttle(const std::string& subject) const {
  return db_
      .one<ThrottleState>("SELECT failures, blocked_until, updated_at FROM login_throttle WHERE subject = $1", subject)
      .value_or(ThrottleState{});
}

void AccountStore::save_throttle(const std::string& subject, const ThrottleState& state) {
  db_.exec(
      "INSERT INTO login_throttle (subject, failures, blocked_until, updated_at) VALUES ($1, $2, $3, $4) ON CONFLICT "
      "(subject) DO UPDATE SET failures = excluded.failures, blocked_until = excluded.blocked_until, "
      "updated_at = excluded.updated_at",
      subject, state.failures, state.blocked_until, state.updated_at);
}

void AccountStore::forgive(const std::string& subject) {
  db_.exec("DELETE FROM login_throttle WHERE subject = $1", subject);
}

void AccountStore::forgive_one(const std::string& subject) {
  db_.exec("UPDATE login_throttle SET failures = failures - 1 WHERE subject = $1 AND failures > 0", subject);
}

std::int64_t AccountStore::delete_old_throttles(Time before, int limit) {
  return db_.exec(
      "DELETE FROM login_throttle WHERE subject IN (SELECT subject FROM login_throttle WHERE updated_at < $1 LIMIT $2)",
      before, limit);
}

}  // namespace gyre
