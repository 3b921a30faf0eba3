#include "ssh_gateway/words.hpp"

#include <gtest/gtest.h>

#include "ssh_gateway/tries.hpp"

namespace gyre::ssh {
namespace {

TEST(SshWords, AUserIsAPodWithOrWithoutTheRestOfItsHostName) {
  const auto whole = user_name("2s56cp0pof1rmt-6441103b");
  EXPECT_EQ(whole.pod.str(), "2s56cp0pof1rmt");
  EXPECT_EQ(whole.host_name, "2s56cp0pof1rmt-6441103b");
  const auto half = user_name("2s56cp0pof1rmt");
  EXPECT_EQ(half.pod.str(), "2s56cp0pof1rmt");
  EXPECT_EQ(half.host_name, "");
}

TEST(SshWords, ALineHoldsItsKeyAndNoOther) {
  EXPECT_TRUE(holds_key("ssh-ed25519 AAAAC3Nza me@laptop", "AAAAC3Nza"));
  EXPECT_TRUE(holds_key("  ssh-rsa\tAAAAB3\r", "AAAAB3"));
  EXPECT_FALSE(holds_key("ssh-ed25519 AAAAC3Nza me@laptop", "AAAAC3Nz"));
  EXPECT_FALSE(holds_key("ssh-ed25519 AAAAC3Nza me@laptop", "me@laptop"));
  EXPECT_FALSE(holds_key("# ssh-ed25519 AAAAC3Nza", "AAAAC3Nza"));
  EXPECT_FALSE(holds_key("from=\"10.0.0.1\" ssh-ed25519 AAAAC3Nza", "AAAAC3Nza"));
  EXPECT_FALSE(holds_key("ssh-ed25519", ""));
  EXPECT_FALSE(holds_key("", ""));
}

TEST(SshWords, ACommandIsOneWordOfItsShell) {
  EXPECT_EQ(program_command("echo \"$HOME\"; exit 3", "xterm").back(), "echo \"$HOME\"; exit 3");
  EXPECT_EQ(shell_command("xterm-256color").back(), "xterm-256color");
  EXPECT_EQ(shell_command("a'; rm -rf /").back(), "");
  EXPECT_EQ(language_of("ko_KR.UTF-8"), Language::ko);
  EXPECT_EQ(language_of("C"), Language::en);
  EXPECT_EQ(key_of_signal("INT"), '\x03');
  EXPECT_EQ(key_of_signal("USR1"), '\0');
}

TEST(SshTries, AnAddressThatIsRefusedTooOftenWaits) {
  Tries tries;
  for (int i = 0; i < Tries::per_address_max; ++i) {
    EXPECT_EQ(tries.wait("10.0.0.1", 0s), 0);
    tries.refused("10.0.0.1", 0s);
  }
  EXPECT_EQ(tries.wait("10.0.0.1", 15s), 45);
  EXPECT_EQ(tries.wait("10.0.0.2", 15s), 0);
  EXPECT_EQ(tries.wait("10.0.0.1", 60s), 0);
  tries.refused("10.0.0.1", 61s);
  tries.welcome("10.0.0.1");
  EXPECT_EQ(tries.size(), 0u);
}

TEST(SshTries, OnlySoManyAddressesAreRemembered) {
  Tries tries;
  for (std::size_t i = 0; i < Tries::addresses_max + 10; ++i)
    tries.refused(std::to_string(i), Duration(static_cast<std::int64_t>(i)));
  EXPECT_EQ(tries.size(), Tries::addresses_max);
}

}  // namespace
}  // namespace gyre::ssh
