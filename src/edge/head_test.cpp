// Heads and bodies, byte by byte: what is passed on, what is refused, and where a body ends however it is cut up.
#include "edge/head.hpp"

#include <gtest/gtest.h>

#include <random>

#include "edge/body.hpp"

namespace gyre::edge {
namespace {

std::string written(const std::string& head, Asker asker = {"192.0.2.7", false, {}}) {
  const auto parsed = parse_request(head);
  EXPECT_TRUE(parsed) << parsed.error().message();
  return parsed ? write_request(*parsed, asker) : "";
}
std::string answered(const std::string& head, bool http11 = true, bool close = false) {
  const auto parsed = parse_response(head, "GET");
  EXPECT_TRUE(parsed) << parsed.error().message();
  return parsed ? write_response(*parsed, http11, close) : "";
}

TEST(Host, NamesAPodAndAPortInAnyCase) {
  const auto name = parse_host("2S56cp0pof1rmt-7860.Proxy.localhost:8080", "proxy.localhost");
  ASSERT_TRUE(name);
  EXPECT_EQ(name->pod, "2s56cp0pof1rmt");
  EXPECT_EQ(name->port, 7860);
  EXPECT_EQ(parse_host("a-1.proxy.localhost.", "proxy.localhost")->port, 1);
}

TEST(Host, OfTheDomainButNoPodIsOursAndNamesNothing) {
  for (const auto* host :
       {"proxy.localhost", "x.proxy.localhost", "-80.proxy.localhost", "a-0.proxy.localhost", "a-080.proxy.localhost",
        "a-65536.proxy.localhost", "a-8o.proxy.localhost", "a-.proxy.localhost", "a--1x.proxy.localhost"}) {
    const auto name = parse_host(host, "proxy.localhost");
    ASSERT_TRUE(name) << host;
    EXPECT_EQ(name->port, 0) << host;
  }
}

TEST(Host, OfAnotherDomainIsNotOurs) {
  for (const auto* host :
       {"", "localhost", "localhost:8080", "127.0.0.1", "[::1]:80", "a-1.proxy.localhost.example.com",
        "a-1xproxy.localhost", "a-1.proxy.localhost:80:80", "a-1.proxy.localhost@x"})
    EXPECT_FALSE(parse_host(host, "proxy.localhost")) << host;
}

TEST(Request, IsPassedOnWithWhoAskedAndWithoutWhatIsForOneHop) {
  EXPECT_EQ(
      written("GET /a?b=c HTTP/1.1\r\nHost: p-1.d:80\r\nConnection: keep-alive, X-Once\r\nX-Once: 1\r\n"
              "Keep-Alive: timeout=5\r\nTE: trailers\r\nProxy-Authorization: x\r\nAuthorization: Bearer k\r\n"
              "X-Forwarded-For: 6.6.6.6\r\nForwarded: for=6.6.6.6\r\nx-forwarded-proto: https\r\nAccept: */*\r\n\r\n"),
      "GET /a?b=c HTTP/1.1\r\nHost: p-1.d:80\r\nAuthorization: Bearer k\r\nAccept: */*\r\n"
      "X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: p-1.d:80\r\n"
      "Forwarded: for=192.0.2.7;host=\"p-1.d:80\";proto=http\r\n\r\n");
}

TEST(Request, OfATrustedProxyKeepsItsChain) {
  const auto head = written("GET / HTTP/1.1\r\nHost: h\r\n\r\n", {"2001:db8::1", true, "198.51.100.1"});
  EXPECT_NE(head.find("X-Forwarded-For: 198.51.100.1, 2001:db8::1\r\n"), head.npos) << head;
  EXPECT_NE(head.find("X-Forwarded-Proto: https\r\n"), head.npos);
  EXPECT_NE(head.find("Forwarded: for=\"[2001:db8::1]\";host=\"h\";proto=https\r\n"), head.npos);
}

TEST(Request, ForAnUpgradeKeepsIt) {
  const std::string head =
      "GET /ws HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n"
      "Sec-WebSocket-Key: k\r\n\r\n";
  EXPECT_EQ(parse_request(head)->upgrade, "websocket");
  EXPECT_NE(written(head).find("Sec-WebSocket-Key: k\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"), head.npos);
  // Named by nobody, it is only a header.
  EXPECT_EQ(parse_request("GET / HTTP/1.1\r\nHost: h\r\nUpgrade: h2c\r\n\r\n")->upgrade, "");
}

TEST(Request, ConnectionCannotTakeAwayWhatFramesOrProves) {
  const auto head = written(
      "POST / HTTP/1.1\r\nHost: h\r\nConnection: close, Host, Content-Length, Cookie\r\n"
      "Content-Length: 3\r\nCookie: a=b\r\n\r\n");
  for (const auto* kept : {"Host: h\r\n", "Content-Length: 3\r\n", "Cookie: a=b\r\n"})
    EXPECT_NE(head.find(kept), head.npos) << kept;
}

TEST(Request, WholeUrlMustNameTheSameHost) {
  EXPECT_EQ(parse_request("GET http://h:1/x HTTP/1.1\r\nHost: h:1\r\n\r\n")->target, "/x");
  EXPECT_FALSE(parse_request("GET http://other/x HTTP/1.1\r\nHost: h\r\n\r\n"));
}

// Each has been used to smuggle a request past some proxy, or would let two readers differ.
TEST(Request, ThatTwoReadersCouldReadDifferentlyIsRefused) {
  const std::string start = "POST / HTTP/1.1\r\nHost: h\r\n";
  for (const std::string bad : {
           "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
           "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n",
           "Content-Length: 3\r\nContent-Length: 3\r\n",
           "Content-Length: 3\r\nContent-Length: 4\r\n",
           "Content-Length: 3, 3\r\n",
           "Content-Length: +3\r\n",
           "Content-Length: -1\r\n",
           "Content-Length: 0x3\r\n",
           "Content-Length: 3 4\r\n",
           "Content-Length:\r\n",
           "Content-Length: 99999999999999999999\r\n",
           "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
           "Transfer-Encoding: gzip, chunked\r\n",
           "Transfer-Encoding: chunked, identity\r\n",
           "Transfer-Encoding: xchunked\r\n",
           "Transfer-Encoding: \"chunked\"\r\n",
           "Transfer-Encoding: chunked;q=1\r\n",
           "Transfer-Encoding : chunked\r\n",
           "Transfer-Encoding\t: chunked\r\n",
           " Transfer-Encoding: chunked\r\n",
           "X: a\r\n Transfer-Encoding: chunked\r\n",
           "X: a\r\n\tb\r\n",
           "X: a\rTransfer-Encoding: chunked\r\n",
           "X: a\nTransfer-Encoding: chunked\r\n",
           "X\r\n",
           ": x\r\n",
           "X y: z\r\n",
           "X: \x01\r\n",
           "X: \x7f\r\n",
           "Host: other\r\n",
           "host: h\r\n",
           "Connection: upgrade\r\nUpgrade: x\r\nContent-Length: 3\r\n",
           "Connection: upgrade\r\nUpgrade: x\r\nTransfer-Encoding: chunked\r\n",
       })
    EXPECT_FALSE(parse_request(start + bad + "\r\n")) << bad;
  EXPECT_FALSE(parse_request(start + "X: " + std::string(1, '\0') + "\r\n\r\n"));
  for (const std::string bad : {
           "GET / HTTP/1.1\r\n\r\n",
           "GET  / HTTP/1.1\r\nHost: h\r\n\r\n",
           "GET / HTTP/1.1 \r\nHost: h\r\n\r\n",
           "GET / HTTP/2.0\r\nHost: h\r\n\r\n",
           "GET / HTTP/1.2\r\nHost: h\r\n\r\n",
           "GET / http/1.1\r\nHost: h\r\n\r\n",
           "GET /\r\nHost: h\r\n\r\n",
           "G(T / HTTP/1.1\r\nHost: h\r\n\r\n",
           "CONNECT h:80 HTTP/1.1\r\nHost: h\r\n\r\n",
           "GET x HTTP/1.1\r\nHost: h\r\n\r\n",
           "POST / HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n",
       })
    EXPECT_FALSE(parse_request(bad)) << bad;
}

TEST(Request, KeepsItsConnectionAsItsVersionSays) {
  EXPECT_TRUE(parse_request("GET / HTTP/1.1\r\nHost: h\r\n\r\n")->keep_alive);
  EXPECT_FALSE(parse_request("GET / HTTP/1.1\r\nHost: h\r\nConnection: Close\r\n\r\n")->keep_alive);
  EXPECT_FALSE(parse_request("GET / HTTP/1.0\r\nHost: h\r\n\r\n")->keep_alive);
  EXPECT_TRUE(parse_request("GET / HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\n\r\n")->keep_alive);
}

TEST(Answer, SaysHowItsBodyEnds) {
  const auto body = [](const std::string& head, const std::string& method = "GET") {
    return parse_response(head, method)->body;
  };
  EXPECT_EQ(body("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n"), Body::counted);
  EXPECT_EQ(body("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", "HEAD"), Body::none);
  EXPECT_EQ(body("HTTP/1.1 304 Not Modified\r\nContent-Length: 3\r\n\r\n"), Body::none);
  EXPECT_EQ(body("HTTP/1.1 204 No Content\r\n\r\n"), Body::none);
  EXPECT_EQ(body("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"), Body::chunked);
  EXPECT_EQ(body("HTTP/1.0 200 OK\r\n\r\n"), Body::until_close);
  EXPECT_EQ(body("HTTP/1.1 200\r\n\r\n"), Body::until_close);
  EXPECT_FALSE(parse_response("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", "GET"));
  EXPECT_FALSE(parse_response("SSH-2.0-OpenSSH_9.2p1\r\n\r\n", "GET"));
  EXPECT_FALSE(parse_response("HTTP/1.1 2x0 OK\r\n\r\n", "GET"));
}

TEST(Answer, IsPassedOnWithoutWhatIsForOneHop) {
  EXPECT_EQ(answered("HTTP/1.0 200 Fine\r\nConnection: close\r\nServer: x\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n\r\n",
                     true, true),
            "HTTP/1.1 200 Fine\r\nServer: x\r\nSet-Cookie: a\r\nSet-Cookie: b\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(answered("HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"),
            "HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
  EXPECT_EQ(answered("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", false, false),
            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n");
}

TEST(BodyEnd, IsFoundHoweverTheBytesAreCutUp) {
  std::mt19937 dice(7);
  for (int round = 0; round < 500; ++round) {
    std::string body;
    const bool chunked = dice() % 2 == 0;
    std::uint64_t length = 0;
    if (chunked) {
      for (auto left = dice() % 4; left > 0; --left) {
        const auto size = 1 + dice() % 40;
        char line[32];
        std::snprintf(line, sizeof line, dice() % 2 ? "%x%s\r\n" : "%X%s\r\n", static_cast<unsigned>(size),
                      dice() % 3 == 0 ? ";a=\"b\"" : "");
        body += line + std::string(size, dice() % 2 ? '\r' : '0') + "\r\n";
      }
      body += dice() % 2 ? "0\r\n\r\n" : "000\r\nTrailer: x\r\nAnother: y\r\n\r\n";
    } else {
      length = dice() % 100;
      body.assign(length, 'x');
    }
    const std::string all = body + "GET /next";
    BodyEnd end(chunked ? Body::chunked : Body::counted, length);
    std::size_t at = 0, taken = 0;
    while (!end.ended()) {
      ASSERT_LT(at, all.size());
      const auto piece = std::string_view(all).substr(at, 1 + dice() % 7);
      const auto used = end.take(piece);
      ASSERT_FALSE(end.broken());
      ASSERT_TRUE(used == piece.size() || end.ended());
      taken += used;
      at += used;
    }
    EXPECT_EQ(taken, body.size());
    EXPECT_EQ(end.take("more"), 0u);
  }
}

TEST(BodyEnd, ChunksThatCannotBeReadAreBroken) {
  for (const std::string bad : {"\r\n", "x\r\n", "3\nabc\r\n", "3\r\nabcd\r\n", "3\r\nabc\n", "-1\r\n", "0x3\r\n",
                                " 3\r\n", "1000000000000000\r\n", "3;\x01\r\n", "0\r\nX: \x02\r\n\r\n",
                                "0\r\n folded\r\n\r\n", "3 \r\nabc\r\n", "0\r\nX: y\nZ: w\r\n\r\n"}) {
    BodyEnd end(Body::chunked, 0);
    end.take(bad);
    EXPECT_TRUE(end.broken()) << bad;
  }
  BodyEnd end(Body::chunked, 0);
  end.take("3;" + std::string(1000, 'x'));
  EXPECT_TRUE(end.broken());
}

TEST(Heads, NothingThatComesInMakesThemCrash) {
  std::mt19937 dice(11);
  const std::string seed =
      "POST /x HTTP/1.1\r\nHost: a-1.d\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n"
      "Connection: Upgrade, close\r\nUpgrade: x\r\n\r\n";
  int understood = 0;
  for (int round = 0; round < 20'000; ++round) {
    auto text = seed;
    for (auto changes = dice() % 6; changes > 0; --changes) {
      const auto at = dice() % text.size();
      if (dice() % 3 == 0)
        text.erase(at, dice() % 8);
      else if (dice() % 2 == 0)
        text.insert(at, std::string(1 + dice() % 3, static_cast<char>(dice())));
      else
        text[at] = static_cast<char>(dice());
      if (text.empty()) text = "x";
    }
    const auto head = parse_request(text);
    if (!head) continue;
    ++understood;
    // What is passed on is understood in the same way by the next reader.
    const auto out = write_request(*head, {"192.0.2.1", false, {}});
    const auto again = parse_request(out);
    ASSERT_TRUE(again) << out;
    EXPECT_EQ(again->body, head->body);
    EXPECT_EQ(again->length, head->length);
    EXPECT_EQ(again->host, head->host);
    EXPECT_EQ(again->target, head->target);
  }
  EXPECT_GE(understood, 0);
}

}  // namespace
}  // namespace gyre::edge
