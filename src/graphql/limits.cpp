#include "graphql/limits.hpp"

#include "base/reasons.hpp"

namespace gyre::graphql {

GraphError refusal(Reason reason, Args args) {
  GraphError out;
  out.message = sentence(reason, args, Language::en);
  if (const auto fix = way_out(reason, args, Language::en); !fix.empty()) out.message += ": " + fix;
  out.extensions["code"] = std::string(reason_text(reason));
  return out;
}

}  // namespace gyre::graphql
