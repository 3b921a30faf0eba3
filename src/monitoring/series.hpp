// Series of measured values as pure data: blocks of a fixed number of slots as they lie in the store, and the windows
// that a chart asks for. A slot without a sample is a gap and stays one: nothing is interpolated, nothing is zero that
// was not measured as zero. No clock, no database.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/time.hpp"

namespace gyre {

// Two resolutions: what came in, and its mean over five minutes. A block of the fine one is one slot of the coarse one.
struct Tier {
  Duration step;  // of one slot
  int slots;      // in one block
  Duration kept;  // how far back
  Duration block_span() const { return step * slots; }
  bool operator==(const Tier&) const = default;
};
inline constexpr Tier fine_tier{10s, 30, 24h};
inline constexpr Tier coarse_tier{300s, 24, 30 * 24h};
static_assert(fine_tier.step * fine_tier.slots == coarse_tier.step);

// The number of the block that holds this moment, counted from 1970, and its place there.
std::int64_t block_of(const Tier& tier, Time at);
int slot_of(const Tier& tier, Time at);
Time start_of(const Tier& tier, std::int64_t block, int slot);

// One block. `samples` of a slot: 0 is a gap; else how much stands behind it, at most 255. A value that is NaN was not
// measured.
class Block {
 public:
  static constexpr int channels_max = 32;

  explicit Block(int slots) : samples_(static_cast<std::size_t>(slots)) {}
  // Empty when the bytes are not a whole block of so many slots: torn, of a newer version, or not ours at all.
  static std::optional<Block> decode(std::string_view bytes, int slots);
  std::string encode() const;

  int slots() const { return static_cast<int>(samples_.size()); }
  int channels() const { return channels_; }
  int samples(int slot) const { return samples_[static_cast<std::size_t>(slot)]; }
  float value(int slot, int channel) const;  // NaN beyond the channels it has

  // Doing it twice is doing it once, in whatever order: the one with more samples stays; of two alike the later call's.
  // False when nothing changed.
  bool put(int slot, int samples, std::span<const float> values);
  // Whatever was there before.
  void set(int slot, int samples, std::span<const float> values);

  // Of all its slots, each counting the same; a channel's mean is over the slots that have a value for it.
  std::vector<float> mean() const;
  int filled() const;  // slots that are no gap

 private:
  void widen(int channels);

  int channels_ = 0;
  std::vector<std::uint8_t> samples_;
  std::vector<float> values_;  // slot after slot
};

// What is drawn: `count` steps from `start`. Steps begin at multiples of their length, so that the same chart asked for
// a moment later shows the same numbers.
struct Window {
  Time start{};
  Duration step{};
  std::size_t count = 0;
  Time end() const { return start + step * static_cast<std::int64_t>(count); }
  bool operator==(const Window&) const = default;
};

struct Span {
  Time from{}, to{};
};
// "from", "to" (RFC 3339, "now", or a time ago as 8h) and "step" (10s, or 1m to 5h) as a request says them. Without
// them: the last 8 hours every 10 minutes. The error names the field.
struct WindowWish {
  std::optional<std::string> from, to, step;
};
Result<Window> window_of(const WindowWish& wish, Time now);

// "90s", "10m", "8h", "30d"; empty for anything else.
std::optional<Duration> parse_span(std::string_view text);

// Which resolution answers: the fine one as long as all of it is still there.
const Tier& tier_for(const Window& window, Time now);

// A slot out of the store, on its way into a window.
struct SeriesPoint {
  Time start{};
  int weight = 1;  // of the coarse tier: how many fine slots stand behind it
  std::vector<float> values;
};
// Per channel one value per step: the weighted mean of the points that begin within it; nothing where there is none.
std::vector<std::vector<std::optional<double>>> into_window(const std::vector<SeriesPoint>& points,
                                                            const Window& window, int channels);

}  // namespace gyre
