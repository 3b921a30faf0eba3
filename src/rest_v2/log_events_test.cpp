#include "rest_v2/log_events.hpp"

#include <gtest/gtest.h>

#include <random>

#include "sim/sim_runtime.hpp"

namespace gyre::rest_v2 {
namespace {

std::vector<std::string> ids_of(const std::string& frames) {
  std::vector<std::string> out;
  for (std::size_t at = 0; (at = frames.find("id: ", at)) != std::string::npos;) {
    const auto end = frames.find('\n', at);
    out.push_back(frames.substr(at + 4, end - at - 4));
    at = end;
  }
  return out;
}

TEST(LogEventsTest, PlacesAreWrittenAndReadBack) {
  EXPECT_EQ(parse_nanoseconds("2026-11-22T01:15:00.123456789Z"),
            parse_nanoseconds("2026-11-22T10:15:00.123456789+09:00"));
  EXPECT_EQ(*parse_nanoseconds("2026-11-22T01:15:00.5Z") - *parse_nanoseconds("2026-11-22T01:15:00Z"), 500'000'000);
  for (const char* text : {"2026-11-22T01:15:00.123456789Z", "2026-11-22T01:15:00.000000001Z/12"})
    EXPECT_EQ(place_text(parse_place(text).value()), text);
  for (const char* text :
       {"", "4711", "2026-11-22", "2026-11-22T01:15:00Z/", "2026-11-22T01:15:00Z/-1", "2026-11-22T01:15:00Z/1x",
        "1969-11-22T01:15:00Z", "2026-11-22T01:15:00Z/99999999999999999999"})
    EXPECT_FALSE(parse_place(text)) << text;
}

// Found by fuzzing.
TEST(LogEventsTest, ATimeThatNanosecondsCannotCountIsNone) {
  EXPECT_TRUE(parse_nanoseconds("2262-04-11T23:47:15.999999999Z"));
  for (const char* text : {"2262-04-11T23:47:16Z", "4052-11-22T01:15:00Z", "9999-12-31T23:59:59.999999999Z"})
    EXPECT_FALSE(parse_nanoseconds(text)) << text;
  LogFrames frames;
  EXPECT_EQ(ids_of(frames.add("4052-11-22T01:15:00Z a\n")).size(), 1u);  // shown as it is, like any other line
}

TEST(LogEventsTest, ALineIsAnEventWithItsTimeAsId) {
  LogFrames frames;
  EXPECT_EQ(
      frames.add("2026-11-22T01:15:00.5Z hello \"you\"\r\n2026-11-22T01:15:0"),
      "id: 2026-11-22T01:15:00.500000000Z\n"
      "data: {\"source\":\"container\",\"line\":\"hello \\\"you\\\"\",\"ts\":\"2026-11-22T01:15:00.500000000Z\"}\n\n");
  EXPECT_EQ(ids_of(frames.add("1Z \xff\n2026-11-22T01:15:01Z \n")),
            (std::vector<std::string>{"2026-11-22T01:15:01.000000000Z", "2026-11-22T01:15:01.000000000Z/1"}));
  EXPECT_EQ(frames.end(), "");
  frames.add("2026-11-22T01:15:02Z without an end");
  EXPECT_EQ(ids_of(frames.end()).size(), 1u);
}

TEST(LogEventsTest, WhoComesBackAnywhereGetsEachFurtherLineOnce) {
  // Both outputs are written side by side: times go back by a little, and several lines share one.
  std::string log;
  std::mt19937 random(7);
  std::int64_t at = 1'800'000'000'000'000'000;
  for (int i = 0; i < 300; ++i) {
    at += random() % 3 == 0 ? 0 : static_cast<std::int64_t>(random() % 1'000);
    const auto late = random() % 4 == 0 ? static_cast<std::int64_t>(random() % 2'000) : 0;
    log += place_text({at - late, 0}) + " line " + std::to_string(i) +
           (i % 50 == 0 ? std::string(2 * LogFrames::line_max, 'x') : "") + "\n";
  }
  LogFrames whole;
  const auto all = ids_of(whole.add(log));
  ASSERT_GT(all.size(), 300u);
  EXPECT_EQ(std::set<std::string>(all.begin(), all.end()).size(), all.size()) << "an id is there twice";
  for (std::size_t seen = 0; seen < all.size(); ++seen) {
    LogFrames again(parse_place(all[seen]));
    std::vector<std::string> rest;
    for (std::size_t from = 0; from < log.size();) {  // in other pieces than before
      const auto size = std::min<std::size_t>(1 + random() % 50'000, log.size() - from);
      for (auto& id : ids_of(again.add(std::string_view(log).substr(from, size)))) rest.push_back(std::move(id));
      from += size;
    }
    ASSERT_EQ(rest, std::vector<std::string>(all.begin() + static_cast<std::ptrdiff_t>(seen) + 1, all.end())) << seen;
  }
}

TEST(LogEventsTest, AReaderThatIsSlowHoldsTheLogBackAndLosesNothing) {
  sim::SimRuntime runtime(1);
  LogEvents events(runtime);
  const auto log = std::make_shared<http::Stream>();
  const auto out = events.open(log, std::nullopt);
  runtime.run_for(1ms);
  const std::string line = "2026-11-22T01:15:00Z " + std::string(1'000, 'x') + "\n";
  int written = 0;
  while (log->write(line) && written < 10'000) {
    ++written;
    runtime.run_for(1ms);
  }
  ++written;  // the last one was taken, too
  EXPECT_LT(written, 1'000) << "nothing held the log back";
  std::size_t read = 0;
  for (int i = 0; i < 20; ++i) {
    read += ids_of(out->take().bytes).size();
    runtime.run_for(1ms);
  }
  EXPECT_EQ(read, static_cast<std::size_t>(written));
  log->close();
  runtime.run_for(1ms);
  EXPECT_TRUE(out->take().ended);
  EXPECT_EQ(events.readers(), 0u);
}

TEST(LogEventsTest, ALogThatIsCutOffIsSeenToBeAndAReaderThatGoesLetsGoOfIt) {
  sim::SimRuntime runtime(1);
  LogEvents events(runtime);
  const auto cut = std::make_shared<http::Stream>(), left = std::make_shared<http::Stream>();
  const auto of_cut = events.open(cut, std::nullopt), of_left = events.open(left, std::nullopt);
  cut->abort();
  of_left->reader_gone();
  runtime.run_for(1s);
  EXPECT_TRUE(of_cut->take().aborted);
  EXPECT_TRUE(left->closed_by_reader());
  EXPECT_EQ(events.readers(), 0u);
  const auto quiet = std::make_shared<http::Stream>();
  const auto of_quiet = events.open(quiet, std::nullopt);
  runtime.run_for(16s);
  EXPECT_NE(of_quiet->take().bytes.find(": still here\n\n"), std::string::npos);
  events.close_all();
  EXPECT_TRUE(of_quiet->take().ended);
  EXPECT_TRUE(quiet->closed_by_reader());
}

}  // namespace
}  // namespace gyre::rest_v2
