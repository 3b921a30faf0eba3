#include "server/help.hpp"

#include "base/secrets.hpp"
#include "http/problem.hpp"

namespace gyre::server {
namespace {

constexpr std::string_view content_security_policy =
    "default-src 'none'; style-src 'self'; img-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

std::string_view suffix_of(Language language) { return language == Language::ko ? ".ko.html" : ".en.html"; }

const HelpPage* page_of(std::string_view topic, Language language) {
  for (const auto& page : help_pages())
    if (page.name == std::string(topic) + std::string(suffix_of(language))) return &page;
  return nullptr;
}

std::string title_of(const HelpPage& page) {
  const auto begin = page.content.find("<h1>") + 4;
  return std::string(page.content.substr(begin, page.content.find("</h1>") - begin));
}

std::string topics_list(Language language) {
  std::string out = language == Language::ko ? "<h1>도움말</h1>\n<ul>\n" : "<h1>Help</h1>\n<ul>\n";
  const auto suffix = suffix_of(language);
  for (const auto& page : help_pages()) {
    if (!page.name.ends_with(suffix)) continue;
    const auto topic = page.name.substr(0, page.name.size() - suffix.size());
    out += "  <li><a href=\"/help/" + std::string(topic) + "?lang=" + (language == Language::ko ? "ko" : "en") + "\">" +
           title_of(page) + "</a></li>\n";
  }
  return out + "</ul>\n";
}

std::string escaped(std::string_view words) {
  std::string out;
  for (const char c : words) {
    if (c == '<')
      out += "&lt;";
    else if (c == '&')
      out += "&amp;";
    else
      out += c;
  }
  return out;
}

// Every code in the order of its words' files, which is by subject; what stands in a sentence for a value is in braces.
std::string codes_list(Language language) {
  const bool korean = language == Language::ko;
  std::string out =
      korean ? "<h1>오류와 상태 코드</h1>\n<p>응답의 <code>code</code>는 바뀌지 않으므로 프로그램에서 써도 됩니다. "
               "중괄호 안에는 실제 값이 들어갑니다.</p>\n<dl>\n"
             : "<h1>Codes of refusals and states</h1>\n<p>The <code>code</code> of an answer never changes, so "
               "programs may rely on it. Where braces are, answers have the value.</p>\n<dl>\n";
  for (std::size_t i = 0; i < reason_count(); ++i) {
    const auto reason = static_cast<Reason>(i);
    const std::string code(reason_text(reason));
    Args braces;
    for (const auto& name : argument_names(reason)) braces.emplace_back(name, "{" + name + "}");
    out += "  <dt id=\"" + code + "\"><a href=\"#" + code + "\"><code>" + code + "</code></a>";
    if (error_code(reason) != ErrorCode::none) out += " " + std::to_string(http::status_of(error_code(reason)));
    out += "</dt>\n  <dd>" + escaped(sentence(reason, braces, language));
    if (const auto fix = way_out(reason, braces, language); !fix.empty()) out += "<br>" + escaped(fix);
    out += "</dd>\n";
  }
  return out + "</dl>\n";
}

// `path` is one of ours, so that nothing a visitor typed gets into the page.
http::Response page(const http::Request& request, Language language, const std::string& path, const std::string& title,
                    std::string_view content) {
  const bool korean = language == Language::ko;
  std::string body = std::string("<!doctype html>\n<html lang=\"") + (korean ? "ko" : "en") +
                     "\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, "
                     "initial-scale=1\">\n<meta name=\"color-scheme\" content=\"light dark\">\n<title>" +
                     title +
                     " · Gyre</title>\n<link rel=\"icon\" href=\"/assets/logo.svg\" type=\"image/svg+xml\">\n<link "
                     "rel=\"stylesheet\" href=\"/assets/pages.css\">\n</head>\n<body>\n<header><img "
                     "src=\"/assets/logo.svg\" alt=\"\" width=\"28\" height=\"28\"><a href=\"/help?lang=" +
                     (korean ? "ko" : "en") + "\">Gyre " + (korean ? "도움말" : "Help") +
                     "</a><span class=\"gap\"></span><a href=\"" + path + "?lang=" + (korean ? "en" : "ko") +
                     "\" lang=\"" + (korean ? "en\">English" : "ko\">한국어") +
                     "</a></header>\n<main class=\"help\">\n" + std::string(content) + "</main>\n</body>\n</html>\n";
  http::Response out;
  const auto tag = "\"" + sha256_hex(body).substr(0, 16) + "\"";
  out.headers.set("Content-Type", "text/html; charset=utf-8");
  out.headers.set("Content-Language", korean ? "ko" : "en");
  out.headers.set("Vary", "Accept-Language");
  out.headers.set("Cache-Control", "no-cache");
  out.headers.set("ETag", tag);
  out.headers.set("X-Content-Type-Options", "nosniff");
  out.headers.set("Content-Security-Policy", std::string(content_security_policy));
  if (request.headers.get("If-None-Match") == tag)
    out.status = 304;
  else
    out.body = std::move(body);
  return out;
}

Language language_for(const http::Request& request) {
  const auto asked = request.query.get("lang");
  if (asked == "ko") return Language::ko;
  if (asked == "en") return Language::en;
  return request.language;
}

http::Route route(std::string path, std::string summary) {
  http::Route out;
  out.path = std::move(path);
  out.access = http::Access::open;
  out.summary = std::move(summary);
  out.tag = "Page";
  out.query = {{"lang", "The language, ko or en; without it that of Accept-Language.", "ko"}};
  out.answer_type = "text/html";
  return out;
}

}  // namespace

std::vector<http::Route> help_routes() {
  auto all = route("/help", "The help pages");
  all.handler = [](const http::Request& request) -> Result<http::Response> {
    const auto language = language_for(request);
    return page(request, language, "/help", language == Language::ko ? "도움말" : "Help", topics_list(language));
  };
  auto one = route("/help/{topic}", "A help page: leaked-key, out-of-storage, stuck-pod");
  one.errors = {Reason::route_not_found};
  one.handler = [](const http::Request& request) -> Result<http::Response> {
    const auto language = language_for(request);
    const auto* found = page_of(request.param("topic"), language);
    if (!found) return fail(Reason::route_not_found, {{"path", "/help/" + request.param("topic")}});
    const auto topic = found->name.substr(0, found->name.size() - suffix_of(language).size());
    return page(request, language, "/help/" + std::string(topic), title_of(*found), found->content);
  };
  auto codes = route("/docs/errors", "What each code of a refusal or a state means");
  codes.handler = [](const http::Request& request) -> Result<http::Response> {
    const auto language = language_for(request);
    return page(request, language, "/docs/errors", language == Language::ko ? "오류와 상태 코드" : "Codes",
                codes_list(language));
  };
  return {std::move(all), std::move(one), std::move(codes)};
}

}  // namespace gyre::server
