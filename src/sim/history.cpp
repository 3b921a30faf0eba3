#include "sim/history.hpp"

#include <gtest/gtest-spi.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <chrono>
#include <csignal>
#include <cstring>

#include "base/check.hpp"
#include "base/enum_text.hpp"

namespace gyre::sim {
namespace {

using http::Method;

constexpr const char* images[] = {"team/steady:1", "team/steady:1", "team/flaky:1", "team/stubborn:1"};
constexpr int pods_max = 14;

// What the caller was promised: the last acknowledged wish for each pod.
enum class Promise { running, stopped, deleted };

class Afternoon {
 public:
  explicit Afternoon(const History& history) : history_(history), world_(history.seed) {
    world_.registry.push("team/steady:1", {.bytes = 200'000'000});
    world_.registry.push("team/flaky:1", {.program = engine::fake_program({.exits_after = 90s, .exit_code = 1})});
    world_.registry.push("team/stubborn:1", {.program = engine::fake_program({.ignores_stop = true})});
    world_.registry.push(sync_image, {.program = engine::fake_program({.exits_after = 3min})});
    for (std::size_t i = 0; i < history.gpus_of_hosts.size(); ++i)
      world_.add_host("h" + std::to_string(i), {.gpus = history.gpus_of_hosts[i], .cpus = 16});
    world_.set_link_faults(history.link);
  }

  // The minute in which something was wrong; `failed` is asked after each.
  std::optional<int> run(const std::function<bool()>& failed) {
    auto next = history_.steps.begin();
    for (int minute = 0; minute < history_.minutes; ++minute) {
      for (; next != history_.steps.end() && next->minute <= minute; ++next) act(*next);
      world_.run_for(1min);
      world_.check();
      if (failed()) return minute;
    }
    finish();
    if (failed()) return history_.minutes;
    return std::nullopt;
  }

  std::uint64_t events() const { return world_.runtime.events_run(); }
  std::string last_answer() { return world_.call(Method::get, "/v1/pods?sort=name").body; }

 private:
  struct Acknowledged {
    std::string id;
    Promise promise;
  };

  void create(const Step& step) {
    boost::json::object body{
        {"imageName", images[step.image]}, {"volumeInGb", step.volume_gb}, {"gpuCount", step.gpus}};
    if (step.bid > 0) body["bidPerGpu"] = step.bid / 100.0;
    const auto made = world_.call(Method::post, "/v1/pods", boost::json::serialize(body));
    if (made.status == 201)
      pods_[step.which] = {std::string(boost::json::parse(made.body).as_object()["id"].as_string()), Promise::running};
    else
      EXPECT_TRUE(made.status == 0 || made.status == 503) << made.body;  // no server, or its commit failed
  }

  void sync(const Step& step) {
    const auto found = pods_.find(step.which);
    if (found == pods_.end()) return;
    const boost::json::object body{{"podId", found->second.id},
                                   {"direction", "TO_CLOUD"},
                                   {"bucket", "results"},
                                   {"accessKeyId", "AKIA"},
                                   {"secretAccessKey", "key"}};
    const auto made = world_.call(Method::post, "/v1/cloudsyncs", boost::json::serialize(body));
    if (made.status == 201) syncs_.push_back(std::string(boost::json::parse(made.body).as_object()["id"].as_string()));
  }

  void verb(const Step& step) {
    const auto found = pods_.find(step.which);
    if (found == pods_.end() || found->second.promise == Promise::deleted) return;
    auto& pod = found->second;
    const auto path = "/v1/pods/" + pod.id;
    switch (step.kind) {
      case Step::Kind::remove:
        if (world_.call(Method::del, path).status == 204) pod.promise = Promise::deleted;
        break;
      case Step::Kind::stop:
        if (world_.call(Method::post, path + "/stop").status == 200) pod.promise = Promise::stopped;
        break;
      case Step::Kind::start:
        if (world_.call(Method::post, path + "/start").status == 200) pod.promise = Promise::running;
        break;
      default:
        world_.call(Method::post, path + "/restart");  // refused or done: the promise is the same
        break;
    }
  }

