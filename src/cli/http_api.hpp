// The API over HTTP: key, language and idempotency key on every call, another try where that is safe.
#pragma once

#include <memory>

#include "cli/api.hpp"
#include "cli/context.hpp"

namespace gyre::cli {

// `stop` ends calls in flight (Ctrl C).
std::unique_ptr<Api> http_api(Context context, Language language, std::stop_token stop);

}  // namespace gyre::cli
