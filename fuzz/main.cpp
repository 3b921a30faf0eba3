// libFuzzer's entry; GYRE_FUZZ_TARGET is the function of this program.
#include "targets.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  gyre::fuzz::GYRE_FUZZ_TARGET({reinterpret_cast<const char*>(data), size});
  return 0;
}
