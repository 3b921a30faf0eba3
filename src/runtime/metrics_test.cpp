#include "runtime/metrics.hpp"

#include <gtest/gtest.h>

#include <thread>

#include "runtime/asio_runtime.hpp"
#include "runtime/core.hpp"

namespace gyre {
namespace {

bool has_line(const std::string& text, const std::string& line) {
  return ("\n" + text).find("\n" + line + "\n") != std::string::npos;
}

TEST(Metrics, ArePrintedAsPrometheusReadsThem) {
  Metrics metrics;
  metrics.counter("gyre_things_total", "Things.", {{"kind", "a\"b"}}).add(2);
  metrics.counter("gyre_things_total", "Things.", {{"kind", "c"}}).add();
  const auto seconds = metrics.histogram("gyre_wait_seconds", "Waits.", {0.1, 1}, {{"route", "/v1/pods/{id}"}});
  seconds.observe(0.05);
  seconds.observe(0.5);
  seconds.observe(5);
  metrics.gauge("gyre_level", "A level.", {}, [] { return 7.0; });
  metrics.watched_counter("gyre_seen_total", "Seen elsewhere.", {}, [] { return 9.0; });

  metrics.gauges("gyre_lengths", "Of queues.", [] {
    return Metrics::Labelled{{{{"pool", "A"}}, 3.0}, {{{"pool", "B"}}, 0.0}};
  });

  const auto text = metrics.text();
  EXPECT_TRUE(has_line(text, "# TYPE gyre_lengths gauge"));
  EXPECT_TRUE(has_line(text, R"(gyre_lengths{pool="A"} 3)"));
  EXPECT_TRUE(has_line(text, R"(gyre_lengths{pool="B"} 0)"));
  EXPECT_TRUE(has_line(text, "# HELP gyre_things_total Things."));
  EXPECT_TRUE(has_line(text, "# TYPE gyre_things_total counter"));
  EXPECT_TRUE(has_line(text, R"(gyre_things_total{kind="a\"b"} 2)"));
  EXPECT_TRUE(has_line(text, R"(gyre_things_total{kind="c"} 1)"));
  EXPECT_TRUE(has_line(text, "# TYPE gyre_wait_seconds histogram"));
  EXPECT_TRUE(has_line(text, R"(gyre_wait_seconds_bucket{route="/v1/pods/{id}",le="0.1"} 1)")) << text;
  EXPECT_TRUE(has_line(text, R"(gyre_wait_seconds_bucket{route="/v1/pods/{id}",le="1"} 2)"));
  EXPECT_TRUE(has_line(text, R"(gyre_wait_seconds_bucket{route="/v1/pods/{id}",le="+Inf"} 3)"));
  EXPECT_TRUE(has_line(text, R"(gyre_wait_seconds_count{route="/v1/pods/{id}"} 3)"));
  EXPECT_TRUE(has_line(text, "# TYPE gyre_level gauge"));
  EXPECT_TRUE(has_line(text, "gyre_level 7"));
  EXPECT_TRUE(has_line(text, "# TYPE gyre_seen_total counter"));
  EXPECT_TRUE(has_line(text, "gyre_seen_total 9"));
}

TEST(Metrics, CountFromManyThreads) {
  Metrics metrics;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 1000; ++i) metrics.counter("gyre_things_total", "Things.", {{"kind", "x"}}).add();
    });
  for (auto& thread : threads) thread.join();
  EXPECT_TRUE(has_line(metrics.text(), R"(gyre_things_total{kind="x"} 4000)"));
}

TEST(Metrics, TellWhatTheCoreDoes) {
  Metrics metrics;
  AsioRuntime runtime;
  const auto db = db::open("sqlite::memory:");
  Core core(runtime, *db);
  watch(metrics, core);
  watch_process(metrics);
  std::string text;
  for (int i = 0; i < 3; ++i) core.post("nothing", [] {});
  core.post("fails", [] { throw std::runtime_error("on purpose"); });
  core.post("looks", [&] {
    core.after_commit([&] {
      text = metrics.text();
      runtime.stop();
    });
  });
  runtime.run();
  EXPECT_TRUE(has_line(text, "gyre_core_tasks_total 5")) << text;
  EXPECT_TRUE(has_line(text, "gyre_core_commits_total 1"));
  EXPECT_TRUE(has_line(text, "gyre_core_failed_tasks_total 1"));
  EXPECT_TRUE(has_line(text, "gyre_core_waiting_tasks 0"));
  EXPECT_NE(text.find("process_resident_memory_bytes"), std::string::npos);
  EXPECT_FALSE(has_line(text, "process_open_fds 0"));
}

}  // namespace
}  // namespace gyre
