// Quotas through the API, in the simulated world.
#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "sim/world.hpp"

namespace gyre::sim {
namespace {

using http::Method;

boost::json::object object(const http::Response& answer) { return boost::json::parse(answer.body).as_object(); }
std::string text(const http::Response& answer, const char* name) {
  const auto body = boost::json::parse(answer.body);
  const auto* found = body.as_object().if_contains(name);
  return found && found->is_string() ? std::string(found->as_string()) : "";
}

class Quotas : public testing::Test {
 protected:
  void SetUp() override {
    world.registry.push("team/train:1", {.program = engine::fake_program({})});
    world.add_host("h1", {.gpus = 4});
  }

  std::string make_type(const std::string& name = "g2.small", int gpus = 1) {
    const auto made = world.call(
        Method::post, "/v1/machinetypes",
        R"({"name":")" + name + R"(","vcpuCount":4,"memoryInGb":16)" +
            (gpus > 0 ? R"(,"gpuTypeId":"NVIDIA A40","gpuCount":)" + std::to_string(gpus) : std::string()) + "}");
    EXPECT_EQ(made.status, 201) << made.body;
    return text(made, "id");
  }
  std::string in(Duration span) { return rfc3339(world.runtime.now() + span); }
  std::string ask(int count, Duration span, const std::string& key = {}, const std::string& type = "g2.small") {
    const auto made = world.call(Method::post, "/v1/quotarequests",
                                 R"({"machineType":")" + type + R"(","count":)" + std::to_string(count) +
                                     R"(,"endsAt":")" + in(span) + R"(","reason":"thesis"})",
                                 key);
    EXPECT_EQ(made.status, 201) << made.body;
    return text(made, "id");
  }
  void grant(int count, Duration span, const std::string& key = {}) {
    const auto approved = world.call(Method::post, "/v1/quotarequests/" + ask(count, span, key) + "/approve");
    EXPECT_EQ(approved.status, 200) << approved.body;
  }
  http::Response pod(const std::string& key = {}, const std::string& more = {}) {
    return world.call(Method::post, "/v1/pods",
                      R"({"imageName":"team/train:1","volumeInGb":0,"machineType":"g2.small")" + more + "}", key);
  }
  // "used/total" of the only quota there is.
  std::string quota(const std::string& key = {}) {
    const auto list = boost::json::parse(world.call(Method::get, "/v1/quotas", "", key).body).as_array();
    if (list.size() != 1) return std::to_string(list.size()) + " quotas";
    return std::to_string(list[0].at("used").as_int64()) + "/" + std::to_string(list[0].at("total").as_int64());
  }
  void expect_refused(const http::Response& answer, int status, const std::string& code) {
    EXPECT_EQ(answer.status, status) << answer.body;
    EXPECT_EQ(text(answer, "code"), code) << answer.body;
  }

