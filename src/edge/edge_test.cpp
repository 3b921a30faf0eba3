// The proxy on real sockets: a client, the HTTP server with the edge, and a program in a "pod" that does what a test
// tells it to. Every wait ends after ten seconds with words.
#include "edge/edge.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <condition_variable>
#include <future>
#include <mutex>
#include <thread>

#include "base/check.hpp"
#include "base/log.hpp"
#include "http/server.hpp"

namespace gyre::edge {
namespace {

constexpr int patience_ms = 10'000;

class Socket {
 public:
  explicit Socket(int fd) : fd_(fd) {}
  ~Socket() { close(); }
  Socket(Socket&& other) noexcept : fd_(std::exchange(other.fd_, -1)), left_(std::move(other.left_)) {}
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  static Socket connected_to(int port) {
    Socket out(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(static_cast<std::uint16_t>(port));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(out.fd_, reinterpret_cast<const sockaddr*>(&to), sizeof to), 0);
    return out;
  }

  bool say(std::string_view bytes) {
    while (!bytes.empty()) {
      const auto sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }
  void end_writes() { ::shutdown(fd_, SHUT_WR); }
  void reset() {
    const linger hard{1, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    ::close(std::exchange(fd_, -1));
  }
  void close() {
    if (fd_ >= 0) {
      ::shutdown(fd_, SHUT_RDWR);  // a program's own end of it is held a second time, by Program
      ::close(fd_);
    }
    fd_ = -1;
  }

  // Until `end` has come, that included; what follows is kept.
  std::string until(std::string_view end) {
    while (left_.find(end) == std::string::npos)
      if (!more()) return std::exchange(left_, {}) + "<end>";
    const auto at = left_.find(end) + end.size();
    auto out = left_.substr(0, at);
    left_.erase(0, at);
    return out;
  }
  std::string exactly(std::size_t size) {
    while (left_.size() < size)
      if (!more()) return std::exchange(left_, {}) + "<end>";
    auto out = left_.substr(0, size);
    left_.erase(0, size);
    return out;
  }
  std::string all() {
    while (more()) {
    }
    return std::exchange(left_, {});
  }
  std::size_t count_all() {  // without keeping it
    std::size_t out = left_.size();
    left_.clear();
    while (more()) {
      out += left_.size();
      left_.clear();
    }
    return out;
  }
  int fd() const { return fd_; }
  bool was_reset() const { return reset_; }

  // An answer with a Content-Length, or chunks.
  std::string answer() {
    auto head = until("\r\n\r\n");
    if (const auto at = head.find("Content-Length: "); at != std::string::npos)
      return head + exactly(std::stoul(head.substr(at + 16)));
    if (head.find("chunked") != std::string::npos) return head + until("0\r\n\r\n");
    return head;
  }

 private:
  bool more() {
    pollfd waiting{fd_, POLLIN, 0};
    if (::poll(&waiting, 1, patience_ms) != 1) {
      ADD_FAILURE() << "nothing came within ten seconds; so far: " << left_.substr(0, 500);
      return false;
    }
    char buffer[64 * 1024];
    const auto got = ::recv(fd_, buffer, sizeof buffer, 0);
    reset_ = got < 0;
    if (got <= 0) return false;
    left_.append(buffer, static_cast<std::size_t>(got));
    return true;
  }
  int fd_;
  std::string left_;
  bool reset_ = false;
};

// A program in a pod: a thread for each connection, told by the test what to do with it.
class Program {
 public:
  using Act = std::function<void(Socket&)>;
  explicit Program(Act act) : act_(std::move(act)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    CHECK(::bind(listener_, reinterpret_cast<sockaddr*>(&address), size) == 0 && ::listen(listener_, 64) == 0);
    CHECK(::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) == 0);
    port = ntohs(address.sin_port);
    thread_ = std::thread([this] {
      for (;;) {
        const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
        if (fd < 0) return;
        ++accepted;
        const std::lock_guard lock(mutex_);
        ends_.push_back(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
        sessions_.emplace_back([this, fd] {
          Socket socket(fd);
          act_(socket);
        });
      }
    });
  }
  ~Program() {
    ::shutdown(listener_, SHUT_RDWR);
    thread_.join();
    ::close(listener_);
    for (const int end : ends_) ::shutdown(end, SHUT_RDWR);  // whoever still listens for more hears no more
    for (auto& session : sessions_) session.join();
    for (const int end : ends_) ::close(end);
  }
  int port = 0;
  std::atomic<int> accepted = 0;

 private:
  const Act act_;
  const int listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  std::mutex mutex_;
  std::vector<int> ends_;
  std::vector<std::thread> sessions_;
  std::thread thread_;
};

// Answers each request with its head, as long as the connection stays.
void echo_heads(Socket& socket) {
  for (;;) {
    const auto head = socket.until("\r\n\r\n");
    if (head.ends_with("<end>")) return;
    if (!socket.say("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(head.size()) + "\r\n\r\n" + head)) return;
  }
}

class EdgeTest : public testing::Test {
 protected:
  void start() {
    log::set_level(log::Level::error);
    settings.domain = "proxy.test";
    edge = Edge::make(
               settings, routes,
               [this](const auto&, auto arrived) {
                 ++tunnels_asked;
                 arrived(fail(tunnel_answer));
               },
               metrics)
               .value();
    http::ServerOptions options;
    options.listen = {{"127.0.0.1:0", false}};
    options.access_log = false;
    options.is_taken_over = [this](std::string_view host) { return edge->wants(host); };
    options.take_over = [this](http::HandOver connection) { return edge->take_over(std::move(connection)); };
    server = http::Server::start(
                 options,
                 [](http::Request request, http::Server::Respond respond) {
                   http::Response response;
                   response.body = "the API at " + request.path;
                   respond(std::move(response));
                 },
                 metrics)
                 .value();
  }
  void route(const std::string& pod, int port, int host_port, const std::string& address = "127.0.0.1") {
    routes.set(PodId(pod), WorkspaceId("w"), HostId("h"), {{port, host_port, address}});
  }
  Socket client() { return Socket::connected_to(server->bound().front().port); }
  static std::string get(const std::string& path, const std::string& more = "", const std::string& host = "p-80") {
    return "GET " + path + " HTTP/1.1\r\nHost: " + host + ".proxy.test\r\n" + more + "\r\n";
  }

  Settings settings;
  Error tunnel_answer{Reason::pod_host_unreachable, {}, {}};
  std::atomic<int> tunnels_asked = 0;
  RouteTable routes;
  Metrics metrics;
  std::shared_ptr<Edge> edge;
  std::unique_ptr<http::Server> server;
};

TEST_F(EdgeTest, CarriesRequestsAndKeepsBothConnections) {
  Program program(echo_heads);
  route("p", 80, program.port);
  start();
  auto one = client();
  for (int i = 0; i < 5; ++i) {
    one.say(get("/" + std::to_string(i) + "?q=1", "X-Mine: yes\r\n"));
    const auto answer = one.answer();
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 200 OK\r\n")) << answer;
    EXPECT_NE(answer.find("GET /" + std::to_string(i) + "?q=1 HTTP/1.1\r\nHost: p-80.proxy.test\r\nX-Mine: yes\r\n"),
              answer.npos)
        << answer;
    EXPECT_NE(answer.find("X-Forwarded-For: 127.0.0.1\r\n"), answer.npos);
  }
  EXPECT_EQ(program.accepted, 1);
  const auto& use = *routes.find("p", 80)->pod_use;
  // The client has its last byte a moment before the proxy knows.
  for (int i = 0; i < 1000 && use.open > 0; ++i) ::poll(nullptr, 0, 10);
  EXPECT_EQ(use.requests, 5);
  EXPECT_GT(use.bytes_in, 200);
  EXPECT_GT(use.bytes_out, use.bytes_in);
  EXPECT_EQ(use.open, 0);
}

TEST_F(EdgeTest, TheApiIsServedBesideIt) {
  Program program(echo_heads);
  route("p", 80, program.port);
  start();
  auto one = client();
  one.say("GET /v1 HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_NE(one.answer().find("the API at /v1"), std::string::npos);
  one.say("GET /v1 HTTP/1.1\r\nHost: localhost\r\n\r\n" + get("/pod"));  // pipelined, and then taken over
  EXPECT_NE(one.answer().find("the API at /v1"), std::string::npos);
  EXPECT_NE(one.answer().find("GET /pod HTTP/1.1"), std::string::npos);
}

TEST_F(EdgeTest, AHeadThatComesByteByByteIsRead) {
  Program program(echo_heads);
  route("p", 80, program.port);
  start();
  auto one = client();
  for (const char c : get("/slow")) one.say(std::string_view(&c, 1));
  EXPECT_NE(one.answer().find("GET /slow"), std::string::npos);
}

TEST_F(EdgeTest, UnknownPodsAndPortsLookTheSame) {
  Program program(echo_heads);
  route("p", 80, program.port);
  start();
  std::set<std::string> answers;
  for (const std::string host : {"p-81", "q-80", "x", "p-0"}) {
    auto one = client();
    one.say(get("/", "", host));
    answers.insert(one.answer());
  }
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_TRUE(answers.begin()->starts_with("HTTP/1.1 404 ")) << *answers.begin();
  EXPECT_EQ(program.accepted, 0);
}

TEST_F(EdgeTest, APageIsInTheReadersLanguage) {
  start();
  auto one = client();
  one.say(get("/", "Accept: text/html\r\nAccept-Language: ko\r\n"));
  const auto answer = one.answer();
  EXPECT_NE(answer.find("<html lang=\"ko\">"), answer.npos) << answer;
  EXPECT_NE(answer.find("이 주소에는 아무것도 없습니다"), answer.npos);
  one.say(get("/"));  // the connection is kept
  EXPECT_NE(one.answer().find("there is nothing at this address"), std::string::npos);
}

TEST_F(EdgeTest, NothingListensIs502) {
  int port = 0;
  {
    Program gone(echo_heads);
    port = gone.port;
  }
  route("p", 80, port);
  start();
  auto one = client();
  one.say(get("/"));
  EXPECT_TRUE(one.answer().starts_with("HTTP/1.1 502 "));
  EXPECT_EQ(tunnels_asked, 0);  // the machine answered: the tunnel would find the same
}

TEST_F(EdgeTest, AProgramThatHangsUpAtOnceIs502) {  // as Docker's proxy does for one that does not listen
  Program program([](Socket& socket) { socket.close(); });
  route("p", 80, program.port);
  start();
  auto one = client();
  one.say(get("/"));
  const auto answer = one.answer();
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 502 ")) << answer;
  EXPECT_NE(answer.find("nothing answers on port 80"), answer.npos);
}

TEST_F(EdgeTest, WhatIsNotHttpIs502) {
  Program program([](Socket& socket) {
    socket.say("SSH-2.0-OpenSSH_9.2p1\r\n\r\n");
    socket.until("never");
  });
  route("p", 80, program.port);
  start();
  auto one = client();
  one.say(get("/"));
  EXPECT_TRUE(one.answer().starts_with("HTTP/1.1 502 "));
}

TEST_F(EdgeTest, AnAnswerThatDoesNotBeginIs524) {
  settings.answer_time = 300ms;
  Program program([](Socket& socket) { socket.until("never"); });
  route("p", 80, program.port);
  start();
  auto one = client();
  one.say(get("/"));
  EXPECT_TRUE(one.answer().starts_with("HTTP/1.1 524 A Timeout Occurred\r\n"));
}

TEST_F(EdgeTest, AnAnswerThatHasBegunMayTakeItsTime) {
  settings.answer_time = 200ms;
  Program program([](Socket& socket) {
    socket.until("\r\n\r\n");
    socket.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n");
    ::poll(nullptr, 0, 600);
    socket.say("0\r\n\r\n");
    socket.until("never");
  });
  route("p", 80, program.port);
  start();
  auto one = client();
  one.say(get("/"));
  EXPECT_TRUE(one.answer().ends_with("1\r\na\r\n0\r\n\r\n"));
}

TEST_F(EdgeTest, AHostThatCannotBeReachedStraightIsTriedThroughTheTunnelAndThatIsRemembered) {
  settings.connect_time = 200ms;
  // A port whose queue is full: it neither accepts nor refuses, as a host behind a firewall does.
  const Socket full(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ASSERT_EQ(::bind(full.fd(), reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(::listen(full.fd(), 0), 0);
  ASSERT_EQ(::getsockname(full.fd(), reinterpret_cast<sockaddr*>(&address), &size), 0);
  std::vector<Socket> queue;
  for (int i = 0; i < 3; ++i) {
    queue.emplace_back(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    ::connect(queue.back().fd(), reinterpret_cast<const sockaddr*>(&address), size);
  }
  route("p", 80, ntohs(address.sin_port));
  start();
  auto one = client();
  one.say(get("/"));
  EXPECT_TRUE(one.answer().starts_with("HTTP/1.1 502 "));
  EXPECT_EQ(tunnels_asked, 1);
  EXPECT_GT(routes.find("p", 80)->reach->tunnel_until_ms, 0);
  one.say(get("/"));
  EXPECT_TRUE(one.answer().starts_with("HTTP/1.1 502 "));
  EXPECT_EQ(tunnels_asked, 2);
}

TEST_F(EdgeTest, ARestingConnectionThatHasEndedCostsNoRequest) {
  // Each connection answers once and ends when the next request comes: what a server with a short idle time looks like.
  Program program([](Socket& socket) {
    socket.until("\r\n\r\n");
    socket.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    socket.until("\r\n\r\n");
  });
  route("p", 80, program.port);
  start();
  auto one = client();
  for (int i = 0; i < 4; ++i) {
    one.say(get("/"));
    EXPECT_TRUE(one.answer().ends_with("\r\n\r\nok"));
  }
  EXPECT_EQ(program.accepted, 4);
}

TEST_F(EdgeTest, OnlySoManyConnectionsRest) {
  settings.resting_per_pod = 1;
  settings.resting = 2;
  std::promise<void> gate;
  Program program([opened = gate.get_future().share()](Socket& socket) {
    for (;;) {
      const auto head = socket.until("\r\n\r\n");
      if (head.ends_with("<end>")) return;
      opened.wait();
      if (!socket.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")) return;
    }
  });
  for (const char* pod : {"p", "q", "r"}) route(pod, 80, program.port);
  start();
  std::vector<Socket> held;
  for (int i = 0; i < 3; ++i) {
    held.push_back(client());
    held.back().say(get("/"));
  }
  for (int i = 0; i < 1000 && program.accepted < 3; ++i) ::poll(nullptr, 0, 10);
  gate.set_value();
  for (auto& one : held) EXPECT_TRUE(one.answer().ends_with("ok"));
  auto one = client();
  const auto accepted_after = [&](const char* host) {
    one.say(get("/", "", host));
    EXPECT_TRUE(one.answer().ends_with("ok"));
    return program.accepted.load();
  };
  EXPECT_EQ(accepted_after("q-80"), 4) << "one of its own, which rests: of the first pod only one does";
  EXPECT_EQ(accepted_after("q-80"), 4);
  EXPECT_EQ(accepted_after("p-80"), 4);
  EXPECT_EQ(accepted_after("r-80"), 5);
  EXPECT_EQ(accepted_after("r-80"), 6) << "two rest already";
}

TEST_F(EdgeTest, ARequestWithABodyNeverRidesOnARestingConnection) {
  Program program([](Socket& socket) {
    for (;;) {
      const auto head = socket.until("\r\n\r\n");
      if (head.ends_with("<end>")) return;
      if (head.starts_with("POST")) socket.exactly(3);
      socket.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    }
  });
  route("p", 80, program.port);
  start();
  auto one = client();
  one.say(get("/"));
  one.answer();
  one.say("POST / HTTP/1.1\r\nHost: p-80.proxy.test\r\nContent-Length: 3\r\n\r\nabc");
  EXPECT_TRUE(one.answer().ends_with("ok"));
  EXPECT_EQ(program.accepted, 2);
}

TEST_F(EdgeTest, UploadsAreStreamedAndSayWhenTheyMayBegin) {
  std::atomic<std::size_t> received = 0;
  constexpr std::size_t size = 32 * 1024 * 1024;
  Program program([&](Socket& socket) {
    EXPECT_NE(socket.until("\r\n\r\n").find("Expect: 100-continue"), std::string::npos);
    socket.say("HTTP/1.1 100 Continue\r\n\r\n");
    while (received < size) {
      const auto piece = socket.exactly(std::min<std::size_t>(1 << 20, size - received));
      if (piece.ends_with("<end>")) return;
      received += piece.size();
    }
    socket.say("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngot ");
    socket.until("never");
  });
  route("p", 80, program.port);
  start();
  auto one = client();
  one.say("PUT / HTTP/1.1\r\nHost: p-80.proxy.test\r\nExpect: 100-continue\r\nContent-Length: " + std::to_string(size) +
          "\r\n\r\n");
  EXPECT_EQ(one.until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  const std::string piece(1 << 20, 'x');
  for (std::size_t sent = 0; sent < size; sent += piece.size()) ASSERT_TRUE(one.say(piece));
  EXPECT_TRUE(one.answer().ends_with("got "));
  EXPECT_EQ(received, size);
}

TEST_F(EdgeTest, ChunkedBodiesPassBothWays) {
  Program program([](Socket& socket) {
    socket.until("\r\n\r\n");
    const auto body = socket.until("0\r\n\r\n");
    socket.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body);
    socket.until("never");
  });
  route("p", 80, program.port);
  start();
  auto one = client();
  one.say("POST / HTTP/1.1\r\nHost: p-80.proxy.test\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
  one.say("2;x=y\r\nde\r\n0\r\n\r\n");
  EXPECT_TRUE(one.answer().ends_with("\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n"));
}

TEST_F(EdgeTest, ASmuggledRequestReachesNobody) {
  Program program(echo_heads);
  route("p", 80, program.port);
  start();
  for (const std::string bad :
       {"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", "Content-Length: 4\r\nContent-Length: 5\r\n",
        "Transfer-Encoding: chunked \x0b\r\n", "Transfer-Encoding : chunked\r\n"}) {
    auto one = client();
    one.say("POST / HTTP/1.1\r\nHost: p-80.proxy.test\r\n" + bad +
            "\r\n0\r\n\r\nGET /secret HTTP/1.1\r\nHost: p-80.proxy.test\r\n\r\n");
    const auto said = one.all();
    EXPECT_TRUE(said.starts_with("HTTP/1.1 400 ")) << bad << said;
    EXPECT_EQ(said.find("HTTP/1.1 ", 5), said.npos) << "a second answer: " << said;
  }
  EXPECT_EQ(program.accepted, 0);
}

TEST_F(EdgeTest, AnAnswerThatIsCutOffIsSeenToBe) {
  Program program([](Socket& socket) {
    socket.until("\r\n\r\n");
    socket.say("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this");
    socket.close();
  });
  route("p", 80, program.port);
  start();
  auto one = client();
  one.say(get("/"));
  const auto said = one.all();
  EXPECT_TRUE(one.was_reset()) << said;
}

TEST_F(EdgeTest, AnAnswerWithoutALengthEndsWithTheConnection) {
  Program program([](Socket& socket) {
    socket.until("\r\n\r\n");
    socket.say("HTTP/1.0 200 OK\r\n\r\nall there is");
  });
  route("p", 80, program.port);
  start();
  auto one = client();
  one.say(get("/"));
  EXPECT_TRUE(one.all().ends_with("Connection: close\r\n\r\nall there is"));
  EXPECT_FALSE(one.was_reset());
}

TEST_F(EdgeTest, HeadAnd304HaveNoBody) {
  Program program([](Socket& socket) {
    for (;;) {
      const auto head = socket.until("\r\n\r\n");
      if (head.ends_with("<end>")) return;
      socket.say(head.starts_with("HEAD") ? "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"
                                          : "HTTP/1.1 304 Not Modified\r\nContent-Length: 100\r\n\r\n");
    }
  });
  route("p", 80, program.port);
  start();
  auto one = client();
  one.say("HEAD / HTTP/1.1\r\nHost: p-80.proxy.test\r\n\r\n");
  EXPECT_NE(one.until("\r\n\r\n").find("Content-Length: 100"), std::string::npos);
  one.say(get("/"));
  EXPECT_TRUE(one.until("\r\n\r\n").starts_with("HTTP/1.1 304 "));
  one.say(get("/"));
  EXPECT_TRUE(one.until("\r\n\r\n").starts_with("HTTP/1.1 304 "));
}

TEST_F(EdgeTest, AnUpgradeCarriesBytesBothWaysAndEachHalfEndsByItself) {
  Program program([](Socket& socket) {
    EXPECT_NE(socket.until("\r\n\r\n").find("Connection: Upgrade\r\nUpgrade: websocket\r\n"), std::string::npos);
    socket.say("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nhello");
    const auto heard = socket.all();  // to the client's end
    socket.say("you said " + heard);
  });
  route("p", 80, program.port);
  start();
  auto one = client();
  one.say(get("/", "Connection: Upgrade\r\nUpgrade: websocket\r\n"));
  EXPECT_TRUE(one.until("\r\n\r\n").starts_with("HTTP/1.1 101 "));
  EXPECT_EQ(one.exactly(5), "hello");
  one.say("one ");
  one.say(std::string(200'000, 'x'));
  one.end_writes();
  EXPECT_EQ(one.all(), "you said one " + std::string(200'000, 'x'));
}

TEST_F(EdgeTest, ClientsThatEndTheirHalfGetTheirAnswer) {
  Program program([](Socket& socket) {
    socket.until("\r\n\r\n");
    ::poll(nullptr, 0, 100);
    socket.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    socket.until("never");
  });
  route("p", 80, program.port);
  start();
  auto one = client();
  one.say(get("/"));
  one.end_writes();
  EXPECT_TRUE(one.all().ends_with("\r\n\r\nok"));
}

TEST_F(EdgeTest, ASlowReaderHoldsThePodBack) {
  std::atomic<std::size_t> written = 0;
  constexpr std::size_t size = 64 * 1024 * 1024;
  Program program([&](Socket& socket) {
    socket.until("\r\n\r\n");
    socket.say("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(size) + "\r\n\r\n");
    const std::string piece(64 * 1024, 'y');
    for (std::size_t at = 0; at < size; at += piece.size()) {
      if (!socket.say(piece)) return;
      written += piece.size();
    }
    socket.until("never");
  });
  route("p", 80, program.port);
  start();
  auto one = client();
  one.say(get("/"));
  one.until("\r\n\r\n");
  // It comes to a stop: what is on its way is in the kernel's buffers and 64 KiB of ours.
  std::size_t before = 1;
  for (int i = 0; i < 50 && before != written; ++i) {
    before = written;
    ::poll(nullptr, 0, 100);
  }
  EXPECT_EQ(before, written);
  EXPECT_LT(written, size / 2);
  one.exactly(size);
  EXPECT_EQ(written, size);
}

TEST_F(EdgeTest, ASlowHeadAndASlowBodyAreCutOff) {
  settings.head_time = settings.body_time = 300ms;
  Program program([](Socket& socket) { socket.all(); });
  route("p", 80, program.port);
  start();
  auto one = client();
  one.say(get("/a", "", "x"));  // taken over by a whole request first; the next head is half
  one.answer();
  one.say("GET /slow HTTP/1.1\r\nHo");
  EXPECT_TRUE(one.all().starts_with("HTTP/1.1 408 "));
  auto two = client();
  two.say("POST / HTTP/1.1\r\nHost: p-80.proxy.test\r\nContent-Length: 10\r\n\r\nabc");
  EXPECT_TRUE(two.all().starts_with("HTTP/1.1 408 "));
}

TEST_F(EdgeTest, ALargeHeadIs431) {
  settings.header_bytes_max = 4096;
  start();
  auto one = client();
  one.say(get("/", "", "x"));
  one.answer();
  one.say("GET / HTTP/1.1\r\nX: " + std::string(8000, 'x'));
  EXPECT_TRUE(one.all().starts_with("HTTP/1.1 431 "));
}

TEST_F(EdgeTest, OnlySoManyAreOpenToOnePodAndOneWorkspace) {
  settings.open_per_pod = 2;
  settings.open_per_workspace = 3;
  Program program([](Socket& socket) { socket.all(); });
  route("p", 80, program.port);
  route("q", 80, program.port);
  start();
  std::vector<Socket> held;
  const auto reach = [&](int accepted) {
    for (int i = 0; i < 1000 && program.accepted < accepted; ++i) ::poll(nullptr, 0, 10);
    EXPECT_EQ(program.accepted, accepted);
  };
  for (int i = 0; i < 2; ++i) {
    held.push_back(client());
    held.back().say(get("/"));
    reach(i + 1);
  }
  auto one = client();
  one.say(get("/"));
  const auto of_pod = one.answer();
  EXPECT_TRUE(of_pod.starts_with("HTTP/1.1 503 ")) << of_pod;
  EXPECT_NE(of_pod.find("Retry-After: 1\r\n"), of_pod.npos);
  held.push_back(client());
  held.back().say(get("/", "", "q-80"));
  reach(3);
  one.say(get("/", "", "q-80"));
  EXPECT_TRUE(one.answer().starts_with("HTTP/1.1 429 "));
  EXPECT_EQ(routes.find("p", 80)->pod_use->open, 2);
  for (auto& one_of_them : held) one_of_them.reset();  // an end alone would still wait for the answer
  for (int i = 0; i < 1000 && routes.find("p", 80)->pod_use->open > 0; ++i) ::poll(nullptr, 0, 10);
  EXPECT_EQ(routes.find("p", 80)->pod_use->open, 0);
}

TEST_F(EdgeTest, AHundredRouteChangesASecondFailNoRequest) {
  Program program(echo_heads);
  route("p", 80, program.port);
  for (int i = 0; i < 1000; ++i) route("other" + std::to_string(i), 80, 1);
  start();
  auto one = client();
  for (int i = 0; i < 300; ++i) {
    route("other" + std::to_string(i), 80, i + 2);
    if (i % 10 == 0)
      routes.set(PodId("p"), WorkspaceId("w"), HostId("h"), {{80, program.port, "127.0.0.1"}, {81, i + 1, ""}});
    one.say(get("/"));
    ASSERT_TRUE(one.answer().starts_with("HTTP/1.1 200 ")) << i;
  }
}

TEST_F(EdgeTest, ClosingLetsRequestsEndAndIdleConnectionsGo) {
  std::atomic<bool> go_on = false;
  Program program([&](Socket& socket) {
    socket.until("\r\n\r\n");
    for (int i = 0; i < 1000 && !go_on; ++i) ::poll(nullptr, 0, 10);
    socket.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    socket.until("never");
  });
  route("p", 80, program.port);
  start();
  auto idle = client();
  idle.say(get("/", "", "x"));
  idle.answer();
  auto busy = client();
  busy.say(get("/"));
  for (int i = 0; i < 1000 && program.accepted == 0; ++i) ::poll(nullptr, 0, 10);
  std::atomic<bool> drained = false;
  server->drain(10s, [&] { drained = true; });
  EXPECT_EQ(idle.all(), "");
  EXPECT_FALSE(drained);
  go_on = true;
  const auto answer = busy.all();
  EXPECT_TRUE(answer.ends_with("\r\n\r\nok")) << answer;
  EXPECT_NE(answer.find("Connection: close"), answer.npos);
  for (int i = 0; i < 1000 && !drained; ++i) ::poll(nullptr, 0, 10);
  EXPECT_TRUE(drained);
}

}  // namespace
}  // namespace gyre::edge
