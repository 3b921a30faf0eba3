// The port to what runs containers on one host: Docker or Podman (docker_engine.hpp), later a Kubernetes cluster or an
// OCI runtime; in tests the fake (fake_engine.hpp), which passes the same contract tests as the real ones.
//
// Every call returns at once; `done` comes back on the core thread, exactly once, also when the engine is unreachable
// (Reason::engine_unreachable: nothing is known to have happened, ask again with `list`). Calls are idempotent where
// the outcome can be named: creating a network or volume that exists, starting what runs, stopping or removing what is
// gone all succeed. Callers own nothing of the engine's; the engine must outlive calls in flight.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <boost/describe.hpp>
#include <memory>
#include <string_view>

#include "base/result.hpp"
#include "base/time.hpp"

namespace gyre::engine {

template <class T>
using Done = std::function<void(Result<T>)>;

using Labels = std::map<std::string, std::string>;

struct EngineInfo {
  std::string name;         // "docker", "podman", "fake"
  std::string version;      // "20.10.24"
  std::string api_version;  // "1.41"
  std::string storage_driver;
  std::string data_path;              // where it keeps images, containers and volumes; empty: it does not say
  bool container_disk_limit = false;  // the file system can bound a container's own layer (overlay2 on xfs with pquota)
  bool live_restore = false;          // containers outlive a restart of the engine
  bool cdi = false;                   // GPUs can be given by CDI names
  bool nvidia_runtime = false;        // GPUs can be given by device request
};

struct RegistryLogin {
  std::string username;
  std::string password;  // never logged
};

// Sums over the layers of one image; `bytes_total` grows as the engine learns the size of further layers.
struct PullProgress {
  int layers_total = 0;
  int layers_done = 0;
  std::int64_t bytes_total = 0;
  std::int64_t bytes_done = 0;
  std::string phase;  // "resolving", "downloading", "extracting"
};

struct Image {
  std::string id;      // "sha256:..." of the config
  std::string digest;  // "sha256:..." of the manifest, for pinning; empty for an image built on this host
  std::string os, architecture;
  std::vector<std::string> entrypoint, command;
  std::vector<std::string> exposed_ports;  // "8888/tcp"
  std::int64_t bytes = 0;
};

struct PortBinding {
  int container_port = 0;
  bool udp = false;
  std::string host_address;  // "0.0.0.0", "127.0.0.1"
  int host_port = 0;         // 0: the engine picks a free one
};

struct Mount {
  enum class Kind { volume, tmpfs, folder };
  Kind kind = Kind::volume;
  std::string volume;  // the name of a volume made with create_volume
  std::string folder;  // of the host, which must be there; which ones are allowed is for the caller to say
  std::string path;    // inside the container
  bool read_only = false;
  std::int64_t bytes = 0;  // tmpfs only
};

// What a container is allowed; the engine adds its own hardening for every container and there is no way to ask for
// less: no privileged mode, no new privileges, the default seccomp profile, and only the capabilities in
// docker_engine.cpp.
struct ContainerSpec {
  std::string name;  // unique on the engine: "gyre-<pod>-<container>-<generation>"
  Labels labels;
  std::string image;  // what to run: a local image id or reference that has been pulled
  std::optional<std::vector<std::string>> entrypoint;  // absent: the image's own
  std::optional<std::vector<std::string>> command;     // absent: the image's own
  std::map<std::string, std::string> env;
  std::string hostname;
  std::string network;             // a network made with create_network ...
  std::string share_network_with;  // ... or the id of the container whose network this one shares (then no ports)
  std::vector<PortBinding> ports;
  std::vector<Mount> mounts;
  std::vector<std::string> gpus;     // UUIDs; simulated ones are marked by the caller and never reach the engine
  std::vector<std::string> devices;  // device files of this host, to read and write, under the same path inside
  double cpus = 0;                   // 0: no limit
  std::int64_t memory_bytes = 0;     // 0: no limit
  std::int64_t shm_bytes = 0;        // 0: the engine's default
  std::int64_t disk_bytes = 0;       // 0: no limit; ignored where EngineInfo::container_disk_limit is false
  int pids = 4096;
  std::string stop_signal = "SIGTERM";
};

enum class ContainerState { created, running, exited, removing };
BOOST_DESCRIBE_ENUM(ContainerState, created, running, exited, removing)

struct Container {
  std::string id;
  std::string name;
  Labels labels;
  std::string image_id;
  ContainerState state = ContainerState::created;
  std::optional<Time> started_at;
  std::optional<Time> finished_at;
  int exit_code = 0;
  bool oom_killed = false;
  std::string error;               // the engine's own words when a start failed
  std::string ip_address;          // on its network
  std::vector<PortBinding> ports;  // as bound
};

// What a running container has used since it was started; counters only grow while it runs.
struct ContainerStats {
  std::int64_t cpu_microseconds = 0;                // of all its processes
  std::int64_t memory_bytes = 0;                    // now, without file pages that could be dropped at once
  std::int64_t received_bytes = 0, sent_bytes = 0;  // of its network; zero for one that shares another's
};

struct LogOptions {
  bool follow = false;
  std::optional<int> tail;  // last N lines; absent: all
  std::optional<Time> since;
  bool timestamps = false;  // prefix every line with RFC 3339 time and a space
  bool standard_output = true, standard_error = true;
};

enum class Output { standard_output, standard_error };

// A stream that goes on until it ends or is dropped. Dropping it (destroying the handle) stops the callbacks.
class Subscription {
 public:
  virtual ~Subscription() = default;
  // Back-pressure: while paused the engine holds at most a fixed window and reads no more from its source.
  virtual void pause() {}
  virtual void resume() {}
};

// A program started in a running container, beside the container's own.
struct ExecOptions {
  std::vector<std::string> command;
  bool tty = false;           // a terminal: one output, echo, signals from keys
  int columns = 0, rows = 0;  // of the terminal; 0: the engine's default
};

// Its input, while it runs. pause() and resume() hold back its output, so that it waits when nobody reads. Destroying
// this gives the program up: it gets SIGHUP, and SIGKILL some seconds later if it is still there.
class ExecProcess : public Subscription {
 public:
  virtual void write(std::string bytes) = 0;  // in order; the caller bounds what is under way by ExecEvents::taken
  virtual void end_input() = 0;               // after what was written; what is written later is dropped
  virtual void resize(int columns, int rows) = 0;
};

struct ExecEvents {
  // The name that Engine::end_exec knows it by, before it starts; false: it shall not. When not given, it just starts.
  std::function<bool(const std::string& exec)> made;
  std::function<void(Output, std::string_view)> chunk;
  std::function<void(std::size_t bytes)> taken;  // of the input: they are with the program (or it wants no more)
  // The exit code, after all output. 126 and 127: the command could not be run, with the words in the output or as
  // command_not_found. Errors: container_not_found, container_not_running, engine_refused, engine_unreachable.
  Done<int> end;
};

struct ContainerEvent {
  std::string container_id;
  std::string action;  // "start", "die", "oom", "destroy"
  Labels labels;
};

class Engine {
 public:
  virtual ~Engine() = default;

