// An engine in memory for tests and the simulator: it obeys the same contract tests as Docker and Podman, runs in the
// virtual or real time of its Runtime, and can be made slow, unreachable, forgetful, full or rebooted. Beside the
// Engine interface it shows what a test wants to know: what runs, what was started when and ended why, who holds which
// GPU.
//
//   FakeRegistry registry;                        // one for the whole world
//   registry.push("team/train:1", {.program = fake_program({.lines = {"hello"}, .exits_after = 5s, .exit_code = 3})});
//   FakeEngine engine(runtime, registry);         // one for each host
//
// Core thread only. The registry must outlive its engines; destroying an engine drops calls in flight.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "engine/engine.hpp"
#include "runtime/runtime.hpp"

namespace gyre::engine {

// What a container does once it runs. Times count from its start.
struct FakeProgram {
  std::vector<std::string> lines, error_lines;  // written to standard output and standard error at the start
  std::string repeated_line;                    // ... and this one again and again
  Duration repeat_every{0};                     // 0: never
  std::optional<Duration> exits_after;          // absent: runs until it is stopped
  int exit_code = 0;                            // of its own exit
  bool ignores_stop = false;                    // only SIGKILL ends it
  Duration stops_after{20};                     // from the stop signal to its exit, when it obeys
  int stop_code = 143;                          // the exit code when it obeys
  std::set<int> listens;                        // TCP ports it accepts connections on ...
  Duration listens_after{0};                    // ... from then on
  std::int64_t disk_bytes_per_second = 0;       // written to the container's own layer for as long as it runs
  std::int64_t volume_bytes_per_second = 0;     // written to its first volume for as long as it runs
  double busy_cpus = 0;                         // vCPUs it keeps busy
  std::int64_t memory_bytes = 0;
  std::int64_t received_bytes_per_second = 0, sent_bytes_per_second = 0;
  std::string cannot_start;  // not empty: the start fails with these words
};

// A program from what the container was given: its command, its environment.
using FakeProgramOf = std::function<FakeProgram(const ContainerSpec&)>;
inline FakeProgramOf fake_program(FakeProgram program) {
  return [program = std::move(program)](const ContainerSpec&) { return program; };
}

// What a program started with Engine::exec does; the default is `cat`.
struct FakeExec {
  std::string output, error_output;  // written at once
  bool echoes = true;                // its input is its output
  bool tells_size = false;           // writes "ROWS COLUMNS\n" for each size of its terminal
  bool stops_reading = false;        // takes no input, as one that is busy
  bool ends_with_input = true;
  std::optional<Duration> exits_after;
  int exit_code = 0;
  bool cannot_start = false;  // there is no such command
};

struct FakeImage {
  FakeProgramOf program = fake_program({});
  std::function<FakeExec(const std::vector<std::string>& command)> exec;  // absent: `cat`
  std::string os = "linux", architecture = "amd64";
  std::vector<std::string> entrypoint, command, exposed_ports;
  int layers = 3;
  std::int64_t bytes = 30'000'000;
  std::int64_t bytes_per_second = 100'000'000;  // how fast the registry sends it
  std::optional<RegistryLogin> login;           // needed to pull it
};

// The images of the world. A pushed image replaces the one of that name; the old one stays reachable by its digest.
class FakeRegistry {
 public:
  std::string push(const std::string& reference,
                   FakeImage image);  // the digest, to be pulled as "team/train@sha256:..."
  void remove(const std::string& reference);
  void down() { reachable_ = false; }
  void up() { reachable_ = true; }
  std::int64_t downloads() const { return downloads_; }  // how often an image was sent, layers in common not considered

 private:
  friend class FakeEngine;
  struct Stored {
    FakeImage fake;
    Image image;
  };
  const Stored* find(const std::string& reference) const;

