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
  // The key that is in the pod's environment.
  std::string key_of(const std::string& pod) {
    const auto shown = boost::json::parse(world.call(Method::get, "/v1/pods/" + pod).body);
    const std::string container(shown.at("containers").at(0).at("containerId").as_string());
    return world.engine(world.hosts().front()).spec(container)->env.at("RUNPOD_API_KEY");
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

TEST_F(RunpodGraphqlTest, AnEndpointMayBringTheSettingsOfItsContainers) {
  const auto made = data(
      "mutation { saveEndpoint(input: { name: \"own\", gpuIds: \"AMPERE_48\", template: { imageName: \"x:1\", "
      "dockerArgs: \"python app.py\", env: [{ key: \"A\", value: \"b\" }] } }) { id templateId version env { key value "
      "} } }",
      "saveEndpoint");
  EXPECT_EQ(made.at("templateId"), "");
  EXPECT_EQ(made.at("env").at(0).at("value"), "b");
  EXPECT_EQ(data("{ myself { podTemplates { id } } }", "myself").at("podTemplates").as_array().size(), 0u);
  const std::string id(made.at("id").as_string());
  const auto changed =
      data("mutation { saveEndpoint(input: { id: \"" + id +
               "\", template: { imageName: \"x:2\" }, workersMax: 4 }) { version workersMax env { key } } }",
           "saveEndpoint");
  EXPECT_EQ(changed.at("version"), 2);
  EXPECT_EQ(changed.at("workersMax"), 4);
  EXPECT_EQ(changed.at("env").as_array().size(), 0u) << "the settings are replaced as a whole";
  EXPECT_NE(refusal("mutation { saveEndpoint(input: { name: \"n\", template: { dockerArgs: \"x\" } }) { id } }")
                .find("template.imageName"),
            std::string::npos);
  EXPECT_NE(refusal("mutation { saveEndpoint(input: { name: \"n\" }) { id } }").find("templateId"), std::string::npos);
}

TEST_F(RunpodGraphqlTest, WithoutRoomThereIsAnErrorInRunPodsWordsAndNoPod) {
  EXPECT_NE(refusal(deploy("", 64)).find("no longer any instances available"), std::string::npos);
  EXPECT_NE(refusal(deploy(", deployCost: -1, stopAfter: \"soon\"")).find("stopAfter: expected a span"),
            std::string::npos);
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

class RunpodSpotTest : public RunpodGraphqlTest {
 protected:
  // As scripts with raw GraphQL send it (contract 2.3).
  std::string rent(const std::string& bid, int gpus = 1, const std::string& more = "") {
    return "mutation { podRentInterruptable( input: { bidPerGpu: " + bid +
           ", cloudType: ALL, gpuCount: " + std::to_string(gpus) +
           ", volumeInGb: 40, containerDiskInGb: 40, minVcpuCount: 2, minMemoryInGb: 15, gpuTypeId: \"NVIDIA A40\", "
           "name: \"RunPod Pytorch\", imageName: \"x:1\", dockerArgs: \"\", ports: \"8888/http\", volumeMountPath: "
           "\"/workspace\", env: [{ key: \"JUPYTER_PASSWORD\", value: \"rns1hunbsstltcpad22d\" }]" +
           more +
           " } ) { id imageName env machineId machine { podHostId } desiredStatus costPerHr lastStatusChange } }";
  }
  boost::json::value pod(const std::string& id) {
    return data(
        "query pod { pod(input: {podId: \"" + id + "\"}) { desiredStatus podType costPerHr lastStatusChange } }",
        "pod");
  }
  void price(const std::string& body) {
    ASSERT_EQ(world.call(Method::post, "/v1/catalog/gputypes/NVIDIA A40/prices", body).status, 201);
    world.run_for(1s);
  }
  const std::string bid_resume =
      "mutation Mutation($podId: String!, $bidPerGpu: Float!) { podBidResume(input: {podId: $podId, bidPerGpu: "
      "$bidPerGpu}) { id costPerHr desiredStatus lastStatusChange } }";
};

TEST_F(RunpodSpotTest, ASpotPodIsRentedDisplacedAndResumedWithABid) {
  const auto made = data(rent("0.2", 4), "podRentInterruptable");
  const std::string id(made.at("id").as_string());
  EXPECT_EQ(made.at("desiredStatus"), "RUNNING");
  EXPECT_EQ(made.at("costPerHr").to_number<double>(), 0.8);
  EXPECT_EQ(made.at("env"), boost::json::array{"JUPYTER_PASSWORD=rns1hunbsstltcpad22d"});
  EXPECT_TRUE(made.at("machine").at("podHostId").is_string());
  world.run_for(1min);
  EXPECT_EQ(pod(id).at("podType"), "INTERRUPTABLE");
  const std::string resume = "mutation { podResume(input: { podId: \"" + id +
                             "\", gpuCount: 1 }) { id desiredStatus imageName env machineId machine { podHostId } } }";
  EXPECT_EQ(data(resume, "podResume").at("desiredStatus"), "RUNNING") << "it runs";

  const auto taker = data(deploy(), "podFindAndDeployOnDemand");
  EXPECT_EQ(taker.at("desiredStatus"), "RUNNING");
  EXPECT_EQ(pod(id).at("desiredStatus"), "EXITED") << "at once";
  world.run_for(1min);
  EXPECT_EQ(pod(id).at("desiredStatus"), "EXITED");
  EXPECT_NE(pod(id).at("lastStatusChange").as_string().find("an on-demand pod needed its GPUs"), std::string::npos);

  EXPECT_EQ(refusal(resume), "Cannot resume a spot pod as an on demand pod.");
  const boost::json::object again{{"podId", id}, {"bidPerGpu", 5}};
  EXPECT_EQ(std::string(ask(bid_resume, again).at("errors").at(0).at("message").as_string()),
            "There are not enough free GPUs on the host machine to start this pod.");
  data("mutation { podTerminate(input: { podId: \"" + std::string(taker.at("id").as_string()) + "\" }) }",
       "podTerminate");
  world.run_for(1min);
  const auto resumed = data(bid_resume, "podBidResume", {{"podId", id}, {"bidPerGpu", 0.25}});
  EXPECT_EQ(resumed.at("desiredStatus"), "RUNNING");
  EXPECT_EQ(resumed.at("costPerHr").to_number<double>(), 1);
  // runpodctl from 1.14.5 on sends a count as well.
  EXPECT_EQ(
      data("mutation Mutation($podId: String!, $bidPerGpu: Float!, $gpuCount: Int!) { podBidResume(input: {podId: "
           "$podId, bidPerGpu: $bidPerGpu, gpuCount: $gpuCount}) { id desiredStatus } }",
           "podBidResume", {{"podId", id}, {"bidPerGpu", 0.25}, {"gpuCount", 0}})
          .at("desiredStatus"),
      "RUNNING");
  EXPECT_NE(std::string(ask(bid_resume, {{"podId", id}, {"bidPerGpu", 9}}).at("errors").at(0).at("message").as_string())
                .find("start is not possible"),
            std::string::npos)
      << "a bid that would not count is not passed over";
}

TEST_F(RunpodSpotTest, TheFloorIsNamedAndShownAsTheLowestBid) {
  price(R"({"securePrice":0.44,"communityPrice":0.4,"secureSpotPrice":0.22,"communitySpotPrice":0.2})");
  EXPECT_EQ(refusal(rent("0.19")), "a bid of $0.19 for each GPU is too low: the lowest bid for NVIDIA A40 is $0.2");
  EXPECT_EQ(data(rent("0.2"), "podRentInterruptable").at("costPerHr").to_number<double>(), 0.2);
  const auto type = data(
      "query { gpuTypes(input: {id: \"NVIDIA A40\"}) { secureSpotPrice communitySpotPrice lowestPrice(input: "
      "{gpuCount: "
      "1}) { minimumBidPrice uninterruptablePrice } } }",
      "gpuTypes");
  EXPECT_EQ(type.at(0).at("lowestPrice").at("minimumBidPrice").to_number<double>(), 0.2);
  EXPECT_EQ(type.at(0).at("secureSpotPrice").to_number<double>(), 0.22);
}

TEST_F(RunpodSpotTest, WithoutRoomForTheBidThereIsAnErrorInRunPodsWordsAndNoPod) {
  const std::string no_room =
      "There are no instances available with the request specifications. Please try again later.";
  data(rent("0.3", 4), "podRentInterruptable");
  world.run_for(30s);
  EXPECT_EQ(refusal(rent("0.3")), no_room) << "who bids the same waits, and RunPod's clients do not";
  EXPECT_EQ(refusal(rent("0.4", 1, ", deployCost: 0.39")), no_room);
  EXPECT_EQ(data("query { myself { pods { id } } }", "myself").at("pods").as_array().size(), 1u);
  EXPECT_EQ(data(rent("0.4", 1, ", deployCost: 0.4"), "podRentInterruptable").at("desiredStatus"), "RUNNING");
  EXPECT_EQ(
      refusal("mutation { podRentInterruptable(input: { imageName: \"x:1\" }) { id } }").find("There are no instances"),
      std::string::npos)
      << "a bid is part of it";
}

TEST_F(RunpodSpotTest, APodOnDemandHasNoBid) {
  const auto made = data(deploy(), "podFindAndDeployOnDemand");
  world.run_for(30s);
  const std::string id(made.at("id").as_string());
  data("mutation { podStop(input: { podId: \"" + id + "\" }) { id } }", "podStop");
  world.run_for(30s);
  EXPECT_EQ(
      std::string(ask(bid_resume, {{"podId", id}, {"bidPerGpu", 1}}).at("errors").at(0).at("message").as_string()),
      "pod " + id + " is on demand and has no bid");
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

// `runpodctl get cloud`: what does not have so much beside its GPUs is not offered.
TEST_F(RunpodGraphqlTest, TheLowestPriceAsksForAHostWithRoomForTheWholePod) {
  const auto lowest = [&](const boost::json::object& input) {
    const auto types = data(
        "query LowestPrice($input: GpuLowestPriceInput!) { gpuTypes { lowestPrice(input: $input) { gpuName gpuTypeId "
        "minimumBidPrice uninterruptablePrice minMemory minVcpu } } }",
        "gpuTypes", {{"input", input}});
    std::vector<std::string> out;
    for (const auto& type : types.as_array())
      if (const auto& one = type.at("lowestPrice"); one.at("minMemory").is_int64())
        out.emplace_back(one.at("gpuTypeId").as_string());
    return out;
  };
  const std::vector<std::string> here{"NVIDIA A40"}, none;
  EXPECT_EQ(lowest({{"gpuCount", 1}, {"secureCloud", nullptr}}), here);
  EXPECT_EQ(lowest({{"gpuCount", 1}, {"minMemoryInGb", 1}, {"minVcpuCount", 1}, {"totalDisk", 20}}), here);
  EXPECT_EQ(lowest({{"gpuCount", 1}, {"minMemoryInGb", 100'000}}), none);
  EXPECT_EQ(lowest({{"gpuCount", 1}, {"minVcpuCount", 100'000}}), none);
  EXPECT_EQ(lowest({{"gpuCount", 1}, {"totalDisk", 10'000'000}}), none);
  EXPECT_EQ(lowest({{"gpuCount", 1}, {"dataCenterId", "ELSEWHERE"}}), none);
  EXPECT_EQ(lowest({{"gpuCount", 64}}), none);

  world.database().exec("UPDATE hosts SET cuda_version='12.4'");
  EXPECT_EQ(lowest({{"gpuCount", 1}, {"allowedCudaVersions", {"12.4", "13.0"}}}), here);
  EXPECT_EQ(lowest({{"gpuCount", 1}, {"allowedCudaVersions", {"12.1"}}}), here)
      << "its driver supports older ones, too";
  EXPECT_EQ(lowest({{"gpuCount", 1}, {"allowedCudaVersions", {"12.10"}}}), none);
  EXPECT_EQ(lowest({{"gpuCount", 1}, {"minCudaVersion", "12.10"}}), none);
  EXPECT_EQ(lowest({{"gpuCount", 1}, {"countryCode", "KR"}}), none);
  ASSERT_EQ(world.call(Method::patch, "/v1/catalog/datacenters/LOCAL", R"({"countryCode":"KR"})").status, 200);
  EXPECT_EQ(lowest({{"gpuCount", 1}, {"countryCode", "KR"}, {"dataCenterId", "LOCAL"}}), here);
}

TEST_F(RunpodGraphqlTest, CpuFlavoursAndWhatIsFreeOfThem) {
  const auto types = data("query { cpuTypes { id displayName cores threadsPerCore groupId } }", "cpuTypes");
  ASSERT_EQ(types.as_array().size(), 6u);
  const auto cores = types.at(0).at("cores").as_int64();
  EXPECT_GT(cores, 0);
  const auto stock = [&](const std::string& instance) {
    const auto flavors = data(
        "query SecureCpuTypes { cpuFlavors(input: {id: \"cpu3c\"}) { id specifics(input: "
        "{dataCenterId: \"LOCAL\", instanceId: \"" +
            instance + "\"}) { stockStatus } } }",
        "cpuFlavors");
    EXPECT_EQ(flavors.as_array().size(), 1u);
    return flavors.at(0).at("specifics").at("stockStatus");
  };
  EXPECT_TRUE(stock("cpu3c-2-4").is_string());
  EXPECT_TRUE(stock("cpu3c-" + std::to_string(cores + 1) + "-4").is_null());
  EXPECT_TRUE(stock("cpu5c-2-4").is_null()) << "of another flavour";
}

// `runpodctl user`, `doctor`, `hub list` and `model list`.
TEST_F(RunpodGraphqlTest, WhatTheAccountSpendsAndWhatIsNotKeptHere) {
  const auto spend = [&] {
    const auto me = data(
        "query { myself { id email clientBalance currentSpendPerHr spendLimit notifyPodsStale notifyPodsGeneral "
        "notifyLowBalance serverlessDiscount { discountFactor type expirationDate } } }",
        "myself");
    EXPECT_TRUE(me.at("clientBalance").is_null() && me.at("spendLimit").is_null());
    return me.at("currentSpendPerHr").to_number<double>();
  };
  const auto price = R"({"securePrice":0.5,"communityPrice":0.5})";
  ASSERT_EQ(world.call(Method::post, "/v1/catalog/gputypes/NVIDIA A40/prices", price).status, 201);
  world.run_for(1s);
  EXPECT_EQ(spend(), 0);
  const auto id = std::string(data(deploy(), "podFindAndDeployOnDemand").at("id").as_string());
  world.run_for(1min);
  EXPECT_EQ(spend(), 0.5);
  data("mutation { podStop(input: { podId: \"" + id + "\" }) { id desiredStatus } }", "podStop");
  EXPECT_EQ(spend(), 0) << "a stopped pod";
  EXPECT_EQ(
      data("query Listings($input: ListingsInput!) { listings(input: $input) { id title stars listedRelease { build "
           "{ imageName } } } }",
           "listings", {{"input", {{"limit", 10}, {"orderBy", "stars"}, {"orderDirection", "desc"}}}}),
      boost::json::array());
  EXPECT_EQ(data("query myModels { myModels { id owner users { userId } versions { uuid hash } } }", "myModels"),
            boost::json::array());
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

TEST_F(RunpodGraphqlTest, AGuestSeesTheCatalogueAndNothingElse) {
  const auto as_guest = [&](const std::string& query) {
    const auto body = boost::json::serialize(boost::json::object{{"query", query}});
    return world.call(Method::post, "/graphql", body, sim::World::guest);
  };
  for (const char* query :
       {"query GpuTypes { gpuTypes { id displayName memoryInGb lowestPrice(input: {gpuCount: 1}) { "
        "uninterruptablePrice } } }",
        "query { dataCenters { id name location gpuAvailability { gpuTypeId stockStatus } } }",
        "query { serverlessGpuPools { id gpuTypeIds } }", "{ cpuTypes { id } }", "{ listings { id } }"}) {
    const auto answer = as_guest(query);
    EXPECT_EQ(answer.status, 200) << answer.body;
    EXPECT_EQ(answer.body.find("errors"), std::string::npos) << answer.body;
  }
  for (const char* query :
       {"query { myself { id } }", "{ pod(input: {podId: \"x\"}) { id } }", "{ podTemplates { id } }",
        "{ podTemplate(id: \"x\") { id } }", "mutation { podStop(input: {podId: \"x\"}) { id } }",
        "mutation { podTerminate(input: {podId: \"x\"}) }", "{ gpuTypes { id } myself { id } }", "{ myModels { id } }"})
    EXPECT_EQ(as_guest(query).status, 401) << query;
}

TEST_F(RunpodGraphqlTest, TheBareV1IsGraphqlForOldRunpodctl) {
  const auto answer = world.call(Method::post, "/v1", R"({"query":"query myself { myself { id pubKey } }"})");
  EXPECT_EQ(answer.status, 200);
  EXPECT_NE(answer.body.find("\"pubKey\""), std::string::npos) << answer.body;
}

TEST_F(RunpodGraphqlTest, APodsOwnKeyReachesThatPodAlone) {
  const auto made = data(deploy(), "podFindAndDeployOnDemand");
  const auto other = data(deploy(), "podFindAndDeployOnDemand");
  const std::string id(made.at("id").as_string()), foreign(other.at("id").as_string());
  world.run_for(1min);
  const auto key = key_of(id);
  const auto ask_with_it = [&](const std::string& query) { return boost::json::serialize(ask(query, {}, key)); };
  EXPECT_NE(ask_with_it("query pod { pod(input: {podId: \"" + id + "\"}) { id name } }").find("\"id\":\"" + id),
            std::string::npos);
  EXPECT_EQ(ask("query myPods { myself { email pubKey pods { id } } }", {}, key),
            boost::json::parse(R"({"data":{"myself":{"email":null,"pubKey":null,"pods":[{"id":")" + id + R"("}]}}})")
                .as_object());
  for (const auto& query :
       {"query pod { pod(input: {podId: \"" + foreign + "\"}) { id } }",
        "mutation { podStop(input: { podId: \"" + foreign + "\" }) { id } }",
        "mutation { podTerminate(input: { podId: \"" + foreign + "\" }) }",
        "mutation { podEditJob(input: { podId: \"" + id + "\" }) { id } }",
        std::string("mutation { secretCreate(input: {name: \"S\", value: \"v\"}) { id } }"),
        std::string("query { myself { endpoints { id } } }"), std::string("query { podTemplates { id } }"), deploy()})
    EXPECT_NE(ask_with_it(query).find("\"code\":\"access_denied\""), std::string::npos) << query << ask_with_it(query);
  EXPECT_NE(ask_with_it("mutation stopPod($podId: String!) { podStop(input: {podId: $podId}) { id desiredStatus } }")
                .find("podId"),
            std::string::npos)
      << "its variable is missing";
  EXPECT_NE(ask_with_it("mutation { podStop(input: { podId: \"" + id + "\" }) { id desiredStatus } }")
                .find("\"desiredStatus\":\"EXITED\""),
            std::string::npos);
  world.run_for(1min);
  EXPECT_EQ(data("query pod { pod(input: {podId: \"" + foreign + "\"}) { desiredStatus } }", "pod").at("desiredStatus"),
            "RUNNING");
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
