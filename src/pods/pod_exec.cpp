#include "pods/pod_exec.hpp"

#include <boost/json.hpp>

namespace gyre {
namespace {

namespace bj = boost::json;

constexpr std::size_t input_piece = 32 * 1024;
constexpr int cells_max = 1'000;  // of a terminal, each way

http::WebSocketMessage text(bj::object object) { return {true, bj::serialize(object)}; }

// {"resize": {"cols": 80, "rows": 24}}
std::optional<std::uint64_t> number(const bj::value& value) {
  if (value.is_int64() && value.get_int64() >= 0) return static_cast<std::uint64_t>(value.get_int64());
  if (value.is_uint64()) return value.get_uint64();
  return std::nullopt;
}

}  // namespace

PodExec::PodExec(Core& core, link::AgentLink& link)
    : core_(core),
      link_(link),
      // Never used twice on one host, as for logs, and in the other half of each millisecond's numbers.
      next_channel_((static_cast<std::uint64_t>(core.now().time_since_epoch().count()) << 20) + (1u << 19)),
      timer_(core.runtime()) {}

Result<std::shared_ptr<http::WebSocket>> PodExec::open(const HostId& host, link::ExecRequest request, bool counts,
                                                       Language language) {
  if (!link_.connected(host)) return fail(Reason::pod_host_unreachable);
  std::size_t open = 0;
  for (auto it = channels_.lower_bound({host, 0}); it != channels_.end() && it->first.first == host; ++it) ++open;
  if (open >= channels_max) return fail(Reason::too_many_requests, {{"seconds", "5"}});
  const Key key{host, next_channel_++};
  auto& channel = channels_[key];
  channel.socket = std::make_shared<http::WebSocket>();
  channel.request = std::move(request);
  channel.language = language;
  channel.counts = counts;
  channel.next = channel.seen = channel.request.from;
  channel.spoke_at = core_.runtime().uptime();
  auto& runtime = core_.runtime();
  // From the connection's thread: they only post.
  channel.socket->on_message(
      [&runtime, guard = alive_.guard([this, key] { client_said(key); })]() mutable { runtime.post(guard); });
  channel.socket->on_closed(
      [&runtime, guard = alive_.guard([this, key] { client_gone(key); })]() mutable { runtime.post(guard); });
  core_.after_commit(alive_.guard([this, key] {
    if (const auto found = channels_.find(key); found != channels_.end()) send_open(key, found->second);
  }));
  if (!timer_.waiting()) timer_.repeat(1s, [this] { tick(); });
  return channel.socket;
}

void PodExec::send_open(const Key& key, const Channel& channel) {
  link_.send(key.first, link::ChannelOpen{.channel = key.second, .log = {}, .exec = channel.request});
}

// ---- from the agent ----

void PodExec::said(const HostId& host, const link::AgentMessage& message) {
  const auto hear = [&](const auto& one) {
    const auto found = channels_.find({host, one.channel});
    if (found != channels_.end()) return said(found, one);
    link_.send(host, link::ChannelClose{one.channel, std::nullopt, {}});  // of a client that has gone
  };
  if (const auto* output = std::get_if<link::ExecOutput>(&message)) return hear(*output);
  if (const auto* state = std::get_if<link::ExecState>(&message)) return hear(*state);
  if (const auto* over = std::get_if<link::ChannelClose>(&message)) {
    const auto found = channels_.find({host, over->channel});
    if (found == channels_.end()) return;
    refused(found, Error{over->reason.value_or(Reason::exec_session_gone), over->args, {}});
  }
}

void PodExec::said(Channels::iterator at, const link::ExecState& state) {
  auto& [key, channel] = *at;
  channel.spoke_at = core_.runtime().uptime();
  if (!channel.confirmed) {
    channel.confirmed = true;
    channel.taken = state.input;
    channel.socket->send(text({{"session",
                                {{"id", channel.request.session},
                                 {"output", channel.next},
                                 {"input", channel.taken},
                                 {"inputEnded", state.input_ended}}}}));
    client_said(key);  // what it sent before it knew
    const auto again = channels_.find(key);
    if (again == channels_.end()) return;
  }
  if (state.input > channel.taken && state.input - channel.taken <= channel.input.size()) {
    channel.input.erase(0, static_cast<std::size_t>(state.input - channel.taken));
    channel.taken = state.input;
    if (channel.counts) channel.socket->send(text({{"input", channel.taken}}));
    core_.runtime().post(alive_.guard([this, key = key] { client_said(key); }));  // there is room again
  }
  if (state.input_ended) channel.input_ended = true;
  channel.resized = std::max(channel.resized, state.resized);
  if (state.exit_code && channel.next >= state.output_end) {
    channel.socket->send(text({{"exit", {{"code", *state.exit_code}, {"output", channel.next}}}}));
    close(at, http::close_normal, "the program has ended");
  }
}

void PodExec::said(Channels::iterator at, const link::ExecOutput& output) {
  auto& [key, channel] = *at;
  channel.spoke_at = core_.runtime().uptime();
  const auto end = output.offset + output.bytes.size();
  if (!channel.confirmed || output.offset > channel.next) return;  // the agent begins again at what was seen
  if (end <= channel.next) {                                       // doubled; maybe it has not heard what was seen
    link_.send(key.first, link::ExecSeen{key.second, channel.seen});
    return;
  }
  std::string bytes(1, output.error ? '\2' : '\1');
  bytes += std::string_view(output.bytes).substr(static_cast<std::size_t>(channel.next - output.offset));
  channel.next = end;
  const bool room = channel.socket->send({false, std::move(bytes)});
  if (channel.counts) return;
  if (room) return count_as_seen(key);
  if (channel.room_asked) return;
  channel.room_asked = true;
  auto& runtime = core_.runtime();
  channel.socket->on_room([&runtime, guard = alive_.guard([this, key = key] {
    const auto found = channels_.find(key);
    if (found == channels_.end()) return;
    found->second.room_asked = false;
    count_as_seen(key);
  })]() mutable { runtime.post(guard); });
}

void PodExec::count_as_seen(const Key& key) {
  auto& channel = channels_.at(key);
  if (channel.seen == channel.next) return;
  channel.seen = channel.next;
  link_.send(key.first, link::ExecSeen{key.second, channel.seen});
}

void PodExec::refused(Channels::iterator at, const Error& error) {
  const auto language = at->second.language;
  bj::object words{{"code", reason_text(error.reason)}, {"message", error.message(language)}};
  if (const auto fix = error.fix(language); !fix.empty()) words["fix"] = fix;
  at->second.socket->send(text({{"error", std::move(words)}}));
  // The agent is asked no more: it has let the channel go.
  const auto socket = at->second.socket;
  channels_.erase(at);
  socket->close(4000 + http::status_of(error.code()), std::string(reason_text(error.reason)));
}

void PodExec::lost(const HostId& host) {
  for (auto it = channels_.lower_bound({host, 0}); it != channels_.end() && it->first.first == host;) {
    const auto socket = it->second.socket;
    it = channels_.erase(it);
    socket->close(http::close_service_restart, "the host's connection broke");
  }
}

// ---- from the client ----

void PodExec::client_said(const Key& key) {
  for (;;) {
    const auto found = channels_.find(key);
    // Before the agent has answered nobody knows where the client's bytes belong; beyond the window they wait. A window
    // that is just full does not: what the client has seen comes behind its input, and a program that waits for that
    // word takes no more input.
    if (found == channels_.end() || !found->second.confirmed || found->second.input.size() > input_bytes_max) return;
    auto& channel = found->second;
    const auto message = channel.socket->receive();
    if (!message) return;
    const bool understood = understand(key, channel, *message);
    if (understood && channel.ends) return end(found);
    if (understood) continue;
    return close(found, http::close_policy, "the message is not one of " + std::string(protocol));
  }
}

bool PodExec::understand(const Key& key, Channel& channel, const http::WebSocketMessage& message) {
  if (!message.text) {
    if (message.bytes.empty() || message.bytes.front() != '\0' || channel.input_ends) return false;
    const auto from = channel.input.size();
    channel.input.append(message.bytes, 1);
    send_input(key, channel, from);
    return true;
  }
  boost::system::error_code problem;
  const auto parsed = bj::parse(message.bytes, problem);
  const auto* object = problem ? nullptr : parsed.if_object();
  if (!object) return false;
  if (const auto* seen = object->if_contains("seen")) {
    const auto offset = number(*seen);
    if (!offset || *offset > channel.next) return false;
    if (*offset > channel.seen) {
      channel.seen = *offset;
      link_.send(key.first, link::ExecSeen{key.second, channel.seen});
    }
    return true;
  }
  if (const auto* resize = object->if_contains("resize")) {
    const auto* size = resize->if_object();
    const auto* columns = size ? size->if_contains("cols") : nullptr;
    const auto* rows = size ? size->if_contains("rows") : nullptr;
    const auto wide = columns ? number(*columns) : std::nullopt, high = rows ? number(*rows) : std::nullopt;
    if (!wide || !high || *wide < 1 || *high < 1 || *wide > cells_max || *high > cells_max) return false;
    channel.columns = static_cast<int>(*wide);
    channel.rows = static_cast<int>(*high);
    link_.send(key.first, link::ExecResize{key.second, ++channel.resize, channel.columns, channel.rows});
    return true;
  }
  if (object->contains("endOfInput")) {
    if (!channel.input_ends) {
      channel.input_ends = true;
      send_input(key, channel, channel.input.size());
    }
    return true;
  }
  if (object->contains("end")) {
    channel.ends = true;
    return true;
  }
  return true;  // a word of a later version: not for us
}

// From there on; the agent takes each byte once, wherever we begin.
void PodExec::send_input(const Key& key, const Channel& channel, std::size_t from) {
  do {
    const auto size = std::min(input_piece, channel.input.size() - from);
    const bool last = from + size == channel.input.size();
    link_.send(key.first, link::ExecInput{key.second, channel.taken + from, channel.input.substr(from, size),
                                          last && channel.input_ends});
    from += size;
  } while (from < channel.input.size());
}

// The client has done with it: the agent ends the program. An agent that does not know this lets it live on for a
// while.
void PodExec::end(Channels::iterator at) {
  const auto key = at->first;
  const auto socket = at->second.socket;
  channels_.erase(at);
  link_.send(key.first, link::ChannelClose{key.second, Reason::exec_session_gone, {}});
  socket->close(http::close_normal, "ended");
}

void PodExec::client_gone(const Key& key) {
  if (channels_.erase(key) > 0) link_.send(key.first, link::ChannelClose{key.second, std::nullopt, {}});
}

void PodExec::close(Channels::iterator at, int code, const std::string& words) {
  const auto key = at->first;
  const auto socket = at->second.socket;
  channels_.erase(at);
  link_.send(key.first, link::ChannelClose{key.second, std::nullopt, {}});
  socket->close(code, words);
}

// ---- again, what may have been lost ----

void PodExec::tick() {
  if (channels_.empty()) return timer_.stop();
  const auto now = core_.runtime().uptime();
  for (auto& [key, channel] : channels_) {
    if (now - channel.spoke_at < say_again) continue;
    const bool input_waits = !channel.input.empty() || (channel.input_ends && !channel.input_ended);
    const bool resize_waits = channel.resized < channel.resize;
    if (channel.confirmed && !input_waits && !resize_waits) continue;
    channel.spoke_at = now;
    if (!channel.confirmed) {
      send_open(key, channel);
      continue;
    }
    if (input_waits) send_input(key, channel, 0);
    if (resize_waits)
      link_.send(key.first, link::ExecResize{key.second, channel.resize, channel.columns, channel.rows});
  }
}

}  // namespace gyre
