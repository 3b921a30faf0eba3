#include "graphql/lexer.hpp"

#include <cstdio>
#include <vector>

#include "graphql/text.hpp"

namespace gyre::graphql {
namespace {

bool is_digit(int c) { return c >= '0' && c <= '9'; }
bool is_name_start(int c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

std::optional<TokenKind> punctuator(int c) {
  switch (c) {
    case '!':
      return TokenKind::bang;
    case '$':
      return TokenKind::dollar;
    case '&':
      return TokenKind::ampersand;
    case '(':
      return TokenKind::paren_open;
    case ')':
      return TokenKind::paren_close;
    case ':':
      return TokenKind::colon;
    case '=':
      return TokenKind::equals;
    case '@':
      return TokenKind::at;
    case '[':
      return TokenKind::bracket_open;
    case ']':
      return TokenKind::bracket_close;
    case '{':
      return TokenKind::brace_open;
    case '|':
      return TokenKind::pipe;
    case '}':
      return TokenKind::brace_close;
    default:
      return std::nullopt;
  }
}

int hex(int c) {
  if (is_digit(c)) return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

bool is_scalar_value(std::int32_t code) {
  return (code >= 0 && code <= 0xd7ff) || (code >= 0xe000 && code <= 0x10ffff);
}

std::size_t indent_of(std::string_view line) {
  const auto first = line.find_first_not_of(" \t");
  return first == std::string_view::npos ? line.size() : first;
}

// What a block string means: without the indent that its lines share and without the blank lines around them.
std::string dedent(const std::vector<std::string>& lines) {
  std::size_t common = std::string::npos, first = lines.size(), last = 0;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const auto indent = indent_of(lines[i]);
    if (indent == lines[i].size()) continue;
    if (first == lines.size()) first = i;
    last = i + 1;
    if (i != 0 && indent < common) common = indent;
  }
  std::string out;
  for (std::size_t i = first; i < last; ++i) {
    if (i != first) out += '\n';
    if (i == 0)
      out += lines[i];
    else if (common < lines[i].size())
      out += lines[i].substr(common);
  }
  return out;
}

}  // namespace

std::string describe(TokenKind kind) {
  switch (kind) {
    case TokenKind::end:
      return "<EOF>";
    case TokenKind::bang:
      return "\"!\"";
    case TokenKind::dollar:
      return "\"$\"";
    case TokenKind::ampersand:
      return "\"&\"";
    case TokenKind::paren_open:
      return "\"(\"";
    case TokenKind::paren_close:
      return "\")\"";
    case TokenKind::spread:
      return "\"...\"";
    case TokenKind::colon:
      return "\":\"";
    case TokenKind::equals:
      return "\"=\"";
    case TokenKind::at:
      return "\"@\"";
    case TokenKind::bracket_open:
      return "\"[\"";
    case TokenKind::bracket_close:
      return "\"]\"";
    case TokenKind::brace_open:
      return "\"{\"";
    case TokenKind::pipe:
      return "\"|\"";
    case TokenKind::brace_close:
      return "\"}\"";
    case TokenKind::name:
      return "Name";
    case TokenKind::integer:
      return "Int";
    case TokenKind::number:
      return "Float";
    case TokenKind::string:
      return "String";
    case TokenKind::block_string:
      return "BlockString";
  }
  return "";
}

std::string describe(const Token& token) {
  if (token.kind < TokenKind::name) return describe(token.kind);
  return describe(token.kind) + " \"" + std::string(token.text) + '"';
}

Token Lexer::fail(std::size_t at, std::string message) {
  if (!failure_) failure_ = Failure{static_cast<ast::Offset>(at), std::move(message)};
  position_ = source_.size();
  return {TokenKind::end, static_cast<ast::Offset>(at), static_cast<ast::Offset>(at), {}};
}

// The character there, as a message shows it.
std::string Lexer::shown(std::size_t position) const {
  if (position >= source_.size()) return "<EOF>";
  const auto point = code_point_at(source_, position).point;
  if (point >= 0x20 && point <= 0x7e)
    return point == '"' ? "'\"'" : '"' + std::string(1, static_cast<char>(point)) + '"';
  char text[16];
  std::snprintf(text, sizeof text, "U+%04X", static_cast<unsigned>(point));
  return text;
}

std::string_view Lexer::slice(std::size_t position, int units) const {
  auto end = position;
  while (end < source_.size() && units > 0) {
    const auto character = code_point_at(source_, end);
    units -= character.point > 0xffff ? 2 : 1;
    end += character.size;
  }
  return source_.substr(position, end - position);
}

Token Lexer::next() {
  while (position_ < source_.size() && !failure_) {
    const auto start = position_;
    const int c = code(start);
    if (c == '\t' || c == ' ' || c == ',' || c == '\n' || c == '\r') {
      ++position_;
      continue;
    }
    if (source_.substr(start).starts_with("\xef\xbb\xbf")) {
      position_ += 3;
      continue;
    }
    if (c == '#') {
      position_ = std::min(source_.find_first_of("\n\r", start), source_.size());
      continue;
    }
    if (is_name_start(c)) {
      while (is_name_start(code(position_)) || is_digit(code(position_))) ++position_;
      return {TokenKind::name, static_cast<ast::Offset>(start), static_cast<ast::Offset>(position_),
              source_.substr(start, position_ - start)};
    }
    if (const auto kind = punctuator(c)) {
      ++position_;
      return {*kind, static_cast<ast::Offset>(start), static_cast<ast::Offset>(position_), {}};
    }
    if (c == '.' && code(start + 1) == '.' && code(start + 2) == '.') {
      position_ += 3;
      return {TokenKind::spread, static_cast<ast::Offset>(start), static_cast<ast::Offset>(position_), {}};
    }
    if (c == '"') return source_.substr(start).starts_with("\"\"\"") ? block_string(start) : string(start);
    if (is_digit(c) || c == '-') return number(start);
    if (c == '\'')
      return fail(start, "Unexpected single quote character ('), did you mean to use a double quote (\")?");
    return fail(start, "Unexpected character: " + shown(start) + '.');
  }
  const auto end = static_cast<ast::Offset>(source_.size());
  return {TokenKind::end, end, end, {}};
}

bool Lexer::digits(std::size_t& position) {
  if (!is_digit(code(position))) {
    fail(position, "Invalid number, expected digit but got: " + shown(position) + '.');
    return false;
  }
  while (is_digit(code(position))) ++position;
  return true;
}

Token Lexer::number(std::size_t start) {
  auto position = start;
  auto kind = TokenKind::integer;
  if (code(position) == '-') ++position;
  if (code(position) == '0') {
    ++position;
    if (is_digit(code(position)))
      return fail(position, "Invalid number, unexpected digit after 0: " + shown(position) + '.');
  } else if (!digits(position)) {
    return {};
  }
  if (code(position) == '.') {
    kind = TokenKind::number;
    ++position;
    if (!digits(position)) return {};
  }
  if (code(position) == 'E' || code(position) == 'e') {
    kind = TokenKind::number;
    ++position;
    if (code(position) == '+' || code(position) == '-') ++position;
    if (!digits(position)) return {};
  }
  if (code(position) == '.' || is_name_start(code(position)))
    return fail(position, "Invalid number, expected digit but got: " + shown(position) + '.');
  position_ = position;
  return {kind, static_cast<ast::Offset>(start), static_cast<ast::Offset>(position),
          source_.substr(start, position - start)};
}

Token Lexer::string(std::size_t start) {
  auto position = start + 1;
  auto chunk = position;
  std::string value;
  bool escaped = false;
  while (position < source_.size()) {
    const int c = code(position);
    if (c == '"') {
      const auto rest = source_.substr(chunk, position - chunk);
      position_ = position + 1;
      if (escaped) value += rest;
      return {TokenKind::string, static_cast<ast::Offset>(start), static_cast<ast::Offset>(position_),
              escaped ? document_.keep(value) : rest};
    }
    if (c == '\n' || c == '\r') break;
    if (c == '\\') {
      escaped = true;
      value += source_.substr(chunk, position - chunk);
      if (!escape(position, value)) return {};
      chunk = position;
      continue;
    }
    ++position;
  }
  return fail(position, "Unterminated string.");
}

// At a backslash: adds what it stands for and steps over it.
bool Lexer::escape(std::size_t& position, std::string& value) {
  const auto start = position;
  const int c = code(start + 1);
  if (c != 'u') {
    constexpr std::string_view letters = "\"\\/bfnrt", meanings = "\"\\/\b\f\n\r\t";
    const auto found = c < 0 ? std::string_view::npos : letters.find(static_cast<char>(c));
    if (found == std::string_view::npos) {
      fail(start, "Invalid character escape sequence: \"" + std::string(slice(start, 2)) + "\".");
      return false;
    }
    value += meanings[found];
    position += 2;
    return true;
  }
  if (code(start + 2) == '{') {
    std::int32_t point = 0;
    int size = 3;  // at most 12: \u{00000000}
    while (size < 12) {
      const int digit = code(start + static_cast<std::size_t>(size++));
      if (digit == '}') {
        if (size < 5 || !is_scalar_value(point)) break;
        append_utf8(value, static_cast<char32_t>(point));
        position += static_cast<std::size_t>(size);
        return true;
      }
      point =
          static_cast<std::int32_t>(static_cast<std::uint32_t>(point) << 4 | static_cast<std::uint32_t>(hex(digit)));
      if (point < 0) break;
    }
    fail(start, "Invalid Unicode escape sequence: \"" + std::string(slice(start, size)) + "\".");
    return false;
  }
  const auto four = [&](std::size_t from) {
    std::int32_t out = 0;
    for (std::size_t i = 0; i < 4; ++i) {
      const int digit = hex(code(from + i));
      if (digit < 0) return -1;
      out = out << 4 | digit;
    }
    return out;
  };
  const auto point = four(start + 2);
  if (is_scalar_value(point)) {
    append_utf8(value, static_cast<char32_t>(point));
    position += 6;
    return true;
  }
  if (point >= 0xd800 && point <= 0xdbff && code(start + 6) == '\\' && code(start + 7) == 'u') {
    const auto trailing = four(start + 8);
    if (trailing >= 0xdc00 && trailing <= 0xdfff) {
      append_utf8(value, static_cast<char32_t>(0x10000 + ((point - 0xd800) << 10) + (trailing - 0xdc00)));
      position += 12;
      return true;
    }
  }
  fail(start, "Invalid Unicode escape sequence: \"" + std::string(slice(start, 6)) + "\".");
  return false;
}

Token Lexer::block_string(std::size_t start) {
  auto position = start + 3;
  std::vector<std::string> lines(1);
  while (position < source_.size()) {
    const auto rest = source_.substr(position, 4);
    if (rest.starts_with("\"\"\"")) {
      position_ = position + 3;
      return {TokenKind::block_string, static_cast<ast::Offset>(start), static_cast<ast::Offset>(position_),
              document_.keep(dedent(lines))};
    }
    if (rest == "\\\"\"\"") {
      lines.back() += "\"\"\"";
      position += 4;
    } else if (rest[0] == '\n' || rest[0] == '\r') {
      position += rest.starts_with("\r\n") ? 2 : 1;
      lines.emplace_back();
    } else {
      lines.back() += rest[0];
      ++position;
    }
  }
  return fail(position, "Unterminated string.");
}

}  // namespace gyre::graphql
