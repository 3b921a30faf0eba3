// Is a document one that this schema can execute? All 26 rules of the specification, in one walk, with the messages,
// places and order of the reference implementation.
#pragma once

#include "graphql/ast.hpp"
#include "graphql/error.hpp"
#include "graphql/schema.hpp"
#include "graphql/values.hpp"

namespace gyre::graphql {

// Empty: it is valid. At most 100 errors, then one that says that there are more.
GraphErrors validate(const Schema& schema, const ast::Document& document, const Leniency& leniency = {});

}  // namespace gyre::graphql
