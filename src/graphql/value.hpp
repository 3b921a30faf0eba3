// What a resolver answered, seen without its type: a view that borrows. `value_of(x)` makes one of scalars, strings,
// ids, times, described enums, optionals, pointers, vectors, variants, Result<T>, JSON, and of any other struct as an
// object whose fields its resolvers know.
#pragma once

#include <boost/describe.hpp>
#include <boost/json/value.hpp>
#include <concepts>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <type_traits>
#include <variant>
#include <vector>

#include "base/enum_text.hpp"
#include "base/ids.hpp"
#include "base/result.hpp"
#include "base/time.hpp"

namespace gyre::graphql {

// One address for each C++ type: how an object is matched with the schema's types.
using TypeTag = const void*;
namespace detail {
template <class T>
inline constexpr char tag = 0;
}
template <class T>
constexpr TypeTag tag_of() {
  return &detail::tag<T>;
}

class Value;

struct ListAccess {
  std::size_t (*size)(const void* list);
  Value (*at)(const void* list, std::size_t index);
};

class Value {
 public:
  enum class Kind : std::uint8_t { null, boolean, integer, number, text, time, list, object, json, error };

  Value() = default;
  static Value boolean(bool value) {
    Value out(Kind::boolean);
    out.integer_ = value ? 1 : 0;
    return out;
  }
  static Value integer(std::int64_t value) {
    Value out(Kind::integer);
    out.integer_ = value;
    return out;
  }
  static Value number(double value) {
    Value out(Kind::number);
    out.number_ = value;
    return out;
  }
  static Value text(std::string_view value) {
    Value out(Kind::text);
    out.data_ = value.data();
    out.size_ = value.size();
    return out;
  }
  static Value time(Time value) {
    Value out(Kind::time);
    out.integer_ = value.time_since_epoch().count();
    return out;
  }
  static Value list(const void* list, const ListAccess& access) {
    Value out(Kind::list);
    out.data_ = list;
    out.access_ = &access;
    return out;
  }
  static Value object(const void* object, TypeTag tag) {
    Value out(Kind::object);
    out.data_ = object;
    out.tag_ = tag;
    return out;
  }
  static Value json(const boost::json::value& value);
  static Value error(const Error& error) {
    Value out(Kind::error);
    out.data_ = &error;
    return out;
  }

  Kind kind() const { return kind_; }
  bool is_null() const { return kind_ == Kind::null; }
  bool as_boolean() const { return integer_ != 0; }
  std::int64_t as_integer() const { return integer_; }
  double as_number() const { return number_; }
  std::string_view as_text() const { return {static_cast<const char*>(data_), size_}; }
  Time as_time() const { return Time(Time::duration(integer_)); }
  std::size_t list_size() const { return access_->size(data_); }
  Value list_item(std::size_t index) const { return access_->at(data_, index); }
  const void* as_object() const { return data_; }
  TypeTag tag() const { return tag_; }
  const boost::json::value& as_json() const { return *static_cast<const boost::json::value*>(data_); }
  const Error& as_error() const { return *static_cast<const Error*>(data_); }

 private:
  explicit Value(Kind kind) : kind_(kind) {}

  Kind kind_ = Kind::null;
  union {
    std::int64_t integer_ = 0;
    double number_;
    std::size_t size_;
    const ListAccess* access_;
    TypeTag tag_;
  };
  const void* data_ = nullptr;
};

namespace detail {
template <class T>
struct IsOptional : std::false_type {};
template <class T>
struct IsOptional<std::optional<T>> : std::true_type {};
template <class T>
struct IsPointer : std::is_pointer<T> {};
template <class T>
struct IsPointer<std::unique_ptr<T>> : std::true_type {};
template <class T>
struct IsPointer<std::shared_ptr<T>> : std::true_type {};
template <class T>
struct IsList : std::false_type {};
template <class T, class A>
struct IsList<std::vector<T, A>> : std::true_type {};
template <class T, std::size_t N>
struct IsList<std::span<T, N>> : std::true_type {};
template <class T>
struct IsVariant : std::false_type {};
template <class... T>
struct IsVariant<std::variant<T...>> : std::true_type {};
template <class T>
struct IsId : std::false_type {};
template <class Tag>
struct IsId<Id<Tag>> : std::true_type {};
template <class T>
struct IsResult : std::false_type {};
template <class T>
struct IsResult<tl::expected<T, Error>> : std::true_type {};
}  // namespace detail

// The view borrows `from`, which must live until the view has been used.
template <class T>
Value value_of(const T& from) {
  if constexpr (std::same_as<T, Value>) {
    return from;
  } else if constexpr (std::same_as<T, std::nullptr_t> || std::same_as<T, std::monostate>) {
    return {};
  } else if constexpr (std::same_as<T, bool>) {
    return Value::boolean(from);
  } else if constexpr (std::integral<T>) {
    return Value::integer(static_cast<std::int64_t>(from));
  } else if constexpr (std::floating_point<T>) {
    return Value::number(from);
  } else if constexpr (std::same_as<T, Time>) {
    return Value::time(from);
  } else if constexpr (std::convertible_to<const T&, std::string_view>) {
    return Value::text(from);
  } else if constexpr (detail::IsId<T>::value) {
    return Value::text(from.str());
  } else if constexpr (std::same_as<T, boost::json::value>) {
    return Value::json(from);
  } else if constexpr (DescribedEnum<T>) {
    return Value::text(enum_text(from));
  } else if constexpr (detail::IsResult<T>::value) {
    if (!from) return Value::error(from.error());
    if constexpr (std::is_void_v<typename T::value_type>)
      return {};
    else
      return value_of(*from);
  } else if constexpr (detail::IsOptional<T>::value || detail::IsPointer<T>::value) {
    return from ? value_of(*from) : Value();
  } else if constexpr (detail::IsVariant<T>::value) {
    return std::visit([](const auto& one) { return value_of(one); }, from);
  } else if constexpr (detail::IsList<T>::value) {
    static constexpr ListAccess access{[](const void* list) { return static_cast<const T*>(list)->size(); },
                                       [](const void* list, std::size_t index) -> Value {
                                         const auto& items = *static_cast<const T*>(list);
                                         if constexpr (std::same_as<T, std::vector<bool>>)
                                           return Value::boolean(items[index]);
                                         else
                                           return value_of(items[index]);
                                       }};
    return Value::list(&from, access);
  } else {
    static_assert(std::is_class_v<T>, "a resolver cannot answer with this type");
    return Value::object(&from, tag_of<T>());
  }
}

}  // namespace gyre::graphql
