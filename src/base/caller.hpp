// Who is asking, as far as the server could establish it. Made by accounts/, carried by every request, read by
// services.
#pragma once

#include <boost/describe.hpp>
#include <optional>
#include <string>

#include "base/ids.hpp"

namespace gyre {

// What a key or session may do. `pod`: only the routes that say so, and only for the one pod it was made for.
enum class Scope { read, read_write, pod };
BOOST_DESCRIBE_ENUM(Scope, read, read_write, pod)

struct Caller {
  AccountId account;
  WorkspaceId workspace;
  Scope scope = Scope::read;
  bool operator_of_installation = false;  // may add hosts and see all of them
  std::optional<PodId> pod;               // with Scope::pod
  std::optional<ApiKeyId> key;            // how they came in: a key ...
  std::optional<SessionId> session;       // ... or a session (cookie)
};

}  // namespace gyre
