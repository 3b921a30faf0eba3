#include "accounts/throttle.hpp"

#include <algorithm>

namespace gyre {

Duration throttle_wait(const ThrottleState& state, const ThrottlePolicy& policy, Time now) {
  return std::clamp<Duration>(state.blocked_until - now, 0ms, policy.longest_wait);
}

ThrottleState throttle_failed(ThrottleState state, const ThrottlePolicy& policy, Time now) {
  if (now - state.updated_at > policy.forgotten_after) state = {};
  ++state.failures;
  state.updated_at = now;
  state.blocked_until = now;
  if (state.failures > policy.free) {
    auto wait = policy.first_wait;
    for (auto doublings = state.failures - policy.free - 1; doublings > 0 && wait < policy.longest_wait; --doublings)
      wait *= 2;
    state.blocked_until += std::min(wait, policy.longest_wait);
  }
  return state;
}

}  // namespace gyre
