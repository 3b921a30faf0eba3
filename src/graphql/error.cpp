#include "graphql/error.hpp"

#include <algorithm>

#include "graphql/text.hpp"
#include "graphql/values.hpp"

namespace gyre::graphql {

Location location_of(std::string_view source, std::size_t offset) {
  offset = std::min(offset, source.size());
  Location out;
  std::size_t start = 0;
  for (std::size_t i = 0; i < offset; ++i) {
    const bool pair = source[i] == '\r' && i + 1 < source.size() && source[i + 1] == '\n';
    if (source[i] != '\n' && source[i] != '\r') continue;
    if (pair) ++i;
    ++out.line;
    start = i + 1;
  }
  if (start < offset) out.column += static_cast<int>(utf16_size(source.substr(start, offset - start)));
  return out;
}

void write_error(std::string& out, const GraphError& error) {
  out += "{\"message\":";
  append_json(out, error.message);
  if (!error.locations.empty()) {
    out += ",\"locations\":[";
    for (std::size_t i = 0; i < error.locations.size(); ++i)
      out += (i ? ",{\"line\":" : "{\"line\":") + std::to_string(error.locations[i].line) +
             ",\"column\":" + std::to_string(error.locations[i].column) + '}';
    out += ']';
  }
  if (error.path) {
    out += ",\"path\":[";
    for (std::size_t i = 0; i < error.path->size(); ++i) {
      if (i) out += ',';
      const auto& step = (*error.path)[i];
      if (const auto* key = std::get_if<std::string>(&step))
        append_json(out, *key);
      else
        out += std::to_string(std::get<std::size_t>(step));
    }
    out += ']';
  }
  if (!error.extensions.empty()) {
    out += ",\"extensions\":";
    write_json(out, error.extensions);
  }
  out += '}';
}

}  // namespace gyre::graphql
