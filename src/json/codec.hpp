// Described structs to and from JSON. Errors name the path of the field: "ports[1]: expected PORT/http or PORT/tcp".
// Include this only where the wire is (*_routes.cpp): it brings all of Boost.JSON.
//
//   decode<CreatePod>(text)   unknown keys are refused (or ignored, when the caller says so), null counts as absent
//   encode(view)              absent optionals are written as null
//
// Supported members: bool, integers (range-checked), double, std::string, Id, Time (RFC 3339), described enums,
// std::optional, std::vector, std::map<std::string, T>, nested described structs, boost::json::value (as it is).
#pragma once

#include <boost/json.hpp>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "json/schema.hpp"

namespace gyre::json {

enum class UnknownKeys { refuse, ignore };

template <class T>
Result<T> decode(std::string_view text, UnknownKeys unknown = UnknownKeys::refuse);
template <class T>
Result<T> decode(const boost::json::value& value, const std::string& path, UnknownKeys unknown);

template <class T>
boost::json::value to_json(const T& value);
template <class T>
std::string encode(const T& value);

template <class T>
SchemaRef schema();          // of one T
template <class T>
SchemaRef schema_list();     // of an array of T

// Text to a value with limits on depth (32) and a readable error. An empty text is invalid_json.
Result<boost::json::value> parse(std::string_view text);

}  // namespace gyre::json
