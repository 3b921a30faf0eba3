// Machine types, quotas and the requests for them (requirements O-16 to O-18, O-36 to O-40). Pure: no clock, no
// database. A machine type is a fixed amount of vCPUs, memory and GPUs under a name; a grant says how many of one type
// a workspace may use at the same time, and until when; a request asks for a grant.
#pragma once

#include <array>
#include <boost/describe.hpp>
#include <optional>
#include <string>

#include "base/ids.hpp"
#include "base/result.hpp"
#include "base/time.hpp"

namespace gyre {

using MachineTypeId = Id<struct MachineTypeTag>;
using QuotaRequestId = Id<struct QuotaRequestTag>;
using QuotaGrantId = Id<struct QuotaGrantTag>;

struct MachineType {
  MachineTypeId id;
  WorkspaceId workspace;  // the operator's: a machine type belongs to the installation
  std::string name, description;
  std::string gpu_type;  // empty: any, or none with gpu_count 0
  int gpu_count = 0;
  int vcpus = 1, memory_gb = 1;  // of the whole machine
  Time created_at{};
  std::optional<Time> retired_at;  // deleted
  std::int64_t version = 0;
};
BOOST_DESCRIBE_STRUCT(MachineType, (),
                      (id, workspace, name, description, gpu_type, gpu_count, vcpus, memory_gb, created_at, retired_at,
                       version))

enum class QuotaRequestState { PENDING, APPROVED, REJECTED, CANCELLED };
BOOST_DESCRIBE_ENUM(QuotaRequestState, PENDING, APPROVED, REJECTED, CANCELLED)
enum class QuotaRequestEvent { approve, reject, cancel };
BOOST_DESCRIBE_ENUM(QuotaRequestEvent, approve, reject, cancel)

struct QuotaRequestTransition {
  QuotaRequestState from;
  QuotaRequestEvent event;
  QuotaRequestState to;
};
// A decision is final: who wants something else makes a new request, and a grant is revoked, not un-approved.
inline constexpr std::array quota_request_transitions{
    QuotaRequestTransition{QuotaRequestState::PENDING, QuotaRequestEvent::approve, QuotaRequestState::APPROVED},
    QuotaRequestTransition{QuotaRequestState::PENDING, QuotaRequestEvent::reject, QuotaRequestState::REJECTED},
    QuotaRequestTransition{QuotaRequestState::PENDING, QuotaRequestEvent::cancel, QuotaRequestState::CANCELLED},
};

constexpr std::optional<QuotaRequestState> next_state(QuotaRequestState from, QuotaRequestEvent event) {
  for (const auto& row : quota_request_transitions)
    if (row.from == from && row.event == event) return row.to;
  return std::nullopt;
}

consteval bool quota_request_table_is_sound() {
  for (const auto& row : quota_request_transitions) {
    if (row.from != QuotaRequestState::PENDING || row.to == QuotaRequestState::PENDING) return false;
    for (const auto& other : quota_request_transitions)
      if (&row != &other && row.from == other.from && row.event == other.event) return false;
  }
  return true;
}
static_assert(quota_request_table_is_sound());

struct QuotaRequest {
  QuotaRequestId id;
  WorkspaceId workspace;
  AccountId account;  // who asked
  MachineTypeId machine_type;
  int amount = 0;
  Time starts_at{}, ends_at{};
  std::string why;
  QuotaRequestState state = QuotaRequestState::PENDING;
  std::optional<AccountId> decided_by;
  std::optional<Time> decided_at;
  std::string decision;  // the administrator's words
  Time created_at{};
  std::int64_t version = 0;
};
BOOST_DESCRIBE_STRUCT(QuotaRequest, (),
                      (id, workspace, account, machine_type, amount, starts_at, ends_at, why, state, decided_by,
                       decided_at, decision, created_at, version))

struct QuotaGrant {
  QuotaGrantId id;
  WorkspaceId workspace;
  MachineTypeId machine_type;
  int amount = 0;
  Time starts_at{}, ends_at{};
  std::optional<QuotaRequestId> request;
  AccountId granted_by;
  bool over = false;  // revoked, or its end was told
  Time created_at{};

  // By the clock alone: no timer stands between a grant and its end.
  bool counts(Time now) const { return !over && starts_at <= now && now < ends_at; }
};
BOOST_DESCRIBE_STRUCT(QuotaGrant, (),
                      (id, workspace, machine_type, amount, starts_at, ends_at, request, granted_by, over, created_at))

// Moves the request, or quota_request_decided.
Result<> apply(QuotaRequest& request, QuotaRequestEvent event, Time now, const AccountId& by, std::string words);

}  // namespace gyre
