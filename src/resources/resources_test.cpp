// Secrets and keys on their way into containers, in the simulated world.
#include "sim/calls.hpp"

namespace gyre {
namespace {

using http::Method;
using sim::object_of;
using sim::text_of;

class ResourcesTest : public testing::Test {
 protected:
  sim::World world{1};
  void SetUp() override {
    world.registry.push("x:1", {});
    world.add_host("h1");
  }
  void TearDown() override { world.check(); }

  std::string secret(const std::string& name, const std::string& value) {
    const auto made = world.call(Method::post, "/v1/secrets", R"({"name":")" + name + R"(","value":")" + value + "\"}");
    EXPECT_EQ(made.status, 201) << made.body;
    return text_of(made, "id");
  }
  std::string pod(const std::string& env) {
    const auto made = world.call(Method::post, "/v1/pods", R"({"imageName":"x:1","env":)" + env + "}");
    EXPECT_EQ(made.status, 201) << made.body;
    return text_of(made, "id");
  }
  std::map<std::string, std::string> env_of(const std::string& id) {
    auto& engine = world.engine(world.hosts().front());
    for (const auto& container : engine.running())
      if (container.labels.at("gyre.pod") == id) return engine.spec(container.id)->env;
    ADD_FAILURE() << "no container of " << id << " runs";
    return {};
  }
  boost::json::object shown(const std::string& id) { return object_of(world.call(Method::get, "/v1/pods/" + id)); }
  int verb(const std::string& id, const std::string& what) {
    return world.call(Method::post, "/v1/pods/" + id + "/" + what).status;
  }
};

TEST_F(ResourcesTest, ASecretReachesTheContainerAndNoAnswer) {
  secret("token", "s3cret");
  const auto id = pod(R"({"TOKEN":"{{ RUNPOD_SECRET_token }}","URL":"https://u:{{RUNPOD_SECRET_token}}@x"})");
  world.run_for(20s);
  const auto env = env_of(id);
  EXPECT_EQ(env.at("TOKEN"), "s3cret");
  EXPECT_EQ(env.at("URL"), "https://u:s3cret@x");
  for (const auto& target : {"/v1/pods/" + id, std::string("/v1/pods"), "/v1/pods/" + id + "/events"})
    EXPECT_EQ(world.call(Method::get, target).body.find("s3cret"), std::string::npos) << target;
  EXPECT_EQ(text_of(shown(id).at("env").as_object(), "TOKEN"), "{{ RUNPOD_SECRET_token }}");
  for (const auto& wish : world.database().all<std::string>("SELECT wish FROM pods"))
    EXPECT_EQ(wish.find("s3cret"), std::string::npos) << "it is stored with the pod";
}

TEST_F(ResourcesTest, AnUnknownSecretIsRefusedAndTheVariableNamed) {
  secret("token", "v");
  auto answer = world.call(Method::post, "/v1/pods", R"({"imageName":"x:1","env":{"X":"{{ RUNPOD_SECRET_nope }}"}})");
  EXPECT_EQ(answer.status, 400) << answer.body;
  EXPECT_EQ(text_of(answer, "field"), "env.X");
  answer =
      world.call(Method::post, "/v1/pods?dryRun=true", R"({"imageName":"x:1","env":{"X":"{{ RUNPOD_SECRET_nope }}"}})");
  EXPECT_EQ(text_of(answer, "field"), "env.X");
  answer = world.call(Method::post, "/v1/pods", R"({"imageName":"x:1","env":{"X":"{{ RUNPOD_SECRET_token }}"}})",
                      world.stranger_key());
  EXPECT_EQ(text_of(answer, "field"), "env.X") << "another workspace's secret";
  const auto id = pod("{}");
  answer = world.call(Method::patch, "/v1/pods/" + id, R"({"env":{"X":"{{ RUNPOD_SECRET_nope }}"}})");
  EXPECT_EQ(text_of(answer, "field"), "env.X");
}

TEST_F(ResourcesTest, ADeletedSecretHurtsNothingThatRunsAndTheNextStartSaysWhy) {
  const auto gone = secret("token", "v1");
  const auto id = pod(R"({"TOKEN":"{{ RUNPOD_SECRET_token }}"})");
  world.run_for(20s);
  EXPECT_EQ(world.call(Method::del, "/v1/secrets/" + gone).status, 204);
  world.run_for(1min);
  EXPECT_EQ(text_of(shown(id), "status"), "running");
  auto answer = world.call(Method::post, "/v1/pods/" + id + "/restart");
  EXPECT_EQ(text_of(answer, "code"), "secret_missing");
  EXPECT_NE(answer.body.find("TOKEN"), std::string::npos);
  EXPECT_EQ(world.call(Method::patch, "/v1/pods/" + id, R"({"name":"still changeable"})").status, 200);
  EXPECT_EQ(text_of(world.call(Method::patch, "/v1/pods/" + id, R"({"imageName":"x:2"})"), "code"), "secret_missing");
  EXPECT_EQ(text_of(shown(id), "status"), "running");
  EXPECT_EQ(verb(id, "stop"), 200);
  world.run_for(20s);
  EXPECT_EQ(text_of(world.call(Method::post, "/v1/pods/" + id + "/start"), "code"), "secret_missing");
  secret("token", "v2");
  EXPECT_EQ(verb(id, "start"), 200);
  world.run_for(20s);
  EXPECT_EQ(env_of(id).at("TOKEN"), "v2") << "the next start has the new value";
}

TEST_F(ResourcesTest, APodWhoseSecretGoesWhileItWaitsStopsAndSaysWhy) {
  const auto first = text_of(world.call(Method::post, "/v1/pods", R"({"imageName":"x:1","gpuCount":4})"), "id");
  world.run_for(20s);
  const auto gone = secret("token", "v");
  const auto id = pod(R"({"TOKEN":"{{ RUNPOD_SECRET_token }}"})");
  world.run_for(5s);
  EXPECT_EQ(text_of(shown(id), "status"), "queued");
  EXPECT_EQ(world.call(Method::del, "/v1/secrets/" + gone).status, 204);
  EXPECT_EQ(world.call(Method::del, "/v1/pods/" + first).status, 204);
  world.run_for(30s);
  EXPECT_EQ(text_of(shown(id), "status"), "stopped");
  EXPECT_EQ(text_of(shown(id).at("reason").as_object(), "code"), "secret_missing");
}

TEST_F(ResourcesTest, APersonsKeysReachNewPods) {
  const std::string key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMHLjNwQyYgpxrSwlsb+njdTm2TBCGP+GhuuIW+YoCd6";
  EXPECT_EQ(world.call(Method::patch, "/v1/me/settings", R"({"pubKey":")" + key + "\"}").status, 200);
  const auto id = pod("{}"), own = pod(R"({"SSH_PUBLIC_KEY":"mine"})");
  world.run_for(20s);
  EXPECT_EQ(env_of(id).at("PUBLIC_KEY"), key);
  EXPECT_EQ(env_of(id).at("SSH_PUBLIC_KEY"), key);
  EXPECT_EQ(env_of(own).at("PUBLIC_KEY"), "mine");
  EXPECT_TRUE(shown(id).at("env").as_object().empty()) << "what its owner set";
}

TEST_F(ResourcesTest, IncludeMachineShowsTheHostInRunPodsWords) {
  const auto id = pod("{}");
  world.run_for(20s);
  EXPECT_TRUE(shown(id).at("machine").as_object().empty());
  const auto machine = object_of(world.call(Method::get, "/v1/pods/" + id + "?includeMachine=true")).at("machine");
  EXPECT_EQ(text_of(machine.as_object(), "gpuTypeId"), "NVIDIA A40");
  EXPECT_EQ(text_of(machine.as_object(), "gpuDisplayName"), "A40");
  EXPECT_EQ(machine.at("cpuCount").as_int64(), 32);
  EXPECT_EQ(text_of(machine.as_object(), "dataCenterId"), "LOCAL");
}

TEST_F(ResourcesTest, PodsAndVolumesKeepToTheirDataCentre) {
  const auto stranger = world.stranger_key();
  const auto field = [&](const std::string& target, const std::string& body, Method method = Method::post) {
    const auto answer = world.call(method, target, body);
    EXPECT_GE(answer.status, 400) << answer.body;
    return text_of(answer, "field");
  };
  EXPECT_EQ(field("/v1/catalog/datacenters", R"({"id":"kr 1"})"), "id");
  EXPECT_EQ(field("/v1/catalog/datacenters", R"({"id":"KR-1","countryCode":"Korea"})"), "countryCode");
  EXPECT_EQ(world.call(Method::post, "/v1/catalog/datacenters", R"({"id":"KR-1"})", stranger).status, 403);
  EXPECT_EQ(world
                .call(Method::post, "/v1/catalog/datacenters",
                      R"({"id":"KR-1","name":"Seoul 1","location":"Seoul","countryCode":"KR"})")
                .status,
            201);
  EXPECT_EQ(world.call(Method::post, "/v1/catalog/datacenters", R"({"id":"KR-1"})").status, 409);
  EXPECT_EQ(world.call(Method::post, "/v1/catalog/datacenters", R"({"id":"LOCAL"})").status, 409);
  EXPECT_EQ(field("/v1/hosts/tokens", R"({"dataCenterId":"SE-1"})"), "dataCenterId");

  const auto second = world.add_host("h2").str();
  const auto host = "/v1/hosts/" + second;
  world.run_for(5s);
  EXPECT_EQ(field(host, R"({"dataCenterId":"SE-1"})", Method::patch), "dataCenterId");
  const auto moved = world.call(Method::patch, host, R"({"dataCenterId":"KR-1"})");
  EXPECT_EQ(moved.status, 200) << moved.body;
  EXPECT_EQ(text_of(moved, "dataCenterId"), "KR-1");
  EXPECT_EQ(world.call(Method::patch, host, R"({"dataCenterId":"KR-1"})", stranger).status, 403);

  const auto asks = [&](const std::string& more) { return R"({"imageName":"x:1",)" + more + "}"; };
  EXPECT_EQ(field("/v1/pods", asks(R"("dataCenterIds":["LOCAL","SE-1"])")), "dataCenterIds[1]");
  EXPECT_EQ(field("/v1/pods", asks(R"("countryCodes":["SE"])")), "countryCodes[0]");
  EXPECT_EQ(field("/v1/endpoints", R"({"templateId":"none","dataCenterIds":["SE-1"]})").empty(), false);
  const auto made = [&](const std::string& more) {
    const auto answer = world.call(Method::post, "/v1/pods", asks(more));
    EXPECT_EQ(answer.status, 201) << answer.body;
    return text_of(answer, "id");
  };
  const auto there = made(R"("dataCenterIds":["KR-1"])"), by_country = made(R"("countryCodes":["KR"])"),
             here = made(R"("dataCenterIds":["LOCAL"])");
  world.run_for(30s);
  const auto center_of = [&](const std::string& id) {
    const auto pod = object_of(world.call(Method::get, "/v1/pods/" + id + "?includeMachine=true"));
    EXPECT_EQ(text_of(pod, "status"), "running");
    return text_of(pod.at("machine").as_object(), "dataCenterId");
  };
  EXPECT_EQ(center_of(there), "KR-1");
  EXPECT_EQ(center_of(by_country), "KR-1");
  EXPECT_EQ(center_of(here), "LOCAL");
  EXPECT_EQ(env_of(here).at("RUNPOD_DC_ID"), "LOCAL");
  for (const auto& container : world.engine(HostId(second)).running())
    EXPECT_EQ(world.engine(HostId(second)).spec(container.id)->env.at("RUNPOD_DC_ID"), "KR-1");
  EXPECT_EQ(sim::list_of(world.call(Method::get, "/v1/pods?dataCenterId=KR-1")).size(), 2u);
  const auto stays = world.call(Method::patch, host, R"({"dataCenterId":"LOCAL"})");
  EXPECT_EQ(text_of(stays, "code"), "host_keeps_pods") << "pods are on it";

  const auto said = object_of(world.call(Method::get, "/v1/catalog/datacenters/KR-1"));
  EXPECT_EQ(text_of(said, "location"), "Seoul");
  EXPECT_EQ(text_of(said, "countryCode"), "KR");
  EXPECT_EQ(sim::list_of(world.call(Method::get, "/v1/catalog/datacenters")).size(), 2u);
  EXPECT_EQ(world.call(Method::get, "/v1/catalog/datacenters/SE-1").status, 404);
  const auto told = object_of(world.call(Method::patch, "/v1/catalog/datacenters/LOCAL", R"({"countryCode":"SE"})"));
  EXPECT_EQ(text_of(told, "countryCode"), "SE") << "LOCAL has no row before";
  const auto swedish = made(R"("countryCodes":["SE"])");
  world.run_for(30s);
  EXPECT_EQ(center_of(swedish), "LOCAL");
}

TEST_F(ResourcesTest, APodThatFitsInNoHostOfItsDataCentreSaysSo) {
  EXPECT_EQ(world.call(Method::post, "/v1/catalog/datacenters", R"({"id":"KR-1"})").status, 201);
  const auto dry = world.call(Method::post, "/v1/pods?dryRun=true", R"({"imageName":"x:1","dataCenterIds":["KR-1"]})");
  EXPECT_NE(dry.body.find("host_in_other_data_center"), std::string::npos) << dry.body;
}

TEST_F(ResourcesTest, PodsAreListedByTheirDataCentre) {
  const auto id = pod("{}");
  const auto listed = [&](const std::string& query) {
    return sim::list_of(world.call(Method::get, "/v1/pods" + query)).size();
  };
  EXPECT_EQ(listed("?dataCenterId=LOCAL"), 1u);
  EXPECT_EQ(listed("?dataCenterId=EU-RO-1&dataCenterId=LOCAL"), 1u);
  EXPECT_EQ(listed("?dataCenterId=EU-RO-1"), 0u);
}

}  // namespace
}  // namespace gyre