  virtual void info(Done<EngineInfo> done) = 0;

  // Pulls for linux/amd64. Concurrent pulls of one reference share the download. Refusals: image_not_found,
  // image_access_denied, image_wrong_platform, registry_unreachable, each with the registry's words.
  virtual void pull(std::string reference, std::optional<RegistryLogin> login,
                    std::function<void(const PullProgress&)> progress, Done<Image> done) = 0;
  virtual void image(std::string reference, Done<std::optional<Image>> done) = 0;  // what is on this host already

  virtual void create_network(std::string name, Labels labels,
                              Done<void> done) = 0;  // isolated bridge of one workspace
  virtual void remove_network(std::string name, Done<void> done) = 0;
  virtual void create_volume(std::string name, Labels labels, Done<void> done) = 0;
  virtual void remove_volume(std::string name, Done<void> done) = 0;

  virtual void create(ContainerSpec spec, Done<std::string> done) = 0;  // the container's id; an equal name returns it
  virtual void start(std::string id, Done<void> done) = 0;
  virtual void stop(std::string id, Duration grace, Done<void> done) = 0;  // stop signal, grace, SIGKILL
  virtual void remove(std::string id, Done<void> done) = 0;                // running: killed first; with its layer

  virtual void list(Labels having, Done<std::vector<Container>> done) = 0;  // also those that do not run
  virtual void disk_used(std::string id, Done<std::int64_t> done) = 0;      // bytes of the container's own layer
  // Bytes on disk of all files of a volume. volume_not_found; engine_refused when its files cannot be looked at from
  // here (an agent that may not read the engine's folder).
  virtual void volume_used(std::string name, Done<std::int64_t> done) = 0;
  // Absent for one that does not run. Milliseconds.
  virtual void stats(std::string id, Done<std::optional<ContainerStats>> done) = 0;

  virtual std::unique_ptr<Subscription> logs(std::string id, LogOptions options,
                                             std::function<void(Output, std::string_view)> chunk, Done<void> end) = 0;
  virtual std::unique_ptr<ExecProcess> exec(std::string id, ExecOptions options, ExecEvents events) = 0;
  // Ends what exec() has started, by the name that ExecEvents::made told: SIGHUP, SIGKILL five seconds later. For what
  // an earlier process has left behind; the answer comes when it does not run any more, also when nobody knows it.
  virtual void end_exec(std::string exec, Done<void> done) = 0;
  // Hints that something changed; may miss any. `end` when the engine goes away.
  virtual std::unique_ptr<Subscription> events(Labels having, std::function<void(const ContainerEvent&)> event,
                                               Done<void> end) = 0;
};

}  // namespace gyre::engine
