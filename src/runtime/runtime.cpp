#include "runtime/runtime.hpp"

#include "base/check.hpp"

namespace gyre {

std::uint64_t Random::below(std::uint64_t limit) {
  CHECK(limit > 0);
  const std::uint64_t reject_under = (0 - limit) % limit;  // so that every remainder is equally likely
  for (;;) {
    const auto value = next();
    if (value >= reject_under) return value % limit;
  }
}

double Random::unit() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }

std::string Random::bytes(std::size_t count) {
  std::string out;
  while (out.size() < count) {
    auto value = next();
    for (int i = 0; i < 8 && out.size() < count; ++i, value >>= 8) out += static_cast<char>(value & 0xff);
  }
  return out;
}

std::string Random::letters_and_digits(std::size_t count) {
  constexpr std::string_view alphabet = "abcdefghijklmnopqrstuvwxyz0123456789";
  std::string out;
  for (std::size_t i = 0; i < count; ++i) out += alphabet[below(alphabet.size())];
  return out;
}

void Timer::start(Duration delay, std::function<void()> callback) {
  stop();
  id_ = runtime_.after(delay, [this, callback = std::move(callback)] {
    id_ = 0;
    callback();
  });
}

void Timer::repeat(Duration period, std::function<void()> callback) {
  stop();
  id_ = runtime_.after(period, [this, period, callback = std::move(callback)] {
    // Armed again before the call, so that the callback may stop, restart or destroy this timer.
    auto call = callback;
    id_ = 0;
    repeat(period, callback);
    call();
  });
}

void Timer::stop() {
  if (id_ != 0) runtime_.cancel(id_);
  id_ = 0;
}

}  // namespace gyre
