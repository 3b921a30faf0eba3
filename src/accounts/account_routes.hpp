// /v1/auth/*, /v1/me, /v1/apikeys.
#pragma once

#include <vector>

#include "accounts/account_service.hpp"
#include "http/router.hpp"

namespace gyre {

std::vector<http::Route> account_routes(AccountService& accounts);

}  // namespace gyre
