// How much one request may ask for. Every refusal has a stable code in `extensions.code`; the words are in
// base/reasons/graphql.def.
#pragma once

#include <cstddef>

#include "base/reasons.hpp"
#include "graphql/error.hpp"

namespace gyre::graphql {

struct Limits {
  std::size_t document_bytes_max = 256 * 1024;  // graphql_too_large
  std::size_t tokens_max = 20'000;              // graphql_too_many_tokens
  std::size_t nesting_max = 200;                // graphql_too_deep: braces and brackets, before anything is known
  std::size_t depth_max = 30;                   // graphql_too_deep: selections within selections, fragments spread
  std::size_t aliases_max = 500;                // graphql_too_many_aliases: in the document, fragments spread
  std::size_t cost_max = 20'000;                // graphql_too_costly: fields selected, fragments spread
  std::size_t values_max = 1'000'000;           // graphql_too_costly: fields answered, as lists multiply them
};

// {"message": ..., "extensions": {"code": ...}} of a reason.
GraphError refusal(Reason reason, Args args = {});

}  // namespace gyre::graphql
