// Restored from a backup while the world went on: agents are ahead of the table, and nothing that works may end of it.
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <cstdlib>

#include "sim/world.hpp"

namespace gyre::sim {
namespace {

using http::Method;
namespace json = boost::json;

std::string id_in(const http::Response& response) {
  EXPECT_EQ(response.status, 201) << response.body;
  return std::string(json::parse(response.body).at("id").as_string());
}

json::value pod_in(World& world, const std::string& id) {
  const auto answer = world.call(Method::get, "/v1/pods/" + id);
  EXPECT_EQ(answer.status, 200) << answer.body;
  return json::parse(answer.body);
}
std::string status_of(World& world, const std::string& id) {
  const auto answer = world.call(Method::get, "/v1/pods/" + id);
  return answer.status == 200 ? std::string(json::parse(answer.body).at("status").as_string()) : "gone";
}

std::string create(World& world, bool with_volume = false) {
  return id_in(world.call(Method::post, "/v1/pods",
                          std::string(R"({"imageName":"team/train:1","gpuCount":1,"volumeInGb":)") +
                              (with_volume ? R"(5,"volumeMountPath":"/workspace"})" : "0}")));
}
void verb(World& world, const std::string& pod, const std::string& what) {
  EXPECT_EQ(world.call(Method::post, "/v1/pods/" + pod + "/" + what).status, 200) << what;
}

// Every container that runs: its id and since when, by pod.
std::map<std::string, std::set<std::pair<std::string, std::string>>> running(World& world) {
  std::map<std::string, std::set<std::pair<std::string, std::string>>> out;
  for (const auto& host : world.hosts())
    for (const auto& container : world.engine(host).running())
      out[container.labels.at("gyre.pod")].insert({container.id, rfc3339(*container.started_at)});
  return out;
}

void restore(World& world) {
  world.crash_server();
  world.restore_backup();
  world.restart_server();
}

struct Small : testing::Test {
  Small() : world(1) {
    world.registry.push("team/train:1", {});
    host = world.add_host("h1");
    other = world.add_host("h2");
  }
  World world;
  HostId host, other;
};

using Restored = Small;

TEST_F(Restored, APodThatWasStartedSinceIsTakenOverThoughTheTableSaysStopped) {
  for (const bool with_volume : {false, true}) {
    const auto pod = create(world, with_volume);
    world.run_for(30s);
    verb(world, pod, "stop");
    world.run_for(30s);
    ASSERT_EQ(status_of(world, pod), "stopped");
    world.take_backup();
    verb(world, pod, "start");
    world.run_for(30s);
    const auto before = running(world);
    ASSERT_EQ(before.count(pod), 1u);
    restore(world);
    world.run_for(1min);
    EXPECT_EQ(running(world), before) << "the same containers, since the same moment";
    EXPECT_EQ(status_of(world, pod), "running");
    world.check();
    verb(world, pod, "stop");  // and its agent obeys
    world.run_for(30s);
    EXPECT_EQ(running(world).count(pod), 0u);
    EXPECT_EQ(status_of(world, pod), "stopped");
    EXPECT_EQ(world.call(Method::del, "/v1/pods/" + pod).status, 204);
    world.run_for(30s);
    EXPECT_EQ(status_of(world, pod), "gone");
    world.check();
  }
}

TEST_F(Restored, APodThatWasRestartedSinceKeepsItsNewContainers) {
  const auto pod = create(world);
  world.run_for(30s);
  world.take_backup();
  verb(world, pod, "restart");
  world.run_for(30s);
  verb(world, pod, "restart");
  world.run_for(30s);
  const auto before = running(world);
  restore(world);
  world.run_for(2min);
  EXPECT_EQ(running(world), before);
  EXPECT_EQ(status_of(world, pod), "running");
  verb(world, pod, "restart");
  world.run_for(30s);
  EXPECT_NE(running(world), before) << "a restart since the restore is one";
  world.check();
}

TEST_F(Restored, APodThatWaitedAndRunsElsewhereNowIsFoundAndNotMadeTwice) {
  std::vector<std::string> filling;
  for (int i = 0; i < 8; ++i) filling.push_back(create(world));
  world.run_for(30s);
  const auto pod = create(world);
  world.run_for(10s);
  ASSERT_EQ(status_of(world, pod), "queued");
  world.take_backup();
  EXPECT_EQ(world.call(Method::del, "/v1/pods/" + filling[3]).status, 204);
  world.run_for(1min);
  ASSERT_EQ(status_of(world, pod), "running");
  const auto before = running(world);
  restore(world);
  world.run_for(2min);
  EXPECT_EQ(running(world), before);
  EXPECT_EQ(status_of(world, pod), "running");
  EXPECT_EQ(status_of(world, filling[3]), "failed") << "deleted since: the backup has it, no host does";
  EXPECT_EQ(pod_in(world, filling[3]).at("reason").at("code").as_string(), "gone_since_backup");
  world.check();
  EXPECT_EQ(world.call(Method::del, "/v1/pods/" + filling[3]).status, 204);
  world.run_for(1min);
  EXPECT_EQ(status_of(world, filling[3]), "gone");
  EXPECT_EQ(running(world), before);
}

TEST_F(Restored, APodTheBackupDoesNotKnowIsLeftAlone) {
  world.take_backup();
  const auto pod = create(world);
  world.run_for(30s);
  const auto before = running(world);
  restore(world);
  world.run_for(5min);
  EXPECT_EQ(running(world), before);
  EXPECT_EQ(status_of(world, pod), "gone");
}

TEST_F(Restored, NothingIsPlacedNorOrderedBeforeTheHostsHaveSpokenAndALateOneLosesNothing) {
  const auto pod = create(world);
  world.run_for(30s);
  const HostId on(std::string(pod_in(world, pod).at("machineId").as_string()));
  verb(world, pod, "stop");
  world.run_for(30s);
  world.take_backup();
  verb(world, pod, "start");
  world.run_for(30s);
  const auto before = running(world);
  const HostId runs_on(std::string(pod_in(world, pod).at("machineId").as_string()));
  world.cut_link(runs_on, true);
  restore(world);
  world.run_for(1min);
  EXPECT_EQ(world.call(Method::post, "/v1/pods/" + pod + "/start").status, 503)
      << "what of it there is, is not known yet";
  const auto fresh = create(world);
  world.run_for(1min);
  EXPECT_EQ(status_of(world, fresh), "queued");
  world.run_for(5min);  // the host is not waited for any longer
  EXPECT_EQ(status_of(world, fresh), "running");
  EXPECT_EQ(status_of(world, pod), "stopped");
  world.cut_link(runs_on, false);
  world.run_for(1min);
  auto now = running(world);
  now.erase(fresh);
  EXPECT_EQ(now, before);
  EXPECT_EQ(status_of(world, pod), "running");
  world.check();
}

TEST_F(Restored, ACertificateRenewedSinceIsTakenOnceAndNoOther) {
  world.take_backup();
  std::string renewed;
  world.in_task([&] { renewed = world.hosts_service().renew(host, "another request")->fingerprint; });
  restore(world);
  bool first = false, again = false, forged = true;
  world.in_task([&] { first = world.hosts_service().is_known(host, renewed); });
  world.in_task([&] { again = world.hosts_service().is_known(host, renewed); });
  world.in_task([&] { forged = world.hosts_service().is_known(host, "yet another"); });
  EXPECT_TRUE(first);
  EXPECT_TRUE(again);
  EXPECT_FALSE(forged);
  world.runtime.jump_clock(8 * 24h);
  world.in_task([&] { forged = world.hosts_service().is_known(other, "late"); });
  EXPECT_FALSE(forged);
}

TEST_F(Restored, TheSameBackupTwiceIsAsGoodAsOnce) {
  const auto pod = create(world, true);
  world.run_for(30s);
  world.take_backup();
  verb(world, pod, "restart");
  world.run_for(30s);
  for (int i = 0; i < 3; ++i) {
    const auto before = running(world);
    restore(world);
    world.run_for(1min);
    EXPECT_EQ(running(world), before);
    EXPECT_EQ(status_of(world, pod), "running");
    verb(world, pod, "restart");
    world.run_for(30s);
  }
  world.check();
}

// Whatever people did before and after the backup, on hostile links, with agents that crash and hosts that are away:
// what ran when it was restored runs on, in the same containers, and obeys.
TEST(RestoredWorlds, NothingThatWorksEndsBecauseOfARestore) {
  const char* wanted = std::getenv("GYRE_SIM_SEEDS");
  const auto seeds = static_cast<std::uint64_t>(wanted ? std::max(1, std::atoi(wanted) / 10) : 8);
  for (std::uint64_t seed = 1; seed <= seeds && !testing::Test::HasFailure(); ++seed) {
    World world(seed);
    SimRandom dice(seed ^ 0xbac0);
    world.registry.push("team/train:1", {.bytes = 50'000'000});
    for (int i = 0; i < 3; ++i) world.add_host("h" + std::to_string(i), {.gpus = 3, .cpus = 16});
    std::vector<std::string> pods;
    const auto live = [&](int minutes) {
      for (int minute = 0; minute < minutes; ++minute) {
        for (std::uint64_t n = dice.below(4); n > 0; --n) {
          if (pods.empty() || dice.below(3) == 0) {
            pods.push_back(create(world, dice.below(3) == 0));
            continue;
          }
          const auto& pod = pods[dice.below(pods.size())];
          const char* verbs[] = {"start", "stop", "restart"};
          if (const auto what = dice.below(8); what < 7)
            world.call(Method::post, "/v1/pods/" + pod + "/" + verbs[what % 3]);
          else
            world.call(Method::del, "/v1/pods/" + pod);
        }
        world.run_for(1min);
        world.check();
      }
    };
    live(8);
    const auto known = pods;
    world.take_backup();
    live(1 + static_cast<int>(dice.below(8)));
    // Nothing half-way, so that what runs is what shall run: only then must it be left as it is.
    world.run_for(3min);
    const auto before = running(world);
    const auto late = world.hosts()[dice.below(3)];
    const bool is_late = dice.below(3) == 0, agent_dies = dice.below(3) == 0;
    if (is_late) world.cut_link(late, true);
    if (agent_dies) world.crash_agent(world.hosts()[0]);
    world.set_link_faults({dice.below(2) ? 0.3 : 0.0, 0.2, Duration(3000)});
    restore(world);
    for (int minute = 0; minute < 10; ++minute) {
      world.run_for(1min);
      if (minute == 7) world.cut_link(late, false);
      if (minute == 2) world.restart_agent(world.hosts()[0]);
      const auto now = running(world);
      for (const auto& [pod, containers] : before)
        ASSERT_EQ(now.count(pod) ? now.at(pod) : decltype(containers){}, containers)
            << "seed " << seed << ": pod " << pod << " was healthy, minute " << minute;
    }
    world.heal();
    world.run_for(3min);
    std::map<std::string, std::set<std::string>> hosts_of;
    for (const auto& [pod, host] : world.running_pods()) hosts_of[pod].insert(host);
    for (const auto& [pod, containers] : before) {
      if (std::find(known.begin(), known.end(), pod) == known.end()) continue;  // left alone
      if (hosts_of[pod].size() > 1) continue;  // its host was late, and it was started elsewhere meanwhile
      EXPECT_EQ(status_of(world, pod), "running") << "seed " << seed;
      EXPECT_EQ(world.call(Method::post, "/v1/pods/" + pod + "/stop").status, 200);
    }
    world.run_for(2min);
    for (const auto& [pod, containers] : before)
      if (std::find(known.begin(), known.end(), pod) != known.end() && hosts_of[pod].size() == 1) {
        EXPECT_EQ(running(world).count(pod), 0u) << "seed " << seed << ": pod " << pod << " does not obey";
      }
  }
}

}  // namespace
}  // namespace gyre::sim
