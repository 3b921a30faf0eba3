// Documents, variables and schemas from a stranger. What must hold, whatever the bytes: nothing crashes or runs on, a
// printed document reads back as the same tree, an answer is JSON.
#include <boost/json/parse.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "base/check.hpp"
#include "graphql/engine.hpp"
#include "graphql/parser.hpp"
#include "graphql/printer.hpp"
#include "targets.hpp"

namespace gyre::fuzz {
namespace {

using namespace gyre::graphql;

constexpr std::string_view schema_text = R"(
  enum Color { RED GREEN }
  scalar Json
  interface Node { id: ID! }
  type Pod implements Node { id: ID! name: String cost: Float color: Color self(first: Int = 3, colors: [Color!]): [Pod!] extra: Json }
  type Host implements Node { id: ID! pods: [Pod] }
  union Any = Pod | Host
  input Filter { ids: [ID!] not: Filter exact: Boolean! = true range: [[Int]] json: Json }
  directive @tag(name: String!) repeatable on FIELD | FRAGMENT_SPREAD | QUERY
  type Query { pod(id: ID!, filter: Filter): Pod any: [Any!]! node: Node echo(int: Int, filter: Filter): String }
  type Mutation { save(filter: Filter!): Pod! }
)";

struct Pod {};
struct Host {};

struct World {
  World() {
    resolvers.query()
        .field("pod", [](Ask&) { return Pod{}; })
        .field("any", [](Ask&) { return std::vector<std::variant<Pod, Host>>(2); })
        .field("node", [](Ask&) { return std::variant<Pod, Host>(Host{}); })
        .field("echo", [](Ask& ask) {
          std::string out;
          write_json(out, ask.arguments());
          return out;
        });
    resolvers.mutation().field("save", [](Ask&) { return std::optional<Pod>(); });
    resolvers.type<Pod>("Pod")
        .field("id", [](const Pod&) { return 7; })
        .field("name", [](const Pod&) { return "\xff\x01\""; })
        .field("cost", [](const Pod&) { return 0.1; })
        .field("color", [](const Pod&) { return "BLUE"; })
        .batch("self", [](std::span<const Pod* const> pods,
                          Ask&) { return std::vector<std::vector<Pod>>(pods.size(), std::vector<Pod>(2)); })
        .field("extra", [](const Pod&, Ask& ask) { return boost::json::value(ask.arguments()); });
    resolvers.type<Host>("Host").field("id", [](const Host&) { return "h"; }).field("pods", [](const Host&) {
      return std::vector<std::optional<Pod>>(1);
    });
    engine.emplace(resolvers);
  }
  Schema schema{schema_text};
  Resolvers resolvers{schema};
  std::optional<Engine> engine;  // made when the resolvers are there
};

void require_json(const std::string& text) {
  boost::json::parse_options options;
  options.max_depth = 1000;
  boost::json::parse(text, {}, options);  // throws, and so crashes, when it is none
}

}  // namespace

// The first byte says what the rest is: a schema, an HTTP body, or a document.
void graphql(std::string_view bytes) {
  static World world;
  if (bytes.empty()) return;
  const auto text = bytes.substr(1);
  const Request request;
  switch (static_cast<unsigned char>(bytes[0]) % 3) {
    case 0: {
      try {
        const Schema schema(text);
        CHECK(!schema.print().empty());
      } catch (const SchemaError&) {
      }
      break;
    }
    case 1: {
      const auto reply = world.engine->answer({.body = std::string(text)}, request);
      require_json(reply.body);
      break;
    }
    default: {
      if (const auto parsed = parse(std::string(text))) {
        const auto again = parse(print(**parsed));
        CHECK(again && gyre::graphql::ast::same(**parsed, **again));
      }
      require_json(write_answer(world.engine->run(text, {}, std::nullopt, request)));
    }
  }
}

}  // namespace gyre::fuzz
