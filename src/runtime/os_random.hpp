// Randomness from the operating system (getrandom), fit for keys. Any thread; holds no state of its own.
#pragma once

#include "runtime/runtime.hpp"

namespace gyre {

class OsRandom final : public Random {
 public:
  std::uint64_t next() override;
};

}  // namespace gyre
