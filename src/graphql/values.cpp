#include "graphql/values.hpp"

#include <charconv>
#include <cmath>
#include <cstdlib>

#include "graphql/printer.hpp"
#include "graphql/text.hpp"

namespace gyre::graphql {
namespace {

namespace bj = boost::json;

constexpr double int_min = -2147483648.0, int_max = 2147483647.0;
constexpr std::size_t variable_errors_max = 50;

std::string_view view(const bj::string& text) { return {text.data(), text.size()}; }
std::string_view view(bj::string_view text) { return {text.data(), text.size()}; }
bj::string_view view(std::string_view text) { return {text.data(), text.size()}; }

bool is_number(const bj::value& value) { return value.is_int64() || value.is_uint64() || value.is_double(); }
bool is_whole(double number) { return std::isfinite(number) && std::trunc(number) == number; }

// strtod and not from_chars: too large must become infinite, as it does in JavaScript.
double read_number(std::string_view text) { return std::strtod(std::string(text).c_str(), nullptr); }

bj::value whole_value(double number) { return static_cast<std::int64_t>(number); }

std::vector<std::string_view> member_names(const Type& type) {
  std::vector<std::string_view> out;
  for (const auto& member : type.members) out.push_back(member.name);
  return out;
}

std::string enum_suggestion(const Type& type, std::string_view text) {
  return did_you_mean(suggestions(text, member_names(type)), "the enum value");
}

std::vector<std::string_view> input_names(const Type& type) {
  std::vector<std::string_view> out;
  for (const auto& field : type.inputs) out.push_back(field.name);
  return out;
}

// A literal of no particular type, for custom scalars; nothing for a variable that was not given.
std::optional<bj::value> untyped(const ast::Value& value, const Variables* variables) {
  switch (value.kind) {
    case ast::ValueKind::null:
      return bj::value(nullptr);
    case ast::ValueKind::integer:
    case ast::ValueKind::number: {
      const double number = read_number(value.text);
      if (is_whole(number) && std::abs(number) < 1e15) return whole_value(number);
      return bj::value(number);
    }
    case ast::ValueKind::string:
    case ast::ValueKind::enumerator:
      return bj::value(view(value.text));
    case ast::ValueKind::boolean:
      return bj::value(value.text == "true");
    case ast::ValueKind::list: {
      bj::array out;
      for (const auto& item : value.items) {
        const auto read = untyped(item, variables);
        out.push_back(read ? *read : bj::value(nullptr));
      }
      return bj::value(std::move(out));
    }
    case ast::ValueKind::object: {
      bj::object out;
      for (const auto& field : value.fields)
        if (auto read = untyped(*field.value, variables)) out[view(field.name.text)] = std::move(*read);
      return bj::value(std::move(out));
    }
    case ast::ValueKind::variable: {
      const auto* found = variables ? variables->if_contains(view(value.text)) : nullptr;
      return found ? std::optional<bj::value>(*found) : std::nullopt;
    }
  }
  return std::nullopt;
}

// JSON of a request for a scalar or enum; the error is the reference's message.
tl::expected<bj::value, std::string> read_json(const Type& type, const bj::value& value) {
  const auto wrong = [](std::string message) { return tl::unexpected(std::move(message)); };
  if (type.kind == Kind::enum_type) {
    if (!value.is_string()) {
      const auto shown = inspect(value);
      return wrong("Enum \"" + type.name + "\" cannot represent non-string value: " + shown + '.' +
                   enum_suggestion(type, shown));
    }
    const auto text = view(value.get_string());
    if (!type.member(text))
      return wrong("Value \"" + std::string(text) + "\" does not exist in \"" + type.name + "\" enum." +
                   enum_suggestion(type, text));
    return value;
  }
  switch (type.scalar) {
    case Scalar::integer: {
      const double number = is_number(value) ? number_of(value) : std::nan("");
      if (!is_whole(number)) return wrong("Int cannot represent non-integer value: " + inspect(value));
      if (number > int_max || number < int_min)
        return wrong("Int cannot represent non 32-bit signed integer value: " + number_text(number));
      return whole_value(number);
    }
    case Scalar::number:
      if (!is_number(value) || !std::isfinite(number_of(value)))
        return wrong("Float cannot represent non numeric value: " + inspect(value));
      return bj::value(number_of(value));
    case Scalar::string:
      if (!value.is_string()) return wrong("String cannot represent a non string value: " + inspect(value));
      return value;
    case Scalar::boolean:
      if (!value.is_bool()) return wrong("Boolean cannot represent a non boolean value: " + inspect(value));
      return value;
    case Scalar::id:
      if (value.is_string()) return value;
      if (!is_number(value) || !is_whole(number_of(value)))
        return wrong("ID cannot represent value: " + inspect(value));
      return bj::value(view(std::string_view(number_text(number_of(value)))));
    case Scalar::custom:
      return value;
  }
  return value;
}

// Walks one variable's JSON and collects what is wrong with it.
class InputReader {
 public:
  InputReader(std::string_view variable, ast::Offset at, const ast::Document& document, const Leniency& leniency,
              GraphErrors& errors)
      : variable_(variable), at_(at), document_(document), leniency_(leniency), errors_(errors) {}

