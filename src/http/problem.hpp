// The body of every refusal, as OpenAPI describes it. Written by problem() of message.hpp.
#pragma once

#include <boost/describe.hpp>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

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

// RunPod's REST v2 (/v2/...) words its refusals in its own way. One rule decides which of the two a path gets.
enum class ProblemForm { ours, rest_v2 };
ProblemForm problem_form(std::string_view path);

// The statuses of the first form, but for input that was read and is wrong: that is 422 there.
int status_of(Reason reason, ProblemForm form);

// `detail` is one of few sentences that its clients know, where there is one; what is the matter stands in `errors`.
struct ProblemV2 {
  std::string title;
  int status = 500;
  std::string detail;
  std::vector<std::string> errors;
  std::string type, code;
  std::optional<std::string> field;
  std::optional<std::string> fix;
  std::map<std::string, std::string> args;
  std::string requestId;
};
BOOST_DESCRIBE_STRUCT(ProblemV2, (), (title, status, detail, errors, type, code, field, fix, args, requestId))

json::Fields fields(const ProblemV2*);

ProblemV2 problem_v2_of(const Error& error, Language language, std::string request_id);
std::string problem_json(const ProblemV2& problem);

}  // namespace gyre::http
