// Where each exposed port of a running pod is: written by the core after its commits, read by the I/O threads. What
// they read is immutable; a change makes a new piece of the table, so that nobody waits for anybody.
#pragma once

#include <array>
#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/ids.hpp"

namespace gyre::edge {

// What has gone through, since the process began, and what is open. Any thread.
struct PodUse {
  std::atomic<std::int64_t> bytes_in = 0, bytes_out = 0, requests = 0;
  std::atomic<int> open = 0;
};
struct WorkspaceUse {
  std::atomic<int> open = 0;
};
// Whether a host's mapped ports can be reached from here: found out by trying. Any thread.
struct HostReach {
  std::atomic<std::int64_t> tunnel_until_ms = 0;  // steady clock; before that, straight is not tried
};

struct Route {
  PodId pod;
  WorkspaceId workspace;
  HostId host;
  int port = 0;         // of the container
  std::string address;  // numeric, where the host's mapped port may be reached; empty: only through the tunnel
  int host_port = 0;
  std::shared_ptr<PodUse> pod_use;
  std::shared_ptr<WorkspaceUse> workspace_use;
  std::shared_ptr<HostReach> reach;
};

// One port of a pod as the core knows it.
struct Way {
  int port = 0, host_port = 0;
  std::string address;
  bool operator==(const Way&) const = default;
};

// What one pod has used since the last look.
struct UseDelta {
  PodId pod;
  WorkspaceId workspace;
  std::int64_t bytes_in = 0, bytes_out = 0, requests = 0;
};

class RouteTable {
 public:
  RouteTable();

  // Any thread. Null: no such pod, or that port of it is not exposed.
  std::shared_ptr<const Route> find(std::string_view pod, int port) const;

  // Core thread. All ways to a pod, instead of those before; none: it cannot be reached any more.
  void set(const PodId& pod, const WorkspaceId& workspace, const HostId& host, const std::vector<Way>& ways);
  // What was used and is not written down yet; and that it is now.
  std::vector<UseDelta> unwritten_use() const;
  void written(const std::vector<UseDelta>& use);
  std::size_t pods() const { return known_.size(); }

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };
  using Routes = std::vector<std::shared_ptr<const Route>>;
  using Shard = std::unordered_map<std::string, Routes, Hash, std::equal_to<>>;
  static constexpr std::size_t shards = 256;  // one change copies a 256th of the table
  std::array<std::atomic<std::shared_ptr<const Shard>>, shards> shards_;

  // The core's own side.
  struct Known {
    WorkspaceId workspace;
    HostId host;
    std::vector<Way> ways;
    std::shared_ptr<PodUse> use;
    UseDelta told;
  };
  std::map<PodId, Known> known_;
  std::map<WorkspaceId, std::weak_ptr<WorkspaceUse>> workspaces_;
  std::map<HostId, std::weak_ptr<HostReach>> hosts_;
};

}  // namespace gyre::edge
