#include "link/convert.hpp"

#include <gtest/gtest.h>

#include <google/protobuf/stubs/logging.h>

#include <random>

#include "agent/v1/agent.pb.h"

namespace gyre::link {
namespace {

// Random messages, full of the awkward: empty and long lists, absent and zero values, extremes, text in every script.
class Dice {
 public:
  explicit Dice(unsigned seed) : engine_(seed) {}

  std::size_t below(std::size_t limit) { return std::uniform_int_distribution<std::size_t>(0, limit - 1)(engine_); }
  bool flip() { return below(2) == 0; }
  template <class T = std::int64_t>
  T number() {
    if (below(4) == 0) return 0;
    if (below(8) == 0) return flip() ? std::numeric_limits<T>::max() : std::numeric_limits<T>::min();
    return static_cast<T>(engine_());
  }
  std::string text() {
    static const std::string pieces[] = {
        "a", "Z9-", " ", "\"\\", "ü", "한글", "\xF0\x9F\x90\xB3", "\n", std::string(1, '\0'), "{x}"};
    std::string out;
    for (auto left = below(6); left > 0; --left) out += pieces[below(std::size(pieces))];
    return out;
  }
  std::string raw() {
    std::string out;
    for (auto left = below(40); left > 0; --left) out += static_cast<char>(below(256));
    return out;
  }
  Time time() { return Time(Duration(number())); }
  template <class E, std::size_t N>
  E one_of(const E (&choices)[N]) {
    return choices[below(N)];
  }
  template <class F>
  auto maybe(F make) -> std::optional<decltype(make())> {
    if (flip()) return std::nullopt;
    return make();
  }
  template <class F>
  auto list(F make) -> std::vector<decltype(make())> {
    std::vector<decltype(make())> out;
    for (auto left = below(4); left > 0; --left) out.push_back(make());
    return out;
  }
  template <class E>
  E any_enumerator() {
    std::vector<E> all;
    boost::mp11::mp_for_each<boost::describe::describe_enumerators<E>>([&](auto d) { all.push_back(d.value); });
    return all[below(all.size())];
  }
  void why(std::optional<Reason>& reason, Args& args) {
    if (flip()) return;
    reason = static_cast<Reason>(below(reason_count()));
    args = list([this] { return std::pair(text(), text()); });
  }

