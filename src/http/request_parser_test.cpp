// What a client may send, what it may not, and what the bytes of an answer are; no socket anywhere.
#include "http/request_parser.hpp"

#include <gtest/gtest.h>

#include "http/response_head.hpp"
#include "http/trusted_proxies.hpp"

namespace gyre::http {
namespace {

using State = RequestParser::State;

struct Parsed {
  State state = State::head;
  std::optional<Request> request;
  Error error;
  std::string log_target, method;
  bool keep_alive = false, expects_continue = false;
  std::size_t used = 0;
};

// In pieces of `step` bytes; what the parser leaves is offered again, as a connection does.
Parsed parse(const std::string& bytes, std::size_t step = 100'000, RequestParser::Limits limits = {}) {
  RequestParser parser(limits);
  Parsed out;
  std::string waiting;
  for (std::size_t at = 0; at < bytes.size() && parser.state() < State::done; at += step) {
    waiting += bytes.substr(at, step);
    const auto used = parser.feed(waiting);
    waiting.erase(0, used);
    out.used += used;
  }
  out.state = parser.state();
  out.error = parser.error();
  out.method = parser.method();
  out.log_target = parser.log_target();
  out.keep_alive = parser.keep_alive();
  out.expects_continue = parser.expects_continue();
  if (out.state == State::done) out.request = parser.take();
  if (out.state == State::failed) out.request = parser.abandon();
  return out;
}

TEST(RequestParser, ReadsARequestHoweverItIsCutIntoPieces) {
  const std::string bytes =
      "POST /v1/pods/a%20b?limit=2&name=x HTTP/1.1\r\nHost: here\r\nX-One: 1\r\nAccept-Language: ko, en;q=0.5\r\n"
      "Content-Length: 11\r\n\r\n{\"a\":\"bcd\"}GET ";
  for (std::size_t step = 1; step <= bytes.size(); ++step) {
    const auto parsed = parse(bytes, step);
    ASSERT_EQ(parsed.state, State::done) << step;
    const auto& request = *parsed.request;
    EXPECT_EQ(request.method, Method::post);
    EXPECT_EQ(request.path, "/v1/pods/a b");
    EXPECT_EQ(request.query.get("limit"), "2");
    EXPECT_EQ(request.headers.get("x-one"), "1");
    EXPECT_EQ(request.language, Language::ko);
    EXPECT_EQ(request.body, R"({"a":"bcd"})");
    EXPECT_TRUE(parsed.keep_alive);
    EXPECT_EQ(parsed.used, bytes.size() - 4);  // the next request stays where it is
  }
}

TEST(RequestParser, TakesChunksApartAndKeepsTrailersOutOfTheHeaders) {
  const std::string bytes =
      "PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
      "4;note=x\r\nWiki\r\nA\r\n0123456789\r\n0\r\nAuthorization: Bearer smuggled\r\n\r\n";
  for (std::size_t step = 1; step <= bytes.size(); ++step) {
    const auto parsed = parse(bytes, step);
    ASSERT_EQ(parsed.state, State::done) << step;
    EXPECT_EQ(parsed.request->body, "Wiki0123456789");
    EXPECT_FALSE(parsed.request->headers.has("Authorization"));
  }
}

TEST(RequestParser, KnowsWhetherTheConnectionGoesOn) {
  EXPECT_TRUE(parse("GET / HTTP/1.1\r\nHost: h\r\n\r\n").keep_alive);
  EXPECT_FALSE(parse("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").keep_alive);
  EXPECT_FALSE(parse("GET / HTTP/1.0\r\n\r\n").keep_alive);
  EXPECT_TRUE(parse("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").keep_alive);
}

TEST(RequestParser, ForgivesEmptyLinesBeforeARequest) {
  EXPECT_EQ(parse("\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n").state, State::done);
}

TEST(RequestParser, RefusesWhatTwoReadersCouldUnderstandDifferently) {
  const std::string bad[] = {
      "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
      "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: identity\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
      "POST / HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1a\r\n\r\na",
      "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999999999999999\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: h\r\nContent-Length : 3\r\n\r\nabc",
      "GET / HTTP/1.1\r\nHost: h\r\nHost: i\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nZ\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcdef\r\n",
  };
  for (const auto& bytes : bad) {
    for (const std::size_t step : {std::size_t{1}, bytes.size()}) {
      const auto parsed = parse(bytes, step);
      EXPECT_EQ(parsed.state, State::failed) << bytes;
      EXPECT_EQ(parsed.error.code(), ErrorCode::invalid_argument) << bytes;
    }
  }
}

TEST(RequestParser, RefusesLinesThatAreNotHttp) {
  const std::string bad[] = {
      "hello\r\n\r\n",
      "GET\r\n\r\n",
      "GET / HTTP/2.0\r\n\r\n",
      "GET / HTTP/1.1\r\nno colon here\r\n\r\n",
      "GET / HTTP/1.1\r\n\r\n",  // no Host
      "GET / HTTP/1.1\r\nHost: h\r\nX: a\x01z\r\n\r\n",
      "GET pods HTTP/1.1\r\nHost: h\r\n\r\n",
      "GET /%zz HTTP/1.1\r\nHost: h\r\n\r\n",
      "GET /%00 HTTP/1.1\r\nHost: h\r\n\r\n",
      "GET /%ff HTTP/1.1\r\nHost: h\r\n\r\n",
      "GET /?a=%2 HTTP/1.1\r\nHost: h\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: h\r\nExpect: a miracle\r\n\r\n",
      "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a TLS hello",
  };
  for (const auto& bytes : bad) {
    const auto parsed = parse(bytes);
    EXPECT_EQ(parsed.state, State::failed) << bytes;
    EXPECT_EQ(parsed.error.reason, Reason::bad_request) << bytes;
  }
}

TEST(RequestParser, RefusesATargetInTheLanguageThatTheHeadersAskFor) {
  for (const std::size_t step : {1, 5000}) {
    const auto parsed = parse("GET /?a=%ff HTTP/1.1\r\nHost: h\r\nAccept-Language: ko\r\n\r\n", step);
    EXPECT_EQ(parsed.state, State::failed);
    EXPECT_EQ(parsed.request.value().language, Language::ko);
    EXPECT_NE(parsed.error.message(Language::ko).find("쿼리가 UTF-8이 아닙니다"), std::string::npos);
  }
}

TEST(RequestParser, NamesTheMethodsThereAre) {
  for (const char* method : {"TRACE", "CONNECT", "BREW"}) {
    const auto parsed = parse(std::string(method) + " / HTTP/1.1\r\nHost: h\r\n\r\n");
    EXPECT_EQ(parsed.error.reason, Reason::method_not_allowed) << method;
    EXPECT_NE(parsed.error.fix().find("PATCH"), std::string::npos);
  }
}

TEST(RequestParser, KeepsNoMoreOfAHeadThanItsLimit) {
  const RequestParser::Limits limits{.header_bytes = 1000, .body_bytes = 100};
  const std::string line = "X-Filler: " + std::string(40, 'x') + "\r\n";
  std::string head = "GET / HTTP/1.1\r\nHost: h\r\n";
  while (head.size() + line.size() < 990) head += line;
  EXPECT_EQ(parse(head + "\r\n", 1, limits).state, State::done);
  EXPECT_EQ(parse(head + "\r\n", 5000, limits).state, State::done);
  for (const std::size_t step : {1, 7, 100, 5000}) {
    std::string endless = head;
    for (int i = 0; i < 40; ++i) endless += line;
    const auto parsed = parse(endless, step, limits);
    EXPECT_EQ(parsed.error.reason, Reason::headers_too_large) << step;
    EXPECT_LE(parsed.used, 2000u);
    EXPECT_EQ(parse("GET /" + std::string(3000, 'a'), step, limits).error.reason, Reason::headers_too_large) << step;
  }
}

TEST(RequestParser, BoundsChunkLinesAndTrailersToo) {
  const RequestParser::Limits limits{.header_bytes = 1000, .body_bytes = 100};
  const std::string head = "PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (const std::size_t step : {1, 64, 5000}) {
    EXPECT_EQ(parse(head + "1;" + std::string(3000, 'x'), step, limits).state, State::failed) << step;
    std::string trailers = "0\r\n";
    for (int i = 0; i < 100; ++i) trailers += "X-Filler: " + std::string(40, 'x') + "\r\n";
    EXPECT_EQ(parse(head + trailers, step, limits).error.reason, Reason::headers_too_large) << step;
  }
}

TEST(RequestParser, RefusesALargeBodyByItsAnnouncementOrByItsSize) {
  const RequestParser::Limits limits{.header_bytes = 1000, .body_bytes = 100};
  const std::string head = "PUT /x HTTP/1.1\r\nHost: h\r\n";
  EXPECT_EQ(parse(head + "Content-Length: 100\r\n\r\n" + std::string(100, 'b'), 9, limits).state, State::done);
  const auto announced = parse(head + "Content-Length: 101\r\n\r\n", 100'000, limits);
  EXPECT_EQ(announced.error.reason, Reason::body_too_large);
  EXPECT_EQ(announced.method, "PUT");
  EXPECT_EQ(announced.log_target, "/x");
  std::string chunks;
  for (int i = 0; i < 11; ++i) chunks += "a\r\n0123456789\r\n";
  EXPECT_EQ(parse(head + "Transfer-Encoding: chunked\r\n\r\n" + chunks, 5, limits).error.reason,
            Reason::body_too_large);
}

TEST(RequestParser, ShowsNoApiKeyToTheLogHoweverItsNameIsSpelt) {
  const auto log = [](const std::string& target) {
    return parse("GET " + target + " HTTP/1.1\r\nHost: h\r\n\r\n").log_target;
  };
  EXPECT_EQ(log("/v1/pods?limit=3"), "/v1/pods?limit=3");
  for (const char* target : {"/x?api_key=secret", "/x?api%5Fkey=secret", "/x?%61pi_key=secret&api_key=secret"}) {
    EXPECT_EQ(log(target).find("secret"), std::string::npos) << target;
    EXPECT_NE(log(target).find("api_key="), std::string::npos) << target;
  }
  EXPECT_EQ(log("/x?bad=%zz&api_key=secret"), "/x");  // a query that cannot be read is not shown
  EXPECT_EQ(log("/a\xff\"b"), "/a%FF\"b");
}

// Broken requests by the thousand: the parser must come to the same end however the bytes are cut, and to no other end
// of ours (Beast has assertions that a client could reach).
TEST(RequestParser, ComesToTheSameEndForAnyBytesHoweverTheyAreCut) {
  const std::string good[] = {
      "GET /v1/pods?limit=2&api_key=x HTTP/1.1\r\nHost: here\r\nAccept-Language: ko\r\n\r\nGET / HTTP/1.1\r\n\r\n",
      "POST /v1/pods HTTP/1.1\r\nHost: h\r\nContent-Length: 11\r\nConnection: keep-alive, close\r\n\r\n{\"a\":\"bcd\"}",
      "PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n4;n=\"x\"\r\nWiki\r\nA\r\n0123456789\r\n0\r\nT: "
      "1\r\n\r\n",
      "PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n0\r\n\r\n",
      "OPTIONS http://host/a HTTP/1.0\r\nX: a\r\n folded\r\n\r\n",
  };
  const std::string_view alphabet = "\r\n\r\n\r\n :;,=\"0123456789aAfFgGxX\t%/?&\0\x7f\xff-";
  std::uint64_t state = 7;
  const auto below = [&](std::uint64_t limit) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (state >> 33) % limit;
  };
  int done = 0, failed = 0, unfinished = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::string bytes = good[below(std::size(good))];
    for (auto changes = below(4); changes > 0; --changes) {
      const auto at = below(bytes.size());
      const auto letter = alphabet[below(alphabet.size())];
      if (const auto what = below(4); what == 0)
        bytes[at] = letter;
      else if (what == 1)
        bytes.insert(at, 1 + below(3), letter);
      else if (what == 2)
        bytes.erase(at, 1 + below(4));
      else
        bytes += bytes.substr(at, below(40));
      if (bytes.empty()) bytes = "x";
    }
    const auto whole = parse(bytes);
    ++(whole.state == State::done ? done : whole.state == State::failed ? failed : unfinished);
    for (const std::size_t step : {std::size_t{1}, std::size_t{3}, 1 + below(40)}) {
      const auto cut = parse(bytes, step);
      // A mistake in a head that is not complete is seen sooner or later, depending on the cut.
      if (cut.state != whole.state) {
        ASSERT_TRUE(cut.state != State::done && whole.state != State::done) << round << " step " << step << "\n"
                                                                            << bytes;
        continue;
      }
      ASSERT_EQ(cut.error.reason, whole.error.reason) << bytes;
      if (!whole.request) continue;
      ASSERT_EQ(cut.used, whole.used) << bytes;
      ASSERT_EQ(cut.request->body, whole.request->body) << bytes;
      ASSERT_EQ(cut.request->headers.lines(), whole.request->headers.lines()) << bytes;
      ASSERT_EQ(cut.request->path, whole.request->path) << bytes;
    }
  }
  EXPECT_GT(done, 1000);  // the changes leave something of everything
  EXPECT_GT(failed, 1000);
  EXPECT_GT(unfinished, 100);
}

