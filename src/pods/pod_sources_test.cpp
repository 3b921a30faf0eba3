#include "pods/pod_sources.hpp"

#include <gtest/gtest.h>

namespace gyre {
namespace {

using Env = std::map<std::string, std::string>;

TEST(WithTemplate, TheBodysOwnFieldsWinAndVariablesAreMerged) {
  CreatePod settings;
  settings.imageName = "team/base:1";
  settings.containerDiskInGb = 30;
  settings.env = Env{{"A", "template"}, {"B", "template"}};
  settings.ports = boost::json::value{"8888/http"};
  CreatePod body;
  body.containerDiskInGb = 5;
  body.env = Env{{"B", "own"}, {"C", "own"}};
  const auto merged = with_template(settings, body);
  EXPECT_EQ(merged.imageName, "team/base:1");
  EXPECT_EQ(merged.containerDiskInGb, 5);
  EXPECT_EQ(merged.env, (Env{{"A", "template"}, {"B", "own"}, {"C", "own"}}));
  EXPECT_TRUE(merged.ports);
}

TEST(WithTemplate, EmptyTextsOfOldClientsMeanTheTemplates) {
  CreatePod settings;
  settings.imageName = "team/base:1";
  settings.containerRegistryAuthId = "r1";
  settings.dockerStartCmd = boost::json::array{"serve"};
  CreatePod body;
  body.imageName = body.containerRegistryAuthId = body.dockerArgs = "";
  const auto merged = with_template(settings, body);
  EXPECT_EQ(merged.imageName, "team/base:1");
  EXPECT_EQ(merged.containerRegistryAuthId, "r1");
  EXPECT_TRUE(merged.dockerStartCmd);
}

TEST(WithTemplate, OneWayToSayAThingReplacesTheOther) {
  CreatePod settings;
  settings.containerRegistryAuthId = "r1";
  settings.dockerStartCmd = boost::json::array{"serve"};
  CreatePod body;
  body.dockerArgs = "sleep 1";
  body.registryAuth = RegistryAuthInput{"alice", "pw"};
  const auto merged = with_template(settings, body);
  EXPECT_FALSE(merged.dockerStartCmd);
  EXPECT_FALSE(merged.containerRegistryAuthId);
}

TEST(Secrets, AreFoundAnywhereInATextAndOnlyThere) {
  EXPECT_EQ(secrets_in("{{ RUNPOD_SECRET_a }} and {{RUNPOD_SECRET_b_2}}"), (std::vector<std::string>{"a", "b_2"}));
  for (const char* none : {"", "{{", "}}", "{{ RUNPOD_SECRET_ }}", "{{ RUNPOD_SECRET_a b }}", "{ RUNPOD_SECRET_a }",
                           "{{ OTHER_a }}", "RUNPOD_SECRET_a", "{{ RUNPOD_SECRET_a"})
    EXPECT_TRUE(secrets_in(none).empty()) << none;
  EXPECT_EQ(secrets_in("{{ {{ RUNPOD_SECRET_a }}"), (std::vector<std::string>{"a"}));
}

TEST(Secrets, TakeTheirPlaceOnceAndAreNotReadAgain) {
  const auto value_of = [](const std::string& name) -> std::optional<std::string> {
    if (name == "a") return "{{ RUNPOD_SECRET_b }}";
    if (name == "b") return "wrong";
    return std::nullopt;
  };
  EXPECT_EQ(with_secrets("x{{ RUNPOD_SECRET_a }}y", value_of), "x{{ RUNPOD_SECRET_b }}y");
  EXPECT_EQ(with_secrets("{{ RUNPOD_SECRET_c }}{{RUNPOD_SECRET_b}}", value_of), "{{ RUNPOD_SECRET_c }}wrong");
}

TEST(SshKeys, ThePodsOwnVariablesWin) {
  Env none;
  add_ssh_keys(none, "");
  EXPECT_TRUE(none.empty());
  add_ssh_keys(none, "k");
  EXPECT_EQ(none, (Env{{"PUBLIC_KEY", "k"}, {"SSH_PUBLIC_KEY", "k"}}));
  Env ssh{{"SSH_PUBLIC_KEY", "mine"}};
  add_ssh_keys(ssh, "k");
  EXPECT_EQ(ssh, (Env{{"PUBLIC_KEY", "mine"}, {"SSH_PUBLIC_KEY", "mine"}}));
  Env plain{{"PUBLIC_KEY", "mine"}};
  add_ssh_keys(plain, "k");
  EXPECT_EQ(plain, (Env{{"PUBLIC_KEY", "mine"}}));
}

}  // namespace
}  // namespace gyre
