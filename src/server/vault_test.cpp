#include "server/vault.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <fstream>

namespace gyre::server {
namespace {

class VaultTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "gyre-vault-XXXXXX").string();
    dir_ = ::mkdtemp(name.data());
  }
  void TearDown() override { std::filesystem::remove_all(dir_); }
  std::filesystem::path file() const { return dir_ / "secret.key"; }
  std::filesystem::path dir_;
};

TEST_F(VaultTest, WhatIsSealedIsOpenedByTheSameInstallationOnly) {
  const auto vault = Vault::open(file());
  ASSERT_TRUE(vault);
  const auto sealed = vault->seal("비밀번호");
  EXPECT_NE(sealed, vault->seal("비밀번호"));
  EXPECT_EQ(Vault::open(file())->unseal(sealed), "비밀번호");
  EXPECT_FALSE(Vault::open(dir_ / "other.key")->unseal(sealed));
}

TEST_F(VaultTest, WhatWasChangedIsNotOpened) {
  const auto vault = Vault::open(file());
  auto sealed = vault->seal("password");
  sealed[10] = sealed[10] == 'A' ? 'B' : 'A';
  EXPECT_FALSE(vault->unseal(sealed));
  EXPECT_FALSE(vault->unseal(""));
  EXPECT_FALSE(vault->unseal("not base64!"));
}

TEST_F(VaultTest, APodsKeyIsItsOwnAndStaysTheSame) {
  const auto vault = Vault::open(file());
  const auto key = vault->pod_key(PodId("2s56cp0pof1rmt"));
  EXPECT_EQ(key.size(), 47u);
  EXPECT_EQ(key, Vault::open(file())->pod_key(PodId("2s56cp0pof1rmt")));
  EXPECT_NE(key, vault->pod_key(PodId("2s56cp0pof1rmu")));
  EXPECT_NE(key, Vault::open(dir_ / "other.key")->pod_key(PodId("2s56cp0pof1rmt")));
}

TEST_F(VaultTest, TheSecretIsPrivateAndADamagedOneIsNeverReplaced) {
  ASSERT_TRUE(Vault::open(file()));
  struct stat status {};
  ::stat(file().c_str(), &status);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  std::ofstream(file()) << "short";
  EXPECT_FALSE(Vault::open(file()));
  EXPECT_EQ(std::filesystem::file_size(file()), 5u);
}

}  // namespace
}  // namespace gyre::server
