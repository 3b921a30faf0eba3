// Walks a document and knows at every node which type the schema expects there. Only validate.cpp uses it.
#pragma once

#include <boost/json/value.hpp>
#include <vector>

#include "graphql/ast.hpp"
#include "graphql/schema.hpp"

namespace gyre::graphql {

// `Visitor` derives from this and hides the functions of the nodes that it wants to see. The order of visits is that of
// the reference: it decides the order of errors.
template <class Visitor>
class TypedWalk {
 public:
  explicit TypedWalk(const Schema& schema) : schema_(schema), names_(schema) {}

  void walk(const ast::Document& document) {
    for (const auto& definition : document.definitions) {
      if (self().stopped()) return;
      walk(definition);
    }
  }

  void walk(const ast::Definition& node) {
    if (!node.executable()) {
      definition_ = &node;
      walk_type_system(node);
      definition_ = nullptr;
      return;
    }
    if (node.kind == ast::DefinitionKind::operation) {
      types_.push_back(schema_.root(node.operation));
      self().enter_operation(node);
      for (const auto& variable : node.variables) walk(variable);
    } else {
      const auto* type = names_.resolve(*node.condition);
      types_.push_back(type && type->is_output() ? type : nullptr);
      self().enter_fragment(node);
      walk(*node.condition);
    }
    walk(node.directives, location_of_definition(node));
    walk(*node.set);
    if (node.kind == ast::DefinitionKind::operation) self().leave_operation(node);
    types_.pop_back();
  }

  // What a visitor may hide.
  bool stopped() const { return false; }
  void enter_operation(const ast::Definition&) {}
  void leave_operation(const ast::Definition&) {}
  void enter_fragment(const ast::Definition&) {}
  void enter_type_system(const ast::Definition&) {}
  void enter_described(const ast::List<ast::Directive>&) {}
  void enter_variable_definition(const ast::VariableDefinition&) {}
  void enter_selection_set(const ast::SelectionSet&) {}
  void enter_field(const ast::Selection&) {}
  void leave_field(const ast::Selection&) {}
  void enter_spread(const ast::Selection&) {}
  void enter_inline_fragment(const ast::Selection&) {}
  void enter_directive(const ast::Directive&, std::string_view) {}
  void leave_directive(const ast::Directive&) {}
  void enter_argument(const ast::Argument&) {}
  void enter_value(const ast::Value&) {}
  void leave_value(const ast::Value&) {}
  void enter_object_field(const ast::ObjectField&) {}
  void enter_named_type(const ast::Type&) {}

 protected:
  const Type* type() const { return types_.empty() ? nullptr : types_.back(); }
  const Type* parent_type() const { return parents_.empty() ? nullptr : parents_.back(); }
  const Field* field() const { return fields_.empty() ? nullptr : fields_.back(); }
  const Type* input_type() const { return inputs_.empty() ? nullptr : inputs_.back().type; }
  const Type* parent_input_type() const { return inputs_.size() < 2 ? nullptr : inputs_[inputs_.size() - 2].type; }
  bool input_has_default() const { return !inputs_.empty() && inputs_.back().has_default; }
  const InputField* argument() const { return argument_; }
  const ast::Definition* type_system() const { return definition_; }  // the one we are in, if it is not executable
  TypeNames& names() { return names_; }

  const Schema& schema_;

 private:
  struct Input {
    const Type* type;
    bool has_default;
  };

  Visitor& self() { return static_cast<Visitor&>(*this); }

  static std::string_view location_of_definition(const ast::Definition& node) {
    switch (node.kind) {
      case ast::DefinitionKind::operation:
        switch (node.operation) {
          case ast::OperationKind::query:
            return "QUERY";
          case ast::OperationKind::mutation:
            return "MUTATION";
          case ast::OperationKind::subscription:
            return "SUBSCRIPTION";
        }
        return "";
      case ast::DefinitionKind::fragment:
        return "FRAGMENT_DEFINITION";
      case ast::DefinitionKind::schema:
        return "SCHEMA";
      case ast::DefinitionKind::scalar:
        return "SCALAR";
      case ast::DefinitionKind::object:
        return "OBJECT";
      case ast::DefinitionKind::interface:
        return "INTERFACE";
      case ast::DefinitionKind::union_type:
        return "UNION";
      case ast::DefinitionKind::enum_type:
        return "ENUM";
      case ast::DefinitionKind::input:
        return "INPUT_OBJECT";
      case ast::DefinitionKind::directive:
        return "";
    }
    return "";
  }

  void walk(const ast::VariableDefinition& node) {
    const auto* type = names_.resolve(*node.type);
    inputs_.push_back({type && type->is_input() ? type : nullptr, input_has_default()});
    self().enter_variable_definition(node);
    walk(*node.type);
    if (node.default_value) walk(*node.default_value);
    walk(node.directives, "VARIABLE_DEFINITION");
    inputs_.pop_back();
  }

