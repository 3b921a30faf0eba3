// GET /v1/events.
#pragma once

#include <vector>

#include "events/event_feed.hpp"
#include "http/router.hpp"

namespace gyre {

std::vector<http::Route> event_routes(EventFeed& feed);

}  // namespace gyre
