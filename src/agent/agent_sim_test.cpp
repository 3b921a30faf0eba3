// The agent in a hostile world: orders late, twice, out of order and never; the agent, the engine and the host going
// away at any moment; a lost journal; containers that crash; a clock that jumps. The seed picks what happens and how
// bad it is. GYRE_SEEDS=from:count runs others than the usual ones.
#include <gtest/gtest.h>

#include <array>
#include <cstdlib>
#include <set>

#include "agent/test_host.hpp"
#include "base/log.hpp"

namespace gyre::agent {
namespace {

using engine::FakeEnd;
using link::Desired;
using link::PodPhase;
using link::RestartPolicy;

struct Hostility {
  double drop, duplicate, stale;                                      // of orders
  double lost_request, lost_answer, refused, lost_event;              // of the engine
  double agent_crash, engine_away, reboot, lost_journal, disconnect;  // a second
  double container_crash, registry_away, clock_jump;
  Duration delay_max;
};

constexpr std::array gpu_uuids{"GPU-0", "GPU-1", "SIM-h1-0"};
constexpr Duration stop_may_take{12000};  // five seconds of grace, and the engine's latency

class World {
 public:
  explicit World(std::uint64_t seed) : host_(seed), dice_(seed ^ 0x5eed) {
    const auto one_of = [&](std::initializer_list<double> choices) {
      return choices.begin()[dice_.below(choices.size())];
    };
    hostility_ = {.drop = one_of({0, 0.1, 0.5}),
                  .duplicate = one_of({0, 0.3}),
                  .stale = one_of({0, 0.05, 0.3}),
                  .lost_request = one_of({0, 0, 0.02, 0.1}),
                  .lost_answer = one_of({0, 0, 0.02, 0.1}),
                  .refused = one_of({0, 0, 0.05}),
                  .lost_event = one_of({0, 0.5, 1}),
                  .agent_crash = one_of({0, 0.01, 0.1}),
                  .engine_away = one_of({0, 0.01, 0.03}),
                  .reboot = one_of({0, 0, 0.005}),
                  .lost_journal = one_of({0, 0, 0.005}),
                  .disconnect = one_of({0, 0.01}),
                  .container_crash = one_of({0, 0.01, 0.1}),
                  .registry_away = one_of({0, 0.01}),
                  .clock_jump = one_of({0, 0, 0.005}),
                  .delay_max = Duration(static_cast<std::int64_t>(one_of({50, 2000, 15000})))};
    // A new journal counts from the wall clock; if that has jumped back as well, nothing is left to count from.
    if (hostility_.clock_jump > 0) hostility_.lost_journal = 0;
    host_.image("train", {});
    host_.image("side", {});
    host_.image("stubborn", {.ignores_stop = true});
    host_.image("job", {.exits_after = 45s, .exit_code = 0});
    host_.image("web", {.listens = {8888}, .listens_after = 3s});
    engine::FakeFaults faults;
    faults.lost_request = hostility_.lost_request;
    faults.lost_answer = hostility_.lost_answer;
    faults.refused = hostility_.refused;
    faults.lost_event = hostility_.lost_event;
    faults.latency_max = Duration(static_cast<std::int64_t>(one_of({5, 5, 300, 2000})));
    host_.engine.set_faults(faults);
    host_.start_agent();
  }

  void chaos(int seconds) {
    for (int second = 0; second < seconds && !testing::Test::HasFailure(); ++second) {
      if (dice_.chance(0.15)) change_a_wish();
      if (second % 5 == 0) server_looks();
      if (dice_.chance(hostility_.stale)) deliver_something_old();
      misfortune();
      run_for(1s);
    }
  }

  void heal() {
    hostility_ = {.delay_max = 10ms};
    host_.engine.set_faults({});
    host_.registry.up();
    run_for(1min);  // whoever is away comes back
    for (int round = 0; round < 120 && !testing::Test::HasFailure(); ++round) {
      server_looks();
      run_for(10s);
    }
  }

