#include "ssh_gateway/tries.hpp"

#include <algorithm>

namespace gyre::ssh {

void Tries::refused(const std::string& address, Duration now) {
  auto found = known_.find(address);
  if (found == known_.end()) {
    if (known_.size() >= addresses_max)
      known_.erase(std::min_element(known_.begin(), known_.end(),
                                    [](const auto& a, const auto& b) { return a.second.since < b.second.since; }));
    found = known_.emplace(address, One{now, 0}).first;
  }
  auto& one = found->second;
  if (now - one.since >= window) one = {now, 0};
  ++one.count;
}

int Tries::wait(const std::string& address, Duration now) {
  const auto found = known_.find(address);
  if (found == known_.end()) return 0;
  const auto left = found->second.since + window - now;
  if (left <= Duration(0)) {
    known_.erase(found);
    return 0;
  }
  return found->second.count < per_address_max
             ? 0
             : static_cast<int>(std::chrono::ceil<std::chrono::seconds>(left).count());
}

}  // namespace gyre::ssh
