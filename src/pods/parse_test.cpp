#include "pods/parse.hpp"

#include <gtest/gtest.h>

#include <random>

namespace gyre {
namespace {

using Words = std::vector<std::string>;

TEST(Ports, AreReadAsRunPodWritesThem) {
  EXPECT_EQ(parse_port("8888/http", "ports[0]").value(), (PortWish{8888, true}));
  EXPECT_EQ(parse_port(" 22/tcp ", "ports[0]").value(), (PortWish{22, false}));
  EXPECT_EQ(split_ports("8888/http, 22/tcp", "ports").value(), (Words{"8888/http", "22/tcp"}));
  EXPECT_EQ(split_ports("", "ports").value(), Words{});
}

TEST(Ports, AWrongOneIsNamedByItsPlace) {
  for (const char* wrong : {"", "80", "80/", "/tcp", "0/tcp", "65536/tcp", "-1/tcp", "8 8/tcp", "80/udp", "80/HTTP",
                            "abc/http", "80/tcp/x"}) {
    const auto result = parse_ports({"22/tcp", wrong}, "ports");
    ASSERT_FALSE(result) << wrong;
    EXPECT_EQ(result.error().field, "ports[1]") << wrong;
  }
  EXPECT_EQ(parse_ports({"22/tcp", "22/http"}, "ports").error().field, "ports[1]");
}

TEST(Command, IsCutAsAShellWould) {
  EXPECT_EQ(split_command("python3 app.py", "c").value(), (Words{"python3", "app.py"}));
  EXPECT_EQ(split_command("bash -c 'mkdir /testdir1 && /start.sh'", "c").value(),
            (Words{"bash", "-c", "mkdir /testdir1 && /start.sh"}));
  EXPECT_EQ(split_command(R"(echo "a \"b\" \n" c\ d '' "")", "c").value(),
            (Words{"echo", "a \"b\" \\n", "c d", "", ""}));
  EXPECT_EQ(split_command("  \t\n ", "c").value(), Words{});
  EXPECT_EQ(split_command("a'b'\"c\"d", "c").value(), Words{"abcd"});
  for (const char* wrong : {"echo 'a", "echo \"a", "echo a\\"}) EXPECT_FALSE(split_command(wrong, "c")) << wrong;
}

// Found by fuzzing: the last word was not counted when nothing came after it.
TEST(Ports, AThousandWordsAreTheLimitWhateverComesAfterTheLast) {
  std::string thousand;
  for (int i = 0; i < 1000; ++i) thousand += "w ";
  EXPECT_EQ(split_command(thousand, "c").value().size(), 1000u);
  EXPECT_FALSE(split_command(thousand + "w", "c"));
  EXPECT_FALSE(split_command(thousand + "w ", "c"));
}

TEST(Command, DockerArgsMayBeJson) {
  const auto both = parse_docker_args(R"( {"cmd":["a","b c"],"entrypoint":["/x"]} )", "dockerArgs").value();
  EXPECT_EQ(both.command, (Words{"a", "b c"}));
  EXPECT_EQ(both.entrypoint, (Words{"/x"}));
  EXPECT_EQ(parse_docker_args("", "dockerArgs").value(), CommandWish{});
  EXPECT_EQ(parse_docker_args("sleep 5", "dockerArgs").value().command, (Words{"sleep", "5"}));
  for (const char* wrong : {"{", R"({"cmd":"x"})", R"({"cmd":[1]})", R"({"other":[]})"})
    EXPECT_FALSE(parse_docker_args(wrong, "dockerArgs")) << wrong;
}

TEST(ParseProperty, NoBytesFromOutsideBreakAParser) {
  std::mt19937 dice(7);
  const std::string alphabet = "a0./:@-_'\"\\ {}[]\n\tA,sha256\xff";
  for (int i = 0; i < 200'000; ++i) {
    std::string text;
    for (auto n = dice() % 24; n > 0; --n) text += alphabet[dice() % alphabet.size()];
    (void)parse_port(text, "f");
    (void)split_ports(text, "f");
    (void)parse_docker_args(text, "f");
    (void)is_variable_name(text);
  }
}

// Words put in quotes come out as they went in.
TEST(ParseProperty, QuotedWordsSurvive) {
  std::mt19937 dice(11);
  const std::string alphabet = "ab '\"\\$`\n{}";
  for (int i = 0; i < 20'000; ++i) {
    Words words;
    std::string line;
    for (auto n = dice() % 5; n > 0; --n) {
      std::string word, quoted = "'";
      for (auto m = dice() % 8; m > 0; --m) word += alphabet[dice() % alphabet.size()];
      for (char c : word) c == '\'' ? quoted += "'\\''" : quoted += c;
      words.push_back(word);
      line += quoted + "' ";
    }
    EXPECT_EQ(split_command(line, "c").value(), words) << line;
  }
}

}  // namespace
}  // namespace gyre
