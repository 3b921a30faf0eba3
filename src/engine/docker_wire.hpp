// What is said to Docker and to Podman's compatible service, and what their answers mean: pure functions from and to
// text, so that every oddity of an engine is a test without one. docker_engine.cpp does the talking.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/engine.hpp"

namespace gyre::engine::docker {

// Who answers on the socket, as far as it changes what we say.
struct Peer {
  bool podman = false;
  std::string api_version;  // the one we speak: the lower of theirs and ours
  bool nvidia_runtime = false, cdi = false, container_disk_limit = false;
};

// The versions of Docker's API that we speak: Docker 20.10 and Podman 4 to what was current when this was written.
inline constexpr std::string_view api_version_min = "1.41", api_version_max = "1.47";
Result<std::string> negotiate(const std::string& theirs);

// ---- what is asked ----

std::string percent_encoded(std::string_view text);
std::string labels_filter(const Labels& having);  // {"label":["a=b"]}, to be percent-encoded
std::string events_filter(const Labels& having);
std::string log_query(const LogOptions& options);
std::string registry_auth(const RegistryLogin& login, const std::string& registry);  // the X-Registry-Auth header

// The body of POST /containers/create, with all of the hardening. `argv`, when not empty, is the whole command line
// (entrypoint and command) to be run instead of the image's own.
// `groups`: of the device files it is given, by number; without them only root could open those.
std::string container_body(const ContainerSpec& spec, const Peer& peer, const std::vector<std::string>& argv,
                           const std::vector<unsigned>& groups = {});
// For Docker's API, or for Podman's own: its compatible one leaves networks open to each other.
std::string network_body(const std::string& name, const std::string& bridge, const Labels& labels, const Peer& peer);
std::string volume_body(const std::string& name, const Labels& labels);
std::string exec_body(const ExecOptions& options);  // of POST /containers/ID/exec
std::string exec_start_body(const ExecOptions& options);

// ---- what is answered ----

std::string words(std::string_view body);  // the message of an error's body, made fit to be shown
// Podman 4.3 reads /proc/PID/cgroup of what it takes for running when it lists, inspects and starts, and refuses all of
// that when this one has just ended. It answers again as soon as it has heard of the end.
bool podman_missed_an_end(int status, std::string_view body);
// `mounts`: this host's /proc/self/mounts, as only the mount tells whether a file system has project quotas.
EngineInfo read_info(std::string_view version, std::string_view info, std::string_view mounts);
Result<Container> read_container(std::string_view inspect);
Image read_image(std::string_view inspect);                                                // without its digest
std::vector<std::string> image_environment(std::string_view inspect);                      // "PATH=/bin"
std::vector<std::string> repo_digests(std::string_view inspect, const std::string& name);  // of that repository
std::vector<std::string> read_ids(std::string_view list);
std::string read_id(std::string_view created_or_inspect);
std::int64_t layer_bytes(std::string_view inspect);
std::string volume_folder(std::string_view inspect);               // where its files are on this host
std::optional<ContainerStats> read_stats(std::string_view stats);  // absent: it does not run
bool has_labels(std::string_view inspect, const Labels& wanted);
struct ExecFacts {
  bool running = false;
  int exit_code = 0;
  std::int64_t pid = 0;  // as the engine's machine numbers it; 0: none
  std::string container_id;
};
ExecFacts read_exec(std::string_view inspect);
std::int64_t container_pid(std::string_view inspect);             // of its first process; 0: none
std::vector<PortBinding> wanted_ports(std::string_view inspect);  // those with a fixed port of the host
bool includes(const Labels& labels, const Labels& wanted);
std::optional<ContainerEvent> read_event(std::string_view line);

Error pull_error(const std::string& image, std::string_view words);
Error start_error(std::string_view words);
Error port_taken(const PortBinding& port, std::string_view words);
Error create_error(const ContainerSpec& spec, int status, std::string_view words);
bool in_use(std::string_view words);        // why a network or volume stays
bool no_container(std::string_view words);  // ... or why a start found nothing
std::optional<Error> platform_error(const std::string& image, const Image& pulled);

// Where a command could be in the image: itself when it has a slash, else in each folder of PATH. Empty: do not look,
// because a mount may bring it.
std::vector<std::string> command_places(const std::string& command, const std::vector<std::string>& environment,
                                        const ContainerSpec& spec);

// ---- streams ----

// Cuts a stream into lines; one that is longer than a mebibyte is dropped.
class Lines {
 public:
  void feed(std::string_view bytes, const std::function<void(std::string_view)>& line);

 private:
  std::string rest_;
  bool too_long_ = false;
};

// Ids of the networks of exactly this name in a list, those that containers are on first.
std::vector<std::string> network_ids(std::string_view list, const std::string& name);

// The layers of one pull, from the lines that the engine writes about them.
class PullTracker {
 public:
  void line(std::string_view json);
  PullProgress progress() const;
  PullProgress finished() const;  // the same at the end: Podman does not say of each layer that it is done
  const std::string& error() const { return error_; }    // the engine's words; empty while nothing is wrong
  const std::string& digest() const { return digest_; }  // Docker tells it, Podman does not

 private:
  struct Layer {
    std::int64_t total = 0, done = 0;
    bool downloaded = false, complete = false;
  };
  std::map<std::string, Layer> layers_;
  std::string error_, digest_;
};

// Takes apart the stream of a container without terminal: 8 bytes (which output, length) before every piece. Pieces are
// passed on as they come, never collected.
class LogFrames {
 public:
  // False when it is not such a stream.
  bool feed(std::string_view bytes, const std::function<void(Output, std::string_view)>& piece);

 private:
  std::string header_;
  std::size_t left_ = 0;
  Output output_ = Output::standard_output;
};

}  // namespace gyre::engine::docker
