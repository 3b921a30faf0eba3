// Tunnels on the core: whoever wants one asks here; the agent is told to open a carry with a token that is good once.
// From then on the bytes do not come by the core.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <string>

#include "edge/routes.hpp"
#include "link/carry.hpp"
#include "link/link.hpp"
#include "runtime/core.hpp"

namespace gyre::edge {

class Tunnels {
 public:
  static constexpr int waiting_per_host_max = 256;  // asked for and not open yet

  // All outlive the tunnels, and the core's last task.
  Tunnels(Core& core, link::AgentLink& link, link::CarryDesk& desk, Duration patience = 10s);

  // Any thread; `arrived` once, on any thread. Errors: tunnel_not_possible (as the agent says it, or it said nothing in
  // time), pod_host_unreachable (no connection to its agent), too_many_tunnels.
  void open(const std::shared_ptr<const Route>& route, link::CarryDesk::Arrived arrived);

  std::size_t waiting() const { return waiting_.size(); }  // core thread

  struct Asker {
    link::CarryDesk::Arrived arrived;
    std::atomic<bool> told = false;
  };

 private:
  struct Waiting {
    HostId host;
    std::shared_ptr<Asker> arrived;
    TimerId timer = 0;
  };
  void begin(const std::shared_ptr<const Route>& route, const std::shared_ptr<Asker>& arrived);
  void late(const std::string& token, const PodId& pod, int port);
  void settled(const std::string& token);

  Core& core_;
  link::AgentLink& link_;
  link::CarryDesk& desk_;
  const Duration patience_;
  std::map<std::string, Waiting> waiting_;
  std::map<HostId, int> waiting_of_;
  Alive alive_;
};

}  // namespace gyre::edge
