#include "agent/plan.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <iostream>
#include <sstream>

#include "base/enum_text.hpp"

namespace gyre::agent {
namespace {

using engine::Container;
using engine::ContainerState;
using link::Desired;
using link::RestartPolicy;

const Time noon = Time(Duration(1'767'268'800'000));

// One situation of run 2 of a pod with two containers; what a case does not say is as it is on a good day.
struct Case {
  link::PodOrder order;
  Memory memory;
  std::vector<Container> seen;
  std::set<std::string> images_ready{"train", "side"};
  bool looked = true, network = true, volume = true, volume_removed = false, network_settled = false;
  std::optional<Error> gpu_trouble;
  std::optional<Trouble> trouble;

  Case() {
    order.run = 2;
    order.generation = 5;
    order.spec.volume_bytes = 1;
    link::ContainerOrder main, side;
    main.name = "main";
    main.image = "train";
    side.name = "side";
    side.image = "side";
    order.spec.containers = {main, side};
  }
  Case& with(const std::string& name, ContainerState state, std::int64_t run = 2) {
    Container container;
    container.id = name + std::to_string(run);
    container.state = state;
    container.labels = {{label::container, name}, {label::run, std::to_string(run)}};
    if (name != "main") container.labels[label::network_of] = "main" + std::to_string(run);
    if (state != ContainerState::created) container.started_at = noon;
    if (state == ContainerState::exited) {
      container.finished_at = noon + 1h;
      container.exit_code = 1;
    }
    seen.push_back(container);
    return *this;
  }
  Case& both(ContainerState state, std::int64_t run = 2) { return with("main", state, run).with("side", state, run); }
  Case& desired(Desired what) {
    order.desired = what;
    return *this;
  }
  Case& noted_exit(const std::string& name, Duration due, bool resting = false) {
    memory.restarts[name] = {1, 10s, noon + 1h, due, resting};
    return *this;
  }
  template <class F>
  Case& but(F change) {
    change(*this);
    return *this;
  }
  Plan plan() const {
    Situation situation{.order = order, .memory = memory, .seen = seen};
    situation.looked = looked;
    situation.uptime = 100s;
    situation.images_ready = images_ready;
    situation.network_ready = network;
    situation.volume_ready = volume;
    situation.volume_removed = volume_removed;
    situation.network_settled = network_settled;
    situation.gpu_trouble = gpu_trouble;
    situation.trouble = trouble;
    return agent::plan(situation);
  }
};

constexpr auto running = ContainerState::running;
constexpr auto exited = ContainerState::exited;
constexpr auto created = ContainerState::created;

std::vector<std::pair<std::string, Case>> picture() {
  const auto failed = [](Case& c) { c.memory.outcome = Outcome{2, OutcomeKind::failed, Reason::image_not_found, {}}; };
  const auto ended = [](Case& c) { c.memory.outcome = Outcome{2, OutcomeKind::exited, Reason::container_exited, {}}; };
  const auto rebooted = [](Case& c) { c.memory.rebooted = true; };
  std::vector<std::pair<std::string, Case>> out;
  const auto add = [&](std::string what, const Case& one) { out.emplace_back(std::move(what), one); };
  add("shall run; the engine was never listed", Case().but([](Case& c) { c.looked = false; }));
  add("shall run; nothing is there", Case().but([](Case& c) { c.images_ready.clear(); }));
  add("... and its GPU is held by another pod", Case().but([](Case& c) {
    c.gpu_trouble = Error{Reason::gpu_still_held, {}, {}};
  }));
  add("... and the registry was away a moment ago", Case().but([](Case& c) {
    c.images_ready.clear();
    c.trouble = Trouble{Step::pull, Error{Reason::registry_unreachable, {}, {}}, 1, 90s, 110s};
  }));
  add("... one image is pulled", Case().but([](Case& c) { c.images_ready = {"train"}; }));
  add("... all images are pulled", Case().but([](Case& c) { c.network = c.volume = false; }));
  add("... and the network is there", Case().but([](Case& c) { c.volume = false; }));
  add("... and the volume", Case());
  add("main is made", Case().with("main", created));
  add("all are made", Case().both(created));
  add("main runs, its companion does not yet", Case().with("main", running).with("side", created));
  add("all run", Case().both(running));
  add("main ended just now", Case().with("main", exited).with("side", running));
  add("... and the policy will start it again",
      Case().with("main", exited).with("side", running).noted_exit("main", 110s));
  add("... and its companions were stopped with it", Case().both(exited).noted_exit("main", 110s));
  add("... and the pause is over", Case().both(exited).noted_exit("main", 100s));
  add("main was started again", Case().with("main", running).with("side", exited).noted_exit("side", 100s));
  add("a companion ended just now", Case().with("main", running).with("side", exited));
  add("... and waits for its restart", Case().with("main", running).with("side", exited).noted_exit("side", 110s));
  add("... and the policy lets it rest",
      Case().with("main", running).with("side", exited).noted_exit("side", 0s, true));
  add("a companion belongs to a main container that is gone",
      Case().with("main", running).with("side", running).but([](Case& c) {
        c.seen[1].labels[label::network_of] = "?";
      }));
  add("main was removed by hand, and always runs", Case().but([](Case& c) { c.memory.started_run = 2; }));
  add("main was removed by hand, and may run once", Case().but([](Case& c) {
    c.memory.started_run = 2;
    c.order.spec.restart = RestartPolicy::never;
  }));
  add("the policy let main rest; its companion runs", Case().with("main", exited).with("side", running).but(ended));
  add("... nothing runs", Case().both(exited).but(ended));
  add("it failed; a container was made in vain", Case().with("main", created).but(failed));
  add("... nothing is left, or only what has run", Case().with("main", exited).but(failed));
  add("shall run anew; containers of the run before run", Case().both(running, 1));
  add("... they have ended", Case().both(exited, 1));
  add("the host restarted; what was left ended with it", Case().both(exited).but(rebooted));
  add("... and is gone", Case().but(rebooted));
  add("the boot id is another, but main runs", Case().both(running).but(rebooted));
  add("shall stop; containers run", Case().both(running).desired(Desired::stopped));
  add("... they have ended", Case().both(exited).desired(Desired::stopped));
  add("... they are gone", Case().desired(Desired::stopped).but(ended));
  add("... and so is what was remembered of the run", Case().desired(Desired::stopped));
  add("shall be deleted; containers run", Case().both(running).desired(Desired::deleted));
  add("... they are gone", Case().desired(Desired::deleted));
  add("... and so is the volume", Case().desired(Desired::deleted).but([](Case& c) { c.volume_removed = true; }));
  add("... and the network, if nobody else needs it",
      Case().desired(Desired::deleted).but([](Case& c) { c.volume_removed = c.network_settled = true; }));
  return out;
}

std::string text_of(const std::vector<std::pair<std::string, Case>>& cases) {
  std::ostringstream out;
  out << "| what the order says and the engine shows | phase | next step |\n|---|---|---|\n";
  for (const auto& [what, one] : cases) {
    const auto next = one.plan();
    out << "| " << what << " | " << enum_text(next.phase) << " | " << enum_text(next.step);
    if (next.step == Step::pull || next.step == Step::create || next.step == Step::start) out << " " << next.container;
    if (next.step == Step::stop) out << (next.ids.size() == 2 ? " both" : " " + next.ids.front().substr(0, 4));
    if (next.step == Step::remove) out << " " << next.ids.front().substr(0, 4);
    out << " |\n";
  }
  return out.str();
}

// The README's picture of a pod's life is what the code does; GYRE_PRINT=1 prints it.
TEST(Plan, IsWhatTheReadmeSays) {
  const auto text = text_of(picture());
  if (std::getenv("GYRE_PRINT")) std::cout << text;
  std::ifstream file("src/agent/README.md");
  std::stringstream readme;
  readme << file.rdbuf();
  EXPECT_NE(readme.str().find(text), std::string::npos) << "src/agent/README.md should have\n" << text;
}

TEST(Plan, EveryPhaseAndEveryStepIsInThePicture) {
  std::set<link::PodPhase> phases;
  std::set<Step> steps;
  for (const auto& [what, one] : picture()) {
    phases.insert(one.plan().phase);
    steps.insert(one.plan().step);
  }
  boost::mp11::mp_for_each<boost::describe::describe_enumerators<link::PodPhase>>(
      [&](auto d) { EXPECT_TRUE(phases.contains(d.value)) << d.name; });
  boost::mp11::mp_for_each<boost::describe::describe_enumerators<Step>>(
      [&](auto d) { EXPECT_TRUE(steps.contains(d.value)) << d.name; });
}

TEST(Plan, NothingThatRunsIsStoppedWhileItIsAsOrdered) {
  for (const auto policy : {RestartPolicy::always, RestartPolicy::on_failure, RestartPolicy::never})
    for (const bool rebooted : {false, true})
      for (const bool trouble : {false, true}) {
        auto one = Case().both(running);
        one.order.spec.restart = policy;
        one.memory.rebooted = rebooted;
        one.images_ready.clear();
        one.network = one.volume = false;
        if (trouble) one.gpu_trouble = Error{Reason::gpu_not_on_host, {}, {}};
        const auto step = one.plan().step;
        EXPECT_TRUE(step == Step::rest || step == Step::note_reboot) << enum_text(step);
      }
}

TEST(Plan, AStopIsNotHeldUpByTroubleOfTheStart) {
  auto one = Case().with("main", running).desired(Desired::stopped);
  one.trouble = Trouble{Step::start, Error{Reason::container_start_failed, {}, {}}, 3, 0s, 1h};
  EXPECT_EQ(one.plan().step, Step::stop);
}

TEST(AfterExit, TheSecondOfTwoQuickExitsWaitsTwiceAsLong) {
  const auto container = Case().with("main", exited).seen[0];
  const Backoff backoff;
  auto quick = container;
  quick.finished_at = noon + 1s;
  auto restarts = after_exit({}, quick, RestartPolicy::always, backoff, 0s);
  EXPECT_EQ(restarts.due, 10s);
  EXPECT_EQ(restarts.count, 1);
  restarts = after_exit(restarts, quick, RestartPolicy::always, backoff, 100s);
  EXPECT_EQ(restarts.due, 120s);
  restarts = after_exit(restarts, container, RestartPolicy::always, backoff, 4000s);  // it ran for an hour
  EXPECT_EQ(restarts.due, 4010s);
  EXPECT_EQ(restarts.count, 3);
}

TEST(AfterExit, OutOfMemoryIsAFailureWhateverTheCode) {
  auto container = Case().with("main", exited).seen[0];
  container.exit_code = 0;
  EXPECT_TRUE(after_exit({}, container, RestartPolicy::on_failure, {}, 0s).resting);
  container.oom_killed = true;
  EXPECT_FALSE(after_exit({}, container, RestartPolicy::on_failure, {}, 0s).resting);
}

TEST(Labels, PortsAreReadAsTheyWereWritten) {
  const std::vector<link::PortFacts> ports{{22, 34001, false}, {8888, 34002, true}, {80, 34003, true, "192.0.2.7"}};
  Container container;
  container.labels[label::ports] = ports_label(ports);
  EXPECT_EQ(ports_of(container), ports);
  container.labels[label::ports] = "nonsense,1:2,:/,/:,,";
  EXPECT_LE(ports_of(container).size(), 1u);
  container.labels[label::run] = "12x";
  EXPECT_EQ(number_label(container, label::run), -1);
}

}  // namespace
}  // namespace gyre::agent
