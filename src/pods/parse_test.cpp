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
  for (const char* wrong : {"", "80", "80/", "/tcp", "0/tcp", "65536/tcp", "-1/tcp", "8 8/tcp", "80/udp", "80/HTTP", "abc/http", "80/tcp/x"}) {
    const auto result = parse_ports({"22/tcp", wrong}, "ports");
    ASSERT_FALSE(result) << wrong;
    EXPECT_EQ(result.error().field, "ports[1]") << wrong;
  }
  EXPECT_EQ(parse_ports({"22/tcp", "22/http"}, "ports").error().field, "ports[1]");
}

TEST(Command, IsCutAsAShellWould) {
  EXPECT_EQ(split_command("python3 app.py", "c").value(), (Words{"python3", "app.py"}));
  EXPECT_EQ(split_command("bash -c 'mkdir /testdir1 && /start.sh'", "c").value(), (Words{"bash", "-c", "mkdir /testdir1 && /start.sh"}));
  EXPECT_EQ(split_command(R"(echo "a \"b\" \n" c\ d '' "")", "c").value(), (Words{"echo", "a \"b\" \\n", "c d", "", ""}));
  EXPECT_EQ(split_command("  \t\n ", "c").value(), Words{});
  EXPECT_EQ(split_command("a'b'\"c\"d", "c").value(), Words{"abcd"});
  for (const char* wrong : {"echo 'a", "echo \"a", "echo a\\"}) EXPECT_FALSE(split_command(wrong, "c")) << wrong;
}

TEST(Command, DockerArgsMayBeJson) {
  const auto both = parse_docker_args(R"( {"cmd":["a","b c"],"entrypoint":["/x"]} )", "dockerArgs").value();
  EXPECT_EQ(both.command, (Words{"a", "b c"}));
  EXPECT_EQ(both.entrypoint, (Words{"/x"}));
  EXPECT_EQ(parse_docker_args("", "dockerArgs").value(), CommandWish{});
  EXPECT_EQ(parse_docker_args("sleep 5", "dockerArgs").value().command, (Words{"sleep", "5"}));
  for (const char* wrong : {"{", R"({"cmd":"x"})", R"({"cmd":[1]})", R"({"other":[]})"}) EXPECT_FALSE(parse_docker_args(wrong, "dockerArgs")) << wrong;
}

TEST(Image, ReferencesAreReadAsDockerReadsThem) {
  EXPECT_EQ(parse_image("ollama", "i").value(), (ImageReference{"docker.io", "library/ollama", "latest", ""}));
  EXPECT_EQ(parse_image("ollama/ollama:latest", "i").value(), (ImageReference{"docker.io", "ollama/ollama", "latest", ""}));
  EXPECT_EQ(parse_image("nvcr.io/nvidia/cuda:12.0.0-base-ubuntu22.04", "i").value(),
            (ImageReference{"nvcr.io", "nvidia/cuda", "12.0.0-base-ubuntu22.04", ""}));
  EXPECT_EQ(parse_image("localhost/a", "i").value().registry, "localhost");
  EXPECT_EQ(parse_image("127.0.0.1:5000/gyre/hello", "i").value(), (ImageReference{"127.0.0.1:5000", "gyre/hello", "latest", ""}));
  EXPECT_EQ(parse_image("[::1]:5000/a/b", "i").value().registry, "[::1]:5000");
  const std::string digest = "sha256:" + std::string(64, 'a');
  EXPECT_EQ(parse_image("quay.io/redhat/ubi8@" + digest, "i").value(), (ImageReference{"quay.io", "redhat/ubi8", "", digest}));
  EXPECT_EQ(parse_image("a:1@" + digest, "i").value().tag, "1");
  for (const char* wrong : {"", ":", "A/b", "a/", "/a", "a//b", "a:", "a:-x", "a b", "a@sha256:xyz", "a..b", "-a", "a.com:0/x", "a.com:99999/x", "a___b", "http://a/b"})
    EXPECT_FALSE(parse_image(wrong, "i")) << wrong;
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
    if (const auto image = parse_image(text, "f")) {
      // What is accepted reads back the same from its parts.
      const auto again = parse_image(image->registry + "/" + image->repository + (image->tag.empty() ? "" : ":" + image->tag) +
                                         (image->digest.empty() ? "" : "@" + image->digest), "f");
      ASSERT_TRUE(again) << text;
      EXPECT_EQ(*again, *image) << text;
    }
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
