// The pure parts: rules of passwords, e-mails and roles, the patience with failed log-ins, what a request carries.
#include <gtest/gtest.h>

#include "accounts/account.hpp"
#include "accounts/credentials.hpp"
#include "accounts/password.hpp"
#include "accounts/throttle.hpp"
#include "sim/sim_runtime.hpp"

namespace gyre {
namespace {

constexpr PasswordCost cheap{1, 8192};

std::string broken_rule(std::string_view password) {
  const auto checked = check_password(password);
  if (checked) return "";
  EXPECT_EQ(checked.error().field, "password");
  return std::string(reason_text(checked.error().reason));
}

TEST(PasswordRule, NamesTheClassThatIsMissing) {
  EXPECT_EQ(broken_rule("Abcdef1!"), "");
  EXPECT_EQ(broken_rule("abcdef1!"), "password_needs_upper_case");
  EXPECT_EQ(broken_rule("ABCDEF1!"), "password_needs_lower_case");
  EXPECT_EQ(broken_rule("Abcdefg!"), "password_needs_digit");
  EXPECT_EQ(broken_rule("Abcdefg1"), "password_needs_special");
  EXPECT_EQ(broken_rule("Abcde1!"), "password_length");
  EXPECT_EQ(broken_rule("Abcdef1비밀"), "");  // characters, not bytes; any script is special
  EXPECT_EQ(broken_rule("Aa1!" + std::string(252, 'x')), "");
  EXPECT_EQ(broken_rule("Aa1!" + std::string(253, 'x')), "password_length");
}

TEST(PasswordHash, VerifiesOnlyItsOwnPassword) {
  const auto hash = hash_password("Abcdef1!", cheap).value();
  EXPECT_TRUE(hash.starts_with("$argon2id$"));
  EXPECT_TRUE(verify_password(hash, "Abcdef1!"));
  EXPECT_FALSE(verify_password(hash, "Abcdef1?"));
  EXPECT_FALSE(verify_password(hash, ""));
  EXPECT_NE(hash_password("Abcdef1!", cheap), hash) << "no salt";
  EXPECT_FALSE(needs_new_hash(hash, cheap));
  EXPECT_TRUE(needs_new_hash(hash, {2, 16384}));
}

TEST(PasswordHash, NobodysHashCostsAsMuchAndIsNobodys) {
  const auto nobody = nobodys_hash(cheap);
  EXPECT_FALSE(needs_new_hash(nobody, cheap)) << "other parameters, or not a hash that libsodium reads: " << nobody;
  EXPECT_FALSE(needs_new_hash(nobodys_hash({}), {}));
  EXPECT_FALSE(verify_password(nobody, ""));
}

TEST(Email, IsOneWhateverItsCase) {
  EXPECT_EQ(normal_email("  Kim@Example.ORG ").value(), "kim@example.org");
  for (const std::string wrong :
       {"", "kim", "@example.org", "kim@", "a@b@c", "kim lee@example.org", "kim@exa\nmple.org"})
    EXPECT_EQ(normal_email(wrong).error().field, "email") << wrong;
  EXPECT_FALSE(normal_email(std::string(250, 'x') + "@y.zz"));
}

TEST(Name, HasNoControlCharacters) {
  EXPECT_EQ(normal_name(" 노트북 ", "name").value(), "노트북");
  EXPECT_FALSE(normal_name("", "name"));
  EXPECT_FALSE(normal_name("a\tb", "name"));
  EXPECT_FALSE(normal_name(std::string("a\0b", 3), "name"));
  EXPECT_TRUE(normal_name(std::string(100, 'x'), "name"));
  EXPECT_FALSE(normal_name(std::string(101, 'x'), "name"));
}

TEST(Roles, AKeyNeverMayMoreThanItsBearer) {
  EXPECT_EQ(allowed_scope(Scope::read_write, Role::admin), Scope::read_write);
  EXPECT_EQ(allowed_scope(Scope::read_write, Role::dev), Scope::read_write);
  EXPECT_EQ(allowed_scope(Scope::read_write, Role::billing), Scope::read);
  EXPECT_EQ(allowed_scope(Scope::read_write, Role::basic), Scope::read);
  EXPECT_EQ(allowed_scope(Scope::read, Role::admin), Scope::read);
  EXPECT_EQ(allowed_scope(Scope::pod, Role::basic), Scope::pod);
}

TEST(Throttle, TheFirstFailuresAreFreeAndThenEachDoublesTheWait) {
  const ThrottlePolicy policy{3, 1s, 10s, 1h};
  const Time now{std::chrono::hours(1000)};
  ThrottleState state;
  std::vector<Duration> waits;
  for (int i = 0; i < 9; ++i) {
    state = throttle_failed(state, policy, now);
    waits.push_back(throttle_wait(state, policy, now));
  }
  EXPECT_EQ(waits, (std::vector<Duration>{0s, 0s, 0s, 1s, 2s, 4s, 8s, 10s, 10s}));
  EXPECT_EQ(throttle_wait(state, policy, now + 4s), 6s);
  EXPECT_EQ(throttle_wait(state, policy, now + 10s), 0s);
  state = throttle_failed(state, policy, now + 1h + 1ms);
  EXPECT_EQ(state.failures, 1) << "an hour without a failure, and they are forgotten";
}

TEST(Throttle, NoClockMakesItLongerThanTheLimitAndNobodyGetsManyTries) {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    sim::SimRandom dice(seed);
    const ThrottlePolicy policy{static_cast<int>(dice.below(6)), 1s, 5min, 1h};
    Time now{std::chrono::hours(1000)};
    ThrottleState state;
    int tries = 0;
    const auto end = now + 24h;
    while (now < end) {
      const auto wait = throttle_wait(state, policy, now);
      ASSERT_GE(wait, 0s);
      ASSERT_LE(wait, policy.longest_wait);
      now += wait;
      state = throttle_failed(state, policy, now);
      ++tries;
      now += Duration(static_cast<std::int64_t>(dice.below(2000)));  // an impatient attacker
    }
    EXPECT_LE(tries, policy.free + 9 + 24 * 12 + 1) << seed;  // a day in steps of five minutes
    EXPECT_LE(throttle_wait(state, policy, now - 240h), policy.longest_wait) << "the clock jumped back";
  }
}

http::Request request_with(std::vector<std::pair<std::string, std::string>> headers, std::string_view target = "/") {
  http::Request request;
  EXPECT_TRUE(http::set_target(request, target));
  for (auto& [name, value] : headers) request.headers.add(name, value);
  return request;
}

TEST(Credentials, AKeyIsFoundWhereEveryClientPutsIt) {
  EXPECT_EQ(api_key_of(request_with({{"Authorization", "Bearer rpa_x"}})), "rpa_x");
  EXPECT_EQ(api_key_of(request_with({{"authorization", "bearer  rpa_x "}})), "rpa_x");
  EXPECT_EQ(api_key_of(request_with({{"Authorization", "rpa_x"}})), "rpa_x");
  EXPECT_EQ(api_key_of(request_with({{"Authorization", "BearerX"}})), "BearerX");
  EXPECT_EQ(api_key_of(request_with({}, "/v1?a=b&api_key=rpa%5Fx")), "rpa_x");
  EXPECT_EQ(api_key_of(request_with({{"Authorization", "Bearer"}}, "/?api_key=rpa_x")), "") << "a key was meant";
  EXPECT_EQ(api_key_of(request_with({{"Cookie", "gyre_session=t"}})), std::nullopt);
}

TEST(Credentials, TheSessionIsFoundAmongOtherCookies) {
  EXPECT_EQ(session_token_of(request_with({{"Cookie", "a=1; gyre_session=tok; b=2"}})), "tok");
  EXPECT_EQ(session_token_of(request_with({{"Cookie", "gyre_session=tok"}})), "tok");
  EXPECT_EQ(session_token_of(request_with({{"Cookie", "xgyre_session=tok;gyre_session=;; =;gyre_session"}})),
            std::nullopt);
  EXPECT_EQ(session_token_of(request_with({})), std::nullopt);
}

TEST(Credentials, OnlyAPageOfOursSendsTheHeaderOrIsVouchedFor) {
  EXPECT_EQ(site_of(request_with({{"X-Gyre-CSRF", "1"}, {"Origin", "http://other"}})), Site::ours);
  EXPECT_EQ(site_of(request_with({{"Sec-Fetch-Site", "same-origin"}})), Site::ours);
  EXPECT_EQ(site_of(request_with({{"Sec-Fetch-Site", "same-site"}})), Site::foreign);
  EXPECT_EQ(site_of(request_with({{"Sec-Fetch-Site", "cross-site"}, {"Host", "a"}, {"Origin", "http://a"}})),
            Site::foreign);
  EXPECT_EQ(site_of(request_with({{"Host", "gyre.example:8443"}, {"Origin", "https://Gyre.example:8443"}})),
            Site::ours);
  EXPECT_EQ(site_of(request_with({{"Host", "gyre.example"}, {"Origin", "https://gyre.example:8443"}})), Site::foreign);
  EXPECT_EQ(site_of(request_with({{"Host", "gyre.example"}, {"Origin", "null"}})), Site::foreign);
  EXPECT_EQ(site_of(request_with({{"Origin", "https://"}})), Site::foreign);
  EXPECT_EQ(site_of(request_with({})), Site::unknown);
}

TEST(Credentials, TheCookieIsKeptFromScriptsAndOtherSites) {
  EXPECT_EQ(session_cookie("tok", 30s, true), "gyre_session=tok; Path=/; HttpOnly; SameSite=Lax; Max-Age=30; Secure");
  EXPECT_EQ(no_session_cookie(false), "gyre_session=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0");
}

}  // namespace
}  // namespace gyre
