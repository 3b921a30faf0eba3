// The agent's tunnels on real sockets; the server's side of each carry is the test.
#include "agent/tunnels.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <condition_variable>
#include <future>
#include <mutex>
#include <thread>

#include "base/check.hpp"
#include "runtime/asio_runtime.hpp"

namespace gyre::agent {
namespace {

constexpr auto patience = std::chrono::seconds(10);

// The carry as the tunnel sees it: the test plays the link.
class Line final : public link::Carry {
 public:
  void attach(Events events) override {
    const std::lock_guard lock(mutex_);
    events_ = std::move(events);
  }
  void read() override {
    change([this] { reads_ += 1; });
  }
  void write(std::string bytes, bool last) override {
    change([&] {
      heard_ += bytes;
      ended_ = last;
    });
    events_.written();
  }
  void cancel() override {
    change([this] { cancelled_ = true; });
  }

  bool says(std::string bytes, bool last = false) {  // once it is asked
    if (!becomes([this] { return reads_ > 0; })) return false;
    change([this] { --reads_; });
    events_.read(std::move(bytes), last);
    return true;
  }
  bool hears(const std::string& text) {
    return becomes([&] { return heard_ == text; });
  }
  bool ends() {
    return becomes([this] { return ended_; });
  }
  bool is_cancelled() {
    return becomes([this] { return cancelled_; });
  }

 private:
  template <class F>
  void change(F with) {
    const std::lock_guard lock(mutex_);
    with();
    changed_.notify_all();
  }
  template <class F>
  bool becomes(F wanted) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, patience, wanted);
  }
  std::mutex mutex_;
  std::condition_variable changed_;
  Events events_;
  int reads_ = 0;
  std::string heard_;
  bool ended_ = false, cancelled_ = false;
};

class TunnelsTest : public testing::Test {
 protected:
  TunnelsTest() : core_([this] { runtime_.run(); }) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    CHECK(::bind(listener_, reinterpret_cast<sockaddr*>(&address), size) == 0 && ::listen(listener_, 8) == 0);
    CHECK(::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) == 0);
    port_ = ntohs(address.sin_port);
  }
  ~TunnelsTest() override {
    tunnels_.reset();
    runtime_.stop();
    core_.join();
    ::close(listener_);
  }
  // Opens one on the core; the carry that it asked for, or why it said there is none.
  std::pair<std::shared_ptr<Line>, std::optional<Error>> open(const Result<Tunnels::Target>& target) {
    std::promise<std::pair<std::shared_ptr<Line>, std::optional<Error>>> asked;
    runtime_.post([&] {
      tunnels_.emplace(runtime_, [&](const std::string& token, const std::optional<Error>& why) {
        EXPECT_EQ(token, "token");
        auto line = why ? nullptr : std::make_shared<Line>();
        asked.set_value({line, why});
        return line;
      });
      tunnels_->open("token", target);
    });
    auto outcome = asked.get_future();
    if (outcome.wait_for(patience) != std::future_status::ready) {
      ADD_FAILURE() << "the tunnel asked for no carry";
      std::abort();
    }
    return outcome.get();
  }
  Tunnels::Target here() const { return {"p", "127.0.0.1", 80, port_}; }
  int accept() {
    pollfd waiting{listener_, POLLIN, 0};
    EXPECT_EQ(::poll(&waiting, 1, 10'000), 1) << "nobody connects";
    return ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
  }
  static std::string hear(int fd) {  // what comes next; empty: the end
    pollfd waiting{fd, POLLIN, 0};
    EXPECT_EQ(::poll(&waiting, 1, 10'000), 1) << "nothing comes";
    char buffer[4096];
    const auto got = ::recv(fd, buffer, sizeof buffer, 0);
    return got > 0 ? std::string(buffer, static_cast<std::size_t>(got)) : "";
  }

  AsioRuntime runtime_;
  std::optional<Tunnels> tunnels_;
  const int listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int port_ = 0;
  std::thread core_;
};

TEST_F(TunnelsTest, CarriesBothWaysAndEachHalfEndsByItself) {
  const auto line = open(here()).first;
  ASSERT_NE(line, nullptr);
  const int pod = accept();
  ASSERT_TRUE(line->says("hello"));
  EXPECT_EQ(hear(pod), "hello");
  ASSERT_TRUE(line->says("", true));
  EXPECT_EQ(hear(pod), "");
  ASSERT_EQ(::send(pod, "world", 5, 0), 5);  // the other half goes on
  EXPECT_TRUE(line->hears("world"));
  ::close(pod);
  EXPECT_TRUE(line->ends());
  for (int i = 0; i < 1000 && tunnels_->open_now() > 0; ++i) ::poll(nullptr, 0, 10);
  EXPECT_EQ(tunnels_->open_now(), 0);
}

TEST_F(TunnelsTest, NobodyListensIsSaid) {
  ::shutdown(listener_, SHUT_RDWR);
  const auto [line, why] = open(here());
  EXPECT_EQ(line, nullptr);
  ASSERT_TRUE(why);
  EXPECT_EQ(why->reason, Reason::tunnel_not_possible);
  EXPECT_NE(why->message().find("refused"), std::string::npos) << why->message();
}

TEST_F(TunnelsTest, WhatTheAgentRefusesIsSaid) {
  const auto why = open(fail(Reason::tunnel_not_possible, {{"detail", "no such pod"}})).second;
  ASSERT_TRUE(why);
  EXPECT_EQ(why->args.at(0).second, "no such pod");
}

TEST_F(TunnelsTest, ItsEndCutsThemOff) {
  const auto line = open(here()).first;
  const int pod = accept();
  ASSERT_TRUE(line->says("x"));
  EXPECT_EQ(hear(pod), "x");
  tunnels_.reset();
  EXPECT_TRUE(line->is_cancelled());
  EXPECT_EQ(hear(pod), "");
  ::close(pod);
}

}  // namespace
}  // namespace gyre::agent
