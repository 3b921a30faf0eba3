// The outbox: what happened, in order. A service appends in the transaction that makes it true; readers (event streams,
// later webhooks and mail) learn of it after the commit and can ask for everything since an id. Core thread only.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.hpp"
#include "base/reasons.hpp"
#include "base/time.hpp"
#include "runtime/core.hpp"

namespace gyre {

struct Event {
  EventId id = 0;         // given by append
  WorkspaceId workspace;  // whose feed it is in; what belongs to the installation is in its operator's
  Time at;                // given by append
  std::string kind;       // noun.what, e.g. "pod.running", "host.offline"; part of the public API
  std::optional<PodId> pod;
  std::optional<HostId> host;
  std::optional<Reason> reason;  // why, as a code: its words are made in the reader's language
  Args args;                     // for the reason's sentence; never a secret
  std::string data = "{}";       // more, as one JSON object; never a secret
  bool operator==(const Event&) const = default;
};

struct EventQuery {
  WorkspaceId workspace;
  std::optional<PodId> pod;
  EventId after = 0;  // only newer ones
  int limit = 100;    // at most this many, oldest first
};

class Events {
 public:
  explicit Events(Core& core);

  // Within a task. Fills in id and time; the event exists if and only if the task's transaction does.
  EventId append(Event event);

  // Called with each event once it is durable, in order, on the core thread, outside any transaction. Must not throw
  // and must not query: what needs the database posts a task. For the life of this object.
  void on_append(std::function<void(const Event&)> listener);

  std::vector<Event> list(const EventQuery& query) const;

  // The ids between which everything is kept; 0 and 0 in an empty feed.
  struct Range {
    EventId oldest = 0, newest = 0;
  };
  Range range() const;

  // Forgets up to `limit` events older than `before`, never the newest (ids are not given twice). Returns how many.
  std::int64_t forget(Time before, int limit);

 private:
  Core& core_;
  std::vector<std::function<void(const Event&)>> listeners_;
  Alive alive_;
};

}  // namespace gyre
