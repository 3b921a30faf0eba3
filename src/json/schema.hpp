// JSON Schema from described structs, with the words of each field, for OpenAPI. A wire struct names its fields as the
// wire does and has a sibling `fields(const T*)` that says what each is:
//
//   struct CreateKey { std::string name; std::optional<std::string> scope; };
//   BOOST_DESCRIBE_STRUCT(CreateKey, (), (name, scope))
//   inline json::Fields fields(const CreateKey*) {
//     return {{"name", "what you call it", R"("laptop")"}, {"scope", "READ, READ_WRITE", R"("READ_WRITE")"}};
//   }
//
// A field without words, or words without a field, fails when the schema is built (at server start and in every test).
#pragma once

#include <boost/json/fwd.hpp>
#include <string>
#include <vector>

namespace gyre::json {

struct Field {
  std::string name, description, example;  // example: JSON text
};
using Fields = std::vector<Field>;

// A named schema that can be built when needed; empty() when there is none. Make one with schema<T>() of codec.hpp.
struct SchemaRef {
  std::string name;  // "CreatePod", "Pod"; "" none
  // Writes the schema and those it needs under their names into the object and returns a reference to it.
  boost::json::value (*build)(boost::json::object& definitions) = nullptr;
  bool empty() const { return build == nullptr; }
};

}  // namespace gyre::json
