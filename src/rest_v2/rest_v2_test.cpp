// REST v2 as its clients speak it, in the simulated world.
#include "rest_v2/rest_v2.hpp"

#include <array>
#include <set>

#include "http/problem.hpp"
#include "sim/calls.hpp"

namespace gyre::rest_v2 {
namespace {

using http::Method;

class RestV2Test : public testing::Test {
 protected:
  sim::World world{1};
  void SetUp() override {
    world.registry.push("x:1", {});
    world.add_host("h1");
    world.run_for(10s);
  }
  void TearDown() override { world.check(); }

  boost::json::object said(Method method, const std::string& path, int status, const std::string& body = "",
                           const std::string& key = "") {
    const auto answer = world.call(method, path, body, key);
    EXPECT_EQ(answer.status, status) << method_text(method) << " " << path << ": " << answer.body;
    return answer.body.empty() ? boost::json::object() : sim::object_of(answer);
  }
  boost::json::object get(const std::string& path, const std::string& key = "") {
    return said(Method::get, path, 200, "", key);
  }
  // A refusal in v2's form.
  boost::json::object refused(Method method, const std::string& path, int status, const std::string& body = "",
                              const std::string& key = "") {
    const auto answer = world.call(method, path, body, key);
    EXPECT_EQ(answer.status, status) << answer.body;
    EXPECT_EQ(answer.headers.get("Content-Type"), "application/problem+json");
    auto problem = sim::object_of(answer);
    EXPECT_EQ(problem["status"], status) << answer.body;
    EXPECT_EQ(sim::text_of(problem, "title"), http::status_text(status));
    EXPECT_TRUE(problem["detail"].is_string() && problem["code"].is_string()) << answer.body;
    EXPECT_TRUE(problem["errors"].is_array() && problem["errors"].as_array().size() == 1) << answer.body;
    EXPECT_FALSE(problem.contains("error")) << answer.body;
    return problem;
  }
  std::string made(const std::string& body) { return sim::text_of(said(Method::post, "/v2/pods", 201, body), "id"); }
  static std::string gpu_pod(const std::string& more = "") {
    return R"({"name":"train","image":"x:1","gpu":{"id":"NVIDIA A40","count":1})" + more + "}";
  }
  static std::string text(const boost::json::value& value) { return std::string(value.as_string()); }
  std::vector<std::string> strings(const boost::json::value& list) {
    std::vector<std::string> out;
    for (const auto& one : list.as_array()) out.emplace_back(one.as_string());
    return out;
  }
};

TEST_F(RestV2Test, RefusalsHaveTheFormOfTheContract) {
  auto problem = refused(Method::get, "/v2/pods", 401, "", "rpa_" + std::string(40, 'A'));
  EXPECT_EQ(problem["detail"], "missing bearer token");
  EXPECT_EQ(problem["code"], "not_logged_in");
  problem = refused(Method::post, "/v2/pods", 403, gpu_pod(), world.new_key(Scope::read));
  EXPECT_EQ(problem["detail"], "access denied");
  problem = refused(Method::get, "/v2/pods/aaaaaaaaaaaaaa", 404);
  EXPECT_EQ(problem["detail"], "resource not found");
  EXPECT_EQ(problem["errors"].at(0), "no pod aaaaaaaaaaaaaa");
  EXPECT_EQ(problem["code"], "pod_not_found");
  EXPECT_EQ(refused(Method::get, "/v2/nothing", 404)["code"], "route_not_found");
  EXPECT_EQ(refused(Method::get, "/v2", 404)["code"], "route_not_found");
  EXPECT_EQ(refused(Method::get, "//v2//nothing", 404)["code"], "route_not_found");
  EXPECT_EQ(refused(Method::put, "/v2/pods", 405)["code"], "method_not_allowed");
  EXPECT_EQ(refused(Method::post, "/v2/pods", 400, "{\"name\":")["code"], "invalid_json");
  problem = refused(Method::post, "/v2/pods", 422, gpu_pod(R"(,"imageName":"x:1")"));
  EXPECT_EQ(problem["detail"], "Request validation failed.");
  EXPECT_EQ(problem["field"], "imageName");
  EXPECT_EQ(problem["code"], "unknown_field");
  EXPECT_EQ(refused(Method::get, "/v2/pods?limit=0", 422)["field"], "limit");
  // Beside it everything is as it was.
  EXPECT_TRUE(sim::object_of(world.call(Method::get, "/v1/pods/aaaaaaaaaaaaaa")).contains("error"));
  EXPECT_TRUE(sim::object_of(world.call(Method::get, "/v2x")).contains("error"));
}

TEST_F(RestV2Test, APodsWholeLife) {
  const auto made_pod =
      said(Method::post, "/v2/pods", 201,
           gpu_pod(R"(,"args":"bash -c 'sleep 1000'","disk":10,"env":{"A":"b"},"ports":["22/tcp","8888/http"],)"
                   R"("mounts":{"persistent":{"size":20,"path":"/data"}},"cloud":"SECURE","startSsh":true)"));
  const auto id = sim::text_of(made_pod, "id");
  EXPECT_EQ(made_pod.at("mounts"),
            (boost::json::object{{"persistent", boost::json::object{{"size", 20}, {"path", "/data"}}}}));
  EXPECT_EQ(made_pod.at("args"), "bash -c 'sleep 1000'");
  EXPECT_EQ(made_pod.at("runtime"), nullptr);
  world.run_for(1min);
  const auto pod = get("/v2/pods/" + id);
  EXPECT_EQ(pod.at("status"), "RUNNING");
  EXPECT_EQ(strings(pod.at("actions")), (std::vector<std::string>{"restart", "stop", "terminate"}));
  EXPECT_EQ(pod.at("gpu").at("id"), "NVIDIA A40");
  EXPECT_EQ(pod.at("gpu").at("count"), 1);
  EXPECT_FALSE(pod.contains("cpu"));
  EXPECT_EQ(pod.at("dataCenterId"), "LOCAL");
  EXPECT_EQ(pod.at("template"), nullptr);
  EXPECT_EQ(pod.at("globalNetworking").at("enabled"), false);
  EXPECT_EQ(pod.at("ssh").at("proxy").at("host"), "gate.sim");
  EXPECT_EQ(pod.at("runtime").at("gpus").as_array().size(), 1u);
  EXPECT_GT(pod.at("runtime").at("uptime").as_int64(), 10);
  ASSERT_EQ(pod.at("runtime").at("ports").as_array().size(), 2u);
  EXPECT_TRUE(pod.at("runtime").at("ports").at(0).as_object().contains("private"));
  const auto listed = get("/v2/pods").at("pods").as_array();
  ASSERT_EQ(listed.size(), 1u);
  EXPECT_EQ(text(listed[0].at("id")), id);

  const auto act = [&](const std::string& what, int status) {
    return said(Method::post, "/v2/pods/" + id + "/action", status, R"({"action":")" + what + "\"}");
  };
  EXPECT_EQ(act("start", 409).at("code"), "pod_transition_refused");
  EXPECT_EQ(act("stop", 200).at("status"), "EXITED");
  world.run_for(1min);
  EXPECT_EQ(strings(get("/v2/pods/" + id).at("actions")), (std::vector<std::string>{"start", "terminate"}));
  EXPECT_EQ(get("/v2/pods/" + id).at("cost"), 0.0);
  EXPECT_EQ(act("stop", 409).at("title"), "Conflict");
  act("start", 200);
  world.run_for(1min);
  EXPECT_EQ(get("/v2/pods/" + id).at("status"), "RUNNING");
  act("restart", 200);
  world.run_for(1min);
  said(Method::patch, "/v2/pods/" + id, 200, R"({"locked":true})");
  EXPECT_EQ(get("/v2/pods/" + id).at("actions").as_array().size(), 0u);
  EXPECT_EQ(act("stop", 409).at("code"), "pod_locked");
  EXPECT_EQ(act("explode", 422).at("field"), "action");
  said(Method::patch, "/v2/pods/" + id, 200, R"({"locked":false,"name":"again"})");
  EXPECT_EQ(get("/v2/pods/" + id).at("name"), "again");
  act("terminate", 204);
  world.run_for(1min);
  refused(Method::get, "/v2/pods/" + id, 404);
  EXPECT_EQ(get("/v2/pods").at("pods").as_array().size(), 0u);
}

TEST_F(RestV2Test, EveryActionThatIsOfferedIsPossible) {
  const auto id = made(gpu_pod());
  std::set<std::string> tried;
  for (int i = 0; i < 8; ++i) {
    for (const auto& action : strings(get("/v2/pods/" + id).at("actions"))) {
      if (action == "terminate" || !tried.insert(sim::text_of(get("/v2/pods/" + id), "status") + action).second)
        continue;
      said(Method::post, "/v2/pods/" + id + "/action", 200, R"({"action":")" + action + "\"}");
      world.run_for(1min);
      break;
    }
  }
  EXPECT_GE(tried.size(), 3u);
}

