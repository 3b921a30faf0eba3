// Answers the judge: one JSON object a line on stdin, one a line on stdout.
//   graphql_driver SCHEMA DATA
//   {"query": ..., "variables": ..., "operationName": ...}   the engine's answer, over the data
//   {"print": DOCUMENT}                                      {"printed": ...} or {"error": ...}
//   {"schema": DOCUMENT}                                     {"printed": ...} or {"error": ...}
// Every object is a JSON object whose fields are its keys; {"$ref": KEY} is the object of that key in the data,
// {"$error": TEXT} a resolver that fails.
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <fstream>
#include <iostream>
#include <iterator>

#include "graphql/engine.hpp"
#include "graphql/parser.hpp"
#include "graphql/printer.hpp"
#include "graphql/text.hpp"

namespace gyre::graphql {
namespace {

namespace bj = boost::json;

std::string read_file(const char* path) {
  std::ifstream file(path);
  if (!file) throw std::runtime_error(std::string("cannot read ") + path);
  return {std::istreambuf_iterator<char>(file), {}};
}

class Data {
 public:
  explicit Data(bj::value all) : all_(std::move(all)) {}

  Result<Value> field(const bj::value& source, const std::string& name) const {
    const auto* object = source.if_object();
    const auto* found = object ? object->if_contains(name) : nullptr;
    return found ? follow(*found) : Value();
  }
  const bj::value& root(const std::string& name) const { return all_.at(name); }

  const bj::value& resolve(const bj::value& value) const {
    const auto* object = value.if_object();
    const auto* ref = object ? object->if_contains("$ref") : nullptr;
    return ref ? all_.at(ref->get_string()) : value;
  }

  Result<Value> follow(const bj::value& value) const {
    const auto& target = resolve(value);
    if (const auto* object = target.if_object())
      if (const auto* error = object->if_contains("$error"))
        return invalid("resolver", std::string(error->get_string().c_str()));
    if (target.is_array()) return Value::list(list(target.get_array()), access_);
    return Value::json(target);
  }

 private:
  // References inside lists: seen through a list that knows the data.
  struct Items {
    const Data* data;
    const bj::array* array;
  };
  const Items* list(const bj::array& array) const {
    return &lists_.try_emplace(&array, Items{this, &array}).first->second;
  }
  static std::size_t size_of(const void* list) { return static_cast<const Items*>(list)->array->size(); }
  static Value item_of(const void* list, std::size_t index) {
    const auto& items = *static_cast<const Items*>(list);
    const auto& item = (*items.array)[index];
    if (item.is_array()) return Value::list(items.data->list(item.get_array()), access_);
    return Value::json(items.data->resolve(item));
  }
  static constexpr ListAccess access_{&size_of, &item_of};

  bj::value all_;
  mutable std::map<const bj::array*, Items> lists_;
};

struct Counter {
  double value = 0;
};

void add_resolvers(Resolvers& resolvers, const Data& data) {
  const auto& schema = resolvers.schema();
  resolvers.kind_of<bj::value>([](const bj::value& value) -> std::string {
    const auto* object = value.if_object();
    const auto* name = object ? object->if_contains("__typename") : nullptr;
    return name ? std::string(name->get_string().c_str()) : "";
  });
  for (const auto* type : schema.types()) {
    if (type->kind != Kind::object || type->name.starts_with("__")) continue;
    for (const auto kind :
         {ast::OperationKind::query, ast::OperationKind::mutation, ast::OperationKind::subscription}) {
      if (schema.root(kind) != type) continue;
      auto root = resolvers.type<Root>(type->name);
      for (const auto& field : type->fields) {
        if (field.name == "echo" || field.name == "required")
          root.field(field.name, [](Ask& ask) {
            std::string out;
            write_json(out, ask.arguments());
            return out;
          });
        else if (field.name == "bump" || field.name == "bumpHard")
          root.field(field.name, [](Ask& ask) {
            const auto& by = ask.argument("by");
            return ask.context<Counter>().value += by.is_null() ? 0 : number_of(by);
          });
        else if (field.name == "fail" || field.name == "failHard")
          root.field(field.name, [](Ask&) -> Result<std::string> { return invalid("resolver", "no"); });
        else
          root.field(field.name, [&data, name = field.name, &type_name = type->name](Ask&) {
            return data.field(data.root(type_name), name);
          });
      }
    }
    if (schema.root(ast::OperationKind::query) == type || schema.root(ast::OperationKind::mutation) == type ||
        schema.root(ast::OperationKind::subscription) == type)
      continue;
    auto object = resolvers.type<bj::value>(type->name);
    for (const auto& field : type->fields) {
      // Some in one go for a whole list: the answers must be the same.
      if (field.index % 2 == 1)
        object.batch(field.name, [&data, name = field.name](std::span<const bj::value* const> sources, Ask&) {
          std::vector<Result<Value>> out;
          for (const auto* source : sources) out.push_back(data.field(*source, name));
          return out;
        });
      else
        object.field(field.name,
                     [&data, name = field.name](const bj::value& source, Ask&) { return data.field(source, name); });
    }
  }
}

std::string told(std::string_view key, std::string_view text) {
  std::string out = "{";
  append_json(out, key);
  out += ':';
  append_json(out, text);
  return out + '}';
}

std::string answer(Engine& engine, const std::string& line) {
  bj::parse_options options;
  options.max_depth = 1000;
  const auto asked = bj::parse(line, {}, options).as_object();
  const auto text = [&](const char* key) {
    return std::string(asked.at(key).get_string().data(), asked.at(key).get_string().size());
  };
  if (asked.contains("print")) {
    const auto parsed = parse(text("print"));
    return parsed ? told("printed", print(**parsed)) : told("error", parsed.error().message);
  }
  if (asked.contains("schema")) {
    try {
      return told("printed", Schema(text("schema")).print());
    } catch (const SchemaError& error) {
      return told("error", error.what());
    }
  }
  Counter counter;
  Request request;
  request.context.add(counter);
  const auto* variables = asked.if_contains("variables");
  const auto* name = asked.if_contains("operationName");
  return write_answer(
      engine.run(text("query"), variables && variables->is_object() ? variables->get_object() : bj::object(),
                 name && name->is_string() ? std::optional(text("operationName")) : std::nullopt, request));
}

int run(const char* schema_path, const char* data_path) {
  const Schema schema(read_file(schema_path));
  const Data data(bj::parse(read_file(data_path)));
  Resolvers resolvers(schema);
  add_resolvers(resolvers, data);
  EngineOptions options;
  options.limits.depth_max = options.limits.nesting_max = 1000;
  Engine engine(resolvers, options);
  std::string line;
  while (std::getline(std::cin, line)) std::cout << answer(engine, line) << '\n' << std::flush;
  return 0;
}

}  // namespace
}  // namespace gyre::graphql

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "usage: graphql_driver SCHEMA DATA\n";
    return 2;
  }
  try {
    return gyre::graphql::run(argv[1], argv[2]);
  } catch (const std::exception& error) {
    std::cerr << "graphql_driver: " << error.what() << '\n';
    return 1;
  }
}
