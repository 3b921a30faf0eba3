// Events as their readers see them: appended in transactions, followed over a stream, on every database.
#include <boost/json.hpp>

#include "db/test_database.hpp"
#include "events/event_routes.hpp"
#include "events/event_view.hpp"
#include "sim/sim_runtime.hpp"

namespace gyre {
namespace {

using http::Method;
const WorkspaceId ours("w1"), theirs("w2");

// What a browser would see of a stream.
struct Seen {
  std::string id, event, data;
};

class Follower {
 public:
  explicit Follower(std::shared_ptr<http::Stream> stream) : stream_(std::move(stream)) {}

  // Takes what is there and returns the events in it; comments and `retry` are swallowed.
  std::vector<Seen> take() {
    auto next = stream_->take();
    text_ += next.bytes;
    ended_ = next.ended;
    aborted_ = next.aborted;
    std::vector<Seen> out;
    for (std::size_t end = 0; (end = text_.find("\n\n")) != std::string::npos; text_.erase(0, end + 2)) {
      Seen seen;
      std::string_view block(text_.data(), end);
      while (!block.empty()) {
        const auto line = block.substr(0, block.find('\n'));
        block.remove_prefix(std::min(line.size() + 1, block.size()));
        if (line.starts_with(":")) ++comments;
        if (line.starts_with("id: ")) seen.id = line.substr(4);
        if (line.starts_with("event: ")) seen.event = line.substr(7);
        if (line.starts_with("data: ")) seen.data = line.substr(6);
      }
      if (!seen.event.empty()) out.push_back(seen);
    }
    return out;
  }
  std::vector<EventId> ids() {
    std::vector<EventId> out;
    for (const auto& seen : take()) out.push_back(seen.id.empty() ? -1 : std::stoll(seen.id));
    return out;
  }
  void leave() { stream_->reader_gone(); }
  bool ended() const { return ended_; }
  bool aborted() const { return aborted_; }
  int comments = 0;

 private:
  std::shared_ptr<http::Stream> stream_;
  std::string text_;
  bool ended_ = false, aborted_ = false;
};

class EventsTest : public testing::TestWithParam<db::Backend> {
 protected:
  void SetUp() override {
    if (!database.available()) GTEST_SKIP() << db::no_postgres;
    db = database.connect();
    db::migrate(*db);
    core.emplace(runtime, *db);
    events.emplace(*core);
    feed.emplace(*core, *events, EventFeedSettings{.batch = 10, .readers_per_workspace = 5});
    router.emplace(*core, [](const http::Request& request) -> Result<Caller> {
      return Caller{.account = AccountId("a"), .workspace = WorkspaceId(request.headers.get("Authorization"))};
    });
    router->add(event_routes(*feed));
  }

  void task(std::function<void()> work, bool succeeds = true) {
    bool failed = false;
    core->post("test", std::move(work), [&] { failed = true; });
    runtime.run_for(1ms);
    EXPECT_EQ(failed, !succeeds);
  }
  Event made(std::string kind = "pod.running", WorkspaceId workspace = ours, std::optional<PodId> pod = PodId("p1")) {
    Event event;
    event.workspace = std::move(workspace);
    event.kind = std::move(kind);
    event.pod = std::move(pod);
    return event;
  }
  void append(int count = 1, const WorkspaceId& workspace = ours, const PodId& pod = PodId("p1")) {
    task([&, count] {
      for (int i = 0; i < count; ++i) events->append(made("pod.running", workspace, pod));
    });
  }
  http::Response call(std::string_view target, std::vector<std::pair<std::string, std::string>> headers = {},
                      Method method = Method::get) {
    http::Request request;
    request.method = method;
    EXPECT_TRUE(http::set_target(request, target));
    request.headers.add("Authorization", "w1");
    for (auto& [name, value] : headers) request.headers.set(name, value);
    http::Response answer;
    task([&] {
      const auto response = std::make_shared<http::Response>(router->dispatch(request));
      core->after_commit([&answer, response] { answer = *response; });
    });
    return answer;
  }
  Follower follow(std::string_view target = "/v1/events",
                  std::vector<std::pair<std::string, std::string>> headers = {}) {
    const auto response = call(target, std::move(headers));
    EXPECT_EQ(response.status, 200) << response.body;
    EXPECT_EQ(response.headers.get("Content-Type"), "text/event-stream");
    return Follower(response.stream);
  }

