// A schema built from its own language: types, fields, arguments, directives. Made once at start, read by everybody.
#pragma once

#include <boost/json/value.hpp>
#include <deque>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "graphql/ast.hpp"
#include "graphql/error.hpp"

namespace gyre::graphql {

enum class Kind : std::uint8_t { scalar, object, interface, union_type, enum_type, input, list, non_null };

// Which of the scalars that the specification gives a meaning to; `custom` passes any JSON through.
enum class Scalar : std::uint8_t { string, integer, number, boolean, id, custom };

struct Type;

struct InputField {
  std::string name;
  std::optional<std::string> description;
  const Type* type = nullptr;
  std::optional<boost::json::value> default_value;
  std::optional<std::string> deprecation;
  bool required() const;
};

struct Field {
  std::string name;
  std::optional<std::string> description;
  std::vector<InputField> arguments;
  const Type* type = nullptr;
  std::optional<std::string> deprecation;
  std::size_t index = 0;  // among the fields of its type
  const InputField* argument(std::string_view wanted) const;
};

struct EnumMember {
  std::string name;
  std::optional<std::string> description;
  std::optional<std::string> deprecation;
};

struct Type {
  Kind kind = Kind::scalar;
  Scalar scalar = Scalar::custom;
  std::string name;  // empty for list and non_null
  std::optional<std::string> description;
  std::optional<std::string> specified_by;
  const Type* of = nullptr;           // list and non_null
  std::vector<Field> fields;          // object and interface
  std::vector<InputField> inputs;     // input
  std::vector<EnumMember> members;    // enum
  std::vector<const Type*> types;     // interfaces of an object or interface, members of a union
  std::vector<const Type*> objects;   // abstract types: what a value can be
  std::vector<const Type*> narrower;  // interface: the interfaces that implement it

  const Field* field(std::string_view wanted) const;
  const InputField* input(std::string_view wanted) const;
  const EnumMember* member(std::string_view wanted) const;
  std::string text() const;  // "[Pod!]!"

  bool is_leaf() const { return kind == Kind::scalar || kind == Kind::enum_type; }
  bool is_abstract() const { return kind == Kind::interface || kind == Kind::union_type; }
  bool is_composite() const { return kind == Kind::object || is_abstract(); }
  const Type& named() const;     // without lists and non-nulls
  const Type& nullable() const;  // without an outer non-null
  bool is_input() const;
  bool is_output() const;

 private:
  friend class SchemaBuilder;
  std::unordered_map<std::string_view, std::size_t> places_;
};

struct DirectiveType {
  std::string name;
  std::optional<std::string> description;
  std::vector<InputField> arguments;
  std::vector<std::string> locations;
  bool repeatable = false;
  const InputField* argument(std::string_view wanted) const;
};

// The text is not a schema. what() has one problem a line.
class SchemaError : public std::runtime_error {
 public:
  explicit SchemaError(const std::vector<std::string>& problems);
};

class Schema {
 public:
  // Throws SchemaError: a schema is part of the program, and a wrong one a mistake of its author.
  explicit Schema(std::string_view text);
  Schema(const Schema&) = delete;
  Schema& operator=(const Schema&) = delete;

  const Type* type(std::string_view name) const;                    // null: there is none
  const std::vector<const Type*>& types() const { return types_; }  // named ones, in the order of the reference
  const std::vector<DirectiveType>& directives() const { return directives_; }
  const DirectiveType* directive(std::string_view name) const;
  const std::optional<std::string>& description() const { return description_; }
  const Type* root(ast::OperationKind kind) const { return roots_[static_cast<std::size_t>(kind)]; }

  // The fields that every object, or the query root, has beside its own.
  const Field& typename_field() const { return *typename_field_; }
  const Field& schema_field() const { return *schema_field_; }
  const Field& type_field() const { return *type_field_; }
  const Field* field(const Type& parent, std::string_view name) const;  // those included

  // Whether a value of `type` can be one of `abstract`; both are named types.
  bool is_subtype(const Type& abstract, const Type& type) const;
  bool overlap(const Type& left, const Type& right) const;  // some object is both

  std::string print() const;  // as the reference's printSchema does

 private:
  friend class SchemaBuilder;
  std::deque<Type> storage_;
  std::unordered_map<std::string_view, const Type*> by_name_;
  std::vector<const Type*> types_;
  std::vector<DirectiveType> directives_;
  std::optional<std::string> description_;
  const Type* roots_[3] = {nullptr, nullptr, nullptr};
  const Field *typename_field_ = nullptr, *schema_field_ = nullptr, *type_field_ = nullptr;
};

bool same_type(const Type& left, const Type& right);
bool is_subtype_of(const Schema& schema, const Type& type, const Type& super);

// Types that a document names: what the schema has, wrapped as written. Keeps the wrappers.
class TypeNames {
 public:
  explicit TypeNames(const Schema& schema) : schema_(schema) {}
  const Type* resolve(const ast::Type& type);  // null: the schema has no such type
 private:
  const Schema& schema_;
  std::deque<Type> wrappers_;
};

}  // namespace gyre::graphql
