// What the server and an agent say to each other, as plain data. On the wire it is proto/agent/v1/agent.proto; in the
// simulator these structs travel as they are. Every message may be lost, doubled or late: orders carry a generation,
// reports a sequence, and both sides send the whole state again rather than a change.
#pragma once

#include <algorithm>
#include <bit>
#include <boost/describe.hpp>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/ids.hpp"
#include "base/reasons.hpp"
#include "base/time.hpp"

namespace gyre::link {

// ---- server to agent ----

struct PortOrder {
  int container_port = 0;
  bool http = false;  // reached through the proxy; else a TCP port mapped on the host
  bool operator==(const PortOrder&) const = default;
};

struct ContainerOrder {
  std::string name;   // unique in the pod; the first is the main one and owns the pod's network
  std::string image;  // as the user wrote it; pinned by the agent to the digest of its first pull (`image_digest`)
  std::optional<std::vector<std::string>> entrypoint, command;  // absent: the image's own
  std::map<std::string, std::string> env;                       // complete, RUNPOD_* included
  std::string registry_user, registry_password;  // empty: anonymous; never logged, not in the journal's clear text log
  bool operator==(const ContainerOrder&) const = default;
};

enum class RestartPolicy { always, on_failure, never };
BOOST_DESCRIBE_ENUM(RestartPolicy, always, on_failure, never)

struct PodSpec {
  WorkspaceId workspace;  // its network is named after it
  std::string hostname;   // podHostId
  std::vector<ContainerOrder> containers;
  std::vector<PortOrder> ports;
  std::vector<std::string> gpus;  // UUIDs on this host; empty: none
  double vcpus = 0;               // for the whole pod, given to each of its containers as the limit
  std::int64_t memory_bytes = 0;
  std::int64_t shm_bytes = 0;
  std::int64_t container_disk_bytes = 0;
  std::int64_t volume_bytes = 0;  // 0: no local volume
  std::string volume_path;        // mount path inside
  // Whose volume is mounted there instead of one of its own (then volume_bytes is 0): neither made nor removed by this
  // order. An agent that does not say HostFacts::lends_volumes would leave it out.
  PodId volume_of;
  // The network volume that is mounted there instead (then volume_bytes is 0); its folder stands on storage that the
  // host shares with the server. An agent that does not say HostFacts::network_volumes has none.
  std::string network_volume;
  RestartPolicy restart = RestartPolicy::always;
  bool operator==(const PodSpec&) const = default;
};

enum class Desired { running, stopped, deleted };
BOOST_DESCRIBE_ENUM(Desired, running, stopped, deleted)

// What shall be. An order with a lower generation than one already obeyed is refused; an equal one changes nothing.
// `run` counts incarnations of the containers: another run means new containers from the image, with an empty container
// disk; the same run means those that are there, whatever happened to the agent in between.
struct PodOrder {
  PodId pod;
  std::int64_t generation = 0;
  std::int64_t run = 0;
  Desired desired = Desired::running;
  PodSpec spec;               // also with stopped and deleted, so that an agent without a journal knows what to remove
  Duration stop_grace{5000};  // between the stop signal and SIGKILL
  bool operator==(const PodOrder&) const = default;
};

struct ForgetPod {  // the server has recorded the deletion; the agent need not report the pod again
  PodId pod;
  std::int64_t generation = 0;
  bool operator==(const ForgetPod&) const = default;
};

// Finish: report no more, keep nothing running that is not a pod, exit. Pods are deleted before.
struct RetireHost {
  bool operator==(const RetireHost&) const = default;
};

// A channel carries bytes of one conversation (a log; later exec and tunnels). Either side sends at most what the other
// has credited (256 KiB at the start), so that a slow reader holds no memory.
struct LogRequest {
  PodId pod;
  std::string container;  // empty: the main one
  bool follow = false;
  std::optional<int> tail;
  std::optional<Time> since;
  bool timestamps = false;
  bool standard_output = true, standard_error = true;
  bool operator==(const LogRequest&) const = default;
};
// A program in a running container, with its input and output: a session. It belongs to the agent and outlives the
// connections to it by five minutes; offsets in both directions make each byte arrive once. `session` is chosen by the
// server and cannot be guessed. `resume`: the session is there already, go on at byte `from` of its output.
struct ExecRequest {
  PodId pod;
  std::string container;  // empty: the main one
  std::string session;
  bool resume = false;
  std::uint64_t from = 0;
  std::vector<std::string> command;
  bool tty = false;
  int columns = 0, rows = 0;  // of the terminal; 0: unknown
  bool operator==(const ExecRequest&) const = default;
};
struct ChannelOpen {
  std::uint64_t channel = 0;  // chosen by the server, never used twice on one host; a later one has a higher number
  LogRequest log;
  std::optional<ExecRequest> exec;  // instead of the log
  bool operator==(const ChannelOpen&) const = default;
};
struct ChannelData {
  std::uint64_t channel = 0;
  std::string bytes;
  bool operator==(const ChannelData&) const = default;
};
struct ChannelCredit {
  std::uint64_t channel = 0;
  std::int64_t bytes = 0;  // so many more may be sent
  bool operator==(const ChannelCredit&) const = default;
};
struct ChannelClose {
  std::uint64_t channel = 0;
  std::optional<Reason> reason;  // absent: came to its proper end
  Args args;
  bool operator==(const ChannelClose&) const = default;
};
inline constexpr std::int64_t channel_window_bytes = 256 * 1024;

// The slots of that Metrics message are written down and need not be sent again. May be lost: they are sent again then,
// and a slot that comes twice is the same slot.
struct MetricsTaken {
  std::uint64_t number = 0;
  bool operator==(const MetricsTaken&) const = default;
};

// Somebody wants to reach a port of a pod, and the server cannot reach the host: the agent connects to it and opens a
// carry (carry.hpp) with this token, or opens one that says why it cannot. Lost: the asker is told after a while.
struct TunnelOpen {
  std::string token;  // good once, on the host that it was sent to
  PodId pod;
  int container_port = 0;  // an HTTP port of its order
  bool operator==(const TunnelOpen&) const = default;
};

// What the user types, from byte `offset` of the session's input on. Sent again until ExecState says it was taken.
struct ExecInput {
  std::uint64_t channel = 0, offset = 0;
  std::string bytes;
  bool end = false;  // nothing follows these bytes
  bool operator==(const ExecInput&) const = default;
};
struct ExecResize {
  std::uint64_t channel = 0, number = 0;  // a lower number than one already obeyed is late
  int columns = 0, rows = 0;
  bool operator==(const ExecResize&) const = default;
};
// The client has everything before `offset` of the output; the agent need not keep it, and may send so much more.
struct ExecSeen {
  std::uint64_t channel = 0, offset = 0;
  bool operator==(const ExecSeen&) const = default;
};

using ServerMessage = std::variant<PodOrder, ForgetPod, RetireHost, ChannelOpen, ChannelCredit, ChannelClose,
                                   MetricsTaken, TunnelOpen, ExecInput, ExecResize, ExecSeen>;

// ---- agent to server ----

struct GpuFacts {
  std::string uuid, type_id, bus;
  std::int64_t memory_bytes = 0;
  bool simulated = false;
  bool operator==(const GpuFacts&) const = default;
};

// What the machine is; sent on every connection and whenever it changes.
struct HostFacts {
  std::string hostname, os, kernel, architecture, agent_version, boot_id;
  std::string public_address;  // where mapped ports are reached
  int cpus = 0;
  std::int64_t memory_bytes = 0, disk_bytes = 0;
  std::vector<GpuFacts> gpus;
  std::string driver_version, cuda_version;  // empty without NVIDIA
  std::string engine_name, engine_version;
  bool container_disk_limit = false;
  std::string network;  // of the agent's process: two that say the same reach each other on 127.0.0.1; empty: not known
  bool lends_volumes = false;    // understands PodSpec::volume_of
  bool network_volumes = false;  // has the storage that network volumes are on
  bool operator==(const HostFacts&) const = default;
};

// How far a pod is, as the agent sees it.
enum class PodPhase {
  accepted,  // journaled, nothing done yet
  pulling,
  starting,
  running,      // all its containers run
  backing_off,  // a container exited; it is started again at `next_restart`
  stopping,
  stopped,  // no container is left; the local volume is
  exited,   // the main container ended and the restart policy lets it rest
  failed,   // cannot run; `reason` says why; no container runs (the last one is kept for its log)
  deleted,  // no container, network or volume of it is left
};
BOOST_DESCRIBE_ENUM(PodPhase, accepted, pulling, starting, running, backing_off, stopping, stopped, exited, failed,
                    deleted)

struct PortFacts {
  int container_port = 0, host_port = 0;
  bool http = false;
  std::string address;  // of an HTTP port: where it is bound beside 127.0.0.1; empty: nowhere
  bool operator==(const PortFacts&) const = default;
};

struct ContainerFacts {
  std::string name, container_id, image_digest;
  bool running = false;
  std::optional<Time> started_at, finished_at;
  int exit_code = 0;
  bool oom_killed = false;
  int restarts = 0;
  bool operator==(const ContainerFacts&) const = default;
};

struct PodFacts {
  PodId pod;
  std::int64_t generation = 0;  // of the order it obeys
  std::int64_t run = 0;         // of the containers that are there
  PodPhase phase = PodPhase::accepted;
  std::optional<Reason> reason;  // why it is in this phase, when there is something to say
  Args args;
  std::vector<ContainerFacts> containers;
  std::vector<PortFacts> ports;
  std::int64_t pull_bytes_done = 0, pull_bytes_total = 0, pull_bytes_per_second = 0;
  std::int64_t container_disk_used_bytes = 0;
  std::optional<Time> next_restart;
  bool healthy = false;                           // every exposed port that can be tried accepts a connection
  std::optional<std::int64_t> volume_used_bytes;  // absent: not known
  std::vector<std::string> gpus;                  // UUIDs of the GPUs its containers have
  double vcpus = 0;                               // as ordered
  std::int64_t memory_bytes = 0;
  bool operator==(const PodFacts&) const = default;
};

struct GpuReadingFacts {
  std::string uuid;
  int utilisation_percent = 0, temperature_celsius = 0, power_watts = 0;
  std::int64_t memory_used_bytes = 0, ecc_errors_uncorrected = 0;
  std::vector<std::string> events;
  bool operator==(const GpuReadingFacts&) const = default;
};

struct Hello {
  HostFacts facts;
  bool operator==(const Hello&) const = default;
};
// Everything, every time. While `engine_reachable` is false the pods are as last seen and no conclusion may be drawn.
struct Report {
  std::uint64_t sequence = 0;  // grows over the life of the host, restarts of the agent included
  std::string boot_id;
  Time sent_at{};
  bool engine_reachable = false;
  std::string engine_error;
  std::int64_t disk_free_bytes = 0;
  std::vector<PodFacts> pods;
  std::vector<std::string> stray_containers;  // containers with our label that no order speaks of; left alone
  std::vector<GpuReadingFacts> gpus;
  bool operator==(const Report&) const = default;
};

// ---- what was measured ----

inline constexpr Duration metric_slot{10'000};
inline constexpr float not_measured = std::numeric_limits<float>::quiet_NaN();

// Whose values these are, and which: the places in MetricSubject::values. New ones go to the end.
enum class MetricKind { pod, container, gpu, host };
BOOST_DESCRIBE_ENUM(MetricKind, pod, container, gpu, host)
// cpu: percent of all vCPUs assigned (of the host: of all it has); memory, disk, volume: MB of 1,000,000 bytes;
// network: Kbps of 1,000 bits.
enum class PodMetric { cpu, memory, network_received, network_sent, container_disk, volume };
BOOST_DESCRIBE_ENUM(PodMetric, cpu, memory, network_received, network_sent, container_disk, volume)
enum class ContainerMetric { cpu, memory };
BOOST_DESCRIBE_ENUM(ContainerMetric, cpu, memory)
enum class GpuMetric { utilisation, memory, temperature, power };  // percent, MB, degrees Celsius, watts
BOOST_DESCRIBE_ENUM(GpuMetric, utilisation, memory, temperature, power)
enum class HostMetric { cpu, memory, disk_free };
BOOST_DESCRIBE_ENUM(HostMetric, cpu, memory, disk_free)

struct MetricSubject {
  MetricKind kind = MetricKind::pod;
  PodId pod;                  // of pods, containers, and GPUs that a pod has
  std::string part;           // container's name, GPU's UUID
  std::vector<float> values;  // by the kind's enum; NaN: not measured, which is not zero
  // The same bits: NaN equals NaN.
  bool operator==(const MetricSubject& other) const;
};
// The mean of the samples of ten seconds that begin at `start`. Of one start the slot with more samples counts.
struct MetricSlot {
  Time start{};
  int samples = 0;
  std::vector<MetricSubject> subjects;
  bool operator==(const MetricSlot&) const = default;
};
// Sent every few seconds. `slots` are kept by the agent, bounded, and sent again until MetricsTaken names their
// message; `now` is the last sample alone, for who looks on, and is lost for good when it is lost.
struct Metrics {
  std::uint64_t number = 0;  // grows while the agent lives
  std::vector<MetricSlot> slots;
  std::optional<MetricSlot> now;
  bool operator==(const Metrics&) const = default;
};

inline bool MetricSubject::operator==(const MetricSubject& other) const {
  return kind == other.kind && pod == other.pod && part == other.part &&
         std::equal(values.begin(), values.end(), other.values.begin(), other.values.end(), [](float a, float b) {
           return std::bit_cast<std::uint32_t>(a) == std::bit_cast<std::uint32_t>(b);
         });
}

// How far a session is; sent whenever it changes, and again while it is not acknowledged. The first one says that the
// channel leads to its session.
struct ExecState {
  std::uint64_t channel = 0;
  std::uint64_t input = 0;       // bytes of the input that the program has been given
  bool input_ended = false;      // ... and their end
  std::uint64_t resized = 0;     // number of the last resize obeyed
  std::optional<int> exit_code;  // the program has ended ...
  std::uint64_t output_end = 0;  // ... after so many bytes of output
  bool operator==(const ExecState&) const = default;
};
struct ExecOutput {
  std::uint64_t channel = 0, offset = 0;
  bool error = false;  // standard error; a terminal has only standard output
  std::string bytes;
  bool operator==(const ExecOutput&) const = default;
};

using AgentMessage = std::variant<Hello, Report, ChannelData, ChannelClose, Metrics, ExecState, ExecOutput>;

}  // namespace gyre::link
