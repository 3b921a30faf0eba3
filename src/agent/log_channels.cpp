#include "agent/log_channels.hpp"

#include <algorithm>
#include <utility>

namespace gyre::agent {

LogChannels::LogChannels(Runtime& runtime, engine::Engine& engine, Find find, Send send)
    : runtime_(runtime), engine_(engine), find_(std::move(find)), send_(std::move(send)) {}

LogChannels::~LogChannels() = default;

void LogChannels::open(const link::ChannelOpen& request) {
  const auto id = request.channel;
  if (channels_.contains(id)) return;
  if (channels_.size() >= channels_max) {
    Args args{{"limit", std::to_string(channels_max)}};
    send_(link::ChannelClose{id, Reason::too_many_log_streams, std::move(args)});
    return;
  }
  channels_[id].request = request.log;
  const auto source = find_(request.log);
  Args args{{"pod", request.log.pod.str()}, {"container", request.log.container}};
  if (!source.pod_known) return end(id, Error{Reason::pod_not_found, std::move(args), {}});
  if (!source.container_known) return end(id, Error{Reason::log_not_there, std::move(args), {}});
  const bool there = !source.container_id.empty();
  const bool worth_waiting = request.log.follow && source.will_run;
  if (there) return subscribe(id, source);
  if (!worth_waiting) end(id, {});  // what has never started has written nothing: an empty log, not an error
}

void LogChannels::credit(const link::ChannelCredit& credit) {
  const auto found = channels_.find(credit.channel);
  if (found == channels_.end() || credit.bytes <= 0) return;
  auto& channel = found->second;
  // Bounded, so that a confused server cannot make us believe in an unlimited reader.
  channel.credit =
      std::min(channel.credit + std::min(credit.bytes, link::channel_window_bytes), 4 * link::channel_window_bytes);
  flush(credit.channel);
}

void LogChannels::close(std::uint64_t id) {
  const auto found = channels_.find(id);
  if (found == channels_.end()) return;
  drop(std::move(found->second.subscription));
  channels_.erase(found);
}

void LogChannels::close_all() {
  for (auto& [id, channel] : channels_) drop(std::move(channel.subscription));
  channels_.clear();
}

void LogChannels::pods_changed() {
  std::vector<std::uint64_t> waiting;
  for (const auto& [id, channel] : channels_)
    if (!channel.streaming) waiting.push_back(id);
  for (const auto id : waiting) advance(id);
}

// Of a channel that has come to the end of what there was: go on with the container's next life, wait for it, or end.
void LogChannels::advance(std::uint64_t id) {
  auto& channel = channels_.at(id);
  if (!channel.backlog.empty()) return;  // first what is left; flush() comes back here
  if (!channel.request.follow) return end(id, {});
  const auto source = find_(channel.request);
  const bool another_life = !source.container_id.empty() &&
                            (source.container_id != channel.container_id || source.started_at != channel.started_at);
  if (another_life) return subscribe(id, source);
  if (!source.will_run) end(id, {});
}

void LogChannels::subscribe(std::uint64_t id, const Source& source) {
  auto& channel = channels_.at(id);
  engine::LogOptions options;
  options.follow = channel.request.follow;
  options.timestamps = channel.request.timestamps;
  options.standard_output = channel.request.standard_output;
  options.standard_error = channel.request.standard_error;
  const bool first = channel.container_id.empty();
  options.tail = first ? channel.request.tail : std::nullopt;
  options.since = first ? channel.request.since : std::nullopt;
  // The same container started again keeps its log: show only the new life.
  if (!first && source.container_id == channel.container_id) options.since = source.started_at;
  channel.container_id = source.container_id;
  channel.started_at = source.started_at;
  channel.streaming = true;
  channel.paused = false;
  const auto stream = channel.stream = ++streams_;
  auto chunk =
      alive_.guard([this, id, stream](engine::Output, std::string_view bytes) { on_chunk(id, stream, bytes); });
  auto ended = alive_.guard([this, id, stream](const Result<void>& result) { on_end(id, stream, result); });
  auto subscription = engine_.logs(source.container_id, options, std::move(chunk), std::move(ended));
  const auto found = channels_.find(id);  // an engine may have called back already
  if (found == channels_.end() || found->second.stream != stream) return drop(std::move(subscription));
  drop(std::move(found->second.subscription));
  found->second.subscription = std::move(subscription);
  if (found->second.paused) found->second.subscription->pause();
}

void LogChannels::on_chunk(std::uint64_t id, std::uint64_t stream, std::string_view bytes) {
  const auto found = channels_.find(id);
  if (found == channels_.end() || found->second.stream != stream) return;
  auto& channel = found->second;
  channel.backlog += bytes;
  if (channel.backlog.size() > backlog_bytes_max + static_cast<std::size_t>(std::max<std::int64_t>(channel.credit, 0)))
    return end(id, Error{Reason::log_reader_too_slow, {}, {}});
  if (channel.backlog.size() >= data_bytes_max) return flush(id);
  if (std::exchange(channel.gathering, true)) return;
  runtime_.after(gather, alive_.guard([this, id] {
    const auto found_again = channels_.find(id);
    if (found_again == channels_.end()) return;
    found_again->second.gathering = false;
    flush(id);
  }));
}

void LogChannels::on_end(std::uint64_t id, std::uint64_t stream, const Result<void>& result) {
  const auto found = channels_.find(id);
  if (found == channels_.end() || found->second.stream != stream) return;
  auto& channel = found->second;
  if (!channel.backlog.empty()) flush(id);  // what was gathered, before the end
  channel.streaming = false;
  // A container that was removed under the stream is its proper end; an engine that went away is not.
  if (!result && result.error().reason != Reason::container_not_found) return end(id, result.error());
  advance(id);
}

void LogChannels::flush(std::uint64_t id) {
  auto& channel = channels_.at(id);
  std::size_t sent = 0;
  while (sent < channel.backlog.size() && channel.credit > 0) {
    const auto size =
        std::min({channel.backlog.size() - sent, data_bytes_max, static_cast<std::size_t>(channel.credit)});
    send_(link::ChannelData{id, channel.backlog.substr(sent, size)});
    channel.credit -= static_cast<std::int64_t>(size);
    sent += size;
  }
  channel.backlog.erase(0, sent);
  const bool should_pause = channel.credit <= 0;
  if (channel.streaming && should_pause != channel.paused) {
    channel.paused = should_pause;
    if (channel.subscription && should_pause)
      channel.subscription->pause();
    else if (channel.subscription)
      channel.subscription->resume();
  }
  if (!channel.streaming && !channel.container_id.empty()) advance(id);
}

void LogChannels::end(std::uint64_t id, std::optional<Error> error) {
  link::ChannelClose message{id, {}, {}};
  if (error) {
    message.reason = error->reason;
    message.args = std::move(error->args);
  }
  close(id);
  send_(std::move(message));
}

// Later, not now: this may be one of its own callbacks.
void LogChannels::drop(std::unique_ptr<engine::Subscription> subscription) {
  if (!subscription) return;
  runtime_.post(
      [dropped = std::shared_ptr<engine::Subscription>(std::move(subscription))]() mutable { dropped.reset(); });
}

}  // namespace gyre::agent
