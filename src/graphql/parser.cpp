#include "graphql/parser.hpp"

#include "graphql/lexer.hpp"
#include "graphql/limits.hpp"
#include "json/utf8.hpp"

namespace gyre::graphql {
namespace {

using ast::DefinitionKind;

// Recursive descent with one token of lookahead. After the first error every token is the end, so that all loops and
// calls come to theirs; what was built by then is thrown away.
class Parser {
 public:
  Parser(ast::Document& document, const ParseLimits& limits) : document_(document), lexer_(document), limits_(limits) {
    token_ = read();
  }

  void document() {
    do {
      document_.definitions.add(definition());
    } while (!failed_ && token_.kind != TokenKind::end);
  }

  bool failed() const { return failed_; }
  GraphError take_error() { return std::move(error_); }

 private:
  // --- tokens ---

  Token read() {
    const auto token = lexer_.next();
    if (lexer_.failure()) {
      syntax_error(lexer_.failure()->at, lexer_.failure()->message);
    } else if (token.kind != TokenKind::end && ++tokens_ > limits_.tokens_max) {
      limit(Reason::graphql_too_many_tokens, limits_.tokens_max, token.at);
    }
    return failed_ ? Token{} : token;
  }

  void advance() {
    if (failed_) return;
    if (ahead_) {
      token_ = *ahead_;
      ahead_.reset();
    } else {
      token_ = read();
    }
  }

  const Token& lookahead() {
    if (!ahead_) ahead_ = read();
    if (failed_) token_ = Token{};
    return *ahead_;
  }

  bool peek(TokenKind kind) const { return !failed_ && token_.kind == kind; }

  Token expect(TokenKind kind) {
    const auto token = token_;
    if (token.kind == kind && !failed_)
      advance();
    else
      syntax_error(token.at, "Expected " + describe(kind) + ", found " + describe(token) + '.');
    return token;
  }

  bool skip(TokenKind kind) {
    if (!peek(kind)) return false;
    advance();
    return true;
  }

  bool peek_word(std::string_view word) const { return peek(TokenKind::name) && token_.text == word; }

  void expect_word(std::string_view word) {
    if (peek_word(word))
      advance();
    else
      syntax_error(token_.at, "Expected \"" + std::string(word) + "\", found " + describe(token_) + '.');
  }

  bool skip_word(std::string_view word) {
    if (!peek_word(word)) return false;
    advance();
    return true;
  }

  // --- errors ---

  void fail(GraphError error) {
    if (failed_) return;
    failed_ = true;
    error_ = std::move(error);
    token_ = Token{};
  }

  void syntax_error(ast::Offset at, const std::string& description) {
    if (failed_) return;
    fail({.message = "Syntax Error: " + description, .locations = {location_of(document_.source, at)}});
  }

  void limit(Reason reason, std::size_t max, ast::Offset at) {
    if (failed_) return;
    auto error = refusal(reason, {{"max", std::to_string(max)}});
    error.locations = {location_of(document_.source, at)};
    fail(std::move(error));
  }

  void unexpected(const Token& token) { syntax_error(token.at, "Unexpected " + describe(token) + '.'); }
  void unexpected() { unexpected(Token(token_)); }

  // Being inside braces or brackets.
  class Nested {
   public:
    explicit Nested(Parser& parser) : parser_(parser) {
      if (++parser_.nesting_ > parser_.limits_.nesting_max)
        parser_.limit(Reason::graphql_too_deep, parser_.limits_.nesting_max, parser_.token_.at);
    }
    ~Nested() { --parser_.nesting_; }
    Nested(const Nested&) = delete;
    Nested& operator=(const Nested&) = delete;

   private:
    Parser& parser_;
  };

  // --- lists ---

  template <class T, class Item>
  void one_or_more(ast::List<T>& list, TokenKind open, TokenKind close, Item item) {
    expect(open);
    if (failed_) return;
    do {
      list.add(item());
    } while (!failed_ && !skip(close));
  }

  template <class T, class Item>
  void maybe_more(ast::List<T>& list, TokenKind open, TokenKind close, Item item) {
    if (peek(open)) one_or_more(list, open, close, item);
  }

  template <class T, class Item>
  void delimited(ast::List<T>& list, TokenKind delimiter, Item item) {
    skip(delimiter);
    do {
      list.add(item());
    } while (!failed_ && skip(delimiter));
  }

  // --- words ---

  ast::Name name() {
    const auto token = expect(TokenKind::name);
    return {token.at, token.text, nullptr};
  }

