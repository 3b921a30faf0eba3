// The tokens of a document. Comments, commas and white space are passed over.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "graphql/ast.hpp"

namespace gyre::graphql {

enum class TokenKind : std::uint8_t {
  end,
  bang,
  dollar,
  ampersand,
  paren_open,
  paren_close,
  spread,
  colon,
  equals,
  at,
  bracket_open,
  bracket_close,
  brace_open,
  pipe,
  brace_close,
  name,
  integer,
  number,
  string,
  block_string,
};

struct Token {
  TokenKind kind = TokenKind::end;
  ast::Offset at = 0, end = 0;
  std::string_view text;  // of names, numbers and strings
};

std::string describe(TokenKind kind);      // "{" with its quotes, Name, <EOF>
std::string describe(const Token& token);  // Name "pod"

// Reads one token after the other. After the first error every token is the end.
class Lexer {
 public:
  explicit Lexer(ast::Document& document) : document_(document), source_(document.source) {}

  Token next();

  struct Failure {
    ast::Offset at;
    std::string message;
  };
  const std::optional<Failure>& failure() const { return failure_; }

 private:
  Token fail(std::size_t at, std::string message);
  Token number(std::size_t start);
  bool digits(std::size_t& position);
  Token string(std::size_t start);
  Token block_string(std::size_t start);
  bool escape(std::size_t& position, std::string& value);
  int code(std::size_t position) const {
    return position < source_.size() ? static_cast<unsigned char>(source_[position]) : -1;
  }
  std::string shown(std::size_t position) const;
  std::string_view slice(std::size_t position, int units) const;

  ast::Document& document_;
  std::string_view source_;
  std::size_t position_ = 0;
  std::optional<Failure> failure_;
};

}  // namespace gyre::graphql
