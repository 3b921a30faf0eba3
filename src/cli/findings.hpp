// What a check of this machine found, as `gyre doctor` and `gyre compat check` print it: a line each, with what to do
// under those that are not well.
#pragma once

#include <boost/json/fwd.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "base/reasons.hpp"
#include "base/time.hpp"
#include "cli/terminal.hpp"

namespace gyre::cli {

// `level`: ok, warn or fail. `reason`: why it is not ok; without one `words` is said.
boost::json::object finding(std::string_view check, std::string_view level, std::optional<Reason> reason,
                            const Args& args, const std::string& words, Language language);

void show_findings(const Terminal& terminal, Time now, const boost::json::array& findings);

}  // namespace gyre::cli
