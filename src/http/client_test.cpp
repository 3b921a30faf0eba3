#include "http/client.hpp"

#include <gtest/gtest.h>

#include <condition_variable>
#include <thread>

#include "http/canned_server.hpp"

namespace gyre::http {
namespace {

// Holds a server back until the test has seen what it wanted to see.
class Gate {
 public:
  void open() {
    std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  void wait() {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, 20s, [this] { return open_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = false;
};

CannedServer::Answer always(std::string text) {
  return [text = std::move(text)](const std::string&, const CannedServer::Send& send) { send(text); };
}

TEST(HttpClient, SendsMethodHeadersAndBodyAndReadsTheAnswer) {
  CannedServer server(always(canned(201, R"({"id":"x"})", "X-Next-Cursor: abc\r\n")));
  ClientRequest request;
  request.method = "POST";
  request.url = server.url() + "/v1/pods?dryRun=true";
  request.headers = {{"Authorization", "Bearer k"}};
  request.body = R"({"name":"n"})";
  const auto answer = fetch(request);
  ASSERT_TRUE(answer) << answer.error().message();
  EXPECT_EQ(answer->status, 201);
  EXPECT_EQ(answer->body, R"({"id":"x"})");
  EXPECT_EQ(answer->header("x-next-cursor"), "abc");
  EXPECT_EQ(answer->header("absent"), "");
  const auto sent = server.requests().at(0);
  EXPECT_TRUE(sent.starts_with("POST /v1/pods?dryRun=true HTTP/1.1\r\n")) << sent;
  EXPECT_NE(sent.find("Authorization: Bearer k\r\n"), std::string::npos);
  EXPECT_NE(sent.find("Content-Type: application/json\r\n"), std::string::npos);
  EXPECT_NE(sent.find("Content-Length: 12\r\n"), std::string::npos);
  EXPECT_TRUE(sent.ends_with(request.body));
}

TEST(HttpClient, AnEmptyPostSaysThatItsBodyIsEmpty) {
  CannedServer server(always(canned(200, "{}")));
  ClientRequest request;
  request.method = "POST";
  request.url = server.url() + "/v1/pods/p/stop";
  ASSERT_TRUE(fetch(request));
  EXPECT_NE(server.requests().at(0).find("Content-Length: 0\r\n"), std::string::npos);
}

TEST(HttpClient, DeleteCarriesNoBodyAndTakesAnAnswerWithoutOne) {
  CannedServer server(always("HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"));
  ClientRequest request;
  request.method = "DELETE";
  request.url = server.url() + "/v1/pods/p";
  const auto answer = fetch(request);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 204);
  EXPECT_TRUE(server.requests().at(0).starts_with("DELETE "));
  EXPECT_EQ(server.requests().at(0).find("Content-"), std::string::npos);
}

TEST(HttpClient, AnErrorOfTheServerIsAnAnswerLikeAnyOther) {
  CannedServer server(always(canned(409, R"({"code":"stale"})")));
  ClientRequest request;
  request.url = server.url();
  const auto answer = fetch(request, [](std::string_view) { return true; });
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 409);
  EXPECT_FALSE(answer->ok());
  EXPECT_EQ(answer->body, R"({"code":"stale"})") << "the body of a refusal is kept even when streaming";
}

TEST(HttpClient, ARedirectIsNotFollowed) {
  CannedServer server(always("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"));
  ClientRequest request;
  request.url = server.url();
  const auto answer = fetch(request);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 302);
}

TEST(HttpClient, ChunksArriveWhileTheServerStillWrites) {
  Gate first_seen;
  CannedServer server([&](const std::string&, const CannedServer::Send& send) {
    send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
    first_seen.wait();
    send("6\r\n world\r\n0\r\n\r\n");
  });
  ClientRequest request;
  request.url = server.url();
  std::string text;
  const auto answer = fetch(request, [&](std::string_view bytes) {
    text += bytes;
    first_seen.open();
    return true;
  });
  ASSERT_TRUE(answer) << answer.error().message();
  EXPECT_EQ(text, "hello world");
  EXPECT_EQ(answer->body, "");
}

TEST(HttpClient, AReaderThatHasEnoughEndsTheExchange) {
  CannedServer server([](const std::string&, const CannedServer::Send& send) {
    send("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
    while (send("line\n")) continue;
  });
  ClientRequest request;
  request.url = server.url();
  request.timeout = 0ms;
  const auto answer = fetch(request, [](std::string_view) { return false; });
  ASSERT_TRUE(answer) << answer.error().message();
  EXPECT_EQ(answer->status, 200);
}

TEST(HttpClient, ARequestToStopEndsASilentStreamAtOnce) {
  Gate over;
  std::stop_source stop;
  CannedServer server([&](const std::string&, const CannedServer::Send& send) {
    send("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nfirst");
    over.wait();
  });
  ClientRequest request;
  request.url = server.url();
  request.timeout = 0ms;
  request.stop = stop.get_token();
  std::jthread stopper;
  const auto answer = fetch(request, [&](std::string_view) {
    stopper = std::jthread([&] { stop.request_stop(); });
    return true;
  });
  over.open();
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().reason, Reason::request_cancelled);
}

TEST(HttpClient, AnAnswerOverTheLimitIsRefused) {
  CannedServer server(always(canned(200, std::string(5000, 'x'))));
  ClientRequest request;
  request.url = server.url();
  request.body_limit = 4999;
  const auto answer = fetch(request);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().reason, Reason::answer_too_large);
}

TEST(HttpClient, ASilentServerTimesOut) {
  Gate over;
  CannedServer server([&](const std::string&, const CannedServer::Send&) { over.wait(); });
  ClientRequest request;
  request.url = server.url();
  request.timeout = 100ms;
  const auto answer = fetch(request);
  over.open();
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().reason, Reason::answer_timed_out) << answer.error().message();
}

