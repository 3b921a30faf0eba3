// How often somebody was refused: by address, so that keys cannot be tried one after another. Pure; one thread.
#pragma once

#include <map>
#include <string>

#include "base/time.hpp"

namespace gyre::ssh {

class Tries {
 public:
  static constexpr int per_address_max = 30;  // refused within `window`
  static constexpr Duration window = 1min;
  static constexpr std::size_t addresses_max = 10'000;  // the longest known is forgotten

  void refused(const std::string& address, Duration now);
  void welcome(const std::string& address) { known_.erase(address); }
  // Seconds until it may come back; 0: now.
  int wait(const std::string& address, Duration now);
  std::size_t size() const { return known_.size(); }

 private:
  struct One {
    Duration since{0};
    int count = 0;
  };
  std::map<std::string, One> known_;
};

}  // namespace gyre::ssh
