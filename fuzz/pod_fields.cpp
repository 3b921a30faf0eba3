#include "base/check.hpp"
#include "pods/parse.hpp"
#include "targets.hpp"

namespace gyre::fuzz {

void pod_fields(std::string_view bytes) {
  if (const auto port = parse_port(bytes, "ports[0]")) CHECK(port->port >= 1 && port->port <= 65535);
  if (const auto texts = split_ports(bytes, "ports"))
    if (const auto ports = parse_ports(*texts, "ports")) CHECK(ports->size() <= 30);
  if (is_variable_name(bytes)) CHECK(bytes.size() <= 255 && bytes.find('=') == std::string_view::npos);
  if (const auto words = split_command(bytes, "dockerArgs")) {
    // Quoted again, the words are the same words.
    std::string quoted;
    for (const auto& word : *words) {
      quoted += "'";
      for (const char c : word) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
      quoted += "' ";
    }
    const auto again = split_command(quoted, "dockerArgs");
    CHECK(again && *again == *words);
  }
  static_cast<void>(parse_docker_args(bytes, "dockerArgs"));
}

}  // namespace gyre::fuzz