TEST_F(RestV2Test, APodWithoutGpusHasTheMemoryOfItsFlavour) {
  const auto id = made(R"({"name":"c","image":"x:1","cpu":{"id":"cpu3g","vcpuCount":2}})");
  world.run_for(1min);
  const auto pod = get("/v2/pods/" + id);
  EXPECT_EQ(pod.at("cpu"), (boost::json::object{{"id", "cpu3g"}, {"vcpuCount", 2.0}, {"memory", 8}}));
  EXPECT_FALSE(pod.contains("gpu"));
  EXPECT_EQ(pod.at("mounts"), boost::json::object());
  EXPECT_EQ(get("/v1/pods/" + id).at("cpuFlavorId"), "cpu3g");
}

TEST_F(RestV2Test, RefusalsNameTheFieldsOfThisApi) {
  const auto field = [&](const std::string& body) {
    return sim::text_of(refused(Method::post, "/v2/pods", 422, body), "field");
  };
  EXPECT_EQ(field(R"({"image":"x:1","gpu":{"id":"NVIDIA A40"}})"), "name");
  EXPECT_EQ(field(R"({"name":"n","gpu":{"id":"NVIDIA A40"}})"), "image");
  EXPECT_EQ(field(R"({"name":"n","image":"x:1"})"), "gpu");
  EXPECT_EQ(field(gpu_pod(R"(,"cpu":{"id":"cpu3c","vcpuCount":2})")), "gpu");
  EXPECT_EQ(field(R"({"name":"n","image":"X Y","gpu":{"id":"NVIDIA A40"}})"), "image");
  EXPECT_EQ(field(R"({"name":"n","image":"x:1","gpu":{"id":""}})"), "gpu.id");
  EXPECT_EQ(field(R"({"name":"n","image":"x:1","gpu":{"id":"NVIDIA A40","count":999}})"), "gpu.count");
  EXPECT_EQ(field(R"({"name":"n","image":"x:1","cpu":{"id":"cpu9z","vcpuCount":2}})"), "cpu.id");
  EXPECT_EQ(field(R"({"name":"n","image":"x:1","cpu":{"id":"cpu3c","vcpuCount":0}})"), "cpu.vcpuCount");
  EXPECT_EQ(field(R"({"name":"n","image":"x:1","cpu":{"id":"cpu3m","vcpuCount":2147483647}})"), "cpu.vcpuCount");
  EXPECT_EQ(field(gpu_pod(R"(,"disk":0)")), "disk");
  EXPECT_EQ(field(gpu_pod(R"(,"ports":["22"])")), "ports[0]");
  EXPECT_EQ(field(gpu_pod(R"(,"env":{"0 bad":"x"})")), "env.0 bad");
  EXPECT_EQ(field(gpu_pod(R"(,"args":"'open")")), "args");
  EXPECT_EQ(field(gpu_pod(R"(,"mounts":{"persistent":{"size":20,"path":"data"}})")), "mounts.persistent.path");
  EXPECT_EQ(field(gpu_pod(R"(,"mounts":{"persistent":{"size":20}})")), "mounts.persistent.path");
  EXPECT_EQ(field(gpu_pod(R"(,"mounts":{"network":[{"volumeId":"nothere","path":"/v"}]})")),
            "mounts.network[0].volumeId");
  EXPECT_EQ(
      field(gpu_pod(R"(,"mounts":{"persistent":{"size":20,"path":"/d"},"network":[{"volumeId":"v","path":"/v"}]})")),
      "mounts");
  for (const std::string name : {"startJupyter", "globalNetworking"})
    EXPECT_EQ(sim::text_of(refused(Method::post, "/v2/pods", 409, gpu_pod(",\"" + name + "\":true")), "field"), name);
  const auto words = refused(Method::post, "/v2/pods", 422, gpu_pod(R"(,"disk":0)"));
  EXPECT_TRUE(std::string(words.at("errors").at(0).as_string()).starts_with("disk: ")) << words;
  EXPECT_EQ(get("/v2/pods").at("pods").as_array().size(), 0u);
}

TEST_F(RestV2Test, TheKindOfAMountStaysAndItsSizeGrows) {
  const auto plain = made(gpu_pod());
  const auto with = made(gpu_pod(R"(,"mounts":{"persistent":{"size":20,"path":"/d"}})"));
  world.run_for(1min);
  const std::string larger = R"({"mounts":{"persistent":{"size":30,"path":"/e"}}})";
  EXPECT_EQ(refused(Method::patch, "/v2/pods/" + plain, 422, larger)["field"], "mounts.persistent");
  EXPECT_EQ(said(Method::patch, "/v2/pods/" + with, 200, larger).at("mounts").at("persistent").at("size"), 30);
  EXPECT_EQ(
      refused(Method::patch, "/v2/pods/" + with, 422, R"({"mounts":{"persistent":{"size":10,"path":"/e"}}})")["field"],
      "mounts.persistent.size");
  EXPECT_EQ(refused(Method::patch, "/v2/pods/" + with, 422, R"({"mounts":{"network":[]}})")["field"], "mounts.network");
}

TEST_F(RestV2Test, LogsAreEventsAndWhatHappenedIsALogToo) {
  const auto id = made(gpu_pod());
  const auto early = refused(Method::get, "/v2/pods/" + id + "/logs?source=both", 422);
  EXPECT_EQ(early.at("field"), "source");
  world.run_for(1min);
  for (const auto& [query, field] : {std::pair("tail=5001", "tail"), {"tail=x", "tail"}, {"since=now", "since"}})
    EXPECT_EQ(text(refused(Method::get, "/v2/pods/" + id + "/logs?" + query, 422)["field"]), field);
  const auto log = world.call(Method::get, "/v2/pods/" + id + "/logs");
  EXPECT_EQ(log.status, 200);
  EXPECT_EQ(log.headers.get("Content-Type"), "text/event-stream");
  ASSERT_TRUE(log.stream);
  log.stream->reader_gone();
  const auto system = [&](const std::string& query) {
    const auto answer = world.call(Method::get, "/v2/pods/" + id + "/logs?source=system" + query);
    EXPECT_EQ(answer.status, 200) << answer.body;
    world.run_for(1s);
    std::vector<std::string> lines;
    const auto text = answer.stream->take().bytes;
    for (std::size_t at = 0; (at = text.find("data: ", at)) != std::string::npos; ++at)
      lines.emplace_back(boost::json::parse(text.substr(at + 6, text.find('\n', at) - at - 6)).at("kind").as_string());
    EXPECT_EQ(text.find("event: missed"), std::string::npos) << text;
    answer.stream->reader_gone();
    return lines;
  };
  const auto all = system("");
  ASSERT_GE(all.size(), 3u);
  EXPECT_EQ(all.back(), "pod.running");
  EXPECT_EQ(system("&tail=1"), std::vector<std::string>{"pod.running"});
  EXPECT_TRUE(system("&tail=0").empty());
  EXPECT_EQ(system("&since=2000-01-01T00:00:00Z"), all);
  EXPECT_TRUE(system("&since=2100-01-01T00:00:00Z").empty());
  const auto stranger = world.stranger_key();
  refused(Method::get, "/v2/pods/" + id + "/logs?source=system", 404, "", stranger);
  refused(Method::get, "/v2/pods/" + id + "/logs", 404, "", stranger);
}

TEST_F(RestV2Test, TemplatesVolumesAndRegistries) {
  const auto registry =
      sim::text_of(said(Method::post, "/v2/registries", 201, R"({"name":"r","username":"u","password":"p"})"), "id");
  EXPECT_EQ(get("/v2/registries").at("registries").at(0), (boost::json::object{{"id", registry}, {"name", "r"}}));
  const auto made_template =
      said(Method::post, "/v2/templates", 201,
           R"({"name":"t","image":"x:1","args":"sleep 'a b'","disk":7,"mounts":{"persistent":{"size":5,"path":"/d"}},)"
           R"("public":true,"registry":")" +
               registry + R"(","startSsh":true,"startJupyter":false,"allowedCudaVersions":[]})");
  const auto id = sim::text_of(made_template, "id");
  EXPECT_EQ(made_template.at("args"), "sleep 'a b'");
  EXPECT_EQ(made_template.at("public"), true);
  EXPECT_EQ(text(made_template.at("registry")), registry);
  EXPECT_EQ(get("/v2/templates").at("templates").as_array().size(), 1u);
  EXPECT_EQ(said(Method::patch, "/v2/templates/" + id, 200, R"({"disk":8})").at("mounts").at("persistent").at("size"),
            5);
  EXPECT_EQ(refused(Method::patch, "/v2/templates/" + id, 422, R"({"disk":0})")["field"], "disk");
  EXPECT_EQ(refused(Method::patch, "/v2/templates/" + id, 422, R"({"category":"CPU"})")["field"], "category");
  EXPECT_EQ(refused(Method::post, "/v2/templates", 422, R"({"name":"u"})")["field"], "image");
  refused(Method::post, "/v2/templates/" + id + "/update", 404, "{}");
  // A pod takes from it what it leaves out.
  const auto pod =
      said(Method::post, "/v2/pods", 201, R"({"name":"n","templateId":")" + id + R"(","gpu":{"id":"NVIDIA A40"}})");
  EXPECT_EQ(text(pod.at("template")), id);
  EXPECT_EQ(pod.at("disk"), 8);
  EXPECT_EQ(pod.at("mounts").at("persistent").at("size"), 5);
  EXPECT_EQ(refused(Method::del, "/v2/templates/" + id, 409)["code"], "template_in_use");
  EXPECT_EQ(refused(Method::del, "/v2/registries/" + registry, 409)["code"], "registry_auth_in_use");
  for (const auto& [source, count] : {std::pair("", 1u), {"?source=community", 1u}, {"?source=official", 0u}})
    EXPECT_EQ(get(std::string("/v2/catalog/templates") + source).at("templates").as_array().size(), count) << source;

  const auto volume = said(Method::post, "/v2/network-volumes", 201, R"({"name":"v","size":10,"dataCenter":"LOCAL"})");
  const auto volume_id = sim::text_of(volume, "id");
  EXPECT_EQ(volume.at("type"), "STANDARD");
  EXPECT_EQ(said(Method::patch, "/v2/network-volumes/" + volume_id, 200, R"({"size":20})").at("size"), 20);
  EXPECT_EQ(get("/v2/network-volumes").at("networkVolumes").as_array().size(), 1u);
  EXPECT_EQ(refused(Method::post, "/v2/network-volumes", 409,
                    R"({"name":"w","size":10,"dataCenter":"LOCAL","type":"HIGH_PERFORMANCE"})")["field"],
            "type");
  world.run_for(1min);
  const auto mounted = said(Method::post, "/v2/pods", 201,
                            gpu_pod(R"(,"mounts":{"network":[{"volumeId":")" + volume_id + R"(","path":"/v"}]})"));
  EXPECT_EQ(mounted.at("mounts").at("network").at(0).at("path"), "/v");
  EXPECT_EQ(refused(Method::del, "/v2/network-volumes/" + volume_id, 409)["code"], "network_volume_in_use");
  EXPECT_EQ(refused(Method::patch, "/v2/pods/" + sim::text_of(mounted, "id"), 422,
                    R"({"mounts":{"network":[{"volumeId":"other","path":"/v"}]}})")["field"],
            "mounts.network[0].volumeId");
  world.run_for(1min);
}

TEST_F(RestV2Test, SshKeysAreReplacedAsAWhole) {
  const std::string key =
      "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILXGDN/SclOozk1xsDztpmhGiKkkrfQB9SKoO8dSIQQZ me@example.com";
  EXPECT_EQ(get("/v2/account/ssh-keys").at("keys").as_array().size(), 0u);
  EXPECT_EQ(text(said(Method::put, "/v2/account/ssh-keys", 200, R"({"keys":[")" + key + "\"]}").at("keys").at(0)), key);
  EXPECT_EQ(refused(Method::put, "/v2/account/ssh-keys", 422, R"({"keys":["nonsense"]})")["field"], "keys[0]");
  EXPECT_EQ(refused(Method::put, "/v2/account/ssh-keys", 422, R"({"keys":["# nothing"]})")["field"], "keys[0]");
  EXPECT_EQ(refused(Method::put, "/v2/account/ssh-keys", 422, R"({"keys":[")" + key + R"(\n)" + key + "\"]}")["code"],
            "invalid_field");
  EXPECT_EQ(get("/v2/account/ssh-keys").at("keys").as_array().size(), 1u);
  EXPECT_EQ(said(Method::put, "/v2/account/ssh-keys", 200, R"({"keys":[]})").at("keys").as_array().size(), 0u);
}

TEST_F(RestV2Test, TheCatalogueSaysWhatIsFreeWhenAsked) {
  const auto plain = get("/v2/catalog/gpus/NVIDIA A40");
  EXPECT_EQ(plain.at("memory"), 48);
  EXPECT_EQ(plain.at("pool"), "AMPERE_48");
  EXPECT_FALSE(plain.contains("availability") || plain.contains("dataCenters"));
  EXPECT_GT(get("/v2/catalog/gpus").at("gpus").as_array().size(), 10u);
  const std::string asked = "/v2/catalog/gpus/NVIDIA A40?include=AVAILABILITY&product=POD";
  const auto with = get(asked);
  EXPECT_TRUE(with.at("availability") == "MEDIUM" || with.at("availability") == "NONE") << with;
  EXPECT_EQ(get(asked + "&count=900").at("availability"), "NONE");
  EXPECT_EQ(refused(Method::get, "/v2/catalog/gpus?include=AVAILABILITY", 422)["field"], "product");
  EXPECT_EQ(refused(Method::get, "/v2/catalog/gpus?count=2", 422)["field"], "count");
  EXPECT_EQ(refused(Method::get, asked + "&cudaVersions=new", 422)["field"], "cudaVersions");
  EXPECT_EQ(refused(Method::get, asked + "&minCudaVersion=12", 422)["field"], "minCudaVersion");
  EXPECT_EQ(refused(Method::get, "/v2/catalog/gpus?cudaVersions=12.4", 422)["field"], "cudaVersions");
  refused(Method::get, "/v2/catalog/gpus/None", 404);
  EXPECT_EQ(get("/v2/catalog/cpus").at("cpus").as_array().size(), 6u);
  EXPECT_EQ(get("/v2/catalog/cpus/cpu3g").at("ramGbPerVcpu"), 4.0);
  refused(Method::get, "/v2/catalog/cpus/cpu9z", 404);
  const auto here = get("/v2/catalog/datacenters?include=GPU_AVAILABILITY").at("dataCenters").at(0);
  EXPECT_EQ(here.at("id"), "LOCAL");
  EXPECT_EQ(here.at("networkVolumeTypes"), boost::json::array{"STANDARD"});
  EXPECT_EQ(get("/v2/catalog/datacenters/LOCAL").at("region"), "UNKNOWN");
  refused(Method::get, "/v2/catalog/datacenters/MOON", 404);
}

TEST_F(RestV2Test, StockIsCountedForEachDataCentreAndCudaVersion) {
  said(Method::post, "/v1/catalog/datacenters", 201, R"({"id":"KR-1","name":"Seoul","countryCode":"KR"})");
  const auto second = world.add_host("second", {.gpus = 2}).str();
  said(Method::patch, "/v1/hosts/" + second, 200, R"({"dataCenterId":"KR-1"})");
  world.database().exec("UPDATE hosts SET cuda_version='12.2' WHERE id<>$1", second);
  world.database().exec("UPDATE hosts SET cuda_version='12.10' WHERE id=$1", second);
  const auto asked = [&](const std::string& more) {
    return get("/v2/catalog/gpus/NVIDIA A40?include=AVAILABILITY&product=POD" + more);
  };
  const auto texts = [](const boost::json::value& gpu, const char* list, const char* key) {
    std::string out;
    if (const auto* found = gpu.as_object().if_contains(list))
      for (const auto& one : found->as_array())
        out += sim::text_of(one.as_object(), key) + "=" + sim::text_of(one.as_object(), "availability") + " ";
    return out;
  };
  const auto all = asked("");
  EXPECT_EQ(texts(all, "dataCenters", "id"), "LOCAL=MEDIUM KR-1=LOW ");
  EXPECT_EQ(texts(all, "cudaVersions", "version"), "12.10=LOW 12.2=MEDIUM ");
  for (const auto& [query, centers] : {std::pair{"&countryCodes=KR", "KR-1=LOW "},
                                       {"&minCudaVersion=12.3", "KR-1=LOW "},
                                       {"&cudaVersions=12.4,13.0", "KR-1=LOW "},
                                       {"&cudaVersions=12.1", "LOCAL=MEDIUM KR-1=LOW "},
                                       {"&count=3", "LOCAL=MEDIUM "},
                                       {"&countryCodes=SE", ""},
                                       {"&minCudaVersion=13.0", ""}})
    EXPECT_EQ(texts(asked(query), "dataCenters", "id"), centers) << query;
  const auto there = get("/v2/catalog/datacenters/KR-1?include=GPU_AVAILABILITY,CPU_AVAILABILITY");
  EXPECT_EQ(there.at("region"), "KR");
  EXPECT_TRUE(there.at("networkVolumeTypes").as_array().empty());
  EXPECT_EQ(texts(there, "gpuAvailability", "id"), "NVIDIA A40=LOW ");
  EXPECT_EQ(get("/v2/catalog/datacenters").at("dataCenters").as_array().size(), 2u);
}

TEST_F(RestV2Test, NothingOfOneAccountIsVisibleToAnother) {
  const auto stranger = world.stranger_key();
  const auto pod = made(gpu_pod());
  const std::pair<std::string, std::string> bodies[] = {
      {"/v2/templates", R"({"name":"t","image":"x:1"})"},
      {"/v2/network-volumes", R"({"name":"v","size":10,"dataCenter":"LOCAL"})"},
      {"/v2/registries", R"({"name":"r","username":"u","password":"p"})"}};
  std::vector<std::string> things{"/v2/pods/" + pod};
  for (const auto& [path, body] : bodies)
    things.push_back(path + "/" + sim::text_of(said(Method::post, path, 201, body), "id"));
  for (const auto& thing : things) {
    refused(Method::get, thing, 404, "", stranger);
    refused(Method::del, thing, 404, "", stranger);
  }
  for (const auto& [path, name] : {std::pair("/v2/pods", "pods"),
                                   {"/v2/templates", "templates"},
                                   {"/v2/network-volumes", "networkVolumes"},
                                   {"/v2/registries", "registries"}}) {
    EXPECT_EQ(get(path, stranger).at(name).as_array().size(), 0u) << path;
    EXPECT_EQ(get(path).at(name).as_array().size(), 1u) << path;
  }
  refused(Method::post, "/v2/pods/" + pod + "/action", 404, R"({"action":"stop"})", stranger);
  world.run_for(1min);
}

TEST_F(RestV2Test, AListHasPages) {
  for (int i = 0; i < 3; ++i) {
    made(gpu_pod());
    world.run_for(1s);
  }
  const auto first = world.call(Method::get, "/v2/pods?limit=2");
  EXPECT_EQ(sim::object_of(first).at("pods").as_array().size(), 2u);
  const auto cursor = std::string(first.headers.get("X-Next-Cursor"));
  ASSERT_FALSE(cursor.empty());
  EXPECT_EQ(get("/v2/pods?limit=2&cursor=" + cursor).at("pods").as_array().size(), 1u);
  world.run_for(1min);
}

std::string endpoint_body(const std::string& more = "") {
  return R"({"name":"llama","type":"QUEUE","image":"x:1","gpu":{"pools":["AMPERE_48"]},"scaling":{"type":"QUEUE_DELAY","queueDelay":4})" +
         more + "}";
}

TEST_F(RestV2Test, AnEndpointHasTheSettingsOfItsContainersItself) {
  auto shown = said(
      Method::post, "/v2/serverless", 201,
      endpoint_body(R"(,"args":"python3 app.py","disk":20,"env":{"A":"b"},"ports":["8000/http"],"workers":{"max":5})"));
  const auto id = sim::text_of(shown, "id"), one = "/v2/serverless/" + id;
  EXPECT_EQ(shown["type"], "QUEUE");
  EXPECT_EQ(shown["image"], "x:1");
  EXPECT_EQ(shown["args"], "python3 app.py");
  EXPECT_EQ(shown["templateId"], nullptr);
  EXPECT_EQ(text(shown["requestUrls"].at("runSync")), "http://gyre.sim/v2/" + id + "/runsync");
  EXPECT_EQ(strings(shown["gpu"].at("pools")), (std::vector<std::string>{"AMPERE_48"}));
  EXPECT_EQ(strings(shown["gpu"].at("excludedTypes")), (std::vector<std::string>()));
  EXPECT_EQ(shown["gpu"].at("count"), 1);
  EXPECT_FALSE(shown.contains("cpu"));
  EXPECT_EQ(shown["workers"], (boost::json::object{{"min", 0}, {"max", 5}, {"idleTimeout", 10}}));
  EXPECT_EQ(shown["scaling"], (boost::json::object{{"type", "QUEUE_DELAY"}, {"queueDelay", 4.0}}));
  EXPECT_EQ(shown["timeout"], 300'000);
  EXPECT_EQ(shown["flashboot"], "OFF");
  EXPECT_EQ(shown["version"], 1);
  EXPECT_EQ(get("/v2/serverless").at("endpoints").as_array().size(), 1u);
  EXPECT_EQ(get("/v2/templates").at("templates").as_array().size(), 0u) << "nothing is kept under a name";

  // Only what is named changes.
  shown = said(
      Method::patch, one, 200,
      R"({"gpu":{"pools":["AMPERE_48"],"excludedTypes":["NVIDIA A40"],"count":2,"minCudaVersion":"12.1"},"env":{"C":"d"},)"
      R"("scaling":{"type":"REQUEST_COUNT","requestCount":3},"flashboot":"FLASHBOOT","workers":{"min":1}})");
  EXPECT_EQ(shown["version"], 2);
  EXPECT_EQ(strings(shown["gpu"].at("excludedTypes")), (std::vector<std::string>{"NVIDIA A40"}));
  EXPECT_EQ(shown["gpu"].at("minCudaVersion"), "12.1");
  EXPECT_EQ(shown["env"], (boost::json::object{{"C", "d"}}));
  EXPECT_EQ(shown["args"], "python3 app.py");
  EXPECT_EQ(shown["workers"].at("max"), 5);
  EXPECT_EQ(shown["scaling"], (boost::json::object{{"type", "REQUEST_COUNT"}, {"requestCount", 3}}));
  EXPECT_EQ(shown["flashboot"], "FLASHBOOT");
  shown = said(Method::patch, one, 200, R"({"gpu":{"allowedCudaVersions":["12.4"]}})");
  EXPECT_EQ(shown["gpu"].at("minCudaVersion"), nullptr) << "one of the two";
  EXPECT_EQ(strings(shown["gpu"].at("excludedTypes")), (std::vector<std::string>{"NVIDIA A40"}));
  // The other APIs change it, too, and have no template to show.
  EXPECT_EQ(said(Method::patch, "/v1/endpoints/" + id, 200, R"({"workersMax":7})").at("templateId"), "");
  EXPECT_EQ(get(one).at("workers").at("max"), 7);
  EXPECT_EQ(get(one).at("image"), "x:1");

  const auto stranger = world.stranger_key();
  for (const auto method : {Method::get, Method::patch, Method::del})
    refused(method, one, 404, method == Method::patch ? "{}" : "", stranger);
  EXPECT_EQ(refused(Method::post, "/v2/serverless", 403, endpoint_body(), world.new_key(Scope::read))["detail"],
            "access denied");
  said(Method::del, one, 204);
  refused(Method::get, one, 404);
}

TEST_F(RestV2Test, ATemplateIsTakenOverOnceAndACredentialInUseIsKept) {
  const auto auth =
      sim::text_of(said(Method::post, "/v2/registries", 201, R"({"name":"r","username":"u","password":"p"})"), "id");
  const auto made =
      said(Method::post, "/v2/templates", 201,
           R"({"name":"t","image":"x:1","serverless":true,"env":{"A":"1","B":"1"},"registry":")" + auth + "\"}");
  const auto tpl = sim::text_of(made, "id");
  const auto body =
      R"({"name":"e","type":"QUEUE","gpu":{"pools":["AMPERE_48"]},"scaling":{"type":"QUEUE_DELAY","queueDelay":4},)"
      R"("templateId":")" +
      tpl + R"(","env":{"B":"2"}})";
  auto shown = said(Method::post, "/v2/serverless", 201, body);
  const auto one = "/v2/serverless/" + sim::text_of(shown, "id");
  EXPECT_EQ(shown["env"], (boost::json::object{{"A", "1"}, {"B", "2"}}));
  EXPECT_EQ(text(shown["registry"]), auth);
  EXPECT_EQ(shown["templateId"], nullptr);
  said(Method::patch, "/v2/templates/" + tpl, 200, R"({"image":"x:2"})");
  EXPECT_EQ(get(one).at("image"), "x:1") << "it follows no template";
  said(Method::del, "/v2/templates/" + tpl, 204);
  EXPECT_EQ(refused(Method::del, "/v2/registries/" + auth, 409)["code"], "registry_auth_in_use");

  // One that follows a template over /v1 has settings of its own once one of them is named here.
  const auto again = sim::text_of(
      said(Method::post, "/v2/templates", 201, R"({"name":"u","image":"x:3","serverless":true,"env":{"K":"1"}})"),
      "id");
  const auto old = sim::text_of(said(Method::post, "/v1/endpoints", 200, R"({"templateId":")" + again + "\"}"), "id");
  EXPECT_EQ(text(get("/v2/serverless/" + old).at("templateId")), again);
  EXPECT_EQ(text(said(Method::patch, "/v2/serverless/" + old, 200, R"({"workers":{"max":9}})").at("templateId")),
            again);
  shown = said(Method::patch, "/v2/serverless/" + old, 200, R"({"disk":9})");
  EXPECT_EQ(shown["templateId"], nullptr);
  EXPECT_EQ(shown["env"], (boost::json::object{{"K", "1"}}));
  said(Method::del, "/v2/templates/" + again, 204);
}

