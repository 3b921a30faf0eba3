#include "db/backends.hpp"
#include "db/test_database.hpp"
#include "settings/settings_service.hpp"
#include "settings/settings_store.hpp"
#include "settings/ssh_keys.hpp"
#include "sim/calls.hpp"
#include "sim/sim_runtime.hpp"

namespace gyre {
namespace {

using http::Method;
using sim::text_of;

// Made for these tests; nobody has the private halves.
const std::string ed25519 = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMHLjNwQyYgpxrSwlsb+njdTm2TBCGP+GhuuIW+YoCd6";
const std::string rsa =
    "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQC6Rw3dXAjpAY+m86zajLMK4a/kK+PUZI2rlVFS9+H2sslMtQjp52cnlmA"
    "Rfa3Psag/QycR9CuAyGJs6OQgCSVEA/ePYxcqBsNGi4gLio7fiHkNWnLN0ffcHESlGlsTYEyk6BWbAwvup1+2QqgV1jsit+"
    "U6AiCsHGEy2UyaEcE+W8tRAaP8aW3WNR1Y/q6+QQ9Qsfx4Rqd0A1qm4zuurgvnc3m0ZEpjVLVbcGFK39wqBEFwNMVZqtS3M"
    "3piAVDl61t12o45iviZWZFVSNrsBILLJeJ24kd37h6ctJuqaRScVd7CXUSX+dct4A04o+0JhTRtc3omzdrpptCepg/ccoxl";
const std::string rsa_1024 =
    "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQDJ8fwIJESl2Xidy3JeTERK7T7GMqBCtQdpcsuS+YdbE69OX1n3leXz1Ag"
    "NtqOuSPc5pAAlJkE1aWlnxn6bfv8U/S2lf+90c0ODbD7vXKaWTMWQ9VxN4UhtR8U+Z/dztI46BsK4EHSDp5nFk6ZWkFt1s+"
    "j9Gy7gUNeabD+ooYbcpQ==";

std::string refusal(const std::string& text) {
  const auto keys = parse_ssh_keys(text, "pubKey");
  return keys ? "" : keys.error().message();
}

TEST(SshKeys, TakesOneALineAndEachOnce) {
  const auto keys =
      parse_ssh_keys("# mine\n\n  " + ed25519 + " laptop \r\n" + rsa + "\n" + ed25519 + " again\n", "pubKey");
  ASSERT_TRUE(keys) << keys.error().message();
  EXPECT_EQ(*keys, (std::vector<std::string>{ed25519 + " laptop", rsa}));
  EXPECT_TRUE(parse_ssh_keys("", "pubKey")->empty());
  // The 32 bytes of an ed25519 key may be any.
  std::string many;
  for (int i = 0; i < 101; ++i) {
    auto key = ed25519;
    key[60] = static_cast<char>('A' + i % 26);
    key[61] = static_cast<char>('A' + i / 26);
    many += key + "\n";
  }
  EXPECT_FALSE(refusal(many).empty());
  many.pop_back();
  EXPECT_EQ(parse_ssh_keys(many.substr(0, many.rfind('\n')), "pubKey")->size(), 100u);
}

TEST(SshKeys, ARefusalIsInTheReadersLanguage) {
  const auto keys = parse_ssh_keys("hello there", "pubKey");
  ASSERT_FALSE(keys);
  EXPECT_NE(keys.error().message(Language::ko).find("1번째 줄"), std::string::npos)
      << keys.error().message(Language::ko);
  EXPECT_NE(keys.error().message(Language::ko).find("공개 키"), std::string::npos);
}

TEST(SshKeys, SaysWhichLineIsNoneAndNeverRepeatsIt) {
  EXPECT_NE(refusal(ed25519 + "\nhello there").find("line 2"), std::string::npos);
  EXPECT_NE(refusal("-----BEGIN OPENSSH PRIVATE KEY-----\nc2VjcmV0").find("private key"), std::string::npos);
  EXPECT_EQ(refusal("-----BEGIN OPENSSH PRIVATE KEY-----\nc2VjcmV0").find("c2VjcmV0"), std::string::npos);
  EXPECT_FALSE(refusal("ssh-ed25519").empty());
  EXPECT_FALSE(refusal("ssh-ed25519 !!!!").empty());
  EXPECT_FALSE(refusal(rsa_1024).empty());
  EXPECT_FALSE(refusal("command=\"x\" " + ed25519).empty());
  EXPECT_FALSE(refusal("ssh-rsa" + ed25519.substr(ed25519.find(' '))).empty()) << "another type than the key says";
}

TEST(SshKeys, AKeyThatWasCutIsDamaged) {
  for (std::size_t size = 12; size + 1 < ed25519.size(); ++size)
    EXPECT_FALSE(refusal(ed25519.substr(0, size)).empty()) << size;
}

class SettingsStoreTest : public testing::TestWithParam<db::Backend> {
 protected:
  db::TestDatabase database_{GetParam()};
};

TEST_P(SettingsStoreTest, AreThereWithoutARowAndAStaleWriteThrows) {
  if (!database_.available()) GTEST_SKIP() << db::no_postgres;
  const auto db = database_.connect();
  db::migrate(*db);
  db->exec("INSERT INTO accounts (id, name, is_operator, status, created_at) VALUES ('a1', 'a', 0, 'active', 1)");
  SettingsStore store(*db);
  auto settings = store.find(AccountId("a1"));
  EXPECT_EQ(settings.version, 0);
  EXPECT_FALSE(settings.language);
  settings.ssh_keys = "ssh-ed25519 x";
  store.save(settings);
  auto stale = settings;
  settings.language = "ko";
  store.save(settings);
  EXPECT_THROW(store.save(stale), db::DbError);
  const auto read = store.find(AccountId("a1"));
  EXPECT_EQ(read.ssh_keys, "ssh-ed25519 x");
  EXPECT_EQ(read.language, "ko");
  EXPECT_EQ(read.version, 2);
}
GYRE_TEST_ON_EVERY_DATABASE(SettingsStoreTest);

TEST(Settings, GiveTheKeysThatMayLogInOneByOne) {
  sim::SimRuntime runtime(1);
  const auto db = db::open_sqlite(":memory:");
  db::migrate(*db);
  db->exec("INSERT INTO accounts (id, name, is_operator, status, created_at) VALUES ('a1', 'a', 0, 'active', 1)");
  Core core(runtime, *db);
  SettingsService settings(core);
  Caller caller;
  caller.account = AccountId("a1");
  EXPECT_TRUE(settings.authorized_keys(caller.account).empty());
  SettingsChange change;
  change.ssh_keys = ed25519 + " laptop\n\n" + rsa + "\n";
  std::optional<Result<UserSettings>> done;
  core.post("test", [&] { done = settings.update(caller, change); });
  while (!done && runtime.step()) {
  }
  ASSERT_TRUE(done && *done);
  EXPECT_EQ(settings.authorized_keys(caller.account), (std::vector<std::string>{ed25519 + " laptop", rsa}));
}

TEST(Settings, AreOnesOwnAndCheckedByField) {
  sim::World world(1);
  const std::string path = "/v1/me/settings";
  EXPECT_EQ(text_of(world.call(Method::get, path), "pubKey"), "");
  const auto changed = world.call(Method::patch, path, R"({"language":"ko","pubKey":")" + ed25519 + "\"}");
  EXPECT_EQ(changed.status, 200) << changed.body;
  EXPECT_EQ(text_of(changed, "pubKey"), ed25519);
  EXPECT_EQ(text_of(world.call(Method::post, path + "/update", R"({"language":""})"), "pubKey"), ed25519);
  EXPECT_EQ(text_of(world.call(Method::patch, path, R"({"pubKey":"no key"})"), "field"), "pubKey");
  EXPECT_EQ(text_of(world.call(Method::patch, path, R"({"language":"xx"})"), "field"), "language");
  EXPECT_EQ(world.call(Method::patch, path, R"({"language":"en"})", world.new_key(Scope::read)).status, 403);
  EXPECT_EQ(text_of(world.call(Method::get, path, "", world.stranger_key()), "pubKey"), "") << "another person's";
}

}  // namespace
}  // namespace gyre
