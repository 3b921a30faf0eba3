#include "agent/host_facts.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>

namespace gyre::agent {
namespace {

TEST(HostFactsTest, TheNameOfTheSystemIsReadWhateverItsQuotes) {
  EXPECT_EQ(os_name("ID=debian\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nX=1\n"),
            "Debian GNU/Linux 12 (bookworm)");
  EXPECT_EQ(os_name("PRETTY_NAME='Arch Linux'"), "Arch Linux");
  EXPECT_EQ(os_name("PRETTY_NAME=Alpine"), "Alpine");
  EXPECT_EQ(os_name("PRETTY_NAME=\""), "\"");
  EXPECT_EQ(os_name("NAME=x\n"), "");
  EXPECT_EQ(os_name(""), "");
}

TEST(HostFactsTest, ThisMachineHasAnAddressThatIsOne) {
  in_addr parsed{};
  EXPECT_EQ(::inet_pton(AF_INET, own_address().c_str(), &parsed), 1) << own_address();
}

TEST(HostFactsTest, ThisMachineKnowsItself) {
  const auto facts = gather_host_facts("");
  EXPECT_FALSE(facts.hostname.empty());
  EXPECT_EQ(facts.architecture, "x86_64");
  EXPECT_EQ(facts.boot_id.size(), 36u) << facts.boot_id;
  EXPECT_GT(facts.cpus, 0);
  EXPECT_GT(facts.memory_bytes, 64 << 20);
  EXPECT_EQ(facts.agent_version, GYRE_VERSION);
}

TEST(HostFactsTest, AnAdvertisedAddressWins) {
  EXPECT_EQ(gather_host_facts("gpu7.example.com").public_address, "gpu7.example.com");
}

}  // namespace
}  // namespace gyre::agent
