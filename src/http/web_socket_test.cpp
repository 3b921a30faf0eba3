// A WebSocket over real sockets, with a client that is not ours (Beast's).
#include "http/web_socket.hpp"

#include <gtest/gtest.h>

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/websocket/stream.hpp>
#include <condition_variable>
#include <thread>

#include "http/server.hpp"
#include "http/web_socket_client.hpp"

namespace gyre::http {
namespace {

namespace asio = boost::asio;
namespace ws = boost::beast::websocket;
using Tcp = asio::ip::tcp;

// A server whose /echo gives back what it hears, and whose /talk says what the test wants.
class WebSocketServer : public testing::Test {
 protected:
  void SetUp() override {
    ServerOptions options;
    options.listen.push_back({.address = "127.0.0.1:0"});
    options.access_log = false;
    const auto dispatch = [this](const Request& request, const Server::Respond& respond) {
      if (const auto fits = check_upgrade(request); !fits) return respond(problem(fits.error(), request));
      auto socket = std::make_shared<WebSocket>();
      {
        const std::lock_guard lock(mutex);
        sockets.push_back(socket);
      }
      changed.notify_all();
      const std::weak_ptr<WebSocket> weak = socket;
      if (request.path == "/echo")
        socket->on_message([weak] {
          const auto at = weak.lock();
          while (at)
            if (auto message = at->receive())
              at->send(std::move(*message));
            else
              break;
        });
      respond(web_socket_response(socket, chosen_protocol(request, {"test.v1"})));
    };
    auto started = Server::start(options, dispatch, metrics);
    ASSERT_TRUE(started) << started.error().message();
    server = std::move(*started);
  }

