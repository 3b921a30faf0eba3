// What request bodies are made of: JSON files, variables, lists; refusals name the flag or the file.
#pragma once

#include <boost/json.hpp>
#include <map>
#include <string>
#include <vector>

#include "base/money.hpp"
#include "base/result.hpp"

namespace gyre::cli {

Result<std::string> read_all(const std::string& file);              // "-" is standard input
Result<boost::json::object> body_of_file(const std::string& file);  // "" is an empty body
boost::json::array texts(const std::vector<std::string>& values);
Result<Money> dollars(const std::string& flag, const std::string& text);  // "0.25"

// What was there, then the file's, then the flags'; the later wins. `given`: NAME=VALUE, or NAME to take it from
// `environment`.
Result<boost::json::object> variables(const boost::json::value& before, const std::string& file,
                                      const std::vector<std::string>& given,
                                      const std::map<std::string, std::string>& environment);

}  // namespace gyre::cli