TEST(ResponseHead, IsWhatTheClientNeeds) {
  Response response = json_response(201, "{}");
  response.headers.add("Content-Length", "999");  // the server knows better
  response.headers.add("Set-Cookie", "a=1");
  response.headers.add("Set-Cookie", "b=2");
  Framing framing;
  framing.length = 2;
  framing.close = true;
  EXPECT_EQ(
      response_head(response, framing, "req-1", Time(784111777s)),
      "HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n"
      "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nX-Request-Id: req-1\r\nContent-Length: 2\r\nConnection: close\r\n\r\n");
}

TEST(ResponseHead, LetsNoHeaderBreakOutOfItsLine) {
  Response response;
  response.headers.add("Location", "/a\r\nSet-Cookie: stolen=1");
  response.headers.add("X-Bad\r\nName", "1");
  response.headers.add("X-Zero", std::string("a\0b", 3));
  response.headers.add("X-Fine", "\xea\xb0\x80");
  const auto head = response_head(response, {}, "req-1", Time{});
  EXPECT_EQ(head.find("stolen"), std::string::npos);
  EXPECT_EQ(head.find("X-Bad"), std::string::npos);
  EXPECT_EQ(head.find("X-Zero"), std::string::npos);
  EXPECT_NE(head.find("X-Fine: \xea\xb0\x80\r\n"), std::string::npos);
}

