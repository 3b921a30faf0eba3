#include "accounts/account_service.hpp"

#include <arpa/inet.h>

#include "accounts/credentials.hpp"
#include "base/check.hpp"
#include "base/secrets.hpp"

namespace gyre {
namespace {

constexpr Duration known_for = 5s;  // how long a right that was taken away by another server may still be honoured
constexpr std::size_t known_max = 10'000;
constexpr Duration seen_resolution = 1min;
// Each hash takes tens of megabytes and a core: few at once, and a queue that ends.
constexpr int running_work_max = 2;
constexpr std::size_t waiting_work_max = 32;
constexpr std::size_t secret_length_max = 256;  // nothing that we gave out is longer
constexpr int clean_batch = 200;

// The subject of a throttle. A digest: what people type by mistake (a password in the e-mail's field) is not kept.
std::string subject_of_email(const std::string& email) { return "email:" + sha256_hex(email); }
std::string subject_of_account(const AccountId& account) { return "account:" + account.str(); }

// One household or machine has a whole /64 of IPv6, so that is one address.
std::string subject_of_address(const std::string& address) {
  in6_addr six{};
  if (inet_pton(AF_INET6, address.c_str(), &six) == 1 && !IN6_IS_ADDR_V4MAPPED(&six))
    return "address:" + hex({reinterpret_cast<const char*>(&six), 8});
  return "address:" + address;
}

}  // namespace

AccountService::AccountService(Core& core, AccountSettings settings)
    : core_(core),
      settings_(settings),
      store_(core.db()),
      cleaning_(core.every(10min, "clean accounts", alive_.guard([this] { clean(); }))) {}

std::string AccountService::secret(std::size_t length) {
  constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
  std::string out;
  for (std::size_t i = 0; i < length; ++i) out += alphabet[core_.random().below(alphabet.size())];
  return out;
}

Bootstrap AccountService::bootstrap() {
  auto administrator = store_.first_operator();
  if (!administrator) {
    const auto now = core_.now();
    administrator = Account{.id = AccountId("user_" + core_.random().letters_and_digits(27)),
                            .email = std::nullopt,
                            .name = "administrator",
                            .password_hash = std::nullopt,
                            .is_operator = true,
                            .status = AccountStatus::active,
                            .created_at = now};
    const WorkspaceId workspace(core_.random().letters_and_digits(14));
    store_.insert(*administrator);
    store_.insert_workspace(workspace, WorkspaceKind::personal, "personal", now);
    store_.insert_membership(workspace, administrator->id, Role::admin, now);
  }
  const auto home = store_.home(administrator->id);
  CHECK(home);
  Bootstrap out{administrator->id, home->workspace, std::nullopt};
  if (!administrator->password_hash) out.login_token = make_one_time_login(administrator->id);
  return out;
}

std::string AccountService::make_one_time_login(const AccountId& account) {
  auto token = secret(43);
  store_.delete_one_time_logins(account);
  store_.insert_one_time_login(sha256_hex(token), account, core_.now(), core_.now() + settings_.one_time_login_life);
  return token;
}

// --- who is asking ---

Result<Caller> AccountService::authenticate(const http::Request& request) {
  if (const auto key = api_key_of(request)) return known_or(*key, false);
  const auto token = session_token_of(request);
  if (!token) return fail(Reason::not_logged_in);
  auto caller = TRY(known_or(*token, true));
  // A cookie travels by itself; who sent the request must be shown by something that does not.
  // Nor does a WebSocket know the borders that keep a page from reading another site's answers.
  const bool harmless = is_safe(request.method) && !request.headers.has("Upgrade");
  if (!harmless && site_of(request) != Site::ours) return fail(Reason::cross_site_request);
  return caller;
}

Result<Caller> AccountService::known_or(const std::string& secret, bool is_session) {
  if (secret.empty() || secret.size() > secret_length_max) return fail(Reason::not_logged_in);
  // Looked up by digest: how long it takes says nothing about the secret.
  const auto digest = sha256_hex(secret);
  const auto cached_as = (is_session ? "s" : "k") + digest;
  const auto uptime = core_.runtime().uptime();
  if (const auto found = known_.find(cached_as); found != known_.end()) {
    auto& known = found->second;
    if (uptime < known.until) {
      saw(known, is_session ? known.caller.session->str() : known.caller.key->str(), is_session);
      return known.caller;
    }
    known_.erase(found);
  }
  const auto identity = is_session ? store_.identity_of_session(digest) : store_.identity_of_key(digest);
  if (!identity) return fail(Reason::not_logged_in);
  if (is_session && (core_.now() - *identity->last_seen_at > settings_.session_idle ||
                     core_.now() - identity->created_at > settings_.session_life))
    return fail(Reason::not_logged_in);
  if (known_.size() >= known_max) known_.clear();
  auto& known = known_[cached_as];
  known = {caller_of(*identity, is_session), identity->last_seen_at, uptime + known_for};
  saw(known, identity->id, is_session);
  return known.caller;
}

Caller AccountService::caller_of(const Identity& identity, bool is_session) const {
  Caller caller{.account = identity.account,
                .workspace = identity.workspace,
                .scope = allowed_scope(identity.scope, identity.role),
                .operator_of_installation = identity.is_operator && identity.scope != Scope::pod,
                .pod = identity.pod,
                .key = std::nullopt,
                .session = std::nullopt};
  if (is_session)
    caller.session = SessionId(identity.id);
  else
    caller.key = ApiKeyId(identity.id);
  return caller;
}

// A note for people and the idle limit: once a minute is often enough, and spares a write per request.
void AccountService::saw(Known& known, const std::string& id, bool is_session) {
  const auto now = core_.now();
  if (known.last_seen_at && now - *known.last_seen_at < seen_resolution && now >= *known.last_seen_at) return;
  known.last_seen_at = now;
  if (is_session)
    store_.session_seen(id, now);
  else
    store_.key_used(id, now);
}

// --- keys ---

Result<NewApiKey> AccountService::make_api_key(const Caller& caller, const std::string& name, Scope scope) {
  CHECK(scope != Scope::pod);
  const auto kept_name = TRY(normal_name(name, "name"));
  if (store_.count_keys(caller.workspace) >= settings_.api_keys_max) {
    Args args{{"limit", std::to_string(settings_.api_keys_max)}};
    return fail(Reason::too_many_api_keys, std::move(args));
  }
  NewApiKey made{{}, "rpa_" + secret(43)};
  made.key = {.id = ApiKeyId(core_.random().letters_and_digits(14)),
              .name = kept_name,
              .last_characters = made.secret.substr(made.secret.size() - 4),
              .scope = scope,
              .enabled = true,
              .created_at = core_.now(),
              .last_used_at = std::nullopt};
  store_.insert_key(made.key, sha256_hex(made.secret), caller.workspace, caller.account, std::nullopt);
  return made;
}

std::vector<ApiKey> AccountService::api_keys(const Caller& caller, const std::optional<KeyPosition>& after,
                                             std::int64_t limit) const {
  return store_.keys(caller.workspace, caller.account, after, limit);
}

Result<ApiKey> AccountService::set_api_key_enabled(const Caller& caller, const ApiKeyId& id, bool enabled) {
  auto key = store_.find_key(caller.workspace, caller.account, id);
  if (!key) return fail(Reason::api_key_not_found, {{"key", id.str()}});
  store_.set_key_enabled(id, enabled);
  known_.clear();
  key->enabled = enabled;
  return *key;
}

Result<> AccountService::revoke_api_key(const Caller& caller, const ApiKeyId& id) {
  if (!store_.find_key(caller.workspace, caller.account, id))
    return fail(Reason::api_key_not_found, {{"key", id.str()}});
  store_.revoke_key(id, core_.now());
  known_.clear();
  return {};
}

std::string AccountService::make_pod_key(const WorkspaceId& workspace, const AccountId& account, const PodId& pod) {
  auto made = "rpa_" + secret(43);
  const ApiKey key{.id = ApiKeyId(core_.random().letters_and_digits(14)),
                   .name = "pod " + pod.str(),
                   .last_characters = made.substr(made.size() - 4),
                   .scope = Scope::pod,
                   .enabled = true,
                   .created_at = core_.now(),
                   .last_used_at = std::nullopt};
  store_.insert_key(key, sha256_hex(made), workspace, account, pod);
  return made;
}

void AccountService::revoke_pod_keys(const PodId& pod) {
  store_.delete_pod_keys(pod);
  known_.clear();
}

// --- logging in ---

void AccountService::log_in(LogIn input, Done<NewSession> done) {
  const auto email = normal_email(input.email);
  // What is no address at all is nobody's: the same answer, after the same time.
  const auto by_email = subject_of_email(email ? *email : input.email);
  const auto by_address = subject_of_address(input.address);
  if (const auto patience = require_patience(by_email, account_throttle); !patience)
    return answer<NewSession>(done, fail(patience.error()));
  if (const auto patience = require_patience(by_address, address_throttle); !patience)
    return answer<NewSession>(done, fail(patience.error()));
  if (waiting_work_.size() >= waiting_work_max)
    return answer<NewSession>(done, fail(Reason::log_in_busy, {{"seconds", "1"}}));
  // Counted before it is known and taken back when it was right: many tries at once are many failures.
  count_failure(by_email, account_throttle);
  count_failure(by_address, address_throttle);

  const auto account = email ? store_.find_by_email(*email) : std::nullopt;
  const bool possible = account && account->password_hash && account->status == AccountStatus::active;
  PasswordWork work;
  work.verify_hash = possible ? *account->password_hash : nobodys_hash(settings_.password_cost);
  work.verify_password = std::move(input.password);
  if (possible && needs_new_hash(*account->password_hash, settings_.password_cost))
    work.hash_password = work.verify_password;
  with_passwords<NewSession>(
      std::move(work), std::move(done),
      [this, by_email, by_address, id = account ? account->id : AccountId()](const PasswordWork& worked) {
        auto session = finish_log_in(id, worked);
        if (session) {
          store_.forgive(by_email);
          store_.forgive_one(by_address);
        }
        return session;
      });
}

Result<NewSession> AccountService::finish_log_in(const AccountId& id, const PasswordWork& work) {
  auto account = store_.find(id);
  // Read again: meanwhile the account may have been suspended or its password changed.
  if (!work.verified || !account || account->status != AccountStatus::active ||
      account->password_hash != work.verify_hash)
    return fail(Reason::log_in_failed);
  const auto home = store_.home(id);
  if (!home) return fail(Reason::log_in_failed);
  if (work.hashed) {
    account->password_hash = work.hashed;
    TRY(store_.update(*account));
  }
  return begin_session(*account, *home);
}

void AccountService::log_in_once(OneTimeLogIn input, Done<NewSession> done) {
  const auto by_address = subject_of_address(input.address);
  const auto refuse = [&](Error error) { answer<NewSession>(done, fail(std::move(error))); };
  if (const auto patience = require_patience(by_address, address_throttle); !patience) return refuse(patience.error());
  const auto id = store_.account_of_one_time_login(sha256_hex(input.token), core_.now());
  if (!id) {
    count_failure(by_address, address_throttle);
    return refuse({Reason::one_time_login_invalid, {}, ""});
  }
  if (input.email) {
    const auto email = normal_email(*input.email);
    if (!email) return refuse(email.error());
    input.email = *email;
  }
  if (input.password) {
    if (const auto good = check_password(*input.password); !good) return refuse(good.error());
    const auto account = store_.find(*id);
    if (!input.email && !(account && account->email))
      return refuse({Reason::missing_field, {{"field", "email"}}, "email"});
  } else {
    return answer<NewSession>(done, finish_log_in_once(input, {}));
  }
  PasswordWork work;
  work.hash_password = std::move(*input.password);
  with_passwords<NewSession>(
      std::move(work), std::move(done),
      [this, input = std::move(input)](const PasswordWork& worked) { return finish_log_in_once(input, worked); });
}

Result<NewSession> AccountService::finish_log_in_once(const OneTimeLogIn& input, const PasswordWork& work) {
  return core_.transact([&]() -> Result<NewSession> {
    const auto id = store_.account_of_one_time_login(sha256_hex(input.token), core_.now());
    if (!id) return fail(Reason::one_time_login_invalid);
    store_.delete_one_time_logins(*id);
    auto account = store_.find(*id);
    const auto home = store_.home(*id);
    if (!account || !home) return fail(Reason::one_time_login_invalid);
    if (input.email) account->email = input.email;
    if (work.hashed) {
      account->password_hash = work.hashed;
      store_.delete_sessions(*id, std::nullopt);
      known_.clear();
    }
    TRY(store_.update(*account));
    return begin_session(*account, *home);
  });
}

NewSession AccountService::begin_session(const Account& account, const Membership& in) {
  NewSession made{secret(43), settings_.session_life, {account, in, allowed_scope(Scope::read_write, in.role)}};
  store_.insert_session(SessionId(core_.random().letters_and_digits(14)), sha256_hex(made.token), in, account.id,
                        settings_.sessions_max, core_.now());
  return made;
}

void AccountService::log_out(const std::string& session_token) {
  store_.delete_session(sha256_hex(session_token));
  known_.clear();
}

// --- profile ---

Result<Profile> AccountService::profile(const Caller& caller) const {
  const auto account = store_.find(caller.account);
  const auto workspace = store_.membership(caller.workspace, caller.account);
  if (!account || !workspace) return fail(Reason::not_logged_in);
  return Profile{*account, *workspace, caller.scope};
}

void AccountService::change_profile(const Caller& caller, ProfileChange change, Done<Profile> done) {
  const auto refuse = [&](Error error) { answer<Profile>(done, fail(std::move(error))); };
  // A key that leaked must not become the account.
  if (!caller.session) return refuse({Reason::session_needed, {}, ""});
  const auto account = store_.find(caller.account);
  if (!account) return refuse({Reason::not_logged_in, {}, ""});
  if (change.name) {
    const auto name = normal_name(*change.name, "name");
    if (!name) return refuse(name.error());
    change.name = *name;
  }
  if (change.email) {
    const auto email = normal_email(*change.email);
    if (!email) return refuse(email.error());
    change.email = *email;
  }
  if (change.password) {
    if (const auto good = check_password(*change.password); !good) return refuse(good.error());
    if (!change.email && !account->email) return refuse({Reason::missing_field, {{"field", "email"}}, "email"});
  }
  const bool protect = account->password_hash && (change.email || change.password);
  PasswordWork work;
  if (protect) {
    if (!change.current_password)
      return refuse({Reason::missing_field, {{"field", "currentPassword"}}, "currentPassword"});
    if (const auto patience = require_patience(subject_of_account(account->id), account_throttle); !patience)
      return refuse(patience.error());
    count_failure(subject_of_account(account->id), account_throttle);
    work.verify_hash = account->password_hash;
    work.verify_password = std::move(change.current_password);
  }
  work.hash_password = std::move(change.password);
  change.password.reset();
  if (!work.verify_hash && !work.hash_password) return answer<Profile>(done, finish_change(caller, change, work));
  with_passwords<Profile>(std::move(work), std::move(done), [this, caller, change](const PasswordWork& worked) {
    return finish_change(caller, change, worked);
  });
}

Result<Profile> AccountService::finish_change(const Caller& caller, const ProfileChange& change,
                                              const PasswordWork& work) {
  auto account = store_.find(caller.account);
  if (!account || account->status != AccountStatus::active) return fail(Reason::not_logged_in);
  if (work.verify_hash) {
    if (!work.verified || account->password_hash != work.verify_hash)
      return fail(Reason::current_password_wrong, {}, "currentPassword");
    store_.forgive(subject_of_account(account->id));
  } else if (account->password_hash && work.hashed) {
    return fail(Reason::current_password_wrong, {}, "currentPassword");  // a password appeared while ours was hashed
  }
  return core_.transact([&]() -> Result<Profile> {
    if (change.name) account->name = *change.name;
    if (change.email) account->email = *change.email;
    if (work.hashed) {
      account->password_hash = work.hashed;
      store_.delete_sessions(account->id, caller.session);  // whoever knew the old password is out
      store_.delete_one_time_logins(account->id);
      known_.clear();
    }
    TRY(store_.update(*account));
    return profile(caller);
  });
}

// --- patience, workers, cleaning ---

Result<> AccountService::require_patience(const std::string& subject, const ThrottlePolicy& policy) const {
  const auto wait = throttle_wait(store_.throttle(subject), policy, core_.now());
  if (wait == 0ms) return {};
  Args args{{"seconds", std::to_string(std::chrono::ceil<std::chrono::seconds>(wait).count())}};
  return fail(Reason::too_many_log_ins, std::move(args));
}

void AccountService::count_failure(const std::string& subject, const ThrottlePolicy& policy) {
  store_.save_throttle(subject, throttle_failed(store_.throttle(subject), policy, core_.now()));
}

template <class T>
void AccountService::answer(const Done<T>& done, Result<T> result) {
  core_.after_commit([done, result = std::move(result)] { done(result); });
}

template <class T>
void AccountService::with_passwords(PasswordWork work, Done<T> done,
                                    std::function<Result<T>(const PasswordWork&)> finish) {
  if (waiting_work_.size() >= waiting_work_max) return answer<T>(done, fail(Reason::log_in_busy, {{"seconds", "1"}}));
  const auto shared = std::make_shared<PasswordWork>(std::move(work));
  const auto failed = [done] { done(fail(Reason::internal_error)); };
  auto slow = [shared, cost = settings_.password_cost] {
    if (shared->verify_hash) {
      shared->verified = verify_password(*shared->verify_hash, *shared->verify_password);
      forget(*shared->verify_password);
    }
    if (shared->hash_password) {
      if (!shared->verify_hash || shared->verified) shared->hashed = hash_password(*shared->hash_password, cost);
      forget(*shared->hash_password);
    }
  };
  auto then = alive_.guard([this, shared, done, finish = std::move(finish), failed] {
    --running_work_;
    start_waiting_work();
    auto decide = alive_.guard([this, shared, done, finish] {
      const bool no_memory = shared->hash_password && !shared->hashed && (!shared->verify_hash || shared->verified);
      if (no_memory) return answer<T>(done, fail(Reason::unavailable, {{"detail", "not enough memory"}}));
      answer<T>(done, finish(*shared));
    });
    core_.post("passwords", std::move(decide), failed);
  });
  // After the commit: the failure that was counted in this task must hold before anybody learns whether it was one.
  core_.after_commit(alive_.guard([this, slow = std::move(slow), then = std::move(then)]() mutable {
    waiting_work_.push_back([this, slow = std::move(slow), then = std::move(then)]() mutable {
      ++running_work_;
      core_.runtime().work(std::move(slow), std::move(then));
    });
    start_waiting_work();
  }));
}

void AccountService::start_waiting_work() {
  while (running_work_ < running_work_max && !waiting_work_.empty()) {
    auto start = std::move(waiting_work_.front());
    waiting_work_.pop_front();
    start();
  }
}

void AccountService::clean() {
  const auto now = core_.now();
  const auto deleted =
      store_.delete_old_sessions(now - settings_.session_idle, now - settings_.session_life, clean_batch) +
      store_.delete_expired_one_time_logins(now, clean_batch) +
      store_.delete_old_throttles(now - std::max(account_throttle.forgotten_after, address_throttle.forgotten_after),
                                  clean_batch);
  if (deleted >= clean_batch) core_.after(1s, "clean accounts", alive_.guard([this] { clean(); }));
}

}  // namespace gyre
