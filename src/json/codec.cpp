#include "json/codec.hpp"

#include <algorithm>
#include <boost/json/parser.hpp>
#include <charconv>
#include <cmath>
#include <map>
#include <mutex>
#include <stdexcept>

#include "json/utf8.hpp"

namespace gyre::json {
namespace {

namespace bj = boost::json;

constexpr std::size_t depth_max = 32;
constexpr std::size_t shown_key_max = 64;  // of a key that we did not choose ourselves

std::string_view view(const bj::string& text) { return {text.data(), text.size()}; }

// A key as it stands in a path: plain words after a dot, anything else quoted, and never more of it than is useful.
std::string key_in_path(std::string_view key) {
  const bool plain = !key.empty() && key.size() <= shown_key_max &&
                     key.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") ==
                         std::string_view::npos;
  if (plain) return std::string(key);
  const auto shown = key.substr(0, shown_key_max);
  std::string out = "[\"";
  for (const char c : shown) out += static_cast<unsigned char>(c) < 0x20 || c == '"' ? '?' : c;
  return valid_utf8(out + (shown.size() < key.size() ? "…" : "") + "\"]");
}

}  // namespace

std::string Reader::path() const {
  std::string out = base_;
  for (const auto& step : steps_) {
    if (step.index != no_index) {
      out += '[' + std::to_string(step.index) + ']';
      continue;
    }
    const auto key = key_in_path(step.key);
    if (!out.empty() && !key.starts_with('[')) out += '.';
    out += key;
  }
  return out.empty() ? "body" : out;
}

bool Reader::wrong(Detail detail, const Args& args) {
  error_ = invalid(path(), detail, args).value();
  return false;
}

bool Reader::missing() {
  const auto field = path();
  error_ = Error{Reason::missing_field, {{"field", field}}, field};
  return false;
}

bool Reader::not_known(std::string_view known) {
  const auto field = path();
  error_ = Error{Reason::unknown_field, {{"field", field}, {"known", std::string(known)}}, field};
  return false;
}

Result<bj::value> parse(std::string_view text) {
  bj::parse_options options;
  options.max_depth = depth_max;
  bj::parser parser({}, options);
  bj::error_code problem;
  const auto read = parser.write_some(text.data(), text.size(), problem);
  if (!problem && read < text.size() && text.find_first_not_of(" \t\r\n", read) != std::string_view::npos)
    problem = bj::error::extra_data;
  if (!problem) return parser.release();
  const auto before = text.substr(0, read);
  const auto lines = static_cast<std::size_t>(std::count(before.begin(), before.end(), '\n')) + 1;
  const auto column = before.size() - (before.rfind('\n') == std::string_view::npos ? 0 : before.rfind('\n') + 1) + 1;
  auto said = in_both_languages(
      "detail", Detail::json_syntax,
      {{"words", problem.message()}, {"line", std::to_string(lines)}, {"column", std::to_string(column)}});
  if (text.find_first_not_of(" \t\r\n") == std::string_view::npos)
    said = in_both_languages("detail", Detail::json_empty);
  else if (problem == bj::error::too_deep)
    said = in_both_languages("detail", Detail::json_too_deep, {{"limit", std::to_string(depth_max)}});
  return fail(Reason::invalid_json, std::move(said));
}

namespace detail {
namespace {

// An integer written as 3.0 or 3e2 is an integer too (JSON has one kind of number); past 2^53 a double is no longer
// exact and is refused.
std::optional<std::int64_t> whole(const bj::value& value) {
  constexpr double exact_max = 9007199254740992.0;
  const auto* number = value.if_double();
  if (!number || std::trunc(*number) != *number || std::abs(*number) > exact_max) return std::nullopt;
  return static_cast<std::int64_t>(*number);
}

bool not_an_integer(Reader& reader, const bj::value& value, std::int64_t min, std::uint64_t max) {
  if (!value.is_number() || (value.is_double() && std::trunc(value.get_double()) != value.get_double()))
    return reader.wrong(Detail::integer);
  return reader.wrong(Detail::integer_between, {{"low", std::to_string(min)}, {"high", std::to_string(max)}});
}

}  // namespace

bool read_bool(Reader& reader, const bj::value& value, bool& out) {
  const auto* flag = value.if_bool();
  if (!flag) return reader.wrong(Detail::boolean);
  out = *flag;
  return true;
}

bool read_signed(Reader& reader, const bj::value& value, std::int64_t min, std::int64_t max, std::int64_t& out) {
  std::optional<std::int64_t> number;
  if (const auto* plain = value.if_int64())
    number = *plain;
  else if (!value.is_uint64())  // Boost.JSON keeps only what is over int64 as unsigned
    number = whole(value);
  if (!number || *number < min || *number > max)
    return not_an_integer(reader, value, min, static_cast<std::uint64_t>(max));
  out = *number;
  return true;
}

bool read_unsigned(Reader& reader, const bj::value& value, std::uint64_t max, std::uint64_t& out) {
  std::optional<std::uint64_t> number;
  if (const auto* large = value.if_uint64())
    number = *large;
  else if (const auto* plain = value.if_int64(); plain && *plain >= 0)
    number = static_cast<std::uint64_t>(*plain);
  else if (const auto exact = whole(value); exact && *exact >= 0)
    number = static_cast<std::uint64_t>(*exact);
  if (!number || *number > max) return not_an_integer(reader, value, 0, max);
  out = *number;
  return true;
}

bool read_double(Reader& reader, const bj::value& value, double& out) {
  if (!value.is_number()) return reader.wrong(Detail::number);
  out = value.to_number<double>();
  if (!std::isfinite(out)) return reader.wrong(Detail::number_too_large);
  return true;
}

// A zero character cannot be kept in PostgreSQL's text, given to exec, or put in a header; nobody means it.
bool read_string(Reader& reader, const bj::value& value, std::string& out) {
  const auto* text = value.if_string();
  if (!text) return reader.wrong(Detail::string);
  if (view(*text).find('\0') != std::string_view::npos) return reader.wrong(Detail::zero_in_string);
  out.assign(text->data(), text->size());
  return true;
}

bool usable_key(Reader& reader, std::string_view key) {
  if (key.find('\0') != std::string_view::npos) return reader.wrong(Detail::zero_in_key);
  return true;
}

bool read_time(Reader& reader, const bj::value& value, Time& out) {
  const auto* text = value.if_string();
  const auto time = text ? parse_rfc3339(view(*text)) : std::nullopt;
  if (!time) return reader.wrong(Detail::time);
  out = *time;
  return true;
}

const bj::array* as_array(Reader& reader, const bj::value& value) {
  const auto* array = value.if_array();
  if (!array) reader.wrong(Detail::array);
  return array;
}

const bj::object* as_object(Reader& reader, const bj::value& value) {
  const auto* object = value.if_object();
  if (!object) reader.wrong(Detail::object);
  return object;
}

namespace {

template <std::integral T>
void append_whole(std::string& out, T value) {
  char text[24];
  out.append(text, std::to_chars(text, text + sizeof text, value).ptr);
}

void append_escaped(std::string& out, char c) {
  constexpr std::string_view digits = "0123456789abcdef";
  switch (c) {
    case '"':
      out += "\\\"";
      break;
    case '\\':
      out += "\\\\";
      break;
    case '\n':
      out += "\\n";
      break;
    case '\r':
      out += "\\r";
      break;
    case '\t':
      out += "\\t";
      break;
    default:
      out += "\\u00";
      out += digits[static_cast<unsigned char>(c) >> 4];
      out += digits[static_cast<unsigned char>(c) & 15];
  }
}

}  // namespace

void append_integer(std::string& out, std::int64_t value) { append_whole(out, value); }
void append_integer(std::string& out, std::uint64_t value) { append_whole(out, value); }

void append_double(std::string& out, double value) {
  if (!std::isfinite(value)) {
    out += "null";
    return;
  }
  char text[40];
  const std::string_view shortest(text, std::to_chars(text, text + sizeof text, value).ptr - text);
  out += shortest;
  if (shortest.find_first_of(".e") == std::string_view::npos) out += ".0";  // read back, it is a double again
}

void append_string(std::string& out, std::string_view text) {
  const auto plain_ascii = [](unsigned char c) { return c >= 0x20 && c < 0x80 && c != '"' && c != '\\'; };
  if (std::all_of(text.begin(), text.end(), plain_ascii)) {  // nearly always
    out.append(1, '"').append(text).append(1, '"');
    return;
  }
  std::string repaired;
  if (!is_utf8(text)) text = repaired = valid_utf8(text);
  out += '"';
  std::size_t plain = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (static_cast<unsigned char>(c) >= 0x20 && c != '"' && c != '\\') continue;
    out += text.substr(plain, i - plain);
    plain = i + 1;
    append_escaped(out, c);
  }
  out += text.substr(plain);
  out += '"';
}

Shape make_shape(std::vector<Member> members, const Fields* words) {
  Shape shape;
  shape.contract = words != nullptr;
  for (const auto& member : members) {
    shape.keys.push_back((shape.known.empty() ? "{\"" : ",\"") + std::string(member.name) + "\":");
    shape.known += (shape.known.empty() ? "" : ", ") + std::string(member.name);
    auto presence = Presence::by_type;
    if (words)
      for (const auto& field : *words)
        if (field.name == member.name) presence = field.presence;
    shape.presence.push_back(presence);
  }
  shape.members = std::move(members);
  return shape;
}

bool read_object(Reader& reader, const bj::value& value, const Shape& shape, void* object) {
  const auto* given = as_object(reader, value);
  if (!given) return false;
  std::size_t matched = 0;
  for (std::size_t i = 0; i < shape.members.size(); ++i) {
    const auto& member = shape.members[i];
    const auto* found = given->if_contains(bj::string_view(member.name.data(), member.name.size()));
    matched += found != nullptr;
    Reader::Step step(reader, member.name);
    if (found && (!found->is_null() || member.optional)) {
      if (!member.read(reader, *found, object)) return false;
    } else if (shape.contract && !member.optional && shape.presence[i] == Presence::by_type) {
      return reader.missing();
    }
  }
  if (matched == given->size() || reader.unknown == UnknownKeys::ignore) return true;
  for (const auto& [name, ignored] : *given) {
    const std::string_view key(name.data(), name.size());
    const auto is_it = [&](const Member& member) { return member.name == key; };
    if (std::any_of(shape.members.begin(), shape.members.end(), is_it)) continue;
    Reader::Step step(reader, key);
    return reader.not_known(shape.known);
  }
  return true;
}

bj::value write_object(const Shape& shape, const void* object) {
  bj::object out;
  out.reserve(shape.members.size());
  for (const auto& member : shape.members)
    out.emplace(bj::string_view(member.name.data(), member.name.size()), member.write(object));
  return out;
}

void append_object(std::string& out, const Shape& shape, const void* object) {
  if (shape.members.empty()) out += '{';
  for (std::size_t i = 0; i < shape.members.size(); ++i) {
    out += shape.keys[i];
    shape.members[i].append(out, object);
  }
  out += '}';
}

std::string_view short_name(std::string_view full_name) {
  const auto colons = full_name.rfind("::");
  return colons == std::string_view::npos ? full_name : full_name.substr(colons + 2);
}

bj::value typed(std::string_view type, std::string_view format) {
  bj::object out;
  out["type"] = type;
  if (!format.empty()) out["format"] = format;
  return out;
}

bj::value integer_schema(std::int64_t min, std::uint64_t max) {
  constexpr auto wide_max = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  const bool narrow = max <= std::numeric_limits<std::int32_t>::max();
  auto out = typed("integer", narrow ? "int32" : "int64").get_object();
  if (min > std::numeric_limits<std::int32_t>::min()) out["minimum"] = min;
  if (max < std::numeric_limits<std::int32_t>::max() ||
      (max > std::numeric_limits<std::int32_t>::max() && max < wide_max))
    out["maximum"] = max;
  return out;
}

bj::value enum_schema(const std::string& choices) {
  auto out = typed("string").get_object();
  bj::array names;
  for (std::string_view rest = choices; !rest.empty();) {
    const auto comma = rest.find(", ");
    names.emplace_back(bj::string_view(rest.substr(0, comma)));
    if (comma == std::string_view::npos) break;
    rest.remove_prefix(comma + 2);
  }
  out["enum"] = std::move(names);
  return out;
}

bj::value nullable(bj::value schema) {
  auto& object = schema.get_object();
  if (object.contains("$ref")) {
    bj::object either;
    either["anyOf"] = bj::array{std::move(schema), typed("null")};
    return either;
  }
  if (auto* choices = object.if_contains("enum")) choices->get_array().emplace_back(nullptr);
  if (auto* type = object.if_contains("type"); type && type->is_string()) *type = bj::array{std::move(*type), "null"};
  return schema;
}

namespace {

// Two structs of one short name would overwrite each other in the document.
void claim_name(const std::string& name, std::string_view full_name) {
  static std::mutex mutex;
  static std::map<std::string, std::string> owners;
  const std::lock_guard lock(mutex);
  const auto [owner, ours] = owners.try_emplace(name, full_name);
  if (!ours && owner->second != full_name)
    throw std::logic_error("two schemas are called " + name + ": " + owner->second + " and " + std::string(full_name));
}

const Field& words_of(const Member& member, const Fields& words, std::string_view type) {
  const Field* found = nullptr;
  for (const auto& field : words)
    if (field.name == member.name) {
      if (found) throw std::logic_error(std::string(type) + ": two entries for " + field.name);
      found = &field;
    }
  const auto where = std::string(type) + "." + std::string(member.name);
  if (!found) throw std::logic_error(where + " has no entry in fields()");
  if (found->description.empty()) throw std::logic_error(where + " has no description");
  if (found->example.empty()) throw std::logic_error(where + " has no example");
  return *found;
}

bj::value checked_example(const Member& member, const Field& field, std::string_view type, void* scratch) {
  const auto where = std::string(type) + "." + field.name;
  auto example = parse(field.example);
  if (!example) throw std::logic_error(where + ": the example: " + example.error().message());
  Reader reader(where, UnknownKeys::refuse);
  if (!(example->is_null() && member.optional) && !member.read(reader, *example, scratch))
    throw std::logic_error("the example of " + reader.take_error().message());
  return std::move(*example);
}

}  // namespace

bj::value object_schema(std::string_view full_name, const Shape& shape, const Fields& words, void* scratch,
                        Definitions& definitions) {
  const std::string name(short_name(full_name));
  claim_name(name, full_name);
  bj::object reference;
  reference["$ref"] = "#/components/schemas/" + name;
  if (definitions.contains(name)) return reference;
  definitions[name] = nullptr;  // a struct that holds itself finds its name taken

  for (const auto& field : words) {
    const auto is_it = [&](const Member& member) { return member.name == field.name; };
    if (std::none_of(shape.members.begin(), shape.members.end(), is_it))
      throw std::logic_error(name + " has words for " + field.name + ", which it does not have");
  }
  bj::object properties;
  bj::array required;
  for (std::size_t i = 0; i < shape.members.size(); ++i) {
    const auto& member = shape.members[i];
    const auto& field = words_of(member, words, name);
    auto property = member.schema(definitions);
    auto& said = property.get_object();
    said["description"] = field.description;
    if (shape.presence[i] == Presence::defaulted)
      said["default"] = member.write(scratch);
    else if (!member.optional)
      required.emplace_back(field.name);
    said["examples"] = bj::array{checked_example(member, field, name, scratch)};
    properties[field.name] = std::move(property);
  }
  bj::object out;
  out["type"] = "object";
  if (!required.empty()) out["required"] = std::move(required);
  out["properties"] = std::move(properties);
  definitions[name] = std::move(out);
  return reference;
}

}  // namespace detail

