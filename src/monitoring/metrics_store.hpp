// Where measured values lie: an SQLite file of its own, so that neither their writes nor their size touch the database
// of decisions. Rows are blocks of a fixed size, in the order of time: what is written now lies together, and what is
// too old goes in one piece. A crash loses at most the transaction under way (the WAL sees to that); a file that is
// damaged all the same is set aside and a new one begun, since nothing that was measured is worth a server that does
// not start.
//
// Bounded: the file never grows over `bytes_max`; when it is full the oldest values go first. The write-ahead log
// beside it holds what one write takes and is cut back to 16 MiB.
//
// Any thread, one call at a time inside: callers are workers, never the core.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "link/messages.hpp"
#include "monitoring/series.hpp"

namespace gyre {

// Whose series. The owner is a pod or a host; a GPU is kept under both, as it outlives the pod that has it.
struct SeriesName {
  std::string owner;  // owner_of(...)
  link::MetricKind kind = link::MetricKind::pod;
  std::string part;  // container's name or GPU's UUID
  auto operator<=>(const SeriesName&) const = default;
};
std::string owner_of(const PodId& pod);
std::string owner_of(const HostId& host);

struct MeasuredSlot {
  SeriesName series;
  Time start{};
  int samples = 0;
  std::vector<float> values;
};

struct StoredSeries {
  SeriesName name;
  std::vector<SeriesPoint> points;  // in the order of time
};

struct StoreLimits {
  std::int64_t bytes_max = std::int64_t{8} << 30;
  std::int64_t series_max = 500'000;
};

class MetricsStore {
 public:
  // ":memory:" or a file, made 0600 when it is not there. Errors: metrics_unavailable.
  static Result<std::unique_ptr<MetricsStore>> open(const std::filesystem::path& file, StoreLimits limits = {});
  ~MetricsStore();

  // One transaction: all of it or none. Writing a slot twice is writing it once. Values of the future (an hour) and
  // those older than the fine tier keeps are left out; so are series beyond series_max. Also forgets what is too old, a
  // bounded piece at a time. Errors: metrics_unavailable, with nothing written.
  Result<> write(const std::vector<MeasuredSlot>& slots, Time now);

  // Every series of the owner with its slots that begin in [from, to). Errors: metrics_unavailable.
  Result<std::vector<StoredSeries>> read(const std::string& owner, const Tier& tier, Time from, Time to);

  struct Size {
    std::int64_t bytes = 0, series = 0, fine_blocks = 0, coarse_blocks = 0;
  };
  Result<Size> size();

 private:
  struct Impl;
  explicit MetricsStore(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace gyre
