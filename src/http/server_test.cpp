// The server on real sockets, with clients that are nothing but sockets. What a connection does in detail, and its long
// time-outs, is connection_test.cpp's.
#include "http/server.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/tcp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <filesystem>
#include <future>
#include <thread>

#include "runtime/asio_runtime.hpp"

namespace gyre::http {
namespace {

// A client's socket. Waits ten seconds at most, then the test fails rather than hangs.
class Client {
 public:
  explicit Client(const Server::Bound& to) {
    const bool v6 = to.host.find(':') != std::string::npos;
    socket_ = ::socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const timeval ten{10, 0};
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &ten, sizeof ten);
    ::setsockopt(socket_, SOL_SOCKET, SO_SNDTIMEO, &ten, sizeof ten);
    if (v6) {
      sockaddr_in6 address{};
      address.sin6_family = AF_INET6;
      address.sin6_port = htons(to.port);
      ::inet_pton(AF_INET6, to.host.c_str(), &address.sin6_addr);
      connected = ::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
    } else {
      sockaddr_in address{};
      address.sin_family = AF_INET;
      address.sin_port = htons(to.port);
      ::inet_pton(AF_INET, to.host.c_str(), &address.sin_addr);
      connected = ::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
    }
  }
  ~Client() { close(); }
  Client(Client&& other) noexcept
      : connected(other.connected),
        socket_(std::exchange(other.socket_, -1)),
        ssl_(std::exchange(other.ssl_, nullptr)) {}

  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const auto sent = ssl_ ? static_cast<ssize_t>(::SSL_write(ssl_, bytes.data(), static_cast<int>(bytes.size())))
                             : ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }
  // What comes next; empty at the end, or when the connection was reset.
  std::string read_some() {
    std::string out(65536, '\0');
    const auto got = ssl_ ? static_cast<ssize_t>(::SSL_read(ssl_, out.data(), static_cast<int>(out.size())))
                          : ::recv(socket_, out.data(), out.size(), 0);
    was_reset = got < 0 && errno == ECONNRESET;
    EXPECT_FALSE(got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) << "nothing came for ten seconds";
    out.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
    return out;
  }
  std::string read_to_end() {
    std::string out;
    for (auto more = read_some(); !more.empty(); more = read_some()) out += more;
    return out;
  }
  // Head and body of one answer that has a Content-Length.
  std::string read_answer() {
    for (;;) {
      const auto head = unread_.find("\r\n\r\n");
      if (head != std::string::npos) {
        std::size_t length = 0;
        if (const auto at = unread_.find("Content-Length: "); at < head) length = std::stoul(unread_.substr(at + 16));
        const auto size = head + 4 + length;
        if (unread_.size() >= size) {
          const auto out = unread_.substr(0, size);
          unread_.erase(0, size);
          return out;
        }
      }
      const auto more = read_some();
      if (more.empty()) return std::exchange(unread_, {});
      unread_ += more;
    }
  }
  std::string call(const std::string& request) { return send(request) ? read_answer() : "could not send"; }

  bool start_tls(SSL_CTX* context, const char* name = nullptr) {
    ssl_ = ::SSL_new(context);
    if (name) ::SSL_set_tlsext_host_name(ssl_, name);
    ::SSL_set_fd(ssl_, socket_);
    return ::SSL_connect(ssl_) == 1;
  }
  SSL* ssl() { return ssl_; }
  int socket() const { return socket_; }
  void half_close() { ::shutdown(socket_, SHUT_WR); }
  void close() {
    if (ssl_) ::SSL_free(std::exchange(ssl_, nullptr));
    if (socket_ >= 0) ::close(std::exchange(socket_, -1));
  }

  bool connected = false, was_reset = false;

 private:
  int socket_ = -1;
  SSL* ssl_ = nullptr;
  std::string unread_;
};

std::string body_of(const std::string& answer) {
  const auto head = answer.find("\r\n\r\n");
  return head == std::string::npos ? "" : answer.substr(head + 4);
}

std::string get(const std::string& path, const std::string& headers = "") {
  return "GET " + path + " HTTP/1.1\r\nHost: h\r\n" + headers + "\r\n";
}

