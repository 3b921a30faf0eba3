#include "events/event_view.hpp"

#include <boost/json/parse.hpp>

namespace gyre {

json::Fields fields(const EventReason*) {
  return {{"code", "the stable code", R"("host_offline")"},
          {"text", "the same in words, in the reader's language", R"("the host does not answer")"},
          {"fix", "what to do about it, where something can be done", R"("check the host's network")"}};
}

json::Fields fields(const EventView*) {
  return {{"id", "its position in the feed; ask for what came after it with ?after= or Last-Event-ID", "4711"},
          {"kind", "noun.what", R"("pod.running")"},
          {"at", "when", R"("2026-11-22T01:15:00.250Z")"},
          {"pod", "the pod it is about", R"("2s56cp0pof1rmt")"},
          {"host", "the host it is about", R"("s194cr8pls2z")"},
          {"reason", "why", R"({"code": "host_offline", "text": "the host does not answer", "fix": null})"},
          {"data", "more, depending on the kind", "{}"}};
}

EventView view(const Event& event, Language language) {
  EventView out{event.id, event.kind, event.at, event.pod, event.host, std::nullopt, boost::json::parse(event.data)};
  if (event.reason) {
    out.reason = EventReason{std::string(reason_text(*event.reason)), sentence(*event.reason, event.args, language),
                             std::nullopt};
    if (auto fix = way_out(*event.reason, event.args, language); !fix.empty()) out.reason->fix = std::move(fix);
  }
  return out;
}

}  // namespace gyre
