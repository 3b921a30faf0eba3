#include "rest_v2/log_events.hpp"

#include <algorithm>
#include <charconv>
#include <limits>

#include "base/time.hpp"
#include "json/codec.hpp"
#include "json/utf8.hpp"

namespace gyre::rest_v2 {
namespace {

constexpr std::int64_t per_second = 1'000'000'000;
constexpr std::size_t digits_max = 9;

struct LogLine {
  std::string source, line;
  std::string ts;
};
BOOST_DESCRIBE_STRUCT(LogLine, (), (source, line, ts))

std::string time_text(std::int64_t nanoseconds) {
  const Time second(Duration((nanoseconds / per_second) * 1000));
  auto digits = std::to_string(nanoseconds % per_second);
  digits.insert(0, digits_max - digits.size(), '0');
  return rfc3339(second).substr(0, 19) + "." + digits + "Z";
}

}  // namespace

std::optional<std::int64_t> parse_nanoseconds(std::string_view text) {
  const auto time = parse_rfc3339(text);
  if (!time || time->time_since_epoch().count() < 0) return std::nullopt;
  const auto seconds = time->time_since_epoch().count() / 1000;
  if (seconds >= std::numeric_limits<std::int64_t>::max() / per_second) return std::nullopt;  // 64 bits end in 2262
  const auto dot = text.find('.');
  std::int64_t fraction = 0;
  if (dot != std::string_view::npos) {
    std::size_t count = 0;
    for (auto at = dot + 1; at < text.size() && text[at] >= '0' && text[at] <= '9' && count < digits_max; ++at, ++count)
      fraction = fraction * 10 + (text[at] - '0');
    for (; count < digits_max; ++count) fraction *= 10;
  }
  return seconds * per_second + fraction;
}

std::string place_text(const LogPlace& place) {
  return time_text(place.nanoseconds) + (place.further > 0 ? "/" + std::to_string(place.further) : "");
}

std::optional<LogPlace> parse_place(std::string_view text) {
  const auto slash = text.find('/');
  const auto time = parse_nanoseconds(text.substr(0, slash));
  if (!time) return std::nullopt;
  LogPlace out{*time, 0};
  if (slash == std::string_view::npos) return out;
  const auto rest = text.substr(slash + 1);
  const auto [end, problem] = std::from_chars(rest.data(), rest.data() + rest.size(), out.further);
  if (problem != std::errc{} || end != rest.data() + rest.size() || out.further < 0) return std::nullopt;
  return out;
}

std::string LogFrames::add(std::string_view bytes) {
  std::string out;
  while (!bytes.empty()) {
    const auto end = bytes.find('\n');
    const auto piece = bytes.substr(0, end);
    bytes.remove_prefix(end == std::string_view::npos ? bytes.size() : end + 1);
    rest_ += piece;
    // The same pieces, however the bytes came: else a line's places would be others when it is read again.
    for (; rest_.size() > line_max; rest_.erase(0, line_max)) out += frame(std::string_view(rest_).substr(0, line_max));
    if (end == std::string_view::npos) break;
    out += frame(std::exchange(rest_, {}));
    time_.clear();
  }
  return out;
}

std::string LogFrames::end() {
  auto out = rest_.empty() ? std::string() : frame(rest_);
  rest_.clear();
  time_.clear();
  return out;
}

std::string LogFrames::frame(std::string_view line) {
  if (time_.empty()) {
    const auto blank = line.find(' ');
    const auto time = parse_nanoseconds(line.substr(0, blank));
    if (time) {
      line.remove_prefix(blank == std::string_view::npos ? line.size() : blank + 1);
      time_ = time_text(*time);
      if (*time > at_.nanoseconds)
        at_ = {*time, 0};
      else
        ++at_.further;
    } else {
      ++at_.further;  // no engine of ours writes such a line; it is shown as it is
      time_ = time_text(at_.nanoseconds);
    }
  } else {
    ++at_.further;  // the next piece of the same line
  }
  if (after_ && at_ <= *after_) return {};
  if (line.ends_with('\r')) line.remove_suffix(1);
  const LogLine shown{"container", json::valid_utf8(line), time_};
  return "id: " + place_text(at_) + "\ndata: " + json::encode(shown) + "\n\n";
}

LogEvents::LogEvents(Runtime& runtime) : runtime_(runtime), heart_(runtime) {
  heart_.repeat(heartbeat, [this] { beat(); });
}

std::shared_ptr<http::Stream> LogEvents::open(std::shared_ptr<http::Stream> log, std::optional<LogPlace> after) {
  const auto id = ++last_;
  auto events = std::make_shared<http::Stream>();
  events->write("retry: 2000\n\n");  // milliseconds until a browser connects again; also sends the headers off
  readers_.emplace(id, Reader{log, events, LogFrames(after), false});
  // The streams' callbacks come from other threads, and from within their own calls: they only post.
  events->on_closed(
      [&runtime = runtime_, left = alive_.guard([this, id] { gone(id); })]() mutable { runtime.post(left); });
  log->on_data([&runtime = runtime_, more = alive_.guard([this, id] { carry(id); })]() mutable { runtime.post(more); });
  return events;
}

void LogEvents::carry(Id id) {
  const auto found = readers_.find(id);
  if (found == readers_.end() || found->second.waits) return;
  auto& reader = found->second;
  const auto next = reader.log->take();
  auto frames = reader.frames.add(next.bytes);
  if (next.ended && !next.aborted) frames += reader.frames.end();
  const bool room = frames.empty() || reader.events->write(std::move(frames));
  if (next.ended) {
    next.aborted ? reader.events->abort() : reader.events->close();
    return gone(id);
  }
  if (room) return;
  reader.waits = true;
  reader.events->on_room([&runtime = runtime_, again = alive_.guard([this, id] {
    const auto there = readers_.find(id);
    if (there == readers_.end()) return;
    there->second.waits = false;
    carry(id);
  })]() mutable { runtime.post(again); });
}

void LogEvents::gone(Id id) {
  const auto found = readers_.find(id);
  if (found == readers_.end()) return;
  const auto log = std::move(found->second.log);
  readers_.erase(found);
  log->reader_gone();
}

// So that proxies keep the connection, and we notice who is gone.
void LogEvents::beat() {
  for (auto& [id, reader] : readers_)
    if (!reader.waits) reader.events->write(": still here\n\n");
}

void LogEvents::close_all() {
  while (!readers_.empty()) {
    const auto id = readers_.begin()->first;
    readers_.begin()->second.events->close();
    gone(id);
  }
}

}  // namespace gyre::rest_v2