TEST_F(RestV2Test, AnEndpointThatCannotBeIsRefusedByTheNameOfItsField) {
  const auto without = [](const char* name) {
    auto body = boost::json::parse(endpoint_body()).as_object();
    body.erase(name);
    return boost::json::serialize(body);
  };
  for (const char* name : {"name", "type", "image", "gpu", "scaling"})
    EXPECT_EQ(text(refused(Method::post, "/v2/serverless", 422, without(name))["field"]), name);
  const auto with = [](const char* name, const char* value) {
    auto body = boost::json::parse(endpoint_body()).as_object();
    body[name] = boost::json::parse(value);
    return boost::json::serialize(body);
  };
  for (const auto& [name, value, field] : std::vector<std::array<const char*, 3>>{
           {"gpu", R"({"count":1})", "gpu.pools"},
           {"gpu", R"({"pools":[]})", "gpu.pools"},
           {"gpu", R"({"pools":["AMPERE_48","NONE"]})", "gpu.pools[1]"},
           {"gpu", R"({"pools":["AMPERE_48","AMPERE_48"]})", "gpu.pools[1]"},
           {"gpu", R"({"pools":["AMPERE_48"],"excludedTypes":["NVIDIA A40","NVIDIA A40"]})", "gpu.excludedTypes[1]"},
           {"gpu", R"({"pools":["AMPERE_48"],"excludedTypes":["NVIDIA L4"]})", "gpu.excludedTypes[0]"},
           {"gpu", R"({"pools":["AMPERE_48"],"excludedTypes":["NVIDIA A40","NVIDIA RTX A6000"]})", "gpu.excludedTypes"},
           {"gpu", R"({"pools":["AMPERE_48"],"count":0})", "gpu.count"},
           {"gpu", R"({"pools":["AMPERE_48"],"minCudaVersion":"new"})", "gpu.minCudaVersion"},
           {"gpu", R"({"pools":["AMPERE_48"],"minCudaVersion":"12.1","allowedCudaVersions":["12.4"]})",
            "gpu.minCudaVersion"},
           {"cpu", R"([{"id":"cpu3c","vcpuCount":2}])", "cpu"},
           {"scaling", R"({"type":"QUEUE_DELAY","queueDelay":0.5})", "scaling.queueDelay"},
           {"scaling", R"({"type":"QUEUE_DELAY","requestCount":1})", "scaling.requestCount"},
           {"scaling", R"({"type":"REQUEST_COUNT"})", "scaling.requestCount"},
           {"scaling", R"({"type":"REQUEST_COUNT","requestCount":0})", "scaling.requestCount"},
           {"workers", R"({"min":4,"max":3})", "workers.min"},
           {"workers", R"({"idleTimeout":0})", "workers.idleTimeout"},
           {"timeout", "1", "timeout"},
           {"networkVolumes", R"(["none"])", "networkVolumes[0]"},
           {"templateId", R"("none")", "templateId"},
           {"registry", R"("none")", "registry"},
           {"image", R"("no image")", "image"},
           {"ports", R"(["http"])", "ports[0]"},
           {"env", R"({"A B":"1"})", "env.A B"},
           {"disk", "0", "disk"}})
    EXPECT_EQ(text(refused(Method::post, "/v2/serverless", 422, with(name, value))["field"]), field) << value;
  EXPECT_EQ(refused(Method::post, "/v2/serverless", 409, with("type", R"("LOAD_BALANCER")"))["code"], "not_offered");
  EXPECT_EQ(refused(Method::post, "/v2/serverless", 409, with("flashboot", R"("PRIORITY_FLASHBOOT")"))["field"],
            "flashboot");
  EXPECT_EQ(get("/v2/serverless").at("endpoints").as_array().size(), 0u);

  const auto cpu = said(
      Method::post, "/v2/serverless", 201,
      R"({"name":"c","type":"QUEUE","image":"x:1","cpu":[{"id":"cpu3c","vcpuCount":4},{"id":"cpu3g","vcpuCount":4}],)"
      R"("scaling":{"type":"REQUEST_COUNT","requestCount":2}})");
  EXPECT_FALSE(cpu.contains("gpu"));
  EXPECT_EQ(cpu.at("cpu").at(1), (boost::json::object{{"id", "cpu3g"}, {"vcpuCount", 4}}));
  const auto one = "/v2/serverless/" + sim::text_of(cpu, "id");
  EXPECT_EQ(refused(Method::patch, one, 422, R"({"gpu":{"count":1}})")["field"], "gpu");
  EXPECT_EQ(refused(Method::patch, one, 422,
                    R"({"cpu":[{"id":"cpu3c","vcpuCount":4},{"id":"cpu3g","vcpuCount":2}]})")["field"],
            "cpu[1].vcpuCount");
  EXPECT_EQ(refused(Method::patch, one, 422, R"({"gpu":{"excludedTypes":["NVIDIA A40"]}})")["field"], "gpu");
}

