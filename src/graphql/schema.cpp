#include "graphql/schema.hpp"

#include <algorithm>
#include <map>
#include <set>

#include "base/check.hpp"
#include "graphql/introspection_schema.hpp"
#include "graphql/parser.hpp"
#include "graphql/printer.hpp"
#include "graphql/text.hpp"
#include "graphql/values.hpp"

namespace gyre::graphql {
namespace {

constexpr std::string_view standard_reason = "No longer supported";

struct StandardScalar {
  std::string_view name, description;
  Scalar scalar;
};
constexpr StandardScalar standard_scalars[] = {
    {"String",
     "The `String` scalar type represents textual data, represented as UTF-8 character sequences. The String type is "
     "most often used by GraphQL to represent free-form human-readable text.",
     Scalar::string},
    {"Int",
     "The `Int` scalar type represents non-fractional signed whole numeric values. Int can represent values between "
     "-(2^31) and 2^31 - 1.",
     Scalar::integer},
    {"Float",
     "The `Float` scalar type represents signed double-precision fractional values as specified by [IEEE "
     "754](https://en.wikipedia.org/wiki/IEEE_floating_point).",
     Scalar::number},
    {"Boolean", "The `Boolean` scalar type represents `true` or `false`.", Scalar::boolean},
    {"ID",
     "The `ID` scalar type represents a unique identifier, often used to refetch an object or as key for a cache. The "
     "ID type appears in a JSON response as a String; however, it is not intended to be human-readable. When expected "
     "as "
     "an input type, any string (such as `\"4\"`) or integer (such as `4`) input value will be accepted as an ID.",
     Scalar::id},
};

const StandardScalar* standard_scalar(std::string_view name) {
  for (const auto& scalar : standard_scalars)
    if (scalar.name == name) return &scalar;
  return nullptr;
}

bool is_introspection(const Type& type) { return type.name.starts_with("__"); }

template <class T>
const T* find_named(const std::vector<T>& list, std::string_view name) {
  const auto found = std::find_if(list.begin(), list.end(), [&](const T& item) { return item.name == name; });
  return found == list.end() ? nullptr : &*found;
}

std::string described(const std::optional<std::string>& description, const std::string& indentation = "",
                      bool first = true) {
  if (!description) return "";
  const auto block =
      printable_as_block_string(*description) ? print_block_string(*description) : print_string(*description);
  std::string out = !indentation.empty() && !first ? '\n' + indentation : indentation;
  for (const char c : block) {
    out += c;
    if (c == '\n') out += indentation;
  }
  return out + '\n';
}

std::string deprecated(const std::optional<std::string>& reason) {
  if (!reason) return "";
  return *reason == standard_reason ? " @deprecated" : " @deprecated(reason: " + print_string(*reason) + ')';
}

std::string printed_input(const InputField& field) {
  auto out = field.name + ": " + field.type->text();
  const auto value = field.default_value ? literal_text(*field.default_value, *field.type) : "";
  if (!value.empty()) out += " = " + value;
  return out + deprecated(field.deprecation);
}

std::string printed_arguments(const std::vector<InputField>& list, const std::string& indentation = "") {
  if (list.empty()) return "";
  const bool tall = std::any_of(list.begin(), list.end(),
                                [](const auto& field) { return field.description && !field.description->empty(); });
  std::string out = tall ? "(\n" : "(";
  for (std::size_t i = 0; i < list.size(); ++i) {
    if (i) out += tall ? "\n" : ", ";
    if (tall) out += described(list[i].description, "  " + indentation, i == 0) + "  " + indentation;
    out += printed_input(list[i]);
  }
  return out + (tall ? '\n' + indentation + ')' : ")");
}

std::string printed_block(const std::vector<std::string>& lines) {
  if (lines.empty()) return "";
  std::string out = " {\n";
  for (std::size_t i = 0; i < lines.size(); ++i) out += (i ? "\n" : "") + lines[i];
  return out + "\n}";
}

std::string names_of(const std::vector<const Type*>& types, std::string_view separator) {
  std::string out;
  for (const auto* type : types) {
    if (!out.empty()) out += separator;
    out += type->name;
  }
  return out;
}

std::string printed_type(const Type& type) {
  std::vector<std::string> lines;
  const auto implements = type.types.empty() ? "" : " implements " + names_of(type.types, " & ");
  for (std::size_t i = 0; i < type.fields.size(); ++i) {
    const auto& field = type.fields[i];
    lines.push_back(described(field.description, "  ", i == 0) + "  " + field.name +
                    printed_arguments(field.arguments, "  ") + ": " + field.type->text() +
                    deprecated(field.deprecation));
  }
  for (std::size_t i = 0; i < type.members.size(); ++i)
    lines.push_back(described(type.members[i].description, "  ", i == 0) + "  " + type.members[i].name +
                    deprecated(type.members[i].deprecation));
  for (std::size_t i = 0; i < type.inputs.size(); ++i)
    lines.push_back(described(type.inputs[i].description, "  ", i == 0) + "  " + printed_input(type.inputs[i]));
  const auto head = described(type.description);
  switch (type.kind) {
    case Kind::scalar:
      return head + "scalar " + type.name +
             (type.specified_by ? " @specifiedBy(url: " + print_string(*type.specified_by) + ')' : "");
    case Kind::object:
      return head + "type " + type.name + implements + printed_block(lines);
    case Kind::interface:
      return head + "interface " + type.name + implements + printed_block(lines);
    case Kind::union_type:
      return head + "union " + type.name + (type.types.empty() ? "" : " = " + names_of(type.types, " | "));
    case Kind::enum_type:
      return head + "enum " + type.name + printed_block(lines);
    case Kind::input:
      return head + "input " + type.name + printed_block(lines);
    default:
      return "";
  }
}

}  // namespace

// --- types ---

bool InputField::required() const { return type->kind == Kind::non_null && !default_value; }

const InputField* Field::argument(std::string_view wanted) const { return find_named(arguments, wanted); }
const InputField* DirectiveType::argument(std::string_view wanted) const { return find_named(arguments, wanted); }

const Field* Type::field(std::string_view wanted) const {
  if (kind == Kind::input || kind == Kind::enum_type) return nullptr;
  const auto found = places_.find(wanted);
  return found == places_.end() ? nullptr : &fields[found->second];
}

const InputField* Type::input(std::string_view wanted) const {
  if (kind != Kind::input) return nullptr;
  const auto found = places_.find(wanted);
  return found == places_.end() ? nullptr : &inputs[found->second];
}

const EnumMember* Type::member(std::string_view wanted) const {
  if (kind != Kind::enum_type) return nullptr;
  const auto found = places_.find(wanted);
  return found == places_.end() ? nullptr : &members[found->second];
}

std::string Type::text() const {
  if (kind == Kind::list) return '[' + of->text() + ']';
  if (kind == Kind::non_null) return of->text() + '!';
  return name;
}

const Type& Type::named() const { return of ? of->named() : *this; }
const Type& Type::nullable() const { return kind == Kind::non_null ? *of : *this; }
bool Type::is_input() const {
  const auto& type = named();
  return type.is_leaf() || type.kind == Kind::input;
}
bool Type::is_output() const { return named().kind != Kind::input; }

bool same_type(const Type& left, const Type& right) {
  if (left.kind != right.kind) return false;
  return left.of ? same_type(*left.of, *right.of) : &left == &right;
}

bool is_subtype_of(const Schema& schema, const Type& type, const Type& super) {
  if (super.kind == Kind::non_null) return type.kind == Kind::non_null && is_subtype_of(schema, *type.of, *super.of);
  if (type.kind == Kind::non_null) return is_subtype_of(schema, *type.of, super);
  if (super.kind == Kind::list) return type.kind == Kind::list && is_subtype_of(schema, *type.of, *super.of);
  if (type.kind == Kind::list) return false;
  if (&type == &super) return true;
  return super.is_abstract() && (type.kind == Kind::interface || type.kind == Kind::object) &&
         schema.is_subtype(super, type);
}

const Type* TypeNames::resolve(const ast::Type& type) {
  if (type.kind == ast::TypeKind::named) return schema_.type(type.name);
  const auto* of = resolve(*type.of);
  if (!of) return nullptr;
  auto& wrapper = wrappers_.emplace_back();
  wrapper.kind = type.kind == ast::TypeKind::list ? Kind::list : Kind::non_null;
  wrapper.of = of;
  return &wrapper;
}

SchemaError::SchemaError(const std::vector<std::string>& problems)
    : std::runtime_error([&] {
        std::string out;
        for (const auto& problem : problems) out += (out.empty() ? "" : "\n") + problem;
        return out;
      }()) {}

// --- building ---

// Reads one document of definitions into a schema, then checks that it is one.
class SchemaBuilder {
 public:
  explicit SchemaBuilder(Schema& schema) : schema_(schema) {}

