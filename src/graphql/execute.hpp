// Runs one operation of a valid document and writes its answer. Synchronous: fields one after the other, depth first,
// lists whole, so that the caller's thread and transaction are those of every resolver.
#pragma once

#include <boost/json/object.hpp>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "graphql/ast.hpp"
#include "graphql/error.hpp"
#include "graphql/limits.hpp"
#include "graphql/resolvers.hpp"
#include "graphql/schema.hpp"
#include "graphql/values.hpp"

namespace gyre::graphql {

// Runs the function it is given, which answers whether the field of the mutation went well; the place for a savepoint.
using AroundMutation = std::function<void(const std::function<bool()>& run)>;

struct Execution {
  // `{"data":` and the data: how an answer without errors begins, so that a large one need not be moved. Nothing when
  // the operation could not begin.
  std::optional<std::string> data;
  GraphErrors errors;
};

struct ExecuteOptions {
  std::size_t values_max = Limits{}.values_max;
  Leniency leniency;
  AroundMutation around_mutation;  // may be empty
  std::size_t expected_bytes = 0;  // how long the answer will be, about: room is made for it at once
};

// The operation that is meant; the error is the reference's.
tl::expected<const ast::Definition*, GraphError> choose_operation(const ast::Document& document,
                                                                  const std::optional<std::string>& name);

Execution execute(const Resolvers& resolvers, const ast::Document& document, const ast::Definition& operation,
                  const boost::json::object& variables, const Context& context, const ExecuteOptions& options = {});

// {"errors": [...], "data": ...}
std::string write_answer(Execution execution);

void add_introspection(Resolvers& resolvers);

}  // namespace gyre::graphql
