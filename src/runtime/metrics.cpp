#include "runtime/metrics.hpp"

#include <prometheus/counter.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>
#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <mutex>
#include <sstream>

#include "runtime/core.hpp"

namespace gyre {
namespace {

prometheus::ClientMetric labelled(const Metrics::Labels& labels) {
  prometheus::ClientMetric out;
  for (const auto& [name, value] : labels) out.label.push_back({name, value});
  return out;
}

}  // namespace

struct Metrics::Impl {
  struct Watched {
    Labels labels;
    std::function<double()> read;
  };
  struct WatchedFamily {
    std::string help;
    prometheus::MetricType type = prometheus::MetricType::Gauge;
    std::vector<Watched> members;
    std::vector<std::function<Labelled()>> groups;
  };

  // The registry looks families up by walking all of them; a request should not.
  template <class Type>
  prometheus::Family<Type>& family(std::map<std::string, prometheus::Family<Type>*>& known, const std::string& name,
                                   const std::string& help, prometheus::detail::Builder<Type> builder) {
    auto& at = known[name];
    if (!at) at = &builder.Name(name).Help(help).Register(registry);
    return *at;
  }

  void watch(const std::string& name, const std::string& help, prometheus::MetricType type, Watched member) {
    const std::lock_guard lock(mutex);
    auto& family = watched[name];
    family.help = help;
    family.type = type;
    family.members.push_back(std::move(member));
  }

  prometheus::Registry registry;
  mutable std::mutex mutex;
  std::map<std::string, prometheus::Family<prometheus::Counter>*> counters;
  std::map<std::string, prometheus::Family<prometheus::Histogram>*> histograms;
  std::map<std::string, WatchedFamily> watched;
};

Metrics::Metrics() : impl_(std::make_unique<Impl>()) {}
Metrics::~Metrics() = default;

void Metrics::Counter::add(double by) const { counter_->Increment(by); }
void Metrics::Histogram::observe(double value) const { histogram_->Observe(value); }

Metrics::Counter Metrics::counter(const std::string& name, const std::string& help, const Labels& labels) {
  const std::lock_guard lock(impl_->mutex);
  Counter out;
  out.counter_ = &impl_->family(impl_->counters, name, help, prometheus::BuildCounter()).Add(labels);
  return out;
}

Metrics::Histogram Metrics::histogram(const std::string& name, const std::string& help,
                                      const std::vector<double>& buckets, const Labels& labels) {
  const std::lock_guard lock(impl_->mutex);
  Histogram out;
  out.histogram_ = &impl_->family(impl_->histograms, name, help, prometheus::BuildHistogram()).Add(labels, buckets);
  return out;
}

void Metrics::gauge(const std::string& name, const std::string& help, const Labels& labels,
                    std::function<double()> read) {
  impl_->watch(name, help, prometheus::MetricType::Gauge, {labels, std::move(read)});
}

void Metrics::gauges(const std::string& name, const std::string& help, std::function<Labelled()> read) {
  const std::lock_guard lock(impl_->mutex);
  auto& family = impl_->watched[name];
  family.help = help;
  family.groups.push_back(std::move(read));
}

void Metrics::watched_counter(const std::string& name, const std::string& help, const Labels& labels,
                              std::function<double()> read) {
  impl_->watch(name, help, prometheus::MetricType::Counter, {labels, std::move(read)});
}

std::string Metrics::text() const {
  auto families = impl_->registry.Collect();
  {
    const std::lock_guard lock(impl_->mutex);
    for (const auto& [name, from] : impl_->watched) {
      prometheus::MetricFamily family{name, from.help, from.type, {}};
      for (const auto& member : from.members) {
        auto metric = labelled(member.labels);
        (from.type == prometheus::MetricType::Gauge ? metric.gauge.value : metric.counter.value) = member.read();
        family.metric.push_back(std::move(metric));
      }
      for (const auto& group : from.groups)
        for (const auto& [labels, value] : group()) {
          auto metric = labelled(labels);
          metric.gauge.value = value;
          family.metric.push_back(std::move(metric));
        }
      families.push_back(std::move(family));
    }
  }
  std::ostringstream out;
  prometheus::TextSerializer().Serialize(out, families);
  return std::move(out).str();
}

void watch(Metrics& metrics, const Core& core) {
  const auto count = [&](const char* name, const char* help, std::uint64_t Core::Counters::*member) {
    metrics.watched_counter(name, help, {}, [&core, member] { return static_cast<double>(core.counters().*member); });
  };
  count("gyre_core_tasks_total", "Tasks the core has run.", &Core::Counters::tasks);
  count("gyre_core_commits_total", "Transactions the core has committed; one carries many tasks.",
        &Core::Counters::commits);
  count("gyre_core_failed_tasks_total", "Tasks that threw and were undone.", &Core::Counters::failed_tasks);
  count("gyre_core_failed_commits_total", "Transactions that failed with all their tasks.",
        &Core::Counters::failed_commits);
  count("gyre_core_slow_tasks_total", "Tasks that held the core for more than 20 ms.", &Core::Counters::slow_tasks);
  metrics.gauge("gyre_core_waiting_tasks", "Tasks that wait for the core.", {},
                [&core] { return static_cast<double>(core.counters().waiting); });
}

void watch_process(Metrics& metrics) {
  const auto started = std::chrono::system_clock::now();
  metrics.gauge("process_start_time_seconds", "When the process started, since 1970.", {},
                [started] { return std::chrono::duration<double>(started.time_since_epoch()).count(); });
  metrics.gauge("process_resident_memory_bytes", "Memory of the process that is in RAM.", {}, [] {
    std::ifstream file("/proc/self/statm");
    double total = 0, resident = 0;
    file >> total >> resident;
    return resident * static_cast<double>(::sysconf(_SC_PAGESIZE));
  });
  metrics.gauge("process_open_fds", "Open files and sockets.", {}, [] {
    std::error_code ignored;
    const std::filesystem::directory_iterator open("/proc/self/fd", ignored);
    return static_cast<double>(std::distance(begin(open), end(open)));
  });
  metrics.gauge("process_max_fds", "How many files and sockets may be open.", {}, [] {
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    return static_cast<double>(limit.rlim_cur);
  });
  metrics.watched_counter("process_cpu_seconds_total", "Processor time used.", {}, [] {
    rusage used{};
    ::getrusage(RUSAGE_SELF, &used);
    const auto seconds = [](const timeval& time) {
      return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
    };
    return seconds(used.ru_utime) + seconds(used.ru_stime);
  });
}

}  // namespace gyre
