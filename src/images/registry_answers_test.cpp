#include "images/registry_answers.hpp"

#include <gtest/gtest.h>

#include <random>

namespace gyre::images {
namespace {

const std::string digest = "sha256:" + std::string(64, 'a');

TEST(Challenge, TheOnesThatRegistriesSend) {
  auto challenge = read_challenge(
      R"(Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:library/x:pull")");
  ASSERT_TRUE(challenge);
  EXPECT_TRUE(challenge->bearer);
  EXPECT_EQ(challenge->realm, "https://auth.docker.io/token");
  EXPECT_EQ(challenge->service, "registry.docker.io");
  EXPECT_EQ(challenge->scope, "repository:library/x:pull");
  challenge = read_challenge(R"(Bearer realm="https://nvcr.io/proxy_auth",scope="repository:nvidia/cuda:pull,push")");
  ASSERT_TRUE(challenge);
  EXPECT_EQ(challenge->scope, "repository:nvidia/cuda:pull,push");
  EXPECT_EQ(challenge->service, "");
  challenge = read_challenge(
      R"(Basic realm="https://123456789012.dkr.ecr.us-east-1.amazonaws.com/",service="ecr.amazonaws.com")");
  ASSERT_TRUE(challenge);
  EXPECT_FALSE(challenge->bearer);
}

TEST(Challenge, ABearerOneIsPreferredWhereverItStands) {
  for (const char* header :
       {R"(Basic realm="x", Bearer realm="https://t/")", R"(bearer realm="https://t/", basic realm=x)",
        R"(Negotiate, Basic realm="a, Bearer realm=\"no\"", Bearer realm="https://t/")"}) {
    const auto challenge = read_challenge(header);
    ASSERT_TRUE(challenge) << header;
    EXPECT_TRUE(challenge->bearer) << header;
    EXPECT_EQ(challenge->realm, "https://t/") << header;
  }
  for (const char* header : {"", "Negotiate", ",,,", "Digest realm=x", "\"", "=", "(Bearer)", "Bearer realm=\"open"})
    EXPECT_EQ(read_challenge(header).value_or(Challenge{}).realm, "") << header;
}

TEST(Challenge, NoBytesHangOrCrash) {
  std::mt19937_64 dice(1);
  const std::string pieces[] = {"Bearer", " ", ",", "=",  "\"",   "\\",    "realm",
                                "scope",  "a", "/", "\t", "\x80", "Basic", "("};
  for (int round = 0; round < 50'000; ++round) {
    std::string header;
    for (auto n = dice() % 20; n > 0; --n) header += pieces[dice() % std::size(pieces)];
    read_challenge(header);
  }
}

TEST(Manifest, OfAnImageAndOfAListOfPlatforms) {
  auto manifest = read_manifest(R"({"schemaVersion":2,"config":{"digest":")" + digest +
                                R"("},"layers":[{"size":10},{"size":32}]})");
  ASSERT_TRUE(manifest);
  EXPECT_EQ(manifest->config_digest, digest);
  EXPECT_EQ(manifest->layer_bytes, 42);
  manifest = read_manifest(R"({"manifests":[
    {"digest":")" + digest +
                           R"(","platform":{"os":"linux","architecture":"arm64"}},
    {"digest":")" + digest +
                           R"(","platform":{"os":"unknown","architecture":"unknown"}}]})");
  ASSERT_TRUE(manifest);
  EXPECT_EQ(for_our_hosts(*manifest), nullptr);
  EXPECT_EQ(platforms_of(*manifest), "linux/arm64");
}

TEST(Manifest, WhatIsNoneIsSaid) {
  for (const std::string& body : std::vector<std::string>{
           "", "[]", "{}", R"({"config":{"digest":"md5:1"},"layers":[]})", R"({"manifests":[]})", R"({"manifests":{}})",
           R"({"manifests":[{"digest":"../../etc"}]})", R"({"schemaVersion":1,"fsLayers":[]})",
           R"({"config":{"digest":")" + digest + R"("},"layers":[{"size":-1}]})",
           R"({"config":{"digest":")" + digest + R"("},"layers":[{"size":9223372036854775807},{"size":1}]})"}) {
    const auto manifest = read_manifest(body);
    ASSERT_FALSE(manifest) << body;
    EXPECT_FALSE(manifest.error().empty());
  }
}

TEST(ImageConfig, PortsAreInOrderAndOnlyPorts) {
  const auto config = read_config(R"({"os":"linux","architecture":"amd64","config":{"Entrypoint":["/bin/x"],"Cmd":null,
    "ExposedPorts":{"9000/tcp":{},"53/udp":{},"80":{},"0/tcp":{},"70000/tcp":{},"x/tcp":{},"8888/sctp":{}}}})");
  ASSERT_TRUE(config);
  EXPECT_EQ(config->ports, (std::vector<std::string>{"53/udp", "80/tcp", "9000/tcp"}));
  EXPECT_EQ(config->entrypoint, std::vector<std::string>{"/bin/x"});
  EXPECT_TRUE(config->command.empty());
  EXPECT_FALSE(read_config("<html>"));
}

TEST(Words, OfATokenServerAndOfAnError) {
  EXPECT_EQ(read_token(R"({"token":"a","access_token":"b"})"), "a");
  EXPECT_EQ(read_token(R"({"access_token":"b","expires_in":300})"), "b");
  EXPECT_EQ(read_token("no"), "");
  EXPECT_EQ(read_error(R"({"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]})"), "manifest unknown");
  EXPECT_EQ(read_error(R"({"details":"incorrect username or password"})"), "incorrect username or password");
  EXPECT_EQ(read_error("<html>"), "");
}

}  // namespace
}  // namespace gyre::images
