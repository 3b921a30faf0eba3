// Who answers for each field of a schema: members of described structs, functions, and functions for many parents at
// once.
//
//   Resolvers resolvers(schema);
//   resolvers.query().field("pod", [](Ask& ask) -> Result<std::optional<PodView>> {
//     const auto input = TRY(ask.get<PodFilter>("input"));
//     return ask.context<PodService>().find(input.podId);
//   });
//   resolvers.type<PodView>("Pod")
//       .members()                                                              // fields named like a member
//       .field("runtime", [](const PodView& pod, Ask& ask) { return ...; })
//       .batch("machine", [](std::span<const PodView* const> pods, Ask& ask) {  // once for a list of pods
//         return std::vector<MachineView>{...};
//       });
//   resolvers.check();  // throws when a field has no resolver: at start, not when a client asks
//
// A function's answer may be anything that value_of (value.hpp) knows; it lives until all that was selected in it is
// written. A Result that failed becomes an entry of `errors` with the reason as its code. What throws is no answer: the
// exception leaves Engine::answer, for the caller's border to catch.
#pragma once

#include <boost/describe.hpp>
#include <boost/mp11.hpp>
#include <functional>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <typeindex>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/check.hpp"
#include "graphql/error.hpp"
#include "graphql/schema.hpp"
#include "graphql/value.hpp"
#include "json/codec.hpp"

namespace gyre::graphql {

// The services of one request, by their types. Borrows them.
class Context {
 public:
  template <class T>
  Context& add(T& service) {
    services_.emplace_back(std::type_index(typeid(T)), const_cast<std::remove_const_t<T>*>(&service));
    return *this;
  }
  template <class T>
  T& get() const {
    for (const auto& [type, service] : services_)
      if (type == typeid(T)) return *static_cast<T*>(service);
    throw std::logic_error("the GraphQL request carries no such service: " + std::string(json::detail::type_name<T>()));
  }

 private:
  std::vector<std::pair<std::type_index, void*>> services_;
};

// One field that is asked for, as its resolver sees it.
class Ask {
 public:
  Ask(const Type& parent, const Field& field, const boost::json::object& arguments, const Context& context)
      : parent_(parent), field_(field), arguments_(arguments), context_(context) {}

  // An argument, decoded. Absent is null: ask for an optional where the schema allows that.
  template <class T>
  Result<T> get(std::string_view name, json::UnknownKeys unknown = json::UnknownKeys::refuse) const {
    return json::decode<T>(argument(name), std::string(name), unknown);
  }
  bool has(std::string_view name) const;  // given, or has a default; null counts
  const boost::json::value& argument(std::string_view name) const;
  const boost::json::object& arguments() const { return arguments_; }

  template <class T>
  T& context() const {
    return context_.get<T>();
  }
  const std::string& field() const { return field_.name; }
  const std::string& parent() const { return parent_.name; }

 private:
  const Type& parent_;
  const Field& field_;
  const boost::json::object& arguments_;
  const Context& context_;
};

// Takes an answer while it lives.
class Sink {
 public:
  virtual void take(const Value& value) = 0;

 protected:
  ~Sink() = default;
};

// The answers to one field for many parents.
class BatchAnswer {
 public:
  virtual ~BatchAnswer() = default;
  virtual std::size_t size() const = 0;
  virtual Value at(std::size_t index) const = 0;
};

struct FieldResolver {
  std::function<void(const void* source, Ask&, Sink&)> one;
  Value (*member)(const void* source) = nullptr;  // instead of `one`: nothing but a member
  std::function<std::unique_ptr<BatchAnswer>(std::span<const void* const> sources, Ask&)> many;  // or this
  explicit operator bool() const { return one || member || many; }
};

// An object type of the schema and its C++ type.
struct Binding {
  const Type* type = nullptr;
  TypeTag tag = nullptr;
  std::vector<FieldResolver> fields;  // by Field::index
};

class Resolvers;

namespace detail {

template <class R>
class BatchOf final : public BatchAnswer {
 public:
  explicit BatchOf(std::vector<R> values) : values_(std::move(values)) {}
  std::size_t size() const override { return values_.size(); }
  Value at(std::size_t index) const override {
    if constexpr (std::same_as<R, bool>)
      return Value::boolean(values_[index]);
    else
      return value_of(values_[index]);
  }

 private:
  std::vector<R> values_;
};

template <class R>
std::unique_ptr<BatchAnswer> batch_answer(std::vector<R> values) {
  return std::make_unique<BatchOf<R>>(std::move(values));
}
std::unique_ptr<BatchAnswer> failed_batch(Error error, std::size_t count);
template <class R>
std::unique_ptr<BatchAnswer> batch_answer(Result<std::vector<R>> values, std::size_t count) {
  if (!values) return failed_batch(std::move(values).error(), count);
  return batch_answer(std::move(*values));
}

}  // namespace detail

template <class T>
class ObjectResolvers {
 public:
  ObjectResolvers(Resolvers& owner, Binding& binding) : owner_(owner), binding_(binding) {}