  void walk(const ast::SelectionSet& node) {
    const auto* parent = type() ? &type()->named() : nullptr;
    parents_.push_back(parent && parent->is_composite() ? parent : nullptr);
    self().enter_selection_set(node);
    for (const auto& selection : node.items) {
      if (self().stopped()) break;
      walk(selection);
    }
    parents_.pop_back();
  }

  void walk(const ast::Selection& node) {
    switch (node.kind) {
      case ast::SelectionKind::field: {
        const auto* field = parent_type() ? schema_.field(*parent_type(), node.name.text) : nullptr;
        fields_.push_back(field);
        types_.push_back(field ? field->type : nullptr);
        self().enter_field(node);
        for (const auto& argument : node.arguments) walk(argument);
        walk(node.directives, "FIELD");
        if (node.set) walk(*node.set);
        self().leave_field(node);
        fields_.pop_back();
        types_.pop_back();
        return;
      }
      case ast::SelectionKind::spread:
        self().enter_spread(node);
        walk(node.directives, "FRAGMENT_SPREAD");
        return;
      case ast::SelectionKind::inline_fragment: {
        const Type* type_here = nullptr;
        if (node.condition)
          type_here = names_.resolve(*node.condition);
        else if (type())
          type_here = &type()->named();
        types_.push_back(type_here && type_here->is_output() ? type_here : nullptr);
        self().enter_inline_fragment(node);
        if (node.condition) walk(*node.condition);
        walk(node.directives, "INLINE_FRAGMENT");
        walk(*node.set);
        types_.pop_back();
        return;
      }
    }
  }

  void walk(const ast::List<ast::Directive>& list, std::string_view location) {
    for (const auto& node : list) {
      directive_ = schema_.directive(node.name.text);
      self().enter_directive(node, location);
      for (const auto& argument : node.arguments) walk(argument);
      self().leave_directive(node);
      directive_ = nullptr;
    }
  }

  void walk(const ast::Argument& node) {
    const InputField* known = nullptr;
    if (directive_)
      known = directive_->argument(node.name.text);
    else if (field())
      known = field()->argument(node.name.text);
    argument_ = known;
    inputs_.push_back({known ? known->type : nullptr, known && known->default_value});
    self().enter_argument(node);
    walk(*node.value);
    argument_ = nullptr;
    inputs_.pop_back();
  }

  void walk(const ast::Value& node) {
    if (node.kind == ast::ValueKind::list) {
      const auto* list = input_type() ? &input_type()->nullable() : nullptr;
      inputs_.push_back({list && list->kind == Kind::list ? list->of : list, false});
      self().enter_value(node);
      for (const auto& item : node.items) walk(item);
      self().leave_value(node);
      inputs_.pop_back();
      return;
    }
    self().enter_value(node);
    for (const auto& item : node.fields) {
      const auto* object = input_type() ? &input_type()->named() : nullptr;
      const auto* known = object ? object->input(item.name.text) : nullptr;
      inputs_.push_back({known ? known->type : nullptr, known && known->default_value});
      self().enter_object_field(item);
      walk(*item.value);
      inputs_.pop_back();
    }
    self().leave_value(node);
  }

  void walk(const ast::Type& node) {
    if (node.kind == ast::TypeKind::named)
      self().enter_named_type(node);
    else
      walk(*node.of);
  }

  void walk_inputs(const ast::List<ast::InputValue>& list, std::string_view location) {
    for (const auto& node : list) {
      self().enter_described(node.directives);
      walk(*node.type);
      if (node.default_value) walk(*node.default_value);
      walk(node.directives, location);
    }
  }

  void walk_type_system(const ast::Definition& node) {
    self().enter_type_system(node);
    const bool is_union = node.kind == ast::DefinitionKind::union_type;
    if (!is_union)
      for (const auto& type : node.types) walk(type);
    walk(node.directives, location_of_definition(node));
    if (is_union)
      for (const auto& type : node.types) walk(type);
    for (const auto& operation : node.operations) walk(*operation.type);
    for (const auto& field : node.fields) {
      self().enter_described(field.directives);
      walk_inputs(field.arguments, "ARGUMENT_DEFINITION");
      walk(*field.type);
      walk(field.directives, "FIELD_DEFINITION");
    }
    for (const auto& value : node.values) {
      self().enter_described(value.directives);
      walk(value.directives, "ENUM_VALUE");
    }
    // The reference takes the fields of an extended input for arguments.
    const bool input = node.kind == ast::DefinitionKind::input && !node.extension;
    walk_inputs(node.inputs, input ? "INPUT_FIELD_DEFINITION" : "ARGUMENT_DEFINITION");
  }

  TypeNames names_;
  std::vector<const Type*> types_, parents_;
  std::vector<const Field*> fields_;
  std::vector<Input> inputs_;
  const DirectiveType* directive_ = nullptr;
  const InputField* argument_ = nullptr;
  const ast::Definition* definition_ = nullptr;
};

}  // namespace gyre::graphql
