// How large a document is once its fragments are spread, before anybody looks at what it means.
#pragma once

#include <optional>

#include "graphql/ast.hpp"
#include "graphql/error.hpp"
#include "graphql/limits.hpp"

namespace gyre::graphql {

// The limit that the document does not keep, if there is one. Each operation is measured for itself.
std::optional<GraphError> over_limit(const ast::Document& document, const Limits& limits);

}  // namespace gyre::graphql