TEST(HttpClient, NobodyListeningIsSaidInWordsWithoutTheKeyInTheUrl) {
  int port = 0;
  {
    CannedServer gone(always(""));
    port = gone.port();
  }
  ClientRequest request;
  request.url = "http://127.0.0.1:" + std::to_string(port) + "/v1/me?api_key=rpa_secret";
  const auto answer = fetch(request);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().reason, Reason::server_unreachable);
  EXPECT_EQ(answer.error().message().find("rpa_secret"), std::string::npos) << answer.error().message();
}

TEST(HttpClient, OnlyHttpIsSpoken) {
  ClientRequest request;
  request.url = "file:///etc/hostname";
  const auto answer = fetch(request);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().field, "url");
}

TEST(HttpClient, AHeaderCannotSmuggleAnother) {
  ClientRequest request;
  request.url = "http://127.0.0.1:1/";
  request.headers = {{"X-A", "b\r\nX-C: d"}};
  const auto answer = fetch(request);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().field, "headers");
}

TEST(HttpClient, UrlEncodingKeepsOnlyWhatIsSafeEverywhere) {
  EXPECT_EQ(url_encode("a b/c?d&e=~ü"), "a%20b%2Fc%3Fd%26e%3D~%C3%BC");
}

TEST(Client, KnowsWhichAddressesArePublic) {
  for (const char* address : {"1.1.1.1", "172.15.0.1", "172.32.0.1", "192.0.1.1", "2606:4700::1111", "::ffff:8.8.8.8"})
    EXPECT_TRUE(is_public_address(address)) << address;
  for (const char* address : {"0.0.0.0",
                              "10.1.2.3",
                              "100.64.0.1",
                              "127.0.0.1",
                              "127.9.9.9",
                              "169.254.169.254",
                              "172.16.0.1",
                              "172.31.255.255",
                              "192.168.1.1",
                              "198.18.0.1",
                              "224.0.0.1",
                              "255.255.255.255",
                              "::1",
                              "::",
                              "fe80::1",
                              "fc00::1",
                              "fd00:ec2::254",
                              "ff02::1",
                              "::ffff:10.0.0.1",
                              "64:ff9b::a9fe:a9fe",
                              "2002:7f00:1::",
                              "2001:db8::1",
                              "localhost",
                              ""})
    EXPECT_FALSE(is_public_address(address)) << address;
}

TEST(Client, ReachesNoPrivateAddressForAStrangersName) {
  CannedServer server(always(canned(200, "{}")));
  ClientRequest request;
  request.only_public_addresses = true;
  for (const char* host : {"127.0.0.1", "localhost"}) {
    request.url = std::string("http://") + host + ":" + std::to_string(server.port()) + "/";
    const auto answer = fetch(request);
    ASSERT_FALSE(answer) << host;
    EXPECT_EQ(answer.error().reason, Reason::server_unreachable);
  }
}

}  // namespace
}  // namespace gyre::http
