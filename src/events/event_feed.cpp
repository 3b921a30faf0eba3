#include "events/event_feed.hpp"

#include "events/event_view.hpp"
#include "json/codec.hpp"

namespace gyre {
namespace {

// The stream's own name for an event is its noun: a page listens to "pod" and looks at the kind inside.
std::string frame_of(const Event& event, Language language) {
  const auto noun = event.kind.substr(0, event.kind.find('.'));
  return "id: " + std::to_string(event.id) + "\nevent: " + noun + "\ndata: " + json::encode(view(event, language)) +
         "\n\n";
}

}  // namespace

EventFeed::EventFeed(Core& core, Events& events, EventFeedSettings settings)
    : core_(core),
      events_(events),
      settings_(settings),
      heart_(core.runtime()),
      forgetting_(core.every(10min, "forget events", alive_.guard([this] { forget_old(); }))) {
  events_.on_append(alive_.guard([this](const Event& event) { happened(event); }));
  heart_.repeat(settings_.heartbeat, [this] { beat(); });
}

Result<std::shared_ptr<http::Stream>> EventFeed::open(const Wish& wish) {
  const auto neighbours = of_workspace_.find(wish.workspace);
  if (readers_.size() >= settings_.readers_max ||
      (neighbours != of_workspace_.end() && neighbours->second.size() >= settings_.readers_per_workspace))
    return fail(Reason::too_many_requests, {{"seconds", "30"}});

  Reader reader;
  reader.id = ++last_id_;
  reader.wish = wish;
  reader.stream = std::make_shared<http::Stream>();
  const auto range = events_.range();
  reader.seen = wish.after.value_or(range.newest);
  std::string hello = "retry: 2000\n\n";  // milliseconds until a browser connects again; also sends the headers off
  // Asked for what is not kept any more, or for what this database has never seen (restored from a backup): the reader
  // must look at the whole state again.
  if (reader.seen + 1 < range.oldest || reader.seen > range.newest) {
    hello += "event: missed\ndata: {\"after\":" + std::to_string(reader.seen) +
             ",\"oldest\":" + std::to_string(range.oldest) + ",\"newest\":" + std::to_string(range.newest) + "}\n\n";
    reader.seen = std::min(reader.seen, range.newest);
  }
  reader.stream->write(std::move(hello));

  auto stream = reader.stream;
  // After the commit, like the answer. Until then the events of this very transaction are neither missed nor early:
  // those before us are in the table when we catch up, those after us find us there.
  const auto shared = std::make_shared<Reader>(std::move(reader));
  core_.after_commit(alive_.guard([this, shared] { begin(std::move(*shared)); }));
  return stream;
}

void EventFeed::begin(Reader reader) {
  const auto id = reader.id;
  const auto stream = reader.stream;
  of_workspace_[reader.wish.workspace].push_back(id);
  readers_.emplace(id, std::move(reader));
  auto gone = alive_.guard([this, id] { remove(id); });
  stream->on_closed([&runtime = core_.runtime(), gone] { runtime.post(gone); });
  catch_up(id);
}

void EventFeed::happened(const Event& event) {
  const auto interested = of_workspace_.find(event.workspace);
  if (interested == of_workspace_.end()) return;
  std::map<Language, std::string> frames;
  for (const auto id : interested->second) {
    auto& reader = readers_.at(id);
    if (!reader.live || (reader.wish.pod && reader.wish.pod != event.pod)) continue;
    reader.seen = event.id;
    if (reader.wish.frame) {
      write(reader, reader.wish.frame(event, reader.wish.language));
      continue;
    }
    auto& frame = frames[reader.wish.language];
    if (frame.empty()) frame = frame_of(event, reader.wish.language);
    write(reader, frame);
  }
}

// Reads a bounded piece in a task of its own; what it found is written after the commit, because the transaction may
// hold events of neighbours that are not durable yet.
void EventFeed::catch_up(ReaderId id) {
  auto read = alive_.guard([this, id] {
    const auto* reader = find(id);
    if (!reader) return;
    auto found = events_.list({reader->wish.workspace, reader->wish.pod, reader->seen, settings_.batch});
    core_.after_commit(alive_.guard([this, id, found = std::move(found)] { caught(id, found); }));
  });
  auto try_again = alive_.guard([this, id] { catch_up(id); });
  // The database does not answer: the reader waits with us.
  auto failed = alive_.guard([this, try_again] { core_.runtime().after(1s, try_again); });
  core_.post("event feed", std::move(read), std::move(failed));
}

void EventFeed::caught(ReaderId id, const std::vector<Event>& events) {
  auto* reader = find(id);
  if (!reader) return;
  for (const auto& event : events) {
    reader->seen = event.id;
    const auto& wish = reader->wish;
    auto frame = wish.frame ? wish.frame(event, wish.language) : frame_of(event, wish.language);
    if (!write(*reader, std::move(frame))) return;  // has_room goes on from `seen`
  }
  if (events.size() < static_cast<std::size_t>(settings_.batch))
    reader->live = true;
  else
    catch_up(id);
}

bool EventFeed::write(Reader& reader, std::string frame) {
  if (reader.stream->write(std::move(frame))) return true;
  if (reader.patience) return false;  // waiting already
  const auto id = reader.id;
  reader.live = false;
  reader.patience = std::make_unique<Timer>(core_.runtime());
  reader.patience->start(settings_.patience, [this, id] {
    if (auto* slow = find(id)) slow->stream->abort();
    remove(id);
  });
  auto room = alive_.guard([this, id] { has_room(id); });
  reader.stream->on_room([&runtime = core_.runtime(), room] { runtime.post(room); });
  return false;
}

void EventFeed::has_room(ReaderId id) {
  auto* reader = find(id);
  if (!reader || !reader->patience) return;
  reader->patience.reset();
  catch_up(id);
}

void EventFeed::beat() {
  for (auto& [id, reader] : readers_)
    if (!reader.patience) write(reader, ": still here\n\n");
}

void EventFeed::forget_old() {
  const auto forgotten = events_.forget(core_.now() - settings_.kept_for, settings_.batch);
  if (forgotten == settings_.batch) core_.after(100ms, "forget events", alive_.guard([this] { forget_old(); }));
}

void EventFeed::close_all() {
  for (auto& [id, reader] : readers_) reader.stream->close();
  readers_.clear();
  of_workspace_.clear();
}

EventFeed::Reader* EventFeed::find(ReaderId id) {
  const auto found = readers_.find(id);
  return found == readers_.end() ? nullptr : &found->second;
}

void EventFeed::remove(ReaderId id) {
  const auto found = readers_.find(id);
  if (found == readers_.end()) return;
  const auto of = of_workspace_.find(found->second.wish.workspace);
  std::erase(of->second, id);
  if (of->second.empty()) of_workspace_.erase(of);
  readers_.erase(found);
}

}  // namespace gyre
