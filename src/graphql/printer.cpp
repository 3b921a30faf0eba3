#include "graphql/printer.hpp"

#include <algorithm>
#include <vector>

#include "graphql/text.hpp"

namespace gyre::graphql {
namespace {

constexpr std::size_t line_max = 80;  // a field's arguments go below each other when the line would be longer

std::string join(const std::vector<std::string>& parts, std::string_view separator) {
  std::string out;
  for (const auto& part : parts) {
    if (part.empty()) continue;
    if (!out.empty()) out += separator;
    out += part;
  }
  return out;
}

std::string wrap(std::string_view start, const std::string& text, std::string_view end = "") {
  return text.empty() ? "" : std::string(start) + text + std::string(end);
}

std::string indent(const std::string& text) {
  if (text.empty()) return "";
  std::string out = "  ";
  for (const char c : text) {
    out += c;
    if (c == '\n') out += "  ";
  }
  return out;
}

std::string block(const std::vector<std::string>& lines) { return wrap("{\n", indent(join(lines, "\n")), "\n}"); }

template <class T, class Print>
std::vector<std::string> each(const ast::List<T>& list, Print print_one) {
  std::vector<std::string> out;
  for (const auto& item : list) out.push_back(print_one(item));
  return out;
}

std::string directives(const ast::List<ast::Directive>& list);

std::vector<std::string> arguments(const ast::List<ast::Argument>& list) {
  return each(list, [](const ast::Argument& argument) {
    return std::string(argument.name.text) + ": " + print(*argument.value);
  });
}

std::string directives(const ast::List<ast::Directive>& list) {
  return join(each(list,
                   [](const ast::Directive& directive) {
                     return '@' + std::string(directive.name.text) +
                            wrap("(", join(arguments(directive.arguments), ", "), ")");
                   }),
              " ");
}

std::string selection_set(const ast::SelectionSet& set);

std::string selection(const ast::Selection& selection) {
  switch (selection.kind) {
    case ast::SelectionKind::spread:
      return "..." + std::string(selection.name.text) + wrap(" ", directives(selection.directives));
    case ast::SelectionKind::inline_fragment:
      return join({"...", wrap("on ", selection.condition ? print(*selection.condition) : ""),
                   directives(selection.directives), selection_set(*selection.set)},
                  " ");
    case ast::SelectionKind::field:
      break;
  }
  const auto prefix = wrap("", std::string(selection.alias.text), ": ") + std::string(selection.name.text);
  const auto given = arguments(selection.arguments);
  auto line = prefix + wrap("(", join(given, ", "), ")");
  if (utf16_size(line) > line_max) line = prefix + wrap("(\n", indent(join(given, "\n")), "\n)");
  return join({line, directives(selection.directives), selection.set ? selection_set(*selection.set) : ""}, " ");
}

std::string selection_set(const ast::SelectionSet& set) { return block(each(set.items, selection)); }

std::string description(const ast::Value* value) { return value ? print(*value) + '\n' : ""; }

std::string input_value(const ast::InputValue& input) {
  return description(input.description) +
         join({std::string(input.name.text) + ": " + print(*input.type),
               input.default_value ? "= " + print(*input.default_value) : "", directives(input.directives)},
              " ");
}

std::string argument_definitions(const ast::List<ast::InputValue>& list) {
  const auto all = each(list, input_value);
  const bool tall =
      std::any_of(all.begin(), all.end(), [](const auto& text) { return text.find('\n') != std::string::npos; });
  return tall ? wrap("(\n", indent(join(all, "\n")), "\n)") : wrap("(", join(all, ", "), ")");
}

std::string field_definition(const ast::FieldDefinition& field) {
  return description(field.description) + std::string(field.name.text) + argument_definitions(field.arguments) + ": " +
         print(*field.type) + wrap(" ", directives(field.directives));
}

std::string enum_value(const ast::EnumValue& value) {
  return description(value.description) + join({std::string(value.name.text), directives(value.directives)}, " ");
}

std::string types(const ast::List<ast::Type>& list, std::string_view separator) {
  return join(each(list, [](const ast::Type& type) { return print(type); }), separator);
}

std::string definition(const ast::Definition& def) {
  const auto name = std::string(def.name.text);
  const auto words = [&](std::string_view keyword, std::vector<std::string> rest) {
    rest.insert(rest.begin(), (def.extension ? "extend " : "") + std::string(keyword));
    return description(def.description) + join(rest, " ");
  };
  switch (def.kind) {
    case ast::DefinitionKind::operation: {
      const auto variables = each(def.variables, [](const ast::VariableDefinition& variable) {
        return '$' + std::string(variable.name.text) + ": " + print(*variable.type) +
               (variable.default_value ? " = " + print(*variable.default_value) : "") +
               wrap(" ", directives(variable.directives));
      });
      const auto prefix = join({std::string(ast::text_of(def.operation)), name + wrap("(", join(variables, ", "), ")"),
                                directives(def.directives)},
                               " ");
      return (prefix == "query" ? "" : prefix + ' ') + selection_set(*def.set);
    }
    case ast::DefinitionKind::fragment:
      return "fragment " + name + " on " + print(*def.condition) + ' ' + wrap("", directives(def.directives), " ") +
             selection_set(*def.set);
    case ast::DefinitionKind::schema:
      return words("schema",
                   {directives(def.directives), block(each(def.operations, [](const ast::OperationType& operation) {
                      return std::string(ast::text_of(operation.operation)) + ": " + print(*operation.type);
                    }))});
    case ast::DefinitionKind::scalar:
      return words("scalar", {name, directives(def.directives)});
    case ast::DefinitionKind::object:
    case ast::DefinitionKind::interface:
      return words(def.kind == ast::DefinitionKind::object ? "type" : "interface",
                   {name, wrap("implements ", types(def.types, " & ")), directives(def.directives),
                    block(each(def.fields, field_definition))});
    case ast::DefinitionKind::union_type:
      return words("union", {name, directives(def.directives), wrap("= ", types(def.types, " | "))});
    case ast::DefinitionKind::enum_type:
      return words("enum", {name, directives(def.directives), block(each(def.values, enum_value))});
    case ast::DefinitionKind::input:
      return words("input", {name, directives(def.directives), block(each(def.inputs, input_value))});
    case ast::DefinitionKind::directive:
      return description(def.description) + "directive @" + name + argument_definitions(def.inputs) +
             (def.repeatable ? " repeatable" : "") + " on " +
             join(each(def.locations, [](const ast::Name& location) { return std::string(location.text); }), " | ");
  }
  return "";
}

}  // namespace

std::string print(const ast::Document& document) { return join(each(document.definitions, definition), "\n\n"); }

std::string print(const ast::Value& value) { return print(value, false); }

std::string print(const ast::Value& value, bool sorted) {
  switch (value.kind) {
    case ast::ValueKind::variable:
      return '$' + std::string(value.text);
    case ast::ValueKind::string:
      return value.block ? print_block_string(value.text) : print_string(value.text);
    case ast::ValueKind::list:
      return '[' + join(each(value.items, [&](const ast::Value& item) { return print(item, sorted); }), ", ") + ']';
    case ast::ValueKind::object: {
      std::vector<const ast::ObjectField*> fields;
      for (const auto& field : value.fields) fields.push_back(&field);
      if (sorted)
        std::stable_sort(fields.begin(), fields.end(),
                         [](const auto* a, const auto* b) { return natural_compare(a->name.text, b->name.text) < 0; });
      std::vector<std::string> parts;
      for (const auto* field : fields)
        parts.push_back(std::string(field->name.text) + ": " + print(*field->value, sorted));
      return '{' + join(parts, ", ") + '}';
    }
    default:
      return std::string(value.text);
  }
}

std::string print(const ast::Type& type) {
  switch (type.kind) {
    case ast::TypeKind::list:
      return '[' + print(*type.of) + ']';
    case ast::TypeKind::non_null:
      return print(*type.of) + '!';
    case ast::TypeKind::named:
      break;
  }
  return std::string(type.name);
}

std::string print_string(std::string_view text) {
  std::string out = "\"";
  for (std::size_t i = 0; i < text.size();) {
    const auto [point, size] = code_point_at(text, i);
    if (point == '"' || point == '\\') {
      out += '\\';
      out += static_cast<char>(point);
    } else if (point < 0x20 || (point >= 0x7f && point <= 0x9f)) {
      constexpr std::string_view hex = "0123456789ABCDEF", letters = "bfnrt", meanings = "\b\f\n\r\t";
      const auto found = point < 0x20 ? meanings.find(static_cast<char>(point)) : std::string_view::npos;
      if (found != std::string_view::npos) {
        out += '\\';
        out += letters[found];
      } else {
        out += "\\u00";
        out += hex[point >> 4];
        out += hex[point & 15];
      }
    } else {
      out += text.substr(i, size);
    }
    i += size;
  }
  return out + '"';
}

std::string print_block_string(std::string_view text) {
  std::string escaped;
  for (std::size_t i = 0; i < text.size();) {
    if (text.substr(i).starts_with("\"\"\"")) {
      escaped += "\\\"\"\"";
      i += 3;
    } else {
      escaped += text[i++];
    }
  }
  // Other lines that are all indented would lose their indent without an empty first line.
  std::vector<std::string_view> lines{{}};
  for (std::size_t i = 0, start = 0; i <= escaped.size(); ++i) {
    if (i < escaped.size() && escaped[i] != '\n' && escaped[i] != '\r') continue;
    lines.back() = std::string_view(escaped).substr(start, i - start);
    if (i < escaped.size()) {
      if (escaped[i] == '\r' && i + 1 < escaped.size() && escaped[i + 1] == '\n') ++i;
      lines.emplace_back();
    }
    start = i + 1;
  }
  const auto blank = [](char c) { return c == ' ' || c == '\t'; };
  const bool single = lines.size() == 1;
  const bool leading_forced =
      !single && std::all_of(lines.begin() + 1, lines.end(), [&](auto line) { return line.empty() || blank(line[0]); });
  const bool triple_at_end = escaped.ends_with("\\\"\"\"");
  const bool trailing_forced = (text.ends_with('"') && !triple_at_end) || text.ends_with('\\');
  const bool tall = !single || utf16_size(text) > 70 || trailing_forced || leading_forced || triple_at_end;
  const bool no_leading = single && !text.empty() && blank(text[0]);
  std::string out = "\"\"\"";
  if ((tall && !no_leading) || leading_forced) out += '\n';
  out += escaped;
  if (tall || trailing_forced) out += '\n';
  return out + "\"\"\"";
}

bool printable_as_block_string(std::string_view text) {
  bool empty_line = true, has_indent = false, common_indent = true, seen_line = false;
  if (text.empty()) return true;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x10 && c != '\n' && c != '\t') return false;
    if (c == '\n') {
      if (empty_line && !seen_line) return false;
      seen_line = true;
      empty_line = true;
      has_indent = false;
    } else if (c == '\t' || c == ' ') {
      has_indent = has_indent || empty_line;
    } else {
      common_indent = common_indent && has_indent;
      empty_line = false;
    }
  }
  return !empty_line && !(common_indent && seen_line);
}

}  // namespace gyre::graphql
