#include "link/authority.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "base/files.hpp"
#include "link/join_token.hpp"

namespace gyre::link {
namespace {

using std::chrono::days;
constexpr Time now{Duration(1'790'000'000'000)};

class AuthorityTest : public testing::Test {
 protected:
  AuthorityTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "gyre-authority-XXXXXX").string();
    folder = ::mkdtemp(pattern.data());
  }
  ~AuthorityTest() override { std::filesystem::remove_all(folder); }
  std::filesystem::path folder;
};

TEST_F(AuthorityTest, IsMadeOnceAndFoundAgain) {
  const auto first = Authority::open(folder / "pki", now);
  ASSERT_TRUE(first) << first.error().message();
  const auto again = Authority::open(folder / "pki", now + days(100));
  ASSERT_TRUE(again);
  EXPECT_EQ(first->fingerprint(), again->fingerprint());
  EXPECT_EQ(first->fingerprint().size(), 64u);
  struct stat facts {};
  ASSERT_EQ(::stat((folder / "pki" / "ca.key").c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0777, 0600u);
}

TEST_F(AuthorityTest, IsNeverReplacedByItself) {
  ASSERT_TRUE(Authority::open(folder, now));
  const auto certificate = read_file(folder / "ca.crt").value().value();
  std::filesystem::remove(folder / "ca.key");
  auto opened = Authority::open(folder, now);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().reason, Reason::identity_unusable);
  ASSERT_TRUE(write_private_file(folder / "ca.key", make_key_and_request("x").key_pem));
  opened = Authority::open(folder, now);
  ASSERT_FALSE(opened) << "another key must not be taken for the authority's";
  ASSERT_TRUE(write_private_file(folder / "ca.key", "damaged"));
  EXPECT_FALSE(Authority::open(folder, now));
  EXPECT_EQ(read_file(folder / "ca.crt").value().value(), certificate);
}

TEST_F(AuthorityTest, ACrashBetweenKeyAndCertificateIsHealed) {
  ASSERT_TRUE(Authority::open(folder, now));
  const auto key = read_file(folder / "ca.key").value();
  std::filesystem::remove(folder / "ca.crt");
  ASSERT_TRUE(Authority::open(folder, now));
  EXPECT_EQ(read_file(folder / "ca.key").value(), key);
}

TEST_F(AuthorityTest, AHostsCertificateNamesTheHostAndLastsThirtyDays) {
  const auto authority = Authority::open(folder, now);
  ASSERT_TRUE(authority);
  const auto asked = make_key_and_request("whatever-the-host-says");
  const auto issued = authority->sign(asked.csr_pem, HostId("h1"), now);
  ASSERT_TRUE(issued) << issued.error().message();
  const auto facts = read_certificate(*issued);
  ASSERT_TRUE(facts);
  EXPECT_EQ(facts->host, HostId("h1"));
  EXPECT_EQ(facts->common_name, "h1") << "the request's own name must not count";
  EXPECT_EQ(facts->not_after, now + days(30));
  EXPECT_LT(facts->not_before, now);
  EXPECT_TRUE(check_issued(*issued, asked.key_pem, authority->certificate_pem(), now));
  EXPECT_FALSE(check_issued(*issued, asked.key_pem, authority->certificate_pem(), now + days(31))) << "expired";
  EXPECT_FALSE(check_issued(*issued, make_key_and_request("h").key_pem, authority->certificate_pem(), now))
      << "other key";
  const auto other = Authority::open(folder / "other", now);
  EXPECT_FALSE(check_issued(*issued, asked.key_pem, other->certificate_pem(), now)) << "other authority";
  EXPECT_NE(read_certificate(*authority->sign(asked.csr_pem, HostId("h1"), now))->fingerprint, facts->fingerprint);
}

TEST_F(AuthorityTest, RenewalIsDueInTheLastThird) {
  const auto authority = Authority::open(folder, now);
  const auto issued = authority->sign(make_key_and_request("h").csr_pem, HostId("h"), now, days(30));
  const auto facts = read_certificate(*issued);
  EXPECT_FALSE(facts->due_for_renewal(now));
  EXPECT_FALSE(facts->due_for_renewal(now + days(19)));
  EXPECT_TRUE(facts->due_for_renewal(now + days(20) + 1h));
  EXPECT_TRUE(facts->due_for_renewal(now + days(40)));
}