  std::optional<bj::value> read(const bj::value& value, const Type& type) {
    if (type.kind == Kind::non_null) {
      if (!value.is_null()) return read(value, *type.of);
      wrong(value, "Expected non-nullable type \"" + type.text() + "\" not to be null.");
      return std::nullopt;
    }
    if (value.is_null()) return value;
    if (type.kind == Kind::list) return read_list(value, *type.of);
    if (type.kind == Kind::input) return read_object(value, type);
    auto leaf = read_json(type, value);
    if (leaf) return std::move(*leaf);
    wrong(value, leaf.error());
    return std::nullopt;
  }

  bool full() const { return full_; }

 private:
  bj::value read_list(const bj::value& value, const Type& item) {
    bj::array out;
    if (const auto* list = value.if_array()) {
      for (std::size_t i = 0; i < list->size() && !full_; ++i) {
        path_.emplace_back('[' + std::to_string(i) + ']');
        out.push_back(read((*list)[i], item).value_or(nullptr));
        path_.pop_back();
      }
    } else {
      out.push_back(read(value, item).value_or(nullptr));
    }
    return out;
  }

  bj::value read_object(const bj::value& value, const Type& type) {
    bj::object out, indexed;
    const auto* object = value.if_object();
    if (const auto* list = value.if_array()) {  // an array is an object with numbers for keys, in JavaScript
      for (std::size_t i = 0; i < list->size(); ++i) indexed[std::to_string(i)] = (*list)[i];
      object = &indexed;
    }
    if (!object) {
      wrong(value, "Expected type \"" + type.name + "\" to be an object.");
      return nullptr;
    }
    for (const auto& field : type.inputs) {
      if (full_) return nullptr;
      const auto* given = object->if_contains(view(std::string_view(field.name)));
      if (!given) {
        if (field.default_value)
          out[field.name] = *field.default_value;
        else if (field.type->kind == Kind::non_null)
          wrong(value,
                "Field \"" + field.name + "\" of required type \"" + field.type->text() + "\" was not provided.");
        continue;
      }
      path_.emplace_back('.' + field.name);
      if (auto read_value = read(*given, *field.type)) out[field.name] = std::move(*read_value);
      path_.pop_back();
    }
    if (leniency_.unknown_inputs) return out;
    for (const auto& [key, given] : *object) {
      if (type.input(view(key)) || full_) continue;
      wrong(value, "Field \"" + std::string(view(key)) + "\" is not defined by type \"" + type.name + "\"." +
                       did_you_mean(suggestions(view(key), input_names(type))));
    }
    return out;
  }

  void wrong(const bj::value& value, const std::string& message) {
    if (full_) return;
    if (errors_.size() >= variable_errors_max) {
      full_ = true;
      return;
    }
    std::string text = "Variable \"$" + std::string(variable_) + "\" got invalid value " + inspect(value);
    if (!path_.empty()) {
      text += " at \"" + std::string(variable_);
      for (const auto& step : path_) text += step;
      text += '"';
    }
    errors_.push_back({.message = text + "; " + message, .locations = {location_of(document_.source, at_)}});
  }