  void build(std::string_view text) {
    const auto standard = parse(std::string(introspection_schema));
    CHECK(standard);
    auto parsed = parse(std::string(text));
    if (!parsed) {
      const auto& error = parsed.error();
      std::string place;
      if (!error.locations.empty())
        place = " (line " + std::to_string(error.locations[0].line) + ", column " +
                std::to_string(error.locations[0].column) + ')';
      throw SchemaError({error.message + place});
    }
    declare(**parsed, false);
    declare(**standard, true);
    for (const auto& scalar : standard_scalars) declare_scalar(scalar);
    stop_if_wrong();
    fill(**parsed, false);
    fill(**standard, true);
    stop_if_wrong();
    defaults();
    roots(**parsed);
    order_types(**parsed);
    relate();
    check();
    stop_if_wrong();
    meta_fields();
  }

 private:
  void wrong(std::string problem) { problems_.push_back(std::move(problem)); }
  void stop_if_wrong() {
    if (!problems_.empty()) throw SchemaError(problems_);
  }

  Type* own(std::string_view name) {
    const auto found = types_.find(name);
    return found == types_.end() ? nullptr : found->second;
  }

  Type* add_type(std::string_view name, Kind kind) {
    auto& type = schema_.storage_.emplace_back();
    type.kind = kind;
    type.name = name;
    types_.emplace(type.name, &type);
    schema_.by_name_.emplace(type.name, &type);
    return &type;
  }

