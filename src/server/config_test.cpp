#include "server/config.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

namespace gyre::server {
namespace {

class ConfigTest : public testing::Test {
 protected:
  void SetUp() override {
    dir_ = std::filesystem::temp_directory_path() / ("gyre-config-test-" + std::to_string(::getpid()));
    std::filesystem::create_directories(dir_);
  }
  void TearDown() override { std::filesystem::remove_all(dir_); }

  ConfigSources file(const std::string& text) {
    const auto path = dir_ / "gyre.yaml";
    std::ofstream(path) << text;
    return ConfigSources{.file = path.string(), .environment = {}, .flags = {}};
  }
  static std::string first_error(const tl::expected<Loaded, std::vector<Error>>& loaded) {
    return loaded ? "(no error)" : loaded.error().front().message();
  }

  std::filesystem::path dir_;
};

TEST_F(ConfigTest, TheEnvironmentWinsOverTheFileAndFlagsOverBoth) {
  auto sources = file("listen: [\"127.0.0.1:1\"]\nlog:\n  level: debug\nlimits:\n  connections: 7\n");
  sources.environment = {{"GYRE_LISTEN", "127.0.0.1:2, [::1]:2"}, {"GYRE_LOG_LEVEL", "warn"}};
  sources.flags = {{"log.level", {"error"}, "--log-level"}};
  const auto loaded = load(sources);
  ASSERT_TRUE(loaded) << first_error(loaded);
  EXPECT_EQ(loaded->config.connections, 7);
  EXPECT_EQ(loaded->config.listen, (std::vector<std::string>{"127.0.0.1:2", "[::1]:2"}));
  EXPECT_EQ(loaded->config.log_level, log::Level::error);
  EXPECT_EQ(loaded->source_of.at("limits.connections"), "gyre.yaml:5");
  EXPECT_EQ(loaded->source_of.at("log.level"), "--log-level");
}

TEST_F(ConfigTest, AnUnknownKeyIsRefusedWithItsLineAndTheNearestName) {
  const auto loaded = load(file("data_dir: /tmp\nlimits:\n  body_byte: 1MiB\n"));
  ASSERT_FALSE(loaded);
  EXPECT_EQ(first_error(loaded), "gyre.yaml:3: limits.body_byte is not a key of the configuration");
  EXPECT_NE(loaded.error().front().fix().find("limits.body_bytes"), std::string::npos);
}

TEST_F(ConfigTest, EveryMistakeIsFoundInOneGo) {
  const auto loaded =
      load(file("listen: nonsense\nlog:\n  level: loud\nlimits:\n  connections: 0\nlisten: \"127.0.0.1:1\"\n"));
  ASSERT_FALSE(loaded);
  std::string all;
  for (const auto& error : loaded.error()) all += error.message() + "\n";
  EXPECT_NE(all.find("gyre.yaml:1: listen is \"nonsense\": expected HOST:PORT"), std::string::npos) << all;
  EXPECT_NE(all.find("gyre.yaml:3: log.level is \"loud\""), std::string::npos) << all;
  EXPECT_NE(all.find("gyre.yaml:5: limits.connections is \"0\""), std::string::npos) << all;
  EXPECT_NE(all.find("gyre.yaml:6: listen was set before, at gyre.yaml:1"), std::string::npos) << all;
}

TEST_F(ConfigTest, WhatIsNotYamlNamesItsLine) {
  EXPECT_EQ(first_error(load(file("log: [1\nx"))).find("gyre.yaml:"), 0u);
  EXPECT_EQ(first_error(load(file("just text"))), "gyre.yaml:1 is not YAML: expected keys and values");
  EXPECT_NE(first_error(load({.file = "/no/such/gyre.yaml", .environment = {}, .flags = {}})).find("cannot be read"),
            std::string::npos);
}

TEST_F(ConfigTest, ACertificateNeedsItsKey) {
  std::ofstream(dir_ / "c.pem") << "x";
  const auto loaded = load(file("tls:\n  certificate: " + (dir_ / "c.pem").string() + "\n"));
  EXPECT_EQ(first_error(loaded), "gyre.yaml:2: tls.certificate needs tls.key");
}

TEST_F(ConfigTest, ClientsWithNamesBuiltInNeedAnAddressAndACertificate) {
  std::ofstream(dir_ / "c.pem") << "x";
  const auto pem = (dir_ / "c.pem").string();
  EXPECT_EQ(first_error(load(file("compat:\n  listen: [\"0.0.0.0:443\"]\n"))),
            "gyre.yaml:2: compat.listen needs compat.certificate");
  EXPECT_EQ(first_error(load(file("compat:\n  certificate: " + pem + "\n  key: " + pem + "\n"))),
            "gyre.yaml:2: compat.certificate needs compat.listen");
  EXPECT_EQ(first_error(load(file("compat:\n  listen: [\"0.0.0.0:443\"]\n  certificate: " + pem + "\n"))),
            "gyre.yaml:3: compat.certificate needs compat.key");
  const auto loaded =
      load(file("compat:\n  certificate: " + pem + "\n  key: " + pem + "\n  listen: [\"0.0.0.0:443\"]\n"));
  ASSERT_TRUE(loaded) << first_error(loaded);
  EXPECT_EQ(loaded->config.compat_listen, std::vector<std::string>{"0.0.0.0:443"});
}

TEST_F(ConfigTest, AVariableThatLooksLikeOursIsPointedAt) {
  const auto loaded =
      load({.file = {}, .environment = {{"GYRE_LOGLEVEL", "debug"}, {"GYRE_API_KEY", "x"}}, .flags = {}});
  ASSERT_TRUE(loaded);
  ASSERT_EQ(loaded->warnings.size(), 1u);
  EXPECT_NE(loaded->warnings[0].find("GYRE_LOG_LEVEL"), std::string::npos);
}

TEST_F(ConfigTest, WhatIsPrintedCanBeReadBackAndHidesThePassword) {
  auto sources = file("limits:\n  idle_timeout: 90s\n  body_bytes: 3MiB\ntrusted_proxies: [10.0.0.0/8, \"::1\"]\n");
  const auto loaded = load(sources);
  ASSERT_TRUE(loaded) << first_error(loaded);
  const auto again = load(file(print_config(*loaded)));
  ASSERT_TRUE(again) << first_error(again) << print_config(*loaded);
  const auto difference = compare(loaded->config, again->config);
  EXPECT_TRUE(difference.applied.empty() && difference.needs_restart.empty());

  const auto secret =
      load({.file = {}, .environment = {{"GYRE_DATABASE", "postgresql://u:hunter2@h/db"}}, .flags = {}});
  ASSERT_TRUE(secret);
  EXPECT_EQ(print_config(*secret).find("hunter2"), std::string::npos);
}

TEST_F(ConfigTest, AReloadSaysWhatItTookAndWhatWaitsForARestart) {
  Config running;
  Config wanted = running;
  wanted.log_level = log::Level::debug;
  wanted.listen = {"127.0.0.1:9"};
  const auto reload = compare(running, wanted);
  EXPECT_EQ(reload.applied, std::vector<std::string>{"log.level"});
  EXPECT_EQ(reload.needs_restart, std::vector<std::string>{"listen"});
}

TEST_F(ConfigTest, AddressesAreRead) {
  EXPECT_EQ(parse_host_port("[::1]:80")->host, "::1");
  EXPECT_EQ(parse_host_port("localhost:0")->port, 0);
  for (const char* wrong : {"", ":80", "::1:80", "h:", "h:65536", "h:-1", "h:1x", "http://h:1", "[h]:1"})
    EXPECT_FALSE(parse_host_port(wrong)) << wrong;
}

TEST_F(ConfigTest, EveryKeyHasWordsADefaultThatItAccepts) {
  for (const auto& key : keys()) {
    EXPECT_FALSE(key.description.empty()) << key.name;
    Config config;
    const auto value = key.get(config);
    if (key.name == "data_dir") continue;  // its default is the machine's business
    EXPECT_FALSE(key.set(config, value)) << key.name;
    EXPECT_EQ(key.get(config), value) << key.name;
  }
}

TEST_F(ConfigTest, TheDocumentIsWhatTheTableSays) {
  std::ifstream in("docs/configuration.md");
  std::stringstream text;
  text << in.rdbuf();
  EXPECT_EQ(text.str(), configuration_document()) << "run: gyre server --print-config-document > docs/configuration.md";
}

}  // namespace
}  // namespace gyre::server
