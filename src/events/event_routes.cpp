#include "events/event_routes.hpp"

#include <charconv>

#include "events/event_view.hpp"
#include "json/codec.hpp"

namespace gyre {
namespace {

// Last-Event-ID, which a browser sends when it connects again, counts before the ?after= that it began with.
Result<std::optional<EventId>> after_of(const http::Request& request) {
  const bool again = request.headers.has("Last-Event-ID");
  const std::string name = again ? "Last-Event-ID" : "after";
  const auto text = again ? std::string(request.headers.get("Last-Event-ID")) : request.query.get("after").value_or("");
  if (text.empty()) return std::nullopt;
  EventId id = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), id);
  if (problem != std::errc() || end != text.data() + text.size() || id < 0) return invalid(name, Detail::event_id);
  return id;
}

}  // namespace

std::vector<http::Route> event_routes(EventFeed& feed) {
  http::Route stream{
      .method = http::Method::get,
      .path = "/v1/events",
      .access = http::Access::reader,
      .summary = "Follow events",
      .description =
          "Server-sent events, without end. The event's name is the noun (`pod`, `host`), its data is an Event, its id "
          "is "
          "its position in the feed. Connect again with `Last-Event-ID` (browsers do so by themselves) or `?after=` "
          "and "
          "nothing is missed for 30 days; an event named `missed` says that something was, and that the state must be "
          "read anew. A comment comes every 15 seconds. A reader that takes nothing for 30 seconds is cut off.",
      .tag = "Events",
      .query = {{"after", "only events after this one; without it, only what happens from now on", "4711"},
                {"pod", "only events of this pod", "2s56cp0pof1rmt"}},
      .answer = json::schema<EventView>(),
      .answer_type = "text/event-stream",
      .errors = {Reason::invalid_field, Reason::too_many_requests},
      .handler = [&feed](const http::Request& request) -> Result<http::Response> {
        EventFeed::Wish wish;
        wish.workspace = request.caller.workspace;
        wish.after = TRY(after_of(request));
        wish.language = request.language;
        if (const auto pod = request.query.get("pod"); pod && !pod->empty()) wish.pod = PodId(*pod);
        http::Response response;
        if (request.method == http::Method::head)
          response.headers.add("Content-Type", "text/event-stream");
        else
          response = http::stream_response("text/event-stream", TRY(feed.open(wish)));
        response.headers.add("Cache-Control", "no-cache");
        response.headers.add("X-Accel-Buffering", "no");  // nginx would keep events back
        return response;
      }};
  std::vector<http::Route> routes;
  routes.push_back(std::move(stream));
  return routes;
}

}  // namespace gyre
