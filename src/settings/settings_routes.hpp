// /v1/me/settings.
#pragma once

#include "http/router.hpp"
#include "json/codec.hpp"
#include "settings/settings_service.hpp"

namespace gyre {

std::vector<http::Route> settings_routes(SettingsService& settings, json::UnknownKeys unknown);

}  // namespace gyre
