// Storage of a workspace in one data centre, which outlives what uses it.
#pragma once

#include <boost/describe.hpp>
#include <string>

#include "base/ids.hpp"
#include "base/time.hpp"

namespace gyre {

struct NetworkVolume {
  NetworkVolumeId id;
  WorkspaceId workspace;
  std::string name;
  std::int64_t size_gb = 0;
  std::string data_center;
  bool ready = false;  // its directory is there
  Time created_at{};
  std::int64_t version = 0;
};
BOOST_DESCRIBE_STRUCT(NetworkVolume, (), (id, workspace, name, size_gb, data_center, ready, created_at, version))

}  // namespace gyre
