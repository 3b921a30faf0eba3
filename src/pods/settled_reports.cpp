#include "pods/settled_reports.hpp"

namespace gyre {

bool SettledReports::covers(const HostId& host, const link::Report& report, Duration uptime) const {
  const auto found = said_.find(host);
  return found != said_.end() && uptime - found->second.since < looked_at_again_after &&
         found->second.strays == report.stray_containers && found->second.pods == report.pods;
}

void SettledReports::remember(const HostId& host, const link::Report& report, Duration uptime) {
  forget(host);
  for (const auto& facts : report.pods) told_by_[facts.pod].insert(host);
  said_[host] = {report.pods, report.stray_containers, uptime};
}

void SettledReports::pod_changes(const PodId& pod, const std::optional<HostId>& host) {
  // The host it moves to has not spoken of it yet: that it does not is news too.
  if (host) forget(*host);
  if (const auto tellers = told_by_.find(pod); tellers != told_by_.end())
    for (const auto& teller : std::set<HostId>(tellers->second)) forget(teller);
}

void SettledReports::forget(const HostId& host) {
  const auto found = said_.find(host);
  if (found == said_.end()) return;
  for (const auto& facts : found->second.pods)
    if (const auto tellers = told_by_.find(facts.pod); tellers != told_by_.end()) {
      tellers->second.erase(host);
      if (tellers->second.empty()) told_by_.erase(tellers);
    }
  said_.erase(found);
}

}  // namespace gyre
