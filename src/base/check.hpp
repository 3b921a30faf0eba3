// CHECK(condition): what cannot happen. Stays on in production: a restart is cheap, a wrong answer is not.
#pragma once

namespace gyre {
[[noreturn]] void check_failed(const char* condition, const char* file, int line);
}  // namespace gyre

#define CHECK(condition)                                                    \
  do {                                                                      \
    if (!(condition)) ::gyre::check_failed(#condition, __FILE__, __LINE__); \
  } while (false)