  void declare_scalar(const StandardScalar& scalar) {
    auto* type = own(scalar.name);
    if (!type) type = add_type(scalar.name, Kind::scalar);
    type->scalar = scalar.scalar;
    type->description = scalar.description;
  }

  static std::optional<Kind> kind_of(ast::DefinitionKind kind) {
    switch (kind) {
      case ast::DefinitionKind::scalar:
        return Kind::scalar;
      case ast::DefinitionKind::object:
        return Kind::object;
      case ast::DefinitionKind::interface:
        return Kind::interface;
      case ast::DefinitionKind::union_type:
        return Kind::union_type;
      case ast::DefinitionKind::enum_type:
        return Kind::enum_type;
      case ast::DefinitionKind::input:
        return Kind::input;
      default:
        return std::nullopt;
    }
  }

  static std::string_view word_of(Kind kind) {
    switch (kind) {
      case Kind::scalar:
        return "scalar";
      case Kind::object:
        return "object";
      case Kind::interface:
        return "interface";
      case Kind::union_type:
        return "union";
      case Kind::enum_type:
        return "enum";
      default:
        return "input object";
    }
  }

  void declare(const ast::Document& document, bool standard) {
    for (const auto& def : document.definitions) {
      const auto kind = kind_of(def.kind);
      if (!kind || def.extension || (standard && own(def.name.text))) continue;
      if (own(def.name.text))
        wrong("There can be only one type named \"" + std::string(def.name.text) + "\".");
      else if (!standard && def.name.text.starts_with("__"))
        wrong("Name \"" + std::string(def.name.text) +
              "\" must not begin with \"__\", which is reserved by GraphQL introspection.");
      else
        add_type(def.name.text, *kind);
    }
    for (const auto& def : document.definitions) {
      if (def.executable())
        wrong("The \"" + std::string(def.name.text) + "\" definition does not belong into a schema.");
      const auto kind = kind_of(def.kind);
      if (!kind || !def.extension) continue;
      const auto* type = own(def.name.text);
      if (!type)
        wrong("Cannot extend type \"" + std::string(def.name.text) + "\" because it is not defined.");
      else if (type->kind != *kind)
        wrong("Cannot extend non-" + std::string(word_of(*kind)) + " type \"" + std::string(def.name.text) + "\".");
    }
  }

