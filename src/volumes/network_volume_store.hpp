// Every line of SQL about network volumes.
#pragma once

#include <optional>
#include <vector>

#include "db/db.hpp"
#include "volumes/network_volume.hpp"

namespace gyre {

class NetworkVolumeStore {
 public:
  explicit NetworkVolumeStore(db::Connection& db) : db_(db) {}

  void insert(const NetworkVolume& made);  // throws UniqueViolation when the name is taken
  void update(NetworkVolume& changed);     // name and size; throws on a stale version
  void remove(const NetworkVolume& gone);  // and writes down that its directory is to be removed
  std::optional<NetworkVolume> find(const WorkspaceId& workspace, const NetworkVolumeId& id) const;
  std::optional<NetworkVolume> by_name(const WorkspaceId& workspace, const std::string& name) const;
  std::vector<NetworkVolume> list(const WorkspaceId& workspace) const;
  int count(const WorkspaceId& workspace) const;

  // What is still to be done to the disks of a data centre, at most so many.
  std::vector<NetworkVolumeId> to_make(const std::string& data_center, int limit) const;
  std::vector<NetworkVolumeId> to_remove(const std::string& data_center, int limit) const;
  struct Ready {
    NetworkVolumeId id;
    std::string data_center;
  };
  std::optional<Ready> next_ready(const NetworkVolumeId& after) const;  // by id; the first one after the last
  void look_again();                                                    // at all of them
  void made(const NetworkVolumeId& id);  // no new version: nothing of it was changed by its owner
  void removed(const NetworkVolumeId& id);

 private:
  db::Connection& db_;
};

BOOST_DESCRIBE_STRUCT(NetworkVolumeStore::Ready, (), (id, data_center))

}  // namespace gyre
