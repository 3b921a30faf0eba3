// What the verbs of every noun do alike: ask the server for JSON, read a list page by page.
#pragma once

#include <boost/json/value.hpp>
#include <string>

#include "cli/commands.hpp"

namespace gyre::cli {

// The answer's JSON; null for an empty body.
Outcome<boost::json::value> ask(Commands& c, const std::string& method, const std::string& target,
                                std::string body = {});

// Every row of a list, page by page. `cursor`: where to begin; afterwards where the next page would begin, when
// `one_page` ended it there.
Outcome<boost::json::array> ask_all(Commands& c, const std::string& target, std::string& cursor, bool one_page);

// A row of the list at `target` by its id, or by a name that only one has; else `not_found` with {id}.
Outcome<boost::json::value> find_named(Commands& c, const std::string& target, const std::string& id_or_name,
                                       Reason not_found);

// A flag, an argument or a variable that cannot be meant so.
inline tl::unexpected<Error> wrong(std::string argument, std::string detail) {
  return fail(Reason::bad_argument, {{"argument", std::move(argument)}, {"detail", std::move(detail)}});
}

// A text that goes on, as a log that is followed, to standard output. The exit code; what was wrong is said.
int print_stream(Commands& c, const std::string& target);

Outcome<boost::json::value> parsed(const Answer& answer, const Commands& c);

}  // namespace gyre::cli
