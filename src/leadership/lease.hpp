// Who leads, when several servers share one PostgreSQL: one row that says which process leads, in which epoch and until
// when by the database's clock. Pure: what follows from what was seen.
#pragma once

#include <array>
#include <boost/describe.hpp>
#include <cstdint>
#include <optional>
#include <string>

#include "base/time.hpp"

namespace gyre {

// Rises by one with every change of the leader, and never comes back.
using Epoch = std::int64_t;

struct LeaseTimes {
  // Longer than a hiccup of the database, shorter than what people call an outage. A takeover after a crash takes
  // this, one look and the start of the services.
  Duration length{3s};
  Duration renew_every{1s};
  Duration look_every{250ms};  // how often one that stands by looks; also how soon a lease given back is taken
};

// The row as the database saw it. `left` is by its clock: the clocks of servers may differ, and never decide.
struct Lease {
  Epoch epoch = 0;
  std::string holder;  // empty: nobody has ever led
  std::string url;     // where that one answers
  Duration left{};     // zero or less: free

  bool free() const { return left <= Duration::zero(); }
};

// May one that stands by reach for it? While the database did not answer nobody could renew: a leader that has done
// nothing wrong gets the length of a lease, from the first answer on, to say that it is still there.
inline bool may_take(const Lease& seen, Duration answering_for, const LeaseTimes& times) {
  return seen.free() && (seen.epoch == 0 || answering_for >= times.length);
}

enum class Standing { standing_by, leading, deposed, retired };
enum class Turn {
  saw_another,  // the lease is somebody's
  was_quicker,  // it was free, and is now ours
  renewed,
  refused,     // the row carries another epoch: by the renewal, or by the fence of any transaction
  given_back,  // by ourselves, on the way out
};
BOOST_DESCRIBE_ENUM(Standing, standing_by, leading, deposed, retired)
BOOST_DESCRIBE_ENUM(Turn, saw_another, was_quicker, renewed, refused, given_back)

// A lease that ran out without anybody taking it is still its holder's: renewing it is then as good as in time. Only
// another epoch deposes, and nobody who was deposed leads again in this process.
struct Move {
  Standing from;
  Turn turn;
  Standing to;
};
inline constexpr std::array moves{
    Move{Standing::standing_by, Turn::saw_another, Standing::standing_by},
    Move{Standing::standing_by, Turn::was_quicker, Standing::leading},
    Move{Standing::leading, Turn::renewed, Standing::leading},
    Move{Standing::leading, Turn::refused, Standing::deposed},
    Move{Standing::leading, Turn::given_back, Standing::retired},
    // Between the last look and the giving back somebody else was quicker: nothing is left to give.
    Move{Standing::leading, Turn::saw_another, Standing::deposed},
    Move{Standing::deposed, Turn::refused, Standing::deposed},
    Move{Standing::deposed, Turn::given_back, Standing::deposed},
    Move{Standing::retired, Turn::refused, Standing::retired},
};

// Nothing: this cannot happen.
constexpr std::optional<Standing> after(Standing from, Turn turn) {
  for (const auto& move : moves)
    if (move.from == from && move.turn == turn) return move.to;
  return std::nullopt;
}

namespace detail {
constexpr bool leads_only_by_taking() {
  for (const auto& move : moves)
    if (move.to == Standing::leading && move.from != Standing::leading && move.turn != Turn::was_quicker) return false;
  return true;
}
constexpr bool nobody_leads_twice() {
  for (const auto& move : moves)
    if ((move.from == Standing::deposed || move.from == Standing::retired) && move.to != move.from) return false;
  return true;
}
constexpr bool each_turn_has_one_outcome() {
  for (const auto& one : moves)
    for (const auto& other : moves)
      if (one.from == other.from && one.turn == other.turn && one.to != other.to) return false;
  return true;
}
}  // namespace detail
static_assert(detail::leads_only_by_taking());
static_assert(detail::nobody_leads_twice());
static_assert(detail::each_turn_has_one_outcome());

}  // namespace gyre