template <class Condition>
bool soon(const Condition& condition) {
  const auto until = std::chrono::steady_clock::now() + 10s;
  while (!condition() && std::chrono::steady_clock::now() < until) std::this_thread::sleep_for(1ms);
  return condition();
}

class ServerTest : public testing::Test {
 protected:
  ServerTest() {
    options.listen = {{"127.0.0.1:0"}};
    options.access_log = false;
    options.io_threads = 2;
    core = std::thread([this] { runtime.run(); });
    handler = [](Request request, Server::Respond respond) {
      Response response;
      response.body = request.path + "|" + request.body;
      respond(std::move(response));
    };
  }
  ~ServerTest() override {
    server.reset();
    runtime.stop();
    core.join();
  }

  Result<> try_start() {
    server = TRY(Server::start(
        options,
        [this](Request request, Server::Respond respond) {
          runtime.post([this, request = std::move(request), respond = std::move(respond)]() mutable {
            handler(std::move(request), std::move(respond));
          });
        },
        metrics));
    return {};
  }
  void start() {
    const auto started = try_start();
    ASSERT_TRUE(started) << started.error().message();
  }
  Client client(std::size_t index = 0) { return Client(server->bound().at(index)); }

  Metrics metrics;
  AsioRuntime runtime;
  ServerOptions options;
  std::function<void(Request, Server::Respond)> handler;  // on the core thread
  std::unique_ptr<Server> server;
  std::thread core;
};

TEST_F(ServerTest, AnswersOneRequestAfterTheOtherOnOneConnection) {
  start();
  auto one = client();
  for (int i = 0; i < 3; ++i) {
    const auto answer = one.call(get("/a" + std::to_string(i)));
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 200 OK\r\n"));
    EXPECT_EQ(body_of(answer), "/a" + std::to_string(i) + "|");
  }
  EXPECT_EQ(server->connections(), 1u);
  one.close();
  EXPECT_TRUE(soon([&] { return server->connections() == 0; }));
}

TEST_F(ServerTest, AnswersPipelinedRequestsInOrder) {
  start();
  auto one = client();
  std::string many;
  for (int i = 0; i < 200; ++i) many += get("/" + std::to_string(i));
  ASSERT_TRUE(one.send(many));
  for (int i = 0; i < 200; ++i) ASSERT_EQ(body_of(one.read_answer()), "/" + std::to_string(i) + "|");
}

TEST_F(ServerTest, ServesManyClientsAtOnce) {
  start();
  std::atomic<int> right = 0;
  std::vector<std::thread> clients;
  for (int c = 0; c < 8; ++c)
    clients.emplace_back([&, c] {
      auto mine = client();
      for (int i = 0; i < 100; ++i) {
        const auto body = std::to_string(c) + "-" + std::to_string(i);
        const auto answer = mine.call("POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: " + std::to_string(body.size()) +
                                      "\r\n\r\n" + body);
        if (body_of(answer) == "/x|" + body) ++right;
      }
    });
  for (auto& thread : clients) thread.join();
  EXPECT_EQ(right, 800);
}

