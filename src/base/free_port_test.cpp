#include "base/free_port.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <set>

namespace gyre {
namespace {

constexpr auto any = [](int) { return true; };

TEST(LastingPort, LiesBelowWhatTheKernelGivesToOutgoingConnections) {
  for (std::uint32_t start : {0U, 1U, 22'767U, 22'768U, 4'294'967'295U}) {
    const int port = choose_lasting_port({32768, 60999}, start, any);
    EXPECT_GE(port, 10'000);
    EXPECT_LT(port, 32768);
  }
}

TEST(LastingPort, LiesAboveARangeThatBeginsLow) {
  for (std::uint32_t start : {0U, 7U, 99'999U}) EXPECT_GT(choose_lasting_port({9000, 61000}, start, any), 61000);
}

TEST(LastingPort, IsFoundEvenWhereTheRangeTakesNearlyEverything) {
  EXPECT_LT(choose_lasting_port({2000, 65535}, 5, any), 2000);
  EXPECT_EQ(choose_lasting_port({1024, 65535}, 0, any), 1024) << "any port is better than none";
}

TEST(LastingPort, LooksFurtherUntilOneIsUsable) {
  std::set<int> asked;
  const int port = choose_lasting_port({32768, 60999}, 5, [&](int candidate) {
    asked.insert(candidate);
    return candidate == 10'004;  // the last one it comes to
  });
  EXPECT_EQ(port, 10'004);
  EXPECT_EQ(asked.size(), 32768U - 10'000U);
  EXPECT_EQ(choose_lasting_port({32768, 60999}, 5, [](int) { return false; }), 0);
}

TEST(LastingPort, OfThisMachineCanBeOpenedAndIsNotGivenWhileItIs) {
  const int port = lasting_free_port("127.0.0.1");
  const auto range = ephemeral_ports();
  ASSERT_TRUE(port > 0 && (port < range.first || port > range.last)) << port;
  const int holder = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  ASSERT_EQ(::bind(holder, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  for (int i = 0; i < 50; ++i) EXPECT_NE(lasting_free_port("127.0.0.1"), port);
  ::close(holder);
}

TEST(LastingPort, OfAnAddressThatIsNotOursIsNone) {
  EXPECT_EQ(lasting_free_port("203.0.113.7"), 0);
  EXPECT_EQ(lasting_free_port("nonsense"), 0);
}

}  // namespace
}  // namespace gyre