  bool reachable_ = true;
  std::int64_t downloads_ = 0;
  std::int64_t pushes_ = 0;
  std::map<std::string, std::shared_ptr<const Stored>> stored_;  // by reference, and by repository@digest
};

// How hostile an engine is. Probabilities are in [0, 1] and drawn for every call.
struct FakeFaults {
  Duration latency_min{1}, latency_max{5};  // each way, uniform
  double lost_request = 0;                  // engine_unreachable, and nothing happened
  double lost_answer = 0;                   // engine_unreachable, but it happened
  double refused = 0;                       // engine_refused on create, start, stop and remove, and nothing happened
  double lost_event = 0;
};

// One program that was started in a container.
struct FakeExecRun {
  std::string container_id;
  std::vector<std::string> command;
  std::string input;  // all it was given
  bool input_ended = false;
  int columns = 0, rows = 0;
  bool running = true;
  bool given_up = false;  // ended because nobody wanted it any more: its handle was destroyed, or end_exec
};

struct FakeEngineConfig {
  EngineInfo info{.name = "fake",
                  .version = "1.0.0",
                  .api_version = "1.41",
                  .storage_driver = "memory",
                  .data_path = "/var/lib/fake",
                  .container_disk_limit = false,
                  .live_restore = true,
                  .cdi = false,
                  .nvidia_runtime = true};
  FakeFaults faults;
  Duration progress_every{200};  // how often a pull tells how far it is
  Duration exec_time{30};        // from the call to the running process
  int first_free_port = 32768;
};

// How a run of a container came to its end.
enum class FakeEnd { running, itself, stopped, killed, removed, crashed, out_of_memory, reboot };
BOOST_DESCRIBE_ENUM(FakeEnd, running, itself, stopped, killed, removed, crashed, out_of_memory, reboot)

// One line of the history: a container's process from its start to its end. `stopped` and `killed` followed a stop
// call, `removed` a remove call; `crashed`, `out_of_memory` and `reboot` were done by the test.
struct FakeRun {
  std::string container_id, name;
  Labels labels;
  std::vector<std::string> gpus;
  Time started{};
  std::optional<Time> ended;
  FakeEnd end = FakeEnd::running;
  int exit_code = 0;
};

class FakeEngine final : public Engine {
 public:
  FakeEngine(Runtime& runtime, FakeRegistry& registry, FakeEngineConfig config = {});
  ~FakeEngine() override;

  // ---- what a test does to it ----

  void set_faults(FakeFaults faults);
  // The engine's process is gone: calls in flight and streams end with engine_unreachable; containers go on.
  void down();
  void up();
  bool is_up() const;
  // The machine restarts: containers die, volumes and layers stay. The engine is back after `away`; until then down.
  void reboot(Duration away = Duration{0});
  void crash_container(const std::string& id, int exit_code);  // its process dies by itself
  void run_out_of_memory(const std::string& id);
  void fill_host_disk(bool full);  // pulls, creates and starts are refused with host_disk_full
  // The agent's process dies: what it holds is let go without a word to us, so that programs it has started go on.
  void forget_callers();
  void write_log(const std::string& id, Output output, const std::string& line);
  void write_file(const std::string& id, const std::string& path, const std::string& text);  // as the running container

  // ---- what a test asks ----

  std::optional<std::string> read_file(const std::string& id, const std::string& path) const;
  std::vector<Container> containers() const;  // all, oldest first
  std::vector<Container> running() const;
  std::optional<Container> container(const std::string& id_or_name) const;
  std::optional<ContainerSpec> spec(const std::string& id) const;  // as it was created
  const std::vector<FakeRun>& history() const;                     // every start since the engine was made
  std::map<std::string, Labels> networks() const;
  std::map<std::string, Labels> volumes() const;
  std::map<std::string, std::string> volume_files(const std::string& volume) const;  // path inside the volume -> text
  void add_folder(const std::string& path);  // of the host, for Mount::Kind::folder
  std::map<std::string, std::string> folder_files(const std::string& path) const;
  std::map<std::string, std::vector<std::string>> gpu_holders()
      const;                                      // UUID -> ids of running containers: one is right
  std::map<int, std::string> host_ports() const;  // host port -> id of the running container
  const std::vector<FakeExecRun>& execs() const;  // every program started beside a container's own
  std::int64_t memory_granted() const;            // sum of the limits of what runs
  bool accepts(int host_port) const;              // would a TCP connection to this port of the host be accepted?
  bool accepts(const std::string& address, int port) const;  // ... to a container's own address?
  std::int64_t calls() const;                                // Engine calls so far, failed ones included

  // ---- Engine ----

  void info(Done<EngineInfo> done) override;
  void pull(std::string reference, std::optional<RegistryLogin> login,
            std::function<void(const PullProgress&)> progress, Done<Image> done) override;
  void image(std::string reference, Done<std::optional<Image>> done) override;
  void create_network(std::string name, Labels labels, Done<void> done) override;
  void remove_network(std::string name, Done<void> done) override;
  void create_volume(std::string name, Labels labels, Done<void> done) override;
  void remove_volume(std::string name, Done<void> done) override;
  void create(ContainerSpec spec, Done<std::string> done) override;
  void start(std::string id, Done<void> done) override;
  void stop(std::string id, Duration grace, Done<void> done) override;
  void remove(std::string id, Done<void> done) override;
  void list(Labels having, Done<std::vector<Container>> done) override;
  void disk_used(std::string id, Done<std::int64_t> done) override;
  void volume_used(std::string name, Done<std::int64_t> done) override;
  void stats(std::string id, Done<std::optional<ContainerStats>> done) override;
  std::unique_ptr<Subscription> logs(std::string id, LogOptions options,
                                     std::function<void(Output, std::string_view)> chunk, Done<void> end) override;
  std::unique_ptr<ExecProcess> exec(std::string id, ExecOptions options, ExecEvents events) override;
  void end_exec(std::string exec, Done<void> done) override;
  std::unique_ptr<Subscription> events(Labels having, std::function<void(const ContainerEvent&)> event,
                                       Done<void> end) override;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace gyre::engine
