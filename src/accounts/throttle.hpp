// How failed log-ins slow down the next ones: some are free, then each doubles the wait, up to a limit. Pure.
#pragma once

#include <boost/describe.hpp>
#include <cstdint>

#include "base/time.hpp"

namespace gyre {

struct ThrottlePolicy {
  int free = 5;              // failures that cost nothing
  Duration first_wait = 1s;  // after the next one; doubles from there
  Duration longest_wait = 5min;
  Duration forgotten_after = 1h;  // without a failure; longer than the longest wait
};

// By e-mail: so that nobody tries many passwords on one person, wherever they come from. The limit is low: it also
// keeps that person out.
inline constexpr ThrottlePolicy account_throttle{};
// By address: so that nobody tries many people. Offices share one address, hence the more free failures.
inline constexpr ThrottlePolicy address_throttle{20, 1s, 15min, 1h};

struct ThrottleState {
  std::int64_t failures = 0;
  Time blocked_until, updated_at;
};
BOOST_DESCRIBE_STRUCT(ThrottleState, (), (failures, blocked_until, updated_at))

// How long to wait before the next try; 0: go ahead. Never more than the longest wait, also when the clock jumped back.
Duration throttle_wait(const ThrottleState& state, const ThrottlePolicy& policy, Time now);

// The state after one more failure.
ThrottleState throttle_failed(ThrottleState state, const ThrottlePolicy& policy, Time now);

}  // namespace gyre
