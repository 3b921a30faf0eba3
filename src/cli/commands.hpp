// gyre pod ... and gyre host ...: each verb is one function over the API. They return the exit code and have said
// everything by then.
#pragma once

#include <boost/json/fwd.hpp>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "cli/api.hpp"
#include "cli/terminal.hpp"
#include "cli/wait.hpp"

namespace gyre::cli {

struct PodCreateFlags {
  std::string image, name, file;  // file: a JSON body to begin with, "-" is standard input
  std::vector<std::string> gpu_types;
  std::optional<int> gpus, vcpus;
  bool cpu = false;
  std::vector<std::string> env;  // K=V, or K to take it from this environment
  std::string env_file;
  std::vector<std::string> ports, entrypoint, command;
  std::optional<int> disk_gb, volume_gb;
  std::optional<double> shm_gb;
  std::string mount, restart, min_cuda;
  bool dry_run = false;
};

// The request body; refuses what could not be meant, naming the flag.
Result<boost::json::object> create_body(const PodCreateFlags& flags,
                                        const std::map<std::string, std::string>& environment);

// KEY=VALUE a line, # comments, as `docker run --env-file` reads them.
Result<std::vector<std::string>> read_env_file(const std::string& file);

struct WaitFlags {
  bool wait = false;
  Duration timeout{0};  // 0: for ever
};

struct PodListFlags {
  std::vector<std::string> filters;  // "status=running"
  std::string sort, cursor;
  int limit = 0;  // 0: all there are, page by page
};

struct PodLogFlags {
  std::string container, since, stream;
  bool follow = false, timestamps = false;
  std::optional<int> tail;
};

struct Commands {
  Api& api;
  const Terminal& terminal;
  std::map<std::string, std::string> environment;
  std::stop_token stop;                  // Ctrl C
  std::function<std::string()> new_key;  // for Idempotency-Key: never the same twice
  std::function<Time()> now;
};

int pod_create(Commands& c, const PodCreateFlags& flags, const WaitFlags& wait);
int pod_list(Commands& c, const PodListFlags& flags);
int pod_get(Commands& c, const std::string& pod, const WaitFlags& wait);
int pod_logs(Commands& c, const std::string& pod, const PodLogFlags& flags);
enum class PodVerb { start, stop, restart, reset };
int pod_verb(Commands& c, PodVerb verb, const std::string& pod, std::optional<int> gpus, const WaitFlags& wait);
int pod_delete(Commands& c, const std::vector<std::string>& pods, bool yes, const WaitFlags& wait);

int host_list(Commands& c);
int host_get(Commands& c, const std::string& host);
int host_token(Commands& c, const std::string& name);
int host_drain(Commands& c, const std::string& host, bool drain);
int host_retire(Commands& c, const std::string& host, bool force, bool yes);

}  // namespace gyre::cli
