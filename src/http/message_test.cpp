#include "http/message.hpp"

#include <gtest/gtest.h>

#include <condition_variable>
#include <random>
#include <thread>

#include "http/problem.hpp"
#include "json/codec.hpp"
#include "json/utf8.hpp"

namespace gyre::http {
namespace {

using Items = std::vector<std::pair<std::string, std::string>>;

TEST(Methods, GoToTextAndBack) {
  for (const char* name : {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
    EXPECT_EQ(method_text(method_from_text(name).value()), name);
  EXPECT_FALSE(method_from_text("get"));
  EXPECT_FALSE(method_from_text("TRACE"));
}

TEST(Headers, NamesAreCaseInsensitiveAndOrderIsKept) {
  Headers headers;
  headers.add("X-A", "1");
  headers.add("x-a", "2");
  headers.add("B", "3");
  EXPECT_EQ(headers.get("X-a"), "1");
  EXPECT_FALSE(headers.has("X-"));
  headers.set("x-A", "4");
  EXPECT_EQ(headers.lines(), (Items{{"B", "3"}, {"x-A", "4"}}));
  EXPECT_EQ(headers.get("none"), "");
}

TEST(QueryTest, IsDecodedInOrder) {
  const auto query = Query::parse("a=1&a=2&b&c=x%2Fy+z&=d&&e==f");
  ASSERT_TRUE(query);
  EXPECT_EQ(query->items(), (Items{{"a", "1"}, {"a", "2"}, {"b", ""}, {"c", "x/y z"}, {"", "d"}, {"e", "=f"}}));
  EXPECT_EQ(query->all("a"), (std::vector<std::string>{"1", "2"}));
  EXPECT_EQ(query->get("a"), "1");
  EXPECT_FALSE(query->get("z"));
  EXPECT_TRUE(query->flag("b"));
  EXPECT_FALSE(query->flag("z"));
  EXPECT_TRUE(Query::parse("x=true").value().flag("x"));
  EXPECT_FALSE(Query::parse("x=false").value().flag("x"));
}

TEST(QueryTest, BadEscapesAreBadRequests) {
  for (const char* text : {"a=%", "a=%4", "a=%zz", "%g0=1", "a=%00", "a=%ff", "a=%ed%a0%80"}) {
    const auto query = Query::parse(text);
    ASSERT_FALSE(query) << text;
    EXPECT_EQ(query.error().reason, Reason::bad_request) << text;
  }
}

TEST(Target, IsSplitAndDecodedOnce) {
  Request request;
  ASSERT_TRUE(set_target(request, "/v1/pods/a%2541%20b?x=%2541#f"));
  EXPECT_EQ(request.path, "/v1/pods/a%41 b");
  EXPECT_EQ(request.query.get("x"), "%41");
  ASSERT_TRUE(set_target(request, "http://host:80/a?b=c"));
  EXPECT_EQ(request.path, "/a");
  ASSERT_TRUE(set_target(request, "https://host?b=c"));
  EXPECT_EQ(request.path, "/");
  EXPECT_EQ(request.query.get("b"), "c");
  for (const char* wrong : {"", "*", "host:443", "/%0", "/a%00", "/%c3"})
    EXPECT_FALSE(set_target(request, wrong)) << wrong;
}

TEST(LanguageTest, TheLikedOneOfOursIsChosen) {
  const std::pair<const char*, Language> cases[] = {
      {"", Language::en},
      {"ko", Language::ko},
      {"ko-KR,ko;q=0.9,en-US;q=0.8,en;q=0.7", Language::ko},
      {"en-US,en;q=0.9,ko;q=0.8", Language::en},
      {"en;q=0.1, KO;q=0.2", Language::ko},
      {"fr, ko;q=0.5", Language::ko},
      {"fr;q=1, *;q=0.6, ko;q=0.5", Language::en},
      {"ko;q=0", Language::en},
      {"ko;q=0, en;q=0", Language::en},
      {"ko;q=nonsense", Language::en},
      {"korean", Language::en},
      {"ko ; q = 0.5 , en ; q=0.4", Language::ko},
      {";;,,=,q", Language::en},
  };
  for (const auto& [header, language] : cases) EXPECT_EQ(preferred_language(header), language) << header;
}

TEST(RequestIds, OnlySaneOnesAreKept) {
  EXPECT_TRUE(is_request_id("4bf92f35-77b3"));
  EXPECT_TRUE(is_request_id(std::string(128, 'x')));
  EXPECT_FALSE(is_request_id(std::string(129, 'x')));
  EXPECT_FALSE(is_request_id(""));
  EXPECT_FALSE(is_request_id("a b"));
  EXPECT_FALSE(is_request_id("a\nb"));
  EXPECT_FALSE(is_request_id("a\"b"));
}

TEST(ProblemTest, CarriesCodeWordsFieldAndWayOut) {
  Request request;
  request.request_id = "req-1";
  const auto response = problem(invalid("ports[1]", "expected PORT/http or PORT/tcp").value(), request);
  EXPECT_EQ(response.status, 400);
  EXPECT_EQ(response.headers.get("content-type"), "application/problem+json");
  EXPECT_EQ(response.headers.get("content-language"), "en");
  EXPECT_EQ(
      response.body,
      R"({"type":"/docs/errors#invalid_field","title":"Bad Request","status":400,)"
      R"("detail":"ports[1]: expected PORT/http or PORT/tcp","code":"invalid_field","field":"ports[1]",)"
      R"("fix":"correct ports[1] and send the request again",)"
      R"("args":{"detail":"expected PORT/http or PORT/tcp","field":"ports[1]"},"requestId":"req-1",)"
      R"("error":"ports[1]: expected PORT/http or PORT/tcp","message":"ports[1]: expected PORT/http or PORT/tcp"})");
}

TEST(ProblemTest, SpeaksKorean) {
  Request request;
  request.language = Language::ko;
  const Error error{Reason::pod_not_found, {{"pod", "p1"}}, ""};
  const auto response = problem(error, request);
  EXPECT_EQ(response.headers.get("content-language"), "ko");
  const auto body = json::decode<Problem>(response.body);
  ASSERT_TRUE(body) << body.error().message();
  EXPECT_EQ(body->detail, "파드 p1이(가) 없습니다");
  EXPECT_EQ(body->fix, "파드 목록을 확인해 주세요");
  EXPECT_FALSE(body->field);
}

TEST(ProblemTest, EveryReasonGivesAProblem) {
  for (std::size_t i = 0; i < reason_count(); ++i) {
    const auto reason = static_cast<Reason>(i);
    const auto response = problem(Error{reason, {}, ""}, Request{});
    EXPECT_GE(response.status, 400) << reason_text(reason);
    EXPECT_NE(status_text(response.status), "Unknown") << reason_text(reason);
    EXPECT_TRUE(json::decode<Problem>(response.body)) << response.body;
  }
}

TEST(ProblemTest, BelowV2ItHasTheFormOfRestV2) {
  for (const auto* path : {"/v2", "/v2/", "/v2/pods", "//v2//pods"})
    EXPECT_EQ(problem_form(path), ProblemForm::rest_v2);
  for (const auto* path : {"", "/", "/v1/pods", "/v2x/pods", "/v22", "/pods/v2"})
    EXPECT_EQ(problem_form(path), ProblemForm::ours) << path;
  Request request;
  request.path = "/v2/pods";
  const auto said = [&](const Error& error) {
    const auto response = problem(error, request);
    EXPECT_EQ(response.headers.get("Content-Type"), "application/problem+json");
    const auto body = json::decode<ProblemV2>(response.body);
    EXPECT_TRUE(body) << response.body;
    EXPECT_EQ(body->status, response.status);
    return *body;
  };
  const auto wrong = said({Reason::missing_field, {{"field", "name"}}, "name"});
  EXPECT_EQ(wrong.status, 422);
  EXPECT_EQ(wrong.detail, "Request validation failed.");
  EXPECT_EQ(wrong.errors, std::vector<std::string>{"name is required"});
  EXPECT_EQ(said({Reason::not_logged_in, {}, ""}).detail, "missing bearer token");
  EXPECT_EQ(said({Reason::bad_request, {{"detail", "x"}}, ""}).status, 400);
  EXPECT_EQ(said({Reason::pod_locked, {{"pod", "p"}}, ""}).status, 409);
  request.language = Language::ko;
  const auto korean = said({Reason::pod_not_found, {{"pod", "p"}}, ""});
  EXPECT_EQ(korean.errors, std::vector<std::string>{korean.detail});
  request.language = Language::en;
  const auto limited = problem({Reason::too_many_requests, {{"seconds", "7"}}, ""}, request);
  EXPECT_EQ(limited.headers.get("RateLimit"), R"("requests";r=0;t=7)");
  for (std::size_t i = 0; i < reason_count(); ++i) {
    const auto reason = static_cast<Reason>(i);
    const auto body = problem_v2_of({reason, {}, ""}, Language::en, "r");
    EXPECT_FALSE(body.title.empty() || body.title == "Unknown" || body.detail.empty()) << reason_text(reason);
  }
}

TEST(ProblemTest, HeadersTellClientsWhatToDo) {
  EXPECT_EQ(problem(Error{Reason::not_logged_in, {}, ""}, {}).headers.get("WWW-Authenticate"), "Bearer realm=\"gyre\"");
  EXPECT_EQ(problem(Error{Reason::too_many_requests, {{"seconds", "7"}}, ""}, {}).headers.get("Retry-After"), "7");
}

TEST(StreamTest, GivesWhatWasWrittenThenTheEnd) {
  Stream stream;
  int called = 0;
  EXPECT_TRUE(stream.write("a"));
  stream.on_data([&] { ++called; });
  EXPECT_EQ(called, 1);
  EXPECT_TRUE(stream.write("b"));
  EXPECT_EQ(called, 1);
  EXPECT_EQ(stream.take().bytes, "ab");
  EXPECT_EQ(stream.take().bytes, "");
  stream.write("c");
  EXPECT_EQ(called, 2);
  stream.close();
  EXPECT_FALSE(stream.write("d"));
  const auto last = stream.take();
  EXPECT_EQ(last.bytes, "c");
  EXPECT_TRUE(last.ended);
  EXPECT_FALSE(last.aborted);
}

TEST(StreamTest, AnAbortIsSeenAsOne) {
  Stream stream;
  stream.write("a");
  stream.abort();
  stream.close();
  const auto last = stream.take();
  EXPECT_EQ(last.bytes, "a");
  EXPECT_TRUE(last.ended);
  EXPECT_TRUE(last.aborted);
}

TEST(StreamTest, AFullWindowHoldsTheWriterBack) {
  Stream stream;
  EXPECT_TRUE(stream.write(std::string(Stream::window_bytes, 'x')));
  EXPECT_FALSE(stream.write("y"));
  int room = 0;
  stream.on_room([&] { ++room; });
  EXPECT_EQ(room, 0);
  EXPECT_EQ(stream.take().bytes.size(), Stream::window_bytes + 1);
  EXPECT_EQ(room, 1);
  stream.take();
  EXPECT_EQ(room, 1);
  stream.on_room([&] { ++room; });  // there is room already
  EXPECT_EQ(room, 2);
}

TEST(StreamTest, TheWriterLearnsThatTheReaderLeft) {
  Stream stream;
  int closed = 0, room = 0;
  stream.write(std::string(Stream::window_bytes + 1, 'x'));
  stream.on_closed([&] { ++closed; });
  stream.on_room([&] { ++room; });
  stream.reader_gone();
  stream.reader_gone();
  EXPECT_EQ(closed, 1);
  EXPECT_EQ(room, 0);
  EXPECT_TRUE(stream.closed_by_reader());
  EXPECT_FALSE(stream.write("x"));
  EXPECT_EQ(stream.take().bytes, "");
  stream.on_closed([&] { ++closed; });
  EXPECT_EQ(closed, 2);
}

TEST(StreamTest, ACallbackMayUseTheStream) {
  auto stream = std::make_shared<Stream>();
  std::string read;
  stream->on_data([&] { read += stream->take().bytes; });
  stream->on_closed([&] { stream->close(); });
  stream->write("a");
  stream->write("b");
  EXPECT_EQ(read, "ab");
  stream->reader_gone();
}

TEST(StreamTest, CallbacksAreLetGoOfWhenTheReaderLeaves) {
  auto stream = std::make_shared<Stream>();
  const std::weak_ptr<Stream> watch = stream;
  stream->on_data([stream] {});
  stream->on_closed([stream] {});
  stream->reader_gone();
  stream.reset();
  EXPECT_TRUE(watch.expired());
}

// A writer and a reader on their own threads: every byte arrives once, in order, and the window holds.
TEST(StreamTest, TwoThreadsLoseNothing) {
  Stream stream;
  constexpr int chunks = 5000;
  std::mutex mutex;
  std::condition_variable wake;
  bool data = false, room = false;
  std::thread writer([&] {
    for (int i = 0; i < chunks; ++i) {
      if (stream.write(std::string(997, static_cast<char>('a' + i % 26)))) continue;
      stream.on_room([&] {
        const std::lock_guard lock(mutex);
        room = true;
        wake.notify_all();
      });
      std::unique_lock lock(mutex);
      wake.wait(lock, [&] { return room; });
      room = false;
    }
    stream.close();
  });
  stream.on_data([&] {
    const std::lock_guard lock(mutex);
    data = true;
    wake.notify_all();
  });
  std::size_t received = 0;
  bool in_order = true;
  for (;;) {
    const auto next = stream.take();
    EXPECT_LE(next.bytes.size(), Stream::window_bytes + 997);
    for (const char c : next.bytes) {
      in_order = in_order && c == static_cast<char>('a' + static_cast<int>(received / 997) % 26);
      ++received;
    }
    if (next.ended) break;
    if (!next.bytes.empty()) continue;
    std::unique_lock lock(mutex);
    wake.wait(lock, [&] { return data; });
    data = false;
  }
  writer.join();
  EXPECT_EQ(received, std::size_t{chunks} * 997);
  EXPECT_TRUE(in_order);
}

TEST(LaterTest, TheFirstCompletionCountsInEitherOrder) {
  int status = 0;
  Later before;
  before.complete(json_response(201, "{}"));
  before.complete(json_response(500, "{}"));
  before.when_done([&](Response response) { status = response.status; });
  EXPECT_EQ(status, 201);

  Later after;
  after.when_done([&](Response response) { status = response.status; });
  after.complete(json_response(202, "{}"));
  after.complete(json_response(500, "{}"));
  EXPECT_EQ(status, 202);
}

TEST(PropertyTest, PercentEncodingGoesThereAndBack) {
  std::mt19937_64 engine(3);
  for (int round = 0; round < 5000; ++round) {
    std::string text;
    for (auto n = engine() % 30; n > 0; --n) text += static_cast<char>(engine());
    ASSERT_EQ(percent_decoded(percent_encoded(text)), text);
    const auto query = Query::parse(percent_encoded(text));
    if (query && !text.empty()) {
      ASSERT_EQ(Query::parse(query->text()).value().items(), query->items());
    }
  }
}

TEST(PropertyTest, NoBytesCrashTheParsers) {
  std::mt19937_64 engine(4);
  constexpr std::string_view likely = "/?&=%+;,.q01aF#:*- ko";
  for (int round = 0; round < 50000; ++round) {
    std::string text;
    for (auto n = engine() % 40; n > 0; --n)
      text += engine() % 8 ? likely[engine() % likely.size()] : static_cast<char>(engine());
    Request request;
    if (set_target(request, text)) {
      ASSERT_TRUE(json::is_utf8(request.path)) << text;
    }
    if (const auto query = Query::parse(text)) {
      ASSERT_EQ(Query::parse(query->text()).value().items(), query->items()) << text;
    }
    preferred_language(text);
    is_request_id(text);
  }
}

}  // namespace
}  // namespace gyre::http
