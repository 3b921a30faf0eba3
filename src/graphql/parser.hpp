// Text to syntax tree. Messages and places of syntax errors are those of the reference implementation.
#pragma once

#include <cstddef>
#include <limits>
#include <memory>
#include <string>
#include <tl/expected.hpp>

#include "graphql/ast.hpp"
#include "graphql/error.hpp"

namespace gyre::graphql {

struct ParseLimits {
  std::size_t tokens_max = std::numeric_limits<std::size_t>::max();
  std::size_t nesting_max = 200;  // of braces and brackets: what protects the stack
};

// Never null. The error has the code graphql_too_many_tokens or graphql_too_deep when it is a limit that was met.
tl::expected<std::shared_ptr<const ast::Document>, GraphError> parse(std::string text, const ParseLimits& limits = {});

}  // namespace gyre::graphql
