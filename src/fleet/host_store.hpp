// Every line of SQL about data centres, hosts, their GPUs, allocations and join tokens.
#pragma once

#include <map>

#include "db/db.hpp"
#include "fleet/host.hpp"

namespace gyre {

struct JoinToken {
  std::string digest;
  WorkspaceId workspace;
  std::string name;
  AccountId created_by;
  Time created_at{}, expires_at{};
  std::optional<Time> used_at;
  std::optional<HostId> host;
  std::string data_center = local_data_center;  // of the host that joins with it
};
BOOST_DESCRIBE_STRUCT(JoinToken, (),
                      (digest, workspace, name, created_by, created_at, expires_at, used_at, host, data_center))

class HostStore {
 public:
  explicit HostStore(db::Connection& db) : db_(db) {}
  HostStore(const HostStore&) = delete;

  // Another number whenever hosts, GPUs or allocations may be others than before: what was read then need not be read
  // again while it is the same. Counts the writes of this object alone; `seen` is none that anybody decides by.
  std::uint64_t revision() const { return revision_; }

  std::vector<DataCenter> data_centers() const;  // LOCAL first, then by id
  std::optional<DataCenter> data_center(const std::string& id) const;
  void save(const DataCenter& data_center);  // a new one, or in place of what was said of it before

  void insert(const Host& host);
  void update(Host& host);  // throws on a stale version
  void seen(const HostId& host, Time at, std::int64_t disk_free);
  std::optional<Host> find(const HostId& id) const;
  std::optional<Host> by_fingerprint(const std::string& fingerprint) const;
  // Oldest first; retired ones only when asked for. `after`: the id of the last row of the page before.
  std::vector<HostId> online() const;
  std::vector<Host> list(bool with_retired, const std::string& after = {}, int limit = 100'000) const;

  std::vector<HostGpu> gpus(const HostId& host) const;
  std::vector<HostGpu> all_gpus() const;
  void save_gpu(const HostGpu& gpu);  // as the agent shows it; keeps the pod it is given to
  void gpu_absent(const HostId& host, const std::string& uuid);

  // False when one of them is given to another pod already; then nothing changed.
  bool hold_gpus(const HostId& host, const std::vector<std::string>& uuids, const PodId& pod);
  // Whoever held them before: the agent has shown that this pod's containers have them.
  void take_gpus(const HostId& host, const std::vector<std::string>& uuids, const PodId& pod);
  // True once for a host that may have renewed its certificate since the backup this database came from.
  bool use_restored_host(const HostId& host, Time now);
  void release_gpus(const PodId& pod);
  std::vector<std::string> gpus_of(const PodId& pod) const;

  void allocate(const Allocation& allocation);  // replaces what the pod held
  void release_shares(const PodId& pod);        // vCPU and memory; disk stays
  void release(const PodId& pod);               // all of it, GPUs too
  std::vector<Allocation> allocations() const;
  std::optional<Allocation> allocation(const PodId& pod) const;
  int pods_on(const HostId& host) const;

  void insert(const JoinToken& token);
  std::optional<JoinToken> token(const std::string& digest) const;
  bool use_token(const std::string& digest, const HostId& host, Time at);  // false when it was used already
  void delete_old_tokens(Time before);

 private:
  void changes();

  db::Connection& db_;
  std::uint64_t revision_ = 0;
};

}  // namespace gyre
