#include "pods/pod_logs.hpp"

namespace gyre {
namespace {
constexpr std::int64_t credit_step = link::channel_window_bytes / 4;  // not a message for every line
}

PodLogs::PodLogs(Core& core, link::AgentLink& link)
    : core_(core),
      link_(link),
      // Never used twice on one host, also after a restart of the server: time first, then a counter.
      next_channel_(static_cast<std::uint64_t>(core.now().time_since_epoch().count()) << 20) {}

Result<std::shared_ptr<http::Stream>> PodLogs::open(const HostId& host, link::LogRequest request) {
  if (!link_.connected(host)) return fail(Reason::pod_host_unreachable);
  std::size_t open = 0;
  for (auto it = channels_.lower_bound({host, 0}); it != channels_.end() && it->first.first == host; ++it) ++open;
  if (open >= channels_max) return fail(Reason::too_many_requests, {{"seconds", "5"}});
  const Key key{host, next_channel_++};
  auto stream = std::make_shared<http::Stream>();
  channels_[key].stream = stream;
  // The stream's callbacks come from the connection's thread: they only post.
  auto& runtime = core_.runtime();
  stream->on_closed(
      [&runtime, guard = alive_.guard([this, key] { reader_gone(key); })]() mutable { runtime.post(guard); });
  core_.after_commit([this, key, request = std::move(request)] {
    link_.send(key.first, link::ChannelOpen{.channel = key.second, .log = request, .exec = {}});
  });
  return stream;
}

void PodLogs::said(const HostId& host, const link::AgentMessage& message) {
  if (const auto* data = std::get_if<link::ChannelData>(&message)) {
    const auto found = channels_.find({host, data->channel});
    if (found == channels_.end()) return;
    found->second.owed += static_cast<std::int64_t>(data->bytes.size());
    if (found->second.stream->write(data->bytes))
      credit(found->first);
    else
      credit_later(found->first);
  } else if (const auto* close = std::get_if<link::ChannelClose>(&message)) {
    const auto found = channels_.find({host, close->channel});
    if (found == channels_.end()) return;
    const auto stream = found->second.stream;
    channels_.erase(found);
    close->reason ? stream->abort() : stream->close();
  }
}

void PodLogs::lost(const HostId& host) {
  for (auto it = channels_.lower_bound({host, 0}); it != channels_.end() && it->first.first == host;) {
    const auto stream = it->second.stream;
    it = channels_.erase(it);
    stream->abort();
  }
}

// The reader is behind: the agent hears of it by silence, until there is room.
void PodLogs::credit_later(const Key& key) {
  auto& channel = channels_.at(key);
  if (channel.room_asked) return;
  channel.room_asked = true;
  auto& runtime = core_.runtime();
  auto ask = alive_.guard([this, key] {
    const auto found = channels_.find(key);
    if (found == channels_.end()) return;
    found->second.room_asked = false;
    credit(key);
  });
  channel.stream->on_room([&runtime, ask = std::move(ask)]() mutable { runtime.post(ask); });
}

void PodLogs::credit(const Key& key) {
  const auto found = channels_.find(key);
  if (found == channels_.end() || found->second.owed < credit_step) return;
  link_.send(key.first, link::ChannelCredit{key.second, found->second.owed});
  found->second.owed = 0;
}

void PodLogs::reader_gone(const Key& key) {
  if (channels_.erase(key) > 0) link_.send(key.first, link::ChannelClose{key.second, std::nullopt, {}});
}

}  // namespace gyre
