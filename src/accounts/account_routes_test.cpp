// Accounts as a client sees them: real routes, real SQL on every database, virtual time.
#include <boost/json.hpp>

#include "accounts/account_routes.hpp"
#include "base/secrets.hpp"
#include "db/test_database.hpp"
#include "sim/sim_runtime.hpp"

namespace gyre {
namespace {

using http::Method;
using Headers = std::vector<std::pair<std::string, std::string>>;

constexpr auto good_password = "Correct horse 1";
constexpr auto email = "kim@example.org";

class Accounts : public testing::TestWithParam<db::Backend> {
 protected:
  void SetUp() override {
    if (!database.available()) GTEST_SKIP() << db::no_postgres;
    db = database.connect();
    db::migrate(*db);
    start();
  }

  // What a start of the server does; the database stays.
  void start() {
    router.reset();
    accounts.reset();
    core.emplace(runtime, *db);
    accounts.emplace(*core, AccountSettings{.password_cost = {1, 8192}});
    router.emplace(*core, [this](const http::Request& request) { return accounts->authenticate(request); });
    router->add(account_routes(*accounts));
    http::Route probe;  // stands for any route that writes
    probe.method = Method::post;
    probe.path = "/v1/pods/{id}/stop";
    probe.access = http::Access::writer;
    probe.pod_key = true;
    probe.summary = probe.tag = "Probe";
    probe.handler = [](const http::Request& request) -> Result<http::Response> {
      return http::json_response(200, "\"" + request.caller.workspace.str() + "\"");
    };
    http::Route admin = probe;
    admin.path = "/v1/hosts";
    admin.access = http::Access::admin;
    admin.pod_key = false;
    router->add({probe, admin});
    task([&] { first = accounts->bootstrap(); });
  }

  void task(std::function<void()> work) {
    bool done = false;
    core->post("test", [&] { work(), done = true; });
    runtime.run_until_idle(1s);
    ASSERT_TRUE(done);
  }

  // Sends and does not wait.
  std::shared_ptr<std::optional<http::Response>> send(Method method, std::string_view target, Headers headers = {},
                                                      std::string body = {}) {
    auto answer = std::make_shared<std::optional<http::Response>>();
    http::Request request;
    request.method = method;
    EXPECT_TRUE(http::set_target(request, target));
    for (auto& [name, value] : headers) request.headers.add(name, value);
    request.body = std::move(body);
    request.remote_address = address;
    request.secure = secure;
    core->post("http", [this, answer, request] {
      const auto response = std::make_shared<http::Response>(router->dispatch(request));
      core->after_commit([answer, response] {
        if (response->later)
          response->later->when_done([answer](http::Response later) { *answer = std::move(later); });
        else
          *answer = std::move(*response);
      });
    });
    return answer;
  }
  http::Response call(Method method, std::string_view target, Headers headers = {}, std::string body = {}) {
    const auto answer = send(method, target, std::move(headers), std::move(body));
    runtime.run_until_idle(1s);
    EXPECT_TRUE(*answer) << "no answer came";
    return answer->value_or(http::Response{});
  }

  static Headers key(const std::string& secret) { return {{"Authorization", "Bearer " + secret}}; }
  static Headers page(const std::string& cookie) { return {{"Cookie", cookie}, {"X-Gyre-CSRF", "1"}}; }
  static std::string cookie_of(const http::Response& response) {
    const auto set = response.headers.get("Set-Cookie");
    return std::string(set.substr(0, set.find(';')));
  }
  static boost::json::object body_of(const http::Response& response) {
    return boost::json::parse(response.body).as_object();
  }
  static std::string code_of(const http::Response& response) {
    if (response.status < 400) return std::to_string(response.status);
    return boost::json::value_to<std::string>(body_of(response).at("code"));
  }

