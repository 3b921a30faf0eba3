// A connection in virtual time, on a wire of our own: what it says, in which order, and when it loses patience.
#include "http/connection.hpp"

#include <gtest/gtest.h>

#include <deque>

#include "base/log.hpp"
#include "http/web_socket.hpp"

namespace gyre::http {
namespace {

class FakeLoop final : public Loop {
 public:
  void post(std::function<void()> callback) override {
    const std::lock_guard lock(mutex_);
    posted_.push_back(std::move(callback));
  }
  TimePoint now() const override { return now_; }
  void replace(Member& old, std::shared_ptr<Member> now) override {
    EXPECT_EQ(&old, connection.get());
    taken = std::move(now);
    connection.reset();
  }
  void after(Duration, std::function<void()>) override {}
  std::shared_ptr<Wire> dial(const std::string&, int) override { return nullptr; }
  void forget(Member& gone) override {
    EXPECT_EQ(&gone, connection.get());
    forgotten = true;
    connection.reset();
  }
  bool run_one() {
    std::function<void()> next;
    {
      const std::lock_guard lock(mutex_);
      if (posted_.empty()) return false;
      next = std::move(posted_.front());
      posted_.pop_front();
    }
    next();
    return true;
  }

  std::shared_ptr<Connection> connection;
  std::shared_ptr<Member> taken;
  bool forgotten = false;
  TimePoint now_{};

 private:
  std::mutex mutex_;
  std::deque<std::function<void()>> posted_;
};

// What the other side of a FakeWire sees and does.
struct Line {
  bool handshake = false;  // as TLS: open waits
  char* into = nullptr;    // a read that waits
  std::size_t into_max = 0;
  std::string_view writing;  // a write that waits
  bool write_waits = false;
  bool finished = false, closed = false, reset = false;
  std::optional<TimePoint> alarm;
  std::string sent;  // by the connection
};

class FakeWire final : public Wire {
 public:
  explicit FakeWire(std::shared_ptr<Line> line) : line_(std::move(line)) {}
  void open(const std::shared_ptr<WireOwner>& owner) override {
    if (!line_->handshake) owner->on_open();
  }
  void hand_to(const std::shared_ptr<WireOwner>&) override {}
  void end_writes() override {}
  void read(char* into, std::size_t max) override {
    EXPECT_EQ(line_->into, nullptr) << "one read at a time";
    line_->into = into;
    line_->into_max = max;
  }
  void write(std::string_view bytes) override {
    EXPECT_FALSE(line_->write_waits) << "one write at a time";
    EXPECT_FALSE(bytes.empty());
    line_->writing = bytes;
    line_->write_waits = true;
  }
  void finish() override { line_->finished = true; }
  void close(bool reset) override {
    line_->closed = true;
    line_->reset = reset;
  }
  void wake_at(TimePoint when) override { line_->alarm = when; }

 private:
  std::shared_ptr<Line> line_;
};

class ConnectionTest : public testing::Test {
 protected:
  ConnectionTest() { options.access_log = false; }
  ~ConnectionTest() override {
    if (loop->connection) loop->connection->give_up("test over");
  }

  void open(Connection::Peer peer = {"192.0.2.1", false, Site::Admission::welcome}) {
    site = std::make_shared<Site>(
        options, TrustedProxies(),
        [this](Request request, Server::Respond respond) {
          requests.push_back(std::move(request));
          responds.push_back(std::move(respond));
        },
        metrics);
    site->admit(peer.address);
    loop->connection = std::make_shared<Connection>(site, *loop, std::make_unique<FakeWire>(line), peer);
    const auto connection = loop->connection;
    connection->start();
    settle();
  }

  // The client takes all that is written, in writes of any size.
  void settle() {
    for (;;) {
      if (loop->run_one()) continue;
      if (!takes || !line->write_waits || line->closed) return;
      take(line->writing.size());
    }
  }
  void take(std::size_t size) {
    line->sent += line->writing.substr(0, size);
    line->write_waits = false;
    const auto connection = loop->connection;
    connection->on_written(true, size);
  }

  void say(std::string_view bytes) {
    while (!bytes.empty()) {
      ASSERT_NE(line->into, nullptr) << "it is not reading";
      const auto size = std::min(bytes.size(), line->into_max);
      std::copy_n(bytes.data(), size, line->into);
      line->into = nullptr;
      bytes.remove_prefix(size);
      const auto connection = loop->connection;
      connection->on_read(Connection::Read::bytes, size);
      settle();
      if (line->closed) return;
    }
  }
  bool reading() const { return line->into != nullptr && !line->closed; }
  void hang_up(Connection::Read how = Connection::Read::end) {
    ASSERT_NE(line->into, nullptr);
    line->into = nullptr;
    const auto connection = loop->connection;
    connection->on_read(how, 0);
    settle();
  }