  void act(const Step& step) {
    const auto hosts = world_.hosts();
    const auto& host = hosts[static_cast<std::size_t>(step.which) % hosts.size()];
    switch (step.kind) {
      case Step::Kind::create:
        return create(step);
      case Step::Kind::sync:
        return sync(step);
      case Step::Kind::remove:
      case Step::Kind::stop:
      case Step::Kind::start:
      case Step::Kind::restart:
        return verb(step);
      case Step::Kind::fail_commits:
        return world_.fail_commits(1 + step.image);
      case Step::Kind::crash_server:
        if (world_.server_is_up()) world_.crash_server();
        return;
      case Step::Kind::restart_server:
        if (!world_.server_is_up()) world_.restart_server();
        return;
      case Step::Kind::crash_agent:
        if (world_.agent_is_up(host)) world_.crash_agent(host);
        return;
      case Step::Kind::lose_journal:
        if (world_.agent_is_up(host)) world_.crash_agent(host);
        return world_.lose_journal(host);
      case Step::Kind::reboot:
        return world_.reboot_host(host, step.span);
      case Step::Kind::engine_down:
        return world_.engine(host).down();
      case Step::Kind::cut_link:
        return world_.cut_link(host, true);
      case Step::Kind::fill_disk:
        return world_.engine(host).fill_host_disk(true);
      case Step::Kind::engine_faults:
        return world_.engine(host).set_faults({.latency_max = Duration(500),
                                               .lost_request = 0.1,
                                               .lost_answer = 0.1,
                                               .refused = 0.05,
                                               .lost_event = 0.5});
      case Step::Kind::crash_container:
        if (const auto running = world_.engine(host).running(); !running.empty())
          world_.crash_container(host, running[static_cast<std::size_t>(step.image) % running.size()].id, 137);
        return;
      case Step::Kind::mend_host:
        if (!world_.agent_is_up(host)) world_.restart_agent(host);
        world_.engine(host).up();
        world_.engine(host).fill_host_disk(false);
        world_.engine(host).set_faults({});
        return world_.cut_link(host, false);
      case Step::Kind::jump_clock:
        return world_.runtime.jump_clock(step.span);
    }
  }

  // Once the faults end, every promise is kept.
  void finish() {
    world_.heal();
    world_.run_for(20min);
    world_.check();
    std::set<std::string> up, known;
    for (const auto& [id, host] : world_.running_pods()) up.insert(id);
    for (const auto& [number, pod] : pods_) {
      known.insert(pod.id);
      const auto answer = world_.call(Method::get, "/v1/pods/" + pod.id);
      if (pod.promise == Promise::deleted) {
        EXPECT_EQ(answer.status, 404) << pod.id;
        EXPECT_FALSE(up.contains(pod.id)) << "pod " << pod.id << " was deleted and runs";
        continue;
      }
      ASSERT_EQ(answer.status, 200) << "an acknowledged pod is gone: " << pod.id;
      const auto view = boost::json::parse(answer.body).as_object();
      const std::string status(view.at("status").as_string());
      if (pod.promise == Promise::stopped) {
        // A stop that was refused at first may have met a pod that failed by itself.
        EXPECT_TRUE(status == "stopped" || status == "failed") << pod.id << " is " << status << " and was stopped\n"
                                                               << answer.body;
        EXPECT_FALSE(up.contains(pod.id)) << "pod " << pod.id << " was stopped and runs";
      } else if (status == "running") {
        const bool backs_off = view.at("reason").is_object() && view.at("reason").at("until").is_string();
        EXPECT_TRUE(up.contains(pod.id) || backs_off) << "pod " << pod.id << " is said to run and does not\n"
                                                      << answer.body;
      } else if (status == "stopped") {
        const std::string reason(view.at("reason").at("code").as_string());
        EXPECT_TRUE(view.at("interruptible").as_bool() && (reason == "interrupted" || reason == "outbid"))
            << "pod " << pod.id << " was not stopped by its owner\n"
            << answer.body;
        EXPECT_FALSE(up.contains(pod.id)) << pod.id << " is stopped and runs";
      } else {
        // It waits for its turn, or failed for a reason that is said; a full disk or an unreachable registry may do
        // that.
        EXPECT_TRUE(status == "queued" || status == "failed") << pod.id << "\n" << answer.body;
        EXPECT_TRUE(view.at("reason").is_object()) << pod.id;
        EXPECT_FALSE(up.contains(pod.id)) << pod.id << " is " << status << " and runs";
      }
    }
    for (const auto& id : syncs_) {
      const auto answer = world_.call(Method::get, "/v1/cloudsyncs/" + id);
      ASSERT_EQ(answer.status, 200) << "an acknowledged sync is gone: " << id;
      const std::string status(boost::json::parse(answer.body).as_object().at("status").as_string());
      EXPECT_TRUE(status == "SUCCEEDED" || status == "FAILED" || status == "CANCELLED") << answer.body;
      EXPECT_FALSE(up.contains(id)) << "sync " << id << " is " << status << " and runs";
      known.insert(id);
    }
    for (const auto& id : up) EXPECT_TRUE(known.contains(id)) << "nobody asked for " << id;
    // What was deleted leaves nothing behind.
    for (const auto& host : world_.hosts())
      for (const auto& [volume, labels] : world_.engine(host).volumes())
        for (const auto& [number, pod] : pods_)
          EXPECT_FALSE(pod.promise == Promise::deleted && volume.ends_with(pod.id)) << "left behind: " << volume;
  }

