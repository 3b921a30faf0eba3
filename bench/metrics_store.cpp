// How large measured values become and how long a write takes: `metrics_store_bench PODS MINUTES [FILE]`.
// Writes what PODS pods send in MINUTES, ten seconds at a time, as the server does, and prints one line of JSON.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <random>
#include <vector>

#include "monitoring/metrics_store.hpp"

int main(int argc, char** argv) {
  using namespace gyre;
  using Clock = std::chrono::steady_clock;
  const int pods = argc > 1 ? std::atoi(argv[1]) : 10'000;
  const int minutes = argc > 2 ? std::atoi(argv[2]) : 10;
  const std::filesystem::path file =
      argc > 3 ? std::filesystem::path(argv[3]) : std::filesystem::temp_directory_path() / "gyre-metrics-bench.db";
  for (const char* suffix : {"", "-wal", "-shm"}) std::filesystem::remove(file.string() + suffix);
  auto opened = MetricsStore::open(file);
  if (!opened) return std::fprintf(stderr, "%s\n", opened.error().message().c_str()), 1;
  auto& store = **opened;

  std::mt19937 dice(1);
  Time now{Duration(1'789'992'000'000)};
  std::vector<double> seconds;
  for (int round = 0; round < minutes * 6; ++round, now += 10s) {
    std::vector<MeasuredSlot> slots;
    for (int pod = 0; pod < pods; ++pod) {
      MeasuredSlot slot{{"pod:p" + std::to_string(pod), link::MetricKind::pod, ""}, now, 2, {}};
      for (int i = 0; i < 6; ++i) slot.values.push_back(static_cast<float>(dice() % 100'000));
      slots.push_back(std::move(slot));
    }
    const auto begun = Clock::now();
    if (const auto written = store.write(slots, now); !written)
      return std::fprintf(stderr, "%s\n", written.error().message().c_str()), 1;
    seconds.push_back(std::chrono::duration<double>(Clock::now() - begun).count());
  }
  std::sort(seconds.begin(), seconds.end());
  const auto begun = Clock::now();
  const auto read = store.read("pod:p7", fine_tier, now - 24h, now);
  const auto read_ms = std::chrono::duration<double, std::milli>(Clock::now() - begun).count();
  const auto size = store.size();
  std::printf(
      "{\"pods\":%d,\"minutes\":%d,\"write_seconds_p50\":%.3f,\"write_seconds_max\":%.3f,\"values_per_second\":%.0f,"
      "\"bytes\":%lld,\"bytes_per_pod_and_hour\":%.0f,\"read_24h_ms\":%.2f,\"points_read\":%zu}\n",
      pods, minutes, seconds[seconds.size() / 2], seconds.back(), 6.0 * pods / seconds[seconds.size() / 2],
      static_cast<long long>(size->bytes), static_cast<double>(size->bytes) / pods / minutes * 60, read_ms,
      read && !read->empty() ? read->front().points.size() : 0);
  return 0;
}
