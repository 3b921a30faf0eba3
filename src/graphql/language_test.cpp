// The language: tokens, trees, printing, and what hostile text cannot do.
#include <gtest/gtest.h>

#include <charconv>
#include <cmath>
#include <cstdlib>
#include <random>

#include "graphql/limits.hpp"
#include "graphql/parser.hpp"
#include "graphql/printer.hpp"
#include "graphql/text.hpp"

namespace gyre::graphql {
namespace {

constexpr std::string_view samples[] = {
    "{ myself { pods { id env runtime { ports { ip PortType: type } } } } }",
    "query Q($a: [Int!]! = [1, 2] @d, $b: F = {x: null, y: \"\\u00e9\\n\"}) @e { ...F @include(if: $c) ... on T { a: "
    "b(c: $a, d: "
    "ENUM, e: 1.5e3, f: true) } ... { g } } fragment F on T @h(i: \"j\") { k }",
    "mutation { podFindAndDeployOnDemand(input: {name: \"n\", cloudType: ALL, env: [{ key: \"A\", value: \"b\" }]}) { "
    "id } }",
    "subscription S { a(text: \"\"\"block\n  two\n   three \\\"\"\" end\"\"\") }",
    "\"d\" schema @a { query: Q mutation: M } extend schema { subscription: S }",
    "\"\"\"long\ntext\"\"\" type A implements B & C @d { \"e\" f(\"g\" h: [I!] = [1] @j): K! @l m: N }",
    "interface A implements B { c: D } union E @f = G | H enum I { \"j\" K @l M } input N { o: P = {q: 1} } scalar R "
    "@s",
    "directive @a(b: C = 1) repeatable on FIELD | QUERY extend type D { e: F } extend union G = H extend enum I { J }",
    "extend input K { l: M } extend scalar N @o extend interface P implements Q",
};

TEST(Language, WhatIsPrintedIsReadAsTheSameTree) {
  for (const auto sample : samples) {
    const auto first = parse(std::string(sample));
    ASSERT_TRUE(first) << sample << first.error().message;
    const auto printed = print(**first);
    const auto second = parse(printed);
    ASSERT_TRUE(second) << printed << second.error().message;
    EXPECT_TRUE(ast::same(**first, **second)) << sample << "\n" << printed;
    EXPECT_EQ(print(**second), printed);
  }
}

TEST(Language, TreesThatDifferAreNotTheSame) {
  for (const auto left : samples)
    for (const auto right : samples)
      EXPECT_EQ(ast::same(**parse(std::string(left)), **parse(std::string(right))), left == right);
  EXPECT_FALSE(ast::same(**parse("{ a(b: 1) }"), **parse("{ a(b: 1.0) }")));
  EXPECT_FALSE(ast::same(**parse("{ a(b: \"c\") }"), **parse("{ a(b: \"\"\"c\"\"\") }")));
}

TEST(Language, SyntaxErrorsNameTheirPlace) {
  const auto parsed = parse("{\n  pod(id: ) }");
  ASSERT_FALSE(parsed);
  EXPECT_EQ(parsed.error().message, "Syntax Error: Unexpected \")\".");
  ASSERT_EQ(parsed.error().locations.size(), 1u);
  EXPECT_EQ(parsed.error().locations[0], (Location{2, 11}));
}

TEST(Language, ColumnsCountUtf16Units) {
  const auto parsed = parse("# \n{ a(b: \"\xf0\x9f\x98\x80\xc3\xa9\") ? }");
  ASSERT_FALSE(parsed);
  EXPECT_EQ(parsed.error().locations[0], (Location{2, 15}));
}

TEST(Language, TextThatIsNotUtf8IsRefused) {
  for (const char* text : {"{ a\xff }", "{ a(b: \"\xc3\") }", "\xed\xa0\x80", "{ a } #\xf8"})
    EXPECT_FALSE(parse(text)) << text;
}

TEST(Language, PythonsUnescapedQuoteIsASyntaxErrorWithItsPlace) {
  const auto parsed = parse(R"(mutation { podFindAndDeployOnDemand(input: { dockerArgs: "bash -c "ls"" }) { id } })");
  ASSERT_FALSE(parsed);
  EXPECT_EQ(parsed.error().locations[0].line, 1);
}

TEST(Language, NestingIsBoundedWhateverItIsMadeOf) {
  const auto deep = [](std::string open, std::string_view middle, std::string_view close) {
    std::string out;
    for (int i = 0; i < 100'000; ++i) out += open;
    out += middle;
    for (int i = 0; i < 100'000; ++i) out += close;
    return out;
  };
  for (const auto& text :
       {deep("{a", "", "}"), "{a(b:" + deep("[", "", "]") + ")}", "{a(b:" + deep("{c:", "1", "}") + ")}",
        "query($a:" + deep("[", "Int", "]") + "){a}", deep("{...", "a", "}"), deep("{...on A", "a", "}")}) {
    const auto parsed = parse(text);
    ASSERT_FALSE(parsed);
    EXPECT_EQ(parsed.error().extensions.at("code"), "graphql_too_deep") << parsed.error().message;
  }
}

TEST(Language, TokensAreCountedAndBounded) {
  const ParseLimits limits{.tokens_max = 5};
  EXPECT_TRUE(parse("{ a b c }", limits));
  const auto parsed = parse("{ a b c d }", limits);
  ASSERT_FALSE(parsed);
  EXPECT_EQ(parsed.error().extensions.at("code"), "graphql_too_many_tokens");
  EXPECT_EQ(parsed.error().locations[0].column, 11);
}

TEST(Language, DamagedDocumentsNeverCrashAndValidOnesReadBackTheSame) {
  std::mt19937 random(7);
  const auto below = [&](std::size_t n) { return std::uniform_int_distribution<std::size_t>(0, n - 1)(random); };
  constexpr std::string_view bits = "{}()[]\"\"\"$@:!...=|&\\u{#\n\r\t 0123456789.eE-+aT_\xc3\xa9\xf0\x9f\x98\x80\xff";
  std::size_t read = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::string text(samples[below(std::size(samples))]);
    for (auto changes = below(4); changes > 0 && !text.empty(); --changes) {
      const auto at = below(text.size());
      switch (below(3)) {
        case 0:
          text.erase(at, 1 + below(4));
          break;
        case 1:
          text.insert(at, bits.substr(below(bits.size()), 1 + below(3)));
          break;
        default:
          text.insert(at, std::string(samples[below(std::size(samples))].substr(0, below(20))));
          break;
      }
    }
    const auto first = parse(text);
    if (!first) continue;
    ++read;
    const auto printed = print(**first);
    const auto second = parse(printed);
    ASSERT_TRUE(second) << "seed 7 round " << round << "\n"
                        << text << "\n"
                        << printed << "\n"
                        << second.error().message;
    ASSERT_TRUE(ast::same(**first, **second)) << text << "\n" << printed;
  }
  EXPECT_GT(read, 5000u);
}

TEST(Language, RandomBytesNeverCrash) {
  std::mt19937 random(11);
  for (int round = 0; round < 5000; ++round) {
    std::string text(std::uniform_int_distribution<std::size_t>(0, 80)(random), '\0');
    for (auto& c : text)
      c = static_cast<char>(std::uniform_int_distribution<int>(round % 2 ? 0 : 32, round % 2 ? 255 : 126)(random));
    const auto parsed = parse(text);
    if (parsed) {
      EXPECT_TRUE(ast::same(**parsed, **parse(print(**parsed)))) << text;
    }
  }
}

TEST(Text, NumbersAreTheShortestThatReadBack) {
  const std::pair<double, const char*> cases[] = {{0, "0"},
                                                  {-0.0, "0"},
                                                  {1, "1"},
                                                  {-17, "-17"},
                                                  {0.1, "0.1"},
                                                  {0.30000000000000004, "0.30000000000000004"},
                                                  {1e21, "1e+21"},
                                                  {1e20, "100000000000000000000"},
                                                  {123e-20, "1.23e-18"},
                                                  {1e-6, "0.000001"},
                                                  {1e-7, "1e-7"},
                                                  {-1.5e300, "-1.5e+300"},
                                                  {5e-324, "5e-324"},
                                                  {4294967296.5, "4294967296.5"}};
  for (const auto& [number, text] : cases) EXPECT_EQ(number_text(number), text);
}

TEST(Text, WhatIsNotUtf8IsRepairedInAnswers) { EXPECT_EQ(quoted("a\xff\"\n\x01"), "\"a\xef\xbf\xbd\\\"\\n\\u0001\""); }

TEST(Text, NumbersWithoutAnExponentHaveTheFewestDigits) {
  std::mt19937_64 dice(3);
  std::uniform_real_distribution<double> exponents(-6, 15);
  for (int round = 0; round < 100'000; ++round) {
    const double value = std::pow(10.0, exponents(dice)) * (dice() % 2 ? 1 : -1);
    const auto text = number_text(value);
    EXPECT_EQ(std::strtod(text.c_str(), nullptr), value) << text;
    EXPECT_EQ(text.find('e'), std::string::npos);
    char shortest[32];
    const auto end = std::to_chars(shortest, shortest + sizeof shortest, value, std::chars_format::scientific).ptr;
    const auto digits = [](std::string_view number) {
      const auto mantissa = number.substr(0, number.find('e'));
      std::string out;
      for (const char c : mantissa)
        if (c >= '0' && c <= '9' && (c != '0' || !out.empty())) out += c;
      return out.substr(0, out.find_last_not_of('0') + 1);
    };
    EXPECT_EQ(digits(text), digits({shortest, end})) << text;
  }
}

// Whatever eight bytes stand together: the same as byte by byte.
TEST(Text, WhatJsonMustEscapeIsFoundWhereverItStands) {
  std::mt19937_64 dice(5);
  constexpr std::string_view odd = "\"\\\n\x1f\x7f\x20 !#[]^`a";
  for (int round = 0; round < 50'000; ++round) {
    std::string text(dice() % 40, 'a');
    for (auto& c : text) c = static_cast<char>(' ' + dice() % 95);
    for (auto& c : text)
      if (dice() % 12 == 0) c = odd[dice() % odd.size()];
    std::string expected = "\"";
    for (const char c : text) {
      if (c == '"' || c == '\\') expected += '\\';
      if (c == '\n')
        expected += "\\n";
      else if (c == '\x1f')
        expected += "\\u001f";
      else
        expected += c;
    }
    EXPECT_EQ(graphql::quoted(text), expected + '"');
  }
  EXPECT_EQ(quoted("1234567\xc3\xa9 and more"), "\"1234567\xc3\xa9 and more\"");
  EXPECT_EQ(graphql::quoted(std::string("\0\x80", 2)), "\"\\u0000\xef\xbf\xbd\"");
}

TEST(Text, SuggestionsAreNearestFirst) {
  const std::vector<std::string_view> known{"pods", "pod", "port", "machine"};
  EXPECT_EQ(did_you_mean(suggestions("podd", known)), " Did you mean \"pod\", \"pods\", or \"port\"?");
  EXPECT_EQ(did_you_mean(suggestions("machines", known), "the word"), " Did you mean the word \"machine\"?");
  EXPECT_EQ(did_you_mean(suggestions("zzzz", known)), "");
}

}  // namespace
}  // namespace gyre::graphql
