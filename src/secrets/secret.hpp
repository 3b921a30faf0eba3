// A named value that pods' variables refer to: {{ RUNPOD_SECRET_name }}.
#pragma once

#include <boost/describe.hpp>
#include <string>

#include "base/ids.hpp"
#include "base/time.hpp"

namespace gyre {

struct Secret {
  SecretId id;
  WorkspaceId workspace;
  std::string name, description;
  std::string value_sealed;  // with the installation's key
  Time created_at{}, updated_at{};
  std::int64_t version = 0;
};
BOOST_DESCRIBE_STRUCT(Secret, (), (id, workspace, name, description, value_sealed, created_at, updated_at, version))

}  // namespace gyre