  // Time passes; the alarm goes off when it should.
  void pass(Duration span) {
    const auto until = loop->now_ + span;
    while (line->alarm && *line->alarm <= until && loop->connection) {
      loop->now_ = std::max(loop->now_, *line->alarm);
      line->alarm.reset();
      const auto connection = loop->connection;
      connection->on_time();
      settle();
    }
    loop->now_ = until;
  }

  void answer(std::size_t index, int status, std::string body) {
    Response response;
    response.status = status;
    response.body = std::move(body);
    responds.at(index)(std::move(response));
    settle();
  }
  std::string heard() { return std::exchange(line->sent, {}); }
  static std::size_t count(std::string_view text, std::string_view part) {
    std::size_t out = 0;
    for (auto at = text.find(part); at != text.npos; at = text.find(part, at + part.size())) ++out;
    return out;
  }

  static std::string get(const std::string& path, const std::string& headers = "") {
    return "GET " + path + " HTTP/1.1\r\nHost: h\r\n" + headers + "\r\n";
  }
  static std::string post(const std::string& path, const std::string& body) {
    return "POST " + path + " HTTP/1.1\r\nHost: h\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
           body;
  }

  Metrics metrics;
  ServerOptions options;
  bool takes = true;
  std::shared_ptr<Site> site;
  std::shared_ptr<FakeLoop> loop = std::make_shared<FakeLoop>();
  std::shared_ptr<Line> line = std::make_shared<Line>();
  std::vector<Request> requests;
  std::vector<Server::Respond> responds;
};

// ---- requests and answers ----

TEST_F(ConnectionTest, AnswersOneRequestAfterTheOther) {
  open();
  for (std::size_t i = 0; i < 3; ++i) {
    say(get("/a" + std::to_string(i)));
    ASSERT_EQ(requests.size(), i + 1);
    EXPECT_EQ(requests[i].path, "/a" + std::to_string(i));
    EXPECT_EQ(requests[i].remote_address, "192.0.2.1");
    EXPECT_FALSE(requests[i].request_id.empty());
    EXPECT_EQ(heard(), "");
    answer(i, 200, "body" + std::to_string(i));
    const auto answered = heard();
    EXPECT_TRUE(answered.starts_with("HTTP/1.1 200 OK\r\n")) << answered;
    EXPECT_NE(answered.find("Content-Length: 5\r\n"), std::string::npos);
    EXPECT_NE(answered.find("X-Request-Id: " + requests[i].request_id), std::string::npos);
    EXPECT_TRUE(answered.ends_with("\r\n\r\nbody" + std::to_string(i)));
    EXPECT_EQ(answered.find("Connection:"), std::string::npos);
  }
  EXPECT_FALSE(line->closed);
}

TEST_F(ConnectionTest, AnswersOfPipelinedRequestsLeaveInTheOrderOfTheRequests) {
  open();
  say(get("/1") + get("/2") + get("/3"));
  ASSERT_EQ(requests.size(), 3u);  // they only look: they may overlap
  answer(2, 200, "three");
  answer(1, 200, "two");
  EXPECT_EQ(heard(), "");
  answer(0, 200, "one");
  const auto text = heard();
  EXPECT_LT(text.find("\r\n\r\none"), text.find("\r\n\r\ntwo"));
  EXPECT_LT(text.find("\r\n\r\ntwo"), text.find("\r\n\r\nthree"));
}

TEST_F(ConnectionTest, APipelinedChangeWaitsForTheAnswerBeforeIt) {
  open();
  say(get("/1") + post("/2", "x") + get("/3"));
  ASSERT_EQ(requests.size(), 1u);
  answer(0, 200, "one");
  ASSERT_EQ(requests.size(), 2u);
  EXPECT_EQ(requests[1].body, "x");
  answer(1, 201, "two");
  ASSERT_EQ(requests.size(), 3u);
  answer(2, 200, "three");
  EXPECT_EQ(count(heard(), "HTTP/1.1 "), 3u);
}

TEST_F(ConnectionTest, StopsReadingWhenTooManyPipelinedRequestsWait) {
  open();
  std::string many;
  for (int i = 0; i < 5000 && reading(); ++i) say(get("/" + std::to_string(i)));
  EXPECT_FALSE(reading());
  EXPECT_EQ(requests.size(), 16u);
  for (std::size_t i = 0; i < 16; ++i) answer(i, 200, "");
  EXPECT_EQ(requests.size(), 32u);  // from what had been read already
}

TEST_F(ConnectionTest, HeadGetsTheLengthAndNotTheBody) {
  open();
  say("HEAD /x HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_EQ(requests.at(0).method, Method::head);
  answer(0, 200, "12345");
  const auto text = heard();
  EXPECT_NE(text.find("Content-Length: 5\r\n"), std::string::npos);
  EXPECT_TRUE(text.ends_with("\r\n\r\n"));
}

TEST_F(ConnectionTest, ClosesAfterTheAnswerWhenAskedTo) {
  open();
  say(get("/1", "Connection: close\r\n") + get("/2"));
  answer(0, 200, "one");
  EXPECT_NE(heard().find("Connection: close\r\n"), std::string::npos);
  EXPECT_EQ(requests.size(), 1u);  // what came after the last request is not one
  EXPECT_TRUE(line->finished);
  EXPECT_FALSE(line->closed);  // the client reads its answer in peace
  pass(options.linger_time);
  EXPECT_TRUE(line->closed);
  EXPECT_FALSE(line->reset);
  EXPECT_TRUE(loop->forgotten);
}

TEST_F(ConnectionTest, Http10IsClosedUnlessItAsksOtherwise) {
  open();
  say("GET /1 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  answer(0, 200, "one");
  EXPECT_NE(heard().find("Connection: keep-alive\r\n"), std::string::npos);
  EXPECT_FALSE(line->finished);
  say("GET /2 HTTP/1.0\r\n\r\n");
  answer(1, 200, "two");
  EXPECT_TRUE(line->finished);
}

TEST_F(ConnectionTest, TellsAClientThatWaitsForItToGoOn) {
  open();
  say("PUT /x HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(heard(), "HTTP/1.1 100 Continue\r\n\r\n");
  say("body");
  ASSERT_EQ(requests.size(), 1u);
  EXPECT_EQ(requests[0].body, "body");
}

TEST_F(ConnectionTest, SaysContinueOnlyAfterTheAnswersBeforeIt) {
  open();
  say(get("/1") + "PUT /2 HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(heard(), "");
  pass(60s);  // it is our turn: the client's body is not late
  EXPECT_FALSE(line->closed);
  answer(0, 200, "one");
  const auto text = heard();
  EXPECT_TRUE(text.ends_with("oneHTTP/1.1 100 Continue\r\n\r\n")) << text;
}

TEST_F(ConnectionTest, ABodyThatIsTooLargeIsRefusedBeforeItIsSent) {
  options.body_bytes_max = 10;
  open();
  say("PUT /x HTTP/1.1\r\nHost: h\r\nContent-Length: 11\r\nExpect: 100-continue\r\n\r\n");
  const auto text = heard();
  EXPECT_TRUE(text.starts_with("HTTP/1.1 413 ")) << text;
  EXPECT_EQ(text.find("100 Continue"), std::string::npos);
  EXPECT_NE(text.find("body_too_large"), std::string::npos);
  EXPECT_NE(text.find("Connection: close"), std::string::npos);
  EXPECT_TRUE(line->finished);
  EXPECT_TRUE(requests.empty());
}

TEST_F(ConnectionTest, AMalformedRequestIsAnsweredAfterTheOnesBeforeIt) {
  open();
  say(get("/1") + "NONSENSE\r\n\r\n");
  EXPECT_EQ(heard(), "");
  answer(0, 200, "one");
  const auto text = heard();
  EXPECT_LT(text.find("\r\n\r\none"), text.find("HTTP/1.1 400 "));
  EXPECT_NE(text.find("application/problem+json"), std::string::npos);
  EXPECT_TRUE(line->finished);
}

// Also what never comes to the router has the form of the API that it was for.
class RefusalForm : public ConnectionTest, public testing::WithParamInterface<const char*> {
 protected:
  const std::string path = GetParam();
  void expect_form(std::size_t refusals) {
    const auto text = heard();
    const bool v2 = path != "/v1/pods";
    EXPECT_EQ(count(text, "\"errors\":["), v2 ? refusals : 0) << text;
    EXPECT_EQ(count(text, "\"error\":"), v2 ? 0 : refusals) << text;
  }
};
TEST_P(RefusalForm, OfABodyThatIsTooLarge) {
  options.body_bytes_max = 10;
  open();
  say("PUT " + path + " HTTP/1.1\r\nHost: h\r\nContent-Length: 11\r\n\r\n");
  expect_form(1);
}
TEST_P(RefusalForm, OfAnUnknownMethod) {
  open();
  say("BREW " + path + " HTTP/1.1\r\nHost: h\r\n\r\n");
  expect_form(1);
}
TEST_P(RefusalForm, OfAQueryThatCannotBeRead) {
  open();
  say(get(path + "?x=%FF"));
  expect_form(1);
}
TEST_P(RefusalForm, OfOneTooMany) {
  open({"192.0.2.1", false, Site::Admission::refused});
  say(get(path));
  expect_form(1);
}
TEST_P(RefusalForm, OfOneThatIsDroppedAndOfOneForWhichThereIsNoRoom) {
  options.requests_max = 1;
  open();
  say(get(path) + get(path));
  responds.clear();  // whoever should have answered is gone
  settle();
  expect_form(2);
}
TEST_P(RefusalForm, OfOneThatIsUnderWayAtTheDeadline) {
  open();
  say(post(path, "x"));
  site->draining = true;
  loop->connection->drain();
  loop->connection->end_now();
  settle();
  expect_form(1);
}
INSTANTIATE_TEST_SUITE_P(Below, RefusalForm, testing::Values("/v1/pods", "/v2/pods", "//v2/pods"),
                         [](const auto& one) { return "path" + std::to_string(one.index); });

TEST_F(ConnectionTest, AnUnknownMethodIsToldWhichThereAre) {
  open();
  say("BREW /pot HTTP/1.1\r\nHost: h\r\n\r\n");
  const auto text = heard();
  EXPECT_TRUE(text.starts_with("HTTP/1.1 405 "));
  EXPECT_NE(text.find("Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n"), std::string::npos);
}

TEST_F(ConnectionTest, ARequestThatIsDroppedIsAnsweredAllTheSame) {
  open();
  say(get("/1"));
  responds.clear();  // whoever should have answered is gone
  settle();
  EXPECT_TRUE(heard().starts_with("HTTP/1.1 500 "));
}

TEST_F(ConnectionTest, TheFirstAnswerCounts) {
  open();
  say(get("/1"));
  answer(0, 200, "one");
  answer(0, 500, "two");
  EXPECT_EQ(count(heard(), "HTTP/1.1 "), 1u);
}

TEST_F(ConnectionTest, KeepsTheRequestIdThatACallerGave) {
  open();
  say(get("/1", "X-Request-Id: from-the-caller\r\n") + get("/2", "X-Request-Id: \"bad\"\r\n"));
  EXPECT_EQ(requests.at(0).request_id, "from-the-caller");
  EXPECT_TRUE(requests.at(1).request_id.starts_with("req-"));
}

// ---- later answers ----

TEST_F(ConnectionTest, AnAnswerMayComeLater) {
  open();
  say(get("/wait"));
  const auto later = std::make_shared<Later>();
  responds.at(0)(later_response(later));
  settle();
  pass(10min);  // we owe the answer: no time-out of the client's
  EXPECT_EQ(heard(), "");
  later->complete(json_response(200, "{}"));
  settle();
  EXPECT_TRUE(heard().starts_with("HTTP/1.1 200 "));
  EXPECT_FALSE(later->abandoned);
}

TEST_F(ConnectionTest, ALaterAnswerIsAbandonedWhenTheClientBreaksOff) {
  open();
  say(get("/wait"));
  const auto later = std::make_shared<Later>();
  responds.at(0)(later_response(later));
  settle();
  hang_up(Connection::Read::broken);
  EXPECT_TRUE(later->abandoned);
  later->complete(json_response(200, "{}"));
  settle();
  EXPECT_EQ(heard(), "");
}

TEST_F(ConnectionTest, ALaterAnswerToSomebodyWhoLeftBeforeIsAbandonedAtOnce) {
  open();
  say(get("/wait"));
  hang_up(Connection::Read::broken);
  const auto later = std::make_shared<Later>();
  responds.at(0)(later_response(later));
  settle();
  EXPECT_TRUE(later->abandoned);
}

TEST_F(ConnectionTest, ALaterAnswerThatIsForgottenIsAnError) {
  open();
  say(get("/wait"));
  auto later = std::make_shared<Later>();
  responds.at(0)(later_response(later));
  responds.clear();
  settle();
  EXPECT_EQ(heard(), "");
  later.reset();  // its handler has lost it: nobody can answer any more
  settle();
  EXPECT_TRUE(heard().starts_with("HTTP/1.1 500 "));
}

// ---- half-closed and gone ----

TEST_F(ConnectionTest, AClientThatHasSaidAllStillGetsItsAnswer) {
  open();
  say(get("/1"));
  hang_up();
  EXPECT_FALSE(line->closed);
  answer(0, 200, "one");
  EXPECT_TRUE(heard().ends_with("one"));
  EXPECT_TRUE(line->finished);
}

TEST_F(ConnectionTest, AClientThatLeavesInTheMiddleOfARequestIsNotServed) {
  open();
  say("PUT /x HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nhalf");
  hang_up();
  EXPECT_TRUE(requests.empty());
  EXPECT_TRUE(line->finished);
  EXPECT_EQ(heard(), "");
}

// ---- streams ----

TEST_F(ConnectionTest, AStreamLeavesChunkByChunk) {
  open();
  say(get("/logs"));
  const auto stream = std::make_shared<Stream>();
  responds.at(0)(stream_response("text/plain", stream));
  settle();
  const auto head = heard();
  EXPECT_NE(head.find("Transfer-Encoding: chunked\r\n"), std::string::npos);
  EXPECT_EQ(head.find("Content-Length"), std::string::npos);
  EXPECT_TRUE(stream->write("hello"));
  settle();
  EXPECT_EQ(heard(), "5\r\nhello\r\n");
  pass(1h);  // quiet streams are not idle connections
  stream->write("again");
  stream->close();
  settle();
  EXPECT_EQ(heard(), "5\r\nagain\r\n0\r\n\r\n");
  EXPECT_EQ(site->numbers->streams, 0u);
  say(get("/next"));  // and the connection goes on
  EXPECT_EQ(requests.size(), 2u);
}

TEST_F(ConnectionTest, AStreamThatIsAbortedHasNoLastChunk) {
  open();
  say(get("/logs") + get("/next"));
  const auto stream = std::make_shared<Stream>();
  responds.at(0)(stream_response("text/plain", stream));
  stream->write("half");
  stream->abort();
  settle();
  const auto text = heard();
  EXPECT_TRUE(text.ends_with("4\r\nhalf\r\n")) << text;
  EXPECT_TRUE(line->finished);  // nothing may follow: it would look like chunks
}

TEST_F(ConnectionTest, AnHttp10StreamEndsWithTheConnectionAndAnAbortWithAReset) {
  open();
  say("GET /logs HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  const auto stream = std::make_shared<Stream>();
  responds.at(0)(stream_response("text/plain", stream));
  stream->write("half");
  settle();
  const auto text = heard();
  EXPECT_EQ(text.find("chunked"), std::string::npos);
  EXPECT_NE(text.find("Connection: close"), std::string::npos);
  EXPECT_TRUE(text.ends_with("\r\n\r\nhalf"));
  stream->abort();
  settle();
  EXPECT_TRUE(line->closed);
  EXPECT_TRUE(line->reset);
}

TEST_F(ConnectionTest, AStreamIsTakenNoFasterThanTheClientReads) {
  open();
  say(get("/logs"));
  const auto stream = std::make_shared<Stream>();
  responds.at(0)(stream_response("text/plain", stream));
  settle();
  heard();
  takes = false;
  std::size_t accepted = 0;
  while (stream->write(std::string(1000, 'x'))) {
    accepted += 1000;
    settle();
    ASSERT_LT(accepted, 10 * Stream::window_bytes) << "nobody reads";
  }
  EXPECT_LE(accepted, 2 * Stream::window_bytes);  // one window on its way, one waiting
  bool room = false;
  stream->on_room([&] { room = true; });
  EXPECT_FALSE(room);
  takes = true;
  settle();
  EXPECT_TRUE(room);
  EXPECT_GT(heard().size(), accepted);
}

TEST_F(ConnectionTest, TheWriterOfAStreamHearsThatItsReaderIsGone) {
  for (const auto how : {Connection::Read::end, Connection::Read::broken}) {
    line = std::make_shared<Line>();
    loop = std::make_shared<FakeLoop>();
    requests.clear();
    responds.clear();
    Metrics fresh;
    open();
    say(get("/logs"));
    const auto stream = std::make_shared<Stream>();
    bool closed = false;
    stream->on_closed([&] { closed = true; });
    responds.at(0)(stream_response("text/plain", stream));
    settle();
    EXPECT_FALSE(closed);
    hang_up(how);
    EXPECT_TRUE(closed);
    EXPECT_TRUE(stream->closed_by_reader());
    EXPECT_FALSE(stream->write("x"));
    EXPECT_EQ(site->numbers->streams, 0u);
    EXPECT_EQ(site->numbers->connections, 0u);
  }
}

TEST_F(ConnectionTest, AStreamForSomebodyWhoLeftBeforeIsClosedAtOnce) {
  open();
  say(get("/logs"));
  hang_up(Connection::Read::broken);
  const auto stream = std::make_shared<Stream>();
  responds.at(0)(stream_response("text/plain", stream));
  settle();
  EXPECT_TRUE(stream->closed_by_reader());
}

TEST_F(ConnectionTest, AStreamToAHeadRequestIsNotKeptOpen) {
  open();
  say("HEAD /logs HTTP/1.1\r\nHost: h\r\n\r\n");
  const auto stream = std::make_shared<Stream>();
  responds.at(0)(stream_response("text/plain", stream));
  settle();
  EXPECT_TRUE(stream->closed_by_reader());
  EXPECT_TRUE(heard().ends_with("\r\n\r\n"));
  say(get("/next"));
  EXPECT_EQ(requests.size(), 2u);
}

// ---- time ----

TEST_F(ConnectionTest, AClientThatSaysNothingIsClosed) {
  open();
  pass(options.header_time - 1ms);
  EXPECT_FALSE(line->finished);
  pass(1ms);
  EXPECT_TRUE(line->finished);
}

TEST_F(ConnectionTest, AnIdleConnectionIsKeptForAWhile) {
  open();
  say(get("/1"));
  pass(5min);
  answer(0, 200, "one");
  pass(options.idle_time - 1ms);
  EXPECT_FALSE(line->finished);
  pass(1ms);
  EXPECT_TRUE(line->finished);
  EXPECT_FALSE(line->reset);
}

TEST_F(ConnectionTest, ASlowHeaderIsCutOffHoweverBusyItLooks) {
  open();
  say("GET / HTTP/1.1\r\nHost: h\r\n");
  for (int i = 0; i < 100 && !line->closed; ++i) {
    pass(1s);
    if (!line->closed) say("X: y\r\n");
  }
  EXPECT_TRUE(line->closed);
  EXPECT_EQ(loop->now_ - TimePoint{}, options.header_time);
  EXPECT_TRUE(requests.empty());
}

TEST_F(ConnectionTest, TheNextHeaderHasItsOwnTime) {
  open();
  say(get("/1"));
  answer(0, 200, "");
  pass(70s);
  say("GET / HTT");
  pass(14s);
  EXPECT_FALSE(line->closed);
  say("P/1.1\r\nHost: h\r\n\r\n");
  EXPECT_EQ(requests.size(), 2u);
}

TEST_F(ConnectionTest, ABodyMustComeAtSomeRate) {
  open();
  say("PUT /x HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n");
  for (int i = 0; i < 60; ++i) {  // twice the rate that it must have: fine for as long as it takes
    pass(1s);
    ASSERT_FALSE(line->closed);
    say(std::string(2048, 'x'));
  }
  int seconds = 0;
  while (!line->closed && ++seconds < 1000) {  // one byte a second is not
    pass(1s);
    if (!line->closed) say("x");
  }
  EXPECT_TRUE(line->closed);
  EXPECT_NEAR(seconds, 15 + 120 - 60, 2);  // what it had earned, and the grace
}

TEST_F(ConnectionTest, AReaderThatTakesNothingIsCutOff) {
  open();
  say(get("/logs"));
  const auto stream = std::make_shared<Stream>();
  responds.at(0)(stream_response("text/plain", stream));
  settle();
  takes = false;
  stream->write("x");
  settle();
  pass(options.write_time - 1ms);
  EXPECT_FALSE(line->closed);
  pass(1ms);
  EXPECT_TRUE(line->closed);
  EXPECT_TRUE(line->reset);
  EXPECT_TRUE(stream->closed_by_reader());
}

TEST_F(ConnectionTest, AByteNowAndThenDoesNotMakeASlowReaderAnyFaster) {
  open();
  say(get("/big"));
  takes = false;
  answer(0, 200, std::string(1'000'000, 'x'));
  for (int i = 0; i < 29; ++i) {
    pass(1s);
    ASSERT_FALSE(line->closed);
    take(1);
  }
  pass(1s);
  EXPECT_TRUE(line->closed);
}

TEST_F(ConnectionTest, AHandshakeThatDoesNotEndIsCutOff) {
  line->handshake = true;
  open({"192.0.2.1", true, Site::Admission::welcome});
  EXPECT_FALSE(reading());
  pass(options.header_time);
  EXPECT_TRUE(line->closed);
  EXPECT_EQ(site->numbers->connections, 0u);
}

// ---- limits ----

TEST_F(ConnectionTest, OverTheLimitItIsToldToComeBack) {
  open({"192.0.2.1", false, Site::Admission::refused});
  say(get("/1"));
  const auto text = heard();
  EXPECT_TRUE(text.starts_with("HTTP/1.1 503 "));
  EXPECT_NE(text.find("Retry-After: 1\r\n"), std::string::npos);
  EXPECT_TRUE(requests.empty());
  EXPECT_TRUE(line->finished);
}

TEST_F(ConnectionTest, OverTheLimitItNeedNotSendItsBodyFirst) {
  open({"192.0.2.1", false, Site::Admission::refused});
  say("PUT /1 HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n");
  EXPECT_TRUE(heard().starts_with("HTTP/1.1 503 "));
}

TEST_F(ConnectionTest, WhenTheCoreHasEnoughToDoItIsNotGivenMore) {
  options.requests_max = 2;
  open();
  say(get("/1") + get("/2") + get("/3"));
  EXPECT_EQ(requests.size(), 2u);
  answer(0, 200, "one");
  answer(1, 200, "two");
  EXPECT_NE(heard().find("HTTP/1.1 503 "), std::string::npos);
  say(get("/4"));
  EXPECT_EQ(requests.size(), 3u);
}

TEST_F(ConnectionTest, TheSiteCountsConnectionsByRemote) {
  options.connections_max = 100;
  options.connections_per_remote_max = 2;
  open();  // the first of 192.0.2.1
  EXPECT_EQ(site->admit("192.0.2.1"), Site::Admission::welcome);
  EXPECT_EQ(site->admit("192.0.2.1"), Site::Admission::refused);
  EXPECT_EQ(site->admit("192.0.2.2"), Site::Admission::welcome);
  site->released("192.0.2.1");
  site->released("192.0.2.1");
  EXPECT_EQ(site->admit("192.0.2.1"), Site::Admission::welcome);
  for (int i = 0; i < 1000; ++i) site->admit("192.0.2.3");
  EXPECT_EQ(site->admit("192.0.2.3"), Site::Admission::dropped);
}

// ---- draining ----

TEST_F(ConnectionTest, DrainingClosesAnIdleConnectionAtOnce) {
  open();
  site->draining = true;
  loop->connection->drain();
  EXPECT_TRUE(line->closed);
  EXPECT_EQ(site->numbers->connections, 0u);
}

TEST_F(ConnectionTest, DrainingFinishesWhatIsInFlightAndSaysSo) {
  open();
  say(get("/1") + get("/2"));
  site->draining = true;
  loop->connection->drain();
  settle();
  EXPECT_FALSE(line->closed);
  answer(0, 200, "one");
  EXPECT_EQ(heard().find("Connection: close"), std::string::npos);
  answer(1, 200, "two");
  EXPECT_NE(heard().find("Connection: close"), std::string::npos);
  EXPECT_TRUE(line->finished);
}

TEST_F(ConnectionTest, DrainingWaitsForTheRequestThatIsHalfHere) {
  open();
  say("PUT /x HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbo");
  site->draining = true;
  loop->connection->drain();
  say("dy" + get("/next"));
  ASSERT_EQ(requests.size(), 1u);
  answer(0, 200, "one");
  EXPECT_NE(heard().find("Connection: close"), std::string::npos);
  EXPECT_TRUE(line->finished);
}

TEST_F(ConnectionTest, AtTheDeadlineARequestIsToldAndAStreamIsCut) {
  open();
  say(post("/1", "x") + post("/2", "x"));
  site->draining = true;
  loop->connection->drain();
  loop->connection->end_now();
  settle();
  const auto text = heard();
  EXPECT_TRUE(text.starts_with("HTTP/1.1 503 ")) << text;
  EXPECT_NE(text.find("shutting_down"), std::string::npos);
  EXPECT_EQ(count(text, "HTTP/1.1 "), 1u);
  EXPECT_EQ(requests.size(), 1u);  // the second was never begun
  EXPECT_TRUE(line->finished);
  answer(0, 200, "too late");
  EXPECT_EQ(heard(), "");
}

TEST_F(ConnectionTest, AtTheDeadlineTheReaderOfAStreamSeesThatItIsCutShort) {
  open();
  say(get("/logs"));
  const auto stream = std::make_shared<Stream>();
  responds.at(0)(stream_response("text/plain", stream));
  stream->write("hello");
  settle();
  site->draining = true;
  loop->connection->drain();
  settle();
  EXPECT_FALSE(line->finished);  // until the deadline it may go on
  stream->write("more");
  settle();
  EXPECT_TRUE(heard().ends_with("4\r\nmore\r\n"));
  loop->connection->end_now();
  settle();
  EXPECT_TRUE(line->finished);
  EXPECT_EQ(heard().find("0\r\n\r\n"), std::string::npos);
  EXPECT_TRUE(stream->closed_by_reader());
}

// ---- metrics ----

// ---- WebSockets ----

const std::string upgrade =
    "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
std::string from_client(Opcode kind, const std::string& bytes) { return web_socket_frame(kind, bytes, "abcd"); }

TEST_F(ConnectionTest, AfterItsAnswerOf101AConnectionSpeaksWebSocket) {
  open();
  // What follows the request is not a request, though it comes at once.
  say(get("/ws", upgrade) + from_client(Opcode::text, "early"));
  ASSERT_EQ(requests.size(), 1u);
  const auto socket = std::make_shared<WebSocket>();
  responds.at(0)(web_socket_response(socket, "p"));
  settle();
  const auto head = heard();
  EXPECT_TRUE(head.starts_with("HTTP/1.1 101 Switching Protocols\r\n")) << head;
  EXPECT_NE(head.find("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"), std::string::npos) << head;
  EXPECT_NE(head.find("Connection: Upgrade\r\n"), std::string::npos);
  const auto early = socket->receive();
  ASSERT_TRUE(early);
  EXPECT_EQ(early->bytes, "early");
  socket->send({true, "hello"});
  settle();
  EXPECT_EQ(heard(), web_socket_frame(Opcode::text, "hello"));
  say(from_client(Opcode::ping, "are you there"));
  EXPECT_EQ(heard(), web_socket_frame(Opcode::pong, "are you there"));
  say(web_socket_close(close_normal, "", "abcd"));
  EXPECT_EQ(heard(), web_socket_close(close_normal, ""));
  EXPECT_TRUE(socket->closed());
  EXPECT_TRUE(line->finished);
}

TEST_F(ConnectionTest, ARefusedUpgradeLeavesAConnectionForRequests) {
  open();
  say(get("/ws", upgrade) + get("/next"));
  ASSERT_EQ(requests.size(), 1u);
  answer(0, 409, "no");
  ASSERT_EQ(requests.size(), 2u);
  answer(1, 200, "yes");
  EXPECT_EQ(count(heard(), "HTTP/1.1 "), 2u);
}

TEST_F(ConnectionTest, ASilentWebSocketIsAskedForASignOfLifeAndThenCut) {
  open();
  say(get("/ws", upgrade));
  const auto socket = std::make_shared<WebSocket>();
  responds.at(0)(web_socket_response(socket, ""));
  settle();
  heard();
  for (int i = 0; i < 5; ++i) {
    pass(21s);
    EXPECT_EQ(heard(), web_socket_frame(Opcode::ping, "")) << i;
    say(from_client(Opcode::pong, ""));
  }
  EXPECT_FALSE(socket->closed());
  pass(21s);
  EXPECT_EQ(heard(), web_socket_frame(Opcode::ping, ""));
  pass(21s);
  EXPECT_TRUE(line->closed);
  EXPECT_TRUE(socket->closed());
}

TEST_F(ConnectionTest, AClientThatDoesNotSayGoodbyeIsNotWaitedForLong) {
  open();
  say(get("/ws", upgrade));
  const auto socket = std::make_shared<WebSocket>();
  responds.at(0)(web_socket_response(socket, ""));
  socket->close(close_service_restart, "");
  settle();
  EXPECT_TRUE(heard().ends_with(web_socket_close(close_service_restart, "")));
  EXPECT_FALSE(line->closed);
  pass(6s);
  EXPECT_TRUE(line->closed);
}

TEST_F(ConnectionTest, AWebSocketThatNobodyReceivesIsNotReadFurther) {
  open();
  say(get("/ws", upgrade));
  const auto socket = std::make_shared<WebSocket>();
  responds.at(0)(web_socket_response(socket, ""));
  settle();
  int sent = 0;
  for (; sent < 100 && reading(); ++sent) say(from_client(Opcode::binary, std::string(3'000, 'x')));
  EXPECT_FALSE(reading());
  EXPECT_LT(sent, 100);
  int received = 0;
  while (socket->receive()) ++received;
  settle();
  EXPECT_EQ(received, sent);
  EXPECT_TRUE(reading());
}

TEST_F(ConnectionTest, RequestsAreCountedByRouteAndNeverByPath) {
  open();
  for (std::size_t i = 0; i < 3; ++i) {
    say(get("/v1/pods/id" + std::to_string(i)));
    Response response = json_response(200, "{}");
    response.route = "/v1/pods/{id}";
    responds.at(i)(std::move(response));
    settle();
  }
  const auto text = metrics.text();
  EXPECT_NE(text.find(R"(gyre_http_requests_total{method="GET",route="/v1/pods/{id}",status="2xx"} 3)"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find(R"(gyre_http_request_seconds_count{route="/v1/pods/{id}"} 3)"), std::string::npos);
  EXPECT_EQ(text.find("id0"), std::string::npos);
  EXPECT_NE(text.find("gyre_http_connections 1"), std::string::npos);
}

}  // namespace
}  // namespace gyre::http