  // Every described member whose name is a field without a resolver yet. The others are nobody's business here.
  ObjectResolvers& members();

  // f(const T&, Ask&), f(const T&), or for roots f(Ask&).
  template <class F>
  ObjectResolvers& field(std::string_view name, F f);

  // f(std::span<const T* const>, Ask&) -> std::vector<R> or Result<std::vector<R>>, as many as there are parents.
  template <class F>
  ObjectResolvers& batch(std::string_view name, F f);

 private:
  Resolvers& owner_;
  Binding& binding_;
};

struct Root {};  // what query, mutation and subscription are fields of

class Resolvers {
 public:
  explicit Resolvers(const Schema& schema);

  template <class T>
  ObjectResolvers<T> type(std::string_view name) {
    return {*this, bind(name, tag_of<T>())};
  }
  ObjectResolvers<Root> query() { return root(ast::OperationKind::query); }
  ObjectResolvers<Root> mutation() { return root(ast::OperationKind::mutation); }
  ObjectResolvers<Root> subscription() { return root(ast::OperationKind::subscription); }

  // Which object type a T is when it stands for more than one: f(const T&) -> name, empty when it is none.
  template <class T, class F>
  Resolvers& kind_of(F f) {
    kinds_[tag_of<T>()] = [f = std::move(f)](const void* source) -> std::string {
      return std::string(f(*static_cast<const T*>(source)));
    };
    return *this;
  }

  // Throws std::logic_error that lists every field without a resolver. A resolver without a field throws where it is
  // made. Types that nothing leads to need none.
  void check() const;

  const Schema& schema() const { return schema_; }
  const Binding* binding(const Type& type) const;
  // The object type of a value where `wanted`, abstract or not, is expected; null when it is none, and why.
  const Type* object_type(const Type& wanted, const Value& value, std::string& problem) const;

  FieldResolver& claim(Binding& binding, std::string_view name);  // throws: no such field, or it has one already

 private:
  Binding& bind(std::string_view name, TypeTag tag);
  ObjectResolvers<Root> root(ast::OperationKind kind);

  const Schema& schema_;
  std::unordered_map<const Type*, std::unique_ptr<Binding>> bindings_;
  std::unordered_map<TypeTag, std::vector<const Type*>> by_tag_;
  std::unordered_map<TypeTag, std::function<std::string(const void*)>> kinds_;
};

// --- implementation ---

template <class T>
ObjectResolvers<T>& ObjectResolvers<T>::members() {
  using All = boost::describe::describe_members<T, boost::describe::mod_public | boost::describe::mod_inherited>;
  std::size_t found = 0;
  boost::mp11::mp_for_each<All>([&](auto described) {
    const auto* field = binding_.type->field(described.name);
    if (!field || binding_.fields[field->index]) return;
    ++found;
    using D = decltype(described);
    binding_.fields[field->index].member = [](const void* source) {
      return value_of(static_cast<const T*>(source)->*D::pointer);
    };
  });
  if (found == 0) throw std::logic_error("no member is a field of the GraphQL type " + binding_.type->name);
  return *this;
}

template <class T>
template <class F>
ObjectResolvers<T>& ObjectResolvers<T>::field(std::string_view name, F f) {
  owner_.claim(binding_, name).one = [f = std::move(f)](const void* source, Ask& ask, Sink& sink) {
    const auto answer = [&]() -> decltype(auto) {
      if constexpr (std::is_invocable_v<const F&, const T&, Ask&>)
        return f(*static_cast<const T*>(source), ask);
      else if constexpr (std::is_invocable_v<const F&, const T&>)
        return f(*static_cast<const T*>(source));
      else
        return f(ask);
    };
    // The answer outlives its view: it may be a reference to something that lives longer, or a value that lives here.
    decltype(auto) value = answer();
    sink.take(value_of(value));
  };
  return *this;
}

template <class T>
template <class F>
ObjectResolvers<T>& ObjectResolvers<T>::batch(std::string_view name, F f) {
  owner_.claim(binding_, name).many = [f = std::move(f)](std::span<const void* const> sources, Ask& ask) {
    std::vector<const T*> typed;
    typed.reserve(sources.size());
    for (const auto* source : sources) typed.push_back(static_cast<const T*>(source));
    auto answers = f(std::span<const T* const>(typed), ask);
    if constexpr (detail::IsResult<decltype(answers)>::value)
      return detail::batch_answer(std::move(answers), sources.size());
    else
      return detail::batch_answer(std::move(answers));
  };
  return *this;
}

}  // namespace gyre::graphql