  // --- definitions ---

  ast::Definition* definition() {
    auto* out = document_.make<ast::Definition>();
    out->at = token_.at;
    if (peek(TokenKind::brace_open)) {
      out->set = selection_set();
      return out;
    }
    const bool described = peek(TokenKind::string) || peek(TokenKind::block_string);
    const Token keyword = described ? lookahead() : token_;
    if (failed_) return out;
    if (keyword.kind == TokenKind::name) {
      if (type_keyword(keyword.text)) {
        if (described) out->description = string();
        advance();
        type_system(*out, keyword);
        return out;
      }
      if (described) {
        syntax_error(token_.at, "Unexpected description, descriptions are supported only on type definitions.");
        return out;
      }
      if (keyword.text == "query" || keyword.text == "mutation" || keyword.text == "subscription") {
        operation(*out);
        return out;
      }
      if (keyword.text == "fragment") {
        fragment(*out);
        return out;
      }
      if (keyword.text == "extend") {
        const Token what = lookahead();
        if (failed_) return out;
        if (what.kind != TokenKind::name || !type_keyword(what.text) || what.text == "directive") {
          unexpected(what);
          return out;
        }
        out->extension = true;
        advance();
        advance();
        type_system(*out, what);
        return out;
      }
    }
    unexpected(keyword);
    return out;
  }

  static bool type_keyword(std::string_view word) {
    return word == "schema" || word == "scalar" || word == "type" || word == "interface" || word == "union" ||
           word == "enum" || word == "input" || word == "directive";
  }

  ast::OperationKind operation_kind() {
    const auto token = expect(TokenKind::name);
    if (token.text == "mutation") return ast::OperationKind::mutation;
    if (token.text == "subscription") return ast::OperationKind::subscription;
    if (token.text != "query") unexpected(token);
    return ast::OperationKind::query;
  }

  void operation(ast::Definition& out) {
    out.operation = operation_kind();
    if (peek(TokenKind::name)) out.name = name();
    maybe_more(out.variables, TokenKind::paren_open, TokenKind::paren_close, [&] {
      auto* variable = document_.make<ast::VariableDefinition>();
      variable->at = token_.at;
      expect(TokenKind::dollar);
      variable->name = name();
      expect(TokenKind::colon);
      variable->type = type();
      if (skip(TokenKind::equals)) variable->default_value = value(true);
      variable->directives = directives(true);
      return variable;
    });
    out.directives = directives(false);
    out.set = selection_set();
  }

  void fragment(ast::Definition& out) {
    out.kind = DefinitionKind::fragment;
    expect_word("fragment");
    out.name = fragment_name();
    expect_word("on");
    out.condition = named_type();
    out.directives = directives(false);
    out.set = selection_set();
  }

  ast::Name fragment_name() {
    // Also a string "on" is refused here: the reference looks at the text alone.
    if (token_.text == "on" && token_.kind >= TokenKind::name) {
      unexpected();
      return {};
    }
    return name();
  }

  const ast::SelectionSet* selection_set() {
    auto* out = document_.make<ast::SelectionSet>();
    const Nested nested(*this);
    out->at = token_.at;
    one_or_more(out->items, TokenKind::brace_open, TokenKind::brace_close, [&] { return selection(); });
    return out;
  }

  ast::Selection* selection() {
    auto* out = document_.make<ast::Selection>();
    out->at = token_.at;
    if (skip(TokenKind::spread)) {
      const bool conditional = skip_word("on");
      if (!conditional && peek(TokenKind::name)) {
        out->kind = ast::SelectionKind::spread;
        out->name = fragment_name();
        out->directives = directives(false);
        return out;
      }
      out->kind = ast::SelectionKind::inline_fragment;
      if (conditional) out->condition = named_type();
      out->directives = directives(false);
      out->set = selection_set();
      return out;
    }
    out->name = name();
    if (skip(TokenKind::colon)) {
      out->alias = out->name;
      out->name = name();
    }
    out->arguments = arguments(false);
    out->directives = directives(false);
    if (peek(TokenKind::brace_open)) out->set = selection_set();
    return out;
  }

  ast::List<ast::Argument> arguments(bool constant) {
    ast::List<ast::Argument> out;
    maybe_more(out, TokenKind::paren_open, TokenKind::paren_close, [&] {
      auto* argument = document_.make<ast::Argument>();
      argument->name = name();
      expect(TokenKind::colon);
      argument->value = value(constant);
      return argument;
    });
    return out;
  }