  db::TestDatabase database{GetParam()};
  std::unique_ptr<db::Connection> db;
  sim::SimRuntime runtime;
  std::optional<Core> core;
  std::optional<Events> events;
  std::optional<EventFeed> feed;
  std::optional<http::Router> router;
};

TEST_P(EventsTest, WhatIsAppendedComesBack) {
  auto event = made("pod.failed");
  event.host = HostId("h1");
  event.reason = Reason::host_not_found;
  event.args = {{"host", "h\"1"}, {"other", "한국어"}};
  event.data = R"({"exitCode":137})";
  task([&] {
    event.at = core->now();
    event.id = events->append(event);
  });
  EXPECT_GT(event.id, 0);
  task([&] { EXPECT_EQ(events->list({ours, std::nullopt, 0, 10}), std::vector<Event>{event}); });
}

TEST_P(EventsTest, AReasonIsSpokenInTheReadersLanguage) {
  auto event = made("pod.failed");
  event.reason = Reason::pod_not_found;
  event.args = {{"pod", "p7"}};
  EXPECT_EQ(view(event, Language::en).reason->text, "no pod p7");
  EXPECT_EQ(view(event, Language::ko).reason->text, "파드 p7이(가) 없습니다");
  auto korean = follow("/v1/events", {{"Accept-Language", "ko-KR,ko;q=0.9"}});
  auto english = follow();
  task([&] { events->append(event); });
  const auto ko = korean.take(), en = english.take();
  ASSERT_EQ(ko.size(), 1u);
  ASSERT_EQ(en.size(), 1u);
  EXPECT_EQ(ko[0].event, "pod");
  const auto data = boost::json::parse(en[0].data);
  EXPECT_EQ(data.at("kind"), "pod.failed");
  EXPECT_EQ(data.at("pod"), "p1");
  EXPECT_EQ(data.at("reason").at("code"), "pod_not_found");
  EXPECT_EQ(boost::json::parse(ko[0].data).at("reason").at("text"), "파드 p7이(가) 없습니다");
}

TEST_P(EventsTest, WhatWasRolledBackIsNotHeardOf) {
  std::vector<EventId> heard;
  events->on_append([&](const Event& event) { heard.push_back(event.id); });
  auto follower = follow();
  task(
      [&] {
        events->append(made());
        throw std::runtime_error("accident");
      },
      false);
  task([&] {
    EXPECT_FALSE(core->transact([&]() -> Result<int> {
      events->append(made());
      return fail(Reason::pod_not_found);
    }));
    events->append(made("pod.kept"));
  });
  task([&] { EXPECT_EQ(events->list({ours, std::nullopt, 0, 10}).size(), 1u); });
  EXPECT_EQ(heard.size(), 1u);
  const auto seen = follower.take();
  ASSERT_EQ(seen.size(), 1u);
  EXPECT_NE(seen[0].data.find("pod.kept"), std::string::npos);
}

TEST_P(EventsTest, EachReaderGetsWhatIsForIt) {
  auto all = follow();
  auto one_pod = follow("/v1/events?pod=p2");
  auto others = follow("/v1/events", {{"Authorization", "w2"}});
  append(2, ours, PodId("p1"));
  append(1, theirs, PodId("p1"));
  append(1, ours, PodId("p2"));
  EXPECT_EQ(all.ids(), (std::vector<EventId>{1, 2, 4}));
  EXPECT_EQ(one_pod.ids(), (std::vector<EventId>{4}));
  EXPECT_EQ(others.ids(), (std::vector<EventId>{3})) << "the other workspace's events do not exist here";
  auto nosy = follow("/v1/events?pod=p2&after=0", {{"Authorization", "w2"}});
  EXPECT_EQ(nosy.ids(), std::vector<EventId>{});
}

TEST_P(EventsTest, AReaderWhoComesBackMissesNothing) {
  append(25);  // more than two batches
  auto from_start = follow("/v1/events?after=0");
  EXPECT_EQ(from_start.ids().size(), 25u);
  append(3);
  EXPECT_EQ(from_start.ids(), (std::vector<EventId>{26, 27, 28}));
  from_start.leave();
  append(2);
  auto again = follow("/v1/events?after=0", {{"Last-Event-ID", "28"}});
  EXPECT_EQ(again.ids(), (std::vector<EventId>{29, 30})) << "Last-Event-ID counts before the address it began with";
  auto from_now = follow();
  EXPECT_EQ(from_now.ids(), std::vector<EventId>{});
}

TEST_P(EventsTest, WhatHappensWhileAReaderArrivesComesExactlyOnce) {
  // One commit holds events before and after the opening of the stream.
  append(12);
  std::shared_ptr<http::Stream> old_reader, new_reader;
  core->post("before", [&] { events->append(made()); });
  core->post("open", [&] {
    old_reader = feed->open({ours, std::nullopt, 5, Language::en}).value();
    new_reader = feed->open({ours, std::nullopt, std::nullopt, Language::en}).value();
  });
  core->post("after", [&] { events->append(made()); });
  runtime.run_for(1ms);
  append();
  EXPECT_EQ(Follower(old_reader).ids(), (std::vector<EventId>{6, 7, 8, 9, 10, 11, 12, 13, 14, 15}));
  EXPECT_EQ(Follower(new_reader).ids(), (std::vector<EventId>{14, 15}));
}

TEST_P(EventsTest, EveryReaderSeesEveryEventInOrderHoweverItReads) {
  sim::SimRandom dice(7);
  struct Reader {
    Follower follower;
    std::vector<EventId> seen;
  };
  std::vector<Reader> readers;
  EventId newest = 0;
  int rolled_back = 0;
  const std::string large(20'000, 'x');
  for (int round = 0; round < 300; ++round) {
    if (readers.size() < 4) readers.push_back({follow("/v1/events?after=0"), {}});
    core->post("some", [&] {
      const auto kept = core->transact([&]() -> Result<int> {
        for (auto left = dice.below(8); left > 0; --left) {
          auto event = made();
          event.data = R"({"large":")" + large.substr(0, dice.below(large.size())) + "\"}";
          events->append(event);
        }
        if (dice.chance(0.1)) return fail(Reason::internal_error);
        return 0;
      });
      rolled_back += !kept;
    });
    runtime.run_for(Duration(static_cast<std::int64_t>(dice.below(200))));
    newest = db->value<EventId>("SELECT COALESCE(MAX(id), 0) FROM events");
    for (auto& reader : readers) {
      if (dice.chance(0.6)) continue;  // a slow one
      for (const auto id : reader.follower.ids()) reader.seen.push_back(id);
    }
    if (dice.chance(0.05)) {  // one goes away and comes back with the last id it has
      auto& reader = readers[dice.below(readers.size())];
      reader.follower.leave();
      runtime.run_for(1ms);
      reader.follower = follow("/v1/events?after=" + std::to_string(reader.seen.empty() ? 0 : reader.seen.back()));
    }
  }
  EXPECT_GT(rolled_back, 0);
  for (auto& reader : readers) {
    for (int i = 0; i < 200; ++i) {
      for (const auto id : reader.follower.ids()) reader.seen.push_back(id);
      runtime.run_for(10ms);
    }
    ASSERT_EQ(reader.seen.size(), static_cast<std::size_t>(newest));
    for (EventId id = 1; id <= newest; ++id) ASSERT_EQ(reader.seen[static_cast<std::size_t>(id - 1)], id);
  }
}

TEST_P(EventsTest, AReaderThatTakesNothingIsCutOffAndHoldsLittle) {
  auto slow = follow();
  auto quick = follow();
  std::size_t taken = 0;
  for (int i = 0; i < 40; ++i) {
    task([&] {
      auto event = made();
      event.data = R"({"large":")" + std::string(20'000, 'x') + "\"}";
      events->append(event);
    });
    taken += quick.ids().size();
  }
  EXPECT_EQ(taken, 40u);
  EXPECT_EQ(feed->readers(), 2u);
  runtime.run_for(29s);
  EXPECT_EQ(feed->readers(), 2u);
  runtime.run_for(2s);
  EXPECT_EQ(feed->readers(), 1u);
  const auto seen = slow.ids();
  EXPECT_LE(seen.size() * 20'000, http::Stream::window_bytes + 40'000) << "the rest waited in the table, not in memory";
  EXPECT_TRUE(slow.aborted());
  append();
  EXPECT_EQ(quick.ids().size(), 1u);
}

TEST_P(EventsTest, AReaderThatTakesItsTimeGoesOnWhereItWas) {
  auto slow = follow();
  for (int i = 0; i < 40; ++i)
    task([&] {
      auto event = made();
      event.data = R"({"large":")" + std::string(20'000, 'x') + "\"}";
      events->append(event);
    });
  std::vector<EventId> seen;
  for (int i = 0; i < 5; ++i) {
    runtime.run_for(25s);
    for (const auto id : slow.ids()) seen.push_back(id);
  }
  ASSERT_EQ(seen.size(), 40u);
  for (std::size_t i = 0; i < seen.size(); ++i) EXPECT_EQ(seen[i], static_cast<EventId>(i + 1));
  EXPECT_FALSE(slow.ended());
  append();
  EXPECT_EQ(slow.ids(), std::vector<EventId>{41}) << "live again";
}