TEST_F(ServerTest, CarriesLargeBodiesBothWays) {
  start();
  std::string body(4 * 1024 * 1024, '\0');
  for (std::size_t i = 0; i < body.size(); ++i) body[i] = static_cast<char>('a' + i * i % 26);
  auto one = client();
  const auto answer =
      one.call("PUT /x HTTP/1.1\r\nHost: h\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
  EXPECT_TRUE(body_of(answer) == "/x|" + body);

  std::string chunks = "PUT /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (std::size_t at = 0; at < body.size(); at += 65536) chunks += "10000\r\n" + body.substr(at, 65536) + "\r\n";
  EXPECT_TRUE(body_of(one.call(chunks + "0\r\n\r\n")) == "/x|" + body);
}

TEST_F(ServerTest, AClientThatIsRefusedWhileItSendsCanReadWhy) {
  options.body_bytes_max = 1000;
  start();
  auto one = client();
  one.send("PUT /x HTTP/1.1\r\nHost: h\r\nContent-Length: 3000000\r\n\r\n");
  std::thread sending([&] { one.send(std::string(3'000'000, 'x')); });  // as most clients: all of it, then they look
  const auto answer = one.read_to_end();
  sending.join();
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 413 ")) << answer;
  EXPECT_NE(answer.find("body_too_large"), std::string::npos);
}

TEST_F(ServerTest, RefusesNonsenseAndCloses) {
  start();
  for (const char* nonsense : {"hello\r\n\r\n", "GET / HTTP/3.0\r\n\r\n", "\x16\x03\x01 TLS?\r\n\r\n"}) {
    auto one = client();
    one.send(nonsense);
    const auto answer = one.read_to_end();
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 400 Bad Request\r\n")) << answer;
    EXPECT_NE(answer.find("application/problem+json"), std::string::npos);
    EXPECT_FALSE(one.was_reset);
  }
}

TEST_F(ServerTest, ClosesASlowlorisAndNobodyElse) {
  options.header_time = 200ms;
  start();
  auto good = client();
  EXPECT_TRUE(good.call(get("/1")).starts_with("HTTP/1.1 200 "));
  std::vector<Client> slow;
  for (int i = 0; i < 20; ++i) slow.push_back(client());
  for (auto& each : slow) each.send("GET / HTTP/1.1\r\nHost: h\r\nX-");
  for (auto& each : slow) EXPECT_EQ(each.read_to_end(), "");
  EXPECT_TRUE(soon([&] { return server->connections() == 1; }));
  EXPECT_TRUE(good.call(get("/2")).starts_with("HTTP/1.1 200 "));
}

TEST_F(ServerTest, AHalfClosedClientGetsItsAnswer) {
  start();
  auto one = client();
  one.send(get("/1") + get("/2"));
  one.half_close();
  const auto all = one.read_to_end();
  EXPECT_NE(all.find("/1|"), std::string::npos);
  EXPECT_NE(all.find("/2|"), std::string::npos);
  EXPECT_FALSE(one.was_reset);
}

TEST_F(ServerTest, ConnectionCloseIsHonoured) {
  start();
  auto one = client();
  one.send(get("/1", "Connection: close\r\n"));
  const auto all = one.read_to_end();
  EXPECT_NE(all.find("Connection: close\r\n"), std::string::npos);
  one.close();
  EXPECT_TRUE(soon([&] { return server->connections() == 0; }));
}

// ---- streams ----

TEST_F(ServerTest, StreamsWithoutLoss) {
  handler = [](Request, Server::Respond respond) {
    const auto stream = std::make_shared<Stream>();
    respond(stream_response("text/plain", stream));
    std::thread([stream] {
      for (int i = 0; i < 20'000; ++i) {
        if (stream->write("line " + std::to_string(i) + "\n")) continue;
        std::promise<void> room;
        stream->on_room([&] { room.set_value(); });
        room.get_future().wait();
      }
      stream->close();
    }).detach();
  };
  start();
  auto one = client();
  one.send(get("/logs", "Connection: close\r\n"));
  const auto all = one.read_to_end();
  std::string expected, body;
  for (int i = 0; i < 20'000; ++i) expected += "line " + std::to_string(i) + "\n";
  auto at = all.find("\r\n\r\n") + 4;
  for (;;) {
    const auto size = std::stoul(all.substr(at, 10), nullptr, 16);
    at = all.find("\r\n", at) + 2;
    if (size == 0) break;
    body += all.substr(at, size);
    at += size + 2;
  }
  EXPECT_TRUE(body == expected);
  EXPECT_TRUE(all.ends_with("0\r\n\r\n"));
}

TEST_F(ServerTest, ASlowReaderHoldsTheWriterBackAndIsCutOff) {
  options.write_time = 500ms;
  const auto stream = std::make_shared<Stream>();
  std::promise<void> closed;
  stream->on_closed([&] { closed.set_value(); });
  handler = [&](Request, Server::Respond respond) { respond(stream_response("text/plain", stream)); };
  start();
  auto one = client();
  const int small = 4096;
  ::setsockopt(one.socket(), SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
  one.send(get("/logs"));
  one.read_some();  // the head; after that it reads nothing

  std::size_t accepted = 0;
  while (!stream->closed_by_reader()) {  // a writer that keeps to the rules: it waits for room
    if (stream->write(std::string(10'000, 'x')))
      accepted += 10'000;
    else
      std::this_thread::sleep_for(1ms);
    if (accepted > (64u << 20)) break;
  }
  EXPECT_EQ(closed.get_future().wait_for(10s), std::future_status::ready);
  EXPECT_LT(accepted, 16u << 20);  // windows and the kernel's buffers, not what the writer could have made
  EXPECT_TRUE(soon([&] { return server->connections() == 0; }));
}

TEST_F(ServerTest, AReaderThatIsGoneIsNoticedThoughNothingIsWritten) {
  const auto stream = std::make_shared<Stream>();
  std::promise<void> closed;
  stream->on_closed([&] { closed.set_value(); });
  handler = [&](Request, Server::Respond respond) { respond(stream_response("text/event-stream", stream)); };
  start();
  {
    auto one = client();
    one.send(get("/events"));
    EXPECT_NE(one.read_some().find("text/event-stream"), std::string::npos);
  }
  EXPECT_EQ(closed.get_future().wait_for(10s), std::future_status::ready);
  EXPECT_FALSE(stream->write("x"));
}

TEST_F(ServerTest, ReadersThatComeAndGoLeaveNothingBehind) {
  std::atomic<int> open = 0, opened = 0;
  handler = [&](Request, Server::Respond respond) {
    const auto stream = std::make_shared<Stream>();
    ++open;
    ++opened;
    stream->on_closed([&] { --open; });
    respond(stream_response("text/plain", stream));
    auto timer = std::make_shared<Timer>(runtime);
    timer->repeat(1ms, [stream, timer] {
      if (!stream->write(std::string(500, 'x')) && stream->closed_by_reader()) timer->stop();
    });
  };
  start();
  std::vector<std::thread> readers;
  for (int r = 0; r < 8; ++r)
    readers.emplace_back([&, r] {
      for (int i = 0; i < 20; ++i) {
        auto one = client();
        one.send(get("/logs"));
        for (int reads = 0; reads < (i + r) % 4; ++reads) one.read_some();
      }
    });
  for (auto& reader : readers) reader.join();
  EXPECT_TRUE(soon([&] { return server->connections() == 0 && open == 0; }));
  EXPECT_GT(opened, 80);
}

// ---- limits ----

TEST_F(ServerTest, HoldsAThousandIdleConnections) {
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &files);
  if (files.rlim_cur < 2100) GTEST_SKIP() << "only " << files.rlim_cur << " files may be open";
  options.connections_per_remote_max = 2000;
  start();
  std::vector<Client> idle;
  for (int i = 0; i < 1000; ++i) idle.push_back(client());
  EXPECT_TRUE(soon([&] { return server->connections() == 1000; }));
  for (auto& each : idle) ASSERT_TRUE(each.call(get("/x")).starts_with("HTTP/1.1 200 "));
  idle.clear();
  EXPECT_TRUE(soon([&] { return server->connections() == 0; }));
}

TEST_F(ServerTest, TellsTooManyConnectionsToComeBack) {
  options.connections_per_remote_max = 2;
  start();
  auto one = client(), two = client();
  EXPECT_TRUE(one.call(get("/1")).starts_with("HTTP/1.1 200 "));
  EXPECT_TRUE(two.call(get("/2")).starts_with("HTTP/1.1 200 "));
  auto three = client();
  const auto refused = three.call(get("/3"));
  EXPECT_TRUE(refused.starts_with("HTTP/1.1 503 ")) << refused;
  EXPECT_NE(refused.find("Retry-After: "), std::string::npos);
  one.close();
  three.close();
  EXPECT_TRUE(soon([&] { return server->connections() == 1; }));
  auto four = client();
  EXPECT_TRUE(four.call(get("/4")).starts_with("HTTP/1.1 200 "));
}

// ---- the end ----

TEST_F(ServerTest, DrainsWhatIsInFlightAndRefusesWhatIsNew) {
  std::vector<Server::Respond> waiting;  // core thread
  std::atomic<int> count = 0;
  handler = [&](Request, Server::Respond respond) {
    waiting.push_back(std::move(respond));
    ++count;
  };
  start();
  auto busy = client(), idle = client();
  busy.send(get("/slow"));
  ASSERT_TRUE(soon([&] { return count == 1 && server->connections() == 2; }));
  std::promise<void> done;
  server->drain(60s, [&] { done.set_value(); });
  EXPECT_EQ(idle.read_to_end(), "");
  ASSERT_TRUE(soon([&] { return !client().connected; }));
  auto drained = done.get_future();
  EXPECT_EQ(drained.wait_for(50ms), std::future_status::timeout);  // it waits for the one
  runtime.post([&] {
    Response response;
    response.body = "at last";
    waiting.at(0)(std::move(response));
  });
  const auto answer = busy.read_to_end();
  EXPECT_TRUE(answer.ends_with("at last"));
  EXPECT_NE(answer.find("Connection: close"), std::string::npos);
  busy.close();
  EXPECT_EQ(drained.wait_for(10s), std::future_status::ready);
  EXPECT_EQ(server->connections(), 0u);
}

TEST_F(ServerTest, AtTheDeadlineTheDrainIsOverWhateverIsStillOpen) {
  const auto stream = std::make_shared<Stream>();
  std::vector<Server::Respond> waiting;
  std::atomic<int> count = 0;
  handler = [&](Request request, Server::Respond respond) {
    if (request.path == "/logs")
      respond(stream_response("text/plain", stream));
    else
      waiting.push_back(std::move(respond));
    ++count;  // last: whoever sees it may look at `waiting`
  };
  start();
  auto logs = client(), slow = client(), half = client();
  logs.send(get("/logs"));
  slow.send(get("/slow"));
  half.send("PUT /x HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nha");
  ASSERT_TRUE(soon([&] { return count == 2 && server->connections() == 3; }));
  std::promise<void> done;
  server->drain(100ms, [&] { done.set_value(); });
  EXPECT_TRUE(slow.read_to_end().starts_with("HTTP/1.1 503 "));
  const auto text = logs.read_to_end();
  EXPECT_FALSE(text.ends_with("0\r\n\r\n"));
  EXPECT_TRUE(stream->closed_by_reader());
  EXPECT_EQ(half.read_to_end(), "");
  EXPECT_EQ(done.get_future().wait_for(10s), std::future_status::ready);
}

TEST_F(ServerTest, DrainingNobodyIsDoneAtOnce) {
  start();
  std::promise<void> done;
  server->drain(60s, [&] { done.set_value(); });
  EXPECT_EQ(done.get_future().wait_for(10s), std::future_status::ready);
}

// Nothing of it stays behind, says the leak checker of the address sanitizer: loops that were stopped before they came
// to what was posted held themselves by it.
TEST_F(ServerTest, MayBeDestroyedTheMomentItHasDrained) {
  options.io_threads = 4;
  for (int i = 0; i < 50; ++i) {
    start();
    std::promise<void> done;
    server->drain(60s, [&] { done.set_value(); });
    ASSERT_EQ(done.get_future().wait_for(10s), std::future_status::ready);
    server.reset();
  }
}

TEST_F(ServerTest, MayBeDestroyedWithEverythingStillOpen) {
  const auto stream = std::make_shared<Stream>();
  Server::Respond late;
  std::promise<void> asked;
  handler = [&](Request request, Server::Respond respond) {
    if (request.path == "/logs") return respond(stream_response("text/plain", stream));
    late = std::move(respond);
    asked.set_value();
  };
  start();
  auto logs = client(), slow = client();
  logs.send(get("/logs"));
  logs.read_some();
  slow.send(get("/slow"));
  asked.get_future().wait();
  server.reset();
  EXPECT_TRUE(stream->closed_by_reader());
  const auto unread = std::make_shared<Stream>();
  late(stream_response("text/plain", unread));  // nobody is there, and nothing breaks
  EXPECT_TRUE(unread->closed_by_reader());
  EXPECT_EQ(slow.read_to_end(), "");
}

TEST_F(ServerTest, WhoeverIsNotAnsweredByADeposedServerIsToldToTryAgain) {
  handler = [](Request, Server::Respond) {};
  start();
  auto one = client();
  EXPECT_TRUE(one.call(get("/x")).starts_with("HTTP/1.1 500 "));
  server->answer_unanswered(Reason::deposed);
  const auto answer = one.call(get("/x"));
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 503 ")) << answer;
  EXPECT_NE(answer.find("Retry-After: 1"), std::string::npos) << answer;
  EXPECT_NE(answer.find("\"deposed\""), std::string::npos) << answer;
}

// ---- addresses ----

TEST_F(ServerTest, ListensOnSeveralAddressesAndSaysWhichTheyAre) {
  options.listen = {{"127.0.0.1:0"}, {"localhost:0"}, {"*:0"}};
  start();
  ASSERT_GE(server->bound().size(), 3u);
  EXPECT_EQ(server->bound()[0].url(), "http://127.0.0.1:" + std::to_string(server->bound()[0].port));
  for (const auto& bound : server->bound()) {
    EXPECT_NE(bound.port, 0);
    auto to = bound;
    if (to.host == "0.0.0.0") to.host = "127.0.0.1";
    if (to.host == "::") to.host = "::1";
    Client one(to);
    EXPECT_TRUE(one.call(get("/x")).starts_with("HTTP/1.1 200 ")) << bound.url();
  }
}

TEST_F(ServerTest, ListensOnIpv6) {
  options.listen = {{"[::1]:0"}};
  if (const auto started = try_start(); !started) GTEST_SKIP() << started.error().message();
  std::promise<std::string> remote;
  handler = [&](Request request, Server::Respond respond) {
    remote.set_value(request.remote_address);
    respond({});
  };
  auto one = client();
  EXPECT_TRUE(one.call(get("/x")).starts_with("HTTP/1.1 200 "));
  EXPECT_EQ(remote.get_future().get(), "::1");
  EXPECT_TRUE(server->bound()[0].url().starts_with("http://[::1]:"));
}

TEST_F(ServerTest, SaysWhyItCannotListen) {
  start();
  const auto first = std::move(server);
  options.listen = {{"127.0.0.1:" + std::to_string(first->bound()[0].port)}};
  const auto taken = try_start();
  ASSERT_FALSE(taken);
  EXPECT_EQ(taken.error().reason, Reason::address_in_use);
  for (const char* wrong : {"127.0.0.1", "127.0.0.1:", "127.0.0.1:http", "127.0.0.1:70000", ""}) {
    options.listen = {{wrong}};
    const auto refused = try_start();
    ASSERT_FALSE(refused) << wrong;
    EXPECT_EQ(refused.error().reason, Reason::invalid_field) << wrong;
  }
  options.listen = {{"192.0.2.200:0"}};  // not an address of this machine
  EXPECT_EQ(try_start().error().reason, Reason::cannot_listen);
}

// ---- TLS ----

struct Certificate {
  std::string certificate, key;
};

// Self-signed, for `name`; nothing checks it but the test.
Certificate make_certificate(const std::string& folder, const std::string& name) {
  const std::unique_ptr<EVP_PKEY, void (*)(EVP_PKEY*)> key(EVP_EC_gen("P-256"), EVP_PKEY_free);
  const std::unique_ptr<X509, void (*)(X509*)> x509(X509_new(), X509_free);
  ASN1_INTEGER_set(X509_get_serialNumber(x509.get()), 1);
  X509_gmtime_adj(X509_getm_notBefore(x509.get()), -3600);
  X509_gmtime_adj(X509_getm_notAfter(x509.get()), 3600);
  X509_set_pubkey(x509.get(), key.get());
  X509_NAME_add_entry_by_txt(X509_get_subject_name(x509.get()), "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
  X509_set_issuer_name(x509.get(), X509_get_subject_name(x509.get()));
  X509_sign(x509.get(), key.get(), EVP_sha256());
  Certificate out{folder + "/" + name + ".crt", folder + "/" + name + ".key"};
  const std::unique_ptr<FILE, int (*)(FILE*)> certificate_file(std::fopen(out.certificate.c_str(), "w"), std::fclose);
  PEM_write_X509(certificate_file.get(), x509.get());
  const std::unique_ptr<FILE, int (*)(FILE*)> key_file(std::fopen(out.key.c_str(), "w"), std::fclose);
  PEM_write_PrivateKey(key_file.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr);
  return out;
}

class TlsServerTest : public ServerTest {
 protected:
  TlsServerTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "gyre-tls-XXXXXX").string();
    folder = ::mkdtemp(pattern.data());
    const auto first = make_certificate(folder, "first");
    options.tls = {folder + "/server.crt", folder + "/server.key"};
    use(first);
    options.listen = {{"127.0.0.1:0", true}};
    context.reset(::SSL_CTX_new(TLS_client_method()));
  }
  ~TlsServerTest() override { std::filesystem::remove_all(folder); }

  void use(const Certificate& from) {
    using std::filesystem::copy_options;
    std::filesystem::copy_file(from.certificate, options.tls.certificate, copy_options::overwrite_existing);
    std::filesystem::copy_file(from.key, options.tls.key, copy_options::overwrite_existing);
  }
  static std::string name_of(Client& client) {
    const std::unique_ptr<X509, void (*)(X509*)> x509(SSL_get1_peer_certificate(client.ssl()), X509_free);
    std::array<char, 100> name{};
    X509_NAME_get_text_by_NID(X509_get_subject_name(x509.get()), NID_commonName, name.data(), name.size());
    return name.data();
  }

  struct Free {
    void operator()(SSL_CTX* it) const { ::SSL_CTX_free(it); }
  };
  std::string folder;
  std::unique_ptr<SSL_CTX, Free> context;
};

TEST_F(TlsServerTest, SpeaksTlsAndHttp11AndSaysThatTheRequestWasSecure) {
  std::atomic<bool> secure = false;
  handler = [&](Request request, Server::Respond respond) {
    secure = request.secure;
    Response response;
    response.body = request.body;
    respond(std::move(response));
  };
  start();
  EXPECT_TRUE(server->bound()[0].url().starts_with("https://"));
  auto one = client();
  const unsigned char offered[] = "\x02h2\x08http/1.1";
  ::SSL_CTX_set_alpn_protos(context.get(), offered, sizeof offered - 1);
  ASSERT_TRUE(one.start_tls(context.get()));
  const unsigned char* chosen = nullptr;
  unsigned size = 0;
  ::SSL_get0_alpn_selected(one.ssl(), &chosen, &size);
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(chosen), size), "http/1.1");
  for (int i = 0; i < 3; ++i) {
    const std::string body(500'000, static_cast<char>('a' + i));
    const auto answer = one.call("PUT /x HTTP/1.1\r\nHost: h\r\nContent-Length: 500000\r\n\r\n" + body);
    EXPECT_TRUE(body_of(answer) == body);
  }
  EXPECT_TRUE(secure);
  one.send(get("/bye", "Connection: close\r\n"));
  one.read_to_end();
  EXPECT_EQ(::SSL_get_shutdown(one.ssl()) & SSL_RECEIVED_SHUTDOWN, SSL_RECEIVED_SHUTDOWN);  // said goodbye properly
}

TEST_F(TlsServerTest, RefusesOldTlsAndOtherProtocolsAndPlainText) {
  start();
  {
    auto old = client();
    ::SSL_CTX_set_max_proto_version(context.get(), TLS1_1_VERSION);
    EXPECT_FALSE(old.start_tls(context.get()));
    ::SSL_CTX_set_max_proto_version(context.get(), 0);
  }
  {
    auto grpc = client();
    ::SSL_CTX_set_alpn_protos(context.get(), reinterpret_cast<const unsigned char*>("\x02h2"), 3);
    EXPECT_FALSE(grpc.start_tls(context.get()));
  }
  auto plain = client();
  plain.send(get("/x"));
  EXPECT_EQ(plain.read_to_end().find("HTTP/1.1 200"), std::string::npos);
  EXPECT_TRUE(soon([&] { return server->connections() <= 1; }));
}

TEST_F(TlsServerTest, TakesANewCertificateWithoutCuttingAnybodyOff) {
  start();
  auto before = client();
  ASSERT_TRUE(before.start_tls(context.get()));
  EXPECT_EQ(name_of(before), "first");

  use(make_certificate(folder, "second"));
  ASSERT_TRUE(server->reload_tls());
  auto after = client();
  ASSERT_TRUE(after.start_tls(context.get()));
  EXPECT_EQ(name_of(after), "second");
  EXPECT_TRUE(before.call(get("/x")).starts_with("HTTP/1.1 200 "));

  const auto third = make_certificate(folder, "third");
  std::filesystem::copy_file(third.key, options.tls.key, std::filesystem::copy_options::overwrite_existing);
  const auto mismatch = server->reload_tls();  // the key of one, the certificate of another
  ASSERT_FALSE(mismatch);
  EXPECT_EQ(mismatch.error().reason, Reason::tls_unusable);
  EXPECT_NE(mismatch.error().message().find(options.tls.key), std::string::npos);
  auto still = client();
  ASSERT_TRUE(still.start_tls(context.get()));
  EXPECT_EQ(name_of(still), "second");
}

TEST_F(TlsServerTest, DoesNotStartWithoutACertificate) {
  options.tls.certificate = folder + "/nowhere.crt";
  const auto started = try_start();
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().reason, Reason::tls_unusable);
  EXPECT_NE(started.error().message().find("nowhere.crt"), std::string::npos);
}

TEST_F(TlsServerTest, ShowsAnotherCertificateToWhoAsksForAnotherName) {
  const auto other = make_certificate(folder, "api.runpod.io");
  options.other_tls = {other.certificate, other.key};
  start();
  EXPECT_TRUE(server->has_tls());
  const auto shown_to = [&](const char* asked) {
    auto one = client();
    EXPECT_TRUE(one.start_tls(context.get(), asked));
    EXPECT_TRUE(one.call(get("/x")).starts_with("HTTP/1.1 200 "));
    return name_of(one);
  };
  EXPECT_EQ(shown_to("api.runpod.io"), "api.runpod.io");
  EXPECT_EQ(shown_to("gyre.example.com"), "first");
  EXPECT_EQ(shown_to(nullptr), "first");
  auto waiting = client();  // its handshake is still to come when both are read again
  ASSERT_TRUE(server->reload_tls());
  ASSERT_TRUE(waiting.start_tls(context.get(), "api.runpod.io"));
  EXPECT_EQ(name_of(waiting), "api.runpod.io");
}

TEST_F(TlsServerTest, TheOtherCertificateAloneIsShownToAll) {
  const auto other = make_certificate(folder, "api.runpod.io");
  options.other_tls = {other.certificate, other.key};
  options.tls = {};
  options.listen = {{"127.0.0.1:0", true}, {"127.0.0.1:0", false}};
  start();
  auto one = client();
  ASSERT_TRUE(one.start_tls(context.get(), "gyre.example.com"));
  EXPECT_EQ(name_of(one), "api.runpod.io");
  EXPECT_TRUE(server->reload_tls());
}

TEST_F(TlsServerTest, DrainsWhileHandshakesAndStreamsAreOpen) {
  const auto stream = std::make_shared<Stream>();
  handler = [&](Request, Server::Respond respond) { respond(stream_response("text/plain", stream)); };
  start();
  auto silent = client();  // never says its hello
  auto logs = client();
  ASSERT_TRUE(logs.start_tls(context.get()));
  logs.send(get("/logs"));
  logs.read_some();
  std::promise<void> done;
  server->drain(100ms, [&] { done.set_value(); });
  EXPECT_EQ(logs.read_to_end(), "");
  logs.close();
  EXPECT_EQ(done.get_future().wait_for(10s), std::future_status::ready);
}

TEST_F(ServerTest, TheCoreMayAnswerFromWithinDispatch) {
  const auto direct = Server::start(
      options,
      [](Request request, Server::Respond respond) {
        if (request.path == "/throw") throw std::runtime_error("on purpose");
        respond(json_response(200, "{}"));
      },
      metrics);
  ASSERT_TRUE(direct);
  Client one((*direct)->bound()[0]);
  EXPECT_TRUE(one.call(get("/x")).starts_with("HTTP/1.1 200 "));
  EXPECT_TRUE(one.call(get("/throw")).starts_with("HTTP/1.1 500 "));
  EXPECT_TRUE(one.call(get("/x")).starts_with("HTTP/1.1 200 "));
}

}  // namespace
}  // namespace gyre::http