  ast::List<ast::Directive> directives(bool constant) {
    ast::List<ast::Directive> out;
    while (peek(TokenKind::at)) {
      auto* directive = document_.make<ast::Directive>();
      directive->at = token_.at;
      advance();
      directive->name = name();
      directive->arguments = arguments(constant);
      out.add(directive);
    }
    return out;
  }

  // --- values and types ---

  ast::Value* string() {
    auto* out = document_.make<ast::Value>();
    out->kind = ast::ValueKind::string;
    out->at = token_.at;
    out->block = token_.kind == TokenKind::block_string;
    out->text = token_.text;
    advance();
    return out;
  }

  ast::Value* scalar(ast::ValueKind kind) {
    auto* out = document_.make<ast::Value>();
    out->kind = kind;
    out->at = token_.at;
    out->text = token_.text;
    advance();
    return out;
  }

  ast::Value* value(bool constant) {
    const auto token = token_;
    switch (token.kind) {
      case TokenKind::bracket_open: {
        auto* out = document_.make<ast::Value>();
        out->kind = ast::ValueKind::list;
        out->at = token.at;
        const Nested nested(*this);
        advance();
        while (!failed_ && !skip(TokenKind::bracket_close)) out->items.add(value(constant));
        return out;
      }
      case TokenKind::brace_open: {
        auto* out = document_.make<ast::Value>();
        out->kind = ast::ValueKind::object;
        out->at = token.at;
        const Nested nested(*this);
        advance();
        while (!failed_ && !skip(TokenKind::brace_close)) {
          auto* field = document_.make<ast::ObjectField>();
          field->name = name();
          expect(TokenKind::colon);
          field->value = value(constant);
          out->fields.add(field);
        }
        return out;
      }
      case TokenKind::integer:
        return scalar(ast::ValueKind::integer);
      case TokenKind::number:
        return scalar(ast::ValueKind::number);
      case TokenKind::string:
      case TokenKind::block_string:
        return string();
      case TokenKind::name:
        if (token.text == "true" || token.text == "false") return scalar(ast::ValueKind::boolean);
        if (token.text == "null") return scalar(ast::ValueKind::null);
        return scalar(ast::ValueKind::enumerator);
      case TokenKind::dollar: {
        advance();
        if (constant) {
          if (peek(TokenKind::name))
            syntax_error(token.at, "Unexpected variable \"$" + std::string(token_.text) + "\" in constant value.");
          else
            unexpected(token);
        }
        auto* out = document_.make<ast::Value>();
        out->kind = ast::ValueKind::variable;
        out->at = token.at;
        out->text = name().text;
        return out;
      }
      default:
        unexpected();
        return document_.make<ast::Value>();
    }
  }

  ast::Type* named_type() {
    auto* out = document_.make<ast::Type>();
    const auto word = name();
    out->at = word.at;
    out->name = word.text;
    return out;
  }

  ast::Type* type() {
    const auto start = token_.at;
    ast::Type* out = nullptr;
    if (peek(TokenKind::bracket_open)) {
      const Nested nested(*this);
      advance();
      out = document_.make<ast::Type>();
      out->kind = ast::TypeKind::list;
      out->at = start;
      out->of = type();
      expect(TokenKind::bracket_close);
    } else {
      out = named_type();
    }
    if (!skip(TokenKind::bang)) return out;
    auto* required = document_.make<ast::Type>();
    required->kind = ast::TypeKind::non_null;
    required->at = start;
    required->of = out;
    return required;
  }

  // --- the schema definition language ---

