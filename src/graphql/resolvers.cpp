#include "graphql/resolvers.hpp"

#include <algorithm>

namespace gyre::graphql {
namespace {

const ListAccess json_list{[](const void* list) { return static_cast<const boost::json::array*>(list)->size(); },
                           [](const void* list, std::size_t index) {
                             return Value::json((*static_cast<const boost::json::array*>(list))[index]);
                           }};

class FailedBatch final : public BatchAnswer {
 public:
  FailedBatch(Error error, std::size_t count) : error_(std::move(error)), count_(count) {}
  std::size_t size() const override { return count_; }
  Value at(std::size_t) const override { return Value::error(error_); }

 private:
  Error error_;
  std::size_t count_;
};

}  // namespace

std::unique_ptr<BatchAnswer> detail::failed_batch(Error error, std::size_t count) {
  return std::make_unique<FailedBatch>(std::move(error), count);
}

Value Value::json(const boost::json::value& value) {
  if (value.is_null()) return {};
  if (value.is_bool()) return boolean(value.get_bool());
  if (value.is_int64()) return integer(value.get_int64());
  if (value.is_uint64()) return number(static_cast<double>(value.get_uint64()));
  if (value.is_double()) return number(value.get_double());
  if (value.is_string()) return text({value.get_string().data(), value.get_string().size()});
  if (value.is_array()) return list(&value.get_array(), json_list);
  Value out(Kind::json);
  out.data_ = &value;
  out.tag_ = tag_of<boost::json::value>();
  return out;
}

bool Ask::has(std::string_view name) const { return arguments_.contains({name.data(), name.size()}); }

const boost::json::value& Ask::argument(std::string_view name) const {
  static const boost::json::value null;
  if (!field_.argument(name))
    throw std::logic_error("the field " + parent_.name + '.' + field_.name + " has no argument " + std::string(name));
  const auto* found = arguments_.if_contains({name.data(), name.size()});
  return found ? *found : null;
}

Resolvers::Resolvers(const Schema& schema) : schema_(schema) {}

Binding& Resolvers::bind(std::string_view name, TypeTag tag) {
  const auto* type = schema_.type(name);
  if (!type || type->kind != Kind::object)
    throw std::logic_error("the GraphQL schema has no object type " + std::string(name));
  auto& made = bindings_[type];
  if (!made) {
    made = std::make_unique<Binding>();
    made->type = type;
    made->tag = tag;
    made->fields.resize(type->fields.size());
    by_tag_[tag].push_back(type);
  }
  if (made->tag != tag) throw std::logic_error("the GraphQL type " + type->name + " has two C++ types");
  return *made;
}

ObjectResolvers<Root> Resolvers::root(ast::OperationKind kind) {
  const auto* type = schema_.root(kind);
  if (!type) throw std::logic_error("the GraphQL schema has no " + std::string(ast::text_of(kind)) + " type");
  return {*this, bind(type->name, tag_of<Root>())};
}

FieldResolver& Resolvers::claim(Binding& binding, std::string_view name) {
  const auto* field = binding.type->field(name);
  const auto shown = binding.type->name + '.' + std::string(name);
  if (!field) throw std::logic_error("the GraphQL schema has no field " + shown);
  auto& resolver = binding.fields[field->index];
  if (resolver) throw std::logic_error("the GraphQL field " + shown + " has two resolvers");
  return resolver;
}

void Resolvers::check() const {
  // What can be reached from the roots; an abstract type leads to all its objects.
  std::vector<const Type*> waiting, seen;
  for (const auto kind : {ast::OperationKind::query, ast::OperationKind::mutation, ast::OperationKind::subscription})
    if (const auto* root = schema_.root(kind)) waiting.push_back(root);
  std::string missing;
  while (!waiting.empty()) {
    const auto* type = waiting.back();
    waiting.pop_back();
    if (std::find(seen.begin(), seen.end(), type) != seen.end()) continue;
    seen.push_back(type);
    waiting.insert(waiting.end(), type->objects.begin(), type->objects.end());
    for (const auto& field : type->fields)
      if (field.type->named().is_composite()) waiting.push_back(&field.type->named());
    if (type->kind != Kind::object) continue;
    const auto* bound = binding(*type);
    for (const auto& field : type->fields)
      if (!bound || !bound->fields[field.index])
        missing += (missing.empty() ? "" : ", ") + type->name + '.' + field.name;
  }
  if (!missing.empty()) throw std::logic_error("GraphQL fields without a resolver: " + missing);
}

const Binding* Resolvers::binding(const Type& type) const {
  const auto found = bindings_.find(&type);
  return found == bindings_.end() ? nullptr : found->second.get();
}

const Type* Resolvers::object_type(const Type& wanted, const Value& value, std::string& problem) const {
  const bool is_object = value.kind() == Value::Kind::object || value.kind() == Value::Kind::json;
  if (wanted.kind == Kind::object) {
    const auto* bound = binding(wanted);
    if (is_object && bound && bound->tag == value.tag()) return &wanted;
    problem = "Expected value of type \"" + wanted.name + "\" but got another.";
    return nullptr;
  }
  if (is_object) {
    if (const auto kind = kinds_.find(value.tag()); kind != kinds_.end()) {
      const auto name = kind->second(value.as_object());
      const auto* type = name.empty() ? nullptr : schema_.type(name);
      if (type && type->kind == Kind::object && schema_.is_subtype(wanted, *type)) return type;
      if (!name.empty()) {
        if (!type)
          problem = "Abstract type \"" + wanted.name + "\" was resolved to a type \"" + name +
                    "\" that does not exist inside the schema.";
        else if (type->kind != Kind::object)
          problem = "Abstract type \"" + wanted.name + "\" was resolved to a non-object type \"" + name + "\".";
        else
          problem = "Runtime Object type \"" + name + "\" is not a possible type for \"" + wanted.name + "\".";
        return nullptr;
      }
    } else if (const auto bound = by_tag_.find(value.tag()); bound != by_tag_.end()) {
      for (const auto* type : bound->second)
        if (schema_.is_subtype(wanted, *type)) return type;
    }
  }
  problem.clear();  // the caller says it: it knows the field
  return nullptr;
}

}  // namespace gyre::graphql