// A list in a body is bounded before anything in it is looked up.
TEST_F(RestV2Test, ManyPoolsAreRefusedAtOnce) {
  std::string many = "\"AMPERE_48\"";
  for (int i = 0; i < 100; ++i) many += ",\"P" + std::to_string(i) + "\"";
  const auto problem =
      refused(Method::post, "/v2/serverless", 422,
              R"({"name":"n","type":"QUEUE","image":"x:1","scaling":{"type":"QUEUE_DELAY","queueDelay":4},)"
              R"("gpu":{"pools":[)" +
                  many + "]}}");
  EXPECT_EQ(text(problem.at("field")), "gpu.pools");
}

TEST_F(RestV2Test, AnEndpointOfTheOtherApisIsShownAsItIs) {
  const auto auth =
      sim::text_of(said(Method::post, "/v2/registries", 201, R"({"name":"r","username":"u","password":"p"})"), "id");
  const auto tpl = sim::text_of(said(Method::post, "/v2/templates", 201,
                                     R"({"name":"t","image":"x:1","serverless":true,"registry":")" + auth + "\"}"),
                                "id");
  const auto id = sim::text_of(said(Method::post, "/v1/endpoints", 200, R"({"templateId":")" + tpl + "\"}"), "id");
  const auto shown = get("/v2/serverless/" + id);
  EXPECT_EQ(text(shown.at("registry")), auth);
  // It takes any GPU; what is shown can be sent back.
  const auto pools = shown.at("gpu").at("pools");
  EXPECT_GE(pools.as_array().size(), 5u);
  EXPECT_EQ(shown.at("gpu").at("types").as_array().size(), 0u);
  said(Method::patch, "/v2/serverless/" + id, 200, R"({"gpu":{"pools":)" + boost::json::serialize(pools) + "}}");
}

