// A log-in for an image registry, kept for pods and templates that name it.
#pragma once

#include <boost/describe.hpp>
#include <string>

#include "base/ids.hpp"
#include "base/time.hpp"

namespace gyre {

struct RegistryAuth {
  RegistryAuthId id;
  WorkspaceId workspace;
  std::string name, username;
  std::string password_sealed;  // with the installation's key
  Time created_at{};
};
BOOST_DESCRIBE_STRUCT(RegistryAuth, (), (id, workspace, name, username, password_sealed, created_at))

}  // namespace gyre
