#include "cli/ask.hpp"

#include <cstdio>

#include <boost/json.hpp>

#include "cli/views.hpp"
#include "http/client.hpp"

namespace gyre::cli {

namespace json = boost::json;

Outcome<json::value> parsed(const Answer& answer, const Commands& c) {
  if (answer.body.empty()) return json::value();
  boost::system::error_code error;
  auto value = json::parse(answer.body, error);
  if (!error) return value;
  Args args{{"url", c.api.url()}, {"detail", error.message()}};
  return tl::unexpected(Failure::from(Error{Reason::answer_unreadable, std::move(args), ""}, c.terminal.language));
}

Outcome<json::value> ask(Commands& c, const std::string& method, const std::string& target, std::string body) {
  Call call;
  call.method = method;
  call.target = target;
  call.body = std::move(body);
  const auto answer = c.api.call(call);
  if (!answer) return tl::unexpected(answer.error());
  return parsed(*answer, c);
}

Outcome<json::array> ask_all(Commands& c, const std::string& target, std::string& cursor, bool one_page) {
  json::array rows;
  for (;;) {
    Call call;
    call.target = target;
    if (!cursor.empty())
      call.target +=
          std::string(target.find('?') == std::string::npos ? "?" : "&") + "cursor=" + http::url_encode(cursor);
    const auto answer = c.api.call(call);
    if (!answer) return tl::unexpected(answer.error());
    auto page = parsed(*answer, c);
    if (!page) return tl::unexpected(page.error());
    if (page->is_array())
      for (auto& row : page->get_array()) rows.push_back(std::move(row));
    cursor = answer->header("X-Next-Cursor");
    if (cursor.empty() || one_page) return rows;
  }
}

std::optional<int> ask_first(const Commands& c, const std::string& question, bool yes) {
  if (c.terminal.for_people() && !c.context.empty())
    c.terminal.line(c.terminal.word(Word::context_is, {{"context", printable(c.context)}}));
  if (yes) return std::nullopt;
  if (!c.terminal.may_ask)
    return c.terminal.report(Failure::from(Error{Reason::confirmation_needed, {}, ""}, c.terminal.language));
  // Without a terminal a script runs, and has said what it wants.
  if (!c.terminal.in_is_tty || c.terminal.confirmed(question)) return std::nullopt;
  c.terminal.line(c.terminal.word(Word::not_done));
  return exit_failed;
}

int print_stream(Commands& c, const std::string& target) {
  Call call;
  call.target = target;
  const Api::Chunk chunk = [&](std::string_view bytes) {
    c.terminal.print(bytes);
    return std::ferror(c.terminal.out) == 0;  // the pager was closed
  };
  const auto ended = c.api.stream(call, chunk, c.stop);
  if (!ended && ended.error().exit == exit_interrupted) return exit_interrupted;
  if (!ended) return c.terminal.report(ended.error());
  return exit_ok;
}

Outcome<json::value> find_named(Commands& c, const std::string& target, const std::string& id_or_name,
                                Reason not_found) {
  std::string cursor;
  const auto rows = ask_all(c, target, cursor, false);
  if (!rows) return tl::unexpected(rows.error());
  std::vector<const json::value*> named;
  for (const auto& one : *rows) {
    if (text_of(one, "id") == id_or_name) return one;
    if (text_of(one, "name") == id_or_name) named.push_back(&one);
  }
  if (named.size() == 1) return *named.front();
  if (named.empty())
    return tl::unexpected(
        Failure::from(Error{not_found, {{"id", id_or_name}, {"key", id_or_name}}, ""}, c.terminal.language));
  std::string ids;
  for (const auto* one : named) ids += (ids.empty() ? "" : ", ") + text_of(*one, "id");
  Args args{{"argument", id_or_name}, {"detail", c.terminal.word(Word::several_of_one_name, {{"ids", ids}})}};
  return tl::unexpected(Failure::from(Error{Reason::bad_argument, std::move(args), ""}, c.terminal.language));
}

}  // namespace gyre::cli
