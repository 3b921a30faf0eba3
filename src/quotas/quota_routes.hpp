// The wire of machine types and quotas: /v1/machinetypes, /v1/quotas, /v1/quotagrants, /v1/quotarequests.
#pragma once

#include <vector>

#include "http/router.hpp"
#include "json/codec.hpp"
#include "quotas/quota_service.hpp"

namespace gyre {

std::vector<http::Route> quota_routes(QuotaService& quotas, json::UnknownKeys unknown);

}  // namespace gyre
