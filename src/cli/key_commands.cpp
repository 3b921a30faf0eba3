// gyre key: API keys.
#include <boost/json.hpp>

#include "cli/ask.hpp"
#include "cli/views.hpp"
#include "http/client.hpp"

namespace gyre::cli {

namespace json = boost::json;

namespace {

std::string key_target(const std::string& key) { return "/v1/apikeys/" + http::url_encode(key); }

Outcome<json::array> all_keys(Commands& c) {
  std::string cursor;
  return ask_all(c, "/v1/apikeys", cursor, false);
}

Outcome<json::value> find_key(Commands& c, const std::string& key) {
  return find_named(c, "/v1/apikeys", key, Reason::api_key_not_found);  // names of keys need not differ
}

Args args_of(const json::value& key) { return {{"name", printable(text_of(key, "name"))}, {"id", text_of(key, "id")}}; }

}  // namespace

int key_list(Commands& c, const ListFlags& flags) {
  const auto keys = all_keys(c);
  if (!keys) return c.terminal.report(keys.error());
  return show_list(c.terminal, c.now(), key_kind(), *keys, flags);
}

int key_create(Commands& c, const std::string& name, bool read_only) {
  json::object body{{"scope", read_only ? "READ" : "READ_WRITE"}};
  if (!name.empty()) body["name"] = name;
  const auto made = ask(c, "POST", "/v1/apikeys", json::serialize(body));
  if (!made) return c.terminal.report(made.error());
  if (!c.terminal.for_people()) return show_one(c.terminal, c.now(), key_kind(), *made);
  // The key alone on standard output, so that a script can take it; it is never shown again.
  c.terminal.line(c.terminal.word(Word::key_created, args_of(*made)));
  c.terminal.print(text_of(*made, "key") + "\n");
  return exit_ok;
}

int key_enable(Commands& c, const std::string& key, bool enabled) {
  const auto found = find_key(c, key);
  if (!found) return c.terminal.report(found.error());
  const auto after =
      ask(c, "PATCH", key_target(text_of(*found, "id")), json::serialize(json::object{{"enabled", enabled}}));
  if (!after) return c.terminal.report(after.error());
  tell(c.terminal, c.now(), key_kind(), *after,
       c.terminal.word(enabled ? Word::key_enabled : Word::key_disabled, args_of(*after)));
  return exit_ok;
}

int key_delete(Commands& c, const std::vector<std::string>& keys, bool yes) {
  for (const auto& key : keys) {
    const auto found = find_key(c, key);
    if (!found) return c.terminal.report(found.error());
    const auto args = args_of(*found);
    if (const auto ended = ask_first(c, c.terminal.word(Word::confirm_key, args), yes)) return *ended;
    const auto id = text_of(*found, "id");
    const auto gone = ask(c, "DELETE", key_target(id));
    if (!gone) return c.terminal.report(gone.error());
    tell(c.terminal, json::object{{"id", id}, {"deleted", true}}, c.terminal.word(Word::key_deleted, args));
  }
  return exit_ok;
}

}  // namespace gyre::cli