TEST_P(EventsTest, AQuietStreamHasAHeartbeat) {
  auto follower = follow();
  for (int i = 0; i < 4; ++i) {
    runtime.run_for(15s);
    EXPECT_EQ(follower.ids(), std::vector<EventId>{});
  }
  EXPECT_EQ(follower.comments, 4);
}

TEST_P(EventsTest, AReaderWhoLeftIsForgotten) {
  auto follower = follow();
  EXPECT_EQ(feed->readers(), 1u);
  follower.leave();
  runtime.run_for(1ms);
  EXPECT_EQ(feed->readers(), 0u);
  append();
}

TEST_P(EventsTest, OneWorkspaceCannotTakeAllTheStreams) {
  std::vector<Follower> followers;
  for (int i = 0; i < 5; ++i) followers.push_back(follow());
  const auto refused = call("/v1/events");
  EXPECT_EQ(refused.status, 429);
  EXPECT_TRUE(refused.headers.has("Retry-After"));
  follow("/v1/events", {{"Authorization", "w2"}});
  followers[0].leave();
  runtime.run_for(1ms);
  follow();
}

TEST_P(EventsTest, WhatIsNotKeptIsSaidToBeMissed) {
  append(5);
  runtime.run_for(30 * 24h);
  append(2);
  runtime.run_for(15min);  // the five are old enough now, and the cleaner came by
  task([&] { EXPECT_EQ(events->range().oldest, 6); });
  auto late = follow("/v1/events?after=2");
  auto seen = late.take();
  ASSERT_EQ(seen.size(), 3u);
  EXPECT_EQ(seen[0].event, "missed");
  EXPECT_EQ(seen[0].data, R"({"after":2,"oldest":6,"newest":7})");
  EXPECT_EQ(seen[1].id, "6");
  auto ahead = follow("/v1/events?after=99");
  seen = ahead.take();
  ASSERT_EQ(seen.size(), 1u);
  EXPECT_EQ(seen[0].event, "missed") << "a database that was restored from before";
  append();
  EXPECT_EQ(ahead.ids(), std::vector<EventId>{8});
  auto in_time = follow("/v1/events?after=5");
  EXPECT_EQ(in_time.ids(), (std::vector<EventId>{6, 7, 8}));
}

