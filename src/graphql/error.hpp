// What is told to a client that something went wrong: the shape that the specification gives to an entry of `errors`.
#pragma once

#include <boost/json/object.hpp>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace gyre::graphql {

struct Location {
  int line = 1, column = 1;  // columns count UTF-16 units, as the reference does
  bool operator==(const Location&) const = default;
};

using PathStep = std::variant<std::string, std::size_t>;
using Path = std::vector<PathStep>;

struct GraphError {
  std::string message;
  std::vector<Location> locations;
  std::optional<Path> path;
  boost::json::object extensions;  // {"code": "..."}; empty is not written
};
using GraphErrors = std::vector<GraphError>;

Location location_of(std::string_view source, std::size_t offset);
void write_error(std::string& out, const GraphError& error);  // appends it as JSON

}  // namespace gyre::graphql