  const Type* wrap(Kind kind, const Type* of) {
    auto& made = wrappers_[{kind, of}];
    if (!made) {
      made = &schema_.storage_.emplace_back();
      made->kind = kind;
      made->of = of;
    }
    return made;
  }

  const Type* type_of(const ast::Type& type) {
    if (type.kind == ast::TypeKind::named) {
      const auto* found = own(type.name);
      if (found) return found;
      std::vector<std::string_view> known;
      for (const auto& [name, known_type] : types_) known.push_back(name);
      wrong("Unknown type \"" + std::string(type.name) + "\"." + did_you_mean(suggestions(type.name, known)));
      return own("String");
    }
    return wrap(type.kind == ast::TypeKind::list ? Kind::list : Kind::non_null, type_of(*type.of));
  }

  static std::optional<std::string> text_of(const ast::Value* value) {
    return value ? std::optional<std::string>(value->text) : std::nullopt;
  }

  // The argument of @deprecated or @specifiedBy where they stand.
  std::optional<std::string> directive_text(const ast::List<ast::Directive>& list, std::string_view name,
                                            std::string_view argument, std::optional<std::string> standard) {
    for (const auto& directive : list) {
      if (directive.name.text != name) continue;
      for (const auto& given : directive.arguments) {
        if (given.name.text != argument) continue;
        if (given.value->kind == ast::ValueKind::string) return std::string(given.value->text);
        if (given.value->kind != ast::ValueKind::null)
          wrong("@" + std::string(name) + "(" + std::string(argument) + ":) must be a string.");
        return std::nullopt;
      }
      return standard;
    }
    return std::nullopt;
  }

  std::optional<std::string> deprecation(const ast::List<ast::Directive>& list) {
    return directive_text(list, "deprecated", "reason", std::string(standard_reason));
  }

  void check_directives(const ast::List<ast::Directive>& list) {
    for (const auto& directive : list)
      if (!known_directives_.contains(directive.name.text))
        wrong("Unknown directive \"@" + std::string(directive.name.text) + "\".");
  }

  void add_inputs(std::vector<InputField>& out, const ast::List<ast::InputValue>& list, const std::string& owner) {
    for (const auto& node : list) {
      check_directives(node.directives);
      if (find_named(out, node.name.text)) {
        wrong("\"" + owner + "." + std::string(node.name.text) + "\" can only be defined once.");
        continue;
      }
      InputField field;
      field.name = node.name.text;
      field.description = text_of(node.description);
      field.type = type_of(*node.type);
      field.deprecation = deprecation(node.directives);
      out.push_back(std::move(field));
      if (node.default_value) pending_.push_back({node.default_value, owner, std::string(node.name.text)});
    }
  }

