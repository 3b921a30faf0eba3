// gyre sync: copies between a pod's volume and a bucket.
#include <boost/json.hpp>
#include <functional>

#include "cli/ask.hpp"
#include "cli/views.hpp"
#include "http/client.hpp"

namespace gyre::cli {

namespace json = boost::json;

namespace {

std::string sync_target(const std::string& sync, std::string_view rest = "") {
  return "/v1/cloudsyncs/" + http::url_encode(sync) + std::string(rest);
}

bool is_over(const std::string& status) { return status == "SUCCEEDED" || status == "FAILED" || status == "CANCELLED"; }

// Looks until `enough`, with a moment between two looks that an interruption ends.
Outcome<json::value> look_until(Commands& c, const std::string& sync,
                                const std::function<bool(const std::string& status)>& enough) {
  for (;;) {
    auto seen = ask(c, "GET", sync_target(sync));
    if (!seen || enough(text_of(*seen, "status"))) return seen;
    if (interrupted_within(c.stop, Duration(500)))
      return tl::unexpected(interruption(c.terminal.language, c.api.url()));
  }
}

Args args_of(const json::value& sync, Language language) {
  return {{"id", text_of(sync, "id")},
          {"status", say_named("sync_", text_of(sync, "status"), language)},
          {"why", text_of(part_of(sync, "reason"), "text")}};
}

// What came of it: SUCCEEDED is well, anything else is not.
int tell_end(Commands& c, const json::value& sync) {
  const auto language = c.terminal.language;
  if (text_of(sync, "status") == "SUCCEEDED") {
    tell(c.terminal, c.now(), sync_kind(), sync, c.terminal.word(Word::sync_done, args_of(sync, language)));
    return exit_ok;
  }
  return c.terminal.report(
      failed_because(part_of(sync, "reason"), say(Word::sync_done, language, args_of(sync, language))));
}

// After Ctrl-C it goes on; say so.
int left_alone(Commands& c, const std::string& sync) {
  c.terminal.line(c.terminal.word(Word::sync_goes_on, {{"id", sync}}));
  return exit_interrupted;
}

}  // namespace

Result<json::object> sync_body(const std::string& pod, const SyncFlags& flags,
                               const std::map<std::string, std::string>& environment) {
  if (flags.to.empty() == flags.from.empty())
    return wrong("--to", "give one of --to and --from, as s3://BUCKET/PREFIX");
  const bool up = !flags.to.empty();
  constexpr std::string_view scheme = "s3://";
  auto place = up ? flags.to : flags.from;
  if (!place.starts_with(scheme)) return wrong(up ? "--to" : "--from", "expected s3://BUCKET/PREFIX, got " + place);
  place.erase(0, scheme.size());
  const auto slash = std::min(place.find('/'), place.size());
  json::object body{{"podId", pod}, {"direction", up ? "TO_CLOUD" : "FROM_CLOUD"}, {"bucket", place.substr(0, slash)}};
  if (slash + 1 < place.size()) body["prefix"] = place.substr(slash + 1);
  if (!flags.path.empty()) body["path"] = flags.path;
  const auto variable = [&](const char* name) {
    const auto found = environment.find(name);
    return found == environment.end() ? std::string() : found->second;
  };
  const auto put = [&](const char* field, std::string value) {
    if (!value.empty()) body[field] = std::move(value);
  };
  auto region = flags.region;
  for (const char* name : {"AWS_REGION", "AWS_DEFAULT_REGION"})
    if (region.empty()) region = variable(name);
  put("region", std::move(region));
  auto endpoint = flags.endpoint_url;
  for (const char* name : {"AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"})
    if (endpoint.empty()) endpoint = variable(name);
  put("endpointUrl", std::move(endpoint));
  for (const auto& [field, name] :
       {std::pair{"accessKeyId", "AWS_ACCESS_KEY_ID"}, {"secretAccessKey", "AWS_SECRET_ACCESS_KEY"}}) {
    const auto value = variable(name);
    if (value.empty())
      return wrong(name, "it is not set in this environment; a key, or a secret as {{ RUNPOD_SECRET_name }}");
    body[field] = value;
  }
  put("sessionToken", variable("AWS_SESSION_TOKEN"));
  return body;
}

int sync_create(Commands& c, const std::string& pod, const SyncFlags& flags) {
  const auto found = find_pod(c, pod);
  if (!found) return c.terminal.report(found.error());
  const auto body = sync_body(text_of(*found, "id"), flags, c.environment);
  if (!body) return c.terminal.report(Failure::from(body.error(), c.terminal.language));
  const auto made = ask(c, "POST", "/v1/cloudsyncs", json::serialize(*body));
  if (!made) return c.terminal.report(made.error());
  const auto id = text_of(*made, "id");
  if (flags.detach) {
    tell(c.terminal, c.now(), sync_kind(), *made, c.terminal.word(Word::sync_begun, {{"id", id}}));
    return exit_ok;
  }
  if (c.terminal.for_people()) c.terminal.line(c.terminal.word(Word::sync_begun, {{"id", id}}));
  auto seen = look_until(c, id, [](const std::string& status) { return status != "STARTING"; });
  if (seen && c.terminal.for_people()) {
    // A log that cannot be had says nothing about the copy.
    if (print_stream(c, sync_target(id, "/logs?follow=true")) == exit_interrupted) return left_alone(c, id);
  }
  if (seen) seen = look_until(c, id, is_over);
  if (!seen && seen.error().exit == exit_interrupted) return left_alone(c, id);
  if (!seen) return c.terminal.report(seen.error());
  return tell_end(c, *seen);
}

int sync_list(Commands& c, const std::string& pod, const ListFlags& flags) {
  std::string of_pod;
  if (!pod.empty()) {
    const auto found = find_pod(c, pod);
    if (!found) return c.terminal.report(found.error());
    of_pod = "?podId=" + http::url_encode(text_of(*found, "id"));
  }
  std::string cursor;
  const auto syncs = ask_all(c, "/v1/cloudsyncs" + of_pod, cursor, false);
  if (!syncs) return c.terminal.report(syncs.error());
  return show_list(c.terminal, c.now(), sync_kind(), *syncs, flags);
}

int sync_get(Commands& c, const std::string& sync) {
  const auto found = ask(c, "GET", sync_target(sync));
  if (!found) return c.terminal.report(found.error());
  return show_one(c.terminal, c.now(), sync_kind(), *found);
}

int sync_logs(Commands& c, const std::string& sync, bool follow, std::optional<int> tail) {
  std::string query = follow ? "?follow=true" : "";
  if (tail) query += (query.empty() ? "?tail=" : "&tail=") + std::to_string(*tail);
  return print_stream(c, sync_target(sync, "/logs" + query));
}

int sync_cancel(Commands& c, const std::vector<std::string>& syncs) {
  for (const auto& id : syncs) {
    const auto gone = ask(c, "DELETE", sync_target(id));
    if (!gone) return c.terminal.report(gone.error());
    tell(c.terminal, json::object{{"id", id}, {"cancelled", true}},
         c.terminal.word(Word::sync_cancelled, {{"id", id}}));
  }
  return exit_ok;
}

}  // namespace gyre::cli
