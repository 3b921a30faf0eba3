#include "graphql/ast.hpp"

#include <cstring>

namespace gyre::graphql::ast {
namespace {

bool same(const Name& left, const Name& right) { return left.text == right.text; }
// Declared before the templates that call them: they are not found by their arguments.
bool same(const Value& left, const Value& right);
bool same(const ObjectField& left, const ObjectField& right);
bool same(const Argument& left, const Argument& right);
bool same(const Directive& left, const Directive& right);
bool same(const Type& left, const Type& right);
bool same(const VariableDefinition& left, const VariableDefinition& right);
bool same(const SelectionSet& left, const SelectionSet& right);
bool same(const Selection& left, const Selection& right);
bool same(const InputValue& left, const InputValue& right);
bool same(const FieldDefinition& left, const FieldDefinition& right);
bool same(const EnumValue& left, const EnumValue& right);
bool same(const OperationType& left, const OperationType& right);
bool same(const Definition& left, const Definition& right);

template <class T>
bool same(const T* left, const T* right) {
  return left && right ? same(*left, *right) : left == right;
}

template <class T>
bool same(const List<T>& left, const List<T>& right) {
  if (left.size() != right.size()) return false;
  auto other = right.begin();
  for (const auto& item : left) {
    if (!same(item, *other)) return false;
    ++other;
  }
  return true;
}

bool same(const Value& left, const Value& right) {
  return left.kind == right.kind && left.block == right.block && left.text == right.text &&
         same(left.items, right.items) && same(left.fields, right.fields);
}
bool same(const ObjectField& left, const ObjectField& right) {
  return same(left.name, right.name) && same(*left.value, *right.value);
}
bool same(const Argument& left, const Argument& right) {
  return same(left.name, right.name) && same(*left.value, *right.value);
}
bool same(const Directive& left, const Directive& right) {
  return same(left.name, right.name) && same(left.arguments, right.arguments);
}
bool same(const Type& left, const Type& right) {
  return left.kind == right.kind && left.name == right.name && same(left.of, right.of);
}
bool same(const VariableDefinition& left, const VariableDefinition& right) {
  return same(left.name, right.name) && same(left.type, right.type) && same(left.default_value, right.default_value) &&
         same(left.directives, right.directives);
}
bool same(const SelectionSet& left, const SelectionSet& right) { return same(left.items, right.items); }
bool same(const Selection& left, const Selection& right) {
  return left.kind == right.kind && same(left.alias, right.alias) && same(left.name, right.name) &&
         same(left.arguments, right.arguments) && same(left.directives, right.directives) &&
         same(left.condition, right.condition) && same(left.set, right.set);
}
bool same(const InputValue& left, const InputValue& right) {
  return same(left.description, right.description) && same(left.name, right.name) && same(left.type, right.type) &&
         same(left.default_value, right.default_value) && same(left.directives, right.directives);
}
bool same(const FieldDefinition& left, const FieldDefinition& right) {
  return same(left.description, right.description) && same(left.name, right.name) &&
         same(left.arguments, right.arguments) && same(left.type, right.type) &&
         same(left.directives, right.directives);
}
bool same(const EnumValue& left, const EnumValue& right) {
  return same(left.description, right.description) && same(left.name, right.name) &&
         same(left.directives, right.directives);
}
bool same(const OperationType& left, const OperationType& right) {
  return left.operation == right.operation && same(left.type, right.type);
}
bool same(const Definition& left, const Definition& right) {
  return left.kind == right.kind && left.extension == right.extension && left.repeatable == right.repeatable &&
         left.operation == right.operation && same(left.description, right.description) &&
         same(left.name, right.name) && same(left.variables, right.variables) &&
         same(left.condition, right.condition) && same(left.directives, right.directives) &&
         same(left.set, right.set) && same(left.types, right.types) && same(left.fields, right.fields) &&
         same(left.inputs, right.inputs) && same(left.values, right.values) &&
         same(left.operations, right.operations) && same(left.locations, right.locations);
}

}  // namespace

std::string_view Document::keep(std::string_view text) {
  if (text.empty()) return {};
  auto* copy = static_cast<char*>(arena_.allocate(text.size(), 1));
  std::memcpy(copy, text.data(), text.size());
  return {copy, text.size()};
}

std::string_view text_of(OperationKind kind) {
  switch (kind) {
    case OperationKind::query:
      return "query";
    case OperationKind::mutation:
      return "mutation";
    case OperationKind::subscription:
      return "subscription";
  }
  return "";
}

bool same(const Document& left, const Document& right) { return same(left.definitions, right.definitions); }

}  // namespace gyre::graphql::ast
