// Syntax tree to text, laid out as the reference does: print(parse(print(x))) == print(x).
#pragma once

#include <string>
#include <string_view>

#include "graphql/ast.hpp"

namespace gyre::graphql {

std::string print(const ast::Document& document);
std::string print(const ast::Value& value);
std::string print(const ast::Value& value, bool sorted);  // sorted: the fields of objects by their names
std::string print(const ast::Type& type);

std::string print_string(std::string_view text);        // "..." with its escapes
std::string print_block_string(std::string_view text);  // """..."""
bool printable_as_block_string(std::string_view text);  // would mean the same

}  // namespace gyre::graphql