  // Everything that shall be is, and nothing else.
  void expect_wishes_fulfilled() {
    std::size_t containers = 0;
    bool all_deleted = true;
    for (const auto& [id, pod] : pods_) {
      const auto& wish = pod.orders.back();
      const auto there = host_.containers_of(id);
      containers += there.size();
      if (wish.desired == Desired::deleted) {
        EXPECT_TRUE(there.empty()) << id;
        EXPECT_FALSE(host_.reported(id)) << id << " has been forgotten";
        continue;
      }
      all_deleted = false;
      const auto facts = host_.pod(id);
      EXPECT_EQ(facts.generation, wish.generation) << id;
      if (wish.desired == Desired::stopped) {
        EXPECT_EQ(facts.phase, PodPhase::stopped) << id;
        EXPECT_TRUE(there.empty()) << id;
        continue;
      }
      EXPECT_EQ(facts.run, wish.run) << id;
      // A main container that has ended for good may have done so before its companion was made.
      const auto all = wish.spec.containers.size();
      EXPECT_TRUE(there.size() == all || (facts.phase == PodPhase::exited && there.size() == 1)) << id;
      const bool may_rest = wish.spec.restart != RestartPolicy::always;
      const bool comes_and_goes = wish.spec.containers[0].image == "job";
      bool fine = facts.phase == PodPhase::running || (may_rest && facts.phase == PodPhase::exited);
      if (comes_and_goes && !may_rest)
        fine = fine || facts.phase == PodPhase::backing_off || facts.phase == PodPhase::starting;
      EXPECT_TRUE(fine) << id << " is " << enum_text(facts.phase) << " "
                        << (facts.reason ? sentence(*facts.reason, facts.args, Language::en) : "");
      if (facts.phase == PodPhase::exited || comes_and_goes) continue;
      for (const auto& container : there) {
        const bool companion_rests = may_rest && label_of(container, label::container) != "main";
        EXPECT_TRUE(container.state == engine::ContainerState::running || companion_rests) << container.name;
      }
    }
    EXPECT_EQ(host_.engine.containers().size(), containers);
    for (const auto& [name, labels] : host_.engine.volumes())
      EXPECT_NE(pods_.at(labels.at(label::pod)).orders.back().desired, Desired::deleted) << name;
    if (all_deleted) {
      EXPECT_TRUE(host_.engine.networks().empty());
    }
    EXPECT_TRUE(host_.server.reports.back().stray_containers.empty());
    for (const auto& [run, count] : starts_of_never_) EXPECT_LE(count, 1 + excuses_) << run << " may run once";
  }

  std::pair<std::uint64_t, std::size_t> fingerprint() const {
    return {host_.runtime.events_run(), host_.engine.history().size()};
  }

 private:
  struct WishedPod {
    std::vector<link::PodOrder> orders;                       // every one ever made, the last is the wish
    std::vector<link::PodOrder> delivered;                    // to a living agent
    std::vector<std::pair<Duration, std::int64_t>> reported;  // when, which generation; since the last lost journal
    bool forgotten = false;
  };

  // ---- the server ----

  std::set<std::string> free_gpus() const {
    std::set<std::string> out(gpu_uuids.begin(), gpu_uuids.end());
    for (const auto& [id, pod] : pods_)
      if (pod.orders.back().desired == Desired::running)
        for (const auto& gpu : pod.orders.back().spec.gpus) out.erase(gpu);
    return out;
  }

  // A GPU is free in the server's eyes as soon as its pod shall stop: the agent must not believe that.
  void give_gpus(link::PodOrder& order) {
    order.spec.gpus.clear();
    const auto free = free_gpus();
    if (free.empty() || dice_.chance(0.2)) return;
    order.spec.gpus.push_back(*std::next(free.begin(), static_cast<std::ptrdiff_t>(dice_.below(free.size()))));
  }

  void change_a_wish() {
    std::vector<std::string> alive;
    for (const auto& [id, pod] : pods_)
      if (pod.orders.back().desired != Desired::deleted) alive.push_back(id);
    if (alive.empty() || (alive.size() < 6 && dice_.chance(0.3))) {
      const auto id = "p" + std::to_string(pods_.size());
      auto order = host_.order(id);
      constexpr std::array images{"train", "train", "stubborn", "job", "web"};
      order.spec.containers[0].image = images[dice_.below(images.size())];
      if (dice_.chance(0.3)) {
        link::ContainerOrder side;
        side.name = "side";
        side.image = "side";
        order.spec.containers.push_back(side);
      }
      if (dice_.chance(0.5)) {
        order.spec.volume_bytes = 1;
        order.spec.volume_path = "/workspace";
      }
      if (dice_.chance(0.5)) order.spec.ports = {{8888, true}, {22, false}};
      constexpr std::array policies{RestartPolicy::always, RestartPolicy::always, RestartPolicy::on_failure,
                                    RestartPolicy::never};
      order.spec.restart = policies[dice_.below(policies.size())];
      give_gpus(order);
      pods_[id].orders.push_back(order);
      return send(order);
    }
    auto& pod = pods_[alive[dice_.below(alive.size())]];
    auto order = pod.orders.back();
    ++order.generation;
    switch (dice_.below(5)) {
      case 0:
        order.desired = Desired::stopped;
        break;
      case 1:
        order.desired = dice_.chance(0.5) ? Desired::deleted : Desired::stopped;
        break;
      case 2:
      case 3:
        order.desired = Desired::running;
        ++order.run;
        give_gpus(order);
        break;
      default:
        order.spec.containers[0].env["UPDATED"] = std::to_string(order.generation);
        break;  // nothing to stop for
    }
    pod.orders.push_back(order);
    send(order);
  }

