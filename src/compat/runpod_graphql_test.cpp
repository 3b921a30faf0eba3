// RunPod's GraphQL documents, as its clients send them, in the simulated world.
#include "sim/calls.hpp"

namespace gyre::compat {
namespace {

using http::Method;

class RunpodGraphqlTest : public testing::Test {
 protected:
  sim::World world{1};
  void SetUp() override {
    world.registry.push("x:1", {});
    world.add_host("h1");
    world.run_for(10s);
  }
  void TearDown() override { world.check(); }

  boost::json::object ask(const std::string& query, const boost::json::object& variables = {},
                          const std::string& key = "") {
    const auto body = boost::json::serialize(boost::json::object{{"query", query}, {"variables", variables}});
    const auto answer = world.call(Method::post, "/graphql", body, key);
    EXPECT_EQ(answer.status, 200) << answer.body;
    return boost::json::parse(answer.body).as_object();
  }
  boost::json::value data(const std::string& query, const std::string& field,
                          const boost::json::object& variables = {}) {
    const auto answer = ask(query, variables);
    EXPECT_FALSE(answer.contains("errors")) << boost::json::serialize(answer);
    return answer.at("data").at(field);
  }
  std::string refusal(const std::string& query) {
    const auto answer = ask(query);
    EXPECT_TRUE(answer.contains("errors")) << boost::json::serialize(answer);
    return answer.contains("errors") ? std::string(answer.at("errors").at(0).at("message").as_string()) : "";
  }
  // What create_pod of the Python package sends.
  std::string deploy(const std::string& more = "", int gpus = 1) {
    return "mutation { podFindAndDeployOnDemand( input: { name: \"n\", imageName: \"x:1\", cloudType: ALL, startSsh: "
           "true, "
           "gpuTypeId: \"NVIDIA A40\", supportPublicIp: true, gpuCount: " +
           std::to_string(gpus) +
           ", volumeInGb: 0, minVcpuCount: 1, minMemoryInGb: 1, dataCenterId: null, dockerArgs: \"\", "
           "containerDiskInGb: 10, ports: \"22/tcp,8888/http\", volumeMountPath: \"/runpod-volume\", "
           "env: [{ key: \"A\", value: \"b=c\" }]" +
           more + " } ) { id imageName env machineId desiredStatus costPerHr machine { podHostId } } }";
  }
};

TEST_F(RunpodGraphqlTest, APodsWholeLifeInThePythonPackagesWords) {
  const auto made = data(deploy(), "podFindAndDeployOnDemand");
  const std::string id(made.at("id").as_string());
  EXPECT_EQ(made.at("imageName"), "x:1");
  EXPECT_EQ(made.at("env"), boost::json::array{"A=b=c"});
  EXPECT_EQ(made.at("desiredStatus"), "RUNNING");
  EXPECT_TRUE(made.at("costPerHr").is_double() || made.at("costPerHr").is_int64());
  world.run_for(1min);
  const auto pods = data(
      "query myPods { myself { pods { id containerDiskInGb costPerHr desiredStatus dockerArgs dockerId env gpuCount "
      "imageName lastStatusChange machineId memoryInGb name podType port ports uptimeSeconds vcpuCount volumeInGb "
      "volumeMountPath runtime { ports{ ip isIpPublic privatePort publicPort PortType: type } } machine { "
      "gpuDisplayName location } } } }",
      "myself");
  ASSERT_EQ(pods.at("pods").as_array().size(), 1u);
  const auto& pod = pods.at("pods").at(0);
  EXPECT_EQ(pod.at("ports"), "22/tcp,8888/http");
  EXPECT_EQ(pod.at("port"), nullptr);
  EXPECT_EQ(pod.at("podType"), "RESERVED");
  for (const char* whole : {"containerDiskInGb", "memoryInGb", "vcpuCount", "uptimeSeconds", "gpuCount", "volumeInGb"})
    EXPECT_TRUE(pod.at(whole).is_int64()) << whole;
  EXPECT_GT(pod.at("uptimeSeconds").as_int64(), 10);
  const auto& ports = pod.at("runtime").at("ports").as_array();
  ASSERT_EQ(ports.size(), 2u);
  for (const auto& port : ports) {
    const bool ssh = port.at("privatePort") == 22;
    EXPECT_EQ(port.at("isIpPublic"), ssh);
    EXPECT_EQ(port.at("PortType"), ssh ? "tcp" : "http");
  }
  world.run_for(20s);  // samples have come
  const auto use = data("query pod { pod(input: {podId: \"" + id +
                            "\"}) { runtime { gpus { id gpuUtilPercent memoryUtilPercent } container { cpuPercent "
                            "memoryPercent } } } }",
                        "pod")
                       .at("runtime");
  ASSERT_EQ(use.at("gpus").as_array().size(), 1u);
  for (const auto& [of, name] : {std::pair(use.at("gpus").at(0), "gpuUtilPercent"),
                                 {use.at("gpus").at(0), "memoryUtilPercent"},
                                 {use.at("container"), "cpuPercent"},
                                 {use.at("container"), "memoryPercent"}}) {
    ASSERT_TRUE(of.at(name).is_number()) << name;
    EXPECT_GE(of.at(name).to_number<double>(), 0) << name;
    EXPECT_LE(of.at(name).to_number<double>(), 100) << name;
  }
  const auto stopped = data("mutation { podStop(input: { podId: \"" + id + "\" }) { id desiredStatus } }", "podStop");
  EXPECT_EQ(stopped.at("desiredStatus"), "EXITED");
  world.run_for(1min);
  EXPECT_EQ(
      data("mutation { podStop(input: { podId: \"" + id + "\" }) { desiredStatus } }", "podStop").at("desiredStatus"),
      "EXITED")
      << "a stopped pod may be stopped";
  EXPECT_EQ(
      data("query pod { pod(input: {podId: \"" + id + "\"}) { runtime { uptimeInSeconds } } }", "pod").at("runtime"),
      nullptr);
  const auto resumed = data(
      "mutation podResume($podId: String!) { podResume(input: {podId: $podId}) { id costPerHr "
      "desiredStatus lastStatusChange } }",
      "podResume", {{"podId", id}});
  EXPECT_EQ(resumed.at("desiredStatus"), "RUNNING");
  EXPECT_EQ(data("mutation { podTerminate(input: { podId: \"" + id + "\" }) }", "podTerminate"), nullptr);
  world.run_for(1min);
  EXPECT_EQ(data("query pod { pod(input: {podId: \"" + id + "\"}) { id } }", "pod"), nullptr);
  EXPECT_EQ(refusal("mutation { podStop(input: { podId: \"" + id + "\" }) { id } }"), "no pod " + id);
}

TEST_F(RunpodGraphqlTest, WithoutRoomThereIsAnErrorInRunPodsWordsAndNoPod) {
  EXPECT_NE(refusal(deploy("", 64)).find("no longer any instances available"), std::string::npos);
  EXPECT_NE(refusal(deploy(", deployCost: -1, stopAfter: \"1h\"")).find("stopAfter is not offered"), std::string::npos);
  EXPECT_EQ(data("query { myself { pods { id } } }", "myself").at("pods").as_array().size(), 0u);
}

TEST_F(RunpodGraphqlTest, OldClientsSayCommunityAndEmptyTextsAndMeanNothingByIt) {
  const boost::json::object input{{"cloudType", "COMMUNITY"},
                                  {"containerDiskInGb", 10},
                                  {"dockerArgs", "bash -c 'mkdir /testdir1 && /start.sh'"},
                                  {"dataCenterId", ""},
                                  {"env", boost::json::array()},
                                  {"gpuCount", 1},
                                  {"gpuTypeId", "NVIDIA A40"},
                                  {"imageName", "x:1"},
                                  {"minMemoryInGb", 1},
                                  {"minVcpuCount", 1},
                                  {"name", "hello-world"},
                                  {"networkVolumeId", ""},
                                  {"ports", ""},
                                  {"supportPublicIp", false},
                                  {"startSsh", false},
                                  {"templateId", ""},
                                  {"volumeInGb", 0},
                                  {"volumeMountPath", "/runpod"},
                                  {"unknown", 1}};
  const auto made = data(
      "mutation createPod($input: PodFindAndDeployOnDemandInput!) { podFindAndDeployOnDemand(input: "
      "$input) { id costPerHr desiredStatus dockerArgs lastStatusChange } }",
      "podFindAndDeployOnDemand", {{"input", input}});
  EXPECT_EQ(made.at("desiredStatus"), "RUNNING");
  EXPECT_EQ(made.at("dockerArgs"), "bash -c 'mkdir /testdir1 && /start.sh'");
}

TEST_F(RunpodGraphqlTest, GpuTypesWithPricesAndWithout) {
  const auto all = data("query GpuTypes { gpuTypes { id displayName memoryInGb } }", "gpuTypes");
  EXPECT_GE(all.as_array().size(), 30u);
  const auto one = data(
      "query GpuTypes { gpuTypes(input: {id: \"NVIDIA A100 80GB PCIe\"}) { maxGpuCount id displayName manufacturer "
      "memoryInGb cudaCores secureCloud communityCloud securePrice communityPrice oneMonthPrice threeMonthPrice "
      "oneWeekPrice communitySpotPrice secureSpotPrice lowestPrice(input: {gpuCount: 1}) { minimumBidPrice "
      "uninterruptablePrice } } }",
      "gpuTypes");
  ASSERT_EQ(one.as_array().size(), 1u);
  EXPECT_EQ(one.at(0).at("memoryInGb"), 80);
  EXPECT_EQ(one.at(0).at("manufacturer"), "Nvidia");
  EXPECT_EQ(data("{ gpuTypes(input: {id: \"no such\"}) { id } }", "gpuTypes").as_array().size(), 0u);
  EXPECT_GE(data("query { serverlessGpuPools { id gpuTypeIds } }", "serverlessGpuPools").as_array().size(), 5u);
}

TEST_F(RunpodGraphqlTest, TemplatesAndEndpointsInThePythonPackagesWords) {
  const std::string save =
      "mutation { saveTemplate( input: { name: \"test\", imageName: \"x:1\", dockerArgs: \"sh -c 'a b'\", "
      "containerDiskInGb: 10, volumeInGb: 0, ports: \"\", env: [], isServerless: true, containerRegistryAuthId : \"\", "
      "startSsh: true, isPublic: false, readme: \"\" } ) { id name imageName dockerArgs containerDiskInGb volumeInGb "
      "volumeMountPath ports env { key value } isServerless } }";
  const auto made = data(save, "saveTemplate");
  EXPECT_EQ(made.at("dockerArgs"), "sh -c 'a b'");
  EXPECT_EQ(made.at("isServerless"), true);
  EXPECT_NE(refusal(save).find("test"), std::string::npos) << "the name is taken";
  const std::string id(made.at("id").as_string());
  const auto endpoint = data(
      "mutation { saveEndpoint( input: { name: \"e\", templateId: \"" + id +
          "\", gpuIds: \"AMPERE_16\", networkVolumeId: "
          "\"\", locations: \"\", idleTimeout: 5, scalerType: \"QUEUE_DELAY\", scalerValue: 4, workersMin: 0, "
          "workersMax: 1, "
          "gpuCount: 1, flashBootType: FLASHBOOT } ) { id name templateId gpuIds networkVolumeId locations idleTimeout "
          "scalerType scalerValue workersMin workersMax allowedCudaVersions gpuCount flashBootType } }",
      "saveEndpoint");
  EXPECT_EQ(endpoint.at("gpuIds"), "AMPERE_16");
  EXPECT_EQ(endpoint.at("flashBootType"), "FLASHBOOT");
  const auto list = data(
      "query Query { myself { endpoints { aiKey gpuIds id idleTimeout name networkVolumeId locations scalerType "
      "scalerValue templateId type userId version workersMax workersMin workersStandby gpuCount env { key value } "
      "createdAt networkVolume { id dataCenterId } } } }",
      "myself");
  ASSERT_EQ(list.at("endpoints").as_array().size(), 1u);
  EXPECT_EQ(list.at("endpoints").at(0).at("id"), endpoint.at("id"));
  EXPECT_NE(refusal("mutation { deleteTemplate(templateName: \"test\") }").find("is used by endpoint"),
            std::string::npos);
  EXPECT_EQ(data("mutation d($id: String!) { deleteEndpoint(id: $id) }", "deleteEndpoint", {{"id", endpoint.at("id")}}),
            nullptr);
  EXPECT_EQ(data("mutation { deleteTemplate(templateName: \"test\") }", "deleteTemplate"), nullptr);
}

TEST_F(RunpodGraphqlTest, SettingsRegistryCredentialsAndSecrets) {
  const auto user = data(
      "mutation { updateUserSettings( input: { pubKey: \"ssh-ed25519 "
      "AAAAC3NzaC1lZDI1NTE5AAAAIFD1ZCzDPmHVTKRq8hKJxYQFvVyuYy7Sg1BGP1jVT3qN me\" } ) { id pubKey } }",
      "updateUserSettings");
  EXPECT_NE(user.at("pubKey").as_string().find("ssh-ed25519"), std::string::npos);
  EXPECT_EQ(
      data("query myself { myself { id pubKey networkVolumes { id name size dataCenterId } } }", "myself").at("id"),
      user.at("id"));
  const auto auth = data(
      "mutation SaveRegistryAuth { saveRegistryAuth(input: {name: \"n\", username: \"u\", password: \"p\"}) { id name "
      "} }",
      "saveRegistryAuth");
  const auto changed =
      data("mutation UpdateRegistryAuth { updateRegistryAuth(input: {id: \"" + std::string(auth.at("id").as_string()) +
               "\", username: \"v\", password: \"q\"}) { id name } }",
           "updateRegistryAuth");
  EXPECT_EQ(changed.at("id"), auth.at("id"));
  EXPECT_EQ(changed.at("name"), "n");
  EXPECT_EQ(world.database().value<std::string>("SELECT username FROM registry_auths"), "v");
  EXPECT_EQ(data("mutation DeleteRegistryAuth { deleteRegistryAuth(registryAuthId: \"" +
                     std::string(auth.at("id").as_string()) + "\") }",
                 "deleteRegistryAuth"),
            true);
  const auto secret =
      data("mutation { secretCreate(input: {name: \"S\", value: \"v\"}) { id name description } }", "secretCreate");
  EXPECT_EQ(data("mutation { secretDelete(id: \"" + std::string(secret.at("id").as_string()) + "\") }", "secretDelete"),
            nullptr);
}

TEST_F(RunpodGraphqlTest, AMutationThatFailsTakesItsChangesBackAndItsNeighboursStay) {
  const auto answer =
      ask("mutation { one: secretCreate(input: {name: \"S\", value: \"v\"}) { id } "
          "two: secretCreate(input: {name: \"S\", value: \"w\"}) { id } }");
  EXPECT_TRUE(answer.at("data").at("one").is_object());
  EXPECT_EQ(answer.at("data").at("two"), nullptr);
  EXPECT_EQ(answer.at("errors").as_array().size(), 1u);
}

}  // namespace
}  // namespace gyre::compat
