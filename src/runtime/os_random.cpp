#include "runtime/os_random.hpp"

#include <sys/random.h>

#include <array>
#include <cerrno>

#include "base/check.hpp"

namespace gyre {
namespace {

// An id draws 14 to 24 numbers; one system call for 32 of them keeps an id under a microsecond.
struct Drawn {
  std::array<std::uint64_t, 32> numbers{};
  std::size_t left = 0;

  void refill() {
    auto* at = reinterpret_cast<char*>(numbers.data());
    std::size_t missing = sizeof numbers;
    while (missing > 0) {
      const auto got = ::getrandom(at, missing, 0);
      if (got < 0 && errno == EINTR) continue;
      CHECK(got > 0);  // no randomness: better no answer than a guessable key
      at += got;
      missing -= static_cast<std::size_t>(got);
    }
    left = numbers.size();
  }
};

}  // namespace

std::uint64_t OsRandom::next() {
  thread_local Drawn drawn;
  if (drawn.left == 0) drawn.refill();
  return std::exchange(drawn.numbers[--drawn.left], 0);  // what was given out is not kept in memory
}

}  // namespace gyre
