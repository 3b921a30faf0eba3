// The verbs of network volumes, and their directories, which follow the table. One public method is one transaction,
// within a core task.
#pragma once

#include <functional>
#include <map>
#include <memory>

#include "base/caller.hpp"
#include "base/result.hpp"
#include "runtime/core.hpp"
#include "volumes/network_volume_store.hpp"
#include "volumes/volume_directories.hpp"

namespace gyre {

struct NetworkVolumeConfig {
  std::map<std::string, std::string> shared_paths;  // by data centre
  VolumeDirectories directories;
  // Who uses it, in words for the refusal ("endpoint ab12"); empty: nobody.
  std::function<std::optional<std::string>(const WorkspaceId&, const NetworkVolumeId&)> user_of;
  int per_workspace_max = 1000;
  Duration tended_every{60'000};
  Duration measured_every{10'000};  // one after another; counting takes at most a twentieth of the time
};

struct NetworkVolumeChange {
  std::optional<std::string> name;
  std::optional<std::int64_t> size_gb;
};

class NetworkVolumeService {
 public:
  NetworkVolumeService(Core& core, NetworkVolumeConfig config);

  Result<NetworkVolume> create(const Caller& caller, const std::string& name, std::int64_t size_gb,
                               const std::string& data_center);
  Result<NetworkVolume> get(const Caller& caller, const NetworkVolumeId& id) const;
  std::optional<NetworkVolume> find(const WorkspaceId& workspace, const NetworkVolumeId& id) const;
  std::vector<NetworkVolume> list(const Caller& caller) const;
  bool offered_in(const std::string& data_center) const { return config_.shared_paths.contains(data_center); }
  // Bytes on disk when it was counted last; absent: not yet, since this server started.
  std::optional<std::int64_t> used_bytes(const NetworkVolumeId& id) const;
  Result<NetworkVolume> update(const Caller& caller, const NetworkVolumeId& id, const NetworkVolumeChange& change,
                               const std::function<Result<>(const NetworkVolume&)>& precondition = {});
  // network_volume_in_use while something uses it. What it holds is gone for good.
  Result<> remove(const Caller& caller, const NetworkVolumeId& id);

 private:
  Result<> check_size(std::int64_t size_gb) const;
  Result<> check_name(const WorkspaceId& workspace, const std::string& name) const;
  void tend_soon();  // after this task's commit
  void tend();       // makes and removes what is still to be done
  struct Job {
    NetworkVolumeId id;
    std::string shared_path;
    bool make = false;
    std::string problem;
  };
  void take_down(const std::vector<Job>& done);  // in the table, and looks whether there is more

  void measure();  // the next one

  Core& core_;
  NetworkVolumeConfig config_;
  NetworkVolumeStore store_;
  bool at_work_ = false, again_ = false, looked_ = false;
  std::map<NetworkVolumeId, std::int64_t> used_;
  NetworkVolumeId measured_last_;
  bool measuring_ = false;
  Duration measuring_rests_until_{0};
  std::unique_ptr<Timer> timer_, measure_timer_;
  Alive alive_;
};

}  // namespace gyre
