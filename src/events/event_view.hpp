// An event as the API shows it, in the reader's language. For event streams and for lists of one thing's events.
#pragma once

#include <boost/describe.hpp>
#include <boost/json/value.hpp>

#include "events/events.hpp"
#include "json/schema.hpp"

namespace gyre {

struct EventReason {
  std::string code, text;
  std::optional<std::string> fix;
};
BOOST_DESCRIBE_STRUCT(EventReason, (), (code, text, fix))
json::Fields fields(const EventReason*);

struct EventView {
  EventId id = 0;
  std::string kind;
  Time at;
  std::optional<PodId> pod;
  std::optional<HostId> host;
  std::optional<EventReason> reason;
  boost::json::value data;
};
BOOST_DESCRIBE_STRUCT(EventView, (), (id, kind, at, pod, host, reason, data))
json::Fields fields(const EventView*);

EventView view(const Event& event, Language language);

}  // namespace gyre