  http::Response log_in(const std::string& with = good_password, const std::string& as = email) {
    return call(Method::post, "/v1/auth/login", {},
                boost::json::serialize(boost::json::object{{"email", as}, {"password", with}}));
  }
  // The administrator sets e-mail and password with the token of the first start; returns the cookie.
  std::string set_up() {
    const boost::json::object input{{"token", *first.login_token}, {"email", email}, {"password", good_password}};
    const auto response = call(Method::post, "/v1/auth/one-time", {}, boost::json::serialize(input));
    EXPECT_EQ(response.status, 200) << response.body;
    return cookie_of(response);
  }
  std::string make_key(const std::string& cookie, const std::string& scope = "READ_WRITE") {
    const auto made = call(Method::post, "/v1/apikeys", page(cookie), R"({"name":"k","scope":")" + scope + R"("})");
    EXPECT_EQ(made.status, 201) << made.body;
    return boost::json::value_to<std::string>(body_of(made).at("key"));
  }
  // A second person with a workspace of their own; returns a key of theirs.
  std::string stranger() {
    std::string secret;
    task([&] {
      const auto now = core->now();
      AccountStore store(*db);
      store.insert({AccountId("user_2"), "lee@example.org", "Lee", std::nullopt, false, AccountStatus::active, now});
      store.insert_workspace(WorkspaceId("w2"), WorkspaceKind::personal, "Lee", now);
      store.insert_membership(WorkspaceId("w2"), AccountId("user_2"), Role::admin, now);
      secret =
          accounts
              ->make_api_key({.account = AccountId("user_2"), .workspace = WorkspaceId("w2")}, "k", Scope::read_write)
              .value()
              .secret;
    });
    return secret;
  }
  int stop(const Headers& headers) { return call(Method::post, "/v1/pods/p1/stop", headers).status; }

