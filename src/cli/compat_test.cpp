#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "cli/compat_clients.hpp"

namespace gyre::cli {
namespace {

const CompatPlace place{"https://gyre.example.com", "192.0.2.7", ""};

const CompatClient& one(const std::string& name) {
  const auto found = compat_clients_named({name});
  EXPECT_TRUE(found && found->size() == 1) << name;
  return *found->front();
}

TEST(CompatClients, AVersionHasOneWayOfBeingTold) {
  EXPECT_TRUE(one("runpod@1.6.1").hard_coded());
  EXPECT_TRUE(one("runpod@1.6.2").hard_coded());
  EXPECT_FALSE(one("runpod@1.7.0").hard_coded());
  EXPECT_FALSE(one("runpod@1.12.0").hard_coded()) << "1.12 comes after 1.7";
  EXPECT_TRUE(one("@runpod/mcp-server@1.1.0").hard_coded());
  EXPECT_FALSE(one("@runpod/mcp-server@3.4.0").hard_coded());
  EXPECT_EQ(one("@runpod/mcp-server@4.0.0").variables.front().name, "RUNPOD_API_BASE_URL");
  EXPECT_EQ(one("runpodctl@v1.14.4").variables.front().value, "{server}/graphql");
  EXPECT_EQ(one("runpodctl@2.1.9").file.name, "~/.runpod/config.toml");
  EXPECT_EQ(compat_clients_named({"runpod"})->size(), 2u);
  EXPECT_EQ(compat_clients_named({})->size(), compat_clients().size());
  for (const char* nobody : {"runpods", "runpod@", "runpod@x", "runpod@1.2.3.4", "@runpod", ""}) {
    const auto refused = compat_clients_named({"runpod", nobody});
    ASSERT_FALSE(refused) << nobody;
    EXPECT_EQ(refused.error().reason, Reason::client_unknown);
  }
}

TEST(CompatClients, NoTwoRowsOfAClientHaveAVersionInCommon) {
  for (const auto& client : compat_clients())
    for (const auto& other : compat_clients()) {
      if (&client == &other || client.name != other.name || client.from.empty()) continue;
      EXPECT_FALSE(has_version(other, client.from)) << client.name << " " << client.from;
    }
}

TEST(CompatClients, WhatIsPrintedNamesTheServer) {
  const auto recipe = compat_recipe({&one("runpod@1.12.0")}, place, Language::en);
  const auto& told = recipe.at("clients").at(0);
  EXPECT_EQ(told.at("environment").at("RUNPOD_API_BASE_URL"), "https://gyre.example.com");
  EXPECT_EQ(told.at("environment").at("RUNPOD_ENDPOINT_BASE_URL"), "https://gyre.example.com/v2");
  EXPECT_TRUE(recipe.at("hostsLine").is_null() && recipe.at("makeAuthority").is_null());
  EXPECT_EQ(compat_page({&one("runpod@1.12.0")}, place, Language::en).find("/etc/hosts"), std::string::npos);
}

TEST(CompatClients, AClientWithNamesBuiltInGetsHostsAndAnAuthority) {
  auto recipe = compat_recipe({&one("runpod@1.6.1")}, place, Language::en);
  EXPECT_EQ(recipe.at("hostsLine"), "192.0.2.7 api.runpod.io api.runpod.ai");
  EXPECT_EQ(recipe.at("clients").at(0).at("environment").at("REQUESTS_CA_BUNDLE"),
            "/etc/ssl/certs/ca-certificates.crt");
  EXPECT_NE(recipe.at("installAuthority").as_string().find("update-ca-certificates"), std::string::npos);
  auto own = place;
  own.authority = "/home/me/ca.crt";
  recipe = compat_recipe({&one("@runpod/mcp-server@1.1.0")}, own, Language::ko);
  EXPECT_EQ(recipe.at("clients").at(0).at("environment").at("NODE_EXTRA_CA_CERTS"), "/home/me/ca.crt");
  EXPECT_TRUE(recipe.at("installAuthority").is_null());
  const auto page = compat_page({&one("runpod@1.6.1")}, place, Language::en);
  for (const char* part : {"192.0.2.7 api.runpod.io api.runpod.ai", "export SSL_CERT_FILE=",
                           "nameConstraints = critical", "compat:\n", "has these names built in"})
    EXPECT_NE(page.find(part), std::string::npos) << part;
}

}  // namespace
}  // namespace gyre::cli