TEST(ResponseHead, GivesNoLengthWhereThereIsNoBody) {
  Framing framing;
  framing.length = 0;
  Response response;
  for (const int status : {204, 304}) {
    response.status = status;
    EXPECT_EQ(response_head(response, framing, "r", Time{}).find("Content-Length"), std::string::npos);
  }
}

TEST(ResponseHead, AnEmptyChunkWouldEndTheBodyAndIsNotWritten) {
  std::string out;
  append_chunk(out, "");
  EXPECT_EQ(out, "");
  append_chunk(out, std::string(26, 'z'));
  EXPECT_EQ(out, "1a\r\n" + std::string(26, 'z') + "\r\n");
}

TEST(TrustedProxies, AreBelievedAndNobodyElse) {
  const auto proxies = TrustedProxies::parse({"10.0.0.0/8", "fd00::/8", "192.0.2.7"});
  ASSERT_TRUE(proxies);
  Headers headers;
  headers.add("X-Forwarded-For", "6.6.6.6, 203.0.113.9:1234");
  headers.add("x-forwarded-for", "10.9.9.9");
  headers.add("X-Forwarded-Proto", "https");

  const auto through = proxies->client("10.1.2.3", false, headers);
  EXPECT_EQ(through.address, "203.0.113.9");  // 6.6.6.6 is what that client claims of itself
  EXPECT_TRUE(through.secure);

  const auto direct = proxies->client("203.0.113.50", false, headers);
  EXPECT_EQ(direct.address, "203.0.113.50");
  EXPECT_FALSE(direct.secure);

  EXPECT_EQ(proxies->client("fd12::1", true, {}).address, "fd12::1");
  EXPECT_TRUE(proxies->client("fd12::1", true, {}).secure);
  Headers v6;
  v6.add("X-Forwarded-For", "[2001:db8::5]:443");
  EXPECT_EQ(proxies->client("192.0.2.7", false, v6).address, "2001:db8::5");
  Headers joke;
  joke.add("X-Forwarded-For", "1.1.1.1, <script>");
  EXPECT_EQ(proxies->client("192.0.2.7", false, joke).address, "192.0.2.7");
}