  db::TestDatabase database{GetParam()};
  std::unique_ptr<db::Connection> db;
  sim::SimRuntime runtime;
  std::optional<Core> core;
  std::optional<AccountService> accounts;
  std::optional<http::Router> router;
  Bootstrap first;
  std::string address = "192.0.2.1";
  bool secure = false;
};

// --- the first start ---

TEST_P(Accounts, TheFirstStartMakesAnAdministratorAndLaterOnesDoNot) {
  const auto before = first;
  ASSERT_TRUE(first.login_token);
  start();
  EXPECT_EQ(first.account, before.account);
  EXPECT_EQ(first.workspace, before.workspace);
  EXPECT_EQ(db->value<int>("SELECT COUNT(*) FROM accounts"), 1);
  EXPECT_NE(first.login_token, before.login_token) << "what was printed at the last start is not kept";
  const auto old = call(Method::post, "/v1/auth/one-time", {}, R"({"token":")" + *before.login_token + R"("})");
  EXPECT_EQ(code_of(old), "one_time_login_invalid") << "a newer one replaces it";
  set_up();
  start();
  EXPECT_FALSE(first.login_token) << "the administrator has a password now";
}

TEST_P(Accounts, AOneTimeLogInWorksOnceAndForADay) {
  const auto body = R"({"token":")" + *first.login_token + R"("})";
  const auto in = call(Method::post, "/v1/auth/one-time", {}, body);
  EXPECT_EQ(in.status, 200) << in.body;
  EXPECT_EQ(body_of(in).at("hasPassword"), false);
  EXPECT_EQ(code_of(call(Method::post, "/v1/auth/one-time", {}, body)), "one_time_login_invalid");
  std::string second;
  task([&] { second = accounts->make_one_time_login(first.account); });
  runtime.run_for(24h);
  EXPECT_EQ(code_of(call(Method::post, "/v1/auth/one-time", {}, R"({"token":")" + second + R"("})")),
            "one_time_login_invalid");
}

TEST_P(Accounts, ARefusedPasswordDoesNotUseTheOneTimeLogInUp) {
  const auto with = [&](const std::string& rest) {
    return call(Method::post, "/v1/auth/one-time", {}, R"({"token":")" + *first.login_token + "\"" + rest + "}");
  };
  const auto weak = with(R"(,"email":"kim@example.org","password":"correct horse 1")");
  EXPECT_EQ(code_of(weak), "password_needs_upper_case");
  EXPECT_EQ(body_of(weak).at("field"), "password");
  EXPECT_EQ(code_of(with(R"(,"password":"Correct horse 1")")), "missing_field")
      << "a password without an e-mail is no log-in";
  EXPECT_EQ(code_of(with(R"(,"email":"kim","password":"Correct horse 1")")), "invalid_field");
  stranger();
  EXPECT_EQ(code_of(with(R"(,"email":"LEE@example.org","password":"Correct horse 1")")), "email_taken");
  EXPECT_EQ(with(R"(,"email":"kim@example.org","password":"Correct horse 1")").status, 200);
  EXPECT_EQ(log_in().status, 200);
}

// --- log-in and sessions ---

TEST_P(Accounts, APasswordLogInSetsASessionThatKnowsWhoItIs) {
  set_up();
  secure = true;
  const auto in = log_in(good_password, "Kim@Example.org");
  ASSERT_EQ(in.status, 200) << in.body;
  const auto set = std::string(in.headers.get("Set-Cookie"));
  for (const char* part : {"gyre_session=", "HttpOnly", "SameSite=Lax", "Secure"})
    EXPECT_NE(set.find(part), std::string::npos) << set;
  const auto me = body_of(call(Method::get, "/v1/me", {{"Cookie", cookie_of(in)}}));
  EXPECT_EQ(me.at("email"), email);
  EXPECT_EQ(me.at("isOperator"), true);
  EXPECT_EQ(me.at("scope"), "READ_WRITE");
  EXPECT_EQ(boost::json::value_to<std::string>(me.at("workspace").at("id")), first.workspace.str());
  EXPECT_EQ(call(Method::post, "/v1/hosts", page(cookie_of(in))).status, 200);
}

TEST_P(Accounts, ALogInOfNobodyLooksLikeAWrongPassword) {
  set_up();
  const auto wrong = log_in("Wrong horse 1");
  const auto nobody = log_in(good_password, "nobody@example.org");
  const auto no_address = log_in(good_password, "no address at all");
  EXPECT_EQ(code_of(wrong), "log_in_failed");
  for (const auto* other : {&nobody, &no_address}) {
    auto a = body_of(wrong), b = body_of(*other);
    a.erase("requestId"), b.erase("requestId");
    EXPECT_EQ(a, b);
    EXPECT_FALSE(other->headers.has("Set-Cookie"));
  }
  EXPECT_EQ(wrong.status, 401);
}

TEST_P(Accounts, NothingOfASecretIsInTheDatabase) {
  const auto cookie = set_up();
  const auto secret = make_key(cookie);
  const auto token = cookie.substr(cookie.find('=') + 1);
  EXPECT_EQ(db->value<int>("SELECT COUNT(*) FROM sessions WHERE digest = $1", sha256_hex(token)), 1);
  EXPECT_EQ(db->value<int>("SELECT COUNT(*) FROM api_keys WHERE digest = $1", sha256_hex(secret)), 1);
  for (const char* table : {"accounts", "sessions", "api_keys", "one_time_logins", "login_throttle"})
    for (const auto& row : db->run(std::string("SELECT * FROM ") + table, {}).rows)
      for (const auto& value : row) {
        const auto* text = std::get_if<std::string>(&value);
        for (const auto& hidden : {token, secret, std::string(good_password), *first.login_token})
          EXPECT_TRUE(!text || text->find(hidden) == std::string::npos) << table;
      }
}

TEST_P(Accounts, ASessionEndsWhenItIsNotUsedForTwelveHours) {
  const auto cookie = set_up();
  for (int i = 0; i < 4; ++i) {
    runtime.run_for(11h);
    EXPECT_EQ(stop(page(cookie)), 200) << "used every eleven hours";
  }
  runtime.run_for(12h + 2min);
  EXPECT_EQ(stop(page(cookie)), 401);
}

TEST_P(Accounts, ASessionEndsAfterThirtyDaysHoweverMuchItIsUsed) {
  const auto cookie = set_up();
  for (int i = 0; i < 90; ++i) {
    EXPECT_EQ(stop(page(cookie)), 200) << i;
    runtime.run_for(8h);
  }
  runtime.run_for(1min);
  EXPECT_EQ(stop(page(cookie)), 401);
  runtime.run_for(1h);
  EXPECT_EQ(db->value<int>("SELECT COUNT(*) FROM sessions"), 0) << "and is forgotten";
}

TEST_P(Accounts, LoggingOutEndsTheSessionAtOnce) {
  const auto cookie = set_up();
  const auto out = call(Method::post, "/v1/auth/logout", page(cookie));
  EXPECT_EQ(out.status, 204);
  EXPECT_NE(out.headers.get("Set-Cookie").find("Max-Age=0"), std::string_view::npos);
  EXPECT_EQ(stop(page(cookie)), 401);
  EXPECT_EQ(call(Method::post, "/v1/auth/logout").status, 204) << "and never fails";
}

TEST_P(Accounts, AnotherSitesPageCannotUseTheSessionNorLogItsVisitorIn) {
  const auto cookie = set_up();
  EXPECT_EQ(code_of(call(Method::post, "/v1/pods/p1/stop", {{"Cookie", cookie}})), "cross_site_request");
  EXPECT_EQ(code_of(call(Method::post, "/v1/pods/p1/stop",
                         {{"Cookie", cookie}, {"Sec-Fetch-Site", "cross-site"}, {"Origin", "https://evil.example"}})),
            "cross_site_request");
  EXPECT_EQ(call(Method::get, "/v1/me", {{"Cookie", cookie}}).status, 200) << "reading is safe";
  const auto body = R"({"email":"kim@example.org","password":"Correct horse 1"})";
  const Headers evil{{"Origin", "https://evil.example"}, {"Host", "gyre.example"}};
  EXPECT_EQ(code_of(call(Method::post, "/v1/auth/login", evil, body)), "cross_site_request");
  EXPECT_EQ(code_of(call(Method::post, "/v1/auth/one-time", evil, R"({"token":"x"})")), "cross_site_request");
  EXPECT_EQ(code_of(call(Method::post, "/v1/auth/logout", evil)), "cross_site_request");
}

TEST_P(Accounts, OldSessionsMakeRoomForNewOnes) {
  const auto oldest = set_up();
  for (int i = 0; i < 60; ++i) {
    runtime.run_for(1min);
    ASSERT_EQ(log_in().status, 200);
  }
  EXPECT_EQ(db->value<int>("SELECT COUNT(*) FROM sessions"), 50);
  EXPECT_EQ(stop(page(oldest)), 401);
}

// --- throttle ---

TEST_P(Accounts, FailedLogInsAreSlowedDownAndTheRightPasswordEndsIt) {
  set_up();
  for (int i = 0; i < 6; ++i) EXPECT_EQ(code_of(log_in("Wrong horse 1")), "log_in_failed") << i;
  const auto refused = log_in();
  EXPECT_EQ(refused.status, 429) << "even the right one has to wait";
  EXPECT_EQ(code_of(refused), "too_many_log_ins");
  EXPECT_EQ(refused.headers.get("Retry-After"), "1");
  runtime.run_for(1s);
  EXPECT_EQ(log_in().status, 200);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(code_of(log_in("Wrong horse 1")), "log_in_failed") << "counted anew " << i;
}

TEST_P(Accounts, AThousandGuessesAtOnceAreNotAThousandGuesses) {
  set_up();
  std::vector<std::shared_ptr<std::optional<http::Response>>> answers;
  for (int i = 0; i < 1000; ++i)
    answers.push_back(
        send(Method::post, "/v1/auth/login", {}, R"({"email":"kim@example.org","password":"Wrong horse 1"})"));
  runtime.run_until_idle(10s);
  std::map<std::string, int> codes;
  for (const auto& answer : answers) {
    ASSERT_TRUE(*answer);
    ++codes[code_of(**answer)];
  }
  EXPECT_EQ(codes["log_in_failed"], 6) << "five are free, the sixth begins the wait";
  EXPECT_EQ(codes["too_many_log_ins"], 994);
}

TEST_P(Accounts, OneAddressCannotTryManyPeople) {
  set_up();
  int tried = 0;
  for (int i = 0; i < 100; ++i)
    tried += code_of(log_in("Wrong horse 1", "person" + std::to_string(i) + "@example.org")) == "log_in_failed";
  EXPECT_EQ(tried, 21);
  EXPECT_EQ(log_in().status, 429);
  address = "192.0.2.2";
  EXPECT_EQ(log_in().status, 200) << "others are not held up";
}

TEST_P(Accounts, AWholeIpv6NetworkIsOneAddress) {
  set_up();
  for (int i = 0; i < 21; ++i) {
    address = "2001:db8:1:2::" + std::to_string(i);
    EXPECT_EQ(code_of(log_in("Wrong horse 1", "person" + std::to_string(i) + "@example.org")), "log_in_failed");
  }
  address = "2001:db8:1:2:ffff::1";
  EXPECT_EQ(log_in().status, 429);
  address = "2001:db8:1:3::1";
  EXPECT_EQ(log_in().status, 200);
}

TEST_P(Accounts, FailuresOutliveARestartAndAreForgottenInTheEnd) {
  set_up();
  for (int i = 0; i < 6; ++i) log_in("Wrong horse 1");
  start();
  EXPECT_EQ(log_in().status, 429);
  runtime.run_for(90min);
  EXPECT_EQ(db->value<int>("SELECT COUNT(*) FROM login_throttle"), 0);
}

TEST_P(Accounts, APasswordThatChangedMeanwhileDoesNotLetIn) {
  set_up();
  const auto answer =
      send(Method::post, "/v1/auth/login", {}, R"({"email":"kim@example.org","password":"Correct horse 1"})");
  // Until the try is counted: then the task has committed and a worker has found the password right.
  while (db->value<int>("SELECT COUNT(*) FROM login_throttle") == 0) ASSERT_TRUE(runtime.step());
  db->exec("UPDATE accounts SET password_hash = $1", "$argon2id$other");
  runtime.run_until_idle(1s);
  ASSERT_TRUE(*answer);
  EXPECT_EQ(code_of(**answer), "log_in_failed");
}

// --- the profile ---

TEST_P(Accounts, ANewPasswordNeedsTheOldOneAndEndsTheOtherSessions) {
  const auto cookie = set_up();
  const auto other = cookie_of(log_in());
  const auto change = [&](const std::string& body) { return call(Method::patch, "/v1/me", page(cookie), body); };
  EXPECT_EQ(code_of(change(R"({"password":"Better horse 2"})")), "missing_field");
  EXPECT_EQ(code_of(change(R"({"password":"Better horse 2","currentPassword":"Wrong horse 1"})")),
            "current_password_wrong");
  EXPECT_EQ(code_of(change(R"({"password":"weak","currentPassword":"Correct horse 1"})")), "password_length");
  EXPECT_EQ(stop(page(other)), 200);
  EXPECT_EQ(change(R"({"password":"Better horse 2","currentPassword":"Correct horse 1","name":"Kim"})").status, 200);
  EXPECT_EQ(stop(page(cookie)), 200);
  EXPECT_EQ(stop(page(other)), 401);
  EXPECT_EQ(code_of(log_in()), "log_in_failed");
  EXPECT_EQ(log_in("Better horse 2").status, 200);
  EXPECT_EQ(change(R"({"name":"Kim Lee"})").status, 200) << "a name needs no password";
  EXPECT_EQ(body_of(call(Method::get, "/v1/me", page(cookie))).at("name"), "Kim Lee");
}

TEST_P(Accounts, AKeyCannotTakeTheAccountOver) {
  const auto secret = make_key(set_up());
  EXPECT_EQ(code_of(call(Method::patch, "/v1/me", key(secret), R"({"name":"x"})")), "session_needed");
}

TEST_P(Accounts, TheCurrentPasswordCannotBeGuessedThroughAStolenSession) {
  const auto cookie = set_up();
  int tried = 0;
  for (int i = 0; i < 20; ++i)
    tried += code_of(call(Method::patch, "/v1/me", page(cookie),
                          R"({"email":"a@b.c","currentPassword":"Wrong horse 1"})")) == "current_password_wrong";
  EXPECT_EQ(tried, 6);
}

// --- keys ---

TEST_P(Accounts, AKeyIsShownOnceAndWorksInEveryPlace) {
  const auto cookie = set_up();
  const auto made = body_of(call(Method::post, "/v1/apikeys", page(cookie), R"({"name":" laptop "})"));
  const auto secret = boost::json::value_to<std::string>(made.at("key"));
  EXPECT_EQ(secret.size(), 47u);
  EXPECT_TRUE(secret.starts_with("rpa_"));
  EXPECT_EQ(stop(key(secret)), 200);
  EXPECT_EQ(stop({{"Authorization", secret}}), 200);
  EXPECT_EQ(call(Method::post, "/v1/pods/p1/stop?api_key=" + secret).status, 200);
  EXPECT_EQ(stop(key(secret + "x")), 401);
  EXPECT_EQ(stop(key("")), 401);
  EXPECT_EQ(stop(key(std::string(100'000, 'x'))), 401);
  EXPECT_EQ(stop({{"Authorization", "nonsense"}, {"Cookie", cookie}, {"X-Gyre-CSRF", "1"}}), 401)
      << "a wrong key is not the cookie";
  const auto listed = call(Method::get, "/v1/apikeys", key(secret));
  EXPECT_EQ(listed.body.find(secret), std::string::npos);
  const auto row = boost::json::parse(listed.body).at(0);
  EXPECT_EQ(row.at("name"), "laptop");
  EXPECT_EQ(boost::json::value_to<std::string>(row.at("lastCharacters")), secret.substr(secret.size() - 4));
  EXPECT_TRUE(row.at("key").is_null());
}

TEST_P(Accounts, AReadKeyReadsAndChangesNothing) {
  const auto secret = make_key(set_up(), "READ");
  EXPECT_EQ(call(Method::get, "/v1/me", key(secret)).status, 200);
  EXPECT_EQ(code_of(call(Method::post, "/v1/pods/p1/stop", key(secret))), "access_denied");
  EXPECT_EQ(code_of(call(Method::post, "/v1/apikeys", key(secret), "{}")), "access_denied")
      << "nor makes a stronger one";
}

TEST_P(Accounts, ADisabledKeyIsRefusedAtOnceAndTheSameKeyWorksAgain) {
  const auto cookie = set_up();
  const auto secret = make_key(cookie);
  const auto id = boost::json::value_to<std::string>(
      boost::json::parse(call(Method::get, "/v1/apikeys", page(cookie)).body).at(0).at("id"));
  EXPECT_EQ(stop(key(secret)), 200);
  EXPECT_EQ(call(Method::patch, "/v1/apikeys/" + id, page(cookie), R"({"enabled":false})").status, 200);
  EXPECT_EQ(stop(key(secret)), 401);
  EXPECT_EQ(call(Method::patch, "/v1/apikeys/" + id, page(cookie), R"({"enabled":true})").status, 200);
  EXPECT_EQ(stop(key(secret)), 200);
  EXPECT_EQ(call(Method::del, "/v1/apikeys/" + id, page(cookie)).status, 204);
  EXPECT_EQ(stop(key(secret)), 401);
  EXPECT_EQ(code_of(call(Method::patch, "/v1/apikeys/" + id, page(cookie), R"({"enabled":true})")), "api_key_not_found")
      << "final";
  EXPECT_EQ(code_of(call(Method::del, "/v1/apikeys/" + id, page(cookie))), "api_key_not_found");
}

TEST_P(Accounts, WhatAnotherServerRevokedIsRefusedWithinSeconds) {
  const auto secret = make_key(set_up());
  EXPECT_EQ(stop(key(secret)), 200);
  db->exec("UPDATE api_keys SET enabled = 0");
  runtime.run_for(5s);
  EXPECT_EQ(stop(key(secret)), 401);
}

TEST_P(Accounts, AKeysLastUseIsWrittenOnceAMinute) {
  const auto secret = make_key(set_up());
  const auto last_used = [&] { return db->value<std::optional<Time>>("SELECT last_used_at FROM api_keys"); };
  EXPECT_EQ(last_used(), std::nullopt);
  stop(key(secret));
  const auto used = runtime.now();
  EXPECT_LE(used - *last_used(), 1s);
  const auto written = *last_used();
  runtime.run_for(30s);
  stop(key(secret));
  EXPECT_EQ(last_used(), written);
  runtime.run_for(31s);
  stop(key(secret));
  EXPECT_GT(*last_used(), written);
}

TEST_P(Accounts, KeysOfAnotherWorkspaceDoNotExist) {
  const auto cookie = set_up();
  const auto mine = make_key(cookie);
  const auto theirs = stranger();
  const auto list = boost::json::parse(call(Method::get, "/v1/apikeys", key(mine)).body).as_array();
  ASSERT_EQ(list.size(), 1u);
  const auto id = boost::json::value_to<std::string>(list.at(0).at("id"));
  const auto wrong = call(Method::patch, "/v1/apikeys/" + id, key(theirs), R"({"enabled":false})");
  const auto missing = call(Method::patch, "/v1/apikeys/nothing", key(theirs), R"({"enabled":false})");
  EXPECT_EQ(code_of(wrong), "api_key_not_found");
  EXPECT_EQ(wrong.status, missing.status);
  EXPECT_EQ(code_of(call(Method::del, "/v1/apikeys/" + id, key(theirs))), "api_key_not_found");
  EXPECT_EQ(stop(key(mine)), 200);
  EXPECT_EQ(code_of(call(Method::post, "/v1/hosts", key(theirs))), "access_denied") << "no operator";
}

TEST_P(Accounts, AMembersRoleBoundsTheirKeysAndWhoseKeysTheySee) {
  set_up();
  const auto theirs = stranger();
  std::string in_our_workspace;
  task([&] {
    AccountStore store(*db);
    store.insert_membership(first.workspace, AccountId("user_2"), Role::dev, core->now());
    in_our_workspace =
        accounts->make_api_key({.account = AccountId("user_2"), .workspace = first.workspace}, "dev", Scope::read_write)
            .value()
            .secret;
    store.insert_key({ApiKeyId("admins"), "a", "xxxx", Scope::read, true, core->now(), std::nullopt}, "digest",
                     first.workspace, first.account, std::nullopt);
  });
  EXPECT_EQ(stop(key(in_our_workspace)), 200);
  EXPECT_EQ(boost::json::parse(call(Method::get, "/v1/apikeys", key(in_our_workspace)).body).as_array().size(), 1u);
  EXPECT_EQ(code_of(call(Method::del, "/v1/apikeys/admins", key(in_our_workspace))), "api_key_not_found");
  db->exec("UPDATE memberships SET role = 'basic' WHERE account = 'user_2' AND workspace = $1", first.workspace);
  runtime.run_for(5s);
  EXPECT_EQ(stop(key(in_our_workspace)), 403) << "the key never may more than its bearer";
  db->exec("DELETE FROM memberships WHERE account = 'user_2' AND workspace = $1", first.workspace);
  runtime.run_for(5s);
  EXPECT_EQ(stop(key(in_our_workspace)), 401) << "no member any more";
  EXPECT_EQ(stop(key(theirs)), 200);
}

TEST_P(Accounts, APodsKeyIsForThatPodAndDiesWithIt) {
  set_up();
  std::string secret;
  task([&] { secret = accounts->make_pod_key(first.workspace, first.account, PodId("p1")); });
  EXPECT_EQ(stop(key(secret)), 200);
  EXPECT_EQ(call(Method::post, "/v1/pods/p2/stop", key(secret)).status, 403);
  EXPECT_EQ(call(Method::get, "/v1/me", key(secret)).status, 403);
  EXPECT_EQ(call(Method::post, "/v1/hosts", key(secret)).status, 403) << "though its owner is the operator";
  task([&] {
    http::Request request;
    request.headers.add("Authorization", secret);
    const auto caller = accounts->authenticate(request).value();
    EXPECT_EQ(caller.scope, Scope::pod);
    EXPECT_EQ(caller.pod, PodId("p1"));
    EXPECT_FALSE(caller.operator_of_installation);
  });
  task([&] { accounts->revoke_pod_keys(PodId("p1")); });
  EXPECT_EQ(stop(key(secret)), 401);
}

TEST_P(Accounts, KeysAreListedInPages) {
  const auto cookie = set_up();
  for (int i = 0; i < 7; ++i) {
    make_key(cookie);
    if (i % 2) runtime.run_for(1s);  // some are made in the same millisecond
  }
  std::vector<std::string> seen;
  std::string target = "/v1/apikeys?limit=3";
  for (int pages = 0; pages < 3; ++pages) {
    const auto response = call(Method::get, target, page(cookie));
    const auto rows = boost::json::parse(response.body);
    for (const auto& row : rows.as_array()) seen.push_back(boost::json::value_to<std::string>(row.at("id")));
    target = "/v1/apikeys?limit=3&cursor=" + std::string(response.headers.get("X-Next-Cursor"));
    EXPECT_EQ(response.headers.has("Link"), pages < 2);
  }
  EXPECT_EQ(seen.size(), 7u);
  EXPECT_EQ(std::set<std::string>(seen.begin(), seen.end()).size(), 7u);
}

TEST_P(Accounts, ThereIsALimitToKeys) {
  const auto cookie = set_up();
  for (int i = 0; i < 200; ++i) make_key(cookie);
  EXPECT_EQ(code_of(call(Method::post, "/v1/apikeys", page(cookie), "{}")), "too_many_api_keys");
}

TEST_P(Accounts, ASuspendedAccountIsOut) {
  const auto cookie = set_up();
  const auto secret = make_key(cookie);
  db->exec("UPDATE accounts SET status = 'suspended'");
  runtime.run_for(5s);
  EXPECT_EQ(stop(key(secret)), 401);
  EXPECT_EQ(stop(page(cookie)), 401);
  EXPECT_EQ(code_of(log_in()), "log_in_failed");
}

TEST_P(Accounts, AHashFromWhenPasswordsWereCheaperIsMadeAnewAtLogIn) {
  set_up();
  const auto hash = [&] { return db->value<std::string>("SELECT password_hash FROM accounts"); };
  EXPECT_NE(hash().find("m=8,t=1"), std::string::npos) << hash();
  accounts.emplace(*core, AccountSettings{.password_cost = {2, 16384}});
  router.emplace(*core, [this](const http::Request& request) { return accounts->authenticate(request); });
  router->add(account_routes(*accounts));
  EXPECT_EQ(log_in("Wrong horse 1").status, 401);
  EXPECT_NE(hash().find("m=8,t=1"), std::string::npos) << "not for whoever tries";
  EXPECT_EQ(log_in().status, 200);
  EXPECT_NE(hash().find("m=16,t=2"), std::string::npos) << hash();
  EXPECT_EQ(log_in().status, 200);
}

GYRE_TEST_ON_EVERY_DATABASE(Accounts);

}  // namespace
}  // namespace gyre
