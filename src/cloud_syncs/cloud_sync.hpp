// A copy between a pod's own volume and a bucket of S3 or of what speaks its protocol: made once, ends once. Pure: no
// clock, no database. The life is one table that the compiler checks; `apply` is the only way to move.
#pragma once

#include <array>
#include <boost/describe.hpp>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.hpp"
#include "base/result.hpp"
#include "base/time.hpp"
#include "link/messages.hpp"

namespace gyre {

enum class CloudSyncState { STARTING, RUNNING, CANCELLING, SUCCEEDED, FAILED, CANCELLED };
BOOST_DESCRIBE_ENUM(CloudSyncState, STARTING, RUNNING, CANCELLING, SUCCEEDED, FAILED, CANCELLED)

enum class CloudSyncEvent {
  up,         // its container runs
  copied,     // it ended well
  broke,      // it ended otherwise, or cannot run
  cancel,     // somebody asked, or its pod is deleted
  gone,       // its host says that nothing of it is left
  host_lost,  // its host will not come back
};
BOOST_DESCRIBE_ENUM(CloudSyncEvent, up, copied, broke, cancel, gone, host_lost)

struct CloudSyncTransition {
  CloudSyncState from;
  CloudSyncEvent event;
  CloudSyncState to;
};

inline constexpr std::array cloud_sync_transitions{
    CloudSyncTransition{CloudSyncState::STARTING, CloudSyncEvent::up, CloudSyncState::RUNNING},
    CloudSyncTransition{CloudSyncState::STARTING, CloudSyncEvent::copied, CloudSyncState::SUCCEEDED},
    CloudSyncTransition{CloudSyncState::STARTING, CloudSyncEvent::broke, CloudSyncState::FAILED},
    CloudSyncTransition{CloudSyncState::STARTING, CloudSyncEvent::cancel, CloudSyncState::CANCELLING},
    CloudSyncTransition{CloudSyncState::STARTING, CloudSyncEvent::host_lost, CloudSyncState::FAILED},

    CloudSyncTransition{CloudSyncState::RUNNING, CloudSyncEvent::copied, CloudSyncState::SUCCEEDED},
    CloudSyncTransition{CloudSyncState::RUNNING, CloudSyncEvent::broke, CloudSyncState::FAILED},
    CloudSyncTransition{CloudSyncState::RUNNING, CloudSyncEvent::cancel, CloudSyncState::CANCELLING},
    CloudSyncTransition{CloudSyncState::RUNNING, CloudSyncEvent::host_lost, CloudSyncState::FAILED},

    CloudSyncTransition{CloudSyncState::CANCELLING, CloudSyncEvent::gone, CloudSyncState::CANCELLED},
    CloudSyncTransition{CloudSyncState::CANCELLING, CloudSyncEvent::host_lost, CloudSyncState::CANCELLED},
};

constexpr std::optional<CloudSyncState> next_state(CloudSyncState from, CloudSyncEvent event) {
  for (const auto& row : cloud_sync_transitions)
    if (row.from == from && row.event == event) return row.to;
  return std::nullopt;
}

constexpr bool has_ended(CloudSyncState state) {
  return state == CloudSyncState::SUCCEEDED || state == CloudSyncState::FAILED || state == CloudSyncState::CANCELLED;
}

consteval bool cloud_sync_table_is_sound() {
  for (const auto& row : cloud_sync_transitions) {
    if (has_ended(row.from)) return false;
    for (const auto& other : cloud_sync_transitions)
      if (&row != &other && row.from == other.from && row.event == other.event) return false;
  }
  for (auto state : {CloudSyncState::STARTING, CloudSyncState::RUNNING, CloudSyncState::CANCELLING})
    if (!next_state(state, CloudSyncEvent::host_lost)) return false;  // a dead host never pins one
  return true;
}
static_assert(cloud_sync_table_is_sound());

enum class CloudSyncDirection { TO_CLOUD, FROM_CLOUD };
BOOST_DESCRIBE_ENUM(CloudSyncDirection, TO_CLOUD, FROM_CLOUD)

struct CloudSyncWish {
  CloudSyncDirection direction = CloudSyncDirection::TO_CLOUD;
  std::string path;            // absolute, in the volume: a folder, or (to the cloud) a file
  std::string volume_path;     // where the pod has its volume, and so has the copy
  std::string bucket, prefix;  // the prefix without a slash at its beginning; may be empty
  std::string region;
  std::string endpoint_url;  // empty: Amazon's own
};
BOOST_DESCRIBE_STRUCT(CloudSyncWish, (), (direction, path, volume_path, bucket, prefix, region, endpoint_url))

struct CloudCredentials {
  std::string access_key_id, secret_access_key;
  std::string session_token;  // of temporary ones; empty for others
};
BOOST_DESCRIBE_STRUCT(CloudCredentials, (), (access_key_id, secret_access_key, session_token))

struct CloudSync {
  CloudSyncId id;
  WorkspaceId workspace;
  AccountId account;
  PodId pod;
  HostId host;
  CloudSyncState state = CloudSyncState::STARTING;
  std::string reason;  // a Reason's code, or empty
  std::string reason_args = "{}";
  std::string wish;                // JSON of CloudSyncWish
  std::string credentials_sealed;  // JSON of CloudCredentials, sealed; empty once it has ended
  std::int64_t generation = 0;
  bool on_host = true;    // its host may have something of it
  bool removing = false;  // it has ended, and what its host keeps for its log shall go, too
  bool hidden = false;    // taken out of the list; the row goes when its host has nothing of it
  std::optional<int> exit_code;
  Time created_at{};
  std::optional<Time> started_at, ended_at;
  std::int64_t version = 0;
};
BOOST_DESCRIBE_STRUCT(CloudSync, (),
                      (id, workspace, account, pod, host, state, reason, reason_args, wish, credentials_sealed,
                       generation, on_host, removing, hidden, exit_code, created_at, started_at, ended_at, version))

// Its agent knows it as it knows a pod, by an id that no pod has.
inline constexpr std::string_view cloud_sync_id_prefix = "cloudsync";
inline PodId agents_name(const CloudSyncId& id) { return PodId(id.str()); }
inline bool is_cloud_sync(const PodId& id) { return id.str().starts_with(cloud_sync_id_prefix); }

// What a user gives, as it comes.
struct CloudSyncInput {
  CloudSyncDirection direction = CloudSyncDirection::TO_CLOUD;
  std::string path, bucket, prefix, region,
      endpoint_url;  // empty: the whole volume, the bucket's root, us-east-1, Amazon
};

// Checked and complete; the first wrong field is named as the API names it. `volume_path` is the pod's.
Result<CloudSyncWish> cloud_sync_wish(const CloudSyncInput& input, const std::string& volume_path);
Result<> check_credentials(const CloudCredentials& credentials);

// What its container runs: rclone's arguments, and the variables that hold where and with whose keys. `copy`, never
// `sync`: nothing is deleted at either end, and what is there already with the same size and time is left.
std::vector<std::string> rclone_arguments(const CloudSyncWish& wish);
std::map<std::string, std::string> rclone_environment(const CloudSyncWish& wish, const CloudCredentials& credentials);

// Why it is in its state; kept with it and shown in the reader's language.
struct CloudSyncBecause {
  std::optional<Reason> reason;
  Args args;
};
// Moves it. False when this event means nothing in its state: a late report.
bool apply(CloudSync& sync, CloudSyncEvent event, Time now, const CloudSyncBecause& because = {});

// What the exit of its container means (rclone's codes: https://rclone.org/docs/#exit-code).
struct CloudSyncExit {
  CloudSyncEvent event;
  CloudSyncBecause because;
};
CloudSyncExit meaning_of_exit(const CloudSyncId& id, const CloudSyncWish& wish, const link::ContainerFacts& container);

}  // namespace gyre