  World world{1};
};

TEST_F(Quotas, WithoutQuotaAMachineTypeIsOfNoUseAndAPodWithoutOneIsNotLimited) {
  make_type();
  expect_refused(pod(), 403, "quota_missing");
  EXPECT_EQ(world.call(Method::post, "/v1/pods", R"({"imageName":"team/train:1"})").status, 201);
  expect_refused(world.call(Method::post, "/v1/pods", R"({"imageName":"a:1","machineType":"g9"})"), 404,
                 "machine_type_not_found");
}

TEST_F(Quotas, TheThirdOfTwoIsRefusedWithTheNumbersAndFitsOnceOneStopped) {
  make_type();
  grant(2, 24h);
  const auto first = pod(), second = pod();
  ASSERT_EQ(first.status, 201) << first.body;
  ASSERT_EQ(second.status, 201) << second.body;
  EXPECT_EQ(quota(), "2/2");
  const auto third = pod();
  expect_refused(third, 409, "quota_used_up");
  EXPECT_NE(text(third, "detail").find("2/2"), std::string::npos) << third.body;
  expect_refused(world.call(Method::post, "/v1/pods?dryRun=true", R"({"imageName":"a:1","machineType":"g2.small"})"),
                 409, "quota_used_up");

  world.run_for(1min);
  EXPECT_EQ(world.call(Method::post, "/v1/pods/" + text(first, "id") + "/stop").status, 200);
  EXPECT_EQ(quota(), "2/2") << "its containers still run";
  world.run_for(1min);
  EXPECT_EQ(quota(), "1/2");
  ASSERT_EQ(pod().status, 201);
  expect_refused(world.call(Method::post, "/v1/pods/" + text(first, "id") + "/start"), 409, "quota_used_up");

  EXPECT_EQ(world.call(Method::del, "/v1/pods/" + text(second, "id")).status, 204);
  world.run_for(1min);
  EXPECT_EQ(world.call(Method::post, "/v1/pods/" + text(first, "id") + "/start").status, 200);
  EXPECT_EQ(quota(), "2/2");
  world.check();
}

TEST_F(Quotas, AMachineTypeBringsGpusProcessorsAndMemoryAndNothingMayContradictIt) {
  make_type();
  grant(1, 24h);
  for (const char* more : {R"(,"gpuCount":2)", R"(,"gpuTypeIds":["NVIDIA L4"])", R"(,"vcpuCount":9)",
                           R"(,"memoryInGb":9)", R"(,"computeType":"CPU")"})
    expect_refused(pod({}, more), 400, "invalid_field");
  const auto made = pod();
  ASSERT_EQ(made.status, 201) << made.body;
  world.run_for(1min);
  const auto shown = object(world.call(Method::get, "/v1/pods/" + text(made, "id")));
  EXPECT_EQ(shown.at("status"), "running");
  EXPECT_EQ(shown.at("gpuCount"), 1);
  EXPECT_EQ(shown.at("vcpuCount"), 4);
  EXPECT_EQ(shown.at("memoryInGb"), 16);
  EXPECT_EQ(shown.at("machineType"), "g2.small");
}

TEST_F(Quotas, AQuotaEndsByTheClockWhatRunsGoesOnAndTheEndIsTold) {
  make_type();
  grant(2, 1h);
  const auto running = pod();
  world.run_for(1h + 2min);
  EXPECT_EQ(quota(), "1/0");
  expect_refused(pod(), 403, "quota_missing");
  EXPECT_EQ(text(world.call(Method::get, "/v1/pods/" + text(running, "id")), "status"), "running");
  int told = 0;
  world.in_task([&] { told = world.database().value<int>("SELECT COUNT(*) FROM events WHERE kind='quota.ended'"); });
  EXPECT_EQ(told, 1);
  world.check();
}

TEST_F(Quotas, ARequestIsDecidedOnceAndShowsTheAdministratorsWords) {
  make_type();
  const auto rejected = ask(1, 24h), withdrawn = ask(1, 24h), approved = ask(5, 24h);
  expect_refused(world.call(Method::post, "/v1/quotarequests/" + rejected + "/reject", R"({"reason":""})"), 400,
                 "invalid_field");
  const auto answer =
      world.call(Method::post, "/v1/quotarequests/" + rejected + "/reject", R"({"reason":"all in use"})");
  EXPECT_EQ(text(answer, "status"), "REJECTED");
  EXPECT_EQ(text(world.call(Method::get, "/v1/quotarequests/" + rejected), "decision"), "all in use");
  EXPECT_EQ(text(world.call(Method::post, "/v1/quotarequests/" + withdrawn + "/cancel"), "status"), "CANCELLED");
  EXPECT_EQ(text(world.call(Method::post, "/v1/quotarequests/" + approved + "/approve", R"({"count":3})"), "status"),
            "APPROVED");
  EXPECT_EQ(quota(), "0/3") << "what was approved counts, not what was asked for";
  for (const auto& id : {rejected, withdrawn, approved})
    for (const char* verb : {"/approve", "/cancel"})
      expect_refused(world.call(Method::post, "/v1/quotarequests/" + id + verb), 409, "quota_request_decided");
  EXPECT_EQ(boost::json::parse(world.call(Method::get, "/v1/quotarequests").body).as_array().size(), 3u);
}

TEST_F(Quotas, WhatIsAskedForIsChecked) {
  make_type();
  const auto asked = [&](const std::string& body) {
    return world.call(Method::post, "/v1/quotarequests", R"({"machineType":"g2.small",)" + body + "}");
  };
  const auto ends = R"("endsAt":")" + in(24h) + "\"";
  expect_refused(asked(R"("count":0,"reason":"x",)" + ends), 400, "invalid_field");
  expect_refused(asked(R"("count":1,"reason":"",)" + ends), 400, "invalid_field");
  expect_refused(asked(R"("count":1,"reason":"x","endsAt":")" + in(-1h) + "\""), 400, "invalid_field");
  expect_refused(asked(R"("count":1,"reason":"x","endsAt":")" + in(24h * 400) + "\""), 400, "invalid_field");
  expect_refused(asked(R"("count":1,"reason":"x","startsAt":")" + in(25h) + "\"," + ends), 400, "invalid_field");
  expect_refused(asked(R"("count":1,"reason":"x")"), 400, "missing_field");
}