  void server_looks() {
    if (!host_.server.connected_ || host_.server.reports.empty()) return;
    std::map<std::string, link::PodFacts> reported;
    for (const auto& facts : host_.server.reports.back().pods) reported[facts.pod.str()] = facts;
    // Rare (seed 2176): an overtaken order of a forgotten pod, believed after the journal was
    // lost, and the journal lost again. The server alone knows that this stray is to be removed.
    for (const auto& name : host_.server.reports.back().stray_containers) {
      const auto id = name.substr(5, name.find('-', 5) - 5);  // gyre-<pod>-<container>-<run>
      if (pods_.at(id).forgotten) send(pods_.at(id).orders.back());
    }
    for (auto& [id, pod] : pods_) {
      const auto& wish = pod.orders.back();
      const auto found = reported.find(id);
      if (found == reported.end()) {
        if (!pod.forgotten) send(wish);
      } else if (found->second.generation != wish.generation) {
        send(wish);
      } else if (found->second.phase == PodPhase::deleted) {
        pod.forgotten = true;
        send(link::ForgetPod{PodId(id), wish.generation});
      }
    }
  }

  void send(const link::ServerMessage& message) {
    if (dice_.chance(hostility_.drop)) return;
    const int copies = dice_.chance(hostility_.duplicate) ? 2 : 1;
    for (int copy = 0; copy < copies; ++copy) {
      const auto delay =
          static_cast<Duration::rep>(dice_.below(static_cast<std::uint64_t>(hostility_.delay_max.count())));
      host_.runtime.after(Duration(delay), [this, message] { deliver(message); });
    }
  }

  void deliver(const link::ServerMessage& message) {
    if (!host_.agent || !host_.server.connected_) return;
    if (const auto* order = std::get_if<link::PodOrder>(&message)) pods_[order->pod.str()].delivered.push_back(*order);
    host_.say(message);
  }

  void deliver_something_old() {
    if (pods_.empty()) return;
    const auto& pod = std::next(pods_.begin(), static_cast<std::ptrdiff_t>(dice_.below(pods_.size())))->second;
    deliver(pod.orders[dice_.below(pod.orders.size())]);
  }

  // ---- what goes wrong ----

  Duration a_while(Duration max) {
    return Duration(static_cast<Duration::rep>(dice_.below(static_cast<std::uint64_t>(max.count()))));
  }

  void agent_away(Duration span) {
    host_.crash_agent();
    const auto number = ++agent_absences_;
    host_.runtime.after(span, [this, number] {
      if (number == agent_absences_) host_.start_agent();
    });
  }

  void misfortune() {
    const auto& bad = hostility_;
    if (dice_.chance(bad.agent_crash)) agent_away(a_while(10s));
    if (dice_.chance(bad.lost_journal)) {
      agent_away(a_while(10s));
      host_.lose_journal();
      ++excuses_;
      for (auto& [id, pod] : pods_) pod.reported.clear();
    }
    if (dice_.chance(bad.engine_away)) {
      host_.engine.down();
      host_.runtime.after(a_while(20s), [this] { host_.engine.up(); });
    }
    if (dice_.chance(bad.reboot)) {
      agent_away(a_while(10s));
      host_.config.facts.boot_id += "+";
      host_.engine.reboot(a_while(10s));
      ++excuses_;
    }
    if (dice_.chance(bad.disconnect)) {
      host_.server.connected_ = false;
      if (host_.agent) host_.agent->server_disconnected();
      host_.runtime.after(a_while(30s), [this] {
        host_.server.connected_ = true;
        if (host_.agent) host_.agent->server_connected();
      });
    }
    if (dice_.chance(bad.container_crash)) {
      const auto running = host_.engine.running();
      if (!running.empty()) {
        const auto id = running[dice_.below(running.size())].id;
        if (dice_.chance(0.2))
          host_.engine.run_out_of_memory(id);
        else
          host_.engine.crash_container(id, static_cast<int>(dice_.below(3)));
      }
    }
    if (dice_.chance(bad.registry_away)) {
      host_.registry.down();
      host_.runtime.after(a_while(60s), [this] { host_.registry.up(); });
    }
    if (dice_.chance(bad.clock_jump)) host_.runtime.jump_clock(a_while(Duration(2h)) - 1h);
  }

  // ---- what must hold, looked at after every single event ----

  void run_for(Duration span) {
    bool over = false;
    host_.runtime.after(span, [&over] { over = true; });
    while (!over) {
      host_.runtime.step();
      watch();
    }
  }

