#include "server/help.hpp"

#include <gtest/gtest.h>

#include <set>

#include "http/problem.hpp"

namespace gyre::server {
namespace {

http::Response get(const std::string& target, Language language = Language::en) {
  http::Request request;
  EXPECT_TRUE(http::set_target(request, target));
  request.language = language;
  for (const auto& route : help_routes()) {
    const bool topic = route.path.ends_with("{topic}");
    if (topic ? !request.path.starts_with("/help/") : request.path != route.path) continue;
    if (topic) request.params["topic"] = request.path.substr(std::string("/help/").size());
    const auto answer = route.handler(request);
    return answer ? *answer : http::problem(answer.error(), request);
  }
  ADD_FAILURE() << "no route for " << target;
  return {};
}

TEST(Help, EveryTopicIsThereInBothLanguagesWithTheSameCommands) {
  std::map<std::string, std::set<std::string>> languages;
  for (const auto& page : help_pages()) {
    const std::string name(page.name);
    const auto dot = name.find('.');
    languages[name.substr(0, dot)].insert(name.substr(dot + 1, 2));
    EXPECT_TRUE(page.content.starts_with("<h1>")) << name;
    EXPECT_EQ(page.content.find("<script"), std::string_view::npos) << name;
  }
  EXPECT_GE(languages.size(), 3u);
  for (const auto& [topic, both] : languages) {
    EXPECT_EQ(both, (std::set<std::string>{"en", "ko"})) << topic;
    const auto commands = [&](const char* language) {
      const auto body = get("/help/" + topic + "?lang=" + language).body;
      std::multiset<std::string> out;
      for (auto at = body.find("<code>"); at != std::string::npos; at = body.find("<code>", at + 1))
        out.insert(body.substr(at + 6, body.find("</code>", at) - at - 6));
      return out;
    };
    EXPECT_EQ(commands("ko"), commands("en")) << topic;
  }
}

TEST(Help, TheLanguageIsTheOneAskedForElseTheBrowsers) {
  EXPECT_NE(get("/help/out-of-storage").body.find("out of storage"), std::string::npos);
  EXPECT_NE(get("/help/out-of-storage", Language::ko).body.find("저장 공간이 부족해요"), std::string::npos);
  EXPECT_NE(get("/help/out-of-storage?lang=en", Language::ko).body.find("out of storage"), std::string::npos);
  EXPECT_EQ(get("/help", Language::ko).headers.get("Content-Language"), "ko");
  EXPECT_EQ(get("/help").headers.get("Vary"), "Accept-Language");
}

TEST(Help, TheListNamesEveryTopic) {
  const auto list = get("/help").body;
  for (const auto* topic : {"leaked-key", "out-of-storage", "stuck-pod"})
    EXPECT_NE(list.find(std::string("/help/") + topic), std::string::npos);
}

TEST(Help, NothingThatAVisitorTypedGetsIntoAPage) {
  const auto answer = get("/help/%3Cscript%3E");
  EXPECT_EQ(answer.status, 404);
  EXPECT_EQ(answer.headers.get("Content-Type"), "application/problem+json");
  EXPECT_EQ(get("/help/leaked-key?lang=%3Cscript%3E").body.find("<script"), std::string::npos);
}

// A refusal's `type` leads there.
TEST(Help, EveryCodeHasItsPlaceInBothLanguages) {
  for (const auto language : {Language::en, Language::ko}) {
    const auto body = get("/docs/errors", language).body;
    for (std::size_t i = 0; i < reason_count(); ++i) {
      const Error error{static_cast<Reason>(i), {}, ""};
      const auto type = http::problem_of(error, language, "").type;
      ASSERT_TRUE(type.starts_with("/docs/errors#"));
      const auto place = type.substr(type.find('#') + 1);
      const auto at = body.find("<dt id=\"" + place + "\">");
      ASSERT_NE(at, std::string::npos) << place;
      EXPECT_NE(body.find("<dd>", at), std::string::npos) << place;
    }
  }
  EXPECT_NE(get("/docs/errors").body.find("no pod {pod}"), std::string::npos);
}

}  // namespace
}  // namespace gyre::server
