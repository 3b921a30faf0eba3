// Numbers for Prometheus: counters, gauges and histograms, printed in its text format 0.0.4. A label has few values
// (a route's pattern, a status class); never an id, a user or an address, or the numbers grow with the customers.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace prometheus {
class Counter;
class Histogram;
}  // namespace prometheus

namespace gyre {

class Core;

class Metrics {
 public:
  using Labels = std::map<std::string, std::string>;

  // Handles: cheap to copy, usable from any thread, valid as long as the Metrics.
  class Counter {
   public:
    void add(double by = 1) const;  // by >= 0

   private:
    friend class Metrics;
    prometheus::Counter* counter_ = nullptr;
  };
  class Histogram {
   public:
    void observe(double value) const;

   private:
    friend class Metrics;
    prometheus::Histogram* histogram_ = nullptr;
  };

  Metrics();
  ~Metrics();

  // Any thread. The same name and labels give the same numbers again. Names end in their unit: `_total`, `_seconds`,
  // `_bytes`. Buckets are upper bounds, ascending.
  Counter counter(const std::string& name, const std::string& help, const Labels& labels = {});
  Histogram histogram(const std::string& name, const std::string& help, const std::vector<double>& buckets,
                      const Labels& labels = {});

  // Numbers that live elsewhere: `read` is called by `text`, on its thread, and must stay callable until then.
  void gauge(const std::string& name, const std::string& help, const Labels& labels, std::function<double()> read);
  // The same where the values of the labels are only known when it is read (the GPU types there are).
  using Labelled = std::vector<std::pair<Labels, double>>;
  void gauges(const std::string& name, const std::string& help, std::function<Labelled()> read);
  void watched_counter(const std::string& name, const std::string& help, const Labels& labels,
                       std::function<double()> read);

  // Everything, as GET /metrics answers it. On the core thread, since what `watch` reads belongs there.
  std::string text() const;
  static constexpr const char* content_type = "text/plain; version=0.0.4; charset=utf-8";

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// The core's own numbers: tasks, commits, failures, slow tasks, what waits. `core` outlives the last `text`.
void watch(Metrics& metrics, const Core& core);

// This process as Linux sees it: memory, processor time, open files, start time, under Prometheus's usual names.
void watch_process(Metrics& metrics);

}  // namespace gyre
