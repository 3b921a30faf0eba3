#include "graphql/execute.hpp"
#include "graphql/printer.hpp"

// The resolvers of what describes the schema: ordinary ones, over the schema's own structures.
namespace gyre::graphql {
namespace {

std::string_view kind_name(const Type& type) {
  switch (type.kind) {
    case Kind::scalar:
      return "SCALAR";
    case Kind::object:
      return "OBJECT";
    case Kind::interface:
      return "INTERFACE";
    case Kind::union_type:
      return "UNION";
    case Kind::enum_type:
      return "ENUM";
    case Kind::input:
      return "INPUT_OBJECT";
    case Kind::list:
      return "LIST";
    case Kind::non_null:
      return "NON_NULL";
  }
  return "";
}

// Those that are not deprecated, or all.
template <class T>
std::vector<const T*> listed(const std::vector<T>& list, const Ask& ask) {
  const auto& all = ask.argument("includeDeprecated");
  const bool deprecated_too = all.is_bool() && all.get_bool();
  std::vector<const T*> out;
  for (const auto& item : list)
    if (deprecated_too || !item.deprecation) out.push_back(&item);
  return out;
}

template <class T>
using Listed = std::optional<std::vector<const T*>>;

template <class T>
void add_deprecation(ObjectResolvers<T> resolvers) {
  resolvers.field("name", [](const T& item) -> const std::string& { return item.name; })
      .field("description", [](const T& item) -> const std::optional<std::string>& { return item.description; })
      .field("isDeprecated", [](const T& item) { return item.deprecation.has_value(); })
      .field("deprecationReason", [](const T& item) -> const std::optional<std::string>& { return item.deprecation; });
}

}  // namespace

void add_introspection(Resolvers& resolvers) {
  resolvers.type<Schema>("__Schema")
      .field("description",
             [](const Schema& schema) -> const std::optional<std::string>& { return schema.description(); })
      .field("types", [](const Schema& schema) -> const std::vector<const Type*>& { return schema.types(); })
      .field("queryType", [](const Schema& schema) { return schema.root(ast::OperationKind::query); })
      .field("mutationType", [](const Schema& schema) { return schema.root(ast::OperationKind::mutation); })
      .field("subscriptionType", [](const Schema& schema) { return schema.root(ast::OperationKind::subscription); })
      .field("directives",
             [](const Schema& schema) -> const std::vector<DirectiveType>& { return schema.directives(); });

  resolvers.type<DirectiveType>("__Directive")
      .field("name", [](const DirectiveType& directive) -> const std::string& { return directive.name; })
      .field("description",
             [](const DirectiveType& directive) -> const std::optional<std::string>& { return directive.description; })
      .field("isRepeatable", [](const DirectiveType& directive) { return directive.repeatable; })
      .field("locations",
             [](const DirectiveType& directive) -> const std::vector<std::string>& { return directive.locations; })
      .field("args", [](const DirectiveType& directive, Ask& ask) { return listed(directive.arguments, ask); });

  resolvers.type<Type>("__Type")
      .field("kind", [](const Type& type) { return kind_name(type); })
      .field("name", [](const Type& type) -> const std::string* { return type.name.empty() ? nullptr : &type.name; })
      .field("description", [](const Type& type) -> const std::optional<std::string>& { return type.description; })
      .field("specifiedByURL", [](const Type& type) -> const std::optional<std::string>& { return type.specified_by; })
      .field("fields",
             [](const Type& type, Ask& ask) -> Listed<Field> {
               if (type.kind != Kind::object && type.kind != Kind::interface) return std::nullopt;
               return listed(type.fields, ask);
             })
      .field("interfaces",
             [](const Type& type) -> const std::vector<const Type*>* {
               return type.kind == Kind::object || type.kind == Kind::interface ? &type.types : nullptr;
             })
      .field("possibleTypes",
             [](const Type& type) -> const std::vector<const Type*>* {
               return type.is_abstract() ? &type.objects : nullptr;
             })
      .field("enumValues",
             [](const Type& type, Ask& ask) -> Listed<EnumMember> {
               if (type.kind != Kind::enum_type) return std::nullopt;
               return listed(type.members, ask);
             })
      .field("inputFields",
             [](const Type& type, Ask& ask) -> Listed<InputField> {
               if (type.kind != Kind::input) return std::nullopt;
               return listed(type.inputs, ask);
             })
      .field("ofType", [](const Type& type) { return type.of; });

  add_deprecation(resolvers.type<Field>("__Field"));
  resolvers.type<Field>("__Field")
      .field("args", [](const Field& field, Ask& ask) { return listed(field.arguments, ask); })
      .field("type", [](const Field& field) { return field.type; });

  add_deprecation(resolvers.type<InputField>("__InputValue"));
  resolvers.type<InputField>("__InputValue")
      .field("type", [](const InputField& field) { return field.type; })
      .field("defaultValue", [](const InputField& field) -> std::optional<std::string> {
        auto text = field.default_value ? literal_text(*field.default_value, *field.type) : std::string();
        return text.empty() ? std::nullopt : std::optional(std::move(text));
      });

  add_deprecation(resolvers.type<EnumMember>("__EnumValue"));
}

}  // namespace gyre::graphql
