#include "http/page.hpp"

#include <gtest/gtest.h>

#include <random>

#include "base/secrets.hpp"

namespace gyre::http {
namespace {

Request asking(std::string_view target) {
  Request request;
  EXPECT_TRUE(set_target(request, target));
  return request;
}

TEST(PageTest, TheLimitIsBetweenOneAndAThousand) {
  EXPECT_EQ(page_of(asking("/v1/pods"), "name", 2)->limit, 1000);
  EXPECT_EQ(page_of(asking("/v1/pods?limit=1"), "name", 2)->limit, 1);
  EXPECT_EQ(page_of(asking("/v1/pods?limit=1000"), "name", 2)->limit, 1000);
  for (const char* wrong : {"0", "1001", "-1", "", "1x", "%201", "99999999999999999999", "1.5"}) {
    const auto page = page_of(asking(std::string("/v1/pods?limit=") + wrong), "name", 2);
    ASSERT_FALSE(page) << wrong;
    EXPECT_EQ(page.error().field, "limit");
  }
}

// Found by fuzzing: a cursor with a blank in it was read, and grew when it was written again.
TEST(PageTest, ACursorIsReadInItsOwnSpellingOnly) {
  for (const std::string text : {R"([1, "name","a"])", R"([1,"name","\u0061"])", R"( [1,"name","a"])"}) {
    const auto cursor = base64url(sha256_hex(text).substr(0, 8) + text);
    EXPECT_FALSE(read_cursor(cursor, "name", 1)) << text;
  }
  EXPECT_TRUE(read_cursor(write_cursor("name", {"a"}), "name", 1));
}

TEST(PageTest, TheNextPageBeginsAfterTheLastRow) {
  const auto request = asking("/v1/p%20ds?status=running&status=queued&limit=2&cursor=&api_key=rpa_secret");
  const auto page = page_of(request, "-createdAt", 2);
  ASSERT_TRUE(page);
  EXPECT_FALSE(page->after);
  Response response;
  add_next(response, request, *page, {"1700000000000", "p\"1 한"});
  const auto link = response.headers.get("Link");
  EXPECT_TRUE(link.starts_with("</v1/p%20ds?status=running&status=queued&limit=2&cursor=")) << link;
  EXPECT_TRUE(link.ends_with(">; rel=\"next\"")) << link;
  EXPECT_EQ(link.find("rpa_secret"), std::string::npos);

  const auto next = page_of(asking(link.substr(1, link.find('>') - 1)), "-createdAt", 2);
  ASSERT_TRUE(next) << next.error().message();
  EXPECT_EQ(next->after, (std::vector<std::string>{"1700000000000", "p\"1 한"}));
  EXPECT_EQ(
      page_of(asking("/v1/pods?cursor=" + std::string(response.headers.get("X-Next-Cursor"))), "-createdAt", 2)->after,
      next->after);
}

TEST(CursorTest, OneThatIsNotOursIsRefused) {
  const auto cursor = write_cursor("name", {"a", "b"});
  EXPECT_TRUE(read_cursor(cursor, "name", 2));
  EXPECT_EQ(read_cursor(cursor, "-name", 2).error().reason, Reason::bad_cursor);  // of another order
  EXPECT_FALSE(read_cursor(cursor, "name", 1));
  EXPECT_FALSE(read_cursor(cursor, "name", 3));
  EXPECT_FALSE(read_cursor("", "name", 2));
  EXPECT_FALSE(read_cursor("!!", "name", 2));
  EXPECT_FALSE(read_cursor(std::string(100000, 'A'), "name", 2));
  const auto sealed = [](const std::string& text) { return base64url(sha256_hex(text).substr(0, 8) + text); };
  EXPECT_TRUE(read_cursor(sealed(R"([1,"name","a","b"])"), "name", 2));
  for (const char* text :
       {R"([2,"name","a","b"])", R"([1,"name","a",3])", R"({"a":1})", "[]", "", R"([1,"name","a","b")"})
    EXPECT_FALSE(read_cursor(sealed(text), "name", 2)) << text;
}

TEST(CursorTest, AnyChangeOfACharacterIsNoticed) {
  const auto cursor = write_cursor("name", {"trainer", "2s56cp0pof1rmt"});
  const auto values = read_cursor(cursor, "name", 2).value();
  int accepted = 0;
  for (std::size_t i = 0; i < cursor.size(); ++i)
    for (const char c : std::string_view("AZaz09-_ +%")) {
      auto changed = cursor;
      changed[i] = c;
      if (const auto read = read_cursor(changed, "name", 2)) {
        ++accepted;
        EXPECT_EQ(*read, values);  // the same character, or bits that base64 does not use
      }
    }
  EXPECT_LT(accepted, static_cast<int>(cursor.size()));
}

TEST(CursorTest, NoBytesCrashTheReader) {
  std::mt19937_64 engine(5);
  for (int round = 0; round < 20000; ++round) {
    std::string text;
    for (auto n = engine() % 60; n > 0; --n) text += static_cast<char>(engine());
    if (engine() % 2) text = base64url(sha256_hex(text).substr(0, 8) + text);
    EXPECT_FALSE(read_cursor(text, "name", 2));
  }
}

TEST(CursorTest, ReadingUndoesWriting) {
  std::mt19937_64 engine(6);
  constexpr std::string_view letters = "az09\"\\ \n한/%&";
  for (int round = 0; round < 2000; ++round) {
    std::vector<std::string> values(engine() % 4);
    for (auto& value : values)
      for (auto n = engine() % 20; n > 0; --n) value += letters.substr(engine() % 8, 1);
    ASSERT_EQ(read_cursor(write_cursor("o", values), "o", values.size()), values);
  }
}

}  // namespace
}  // namespace gyre::http