// /v2/{endpointId}/run will stand beside these routes: what is a word of ours can be no id, and no route may begin with
// a word that is not known to be one.
TEST_F(RestV2Test, NoIdOfAnEndpointIsAWordOfThisApi) {
  const auto& words = reserved_words();
  for (const auto word : {"pods", "serverless", "templates", "network-volumes", "registries", "catalog", "billing",
                          "clusters", "account", "openapi.json"})
    EXPECT_NE(std::find(words.begin(), words.end(), word), words.end()) << word;
  const auto made_template =
      said(Method::post, "/v2/templates", 201, R"({"name":"t","image":"x:1","serverless":true})");
  std::size_t length = 0;
  for (int i = 0; i < 20; ++i) {
    const auto id = sim::text_of(
        said(Method::post, "/v1/endpoints", 200, R"({"templateId":")" + sim::text_of(made_template, "id") + "\"}"),
        "id");
    length = id.size();
    EXPECT_EQ(id.size(), 14u);
    EXPECT_EQ(id.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789"), std::string::npos) << id;
    EXPECT_EQ(std::find(words.begin(), words.end(), id), words.end()) << id;
  }
  for (const auto word : words)
    EXPECT_TRUE(word.size() != length || word.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789") != word.npos)
        << word << " could be the id of an endpoint";
  for (const auto& path : world.paths()) {
    if (!path.starts_with("/v2/")) continue;
    const auto word = path.substr(4, path.find('/', 4) - 4);
    EXPECT_NE(std::find(words.begin(), words.end(), word), words.end()) << path;
  }
}

}  // namespace
}  // namespace gyre::rest_v2