  // The keyword has been read; `out.extension` says whether `extend` stood before it.
  void type_system(ast::Definition& out, const Token& keyword) {
    if (keyword.text == "schema") {
      out.kind = DefinitionKind::schema;
      out.directives = directives(true);
      if (!out.extension || peek(TokenKind::brace_open))
        one_or_more(out.operations, TokenKind::brace_open, TokenKind::brace_close, [&] {
          auto* operation = document_.make<ast::OperationType>();
          operation->at = token_.at;
          operation->operation = operation_kind();
          expect(TokenKind::colon);
          operation->type = named_type();
          return operation;
        });
    } else if (keyword.text == "directive") {
      out.kind = DefinitionKind::directive;
      expect(TokenKind::at);
      out.name = name();
      maybe_more(out.inputs, TokenKind::paren_open, TokenKind::paren_close, [&] { return input_value(); });
      out.repeatable = skip_word("repeatable");
      expect_word("on");
      delimited(out.locations, TokenKind::pipe, [&] { return directive_location(); });
    } else {
      out.name = name();
      if (keyword.text == "scalar") {
        out.kind = DefinitionKind::scalar;
        out.directives = directives(true);
      } else if (keyword.text == "union") {
        out.kind = DefinitionKind::union_type;
        out.directives = directives(true);
        if (skip(TokenKind::equals)) delimited(out.types, TokenKind::pipe, [&] { return named_type(); });
      } else if (keyword.text == "enum") {
        out.kind = DefinitionKind::enum_type;
        out.directives = directives(true);
        maybe_more(out.values, TokenKind::brace_open, TokenKind::brace_close, [&] { return enum_value(); });
      } else if (keyword.text == "input") {
        out.kind = DefinitionKind::input;
        out.directives = directives(true);
        maybe_more(out.inputs, TokenKind::brace_open, TokenKind::brace_close, [&] { return input_value(); });
      } else {
        out.kind = keyword.text == "type" ? DefinitionKind::object : DefinitionKind::interface;
        if (skip_word("implements")) delimited(out.types, TokenKind::ampersand, [&] { return named_type(); });
        out.directives = directives(true);
        maybe_more(out.fields, TokenKind::brace_open, TokenKind::brace_close, [&] { return field_definition(); });
      }
    }
    const bool says_nothing = out.directives.empty() && out.operations.empty() && out.types.empty() &&
                              out.values.empty() && out.inputs.empty() && out.fields.empty();
    if (out.extension && says_nothing) unexpected();
  }

  const ast::Value* description() {
    return peek(TokenKind::string) || peek(TokenKind::block_string) ? string() : nullptr;
  }

  ast::FieldDefinition* field_definition() {
    auto* out = document_.make<ast::FieldDefinition>();
    out->at = token_.at;
    out->description = description();
    out->name = name();
    maybe_more(out->arguments, TokenKind::paren_open, TokenKind::paren_close, [&] { return input_value(); });
    expect(TokenKind::colon);
    out->type = type();
    out->directives = directives(true);
    return out;
  }

  ast::InputValue* input_value() {
    auto* out = document_.make<ast::InputValue>();
    out->at = token_.at;
    out->description = description();
    out->name = name();
    expect(TokenKind::colon);
    out->type = type();
    if (skip(TokenKind::equals)) out->default_value = value(true);
    out->directives = directives(true);
    return out;
  }

  ast::EnumValue* enum_value() {
    auto* out = document_.make<ast::EnumValue>();
    out->at = token_.at;
    out->description = description();
    if (token_.kind >= TokenKind::name && (token_.text == "true" || token_.text == "false" || token_.text == "null"))
      syntax_error(token_.at, describe(token_) + " is reserved and cannot be used for an enum value.");
    out->name = name();
    out->directives = directives(true);
    return out;
  }

  ast::Name* directive_location() {
    constexpr std::string_view known[] = {"QUERY",
                                          "MUTATION",
                                          "SUBSCRIPTION",
                                          "FIELD",
                                          "FRAGMENT_DEFINITION",
                                          "SCHEMA",
                                          "SCALAR",
                                          "FRAGMENT_SPREAD",
                                          "OBJECT",
                                          "INLINE_FRAGMENT",
                                          "UNION",
                                          "ENUM",
                                          "FIELD_DEFINITION",
                                          "INTERFACE",
                                          "VARIABLE_DEFINITION",
                                          "INPUT_OBJECT",
                                          "ENUM_VALUE",
                                          "ARGUMENT_DEFINITION",
                                          "INPUT_FIELD_DEFINITION"};
    auto* out = document_.make<ast::Name>();
    const auto token = token_;
    *out = name();
    if (std::find(std::begin(known), std::end(known), out->text) == std::end(known)) unexpected(token);
    return out;
  }

  ast::Document& document_;
  Lexer lexer_;
  const ParseLimits& limits_;
  Token token_;
  std::optional<Token> ahead_;
  std::size_t tokens_ = 0, nesting_ = 0;
  bool failed_ = false;
  GraphError error_;
};

}  // namespace

tl::expected<std::shared_ptr<const ast::Document>, GraphError> parse(std::string text, const ParseLimits& limits) {
  if (!json::is_utf8(text)) return tl::unexpected(GraphError{.message = "Syntax Error: The document is not UTF-8."});
  const auto document = std::make_shared<ast::Document>(std::move(text));
  Parser parser(*document, limits);
  parser.document();
  if (parser.failed()) return tl::unexpected(parser.take_error());
  return std::shared_ptr<const ast::Document>(document);
}

}  // namespace gyre::graphql