  void fill(const ast::Document& document, bool standard) {
    known_directives_.insert({"include", "skip", "deprecated", "specifiedBy"});
    for (const auto& def : document.definitions)
      if (def.kind == ast::DefinitionKind::directive) known_directives_.insert(def.name.text);
    for (const auto& def : document.definitions) {
      if (def.kind == ast::DefinitionKind::directive) {
        if (find_named(schema_.directives_, def.name.text)) {
          if (!standard) wrong("There can be only one directive named \"@" + std::string(def.name.text) + "\".");
          continue;
        }
        DirectiveType directive;
        directive.name = def.name.text;
        directive.description = text_of(def.description);
        directive.repeatable = def.repeatable;
        for (const auto& location : def.locations) directive.locations.emplace_back(location.text);
        add_inputs(directive.arguments, def.inputs, '@' + directive.name);
        schema_.directives_.push_back(std::move(directive));
      }
      check_directives(def.directives);
      if (!kind_of(def.kind)) continue;
      auto& type = *own(def.name.text);
      if (type.kind == Kind::scalar && standard_scalar(type.name)) continue;
      if (standard && !type.name.starts_with("__")) continue;
      fill_type(type, def);
    }
  }

  void fill_type(Type& type, const ast::Definition& def) {
    if (def.description) type.description = def.description->text;
    if (auto url = directive_text(def.directives, "specifiedBy", "url", std::nullopt))
      type.specified_by = std::move(url);
    for (const auto& node : def.types) type.types.push_back(type_of(node));
    add_inputs(type.inputs, def.inputs, type.name);
    for (const auto& node : def.fields) {
      check_directives(node.directives);
      if (find_named(type.fields, node.name.text)) {
        wrong("Field \"" + type.name + "." + std::string(node.name.text) + "\" can only be defined once.");
        continue;
      }
      Field field;
      field.name = node.name.text;
      field.description = text_of(node.description);
      field.type = type_of(*node.type);
      field.deprecation = deprecation(node.directives);
      add_inputs(field.arguments, node.arguments, type.name + '.' + field.name);
      type.fields.push_back(std::move(field));
    }
    for (const auto& node : def.values) {
      check_directives(node.directives);
      if (find_named(type.members, node.name.text))
        wrong("Enum value \"" + type.name + "." + std::string(node.name.text) + "\" can only be defined once.");
      else
        type.members.push_back({std::string(node.name.text), text_of(node.description), deprecation(node.directives)});
    }
  }

  // Places of names, and default values, once every type knows its fields.
  void defaults() {
    for (auto& type : schema_.storage_) {
      for (std::size_t i = 0; i < type.fields.size(); ++i) {
        type.fields[i].index = i;
        type.places_.emplace(type.fields[i].name, i);
      }
      for (std::size_t i = 0; i < type.inputs.size(); ++i) type.places_.emplace(type.inputs[i].name, i);
      for (std::size_t i = 0; i < type.members.size(); ++i) type.places_.emplace(type.members[i].name, i);
    }
    for (const auto& pending : pending_) {
      auto* field = owner_of(pending.owner, pending.name);
      if (!field) continue;
      field->default_value = value_of(*pending.value, *field->type, nullptr, {});
      if (!field->default_value)
        wrong("The default value " + print(*pending.value) + " of " + pending.owner + '.' + pending.name +
              " does not fit its type " + field->type->text() + '.');
    }
  }

  InputField* owner_of(const std::string& owner, std::string_view name) {
    std::vector<InputField>* list = nullptr;
    if (owner.starts_with('@')) {
      for (auto& directive : schema_.directives_)
        if (directive.name == owner.substr(1)) list = &directive.arguments;
    } else if (const auto dot = owner.find('.'); dot != std::string::npos) {
      for (auto& field : own(owner.substr(0, dot))->fields)
        if (field.name == owner.substr(dot + 1)) list = &field.arguments;
    } else {
      list = &own(owner)->inputs;
    }
    if (!list) return nullptr;
    for (auto& field : *list)
      if (field.name == name) return &field;
    return nullptr;
  }