TEST(TrustedProxies, KnowTheBordersOfANetwork) {
  const auto proxies = TrustedProxies::parse({"172.16.0.0/12", "0.0.0.0/0"});
  ASSERT_TRUE(proxies);
  EXPECT_FALSE(proxies->trusts("::1"));  // all of IPv4 is not IPv6
  const auto narrow = TrustedProxies::parse({"172.16.0.0/12"});
  EXPECT_TRUE(narrow->trusts("172.31.255.255"));
  EXPECT_FALSE(narrow->trusts("172.32.0.0"));
  EXPECT_FALSE(narrow->trusts("172.15.255.255"));
  EXPECT_TRUE(narrow->trusts("::ffff:172.16.0.1"));
}

TEST(TrustedProxies, AWrongNetworkIsNamed) {
  for (const char* wrong : {"10.0.0.0/33", "::/129", "10.0.0/8", "host", "10.0.0.0/", "10.0.0.0/-1", ""}) {
    const auto proxies = TrustedProxies::parse({"10.0.0.0/8", wrong});
    ASSERT_FALSE(proxies) << wrong;
    EXPECT_EQ(proxies.error().field, "trusted_proxies[1]");
  }
}

TEST(TrustedProxies, ConnectionsOfOneIpv6CustomerAreCountedTogether) {
  EXPECT_EQ(remote_group("2001:db8:1:2:3::4"), remote_group("2001:db8:1:2:ffff::1"));
  EXPECT_NE(remote_group("2001:db8:1:2::1"), remote_group("2001:db8:1:3::1"));
  EXPECT_NE(remote_group("10.0.0.1"), remote_group("10.0.0.2"));
}

}  // namespace
}  // namespace gyre::http
