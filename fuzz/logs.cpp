#include "base/check.hpp"
#include "rest_v2/log_events.hpp"
#include "targets.hpp"

namespace gyre::fuzz {

// A log is the same events however a network cuts it, and each place reads back as itself.
void logs(std::string_view bytes) {
  using rest_v2::LogFrames;
  LogFrames whole, cut;
  auto once = whole.add(bytes);
  once += whole.end();
  std::string again;
  const std::size_t step = bytes.empty() ? 1 : 1 + static_cast<unsigned char>(bytes.front()) % 7;
  for (std::size_t at = 0; at < bytes.size(); at += step) again += cut.add(bytes.substr(at, step));
  again += cut.end();
  CHECK(once == again);
  if (const auto place = rest_v2::parse_place(bytes.substr(0, bytes.find('\n')))) {
    CHECK(rest_v2::parse_place(rest_v2::place_text(*place)) == place);
    LogFrames after(place);
    CHECK(after.add(bytes).size() <= once.size());
  }
}

}  // namespace gyre::fuzz
