#include "monitoring/series.hpp"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <limits>

namespace gyre {
namespace {

constexpr float gap = std::numeric_limits<float>::quiet_NaN();
constexpr std::uint8_t format = 1;
constexpr std::size_t head_bytes = 2, tail_bytes = 4;
constexpr std::size_t points_max = 10'000;
constexpr Duration raw_step = fine_tier.step, step_min = 1min, step_max = 5h, default_step = 10min, default_range = 8h;

std::int64_t floor_div(std::int64_t a, std::int64_t b) {
  const auto whole = a / b;
  return a % b != 0 && (a < 0) != (b < 0) ? whole - 1 : whole;
}

void put_u32(std::string& out, std::uint32_t value) {
  for (int shift = 0; shift < 32; shift += 8) out += static_cast<char>((value >> shift) & 0xff);
}
std::uint32_t get_u32(std::string_view bytes, std::size_t at) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < 4; ++i)
    value |= static_cast<std::uint32_t>(static_cast<std::uint8_t>(bytes[at + i])) << (8 * i);
  return value;
}

// FNV-1a: against bytes that were torn or turned, not against anybody.
std::uint32_t check_sum(std::string_view bytes) {
  std::uint32_t sum = 2166136261u;
  for (const char byte : bytes) sum = (sum ^ static_cast<std::uint8_t>(byte)) * 16777619u;
  return sum;
}

}  // namespace

std::int64_t block_of(const Tier& tier, Time at) {
  return floor_div(at.time_since_epoch().count(), tier.block_span().count());
}
int slot_of(const Tier& tier, Time at) {
  const auto within = at.time_since_epoch().count() - block_of(tier, at) * tier.block_span().count();
  return static_cast<int>(within / tier.step.count());
}
Time start_of(const Tier& tier, std::int64_t block, int slot) {
  return Time(tier.block_span() * block + tier.step * slot);
}

std::optional<Block> Block::decode(std::string_view bytes, int slots) {
  if (bytes.size() < head_bytes + tail_bytes || static_cast<std::uint8_t>(bytes[0]) != format) return std::nullopt;
  const int channels = static_cast<std::uint8_t>(bytes[1]);
  const auto size =
      head_bytes + static_cast<std::size_t>(slots) * (1 + 4 * static_cast<std::size_t>(channels)) + tail_bytes;
  if (channels > channels_max || bytes.size() != size) return std::nullopt;
  if (get_u32(bytes, size - tail_bytes) != check_sum(bytes.substr(0, size - tail_bytes))) return std::nullopt;
  Block out(slots);
  out.widen(channels);
  auto at = head_bytes;
  for (auto& samples : out.samples_) samples = static_cast<std::uint8_t>(bytes[at++]);
  for (auto& value : out.values_) {
    value = std::bit_cast<float>(get_u32(bytes, at));
    at += 4;
  }
  return out;
}

std::string Block::encode() const {
  std::string out;
  out.reserve(head_bytes + samples_.size() + 4 * values_.size() + tail_bytes);
  out += static_cast<char>(format);
  out += static_cast<char>(channels_);
  for (const auto samples : samples_) out += static_cast<char>(samples);
  for (const auto value : values_) put_u32(out, std::bit_cast<std::uint32_t>(value));
  put_u32(out, check_sum(out));
  return out;
}

float Block::value(int slot, int channel) const {
  if (channel >= channels_) return gap;
  return values_[static_cast<std::size_t>(slot * channels_ + channel)];
}

void Block::widen(int channels) {
  if (channels <= channels_) return;
  std::vector<float> wider(samples_.size() * static_cast<std::size_t>(channels), gap);
  for (int slot = 0; slot < slots(); ++slot)
    for (int channel = 0; channel < channels_; ++channel)
      wider[static_cast<std::size_t>(slot * channels + channel)] = value(slot, channel);
  channels_ = channels;
  values_ = std::move(wider);
}

bool Block::put(int slot, int samples, std::span<const float> values) {
  if (samples <= 0 || std::min(samples, 255) < this->samples(slot)) return false;
  set(slot, samples, values);
  return true;
}

void Block::set(int slot, int samples, std::span<const float> values) {
  values = values.first(std::min<std::size_t>(values.size(), channels_max));
  widen(static_cast<int>(values.size()));
  samples_[static_cast<std::size_t>(slot)] = static_cast<std::uint8_t>(std::clamp(samples, 0, 255));
  for (int channel = 0; channel < channels_; ++channel) {
    const auto given =
        static_cast<std::size_t>(channel) < values.size() ? values[static_cast<std::size_t>(channel)] : gap;
    // What no machine can have measured is no number that a chart could bear.
    values_[static_cast<std::size_t>(slot * channels_ + channel)] = std::isfinite(given) ? given : gap;
  }
}

