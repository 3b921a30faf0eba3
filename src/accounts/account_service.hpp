// The verbs of accounts, keys and sessions, and the answer to "who is asking". Core thread, within a task: a public
// method is one transaction or part of its caller's. Slow hashing happens on worker threads; those methods take `done`,
// which is called once, on the core thread, when what it says is durable.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <unordered_map>
#include <vector>

#include "accounts/account_store.hpp"
#include "accounts/password.hpp"
#include "http/message.hpp"
#include "runtime/core.hpp"

namespace gyre {

struct AccountSettings {
  Duration session_idle = 12h;       // a session ends when it was not used for this long ...
  Duration session_life = 30 * 24h;  // ... or was begun this long ago
  Duration one_time_login_life = 24h;
  PasswordCost password_cost;
  int api_keys_max = 200;  // per workspace; pods' own are not counted
  int sessions_max = 50;   // per account; one more ends the longest unused
};

struct Bootstrap {
  AccountId account;      // the administrator
  WorkspaceId workspace;  // their personal one, which also owns what belongs to the installation
  // A one-time log-in, as long as the administrator has no password: shown at the start of the server, kept nowhere.
  std::optional<std::string> login_token;
};

struct NewApiKey {
  ApiKey key;
  std::string secret;  // "rpa_...": this once
};

struct LogIn {
  std::string email, password;
  std::string address;  // where the request came from; may be empty
};

struct OneTimeLogIn {
  std::string token;
  std::optional<std::string> email, password;  // set at the same time
  std::string address;
};

struct ProfileChange {
  std::optional<std::string> name, email, password;
  std::optional<std::string> current_password;  // needed to change the e-mail or a password that is already there
};

struct Profile {
  Account account;
  Membership workspace;
  Scope scope = Scope::read;
};

struct NewSession {
  std::string token;  // for the cookie: this once
  Duration life{0};
  Profile profile;  // of who is in now
};

class AccountService {
 public:
  template <class T>
  using Done = std::function<void(Result<T>)>;

  explicit AccountService(Core& core, AccountSettings settings = {});

  // At every start of the server. The first time it makes the administrator.
  Bootstrap bootstrap();
  // Replaces earlier ones of this account. For an operator who is locked out, too.
  std::string make_one_time_login(const AccountId& account);

  // Fails with not_logged_in, or cross_site_request when a browser sent its cookie at another site's wish.
  Result<Caller> authenticate(const http::Request& request);

  // Scope read or read_write; a pod's own key is made by make_pod_key.
  Result<NewApiKey> make_api_key(const Caller& caller, const std::string& name, Scope scope);
  std::vector<ApiKey> api_keys(const Caller& caller, const std::optional<KeyPosition>& after, std::int64_t limit) const;
  Result<ApiKey> set_api_key_enabled(const Caller& caller, const ApiKeyId& id, bool enabled);
  Result<> revoke_api_key(const Caller& caller, const ApiKeyId& id);  // for good

  std::string make_pod_key(const WorkspaceId& workspace, const AccountId& account, const PodId& pod);
  void revoke_pod_keys(const PodId& pod);  // with the pod

  // Who may act in this workspace: for a log-in that is not by key or session (SSH).
  std::vector<Member> members(const WorkspaceId& workspace) const { return store_.members(workspace); }

  void log_in(LogIn input, Done<NewSession> done);
  void log_in_once(OneTimeLogIn input, Done<NewSession> done);
  void log_out(const std::string& session_token);

  Result<Profile> profile(const Caller& caller) const;
  void change_profile(const Caller& caller, ProfileChange change, Done<Profile> done);

 private:
  struct Known {  // a key or session that was valid a moment ago
    Caller caller;
    std::optional<Time> last_seen_at;
    Duration until{0};  // in uptime
  };
  // What a worker is to do with passwords, in this order, and what came of it.
  struct PasswordWork {
    std::optional<std::string> verify_hash, verify_password;
    std::optional<std::string> hash_password;
    bool verified = false;
    std::optional<std::string> hashed;
  };

  std::string secret(std::size_t length);
  Result<Caller> known_or(const std::string& secret, bool is_session);
  Caller caller_of(const Identity& identity, bool is_session) const;
  void saw(Known& known, const std::string& id, bool is_session);

  NewSession begin_session(const Account& account, const Membership& in);
  Result<NewSession> finish_log_in(const AccountId& account, const PasswordWork& work);
  Result<NewSession> finish_log_in_once(const OneTimeLogIn& input, const PasswordWork& work);
  Result<Profile> finish_change(const Caller& caller, const ProfileChange& change, const PasswordWork& work);

  Result<> require_patience(const std::string& subject, const ThrottlePolicy& policy) const;
  void count_failure(const std::string& subject, const ThrottlePolicy& policy);

  // Runs `work` on a worker, then `finish` in a task, then answers. Without room: log_in_busy.
  template <class T>
  void with_passwords(PasswordWork work, Done<T> done, std::function<Result<T>(const PasswordWork&)> finish);
  template <class T>
  void answer(const Done<T>& done, Result<T> result);
  void start_waiting_work();
  void clean();

  Core& core_;
  AccountSettings settings_;
  AccountStore store_;
  std::unordered_map<std::string, Known> known_;  // by digest; emptied by every change of rights
  std::deque<std::function<void()>> waiting_work_;
  int running_work_ = 0;
  Alive alive_;
  std::unique_ptr<Timer> cleaning_;
};

}  // namespace gyre