  void roots(const ast::Document& document) {
    bool defined = false;
    for (const auto& def : document.definitions) {
      if (def.kind != ast::DefinitionKind::schema) continue;
      if (!def.extension) {
        if (defined) wrong("Must provide only one schema definition.");
        defined = true;
        schema_.description_ = text_of(def.description);
      }
      for (const auto& operation : def.operations) {
        auto& root = schema_.roots_[static_cast<std::size_t>(operation.operation)];
        if (root) wrong("There can be only one " + std::string(ast::text_of(operation.operation)) + " type in schema.");
        root = type_of(*operation.type);
      }
    }
    constexpr std::string_view names[] = {"Query", "Mutation", "Subscription"};
    for (std::size_t i = 0; i < 3; ++i) {
      if (!defined && !schema_.roots_[i]) schema_.roots_[i] = own(names[i]);
      if (schema_.roots_[i] && schema_.roots_[i]->kind != Kind::object)
        wrong(std::string(names[i]) + " root type must be Object type, it cannot be " + schema_.roots_[i]->text() +
              '.');
    }
    if (!schema_.roots_[0]) wrong("Query root type must be provided.");
  }

  // The order in which introspection lists them: as defined, each followed by the standard ones it is the first to use.
  void order_types(const ast::Document& document) {
    std::set<const Type*> waiting, done;
    std::vector<const Type*> defined;
    for (const auto& def : document.definitions)
      if (kind_of(def.kind) && !def.extension) defined.push_back(own(def.name.text));
    waiting.insert(defined.begin(), defined.end());
    for (const auto* type : defined) {
      waiting.erase(type);
      collect(*type, waiting, done);
    }
    for (const auto* root : schema_.roots_)
      if (root) collect(*root, waiting, done);
    for (const auto& directive : schema_.directives_)
      for (const auto& argument : directive.arguments) collect(*argument.type, waiting, done);
    collect(*own("__Schema"), waiting, done);
    // A standard scalar that nothing uses is not part of the schema.
    schema_.by_name_.clear();
    for (const auto* type : schema_.types_) schema_.by_name_.emplace(type->name, type);
  }

  void collect(const Type& wrapped, const std::set<const Type*>& waiting, std::set<const Type*>& done) {
    const auto& type = wrapped.named();
    if (waiting.contains(&type) || !done.insert(&type).second) return;
    schema_.types_.push_back(&type);
    for (const auto* other : type.types) collect(*other, waiting, done);
    for (const auto& field : type.fields) {
      collect(*field.type, waiting, done);
      for (const auto& argument : field.arguments) collect(*argument.type, waiting, done);
    }
    for (const auto& field : type.inputs) collect(*field.type, waiting, done);
  }

  void relate() {
    for (const auto* type : schema_.types_) {
      auto& mine = *own(type->name);
      if (mine.kind == Kind::union_type) mine.objects = mine.types;
      if (mine.kind != Kind::object && mine.kind != Kind::interface) continue;
      for (const auto* other : mine.types) {
        auto& interface = *own(other->name);
        (mine.kind == Kind::object ? interface.objects : interface.narrower).push_back(&mine);
      }
    }
  }

  // --- is it a schema? ---

  void check() {
    for (const auto& directive : schema_.directives_)
      check_inputs(directive.arguments, '@' + directive.name + '(', ":)", "argument @");
    for (const auto* type : schema_.types_) {
      if (type->kind == Kind::object || type->kind == Kind::interface) check_fields(*type);
      if (type->kind == Kind::union_type) check_union(*type);
      if (type->kind == Kind::enum_type && type->members.empty())
        wrong("Enum type " + type->name + " must define one or more values.");
      if (type->kind == Kind::input) {
        if (type->inputs.empty()) wrong("Input Object type " + type->name + " must define one or more fields.");
        check_inputs(type->inputs, type->name + '.', "", "input field ");
        std::vector<const InputField*> path;
        check_cycles(*type, *type, path);
      }
    }
  }

  void check_name(const std::string& name) {
    if (name.starts_with("__"))
      wrong("Name \"" + name + "\" must not begin with \"__\", which is reserved by GraphQL introspection.");
  }

  void check_inputs(const std::vector<InputField>& list, const std::string& before, const std::string& after,
                    const std::string& what) {
    for (const auto& field : list) {
      check_name(field.name);
      if (!field.type->is_input())
        wrong("The type of " + before + field.name + after + " must be Input Type but got: " + field.type->text() +
              '.');
      if (field.required() && field.deprecation)
        wrong("Required " + what + before + field.name + after + " cannot be deprecated.");
    }
  }