  ContainerOrder container_order() {
    ContainerOrder out;
    out.name = text();
    out.image = text();
    out.entrypoint = maybe([this] { return list([this] { return raw(); }); });
    out.command = maybe([this] { return list([this] { return raw(); }); });
    for (auto left = below(4); left > 0; --left) out.env[text()] = raw();
    out.registry_user = raw();
    out.registry_password = raw();
    return out;
  }
  PodOrder pod_order() {
    PodOrder out;
    out.pod = PodId(text());
    out.generation = number();
    out.run = number();
    out.desired = any_enumerator<Desired>();
    out.stop_grace = Duration(number());
    out.spec.workspace = WorkspaceId(text());
    out.spec.hostname = text();
    out.spec.containers = list([this] { return container_order(); });
    out.spec.ports = list([this] { return PortOrder{.container_port = number<int>(), .http = flip()}; });
    out.spec.gpus = list([this] { return text(); });
    out.spec.vcpus = static_cast<double>(number()) / 7;
    out.spec.memory_bytes = number();
    out.spec.shm_bytes = number();
    out.spec.container_disk_bytes = number();
    out.spec.volume_bytes = number();
    out.spec.volume_path = text();
    out.spec.volume_of = PodId(text());
    out.spec.network_volume = text();
    out.spec.restart = any_enumerator<RestartPolicy>();
    return out;
  }
  ServerMessage server_message() {
    switch (below(11)) {
      case 10:
        return TunnelOpen{.token = text(), .pod = PodId(text()), .container_port = number<int>()};
      case 0:
        return pod_order();
      case 1:
        return ForgetPod{.pod = PodId(text()), .generation = number()};
      case 2:
        return RetireHost{};
      case 3: {
        ChannelOpen open{.channel = number<std::uint64_t>(), .log = {}, .exec = {}};
        open.log.pod = PodId(text());
        open.log.container = text();
        open.log.follow = flip();
        open.log.tail = maybe([this] { return number<int>(); });
        open.log.since = maybe([this] { return time(); });
        open.log.timestamps = flip();
        open.log.standard_output = flip();
        open.log.standard_error = flip();
        return open;
      }
      case 4:
        return ChannelCredit{.channel = number<std::uint64_t>(), .bytes = number()};
      case 5: {
        ChannelOpen open{.channel = number<std::uint64_t>(), .log = {}, .exec = ExecRequest{}};
        open.exec->pod = PodId(text());
        open.exec->container = text();
        open.exec->session = text();
        open.exec->resume = flip();
        open.exec->from = number<std::uint64_t>();
        open.exec->command = list([this] { return raw(); });
        open.exec->tty = flip();
        open.exec->columns = number<int>();
        open.exec->rows = number<int>();
        return open;
      }
      case 6:
        return ExecInput{number<std::uint64_t>(), number<std::uint64_t>(), raw(), flip()};
      case 7:
        return ExecResize{number<std::uint64_t>(), number<std::uint64_t>(), number<int>(), number<int>()};
      case 8:
        return ExecSeen{number<std::uint64_t>(), number<std::uint64_t>()};
      default:
        return channel_close();
    }
  }
  ChannelClose channel_close() {
    ChannelClose close{.channel = number<std::uint64_t>(), .reason = {}, .args = {}};
    why(close.reason, close.args);
    return close;
  }
  PodFacts pod_facts() {
    PodFacts out;
    out.pod = PodId(text());
    out.generation = number();
    out.run = number();
    out.phase = any_enumerator<PodPhase>();
    why(out.reason, out.args);
    out.containers = list([this] {
      ContainerFacts facts;
      facts.name = text();
      facts.container_id = text();
      facts.image_digest = text();
      facts.running = flip();
      facts.started_at = maybe([this] { return time(); });
      facts.finished_at = maybe([this] { return time(); });
      facts.exit_code = number<int>();
      facts.oom_killed = flip();
      facts.restarts = number<int>();
      return facts;
    });
    out.ports = list([this] {
      return PortFacts{.container_port = number<int>(), .host_port = number<int>(), .http = flip(), .address = text()};
    });
    out.pull_bytes_done = number();
    out.pull_bytes_total = number();
    out.pull_bytes_per_second = number();
    out.container_disk_used_bytes = number();
    out.next_restart = maybe([this] { return time(); });
    out.healthy = flip();
    out.volume_used_bytes = maybe([this] { return number(); });
    out.gpus = list([this] { return text(); });
    out.vcpus = number<int>();
    out.memory_bytes = number();
    return out;
  }
  MetricSlot metric_slot() {
    MetricSlot slot{.start = time(), .samples = number<int>(), .subjects = {}};
    slot.subjects = list([this] {
      MetricSubject subject;
      subject.kind = any_enumerator<MetricKind>();
      subject.pod = PodId(text());
      subject.part = text();
      subject.values = list([this] { return flip() ? not_measured : static_cast<float>(number<int>()); });
      return subject;
    });
    return slot;
  }
  AgentMessage agent_message() {
    switch (below(7)) {
      case 6: {
        Metrics metrics;
        metrics.number = number<std::uint64_t>();
        metrics.slots = list([this] { return metric_slot(); });
        metrics.now = maybe([this] { return metric_slot(); });
        return metrics;
      }
      case 0: {
        HostFacts facts;
        for (auto* text_field : {&facts.hostname, &facts.os, &facts.kernel, &facts.architecture, &facts.agent_version,
                                 &facts.boot_id, &facts.public_address, &facts.driver_version, &facts.cuda_version,
                                 &facts.engine_name, &facts.engine_version})
          *text_field = text();
        facts.cpus = number<int>();
        facts.memory_bytes = number();
        facts.disk_bytes = number();
        facts.gpus = list([this] {
          return GpuFacts{
              .uuid = text(), .type_id = text(), .bus = text(), .memory_bytes = number(), .simulated = flip()};
        });
        facts.container_disk_limit = flip();
        facts.network = text();
        facts.lends_volumes = flip();
        facts.network_volumes = flip();
        return Hello{.facts = facts};
      }
      case 4:
        return ExecState{number<std::uint64_t>(),
                         number<std::uint64_t>(),
                         flip(),
                         number<std::uint64_t>(),
                         maybe([this] { return number<int>(); }),
                         number<std::uint64_t>()};
      case 5:
        return ExecOutput{number<std::uint64_t>(), number<std::uint64_t>(), flip(), raw()};
      case 1: {
        Report report;
        report.sequence = number<std::uint64_t>();
        report.boot_id = text();
        report.sent_at = time();
        report.engine_reachable = flip();
        report.engine_error = text();
        report.disk_free_bytes = number();
        report.pods = list([this] { return pod_facts(); });
        report.stray_containers = list([this] { return text(); });
        report.gpus = list([this] {
          GpuReadingFacts gpu;
          gpu.uuid = text();
          gpu.utilisation_percent = number<int>();
          gpu.temperature_celsius = number<int>();
          gpu.power_watts = number<int>();
          gpu.memory_used_bytes = number();
          gpu.ecc_errors_uncorrected = number();
          gpu.events = list([this] { return text(); });
          return gpu;
        });
        return report;
      }
      case 2:
        return ChannelData{.channel = number<std::uint64_t>(), .bytes = raw()};
      default:
        return channel_close();
    }
  }

