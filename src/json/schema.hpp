// JSON Schema from described structs, with the words of each field, for OpenAPI. A wire struct names its fields as the
// wire does and has a sibling `fields(const T*)` that says what each is:
//
//   struct CreateKey { std::string name; int days = 90; std::optional<std::string> scope; };
//   BOOST_DESCRIBE_STRUCT(CreateKey, (), (name, days, scope))
//   inline json::Fields fields(const CreateKey*) {
//     return {{"name", "what you call it", R"("laptop")"},
//             {"days", "how long it is valid, in days", "30", json::defaulted},
//             {"scope", "READ or READ_WRITE", R"("READ_WRITE")"}};
//   }
//
// What an absent (or null) member means when a body is decoded:
//   std::optional          it may be absent: nullopt
//   json::defaulted        it may be absent: the member keeps the initial value that the struct gives it (90 above)
//   anything else          missing_field, naming the path
// A struct without `fields` is no contract but a document of ours (a journal, what an engine answered): there an absent
// member always keeps its initial value, so that a newer version reads what an older one wrote.
//
// A field without words, words without a field, or an example that the field would refuse throws std::logic_error when
// the schema is built (at server start and in every test).
#pragma once

#include <boost/json/fwd.hpp>
#include <cstdint>
#include <string>
#include <vector>

namespace gyre::json {

enum class Presence : std::uint8_t {
  by_type,    // std::optional may be absent, everything else must be there
  defaulted,  // absent keeps the member's initial value; the schema shows it as `default`
};
inline constexpr Presence defaulted = Presence::defaulted;

struct Field {
  std::string name, description, example;  // example: JSON text
  Presence presence = Presence::by_type;
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
