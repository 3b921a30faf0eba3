// The syntax tree of a GraphQL document: executable definitions and the schema definition language. Every node lives in
// the arena of its Document and is never freed alone; texts are views into the document's source or its arena.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <memory_resource>
#include <new>
#include <string>
#include <string_view>
#include <utility>

namespace gyre::graphql::ast {

using Offset = std::uint32_t;  // of a byte in the source

// A list of nodes that are chained through their own `next`.
template <class T>
class List {
 public:
  class Iterator {
   public:
    explicit Iterator(T* node) : node_(node) {}
    T& operator*() const { return *node_; }
    T* operator->() const { return node_; }
    Iterator& operator++() {
      node_ = node_->next;
      return *this;
    }
    bool operator==(const Iterator&) const = default;

   private:
    T* node_;
  };

  void add(T* node) {
    (last_ ? last_->next : first_) = node;
    last_ = node;
    ++size_;
  }
  Iterator begin() const { return Iterator(first_); }
  Iterator end() const { return Iterator(nullptr); }
  bool empty() const { return !first_; }
  std::size_t size() const { return size_; }
  T& front() const { return *first_; }

 private:
  T* first_ = nullptr;
  T* last_ = nullptr;
  std::size_t size_ = 0;
};

struct Name {
  Offset at = 0;
  std::string_view text;  // empty: there is none
  Name* next = nullptr;
  explicit operator bool() const { return !text.empty(); }
};

struct ObjectField;

enum class ValueKind : std::uint8_t { variable, integer, number, string, boolean, null, enumerator, list, object };

struct Value {
  ValueKind kind = ValueKind::null;
  bool block = false;     // a string written with """
  Offset at = 0;          // of a variable: its dollar sign
  std::string_view text;  // a variable's name, a number as written, a string as meant, true or false, an enumerator
  List<Value> items;
  List<ObjectField> fields;
  Value* next = nullptr;
};

struct ObjectField {
  Name name;
  Value* value = nullptr;
  ObjectField* next = nullptr;
};

struct Argument {
  Name name;
  Value* value = nullptr;
  Argument* next = nullptr;
};

struct Directive {
  Offset at = 0;
  Name name;
  List<Argument> arguments;
  Directive* next = nullptr;
};

enum class TypeKind : std::uint8_t { named, list, non_null };

struct Type {
  TypeKind kind = TypeKind::named;
  Offset at = 0;
  std::string_view name;     // of a named type
  const Type* of = nullptr;  // of the others
  Type* next = nullptr;
};

struct VariableDefinition {
  Offset at = 0;
  Name name;  // without the dollar sign
  const Type* type = nullptr;
  const Value* default_value = nullptr;
  List<Directive> directives;
  VariableDefinition* next = nullptr;
};

struct Selection;

struct SelectionSet {
  Offset at = 0;
  List<Selection> items;
};

enum class SelectionKind : std::uint8_t { field, spread, inline_fragment };

struct Selection {
  SelectionKind kind = SelectionKind::field;
  Offset at = 0;
  Name alias, name;  // the name of a field or of the fragment that is spread
  List<Argument> arguments;
  List<Directive> directives;
  const Type* condition = nullptr;    // of an inline fragment, if it has one
  const SelectionSet* set = nullptr;  // null for a leaf and for a spread
  Selection* next = nullptr;
  std::string_view key() const { return alias ? alias.text : name.text; }
};

struct InputValue {
  Offset at = 0;
  const Value* description = nullptr;
  Name name;
  const Type* type = nullptr;
  const Value* default_value = nullptr;
  List<Directive> directives;
  InputValue* next = nullptr;
};

struct FieldDefinition {
  Offset at = 0;
  const Value* description = nullptr;
  Name name;
  List<InputValue> arguments;
  const Type* type = nullptr;
  List<Directive> directives;
  FieldDefinition* next = nullptr;
};

struct EnumValue {
  Offset at = 0;
  const Value* description = nullptr;
  Name name;
  List<Directive> directives;
  EnumValue* next = nullptr;
};

enum class OperationKind : std::uint8_t { query, mutation, subscription };

struct OperationType {
  Offset at = 0;
  OperationKind operation = OperationKind::query;
  const Type* type = nullptr;
  OperationType* next = nullptr;
};

enum class DefinitionKind : std::uint8_t {
  operation,
  fragment,
  schema,
  scalar,
  object,
  interface,
  union_type,
  enum_type,
  input,
  directive,
};

// Any definition; which members say something depends on its kind.
struct Definition {
  DefinitionKind kind = DefinitionKind::operation;
  bool extension = false;
  bool repeatable = false;
  OperationKind operation = OperationKind::query;
  Offset at = 0;
  const Value* description = nullptr;
  Name name;
  List<VariableDefinition> variables;
  const Type* condition = nullptr;  // of a fragment
  List<Directive> directives;
  const SelectionSet* set = nullptr;
  List<Type> types;  // interfaces of an object or interface, members of a union
  List<FieldDefinition> fields;
  List<InputValue> inputs;  // fields of an input, arguments of a directive
  List<EnumValue> values;
  List<OperationType> operations;
  List<Name> locations;
  Definition* next = nullptr;

  bool executable() const { return kind == DefinitionKind::operation || kind == DefinitionKind::fragment; }
};

// Owns the source and every node. Never moved: the nodes point into it.
class Document {
 public:
  explicit Document(std::string text) : source(std::move(text)), arena_(4096 + source.size() * 4) {}
  Document(const Document&) = delete;
  Document& operator=(const Document&) = delete;

  template <class T>
  T* make() {
    return new (arena_.allocate(sizeof(T), alignof(T))) T();
  }
  std::string_view keep(std::string_view text);

  const std::string source;
  List<Definition> definitions;

 private:
  std::pmr::monotonic_buffer_resource arena_;
};

std::string_view text_of(OperationKind kind);  // "query"

// The same tree, wherever it stands in its source.
bool same(const Document& left, const Document& right);

}  // namespace gyre::graphql::ast
