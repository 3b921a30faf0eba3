// gyre pod, host, gpu, key, context: each verb is one function over the API. They return the exit code and have said
// everything by then.
#pragma once

#include <boost/json/fwd.hpp>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "cli/api.hpp"
#include "cli/context.hpp"
#include "cli/output.hpp"
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
  std::string mount, restart, min_cuda, network_volume, template_id, registry_auth;  // the last three: ids
  bool dry_run = false;
  bool spot = false;
  std::string bid;                          // dollars an hour for each GPU; says spot by itself
  std::string stop_after, terminate_after;  // spans or times
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

// What PATCH /v1/pods/{id} takes; what is not given stays as it is.
struct PodUpdateFlags {
  std::string name, image, mount, restart, env_file, file;
  std::vector<std::string> env, ports, entrypoint, command;
  std::optional<int> disk_gb, volume_gb;
  std::optional<bool> locked;
};
// Refuses an update of nothing. `env` is the pod's own before: what is given is put into it.
Result<boost::json::object> update_body(const PodUpdateFlags& flags, const boost::json::value& pod,
                                        const std::map<std::string, std::string>& environment);

struct PodListFlags {
  ListFlags show;  // filters go to the server: "status=running"
  std::string sort, cursor;
  int limit = 0;             // 0: all there are, page by page
  bool only_active = false;  // those that hold or wait for a GPU
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
  std::string context{};  // "local (http://127.0.0.1:8080)": said before anything is destroyed
};

// Before a command that destroys: says which server it means, and asks on a terminal. Empty: go on; else the exit code.
std::optional<int> ask_first(const Commands& c, const std::string& question, bool yes);

int pod_create(Commands& c, const PodCreateFlags& flags, const WaitFlags& wait);
int pod_list(Commands& c, const PodListFlags& flags);
int pod_get(Commands& c, const std::string& pod, const WaitFlags& wait);
// A pod by its id, or by its name when only one has it.
Outcome<boost::json::value> find_pod(Commands& c, const std::string& pod);
int pod_logs(Commands& c, const std::string& pod, const PodLogFlags& flags);
int pod_update(Commands& c, const std::string& pod, const PodUpdateFlags& flags, const WaitFlags& wait);
enum class PodVerb { start, stop, restart, reset };
struct PodStartFlags {
  std::optional<int> gpus;
  std::string bid;
};
int pod_verb(Commands& c, PodVerb verb, const std::string& pod, const PodStartFlags& start, const WaitFlags& wait);
int pod_delete(Commands& c, const std::vector<std::string>& pods, bool yes, const WaitFlags& wait);

int host_list(Commands& c, const ListFlags& flags);
int host_get(Commands& c, const std::string& host);
int host_token(Commands& c, const std::string& name, const std::string& data_center);
int host_place(Commands& c, const std::string& host, const std::string& data_center);
int host_drain(Commands& c, const std::string& host, bool drain);
int host_retire(Commands& c, const std::string& host, bool force, bool yes);

// gyre gpu: the types that hosts have, all that the catalogue knows, and their prices, which the operator sets.
struct GpuTypeFlags {
  std::string id, name, pool;  // id: exactly the driver's name
  std::int64_t memory_gb = 0;
};
struct PriceFlags {
  std::string secure, community, secure_spot, community_spot;  // dollars an hour for one GPU; "" none
  std::string from;                                            // RFC 3339; "" now
};
Result<boost::json::object> price_body(const PriceFlags& flags);  // refuses what is no amount, naming the flag
struct DataCenterFlags {
  std::string id, name, location, country;
};
int data_center_list(Commands& c, const ListFlags& flags);
int data_center_add(Commands& c, const DataCenterFlags& flags);
int gpu_list(Commands& c, const ListFlags& flags);
int gpu_types(Commands& c, const ListFlags& flags);
int gpu_get(Commands& c, const std::string& type);
int gpu_add(Commands& c, const GpuTypeFlags& flags);
int gpu_prices(Commands& c, const std::string& type, const ListFlags& flags);
int gpu_price(Commands& c, const std::string& type, const PriceFlags& flags);

int key_create(Commands& c, const std::string& name, bool read_only);
int key_list(Commands& c, const ListFlags& flags);
int key_enable(Commands& c, const std::string& key, bool enabled);  // by id, or by a name that only one has
int key_delete(Commands& c, const std::vector<std::string>& keys, bool yes);

// gyre sync: copies between a pod's volume and a bucket.
struct SyncFlags {
  std::string to, from;  // s3://BUCKET/PREFIX, one of them
  std::string path, region, endpoint_url;
  bool detach = false;
};
// The request body; keys come from the environment as the `aws` command takes them. Refuses what could not be meant,
// naming the flag or the variable.
Result<boost::json::object> sync_body(const std::string& pod, const SyncFlags& flags,
                                      const std::map<std::string, std::string>& environment);
int sync_create(Commands& c, const std::string& pod, const SyncFlags& flags);  // and follows its log, unless detached
int sync_list(Commands& c, const std::string& pod, const ListFlags& flags);    // of one pod, or of all
int sync_get(Commands& c, const std::string& sync);
int sync_logs(Commands& c, const std::string& sync, bool follow, std::optional<int> tail);
int sync_cancel(Commands& c, const std::vector<std::string>& syncs);  // those that have ended leave the list

// What pods are made from: templates, secrets, log-ins at registries, network volumes, endpoints. They are listed,
// shown and deleted in one way, by id or by a name that only one has.
struct Resource {
  std::string noun, path;  // "template", "/v1/templates"
  const Kind& (*kind)();
  Reason not_found;
  Word help, confirm;
};
const std::vector<Resource>& resources();
const Resource& resource(std::string_view noun);
int resource_list(Commands& c, const Resource& resource, const ListFlags& flags);
int resource_get(Commands& c, const Resource& resource, const std::string& id_or_name);
int resource_delete(Commands& c, const Resource& resource, const std::vector<std::string>& ids_or_names, bool yes);

struct TemplateFlags {
  std::string image, mount, registry_auth, env_file, file;  // file: a JSON body to begin with, "-" is standard input
  std::vector<std::string> env, ports, command;
  std::optional<int> disk_gb, volume_gb;
  bool serverless = false;
};
Result<boost::json::object> template_body(const std::string& name, const TemplateFlags& flags,
                                          const std::map<std::string, std::string>& environment);
int template_create(Commands& c, const std::string& name, const TemplateFlags& flags);
// `file`: where the value or the password stands; empty is standard input, so that no shell's history has it.
int secret_create(Commands& c, const std::string& name, const std::string& file, const std::string& description);
int registry_create(Commands& c, const std::string& name, const std::string& username, const std::string& file);
int volume_create(Commands& c, const std::string& name, std::int64_t size_gb, const std::string& data_center);
int volume_grow(Commands& c, const std::string& id_or_name, std::int64_t size_gb);
int image_check(Commands& c, const std::string& image, const std::string& registry_auth);

// Contexts are files here, no server is asked.
struct ContextCommands {
  const Terminal& terminal;
  std::string file;  // where they are saved
  std::map<std::string, std::string> environment;
};
int context_list(const ContextCommands& c, const ListFlags& flags);
int context_use(const ContextCommands& c, const std::string& name);
struct ContextAddFlags {
  std::string name, server, api_key, key_file;  // key_file: "-" is standard input
  bool use = false, replace = false;
};
int context_add(const ContextCommands& c, const ContextAddFlags& flags);
int context_remove(const ContextCommands& c, const std::string& name, bool yes);
int context_show(const ContextCommands& c, const Wishes& wishes);  // which server a command here would talk to, and why

}  // namespace gyre::cli
