#include <boost/json.hpp>

#include "cli/ask.hpp"
#include "cli/commands.hpp"
#include "cli/views.hpp"
#include "http/client.hpp"

namespace gyre::cli {

namespace json = boost::json;

namespace {

std::string host_target(const std::string& host, std::string_view rest = "") {
  return "/v1/hosts/" + http::url_encode(host) + std::string(rest);
}

// By id, or by name when only one has it.
Outcome<json::value> find_host(Commands& c, const std::string& host) {
  auto by_id = ask(c, "GET", host_target(host));
  if (by_id || by_id.error().exit != exit_not_found) return by_id;
  const auto all = ask(c, "GET", "/v1/hosts?limit=1000");
  const json::value* found = nullptr;
  if (all && all->is_array())
    for (const auto& one : all->get_array()) {
      if (text_of(one, "name") != host) continue;
      if (found) return by_id;
      found = &one;
    }
  if (!found) return by_id;
  return *found;
}

int show(const Commands& c, const json::value& host) {
  Args args{{"name", printable(text_of(host, "name"))},
            {"id", text_of(host, "id")},
            {"status", say_named("host_", text_of(host, "status"), c.terminal.language)}};
  tell(c.terminal, c.now(), host_kind(), host, c.terminal.word(Word::host_verb_done, args));
  return exit_ok;
}

}  // namespace

int host_list(Commands& c, const ListFlags& flags) {
  const auto hosts = ask(c, "GET", "/v1/hosts?limit=1000");
  if (!hosts) return c.terminal.report(hosts.error());
  return show_list(c.terminal, c.now(), host_kind(), hosts->is_array() ? hosts->get_array() : json::array(), flags);
}

int host_get(Commands& c, const std::string& host) {
  const auto found = find_host(c, host);
  if (!found) return c.terminal.report(found.error());
  return show_one(c.terminal, c.now(), host_kind(), *found);
}

int host_token(Commands& c, const std::string& name, const std::string& data_center) {
  json::object body;
  if (!data_center.empty()) body["dataCenterId"] = data_center;
  if (!name.empty()) body["name"] = name;
  const auto made = ask(c, "POST", "/v1/hosts/tokens", json::serialize(body));
  if (!made) return c.terminal.report(made.error());
  if (!c.terminal.for_people()) {
    tell(c.terminal, made->as_object(), "", "token");
    return exit_ok;
  }
  c.terminal.line(c.terminal.word(Word::label_join) + " (" + c.terminal.word(Word::label_expires) + " " +
                  printable(text_of(*made, "expiresAt")) + "):");
  c.terminal.print(printable(text_of(*made, "command")) + "\n");
  return exit_ok;
}

int host_place(Commands& c, const std::string& host, const std::string& data_center) {
  const auto found = find_host(c, host);
  if (!found) return c.terminal.report(found.error());
  const auto after = ask(c, "PATCH", host_target(text_of(*found, "id"), ""),
                         json::serialize(json::object{{"dataCenterId", data_center}}));
  if (!after) return c.terminal.report(after.error());
  return show(c, *after);
}

int host_drain(Commands& c, const std::string& host, bool drain) {
  const auto found = find_host(c, host);
  if (!found) return c.terminal.report(found.error());
  const auto after = ask(c, "POST", host_target(text_of(*found, "id"), drain ? "/drain" : "/undrain"));
  if (!after) return c.terminal.report(after.error());
  return show(c, *after);
}

int host_retire(Commands& c, const std::string& host, bool force, bool yes) {
  const auto found = find_host(c, host);
  if (!found) return c.terminal.report(found.error());
  const auto id = text_of(*found, "id");
  Args args{{"name", printable(text_of(*found, "name"))}, {"id", id}};
  if (const auto ended = ask_first(c, c.terminal.word(Word::confirm_retire, args), yes)) return *ended;
  const auto gone = ask(c, "DELETE", host_target(id, force ? "?force=true" : ""));
  if (!gone) return c.terminal.report(gone.error());
  tell(c.terminal, json::object{{"id", id}, {"retired", true}}, c.terminal.word(Word::host_retired_done, args));
  return exit_ok;
}

}  // namespace gyre::cli