 private:
  std::mt19937_64 engine_;
};

// Through real bytes, so that what protobuf refuses to parse (a bad string) shows.
template <class Wire, class Message>
std::optional<Message> there_and_back(const Message& message) {
  Wire sent, received;
  to_wire(message, sent);
  EXPECT_TRUE(received.ParseFromString(sent.SerializeAsString()));
  return from_wire(received);
}

TEST(Convert, EveryServerMessageArrivesAsItWas) {
  for (unsigned seed = 0; seed < 2000; ++seed) {
    Dice dice(seed);
    const auto message = dice.server_message();
    ASSERT_EQ(there_and_back<wire::ServerToAgent>(message), message) << "seed " << seed;
  }
}

TEST(Convert, EveryAgentMessageArrivesAsItWas) {
  for (unsigned seed = 0; seed < 2000; ++seed) {
    Dice dice(seed);
    const auto message = dice.agent_message();
    ASSERT_EQ(there_and_back<wire::AgentToServer>(message), message) << "seed " << seed;
  }
}

TEST(Convert, EveryReasonTravelsByItsStableCode) {
  for (std::size_t i = 0; i < reason_count(); ++i) {
    const AgentMessage message = ChannelClose{.channel = 1, .reason = static_cast<Reason>(i), .args = {{"a", "b"}}};
    EXPECT_EQ(there_and_back<wire::AgentToServer>(message), message);
  }
}

TEST(Convert, AReasonOfANewerPeerBecomesAnInternalErrorThatNamesIt) {
  wire::AgentToServer in;
  in.mutable_channel_close()->set_channel(7);
  in.mutable_channel_close()->mutable_why()->set_reason("gpu_on_fire");
  auto& arg = *in.mutable_channel_close()->mutable_why()->add_args();
  arg.set_name("gpu");
  arg.set_value("0");
  const auto out = from_wire(in);
  ASSERT_TRUE(out);
  const auto& close = std::get<ChannelClose>(*out);
  EXPECT_EQ(close.reason, Reason::internal_error);
  EXPECT_EQ(close.args, (Args{{"gpu", "0"}, {"unknown_reason", "gpu_on_fire"}}));
}

TEST(Convert, AnOrderWhoseDesiredStateIsUnknownIsNotObeyedByGuess) {
  wire::ServerToAgent in;
  in.mutable_pod_order()->set_pod("p");
  in.mutable_pod_order()->set_desired(static_cast<wire::Desired>(99));
  EXPECT_FALSE(from_wire(in));
  in.mutable_pod_order()->clear_desired();
  EXPECT_FALSE(from_wire(in));
}

TEST(Convert, AnUnknownRestartPolicyKeepsTheWorkGoing) {
  wire::ServerToAgent in;
  in.mutable_pod_order()->set_desired(wire::DESIRED_RUNNING);
  in.mutable_pod_order()->mutable_spec()->set_restart(static_cast<wire::RestartPolicy>(42));
  const auto out = from_wire(in);
  ASSERT_TRUE(out);
  EXPECT_EQ(std::get<PodOrder>(*out).spec.restart, RestartPolicy::always);
}

TEST(Convert, AnUnknownPhaseIsReadFromItsContainersAndSaysSo) {
  wire::AgentToServer in;
  auto& pod = *in.mutable_report()->add_pods();
  pod.set_phase(static_cast<wire::PodPhase>(77));
  auto out = from_wire(in);
  ASSERT_TRUE(out);
  EXPECT_EQ(std::get<Report>(*out).pods.at(0).phase, PodPhase::accepted);
  pod.add_containers()->set_running(true);
  out = from_wire(in);
  EXPECT_EQ(std::get<Report>(*out).pods.at(0).phase, PodPhase::running);
  EXPECT_EQ(std::get<Report>(*out).pods.at(0).args, (Args{{"unknown_phase", "77"}}));
}

TEST(Convert, AMessageKindOfANewerPeerIsDropped) {
  wire::ServerToAgent in;
  ASSERT_TRUE(in.ParseFromString(std::string("\xFA\x3E\x02hi", 5)));  // field 1007, never ours
  EXPECT_FALSE(from_wire(in));
}

TEST(Convert, WordsOfABrokenProgramStillTravel) {
  Report report;
  report.engine_error = "exec: \xFF\xFE\xC3";  // e.g. a file name in another encoding
  report.stray_containers = {"ok", "\xED\xA0\x80"};
  const auto out = there_and_back<wire::AgentToServer>(AgentMessage(report));
  ASSERT_TRUE(out);
  EXPECT_EQ(std::get<Report>(*out).engine_error, "exec: \xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");
  EXPECT_EQ(std::get<Report>(*out).stray_containers.at(0), "ok");
}

TEST(Convert, DamagedBytesNeverCrash) {
  const google::protobuf::LogSilencer silence;  // it complains of every damaged string
  std::size_t understood = 0;
  for (unsigned seed = 0; seed < 4000; ++seed) {
    Dice dice(seed);
    wire::ServerToAgent order;
    wire::AgentToServer report;
    to_wire(dice.server_message(), order);
    to_wire(dice.agent_message(), report);
    for (auto bytes : {order.SerializeAsString(), report.SerializeAsString()}) {
      for (auto hits = 1 + dice.below(4); hits > 0 && !bytes.empty(); --hits)
        bytes[dice.below(bytes.size())] = static_cast<char>(dice.below(256));
      if (order.ParseFromString(bytes)) understood += from_wire(order).has_value();
      if (report.ParseFromString(bytes)) understood += from_wire(report).has_value();
    }
  }
  EXPECT_GT(understood, 0u);
}

}  // namespace
}  // namespace gyre::link