  std::shared_ptr<WebSocket> socket(std::size_t number = 0) {
    std::unique_lock lock(mutex);
    EXPECT_TRUE(changed.wait_for(lock, std::chrono::seconds(10), [&] { return sockets.size() > number; }));
    return sockets.at(number);
  }
  // With a deadline, fails with words.
  template <class F>
  static bool soon(F check, std::chrono::milliseconds limit = std::chrono::seconds(10)) {
    const auto until = std::chrono::steady_clock::now() + limit;
    while (!check()) {
      if (std::chrono::steady_clock::now() > until) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    return true;
  }

  struct Client {
    explicit Client(std::uint16_t port, const std::string& path, const std::string& protocol = {}) : stream(io) {
      stream.next_layer().connect({asio::ip::make_address("127.0.0.1"), port});
      const timeval limit{15, 0};
      ::setsockopt(stream.next_layer().native_handle(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
      if (!protocol.empty())
        stream.set_option(ws::stream_base::decorator(
            [protocol](ws::request_type& request) { request.set("Sec-WebSocket-Protocol", protocol); }));
      stream.read_message_max(64 << 20);
      stream.handshake(answer, "127.0.0.1", path);
    }
    std::string read() {
      boost::beast::flat_buffer buffer;
      boost::system::error_code problem;
      stream.read(buffer, problem);
      if (problem) return "(" + problem.message() + ")";
      const auto data = buffer.data();
      return {static_cast<const char*>(data.data()), data.size()};
    }
    asio::io_context io;
    ws::stream<Tcp::socket> stream;
    ws::response_type answer;
  };
  std::uint16_t port() const { return server->bound().front().port; }

  Metrics metrics;
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<std::shared_ptr<WebSocket>> sockets;
  std::unique_ptr<Server> server;
};

TEST_F(WebSocketServer, TextAndBytesComeBackAsTheyWentAndTheProtocolIsAgreed) {
  Client client(port(), "/echo", "other, test.v1");
  EXPECT_EQ(client.answer["Sec-WebSocket-Protocol"], "test.v1");
  EXPECT_EQ(client.answer.count("Sec-WebSocket-Extensions"), 0u);
  client.stream.text(true);
  client.stream.write(asio::buffer(std::string("echo 한글")));
  EXPECT_EQ(client.read(), "echo 한글");
  EXPECT_TRUE(client.stream.got_text());
  const std::string large(WebSocket::message_bytes, '\xff');
  client.stream.binary(true);
  client.stream.write(asio::buffer(large));
  EXPECT_TRUE(client.read() == large);
  EXPECT_TRUE(client.stream.got_binary());
  client.stream.ping({});
  client.stream.close(ws::close_code::normal);
  EXPECT_TRUE(soon([&] { return socket()->peer_code() == close_normal; }));
}

TEST_F(WebSocketServer, AMessageTooLargeIsRefusedWithItsCode) {
  Client client(port(), "/echo");
  client.stream.binary(true);
  boost::system::error_code ignored;
  client.stream.write(asio::buffer(std::string(WebSocket::message_bytes + 1, 'x')), ignored);
  client.read();
  EXPECT_EQ(client.stream.reason().code, ws::close_code::too_big);
}

TEST_F(WebSocketServer, ARequestThatIsNotForAWebSocketIsToldSo) {
  const auto answer = fetch({.url = server->bound().front().url() + "/echo"});
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 400);
  EXPECT_NE(answer->body.find("upgrade_required"), std::string::npos) << answer->body;
}

TEST_F(WebSocketServer, AClientThatHalfClosesIsGone) {
  Client client(port(), "/talk");
  const auto at = socket();
  client.stream.next_layer().shutdown(Tcp::socket::shutdown_send);
  EXPECT_TRUE(soon([&] { return at->closed(); })) << "the handler does not hear of it";
  EXPECT_EQ(at->peer_code(), close_broken);
}

TEST_F(WebSocketServer, ASlowReaderHoldsNoMoreThanTheWindow) {
  Client client(port(), "/talk");
  const auto at = socket();
  const std::string piece(32 * 1024, 'x');
  std::size_t sent = 0;
  bool room = true;
  // Until the system's buffers are full and the window with them; then the writer is told to wait.
  ASSERT_TRUE(soon([&] {
    while (room && sent < (64u << 20)) {
      room = at->send({false, piece});
      sent += piece.size();
    }
    if (!room && at->waiting_bytes() <= WebSocket::window_bytes / 2) room = true;
    return !room && at->waiting_bytes() > WebSocket::window_bytes;
  }));
  EXPECT_LE(at->waiting_bytes(), WebSocket::window_bytes + piece.size());
  bool told = false;
  at->on_room([&] { told = true; });
  std::size_t read = 0;
  while (read < sent) read += client.read().size();
  EXPECT_EQ(read, sent);
  EXPECT_TRUE(soon([&] { return told; }));
}

TEST_F(WebSocketServer, WhatIsNotReceivedIsNotRead) {
  Client client(port(), "/talk");
  const auto at = socket();
  const std::string piece(64 * 1024, 'x');
  client.stream.binary(true);
  std::atomic<std::size_t> written = 0;
  std::thread writer([&] {
    boost::system::error_code problem;
    for (int i = 0; i < 1000 && !problem; ++i) {
      client.stream.write(asio::buffer(piece), problem);
      if (!problem) written += piece.size();
    }
  });
  // It comes to rest: what the server took and the system's buffers.
  std::size_t before = 1;
  EXPECT_TRUE(soon([&] {
    const auto now = written.load();
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    const bool rests = now > 0 && now == before;
    before = now;
    return rests;
  }));
  EXPECT_LT(written.load(), 1000 * piece.size());
  std::size_t received = 0;
  EXPECT_TRUE(soon(
      [&] {
        while (const auto message = at->receive()) received += message->bytes.size();
        return received == 1000 * piece.size();
      },
      std::chrono::seconds(30)))
      << received;
  writer.join();
}

TEST_F(WebSocketServer, ADrainingServerSaysThatItComesBack) {
  Client client(port(), "/talk");
  socket();
  server->drain(10s, [] {});
  client.read();
  EXPECT_EQ(client.stream.reason().code, ws::close_code::service_restart);
}

TEST_F(WebSocketServer, TheHandlersGoodbyeComesAfterItsWords) {
  Client client(port(), "/talk");
  const auto at = socket();
  at->send({true, "last words"});
  at->close(4404, "gone");
  EXPECT_FALSE(at->send({true, "too late"}));
  EXPECT_EQ(client.read(), "last words");
  client.read();
  EXPECT_EQ(static_cast<int>(client.stream.reason().code), 4404);
}

TEST_F(WebSocketServer, OurOwnClientUnderstandsOurServer) {
  auto answer = connect({.url = server->bound().front().url() + "/echo"}, "test.v1");
  ASSERT_TRUE(answer) << answer.error().message();
  ASSERT_EQ(answer->response.status, 101);
  ASSERT_TRUE(answer->socket);
  auto& client = *answer->socket;
  const std::string large(100'000, 'z');
  ASSERT_TRUE(client.send(Opcode::binary, large));
  ASSERT_TRUE(client.send(Opcode::text, "한글"));
  std::vector<WebSocketEvent> heard;
  EXPECT_TRUE(soon([&] {
    client.flush();
    client.read([&](WebSocketEvent event) { heard.push_back(std::move(event)); });
    return heard.size() >= 2;
  }));
  ASSERT_EQ(heard.size(), 2u);
  EXPECT_TRUE(heard[0].bytes == large);
  EXPECT_EQ(heard[1].bytes, "한글");
}

}  // namespace
}  // namespace gyre::http