  std::string_view variable_;
  ast::Offset at_;
  const ast::Document& document_;
  const Leniency& leniency_;
  GraphErrors& errors_;
  std::vector<std::string> path_;
  bool full_ = false;
};

bool missing_variable(const ast::Value& value, const Variables* variables) {
  return value.kind == ast::ValueKind::variable && (!variables || !variables->contains(view(value.text)));
}

bool integer_text(std::string_view text) {
  if (text.starts_with('-')) text.remove_prefix(1);
  if (text.empty() || (text.size() > 1 && text[0] == '0')) return false;
  return text.find_first_not_of("0123456789") == std::string_view::npos;
}

std::string inspect(const bj::value& value, int level) {
  constexpr std::size_t items_max = 10;
  constexpr int level_max = 2;
  if (is_number(value)) return number_text(number_of(value));
  if (value.is_string()) return quoted(view(value.get_string()));
  if (value.is_bool()) return value.get_bool() ? "true" : "false";
  if (const auto* list = value.if_array()) {
    if (list->empty()) return "[]";
    if (level >= level_max) return "[Array]";
    std::string out = "[";
    const auto shown = std::min(items_max, list->size());
    for (std::size_t i = 0; i < shown; ++i) out += (i ? ", " : "") + inspect((*list)[i], level + 1);
    const auto rest = list->size() - shown;
    if (rest == 1) out += ", ... 1 more item";
    if (rest > 1) out += ", ... " + std::to_string(rest) + " more items";
    return out + ']';
  }
  if (const auto* object = value.if_object()) {
    if (object->empty()) return "{}";
    if (level >= level_max) return "[Object]";
    std::string out = "{ ";
    for (const auto& [key, item] : *object) {
      if (out.size() > 2) out += ", ";
      out += std::string(view(key)) + ": " + inspect(item, level + 1);
    }
    return out + " }";
  }
  return "null";
}

}  // namespace

double number_of(const bj::value& value) {
  if (const auto* number = value.if_int64()) return static_cast<double>(*number);
  if (const auto* number = value.if_uint64()) return static_cast<double>(*number);
  return value.get_double();
}

std::string inspect(const bj::value& value) { return inspect(value, 0); }

void write_json(std::string& out, const bj::value& value) {
  if (is_number(value)) {
    const double number = number_of(value);
    if (std::isfinite(number))
      append_number(out, number);
    else
      out += "null";
  } else if (value.is_string()) {
    append_json(out, view(value.get_string()));
  } else if (const auto* list = value.if_array()) {
    out += '[';
    for (std::size_t i = 0; i < list->size(); ++i) {
      if (i) out += ',';
      write_json(out, (*list)[i]);
    }
    out += ']';
  } else if (const auto* object = value.if_object()) {
    out += '{';
    bool first = true;
    for (const auto& [key, item] : *object) {
      if (!first) out += ',';
      first = false;
      append_json(out, view(key));
      out += ':';
      write_json(out, item);
    }
    out += '}';
  } else {
    out += value.is_bool() ? (value.get_bool() ? "true" : "false") : "null";
  }
}

tl::expected<bj::value, Failure> read_literal(const Type& type, const ast::Value& value, const Variables* variables,
                                              const Leniency& leniency) {
  const auto wrong = [&](std::string message) { return tl::unexpected(Failure{std::move(message), {value.at}}); };
  const auto kind = value.kind;
  if (type.kind == Kind::enum_type) {
    const bool forgiven = leniency.enum_strings && kind == ast::ValueKind::string && type.member(value.text);
    if (kind != ast::ValueKind::enumerator && !forgiven) {
      const auto shown = print(value);
      return wrong("Enum \"" + type.name + "\" cannot represent non-enum value: " + shown + '.' +
                   enum_suggestion(type, shown));
    }
    if (!type.member(value.text))
      return wrong("Value \"" + std::string(value.text) + "\" does not exist in \"" + type.name + "\" enum." +
                   enum_suggestion(type, value.text));
    return bj::value(view(value.text));
  }
  switch (type.scalar) {
    case Scalar::integer: {
      if (kind != ast::ValueKind::integer) return wrong("Int cannot represent non-integer value: " + print(value));
      const double number = read_number(value.text);
      if (number > int_max || number < int_min)
        return wrong("Int cannot represent non 32-bit signed integer value: " + std::string(value.text));
      return whole_value(number);
    }
    case Scalar::number:
      if (kind != ast::ValueKind::number && kind != ast::ValueKind::integer)
        return wrong("Float cannot represent non numeric value: " + print(value));
      return bj::value(read_number(value.text));
    case Scalar::string:
      if (kind != ast::ValueKind::string) return wrong("String cannot represent a non string value: " + print(value));
      return bj::value(view(value.text));
    case Scalar::boolean:
      if (kind != ast::ValueKind::boolean)
        return wrong("Boolean cannot represent a non boolean value: " + print(value));
      return bj::value(value.text == "true");
    case Scalar::id:
      if (kind != ast::ValueKind::string && kind != ast::ValueKind::integer)
        return wrong("ID cannot represent a non-string and non-integer value: " + print(value));
      return bj::value(view(value.text));
    case Scalar::custom:
      break;
  }
  return untyped(value, variables).value_or(nullptr);
}

std::optional<bj::value> value_of(const ast::Value& value, const Type& type, const Variables* variables,
                                  const Leniency& leniency) {
  if (value.kind == ast::ValueKind::variable) {
    const auto* found = variables ? variables->if_contains(view(value.text)) : nullptr;
    if (!found || (found->is_null() && type.kind == Kind::non_null)) return std::nullopt;
    return *found;
  }
  if (type.kind == Kind::non_null) {
    if (value.kind == ast::ValueKind::null) return std::nullopt;
    return value_of(value, *type.of, variables, leniency);
  }
  if (value.kind == ast::ValueKind::null) return bj::value(nullptr);
  if (type.kind == Kind::list) {
    bj::array out;
    if (value.kind != ast::ValueKind::list) {
      auto item = value_of(value, *type.of, variables, leniency);
      if (!item) return std::nullopt;
      out.push_back(std::move(*item));
      return bj::value(std::move(out));
    }
    for (const auto& node : value.items) {
      if (missing_variable(node, variables)) {
        if (type.of->kind == Kind::non_null) return std::nullopt;
        out.push_back(nullptr);
        continue;
      }
      auto item = value_of(node, *type.of, variables, leniency);
      if (!item) return std::nullopt;
      out.push_back(std::move(*item));
    }
    return bj::value(std::move(out));
  }
  if (type.kind == Kind::input) {
    if (value.kind != ast::ValueKind::object) return std::nullopt;
    bj::object out;
    for (const auto& field : type.inputs) {
      const ast::Value* node = nullptr;
      for (const auto& given : value.fields)
        if (given.name.text == field.name) node = given.value;
      if (!node || missing_variable(*node, variables)) {
        if (field.default_value)
          out[field.name] = *field.default_value;
        else if (field.type->kind == Kind::non_null)
          return std::nullopt;
        continue;
      }
      auto read = value_of(*node, *field.type, variables, leniency);
      if (!read) return std::nullopt;
      out[field.name] = std::move(*read);
    }
    return bj::value(std::move(out));
  }
  auto leaf = read_literal(type, value, variables, leniency);
  if (!leaf) return std::nullopt;
  return std::move(*leaf);
}

tl::expected<Variables, GraphErrors> coerce_variables(const Schema& schema, const ast::Document& document,
                                                      const ast::Definition& operation, const bj::object& given,
                                                      const Leniency& leniency) {
  Variables out;
  GraphErrors errors;
  TypeNames names(schema);
  bool full = false;
  const auto wrong = [&](std::string message, ast::Offset at) {
    if (errors.size() >= variable_errors_max)
      full = true;
    else
      errors.push_back({.message = std::move(message), .locations = {location_of(document.source, at)}});
  };
  for (const auto& definition : operation.variables) {
    if (full) break;
    const auto name = std::string(definition.name.text);
    const auto* type = names.resolve(*definition.type);
    if (!type || !type->is_input()) {
      wrong("Variable \"$" + name + "\" expected value of type \"" + print(*definition.type) +
                "\" which cannot be used as an input type.",
            definition.type->at);
      continue;
    }
    const auto* value = given.if_contains(view(definition.name.text));
    if (!value) {
      if (definition.default_value) {
        if (auto read = value_of(*definition.default_value, *type, nullptr, leniency)) out[name] = std::move(*read);
      } else if (type->kind == Kind::non_null) {
        wrong("Variable \"$" + name + "\" of required type \"" + type->text() + "\" was not provided.", definition.at);
      }
      continue;
    }
    if (value->is_null() && type->kind == Kind::non_null) {
      wrong("Variable \"$" + name + "\" of non-null type \"" + type->text() + "\" must not be null.", definition.at);
      continue;
    }
    InputReader reader(definition.name.text, definition.at, document, leniency, errors);
    if (auto read = reader.read(*value, *type)) out[name] = std::move(*read);
    full = full || reader.full();
  }
  if (full)
    errors.push_back({.message = "Too many errors processing variables, error limit reached. Execution aborted."});
  if (!errors.empty()) return tl::unexpected(std::move(errors));
  return out;
}

tl::expected<bj::object, Failure> coerce_arguments(const std::vector<InputField>& wanted,
                                                   const ast::List<ast::Argument>& given, ast::Offset at,
                                                   const Variables& variables, const Leniency& leniency) {
  bj::object out;
  for (const auto& field : wanted) {
    const ast::Value* node = nullptr;
    for (const auto& argument : given)
      if (argument.name.text == field.name) node = argument.value;
    const bool required = field.type->kind == Kind::non_null;
    const auto intro = [&] {
      return "Argument \"" + field.name + "\" of required type \"" + field.type->text() + "\" ";
    };
    if (!node) {
      if (field.default_value)
        out[field.name] = *field.default_value;
      else if (required)
        return tl::unexpected(Failure{intro() + "was not provided.", {at}});
      continue;
    }
    bool null = node->kind == ast::ValueKind::null;
    if (node->kind == ast::ValueKind::variable) {
      const auto* found = variables.if_contains(view(node->text));
      if (!found) {
        if (field.default_value)
          out[field.name] = *field.default_value;
        else if (required)
          return tl::unexpected(Failure{intro() + "was provided the variable \"$" + std::string(node->text) +
                                            "\" which was not provided a runtime value.",
                                        {node->at}});
        continue;
      }
      null = found->is_null();
    }
    if (null && required)
      return tl::unexpected(
          Failure{"Argument \"" + field.name + "\" of non-null type \"" + field.type->text() + "\" must not be null.",
                  {node->at}});
    auto value = value_of(*node, *field.type, &variables, leniency);
    if (!value)
      return tl::unexpected(
          Failure{"Argument \"" + field.name + "\" has invalid value " + print(*node) + '.', {node->at}});
    out[field.name] = std::move(*value);
  }
  return out;
}

std::string literal_text(const bj::value& value, const Type& type) {
  if (type.kind == Kind::non_null) {
    const auto text = literal_text(value, *type.of);
    return text == "null" ? "" : text;
  }
  if (value.is_null()) return "null";
  if (type.kind == Kind::list) {
    const auto* list = value.if_array();
    if (!list) return literal_text(value, *type.of);
    std::string out = "[";
    for (const auto& item : *list) {
      const auto text = literal_text(item, *type.of);
      if (text.empty()) continue;
      if (out.size() > 1) out += ", ";
      out += text;
    }
    return out + ']';
  }
  if (type.kind == Kind::input) {
    const auto* object = value.if_object();
    if (!object) return "";
    std::string out = "{";
    for (const auto& field : type.inputs) {
      const auto* item = object->if_contains(view(std::string_view(field.name)));
      const auto text = item ? literal_text(*item, *field.type) : "";
      if (text.empty()) continue;
      if (out.size() > 1) out += ", ";
      out += field.name + ": " + text;
    }
    return out + '}';
  }
  if (value.is_bool()) return value.get_bool() ? "true" : "false";
  if (is_number(value)) return number_text(number_of(value));
  if (!value.is_string()) return "";
  const auto text = view(value.get_string());
  if (type.kind == Kind::enum_type || (type.scalar == Scalar::id && integer_text(text))) return std::string(text);
  return print_string(text);
}

}  // namespace gyre::graphql
