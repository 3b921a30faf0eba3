// Input values: literals of a document and JSON of a request, made into what a type wants, or refused with the words of
// the reference. What comes out is JSON whose numbers, strings and keys are those of the type.
#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <optional>
#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "graphql/ast.hpp"
#include "graphql/error.hpp"
#include "graphql/schema.hpp"

namespace gyre::graphql {

// Where we are more forgiving than the specification, because clients in use are.
struct Leniency {
  bool enum_strings = false;    // "ALL" in a document where the enumerator ALL is wanted
  bool unknown_inputs = false;  // fields of an input object that the schema does not know are passed over
};

// What went wrong, and the nodes to blame; the places become lines and columns where the source is known.
struct Failure {
  std::string message;
  std::vector<ast::Offset> at;
};

using Variables = boost::json::object;  // coerced; absent is not the same as null

// A literal of a scalar or an enum. `variables` may be null.
tl::expected<boost::json::value, Failure> read_literal(const Type& type, const ast::Value& value,
                                                       const Variables* variables, const Leniency& leniency);
// A literal of any type; nothing when it does not fit, or is a variable that was not given.
std::optional<boost::json::value> value_of(const ast::Value& value, const Type& type, const Variables* variables,
                                           const Leniency& leniency);

// The variables of an operation, from the JSON that came with it.
tl::expected<Variables, GraphErrors> coerce_variables(const Schema& schema, const ast::Document& document,
                                                      const ast::Definition& operation,
                                                      const boost::json::object& given, const Leniency& leniency);

// The arguments of one field or directive that starts at `at`.
tl::expected<boost::json::object, Failure> coerce_arguments(const std::vector<InputField>& wanted,
                                                            const ast::List<ast::Argument>& given, ast::Offset at,
                                                            const Variables& variables, const Leniency& leniency);

// How a default value is written in the schema language; empty when it cannot be.
std::string literal_text(const boost::json::value& value, const Type& type);

// The value as a message shows it: long and deep ones shortened.
std::string inspect(const boost::json::value& value);

double number_of(const boost::json::value& value);  // of any JSON number
void write_json(std::string& out, const boost::json::value& value);

}  // namespace gyre::graphql