  void check_fields(const Type& type) {
    if (type.fields.empty()) wrong("Type " + type.name + " must define one or more fields.");
    for (const auto& field : type.fields) {
      check_name(field.name);
      if (!field.type->is_output())
        wrong("The type of " + type.name + '.' + field.name + " must be Output Type but got: " + field.type->text() +
              '.');
      check_inputs(field.arguments, type.name + '.' + field.name + '(', ":)", "argument ");
    }
    std::set<const Type*> seen;
    for (const auto* other : type.types) {
      if (other->kind != Kind::interface)
        wrong("Type " + type.name + " must only implement Interface types, it cannot implement " + other->name + '.');
      else if (other == &type)
        wrong("Type " + type.name + " cannot implement itself because it would create a circular reference.");
      else if (!seen.insert(other).second)
        wrong("Type " + type.name + " can only implement " + other->name + " once.");
      else
        check_implements(type, *other);
    }
  }

  void check_implements(const Type& type, const Type& interface) {
    for (const auto* further : interface.types)
      if (std::find(type.types.begin(), type.types.end(), further) == type.types.end())
        wrong(further == &type ? "Type " + type.name + " cannot implement " + interface.name +
                                     " because it would create a circular reference."
                               : "Type " + type.name + " must implement " + further->name +
                                     " because it is implemented by " + interface.name + '.');
    for (const auto& wanted : interface.fields) {
      const auto name = interface.name + '.' + wanted.name, own_name = type.name + '.' + wanted.name;
      const auto* field = type.field(wanted.name);
      if (!field) {
        wrong("Interface field " + name + " expected but " + type.name + " does not provide it.");
        continue;
      }
      if (!is_subtype_of(schema_, *field->type, *wanted.type))
        wrong("Interface field " + name + " expects type " + wanted.type->text() + " but " + own_name + " is type " +
              field->type->text() + '.');
      for (const auto& argument : wanted.arguments) {
        const auto* mine = field->argument(argument.name);
        const auto call = '(' + argument.name + ":)";
        if (!mine)
          wrong("Interface field argument " + name + call + " expected but " + own_name + " does not provide it.");
        else if (!same_type(*argument.type, *mine->type))
          wrong("Interface field argument " + name + call + " expects type " + argument.type->text() + " but " +
                own_name + call + " is type " + mine->type->text() + '.');
      }
      for (const auto& argument : field->arguments)
        if (!wanted.argument(argument.name) && argument.required())
          wrong("Object field " + own_name + " includes required argument " + argument.name +
                " that is missing from the Interface field " + name + '.');
    }
  }

  void check_union(const Type& type) {
    if (type.types.empty()) wrong("Union type " + type.name + " must define one or more member types.");
    std::set<const Type*> seen;
    for (const auto* member : type.types) {
      if (!seen.insert(member).second)
        wrong("Union type " + type.name + " can only include type " + member->name + " once.");
      else if (member->kind != Kind::object)
        wrong("Union type " + type.name + " can only include Object types, it cannot include " + member->name + '.');
    }
  }

  // A chain of required fields that comes back to where it began could never be given.
  void check_cycles(const Type& start, const Type& type, std::vector<const InputField*>& path) {
    if (path.size() > schema_.types_.size()) return;
    for (const auto& field : type.inputs) {
      if (field.type->kind != Kind::non_null || field.type->of->kind != Kind::input) continue;
      const auto& next = *field.type->of;
      if (std::any_of(path.begin(), path.end(), [&](const auto* step) { return step->type->of == &next; })) continue;
      path.push_back(&field);
      if (&next == &start) {
        std::string shown;
        for (const auto* step : path) shown += (shown.empty() ? "" : ".") + step->name;
        wrong("Cannot reference Input Object \"" + start.name +
              "\" within itself through a series of non-null fields: \"" + shown + "\".");
      } else {
        check_cycles(start, next, path);
      }
      path.pop_back();
    }
  }

