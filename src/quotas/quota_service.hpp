// The verbs of machine types and quotas. One public method is one transaction. What is in use is not counted here: pods
// say which of them use a type, so that no second number can disagree with the first.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "base/caller.hpp"
#include "events/events.hpp"
#include "quotas/quota_store.hpp"

namespace gyre {

// How many things that are not stopped use a type. `pods/` answers.
struct QuotaUses {
  std::function<int(const WorkspaceId&, const MachineTypeId&)> in_workspace;
  std::function<int(const MachineTypeId&)> anywhere;
};

struct MachineTypeWish {
  std::string name, description, gpu_type;
  int gpu_count = 0, vcpus = 1, memory_gb = 1;
};

struct QuotaWish {
  std::string machine_type;  // its name or its id
  int amount = 0;
  std::optional<Time> starts_at;  // now
  Time ends_at{};
  std::string why;
};

// What an administrator approves may differ from what was asked for.
struct QuotaDecision {
  std::optional<int> amount;
  std::optional<Time> ends_at;
  std::string words;
};

class QuotaService {
 public:
  QuotaService(Core& core, Events& events);
  void set_uses(QuotaUses uses) { uses_ = std::move(uses); }

  std::vector<MachineType> machine_types() const { return store_.machine_types(); }
  Result<MachineType> machine_type(const std::string& name_or_id) const;  // retired ones are not found
  std::optional<MachineType> known(const MachineTypeId& id) const { return store_.find(id); }  // retired ones too
  Result<MachineType> create(const Caller& caller, const MachineTypeWish& wish);
  // Work that uses the type keeps what it was started with (O-8).
  Result<MachineType> update(const MachineTypeId& id, const MachineTypeWish& wish,
                             const std::function<Result<>(const MachineType&)>& precondition = {});
  Result<> retire(const MachineTypeId& id);  // machine_type_in_use while anything uses it, or may

  struct Quota {
    MachineType type;
    int used = 0, total = 0;
    std::vector<QuotaGrant> grants;
  };
  std::vector<Quota> quotas(const Caller& caller) const;  // of the types that it has grants for or uses, by name

  // Within the transaction that makes or starts what uses the type: may the workspace use one more?
  // quota_missing without any grant, quota_used_up with how many there are.
  Result<> admit(const WorkspaceId& workspace, const MachineType& type) const;

  Result<QuotaRequest> request(const Caller& caller, const QuotaWish& wish);
  Result<QuotaRequest> get(const Caller& caller, const QuotaRequestId& id) const;
  std::vector<QuotaRequest> list(const Caller& caller, bool of_all_workspaces, Time before,
                                 const std::string& before_id, std::int64_t limit) const;  // newest first
  Result<QuotaRequest> cancel(const Caller& caller, const QuotaRequestId& id);
  Result<QuotaRequest> approve(const Caller& caller, const QuotaRequestId& id, const QuotaDecision& decision);
  Result<QuotaRequest> reject(const Caller& caller, const QuotaRequestId& id, const std::string& why);
  Result<> revoke(const QuotaGrantId& id);

  void tell_ended();  // grants whose period is over: one event each

 private:
  Result<QuotaRequest> decide(const Caller& caller, const QuotaRequestId& id, QuotaRequestEvent event,
                              std::string words, const std::function<Result<>(const QuotaRequest&)>& consequence);
  void tell(const WorkspaceId& workspace, std::string kind, Reason reason, Args args);
  std::string name_of(const MachineTypeId& id) const;

  Core& core_;
  Events& events_;
  QuotaStore store_;
  QuotaUses uses_;
  std::unique_ptr<Timer> end_timer_;
};

}  // namespace gyre
