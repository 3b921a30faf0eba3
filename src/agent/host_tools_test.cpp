#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <thread>

#include "agent/agent.hpp"

namespace gyre::agent {
namespace {

class Listener {
 public:
  explicit Listener(int port) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    bound_ = ::bind(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  }
  ~Listener() { ::close(fd_); }
  bool listen() const { return bound_ && ::listen(fd_, 4) == 0; }
  int accept() const { return ::accept(fd_, nullptr, nullptr); }

 private:
  int fd_;
  bool bound_;
};

TEST(HostTools, AFreePortCanBeListenedOnAndIsSeenToAccept) {
  const auto tools = system_host_tools("/");
  const int port = tools.free_port("127.0.0.1");
  ASSERT_GT(port, 0);
  EXPECT_FALSE(tools.accepts("127.0.0.1", port));
  const Listener listener(port);
  ASSERT_TRUE(listener.listen());
  EXPECT_TRUE(tools.accepts("127.0.0.1", port));
}

TEST(HostTools, AProxyThatAcceptsForNobodyDoesNotCount) {
  const auto tools = system_host_tools("/");
  const int port = tools.free_port("127.0.0.1");
  const Listener listener(port);
  ASSERT_TRUE(listener.listen());
  std::thread proxy([&] { ::close(listener.accept()); });
  EXPECT_FALSE(tools.accepts("127.0.0.1", port));
  proxy.join();
}

TEST(HostTools, AServerThatSpeaksFirstCounts) {
  const auto tools = system_host_tools("/");
  const int port = tools.free_port("127.0.0.1");
  const Listener listener(port);
  ASSERT_TRUE(listener.listen());
  std::thread server([&] {
    const int connection = listener.accept();
    EXPECT_EQ(::send(connection, "SSH-2.0\n", 8, MSG_NOSIGNAL), 8);
    ::close(connection);
  });
  EXPECT_TRUE(tools.accepts("127.0.0.1", port));
  server.join();
}

TEST(HostTools, AnAddressThatIsNoneHasNoPortAndAcceptsNothing) {
  const auto tools = system_host_tools("/");
  EXPECT_EQ(tools.free_port("not an address"), 0);
  EXPECT_FALSE(tools.accepts("not an address", 80));
}

TEST(HostTools, DiskSpaceIsTold) {
  const auto root = system_host_tools("/").disk("");
  EXPECT_GT(root.free_bytes, 0);
  EXPECT_GT(root.bytes, root.free_bytes);
  EXPECT_GT(root.bytes, 64 << 20);
  EXPECT_EQ(system_host_tools("/nowhere").disk("").bytes, 0);
  // What the engine says counts; a folder that is not here (an engine in a container, say) does not.
  EXPECT_EQ(system_host_tools("/nowhere").disk("/").bytes, root.bytes);
  EXPECT_EQ(system_host_tools("/").disk("/nowhere").bytes, root.bytes);
  EXPECT_NE(system_host_tools("/").disk("/dev").bytes, root.bytes);
}

}  // namespace
}  // namespace gyre::agent
