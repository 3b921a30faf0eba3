#include "cli/bodies.hpp"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iostream>
#include <sstream>

#include "cli/ask.hpp"

namespace gyre::cli {

namespace json = boost::json;

namespace {

Result<> add_variable(json::object& env, const std::string& text, const std::string& flag,
                      const std::map<std::string, std::string>& environment) {
  const auto equals = text.find('=');
  const auto name = text.substr(0, equals);
  if (name.empty()) return wrong(flag, "\"" + text + "\" has no name; expected NAME=VALUE");
  if (equals != std::string::npos) {
    env[name] = text.substr(equals + 1);
    return {};
  }
  const auto found = environment.find(name);
  if (found == environment.end()) return wrong(flag, name + " is not set in this environment; expected NAME=VALUE");
  env[name] = found->second;
  return {};
}

}  // namespace

Result<std::string> read_all(const std::string& file) {
  std::stringstream text;
  if (file == "-") {
    text << std::cin.rdbuf();
    return text.str();
  }
  std::ifstream in(file);
  text << in.rdbuf();
  if (!in) return wrong(file, std::strerror(errno));
  return text.str();
}

Result<json::object> variables(const json::value& before, const std::string& file,
                               const std::vector<std::string>& given,
                               const std::map<std::string, std::string>& environment) {
  json::object env;
  if (before.is_object()) env = before.get_object();
  if (!file.empty())
    for (const auto& line : TRY(read_env_file(file))) TRY(add_variable(env, line, "--env-file", environment));
  for (const auto& text : given) TRY(add_variable(env, text, "--env", environment));
  return env;
}

Result<json::object> body_of_file(const std::string& file) {
  if (file.empty()) return json::object();
  const auto text = TRY(read_all(file));
  boost::system::error_code error;
  auto value = json::parse(text, error);
  if (error) return wrong(file, error.message());
  if (!value.is_object()) return wrong(file, "expected a JSON object");
  return std::move(value.as_object());
}

Result<Money> dollars(const std::string& flag, const std::string& text) {
  const auto amount = Money::parse(text);
  if (!amount) return wrong(flag, "\"" + text + "\" is no amount of dollars, as 0.25");
  return *amount;
}

json::array texts(const std::vector<std::string>& values) {
  json::array out;
  for (const auto& value : values) out.emplace_back(value);
  return out;
}

}  // namespace gyre::cli
