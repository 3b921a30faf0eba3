#include "quotas/quota.hpp"

#include "base/enum_text.hpp"

namespace gyre {

Result<> apply(QuotaRequest& request, QuotaRequestEvent event, Time now, const AccountId& by, std::string words) {
  const auto next = next_state(request.state, event);
  if (!next)
    return fail(Reason::quota_request_decided, {{"request", request.id.str()},
                                                {"state", std::string(enum_text(request.state))},
                                                {"asked", std::string(enum_text(event))}});
  request.state = *next;
  request.decided_by = by;
  request.decided_at = now;
  request.decision = std::move(words);
  return {};
}

}  // namespace gyre