TEST_F(AuthorityTest, WhatIsNoProperRequestIsRefusedWithTheField) {
  const auto authority = Authority::open(folder, now);
  auto tampered = make_key_and_request("h").csr_pem;
  const auto middle = tampered.size() / 2;
  tampered[middle] = tampered[middle] == 'A' ? 'B' : 'A';
  for (const std::string& csr :
       {std::string(), std::string("hello"), std::string(100'000, 'x'), tampered, authority->certificate_pem()}) {
    const auto issued = authority->sign(csr, HostId("h"), now);
    ASSERT_FALSE(issued);
    EXPECT_EQ(issued.error().reason, Reason::certificate_request_invalid);
    EXPECT_EQ(issued.error().field, "csr");
  }
}

TEST_F(AuthorityTest, NoCertificateOutlivesItsAuthority) {
  const auto authority = Authority::open(folder, now);
  const auto end = read_certificate(authority->certificate_pem())->not_after;
  const auto issued = authority->sign(make_key_and_request("h").csr_pem, HostId("h"), end - days(1));
  EXPECT_EQ(read_certificate(*issued)->not_after, end);
}

TEST_F(AuthorityTest, AServerCertificateStaysUntilSomethingChanges) {
  const auto authority = Authority::open(folder, now);
  const std::vector<std::string> names{"gyre.example.com", "10.1.2.3", "fd00::1"};
  const auto first = authority->ensure_server_certificate("agents", names, now);
  ASSERT_TRUE(first) << first.error().message();
  EXPECT_TRUE(first->renewed);
  auto has = first->facts.names;
  std::sort(has.begin(), has.end());
  EXPECT_EQ(has, (std::vector<std::string>{"10.1.2.3", "fd00::1", "gyre.example.com", std::string(server_name)}));
  const auto key = read_file(first->key_file).value().value();

  EXPECT_FALSE(authority->ensure_server_certificate("agents", names, now + days(59))->renewed);
  const auto later = authority->ensure_server_certificate("agents", names, now + days(61));
  EXPECT_TRUE(later->renewed);
  EXPECT_EQ(later->facts.not_after, now + days(61 + 90));
  EXPECT_EQ(read_file(later->key_file).value().value(), key) << "the key stays, so that the pair always matches";

  EXPECT_TRUE(authority->ensure_server_certificate("agents", {"other.example.com"}, now + days(61))->renewed);
  ASSERT_TRUE(write_public_file(first->certificate_file, "damaged"));
  const auto healed = authority->ensure_server_certificate("agents", {"other.example.com"}, now + days(61));
  ASSERT_TRUE(healed);
  EXPECT_TRUE(healed->renewed);
  const auto chain = read_file(healed->certificate_file).value().value();
  EXPECT_TRUE(chain.ends_with(authority->certificate_pem())) << "the authority goes with it, for a token to vouch for";
}

TEST_F(AuthorityTest, AnotherAuthorityMeansAnotherServerCertificate) {
  const auto old_one = Authority::open(folder, now);
  ASSERT_TRUE(old_one->ensure_server_certificate("agents", {}, now));
  std::filesystem::remove(folder / "ca.key");
  std::filesystem::remove(folder / "ca.crt");
  const auto new_one = Authority::open(folder, now);
  EXPECT_TRUE(new_one->ensure_server_certificate("agents", {}, now)->renewed);
}

TEST(JoinTokenTest, CarriesTheBeginningOfTheFingerprint) {
  const auto made = make_join_token(std::string(43, '_'), std::string(64, 'a'));
  EXPECT_EQ(made.text, "gjt_" + std::string(43, '_') + "_aaaaaaaaaaaaaaaa") << "also with '_' in the secret";
  const auto parsed = parse_join_token(made.text);
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->ca_fingerprint, "aaaaaaaaaaaaaaaa");
}

TEST(JoinTokenTest, AnythingElseIsRefused) {
  const auto good = make_join_token(std::string(43, 'x'), std::string(64, 'a')).text;
  for (const auto& text : {std::string(), good.substr(1), good + "a", good.substr(0, good.size() - 1) + "g",
                           std::string("rpa_") + good.substr(4), good.substr(0, 10) + "!" + good.substr(11)})
    EXPECT_FALSE(parse_join_token(text)) << text;
}

}  // namespace
}  // namespace gyre::link