TEST_F(Quotas, AnotherWorkspaceSeesNothingOfItAndDecidesNothing) {
  make_type();
  const auto stranger = world.stranger_key();
  const auto mine = ask(1, 24h);
  for (const char* verb : {"", "/cancel"})
    expect_refused(
        world.call(*verb == '\0' ? Method::get : Method::post, "/v1/quotarequests/" + mine + verb, "", stranger), 404,
        "quota_request_not_found");
  for (const char* verb : {"/approve", "/reject"})
    EXPECT_EQ(world.call(Method::post, "/v1/quotarequests/" + mine + verb, R"({"reason":"x"})", stranger).status, 403);
  EXPECT_EQ(
      world.call(Method::post, "/v1/machinetypes", R"({"name":"a","vcpuCount":1,"memoryInGb":1})", stranger).status,
      403);
  EXPECT_EQ(world.call(Method::get, "/v1/quotarequests?all=true", "", stranger).body, "[]");

  const auto theirs = ask(2, 24h, stranger);
  EXPECT_EQ(boost::json::parse(world.call(Method::get, "/v1/quotarequests?all=true").body).as_array().size(), 2u);
  expect_refused(world.call(Method::post, "/v1/quotarequests/" + theirs + "/cancel"), 404, "quota_request_not_found");
  EXPECT_EQ(world.call(Method::post, "/v1/quotarequests/" + theirs + "/approve").status, 200);
  EXPECT_EQ(quota(), "0 quotas") << "it is the stranger's";
  EXPECT_EQ(quota(stranger), "0/2");
  expect_refused(pod(), 403, "quota_missing");
  EXPECT_EQ(pod(stranger).status, 201);
  EXPECT_EQ(quota(stranger), "1/2");
}

TEST_F(Quotas, ARevokedGrantCountsNoMoreAndStopsNothing) {
  make_type();
  grant(1, 24h);
  const auto running = pod();
  world.run_for(1min);
  const auto grants = boost::json::parse(world.call(Method::get, "/v1/quotas").body).as_array();
  const std::string id(grants.at(0).at("grants").at(0).at("id").as_string());
  EXPECT_EQ(world.call(Method::del, "/v1/quotagrants/" + id).status, 204);
  expect_refused(world.call(Method::del, "/v1/quotagrants/" + id), 404, "quota_grant_not_found");
  EXPECT_EQ(quota(), "1/0");
  EXPECT_EQ(text(world.call(Method::get, "/v1/pods/" + text(running, "id")), "status"), "running");
}

TEST_F(Quotas, AMachineTypeInUseIsNotDeletedAndEditingItChangesNoPod) {
  const auto id = make_type();
  expect_refused(world.call(Method::post, "/v1/machinetypes", R"({"name":"g2.small","vcpuCount":1,"memoryInGb":1})"),
                 409, "machine_type_taken");
  grant(1, 1h);
  const auto made = pod();
  world.run_for(1min);
  expect_refused(world.call(Method::del, "/v1/machinetypes/" + id), 409, "machine_type_in_use");
  EXPECT_EQ(world.call(Method::patch, "/v1/machinetypes/g2.small", R"({"memoryInGb":32})").status, 200);
  EXPECT_EQ(object(world.call(Method::get, "/v1/pods/" + text(made, "id"))).at("memoryInGb"), 16);
  EXPECT_EQ(world.call(Method::del, "/v1/pods/" + text(made, "id")).status, 204);
  world.run_for(1h + 2min);
  EXPECT_EQ(world.call(Method::del, "/v1/machinetypes/" + id).status, 204);
  expect_refused(world.call(Method::get, "/v1/machinetypes/g2.small"), 404, "machine_type_not_found");
  EXPECT_EQ(world.call(Method::get, "/v1/machinetypes").body, "[]");
}

TEST_F(Quotas, WhatIsInUseIsKnownAfterACrashOfTheServer) {
  make_type();
  grant(2, 24h);
  ASSERT_EQ(pod().status, 201);
  world.crash_server();
  world.restart_server();
  world.run_for(10s);
  EXPECT_EQ(quota(), "1/2");
  ASSERT_EQ(pod().status, 201);
  expect_refused(pod(), 409, "quota_used_up");
  world.run_for(1min);
  world.check();
}

}  // namespace
}  // namespace gyre::sim
