// Described structs to and from JSON. Errors name the path of the field: "ports[1]: expected PORT/http or PORT/tcp".
// Include this only where the wire is (*_routes.cpp and clients): it brings Boost.JSON's value.
//
//   decode<CreatePod>(text)   unknown keys are refused (or ignored, when the caller says so), null counts as absent
//   encode(view)              absent optionals are written as null
//
// Supported members: bool, integers (range-checked), double, std::string, Id, Time (RFC 3339), described enums,
// std::optional, std::vector, std::map<std::string, T>, nested described structs, boost::json::value (as it is), and
// whatever has a Wire<T> of its own. A member `public_` is "public" on the wire. Which members may be absent is told in
// schema.hpp.
#pragma once

#include <boost/describe.hpp>
#include <boost/json/value.hpp>
#include <boost/mp11.hpp>
#include <concepts>
#include <limits>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/check.hpp"
#include "base/enum_text.hpp"
#include "base/ids.hpp"
#include "base/result.hpp"
#include "base/time.hpp"
#include "json/schema.hpp"

namespace gyre::json {

enum class UnknownKeys { refuse, ignore };

// The error is invalid_json, invalid_field, unknown_field or missing_field; all but the first name the field. `path` is
// where `value` stands in the whole document ("" for the root) and prefixes the names.
template <class T>
Result<T> decode(std::string_view text, UnknownKeys unknown = UnknownKeys::refuse);
template <class T>
Result<T> decode(const boost::json::value& value, const std::string& path, UnknownKeys unknown);

template <class T>
boost::json::value to_json(const T& value);
template <class T>
std::string encode(const T& value);

template <class T>
SchemaRef schema();  // of one T; its name is T's own, without namespaces
template <class T>
SchemaRef schema_list();  // of an array of T

// Text to a value with limits on depth (32) and a readable error. An empty text is invalid_json.
Result<boost::json::value> parse(std::string_view text);

// A value to text: UTF-8 always (bytes that are not become U+FFFD), the shortest number that reads back the same, null
// for what is not finite.
std::string serialize(const boost::json::value& value);
std::string serialize_pretty(const boost::json::value& value);  // two spaces a level and a final newline, for files

// --- implementation ---

// The state of one decoding: where we are and what went wrong first. Every `read` returns false once it has said why.
class Reader {
 public:
  Reader(std::string base, UnknownKeys unknown_keys) : unknown(unknown_keys), base_(std::move(base)) {}

  // Being inside a member or an element. The key must outlive the step.
  class Step {
   public:
    Step(Reader& reader, std::string_view key) : reader_(reader) { reader.steps_.push_back({key, no_index}); }
    Step(Reader& reader, std::size_t index) : reader_(reader) { reader.steps_.push_back({{}, index}); }
    ~Step() { reader_.steps_.pop_back(); }
    Step(const Step&) = delete;
    Step& operator=(const Step&) = delete;

   private:
    Reader& reader_;
  };

  bool wrong(Detail detail, const Args& args = {});  // invalid_field, here
  bool missing();                                    // missing_field, here
  bool not_known(std::string_view known);
  Error take_error() { return std::move(error_); }

  const UnknownKeys unknown;

 private:
  static constexpr std::size_t no_index = static_cast<std::size_t>(-1);
  struct At {
    std::string_view key;
    std::size_t index;
  };
  std::string path() const;

