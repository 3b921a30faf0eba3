// Which hosts say what they said before, when nothing was left to do about it. Most reports are of this kind, and
// reading every pod of the host to find that out is most of what an idle fleet costs.
//
// Whether there is something to do follows from what the report says of pods and from the rows of those pods alone. So
// a report that left nothing to do needs no second look until it says something else, or one of those rows changes. It
// gets one all the same each minute: whatever this memory misses heals by itself, as everything here does.
#pragma once

#include <map>
#include <optional>
#include <set>

#include "link/messages.hpp"

namespace gyre {

class SettledReports {
 public:
  static constexpr Duration looked_at_again_after{60'000};

  // `uptime`: of this server. True: what the report says of pods was dealt with, and no row of them has changed since.
  bool covers(const HostId& host, const link::Report& report, Duration uptime) const;
  // The report was gone through and nothing was written or sent.
  void remember(const HostId& host, const link::Report& report, Duration uptime);
  // A row is about to change; `host` is where the pod is from now on.
  void pod_changes(const PodId& pod, const std::optional<HostId>& host);
  void forget(const HostId& host);
  std::size_t size() const { return said_.size(); }

 private:
  struct Said {
    std::vector<link::PodFacts> pods;
    std::vector<std::string> strays;
    Duration since{};
  };
  std::map<HostId, Said> said_;
  std::map<PodId, std::set<HostId>> told_by_;  // whose report speaks of the pod
};

}  // namespace gyre
