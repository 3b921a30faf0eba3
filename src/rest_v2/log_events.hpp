// A log with times, as server-sent events: every line has an id, and a reader that comes back with the last id it saw
// gets each further line once. Core thread, but for the streams' own calls.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "http/message.hpp"
#include "runtime/runtime.hpp"

namespace gyre::rest_v2 {

// Where a line stands in its log. Engines write standard output and error side by side: a line may carry an earlier
// time than the one before it, or the same. So a place is the latest time so far, and how many lines came since. It
// does not depend on where reading began, as long as that was a second before.
struct LogPlace {
  std::int64_t nanoseconds = 0;  // since 1970
  std::int64_t further = 0;
  auto operator<=>(const LogPlace&) const = default;
};

std::string place_text(const LogPlace& place);  // "2026-11-22T01:15:00.250000000Z", ".../2" for the second further one
std::optional<LogPlace> parse_place(std::string_view text);
std::optional<std::int64_t> parse_nanoseconds(std::string_view rfc3339);  // up to 9 digits of a second

// Lines "TIME TEXT\n" in pieces of any size, to frames. Pure.
class LogFrames {
 public:
  // Lines up to `after` are left out.
  explicit LogFrames(std::optional<LogPlace> after = std::nullopt) : after_(after) {}

  std::string add(std::string_view bytes);
  std::string end();  // a last line without its end

  static constexpr std::size_t line_max = 64 * 1024;  // a longer one goes out in pieces, each an event

 private:
  std::string frame(std::string_view line);

  std::optional<LogPlace> after_;
  LogPlace at_;
  std::string rest_;  // of a line that has not ended
  std::string time_;  // of a line whose first pieces are out
};

class LogEvents {
 public:
  explicit LogEvents(Runtime& runtime);

  std::shared_ptr<http::Stream> open(std::shared_ptr<http::Stream> log, std::optional<LogPlace> after);
  void close_all();
  std::size_t readers() const { return readers_.size(); }

  static constexpr Duration heartbeat = 15s;

 private:
  using Id = std::uint64_t;
  struct Reader {
    std::shared_ptr<http::Stream> log, events;
    LogFrames frames;
    bool waits = false;  // for room
  };
  void carry(Id id);
  void gone(Id id);
  void beat();

  Runtime& runtime_;
  std::map<Id, Reader> readers_;
  Id last_ = 0;
  Alive alive_;
  Timer heart_;
};

}  // namespace gyre::rest_v2