  void meta_fields() {
    auto& holder = schema_.storage_.emplace_back();
    holder.kind = Kind::object;
    const auto* text = wrap(Kind::non_null, own("String"));
    Field type_name{"__typename", "The name of the current Object type at runtime.", {}, text, {}, 0};
    Field schema{
        "__schema", "Access the current type schema of this server.", {}, wrap(Kind::non_null, own("__Schema")), {}, 1};
    Field type{"__type", "Request the type information of a single type.", {}, own("__Type"), {}, 2};
    type.arguments.push_back({"name", {}, text, {}, {}});
    holder.fields = {std::move(type_name), std::move(schema), std::move(type)};
    schema_.typename_field_ = &holder.fields[0];
    schema_.schema_field_ = &holder.fields[1];
    schema_.type_field_ = &holder.fields[2];
  }

  struct Pending {
    const ast::Value* value;
    std::string owner, name;
  };

  Schema& schema_;
  std::map<std::string_view, Type*> types_;
  std::map<std::pair<Kind, const Type*>, Type*> wrappers_;
  std::set<std::string_view> known_directives_;
  std::vector<Pending> pending_;
  std::vector<std::string> problems_;
};

Schema::Schema(std::string_view text) { SchemaBuilder(*this).build(text); }

const Type* Schema::type(std::string_view name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : found->second;
}

const DirectiveType* Schema::directive(std::string_view name) const { return find_named(directives_, name); }

const Field* Schema::field(const Type& parent, std::string_view name) const {
  if (name.starts_with("__")) {
    const bool at_root = &parent == roots_[0];
    if (at_root && name == schema_field_->name) return schema_field_;
    if (at_root && name == type_field_->name) return type_field_;
    if (parent.is_composite() && name == typename_field_->name) return typename_field_;
  }
  return parent.kind == Kind::object || parent.kind == Kind::interface ? parent.field(name) : nullptr;
}

bool Schema::is_subtype(const Type& abstract, const Type& type) const {
  const auto in = [&](const auto& list) { return std::find(list.begin(), list.end(), &type) != list.end(); };
  return in(abstract.objects) || in(abstract.narrower);
}

bool Schema::overlap(const Type& left, const Type& right) const {
  if (&left == &right) return true;
  if (left.is_abstract() && right.is_abstract())
    return std::any_of(left.objects.begin(), left.objects.end(),
                       [&](const auto* type) { return is_subtype(right, *type); });
  if (left.is_abstract()) return is_subtype(left, right);
  return right.is_abstract() && is_subtype(right, left);
}

std::string Schema::print() const {
  std::vector<std::string> parts;
  constexpr std::string_view words[] = {"query", "mutation", "subscription"};
  constexpr std::string_view names[] = {"Query", "Mutation", "Subscription"};
  bool common = !description_;
  std::string operations;
  for (std::size_t i = 0; i < 3; ++i) {
    if (!roots_[i]) continue;
    common = common && roots_[i]->name == names[i];
    operations += "  " + std::string(words[i]) + ": " + roots_[i]->name + '\n';
  }
  if (!common) parts.push_back(described(description_) + "schema {\n" + operations + '}');
  for (const auto& directive : directives_) {
    if (directive.name == "include" || directive.name == "skip" || directive.name == "deprecated" ||
        directive.name == "specifiedBy")
      continue;
    std::string locations;
    for (const auto& location : directive.locations) locations += (locations.empty() ? "" : " | ") + location;
    parts.push_back(described(directive.description) + "directive @" + directive.name +
                    printed_arguments(directive.arguments) + (directive.repeatable ? " repeatable" : "") + " on " +
                    locations);
  }
  for (const auto* type : types_)
    if (!is_introspection(*type) && !standard_scalar(type->name)) parts.push_back(printed_type(*type));
  std::string out;
  for (const auto& part : parts) out += (out.empty() ? "" : "\n\n") + part;
  return out;
}

}  // namespace gyre::graphql
