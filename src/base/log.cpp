#include "base/log.hpp"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <chrono>

#include "base/check.hpp"
#include "base/time.hpp"

namespace gyre {

void check_failed(const char* condition, const char* file, int line) {
  log::error("check failed", {{"condition", condition}, {"file", file}, {"line", std::to_string(line)}});
  std::abort();
}

namespace log {
namespace {

spdlog::logger& sink() {
  static auto logger = [] {
    auto made = spdlog::stderr_logger_mt("gyre");
    made->set_pattern("%v");
    made->flush_on(spdlog::level::info);
    return made;
  }();
  return *logger;
}

constexpr spdlog::level::level_enum levels[] = {spdlog::level::debug, spdlog::level::info, spdlog::level::warn,
                                                spdlog::level::err};
constexpr std::string_view names[] = {"debug", "info", "warn", "error"};

}  // namespace

void set_level(Level level) { sink().set_level(levels[static_cast<int>(level)]); }

void write(Level level, std::string_view message, const Fields& fields) {
  const auto spd_level = levels[static_cast<int>(level)];
  if (!sink().should_log(spd_level)) return;
  boost::json::object line;
  line["time"] = rfc3339(std::chrono::floor<Duration>(std::chrono::system_clock::now()));
  line["level"] = names[static_cast<int>(level)];
  line["message"] = message;
  for (const auto& [name, value] : fields) line[name] = value;
  sink().log(spd_level, boost::json::serialize(line));
}

std::string redact_url(std::string_view target) {
  std::string out(target);
  for (std::size_t at = 0; (at = out.find("api_key=", at)) != std::string::npos;) {
    at += 8;
    auto end = out.find('&', at);
    if (end == std::string::npos) end = out.size();
    out.replace(at, end - at, "***");
  }
  return out;
}

}  // namespace log
}  // namespace gyre