  void watch() {
    const auto& history = host_.engine.history();
    std::vector<const engine::FakeRun*> ended;
    std::erase_if(live_, [&](std::size_t index) {
      if (history[index].ended) ended.push_back(&history[index]);
      return history[index].ended.has_value();
    });
    for (; known_ < history.size(); ++known_) {
      const auto& run = history[known_];
      for (const auto index : live_) {
        const auto& other = history[index];
        EXPECT_FALSE(pod_of(run) == pod_of(other) && name_of(run) == name_of(other))
            << run.name << " runs beside " << other.name;
        const auto mine = run.labels.find(label::gpus), theirs = other.labels.find(label::gpus);
        const bool both = mine != run.labels.end() && theirs != other.labels.end() && mine->second == theirs->second;
        EXPECT_FALSE(both) << mine->second << " is in " << run.name << " and in " << other.name;
      }
      if (name_of(run) == "main" && pods_.at(pod_of(run)).orders.back().spec.restart == RestartPolicy::never)
        ++starts_of_never_[pod_of(run) + " run " + run.labels.at(label::run)];
      if (!run.ended) live_.push_back(known_);
    }
    for (const auto* run : ended) judge_end(*run);
    if (host_.server.last_sequence != seen_sequence_) hear_report();
    EXPECT_FALSE(host_.server.sequence_fell_back);
  }

  // Law: a container that could have gone on is stopped only if an order says so, and not by one that was overtaken.
  void judge_end(const engine::FakeRun& run) {
    if (run.end != FakeEnd::stopped && run.end != FakeEnd::killed && run.end != FakeEnd::removed) return;
    EXPECT_NE(run.end, FakeEnd::removed) << run.name << " was removed while it ran";
    const auto& pod = pods_.at(pod_of(run));
    const bool main_runs = std::any_of(live_.begin(), live_.end(), [&](std::size_t index) {
      const auto& other = host_.engine.history()[index];
      return pod_of(other) == pod_of(run) && name_of(other) == "main";
    });
    if (name_of(run) != "main" && !main_runs) return;  // it ended with its network
    auto floor = std::stoll(run.labels.at(label::generation));
    for (const auto& [at, generation] : pod.reported)
      if (at + stop_may_take <= host_.runtime.uptime()) floor = std::max<long long>(floor, generation);
    const bool ordered = std::any_of(pod.delivered.begin(), pod.delivered.end(), [&](const auto& order) {
      return order.generation >= floor &&
             (order.desired != Desired::running || std::to_string(order.run) != run.labels.at(label::run));
    });
    EXPECT_TRUE(ordered) << run.name << " was stopped and no order of generation " << floor << " or later says so";
  }

  void hear_report() {
    seen_sequence_ = host_.server.last_sequence;
    for (const auto& facts : host_.server.reports.back().pods) {
      auto& reported = pods_.at(facts.pod.str()).reported;
      if (!reported.empty()) {
        EXPECT_GE(facts.generation, reported.back().second) << facts.pod.str();
      }
      if (reported.empty() || facts.generation != reported.back().second)
        reported.emplace_back(host_.runtime.uptime(), facts.generation);
    }
  }

  static const std::string& pod_of(const engine::FakeRun& run) { return run.labels.at(label::pod); }
  static const std::string& name_of(const engine::FakeRun& run) { return run.labels.at(label::container); }

  test::Host host_;
  sim::SimRandom dice_;
  Hostility hostility_{};
  std::map<std::string, WishedPod> pods_;
  std::vector<std::size_t> live_;  // of the engine's history
  std::size_t known_ = 0;
  std::uint64_t seen_sequence_ = 0;
  std::map<std::string, int> starts_of_never_;
  int excuses_ = 0;  // reboots and lost journals, after which a container may run once more
  int agent_absences_ = 0;
};

std::pair<std::uint64_t, std::size_t> an_afternoon(std::uint64_t seed) {
  World world(seed);
  world.chaos(300);
  world.heal();
  world.expect_wishes_fulfilled();
  return world.fingerprint();
}

std::pair<std::uint64_t, std::uint64_t> seeds() {
  const char* asked = std::getenv("GYRE_SEEDS");
  if (!asked) return {1, 240};
  const std::string text(asked);
  const auto colon = text.find(':');
  return {std::stoull(text), colon == std::string::npos ? 1 : std::stoull(text.substr(colon + 1))};
}

TEST(AgentSim, SurvivesHostileAfternoons) {
  log::set_level(std::getenv("GYRE_SEEDS") ? log::Level::info : log::Level::error);
  const auto [first, count] = seeds();
  for (auto seed = first; seed < first + count; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    an_afternoon(seed);
    if (HasFailure()) FAIL() << "seed " << seed;
  }
}

TEST(AgentSim, TheSameSeedIsTheSameAfternoon) {
  log::set_level(log::Level::error);
  EXPECT_EQ(an_afternoon(7), an_afternoon(7));
  EXPECT_NE(an_afternoon(7), an_afternoon(8));
}

}  // namespace
}  // namespace gyre::agent
