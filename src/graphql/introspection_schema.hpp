// The part of every schema that describes schemas, in the schema language; the words are the specification's.
#pragma once

#include <string_view>

namespace gyre::graphql {

extern const std::string_view introspection_schema;

}  // namespace gyre::graphql
