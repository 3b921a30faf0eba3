// Every line of SQL about endpoints.
#pragma once

#include <optional>
#include <vector>

#include "db/db.hpp"
#include "serverless/endpoint.hpp"

namespace gyre {

struct EndpointRelease {
  EndpointId endpoint;
  std::int64_t release = 0;
  std::string spec;
  AccountId account;
  Time created_at{};
};
BOOST_DESCRIBE_STRUCT(EndpointRelease, (), (endpoint, release, spec, account, created_at))

class EndpointStore {
 public:
  static constexpr int releases_kept_max = 100;

  explicit EndpointStore(db::Connection& db) : db_(db) {}

  void insert(const Endpoint& made);
  void update(Endpoint& changed);  // throws on a stale version
  void remove(const EndpointId& id);
  std::optional<Endpoint> find(const WorkspaceId& workspace, const EndpointId& id) const;
  std::vector<Endpoint> list(const WorkspaceId& workspace) const;
  int count(const WorkspaceId& workspace) const;

  enum class Uses { template_id, network_volume, registry_auth_id };
  void set_uses(const EndpointId& id, const EndpointSpec& spec);
  std::vector<Endpoint> users_of(Uses kind, const WorkspaceId& workspace, const std::string& thing) const;

  void add(const EndpointRelease& release);                           // and forgets those before the last hundred
  std::vector<EndpointRelease> releases(const EndpointId& id) const;  // newest first

 private:
  db::Connection& db_;
};

}  // namespace gyre