TEST_P(EventsTest, IdsAreNotGivenTwiceWhenAllIsForgotten) {
  append(35);
  runtime.run_for(31 * 24h);
  task([&] {
    EXPECT_EQ(events->range().oldest, 35);
    EXPECT_EQ(events->range().newest, 35);
  });
  append();
  task([&] { EXPECT_EQ(events->range().newest, 36); });
}

TEST_P(EventsTest, AWrongIdIsRefusedWithItsName) {
  for (const char* wrong : {"x", "-1", "1.5", "99999999999999999999", "7x"}) {
    const auto refused = call(std::string("/v1/events?after=") + wrong);
    EXPECT_EQ(refused.status, 400) << wrong;
    EXPECT_NE(refused.body.find("\"field\":\"after\""), std::string::npos) << refused.body;
  }
  const auto refused = call("/v1/events", {{"Last-Event-ID", "x"}});
  EXPECT_NE(refused.body.find("\"field\":\"Last-Event-ID\""), std::string::npos) << refused.body;
  EXPECT_EQ(feed->readers(), 0u);
}

TEST_P(EventsTest, HeadOpensNoStream) {
  const auto response = call("/v1/events", {}, Method::head);
  EXPECT_EQ(response.status, 200);
  EXPECT_FALSE(response.stream);
  EXPECT_EQ(feed->readers(), 0u);
}

TEST_P(EventsTest, ClosingEndsEveryStreamProperly) {
  auto follower = follow();
  feed->close_all();
  follower.take();
  EXPECT_TRUE(follower.ended());
  EXPECT_FALSE(follower.aborted());
  append();
}

TEST_P(EventsTest, AReaderWaitsWithUsWhenTheDatabaseDoesNotAnswer) {
  append(3);
  db->script("ALTER TABLE events RENAME TO elsewhere");
  std::optional<Follower> follower;
  core->post("open", [&] {
    db->script("ALTER TABLE elsewhere RENAME TO events");
    follower.emplace(feed->open({ours, std::nullopt, 0, Language::en}).value());
    db->script("ALTER TABLE events RENAME TO elsewhere");
  });
  runtime.run_for(3s);
  ASSERT_TRUE(follower);
  EXPECT_EQ(follower->ids(), std::vector<EventId>{});
  db->script("ALTER TABLE elsewhere RENAME TO events");
  runtime.run_for(1s);
  EXPECT_EQ(follower->ids(), (std::vector<EventId>{1, 2, 3}));
}

TEST_P(EventsTest, AFeedThatEndsLeavesNothingThatCallsIt) {
  auto follower = follow();
  append();
  core->post("last", [&] { events->append(made()); });
  feed->open({ours, std::nullopt, 0, Language::en});  // begins with the next commit
  feed.reset();
  runtime.run_for(1h);
  follower.leave();
  runtime.run_for(1h);
}

GYRE_TEST_ON_EVERY_DATABASE(EventsTest);

}  // namespace
}  // namespace gyre
