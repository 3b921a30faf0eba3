// Event streams (server-sent events): each reader gets what was appended since the id it names, then what happens, in
// order and without gaps, however slowly it reads; one that does not read at all is let go. Core thread only.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>

#include "events/events.hpp"
#include "http/message.hpp"
#include "runtime/core.hpp"

namespace gyre {

struct EventFeedSettings {
  Duration heartbeat = 15s;      // a comment, so that proxies keep the connection and we notice who is gone
  Duration patience = 30s;       // with a reader that takes nothing
  Duration kept_for = 30 * 24h;  // then events are forgotten
  int batch = 100;               // events read at once for a reader that is behind, or forgotten at once
  std::size_t readers_max = 10'000;
  std::size_t readers_per_workspace = 200;
};

class EventFeed {
 public:
  EventFeed(Core& core, Events& events, EventFeedSettings settings = {});

  struct Wish {
    WorkspaceId workspace;
    std::optional<PodId> pod;
    std::optional<EventId> after;  // none: only what happens from now on
    Language language = Language::en;
    // How an event is written, for who shows it in another API's words; none: as /v1/events does.
    std::function<std::string(const Event&, Language)> frame = {};
  };
  // Within a task. too_many_requests when too many read already.
  Result<std::shared_ptr<http::Stream>> open(const Wish& wish);

  // Ends every stream properly: the server is shutting down, and clients come back with the last id they saw.
  void close_all();

  std::size_t readers() const { return readers_.size(); }

 private:
  using ReaderId = std::uint64_t;
  struct Reader {
    ReaderId id = 0;
    Wish wish;
    std::shared_ptr<http::Stream> stream;
    EventId seen = 0;                 // everything up to here was written, or is not for this reader
    bool live = false;                // has caught up: gets events as they happen
    std::unique_ptr<Timer> patience;  // runs while there is no room
  };
  using Readers = std::map<ReaderId, Reader>;

  void begin(Reader reader);
  void happened(const Event& event);
  void catch_up(ReaderId id);
  void caught(ReaderId id, const std::vector<Event>& events);
  bool write(Reader& reader, std::string frame);  // false: the reader has no room now
  void has_room(ReaderId id);
  void beat();
  void forget_old();
  Reader* find(ReaderId id);
  void remove(ReaderId id);

  Core& core_;
  Events& events_;
  EventFeedSettings settings_;
  Readers readers_;
  std::map<WorkspaceId, std::vector<ReaderId>> of_workspace_;
  ReaderId last_id_ = 0;
  Alive alive_;
  Timer heart_;
  std::unique_ptr<Timer> forgetting_;
};

}  // namespace gyre