std::vector<float> Block::mean() const {
  std::vector<float> out;
  for (int channel = 0; channel < channels_; ++channel) {
    double sum = 0;
    int count = 0;
    for (int slot = 0; slot < slots(); ++slot)
      if (samples(slot) > 0 && !std::isnan(value(slot, channel)))
        sum += static_cast<double>(value(slot, channel)), ++count;
    out.push_back(count == 0 ? gap : static_cast<float>(sum / count));
  }
  return out;
}

int Block::filled() const {
  return static_cast<int>(std::count_if(samples_.begin(), samples_.end(), [](auto samples) { return samples > 0; }));
}

std::optional<Duration> parse_span(std::string_view text) {
  std::int64_t number = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (problem != std::errc{} || number < 0 || number > 1'000'000) return std::nullopt;
  const std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
  if (unit == "s") return std::chrono::seconds(number);
  if (unit == "m") return std::chrono::minutes(number);
  if (unit == "h") return std::chrono::hours(number);
  if (unit == "d") return std::chrono::hours(24 * number);
  return std::nullopt;
}

namespace {

Result<Time> moment(const std::optional<std::string>& text, const std::string& field, Time now, Time otherwise) {
  if (!text || text->empty()) return otherwise;
  if (*text == "now") return now;
  if (const auto ago = parse_span(*text)) return now - *ago;
  if (const auto at = parse_rfc3339(*text)) return *at;
  return invalid(field, "a time such as 2026-01-31T12:00:00Z, or a time ago such as 8h");
}

}  // namespace

Result<Window> window_of(const WindowWish& wish, Time now) {
  const auto to = TRY(moment(wish.to, "to", now, now));
  const auto from = TRY(moment(wish.from, "from", now, to - default_range));
  Duration step = default_step;
  if (wish.step && !wish.step->empty()) {
    const auto given = parse_span(*wish.step);
    if (!given || (*given != raw_step && (*given < step_min || *given > step_max)))
      return invalid("step", "between 1m and 5h, or 10s for every value there is");
    step = *given;
  }
  if (from >= to) return invalid("from", "a time before `to`");
  if (to - from > coarse_tier.kept + step_max) return invalid("from", "at most 30 days before `to`");
  // As many steps as fit, the last of them the one that `to` lies in.
  const auto end_step = floor_div(to.time_since_epoch().count() + step.count() - 1, step.count());
  const auto count = (to - from + step - Duration(1)) / step;
  if (static_cast<std::size_t>(count) > points_max)
    return invalid("step", "longer: at most 10000 points are given at once");
  const Window window{Time(step * (end_step - count)), step, static_cast<std::size_t>(count)};
  if (tier_for(window, now) == coarse_tier && step < coarse_tier.step)
    return invalid("step", "at least 5m where the range begins more than 24 hours ago");
  return window;
}

const Tier& tier_for(const Window& window, Time now) {
  // One step of grace: a window of exactly 24 hours begins a moment earlier, at a multiple of its step.
  return window.start + std::max(window.step, fine_tier.block_span()) >= now - fine_tier.kept ? fine_tier : coarse_tier;
}

std::vector<std::vector<std::optional<double>>> into_window(const std::vector<SeriesPoint>& points,
                                                            const Window& window, int channels) {
  struct Sum {
    double sum = 0, weight = 0;
  };
  std::vector<std::vector<Sum>> sums(static_cast<std::size_t>(channels), std::vector<Sum>(window.count));
  for (const auto& point : points) {
    if (point.start < window.start || point.start >= window.end() || point.weight <= 0) continue;
    const auto step = static_cast<std::size_t>((point.start - window.start) / window.step);
    const auto count = std::min(point.values.size(), static_cast<std::size_t>(channels));
    for (std::size_t channel = 0; channel < count; ++channel) {
      const auto value = static_cast<double>(point.values[channel]);
      if (!std::isfinite(value)) continue;
      sums[channel][step].sum += value * point.weight;
      sums[channel][step].weight += point.weight;
    }
  }
  std::vector<std::vector<std::optional<double>>> out;
  for (const auto& channel : sums) {
    auto& values = out.emplace_back();
    for (const auto& sum : channel)
      values.push_back(sum.weight > 0 ? std::optional(sum.sum / sum.weight) : std::nullopt);
  }
  return out;
}

}  // namespace gyre