  const History& history_;
  World world_;
  std::map<int, Acknowledged> pods_;
  std::vector<std::string> syncs_;
};

std::string words_of(const Step& step) {
  const auto host = " host " + std::to_string(step.which);
  const auto span = std::to_string(step.span.count() / 1000) + " s";
  switch (step.kind) {
    case Step::Kind::create:
      return "create pod " + std::to_string(step.which) + " from " + images[step.image] + ", " +
             std::to_string(step.gpus) + " GPUs, volume " + std::to_string(step.volume_gb) + " GB" +
             (step.bid > 0 ? ", for " + std::to_string(step.bid) + " cents" : "");
    case Step::Kind::remove:
    case Step::Kind::stop:
    case Step::Kind::start:
    case Step::Kind::restart:
      return std::string(enum_text(step.kind)) + " pod " + std::to_string(step.which);
    case Step::Kind::reboot:
      return "reboot" + host + ", away for " + span;
    case Step::Kind::jump_clock:
      return "the clock jumps by " + span;
    case Step::Kind::sync:
      return "sync the volume of pod " + std::to_string(step.which);
    case Step::Kind::fail_commits:
      return std::to_string(1 + step.image) + " commits fail";
    case Step::Kind::crash_server:
    case Step::Kind::restart_server:
      return std::string(enum_text(step.kind));
    default:
      return std::string(enum_text(step.kind)) + host;
  }
}

}  // namespace

History make_history(std::uint64_t seed, int minutes) {
  SimRandom dice(seed ^ 0xa11ce);
  const auto pick = [&](auto first, auto second, auto third) {
    return dice.below(3) == 0 ? first : dice.below(2) == 0 ? second : third;
  };
  const auto below = [&](std::uint64_t limit) { return static_cast<int>(dice.below(limit)); };
  History out;
  out.seed = seed;
  out.minutes = minutes;
  out.link.drop = pick(0.0, 0.05, 0.4);
  out.link.duplicate = pick(0.0, 0.1, 0.3);
  out.link.latency_max = pick(Duration(50), Duration(3'000), Duration(15'000));
  const double trouble = pick(0.02, 0.1, 0.3);
  constexpr int hosts = 3;
  for (int i = 0; i < hosts; ++i) out.gpus_of_hosts.push_back(1 + below(4));

  int pods = 0;
  using Kind = Step::Kind;
  for (int minute = 0; minute < minutes; ++minute) {
    const auto add = [&](Step step) {
      step.minute = minute;
      out.steps.push_back(step);
    };
    for (auto calls = dice.below(3); calls > 0; --calls) {
      if (dice.below(10) < 4 || pods == 0) {
        if (pods < pods_max) {
          Step step{
              .kind = Kind::create, .which = pods++, .image = below(4), .volume_gb = 5 * below(2), .gpus = below(3)};
          if (step.gpus > 0) step.bid = below(5);  // most are spot pods, and many bid the same
          add(step);
        }
        continue;
      }
      constexpr Kind verbs[] = {Kind::remove, Kind::stop, Kind::stop, Kind::start, Kind::restart, Kind::sync};
      const auto verb = verbs[dice.below(6)];
      add({.kind = verb, .which = below(static_cast<std::uint64_t>(pods))});
    }
    if (dice.chance(trouble)) {
      constexpr Kind troubles[] = {Kind::crash_server,  Kind::crash_agent,     Kind::lose_journal, Kind::reboot,
                                   Kind::engine_down,   Kind::cut_link,        Kind::jump_clock,   Kind::fill_disk,
                                   Kind::engine_faults, Kind::crash_container, Kind::fail_commits};
      Step step{.kind = troubles[dice.below(11)], .which = below(hosts), .image = below(8)};
      if (step.kind == Kind::reboot) step.span = Duration(1000 + below(300'000));
      if (step.kind == Kind::jump_clock) step.span = Duration(below(7'200'000) - 3'600'000);
      add(step);
      continue;
    }
    if (dice.chance(0.7)) add({.kind = Kind::restart_server});
    for (int host = 0; host < hosts; ++host)
      if (dice.chance(0.5)) add({.kind = Kind::mend_host, .which = host});
  }
  return out;
}

std::string to_text(const History& history) {
  std::string out = "seed " + std::to_string(history.seed) + ", hosts with GPUs:";
  for (const int gpus : history.gpus_of_hosts) out += " " + std::to_string(gpus);
  out += ", of messages " + std::to_string(std::lround(history.link.drop * 100)) + " % lost, " +
         std::to_string(std::lround(history.link.duplicate * 100)) + " % doubled, up to " +
         std::to_string(history.link.latency_max.count()) + " ms late\n";
  for (const auto& step : history.steps)
    out += "  minute " + std::to_string(step.minute) + ": " + words_of(step) + "\n";
  return out + "  minute " + std::to_string(history.minutes) + ": the faults end\n";
}

Outcome play(const History& history) {
  Outcome out;
  testing::TestPartResultArray results;
  std::optional<int> minute;
  {
    testing::ScopedFakeTestPartResultReporter reporter(
        testing::ScopedFakeTestPartResultReporter::INTERCEPT_ONLY_CURRENT_THREAD, &results);
    const auto first_failure = [&]() -> const testing::TestPartResult* {
      for (int i = 0; i < results.size(); ++i)
        if (results.GetTestPartResult(i).failed()) return &results.GetTestPartResult(i);
      return nullptr;
    };
    Afternoon afternoon(history);
    minute = afternoon.run([&] { return first_failure() != nullptr; });
    if (minute) out.failure = {*minute, first_failure()->message()};
    out.events = afternoon.events();
    out.last_answer = afternoon.last_answer();
  }
  return out;
}

Outcome play_apart(const History& history, Duration limit) {
  int ends[2];
  CHECK(pipe(ends) == 0);
  std::fflush(nullptr);
  const auto child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    close(ends[0]);
    const auto outcome = play(history);
    boost::json::object said{{"events", outcome.events}, {"lastAnswer", outcome.last_answer}};
    if (outcome.failure) {
      said["minute"] = outcome.failure->minute;
      said["words"] = outcome.failure->words;
    }
    const auto text = boost::json::serialize(said);
    for (std::size_t at = 0; at < text.size();) {
      const auto wrote = write(ends[1], text.data() + at, text.size() - at);
      if (wrote <= 0) _exit(3);
      at += static_cast<std::size_t>(wrote);
    }
    _exit(0);
  }
  close(ends[1]);
  std::string text;
  bool late = false;
  const auto until = std::chrono::steady_clock::now() + limit;
  for (;;) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
    pollfd waits{ends[0], POLLIN, 0};
    if (left.count() <= 0 || poll(&waits, 1, static_cast<int>(left.count())) == 0) {
      late = true;
      kill(child, SIGKILL);
      break;
    }
    char bytes[4096];
    const auto got = read(ends[0], bytes, sizeof bytes);
    if (got <= 0) break;
    text.append(bytes, static_cast<std::size_t>(got));
  }
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  Outcome out;
  if (late) {
    out.failure = {0, "the history does not end within " + std::to_string(limit.count() / 1000) + " s"};
  } else if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    out.failure = {0, WIFSIGNALED(status) ? std::string("ended by ") + strsignal(WTERMSIG(status))
                                          : "ended with " + std::to_string(WEXITSTATUS(status))};
  } else {
    const auto said = boost::json::parse(text).as_object();
    out.events = said.at("events").to_number<std::uint64_t>();
    out.last_answer = said.at("lastAnswer").as_string();
    if (said.contains("minute"))
      out.failure = {said.at("minute").to_number<int>(), std::string(said.at("words").as_string())};
  }
  return out;
}