namespace {

class Writer {
 public:
  explicit Writer(bool pretty) : pretty_(pretty) {}

  void write(const bj::value& value) {
    switch (value.kind()) {
      case bj::kind::null:
        out += "null";
        break;
      case bj::kind::bool_:
        out += value.get_bool() ? "true" : "false";
        break;
      case bj::kind::int64:
        detail::append_integer(out, value.get_int64());
        break;
      case bj::kind::uint64:
        detail::append_integer(out, value.get_uint64());
        break;
      case bj::kind::double_:
        detail::append_double(out, value.get_double());
        break;
      case bj::kind::string:
        detail::append_string(out, view(value.get_string()));
        break;
      case bj::kind::array:
        array(value.get_array());
        break;
      case bj::kind::object:
        object(value.get_object());
        break;
    }
  }

  std::string out;

 private:
  void array(const bj::array& items) {
    out += '[';
    ++level_;
    bool first = true;
    for (const auto& item : items) {
      next(first);
      write(item);
    }
    --level_;
    if (!items.empty()) line();
    out += ']';
  }

  void object(const bj::object& members) {
    out += '{';
    ++level_;
    bool first = true;
    for (const auto& [name, value] : members) {
      next(first);
      detail::append_string(out, {name.data(), name.size()});
      out += pretty_ ? ": " : ":";
      write(value);
    }
    --level_;
    if (!members.empty()) line();
    out += '}';
  }

  void next(bool& first) {
    if (!first) out += ',';
    first = false;
    line();
  }

  void line() {
    if (pretty_) out.append(1, '\n').append(2 * level_, ' ');
  }

  const bool pretty_;
  std::size_t level_ = 0;
};

}  // namespace

std::string serialize(const bj::value& value) {
  Writer writer(false);
  writer.write(value);
  return std::move(writer.out);
}

std::string serialize_pretty(const bj::value& value) {
  Writer writer(true);
  writer.write(value);
  return std::move(writer.out) + "\n";
}

}  // namespace gyre::json