  std::string base_;
  std::vector<At> steps_;
  Error error_;
};

using Definitions = boost::json::object;

// How a type stands on the wire. Specialize it for a type that is more than the sum of its members (money, a size).
//   static bool read(Reader&, const boost::json::value&, T& out);
//   static boost::json::value write(const T&);
//   static boost::json::value schema(Definitions&);    JSON Schema 2020-12; named ones go into the definitions
//   static void append(std::string& out, const T&);    what serialize(write(value)) says, without the value between;
//                                                      may be left out
template <class T>
struct Wire;

template <class T>
concept HasWords = requires(const T* null) {
  { fields(null) } -> std::same_as<Fields>;
};

namespace detail {

bool read_bool(Reader& reader, const boost::json::value& value, bool& out);
bool read_signed(Reader& reader, const boost::json::value& value, std::int64_t min, std::int64_t max,
                 std::int64_t& out);
bool read_unsigned(Reader& reader, const boost::json::value& value, std::uint64_t max, std::uint64_t& out);
bool read_double(Reader& reader, const boost::json::value& value, double& out);
bool read_string(Reader& reader, const boost::json::value& value, std::string& out);
bool read_time(Reader& reader, const boost::json::value& value, Time& out);
const boost::json::array* as_array(Reader& reader, const boost::json::value& value);
const boost::json::object* as_object(Reader& reader, const boost::json::value& value);
bool usable_key(Reader& reader, std::string_view key);

// The text of one value, at the end of `out`.
void append_integer(std::string& out, std::int64_t value);
void append_integer(std::string& out, std::uint64_t value);
void append_double(std::string& out, double value);
void append_string(std::string& out, std::string_view value);

boost::json::value integer_schema(std::int64_t min, std::uint64_t max);
boost::json::value enum_schema(const std::string& choices);
boost::json::value nullable(boost::json::value schema);
boost::json::value typed(std::string_view type, std::string_view format = {});

// One member of a struct with its type taken away, so that the work on objects is compiled once, in codec.cpp.
struct Member {
  std::string_view name;
  bool optional;
  bool (*read)(Reader&, const boost::json::value&, void* object);
  boost::json::value (*write)(const void* object);
  void (*append)(std::string& out, const void* object);
  boost::json::value (*schema)(Definitions&);
};

struct Shape {
  std::vector<Member> members;
  bool contract = false;           // has words; absent members are errors unless they are said not to be
  std::vector<Presence> presence;  // per member
  std::string known;               // "name, days, scope"
  std::vector<std::string> keys;   // per member, as text: {"name": and then ,"days":
};

Shape make_shape(std::vector<Member> members, const Fields* words);
bool read_object(Reader& reader, const boost::json::value& value, const Shape& shape, void* object);
boost::json::value write_object(const Shape& shape, const void* object);
void append_object(std::string& out, const Shape& shape, const void* object);
// `scratch` is a fresh object of the type: defaults are read from it, then examples are tried on it.
boost::json::value object_schema(std::string_view full_name, const Shape& shape, const Fields& words, void* scratch,
                                 Definitions& definitions);
std::string_view short_name(std::string_view full_name);

template <class T>
constexpr std::string_view type_name() {
  std::string_view text = __PRETTY_FUNCTION__;  // g++: "... [with T = X; std::string_view = ...]", clang: "... [T = X]"
  const auto start = text.find("T = ") + 4;
  return text.substr(start, text.find_first_of(";]", start) - start);
}

template <class T>
concept Described = boost::describe::has_describe_members<T>::value && !DescribedEnum<T>;

// Null is one of their values, so they may be absent.
template <class T>
constexpr bool is_optional = std::is_same_v<T, boost::json::value>;
template <class T>
constexpr bool is_optional<std::optional<T>> = true;

template <class T>
void append(std::string& out, const T& value) {
  if constexpr (requires { Wire<T>::append(out, value); })
    Wire<T>::append(out, value);
  else
    out += serialize(Wire<T>::write(value));
}

template <class T, auto pointer>
Member member_of(std::string_view name) {
  using Type = std::remove_cvref_t<decltype(std::declval<T&>().*pointer)>;
  return {name,
          is_optional<Type>,
          [](Reader& reader, const boost::json::value& value, void* object) {
            return Wire<Type>::read(reader, value, static_cast<T*>(object)->*pointer);
          },
          [](const void* object) { return Wire<Type>::write(static_cast<const T*>(object)->*pointer); },
          [](std::string& out, const void* object) { append(out, static_cast<const T*>(object)->*pointer); },
          [](Definitions& definitions) { return Wire<Type>::schema(definitions); }};
}

// `template_` is "template": words of C++ are spelt with an underscore at their end.
constexpr std::string_view wire_name(std::string_view member) {
  return member.ends_with('_') ? member.substr(0, member.size() - 1) : member;
}

template <Described T>
const Shape& shape_of() {
  static const Shape shape = [] {
    std::vector<Member> members;
    using All = boost::describe::describe_members<T, boost::describe::mod_public | boost::describe::mod_inherited>;
    boost::mp11::mp_for_each<All>(
        [&](auto d) { members.push_back(member_of<T, decltype(d)::pointer>(wire_name(d.name))); });
    if constexpr (HasWords<T>) {
      const Fields words = fields(static_cast<const T*>(nullptr));
      return make_shape(std::move(members), &words);
    } else {
      return make_shape(std::move(members), nullptr);
    }
  }();
  return shape;
}

template <class T>
Result<T> finish(Reader& reader, const boost::json::value& value) {
  T out{};
  if (!Wire<T>::read(reader, value, out)) return fail(reader.take_error());
  return out;
}

}  // namespace detail

template <>
struct Wire<bool> {
  static bool read(Reader& reader, const boost::json::value& value, bool& out) {
    return detail::read_bool(reader, value, out);
  }
  static boost::json::value write(bool value) { return value; }
  static void append(std::string& out, bool value) { out += value ? "true" : "false"; }
  static boost::json::value schema(Definitions&) { return detail::typed("boolean"); }
};

template <std::integral T>
struct Wire<T> {
  using Limits = std::numeric_limits<T>;
  static bool read(Reader& reader, const boost::json::value& value, T& out) {
    if constexpr (std::is_signed_v<T>) {
      std::int64_t wide = 0;
      if (!detail::read_signed(reader, value, Limits::min(), Limits::max(), wide)) return false;
      out = static_cast<T>(wide);
    } else {
      std::uint64_t wide = 0;
      if (!detail::read_unsigned(reader, value, Limits::max(), wide)) return false;
      out = static_cast<T>(wide);
    }
    return true;
  }
  static boost::json::value write(T value) { return value; }
  static void append(std::string& out, T value) {
    using Wide = std::conditional_t<std::is_signed_v<T>, std::int64_t, std::uint64_t>;
    detail::append_integer(out, static_cast<Wide>(value));
  }
  static boost::json::value schema(Definitions&) {
    return detail::integer_schema(static_cast<std::int64_t>(Limits::min()), static_cast<std::uint64_t>(Limits::max()));
  }
};

template <>
struct Wire<double> {
  static bool read(Reader& reader, const boost::json::value& value, double& out) {
    return detail::read_double(reader, value, out);
  }
  static boost::json::value write(double value) { return value; }
  static void append(std::string& out, double value) { detail::append_double(out, value); }
  static boost::json::value schema(Definitions&) { return detail::typed("number"); }
};

template <>
struct Wire<std::string> {
  static bool read(Reader& reader, const boost::json::value& value, std::string& out) {
    return detail::read_string(reader, value, out);
  }
  static boost::json::value write(const std::string& value) { return boost::json::value(value); }
  static void append(std::string& out, const std::string& value) { detail::append_string(out, value); }
  static boost::json::value schema(Definitions&) { return detail::typed("string"); }
};

template <class Tag>
struct Wire<Id<Tag>> {
  static bool read(Reader& reader, const boost::json::value& value, Id<Tag>& out) {
    std::string text;
    if (!detail::read_string(reader, value, text)) return false;
    out = Id<Tag>(std::move(text));
    return true;
  }
  static boost::json::value write(const Id<Tag>& value) { return boost::json::value(value.str()); }
  static void append(std::string& out, const Id<Tag>& value) { detail::append_string(out, value.str()); }
  static boost::json::value schema(Definitions&) { return detail::typed("string"); }
};

template <>
struct Wire<Time> {
  static bool read(Reader& reader, const boost::json::value& value, Time& out) {
    return detail::read_time(reader, value, out);
  }
  static boost::json::value write(Time value) { return boost::json::value(rfc3339(value)); }
  static void append(std::string& out, Time value) { detail::append_string(out, rfc3339(value)); }
  static boost::json::value schema(Definitions&) { return detail::typed("string", "date-time"); }
};

template <DescribedEnum E>
struct Wire<E> {
  static bool read(Reader& reader, const boost::json::value& value, E& out) {
    const auto* text = value.if_string();
    const auto found = text ? enum_from_text<E>({text->data(), text->size()}) : std::nullopt;
    if (!found) return reader.wrong(Detail::one_of, {{"choices", enum_choices<E>()}});
    out = *found;
    return true;
  }
  static boost::json::value write(E value) {
    const auto text = enum_text(value);
    return boost::json::value(boost::json::string_view(text.data(), text.size()));
  }
  static void append(std::string& out, E value) { detail::append_string(out, enum_text(value)); }
  static boost::json::value schema(Definitions&) { return detail::enum_schema(enum_choices<E>()); }
};

template <class T>
struct Wire<std::optional<T>> {
  static bool read(Reader& reader, const boost::json::value& value, std::optional<T>& out) {
    if (value.is_null()) {
      out.reset();
      return true;
    }
    return Wire<T>::read(reader, value, out.emplace());
  }
  static boost::json::value write(const std::optional<T>& value) {
    if (!value) return nullptr;
    return Wire<T>::write(*value);
  }
  static void append(std::string& out, const std::optional<T>& value) {
    if (value)
      detail::append(out, *value);
    else
      out += "null";
  }
  static boost::json::value schema(Definitions& definitions) { return detail::nullable(Wire<T>::schema(definitions)); }
};

template <class T>
struct Wire<std::vector<T>> {
  static bool read(Reader& reader, const boost::json::value& value, std::vector<T>& out) {
    const auto* array = detail::as_array(reader, value);
    if (!array) return false;
    out.clear();
    out.reserve(array->size());
    for (const auto& element : *array) {
      Reader::Step step(reader, out.size());
      T item{};  // not emplaced: std::vector<bool> has no elements to point at
      if (!Wire<T>::read(reader, element, item)) return false;
      out.push_back(std::move(item));
    }
    return true;
  }
  static boost::json::value write(const std::vector<T>& value) {
    boost::json::array out;
    out.reserve(value.size());
    for (const auto& item : value) out.push_back(Wire<T>::write(item));
    return out;
  }
  static void append(std::string& out, const std::vector<T>& value) {
    out += '[';
    bool first = true;
    for (const T& item : value) {  // by its type: an element of std::vector<bool> is no reference
      if (!std::exchange(first, false)) out += ',';
      detail::append(out, item);
    }
    out += ']';
  }
  static boost::json::value schema(Definitions& definitions) {
    auto out = detail::typed("array");
    out.get_object()["items"] = Wire<T>::schema(definitions);
    return out;
  }
};

template <class T>
struct Wire<std::map<std::string, T>> {
  static bool read(Reader& reader, const boost::json::value& value, std::map<std::string, T>& out) {
    const auto* object = detail::as_object(reader, value);
    if (!object) return false;
    out.clear();
    for (const auto& [name, element] : *object) {
      const std::string_view key(name.data(), name.size());
      Reader::Step step(reader, key);
      if (!detail::usable_key(reader, key) || !Wire<T>::read(reader, element, out[std::string(key)])) return false;
    }
    return true;
  }
  static boost::json::value write(const std::map<std::string, T>& value) {
    boost::json::object out;
    out.reserve(value.size());
    for (const auto& [key, item] : value) out[key] = Wire<T>::write(item);
    return out;
  }
  static void append(std::string& out, const std::map<std::string, T>& value) {
    out += '{';
    bool first = true;
    for (const auto& [key, item] : value) {
      if (!std::exchange(first, false)) out += ',';
      detail::append_string(out, key);
      out += ':';
      detail::append(out, item);
    }
    out += '}';
  }
  static boost::json::value schema(Definitions& definitions) {
    auto out = detail::typed("object");
    out.get_object()["additionalProperties"] = Wire<T>::schema(definitions);
    return out;
  }
};

template <>
struct Wire<boost::json::value> {
  static bool read(Reader&, const boost::json::value& value, boost::json::value& out) {
    out = value;
    return true;
  }
  static boost::json::value write(const boost::json::value& value) { return value; }
  static boost::json::value schema(Definitions&) { return boost::json::object(); }  // anything
};

template <detail::Described T>
struct Wire<T> {
  static bool read(Reader& reader, const boost::json::value& value, T& out) {
    return detail::read_object(reader, value, detail::shape_of<T>(), &out);
  }
  static boost::json::value write(const T& value) { return detail::write_object(detail::shape_of<T>(), &value); }
  static void append(std::string& out, const T& value) { detail::append_object(out, detail::shape_of<T>(), &value); }
  static boost::json::value schema(Definitions& definitions) {
    // Documents of ours nest structs without words; only asking for their schema is a mistake.
    if constexpr (HasWords<T>) {
      T scratch{};
      return detail::object_schema(detail::type_name<T>(), detail::shape_of<T>(),
                                   fields(static_cast<const T*>(nullptr)), &scratch, definitions);
    } else {
      throw std::logic_error("a struct in a schema needs a sibling `json::Fields fields(const T*)`");
    }
  }
};

template <class T>
Result<T> decode(std::string_view text, UnknownKeys unknown) {
  const auto value = TRY(parse(text));
  Reader reader({}, unknown);
  return detail::finish<T>(reader, value);
}

template <class T>
Result<T> decode(const boost::json::value& value, const std::string& path, UnknownKeys unknown) {
  Reader reader(path, unknown);
  return detail::finish<T>(reader, value);
}

template <class T>
boost::json::value to_json(const T& value) {
  return Wire<T>::write(value);
}

template <class T>
std::string encode(const T& value) {
  std::string out;
  out.reserve(1024);  // most answers fit, and none is kept for long
  detail::append(out, value);
  return out;
}

template <class T>
SchemaRef schema() {
  return {std::string(detail::short_name(detail::type_name<T>())), &Wire<T>::schema};
}

template <class T>
SchemaRef schema_list() {
  return {std::string(detail::short_name(detail::type_name<T>())) + "[]", &Wire<std::vector<T>>::schema};
}

}  // namespace gyre::json
