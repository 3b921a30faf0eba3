// Structured logs: one JSON object a line on standard error. Never pass a secret; `redact_url` hides ?api_key=.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gyre::log {

enum class Level : std::uint8_t { debug, info, warn, error };

using Fields = std::vector<std::pair<std::string_view, std::string>>;

void set_level(Level level);
void write(Level level, std::string_view message, const Fields& fields);

inline void debug(std::string_view message, const Fields& fields = {}) { write(Level::debug, message, fields); }
inline void info(std::string_view message, const Fields& fields = {}) { write(Level::info, message, fields); }
inline void warn(std::string_view message, const Fields& fields = {}) { write(Level::warn, message, fields); }
inline void error(std::string_view message, const Fields& fields = {}) { write(Level::error, message, fields); }

// "/v1/pods?api_key=rpa_..." -> "/v1/pods?api_key=***"
std::string redact_url(std::string_view target);

}  // namespace gyre::log