History shortest(History failing, const std::function<std::optional<Failure>(const History&)>& fails, int tries) {
  const auto still_fails = [&](const History& candidate) -> std::optional<Failure> {
    if (tries <= 0) return std::nullopt;
    --tries;
    return fails(candidate);
  };
  // Nothing after the failure matters; if it was seen only once the faults had ended, nothing after the last step does.
  const auto cut_short = [&](History history, int minute) {
    history.minutes = std::min(history.minutes, minute + 1);
    std::erase_if(history.steps, [&](const Step& step) { return step.minute >= history.minutes; });
    return history;
  };
  const auto adopt = [&](History candidate) {
    const auto failure = still_fails(candidate);
    if (!failure) return false;
    failing = failure->minute + 1 < candidate.minutes ? cut_short(candidate, failure->minute) : std::move(candidate);
    return true;
  };
  if (!adopt(failing)) return failing;
  if (!failing.steps.empty()) adopt(cut_short(failing, failing.steps.back().minute));
  for (std::size_t chunk = std::max<std::size_t>(failing.steps.size() / 2, 1); tries > 0;) {
    bool shorter = false;
    for (std::size_t at = 0; at < failing.steps.size() && tries > 0;) {
      auto candidate = failing;
      const auto from = candidate.steps.begin() + static_cast<std::ptrdiff_t>(at);
      candidate.steps.erase(from, from + static_cast<std::ptrdiff_t>(std::min(chunk, candidate.steps.size() - at)));
      if (adopt(std::move(candidate)))
        shorter = true;
      else
        at += chunk;
    }
    if (chunk > 1)
      chunk /= 2;
    else if (!shorter)
      break;
  }
  // A quiet network is easier to read, where the failure does not need a bad one.
  auto quiet = failing;
  quiet.link = {};
  adopt(std::move(quiet));
  return failing;
}

}  // namespace gyre::sim
