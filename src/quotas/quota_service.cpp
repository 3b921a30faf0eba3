#include "quotas/quota_service.hpp"

#include <algorithm>
#include <set>

#include "base/check.hpp"

namespace gyre {
namespace {

constexpr int pending_max = 100;  // of one workspace
constexpr int amount_max = 10'000;
constexpr std::int64_t days_max = 366;
constexpr Duration day = 24h;

Result<> within(const std::string& field, int value, int low, int high) {
  if (value >= low && value <= high) return {};
  return invalid(field, Detail::between, {{"low", std::to_string(low)}, {"high", std::to_string(high)}});
}

Result<> check(const MachineTypeWish& wish) {
  const auto plain = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-'; };
  if (wish.name.empty() || wish.name.size() > 63 || !std::all_of(wish.name.begin(), wish.name.end(), plain) ||
      wish.name.front() < 'a')
    return invalid("name", Detail::machine_type_name);
  if (wish.description.size() > 500) return invalid("description", Detail::bytes_at_most, {{"limit", "500"}});
  TRY(within("gpuCount", wish.gpu_count, 0, 64));
  TRY(within("vcpuCount", wish.vcpus, 1, 1024));
  TRY(within("memoryInGb", wish.memory_gb, 1, 100'000));
  if (wish.gpu_type.size() > 100) return invalid("gpuTypeId", Detail::gpu_type);
  if (wish.gpu_count == 0 && !wish.gpu_type.empty())
    return invalid("gpuCount", Detail::between, {{"low", "1"}, {"high", "64"}});
  return {};
}

void take(MachineType& type, const MachineTypeWish& wish) {
  type.name = wish.name;
  type.description = wish.description;
  type.gpu_type = wish.gpu_type;
  type.gpu_count = wish.gpu_count;
  type.vcpus = wish.vcpus;
  type.memory_gb = wish.memory_gb;
}

Result<> check_words(const std::string& field, const std::string& words) {
  if (words.empty() || words.size() > 1000)
    return invalid(field, Detail::characters_between, {{"low", "1"}, {"high", "1000"}});
  return {};
}

Result<> check_period(Time starts, Time ends, Time now) {
  if (ends <= starts || ends <= now) return invalid("endsAt", Detail::ends_before_it_begins);
  if (ends - std::max(starts, now) > day * days_max)
    return invalid("endsAt", Detail::period_too_long, {{"days", std::to_string(days_max)}});
  return {};
}

}  // namespace

QuotaService::QuotaService(Core& core, Events& events) : core_(core), events_(events), store_(core.db()) {
  end_timer_ = core_.every(1min, "tell of quotas that ended", [this] { tell_ended(); });
}

void QuotaService::tell(const WorkspaceId& workspace, std::string kind, Reason reason, Args args) {
  Event happened;
  happened.workspace = workspace;
  happened.kind = std::move(kind);
  happened.reason = reason;
  happened.args = std::move(args);
  events_.append(std::move(happened));
}

std::string QuotaService::name_of(const MachineTypeId& id) const {
  const auto type = store_.find(id);
  return type ? type->name : id.str();
}

// ---- machine types ----

Result<MachineType> QuotaService::machine_type(const std::string& name_or_id) const {
  auto found = store_.by_name(name_or_id);
  if (!found) found = store_.find(MachineTypeId(name_or_id));
  if (!found || found->retired_at) return fail(Reason::machine_type_not_found, {{"machine_type", name_or_id}});
  return std::move(*found);
}

Result<MachineType> QuotaService::create(const Caller& caller, const MachineTypeWish& wish) {
  TRY(check(wish));
  return core_.transact([&]() -> Result<MachineType> {
    if (store_.by_name(wish.name)) return fail(Reason::machine_type_taken, {{"machine_type", wish.name}}, "name");
    MachineType type;
    type.id = MachineTypeId(core_.random().letters_and_digits(12));
    type.workspace = caller.workspace;
    type.created_at = core_.now();
    take(type, wish);
    store_.insert(type);
    return type;
  });
}

Result<MachineType> QuotaService::update(const MachineTypeId& id, const MachineTypeWish& wish,
                                         const std::function<Result<>(const MachineType&)>& precondition) {
  TRY(check(wish));
  return core_.transact([&]() -> Result<MachineType> {
    auto type = TRY(machine_type(id.str()));
    if (precondition) TRY(precondition(type));
    if (const auto other = store_.by_name(wish.name); other && other->id != type.id)
      return fail(Reason::machine_type_taken, {{"machine_type", wish.name}}, "name");
    take(type, wish);
    store_.update(type);
    return type;
  });
}

Result<> QuotaService::retire(const MachineTypeId& id) {
  return core_.transact([&]() -> Result<> {
    auto type = TRY(machine_type(id.str()));
    const int pods = uses_.anywhere(type.id), grants = store_.open(type.id);
    if (pods > 0 || grants > 0)
      return fail(Reason::machine_type_in_use,
                  {{"machine_type", type.name}, {"pods", std::to_string(pods)}, {"grants", std::to_string(grants)}});
    type.retired_at = core_.now();
    store_.update(type);
    return {};
  });
}

// ---- quotas ----

std::vector<QuotaService::Quota> QuotaService::quotas(const Caller& caller) const {
  std::vector<Quota> out;
  auto grants = store_.grants(caller.workspace);
  for (auto& type : store_.machine_types()) {
    Quota quota;
    for (const auto& grant : grants)
      if (grant.machine_type == type.id && grant.ends_at > core_.now()) quota.grants.push_back(grant);
    quota.used = uses_.in_workspace(caller.workspace, type.id);
    if (quota.grants.empty() && quota.used == 0) continue;
    quota.total = store_.granted(caller.workspace, type.id, core_.now());
    quota.type = std::move(type);
    out.push_back(std::move(quota));
  }
  return out;
}

Result<> QuotaService::admit(const WorkspaceId& workspace, const MachineType& type) const {
  const int total = store_.granted(workspace, type.id, core_.now());
  if (total == 0) return fail(Reason::quota_missing, {{"machine_type", type.name}}, "machineType");
  const int used = uses_.in_workspace(workspace, type.id);
  if (used >= total)
    return fail(Reason::quota_used_up,
                {{"machine_type", type.name}, {"used", std::to_string(used)}, {"total", std::to_string(total)}},
                "machineType");
  return {};
}

Result<> QuotaService::revoke(const QuotaGrantId& id) {
  return core_.transact([&]() -> Result<> {
    const auto grant = store_.find(id);
    if (!grant || grant->over || grant->ends_at <= core_.now())
      return fail(Reason::quota_grant_not_found, {{"grant", id.str()}});
    store_.end(id);
    tell(grant->workspace, "quota.revoked", Reason::quota_revoked,
         {{"machine_type", name_of(grant->machine_type)}, {"count", std::to_string(grant->amount)}});
    return {};
  });
}

void QuotaService::tell_ended() {
  constexpr int at_once = 100;
  for (const auto& grant : store_.ended(core_.now(), at_once)) {
    store_.end(grant.id);
    tell(grant.workspace, "quota.ended", Reason::quota_ended,
         {{"machine_type", name_of(grant.machine_type)}, {"count", std::to_string(grant.amount)}});
  }
}

// ---- requests ----

Result<QuotaRequest> QuotaService::request(const Caller& caller, const QuotaWish& wish) {
  TRY(within("count", wish.amount, 1, amount_max));
  TRY(check_words("reason", wish.why));
  const auto now = core_.now();
  const auto starts = wish.starts_at.value_or(now);
  TRY(check_period(starts, wish.ends_at, now));
  return core_.transact([&]() -> Result<QuotaRequest> {
    const auto type = TRY(machine_type(wish.machine_type));
    if (store_.pending(caller.workspace) >= pending_max)
      return invalid("machineType", Detail::at_most, {{"limit", std::to_string(pending_max)}});
    QuotaRequest made;
    made.id = QuotaRequestId(core_.random().letters_and_digits(14));
    made.workspace = caller.workspace;
    made.account = caller.account;
    made.machine_type = type.id;
    made.amount = wish.amount;
    made.starts_at = starts;
    made.ends_at = wish.ends_at;
    made.why = wish.why;
    made.created_at = now;
    store_.insert(made);
    tell(made.workspace, "quota.requested", Reason::quota_requested,
         {{"machine_type", type.name}, {"count", std::to_string(made.amount)}});
    return made;
  });
}

// The operator of the installation decides about everybody's; others see their workspace's alone.
Result<QuotaRequest> QuotaService::get(const Caller& caller, const QuotaRequestId& id) const {
  auto found = store_.find(id);
  if (!found || (found->workspace != caller.workspace && !caller.operator_of_installation))
    return fail(Reason::quota_request_not_found, {{"request", id.str()}});
  return std::move(*found);
}

std::vector<QuotaRequest> QuotaService::list(const Caller& caller, bool of_all_workspaces, Time before,
                                             const std::string& before_id, std::int64_t limit) const {
  const bool all = of_all_workspaces && caller.operator_of_installation;
  return store_.requests(all ? std::nullopt : std::optional(caller.workspace), before, before_id, limit);
}

Result<QuotaRequest> QuotaService::decide(const Caller& caller, const QuotaRequestId& id, QuotaRequestEvent event,
                                          std::string words,
                                          const std::function<Result<>(const QuotaRequest&)>& consequence) {
  return core_.transact([&]() -> Result<QuotaRequest> {
    auto request = TRY(get(caller, id));
    TRY(apply(request, event, core_.now(), caller.account, std::move(words)));
    store_.update(request);
    TRY(consequence(request));
    return request;
  });
}

Result<QuotaRequest> QuotaService::cancel(const Caller& caller, const QuotaRequestId& id) {
  if (TRY(get(caller, id)).workspace != caller.workspace)  // the operator rejects, with a reason
    return fail(Reason::quota_request_not_found, {{"request", id.str()}});
  return decide(caller, id, QuotaRequestEvent::cancel, "", [this](const QuotaRequest& request) -> Result<> {
    tell(request.workspace, "quota.cancelled", Reason::quota_cancelled,
         {{"machine_type", name_of(request.machine_type)}});
    return {};
  });
}

Result<QuotaRequest> QuotaService::approve(const Caller& caller, const QuotaRequestId& id,
                                           const QuotaDecision& decision) {
  if (decision.amount) TRY(within("count", *decision.amount, 1, amount_max));
  if (decision.words.size() > 1000) return invalid("reason", Detail::bytes_at_most, {{"limit", "1000"}});
  const auto grant_it = [&](const QuotaRequest& request) -> Result<> {
    QuotaGrant grant;
    grant.id = QuotaGrantId(core_.random().letters_and_digits(14));
    grant.workspace = request.workspace;
    grant.machine_type = request.machine_type;
    grant.amount = decision.amount.value_or(request.amount);
    grant.starts_at = request.starts_at;
    grant.ends_at = decision.ends_at.value_or(request.ends_at);
    grant.request = request.id;
    grant.granted_by = caller.account;
    grant.created_at = core_.now();
    TRY(check_period(grant.starts_at, grant.ends_at, core_.now()));
    store_.insert(grant);
    tell(request.workspace, "quota.approved", Reason::quota_approved,
         {{"machine_type", name_of(request.machine_type)},
          {"count", std::to_string(grant.amount)},
          {"until", rfc3339(grant.ends_at)}});
    return {};
  };
  return decide(caller, id, QuotaRequestEvent::approve, decision.words, grant_it);
}

Result<QuotaRequest> QuotaService::reject(const Caller& caller, const QuotaRequestId& id, const std::string& why) {
  TRY(check_words("reason", why));
  return decide(caller, id, QuotaRequestEvent::reject, why, [&](const QuotaRequest& request) -> Result<> {
    tell(request.workspace, "quota.rejected", Reason::quota_rejected,
         {{"machine_type", name_of(request.machine_type)}, {"why", why}});
    return {};
  });
}

}  // namespace gyre
