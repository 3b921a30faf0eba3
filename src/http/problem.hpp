// The body of every refusal, as OpenAPI describes it. Written by problem() of message.hpp.
#pragma once

#include <boost/describe.hpp>
#include <map>
#include <optional>
#include <string>

#include "base/result.hpp"
#include "json/schema.hpp"

namespace gyre::http {

struct Problem {
  std::string type, title;
  int status = 500;
  std::string detail, code;
  std::optional<std::string> field;
  std::optional<std::string> fix;
  std::map<std::string, std::string> args;
  std::string requestId, error, message;
};
BOOST_DESCRIBE_STRUCT(Problem, (), (type, title, status, detail, code, field, fix, args, requestId, error, message))

json::Fields fields(const Problem*);

Problem problem_of(const Error& error, Language language, std::string request_id);
std::string problem_json(const Problem& problem);  // leaves out what is absent

}  // namespace gyre::http
