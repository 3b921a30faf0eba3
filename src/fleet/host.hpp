// A host: one machine with an agent. Its life is a table that the compiler checks; whether it answers (online) is a
// fact beside it, since a draining host may be offline as well as a listed one.
#pragma once

#include <array>
#include <boost/describe.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.hpp"
#include "base/result.hpp"
#include "base/time.hpp"

namespace gyre {

enum class HostState { registered, listed, draining, retired };
BOOST_DESCRIBE_ENUM(HostState, registered, listed, draining, retired)

enum class HostEvent { facts_seen, drain, undrain, retire };
BOOST_DESCRIBE_ENUM(HostEvent, facts_seen, drain, undrain, retire)

struct HostTransition {
  HostState from;
  HostEvent event;
  HostState to;
};
inline constexpr std::array host_transitions{
    HostTransition{HostState::registered, HostEvent::facts_seen, HostState::listed},
    HostTransition{HostState::registered, HostEvent::drain, HostState::draining},
    HostTransition{HostState::registered, HostEvent::retire, HostState::retired},
    HostTransition{HostState::listed, HostEvent::drain, HostState::draining},
    HostTransition{HostState::listed, HostEvent::retire, HostState::retired},
    HostTransition{HostState::draining, HostEvent::undrain, HostState::listed},
    HostTransition{HostState::draining, HostEvent::retire, HostState::retired},
};

constexpr std::optional<HostState> next_state(HostState from, HostEvent event) {
  for (const auto& row : host_transitions)
    if (row.from == from && row.event == event) return row.to;
  return std::nullopt;
}
static_assert(!next_state(HostState::retired, HostEvent::undrain), "nothing comes back from retired");

// Where hosts are. LOCAL is always there; the operator adds others.
inline constexpr const char* local_data_center = "LOCAL";
struct DataCenter {
  std::string id, name, location;
  std::string country;  // ISO 3166-1 alpha-2; empty: nobody has said
  Time created_at{};
};
BOOST_DESCRIBE_STRUCT(DataCenter, (), (id, name, location, country, created_at))

bool is_data_center_id(const std::string& text);  // 1 to 40 upper-case letters, digits and '-'

struct Host {
  HostId id;
  WorkspaceId workspace;
  std::string name;
  HostState state = HostState::registered;
  bool online = false;
  std::string fingerprint, previous_fingerprint;
  std::string os, kernel, architecture, agent_version, boot_id, public_address;
  double cpus = 0;
  std::int64_t memory_bytes = 0, disk_bytes = 0;
  std::string driver_version, cuda_version, engine_name, engine_version;
  bool engine_reachable = false;
  std::string engine_error;
  std::int64_t disk_free_bytes = 0;
  Time created_at{};
  std::optional<Time> last_seen_at;
  std::int64_t version = 0;
  std::string data_center = local_data_center;
};
BOOST_DESCRIBE_STRUCT(Host, (),
                      (id, workspace, name, state, online, fingerprint, previous_fingerprint, os, kernel, architecture,
                       agent_version, boot_id, public_address, cpus, memory_bytes, disk_bytes, driver_version,
                       cuda_version, engine_name, engine_version, engine_reachable, engine_error, disk_free_bytes,
                       created_at, last_seen_at, version, data_center))

struct HostGpu {
  HostId host;
  std::string uuid;
  std::int64_t position = 0;
  std::string type_id, bus;
  std::int64_t memory_bytes = 0;
  bool simulated = false, present = true;
  std::optional<PodId> pod;
};
BOOST_DESCRIBE_STRUCT(HostGpu, (), (host, uuid, position, type_id, bus, memory_bytes, simulated, present, pod))

struct Allocation {
  PodId pod;
  HostId host;
  double vcpus = 0;
  std::int64_t memory_bytes = 0, disk_bytes = 0;
};
BOOST_DESCRIBE_STRUCT(Allocation, (), (pod, host, vcpus, memory_bytes, disk_bytes))

// The only way a host's state moves. The refusal names what would be possible.
Result<> apply(Host& host, HostEvent event);

}  // namespace gyre
