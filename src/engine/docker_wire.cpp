#include "engine/docker_wire.hpp"

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <charconv>
#include <initializer_list>
#include <sstream>

#include "base/secrets.hpp"

namespace gyre::engine::docker {
namespace {

namespace json = boost::json;

constexpr std::size_t words_max = 500;
constexpr std::size_t line_max = 1 << 20;

// Root inside a container keeps what installing packages, changing users and running sshd need, and nothing that
// reaches beyond it: this is Docker's own default without NET_RAW (forged packets to neighbours) and MKNOD (device
// files). AUDIT_WRITE stays: Debian's sshd ends a session that it cannot write to the audit log.
constexpr std::array capabilities{"AUDIT_WRITE",      "CHOWN",   "DAC_OVERRIDE", "FOWNER",  "FSETID", "KILL",
                                  "NET_BIND_SERVICE", "SETFCAP", "SETGID",       "SETPCAP", "SETUID", "SYS_CHROOT"};

// ---- reading JSON of which no member is certain ----

json::value parse(std::string_view text) {
  boost::system::error_code problem;
  auto value = json::parse(text, problem);
  return problem ? json::value() : value;
}

const json::value& at(const json::value& from, std::initializer_list<std::string_view> path) {
  static const json::value nothing;
  const json::value* value = &from;
  for (const auto name : path) {
    const auto* object = value->if_object();
    if (!object) return nothing;
    value = object->if_contains(name);
    if (!value) return nothing;
  }
  return *value;
}

std::string text(const json::value& value) {
  const auto* string = value.if_string();
  return string ? std::string(*string) : std::string();
}
std::int64_t number(const json::value& value) {
  if (const auto* integer = value.if_int64()) return *integer;
  if (const auto* natural = value.if_uint64()) return static_cast<std::int64_t>(*natural);
  if (const auto* real = value.if_double()) return static_cast<std::int64_t>(*real);
  return 0;
}
bool flag(const json::value& value) {
  const auto* boolean = value.if_bool();
  return boolean && *boolean;
}

// A list of strings; one string counts as a list of one.
std::vector<std::string> texts(const json::value& value) {
  std::vector<std::string> out;
  if (const auto* one = value.if_string()) out.emplace_back(*one);
  if (const auto* array = value.if_array())
    for (const auto& item : *array) out.push_back(text(item));
  return out;
}

Labels labels_of(const json::value& value) {
  Labels out;
  if (const auto* object = value.if_object())
    for (const auto& [name, label] : *object) out[name] = text(label);
  return out;
}

// Engines write the year 1 for "never".
std::optional<Time> moment(const json::value& value) {
  const auto time = parse_rfc3339(text(value));
  return time && *time > Time{} ? time : std::nullopt;
}

json::object to_json(const Labels& labels) {
  json::object out;
  for (const auto& [name, value] : labels) out[name] = value;
  return out;
}

int to_int(std::string_view digits) {
  int value = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), value);
  return value;
}

bool has_any(std::string_view in, std::initializer_list<std::string_view> needles) {
  return std::any_of(needles.begin(), needles.end(),
                     [&](std::string_view needle) { return in.find(needle) != std::string_view::npos; });
}

std::string lower_case(std::string_view in) {
  std::string out(in);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

// "exec: \"python9\": executable file not found in $PATH" -> python9; Podman: executable file `python9` not found
std::string quoted_after(std::string_view in, std::string_view marker, char quote) {
  const auto found = in.find(marker);
  if (found == std::string_view::npos) return "";
  const auto open = found + marker.size();
  const auto close = in.find(quote, open);
  if (close == std::string_view::npos) return "";
  auto out = std::string(in.substr(open, close - open));
  std::erase(out, '\\');
  return out;
}

// Whether the file system that `path` is on was mounted with what a quota for each container needs.
bool has_project_quotas(const std::string& path, std::string_view mounts) {
  std::string best;
  bool quotas = false;
  std::istringstream lines{std::string(mounts)};
  for (std::string device, place, type, options, rest;
       lines >> device >> place >> type >> options && std::getline(lines, rest);) {
    const bool holds = path == place || place == "/" || path.starts_with(place + "/");
    if (!holds || place.size() < best.size()) continue;
    best = place;
    const auto padded = "," + options + ",";
    quotas = type == "xfs" && has_any(padded, {",prjquota,", ",pquota,"});
  }
  return quotas;
}

// {"8888/tcp": [{"HostIp": "0.0.0.0", "HostPort": "32768"}, ...]}; of several addresses one is told.
std::vector<PortBinding> port_bindings(const json::value& ports) {
  std::vector<PortBinding> out;
  if (const auto* object = ports.if_object())
    for (const auto& [name, bindings] : *object) {
      const auto* list = bindings.if_array();
      if (!list || list->empty()) continue;
      const std::string_view port(name.data(), name.size());
      PortBinding binding;
      binding.container_port = to_int(port.substr(0, port.find('/')));
      binding.udp = port.ends_with("/udp");
      binding.host_address = text(at(list->front(), {"HostIp"}));
      binding.host_port = to_int(text(at(list->front(), {"HostPort"})));
      out.push_back(std::move(binding));
    }
  return out;
}

std::pair<int, int> version_numbers(std::string_view text) {
  const auto dot = text.find('.');
  if (dot == std::string_view::npos) return {to_int(text), 0};
  return {to_int(text.substr(0, dot)), to_int(text.substr(dot + 1))};
}

}  // namespace

Result<std::string> negotiate(const std::string& theirs) {
  // No version at all is an engine so old that it does not tell.
  if (version_numbers(theirs) < version_numbers(api_version_min))
    return fail(Reason::engine_too_old,
                {{"version", theirs.empty() ? "1.24" : theirs}, {"needed", std::string(api_version_min)}});
  return version_numbers(theirs) < version_numbers(api_version_max) ? theirs : std::string(api_version_max);
}

// ---- what is asked ----

std::string percent_encoded(std::string_view in) {
  constexpr std::string_view plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.~/:@";
  std::string out;
  for (const char c : in) {
    if (plain.find(c) != std::string_view::npos)
      out += c;
    else
      out += "%" + hex(std::string_view(&c, 1));
  }
  return out;
}

std::string labels_filter(const Labels& having) {
  json::array labels;
  for (const auto& [name, value] : having) labels.emplace_back(name + "=" + value);
  return json::serialize(json::object{{"label", std::move(labels)}});
}

std::string events_filter(const Labels& having) {
  json::object filter{{"type", json::array{"container"}}};
  if (!having.empty()) {
    json::array labels;
    for (const auto& [name, value] : having) labels.emplace_back(name + "=" + value);
    filter["label"] = std::move(labels);
  }
  return json::serialize(filter);
}

std::string log_query(const LogOptions& options) {
  std::string out = "stdout=";
  out += options.standard_output ? "true" : "false";
  out += options.standard_error ? "&stderr=true" : "&stderr=false";
  if (options.follow) out += "&follow=true";
  if (options.timestamps) out += "&timestamps=true";
  out += "&tail=" + (options.tail ? std::to_string(std::max(0, *options.tail)) : "all");
  if (options.since) {
    const auto since = options.since->time_since_epoch().count();
    auto fraction = std::to_string(since % 1000);
    fraction.insert(0, 3 - std::min<std::size_t>(3, fraction.size()), '0');
    out += "&since=" + std::to_string(since / 1000) + "." + fraction + "000000";
  }
  return out;
}

std::string registry_auth(const RegistryLogin& login, const std::string& registry) {
  const json::object auth{{"username", login.username}, {"password", login.password}, {"serveraddress", registry}};
  auto out = base64url(json::serialize(auth));
  out.append((4 - out.size() % 4) % 4, '=');  // Docker wants the padding
  return out;
}

std::string container_body(const ContainerSpec& spec, const Peer& peer, const std::vector<std::string>& argv,
                           const std::vector<unsigned>& groups) {
  json::object host{
      {"Privileged", false},
      {"CapDrop", json::array{"ALL"}},
      {"CapAdd", json::array(capabilities.begin(), capabilities.end())},
      {"SecurityOpt", json::array{"no-new-privileges"}},
      {"IpcMode", "private"},
      {"CgroupnsMode", "private"},
      {"PidMode", ""},
      {"UTSMode", ""},
      {"PidsLimit", spec.pids},
      {"Init", true},  // reaps orphans, and passes the stop signal on to programs that would ignore it as process 1
      {"RestartPolicy", json::object{{"Name", "no"}}},  // when to start again is the agent's decision
      // Twice 100 MB, so that a reader who follows may lag by a hundred megabytes before lines are lost to it: Docker
      // 20.10 skips what was rotated away twice. Said in docs/cli.md.
      {"LogConfig",
       json::object{{"Type", "json-file"}, {"Config", json::object{{"max-size", "100m"}, {"max-file", "2"}}}}},
  };
  if (spec.memory_bytes > 0) {
    host["Memory"] = spec.memory_bytes;
    host["MemorySwap"] = spec.memory_bytes;  // memory and swap together: no swap
  }
  if (spec.cpus > 0) host["NanoCpus"] = static_cast<std::int64_t>(spec.cpus * 1e9);
  if (spec.shm_bytes > 0) host["ShmSize"] = spec.shm_bytes;
  if (spec.disk_bytes > 0 && peer.container_disk_limit)
    host["StorageOpt"] = json::object{{"size", std::to_string(spec.disk_bytes)}};

  json::object exposed;
  if (!spec.share_network_with.empty()) {
    host["NetworkMode"] = "container:" + spec.share_network_with;
  } else {
    if (!spec.network.empty()) host["NetworkMode"] = spec.network;
    json::object bindings;
    for (const auto& port : spec.ports) {
      const auto name = std::to_string(port.container_port) + (port.udp ? "/udp" : "/tcp");
      exposed[name] = json::object();
      auto& list = bindings[name];
      if (!list.is_array()) list = json::array();
      list.as_array().push_back(json::object{{"HostIp", port.host_address},
                                             {"HostPort", port.host_port == 0 ? "" : std::to_string(port.host_port)}});
    }
    host["PortBindings"] = std::move(bindings);
  }

  json::array mounts;
  for (const auto& mount : spec.mounts) {
    json::object entry{{"Target", mount.path}, {"ReadOnly", mount.read_only}};
    if (mount.kind == Mount::Kind::volume) {
      entry["Type"] = "volume";
      entry["Source"] = mount.volume;
    } else if (mount.kind == Mount::Kind::folder) {
      entry["Type"] = "bind";
      entry["Source"] = mount.folder;
      entry["BindOptions"] = json::object{{"Propagation", "rprivate"}};
    } else {
      entry["Type"] = "tmpfs";
      entry["TmpfsOptions"] = json::object{{"SizeBytes", mount.bytes}, {"Mode", 01777}};
    }
    mounts.push_back(std::move(entry));
  }
  host["Mounts"] = std::move(mounts);

  // What the NVIDIA runtime gives out follows an environment variable, which images and users set as they please;
  // where that runtime is the engine's default, "all" in a pod without GPUs would be every GPU of the host.
  auto env = spec.env;
  std::string visible;
  json::array ids;
  for (const auto& gpu : spec.gpus) {
    visible += (visible.empty() ? "" : ",") + gpu;
    ids.emplace_back(gpu);
  }
  env["NVIDIA_VISIBLE_DEVICES"] = visible.empty() ? "void" : visible;
  json::array devices;
  for (const auto& path : spec.devices)  // without `m`: nobody makes further device files from it
    devices.push_back(json::object{{"PathOnHost", path}, {"PathInContainer", path}, {"CgroupPermissions", "rw"}});
  if (!spec.gpus.empty()) {
    if (peer.podman) {
      for (const auto& gpu : spec.gpus) devices.push_back(json::object{{"PathOnHost", "nvidia.com/gpu=" + gpu}});
    } else if (peer.cdi && !peer.nvidia_runtime) {
      json::array names;
      for (const auto& gpu : spec.gpus) names.emplace_back("nvidia.com/gpu=" + gpu);
      host["DeviceRequests"] = json::array{json::object{{"Driver", "cdi"}, {"DeviceIDs", std::move(names)}}};
    } else {
      host["DeviceRequests"] = json::array{json::object{
          {"Driver", "nvidia"}, {"DeviceIDs", std::move(ids)}, {"Capabilities", json::array{json::array{"gpu"}}}}};
    }
  }
  if (!devices.empty()) host["Devices"] = std::move(devices);
  if (!groups.empty()) {
    json::array names;
    for (const auto group : groups) names.emplace_back(std::to_string(group));
    host["GroupAdd"] = std::move(names);
  }
  json::array environment;
  for (const auto& [name, value] : env) environment.emplace_back(name + "=" + value);

  json::object body{{"Image", spec.image},
                    {"Labels", to_json(spec.labels)},
                    {"Env", std::move(environment)},
                    {"StopSignal", spec.stop_signal},
                    {"Tty", false},
                    {"ExposedPorts", std::move(exposed)},
                    {"HostConfig", std::move(host)}};
  // One argument as the entrypoint and the rest as the command says the same as any other split, and neither engine
  // then adds the image's own.
  if (!argv.empty()) {
    body["Entrypoint"] = json::array{json::value(argv.front())};
    body["Cmd"] = json::array(argv.begin() + 1, argv.end());
  }
  if (!spec.hostname.empty() && spec.share_network_with.empty()) body["Hostname"] = spec.hostname;
  return json::serialize(body);
}

std::string network_body(const std::string& name, const std::string& bridge, const Labels& labels, const Peer& peer) {
  if (peer.podman)
    return json::serialize(json::object{{"name", name},
                                        {"driver", "bridge"},
                                        {"network_interface", bridge},
                                        {"dns_enabled", true},
                                        {"labels", to_json(labels)},
                                        {"options", json::object{{"isolate", "true"}}}});
  // Docker keeps its networks apart by itself.
  return json::serialize(json::object{{"Name", name},
                                      {"Driver", "bridge"},
                                      {"CheckDuplicate", true},
                                      {"Labels", to_json(labels)},
                                      {"Options", json::object{{"com.docker.network.bridge.name", bridge},
                                                               {"com.docker.network.bridge.enable_icc", "true"}}}});
}

std::string volume_body(const std::string& name, const Labels& labels) {
  return json::serialize(json::object{{"Name", name}, {"Driver", "local"}, {"Labels", to_json(labels)}});
}

// The engines' own keys for detaching would swallow what the user types; these can hardly be typed. Both engines take
// an absent list for their default, and only Podman an empty one for none.
constexpr std::string_view nobodys_keys = "ctrl-^,ctrl-_,ctrl-^,ctrl-_,ctrl-^,ctrl-_";

std::string exec_body(const ExecOptions& options) {
  json::object body{{"AttachStdin", true},
                    {"AttachStdout", true},
                    {"AttachStderr", true},
                    {"DetachKeys", nobodys_keys},
                    {"Tty", options.tty}};
  json::array command;
  for (const auto& word : options.command) command.emplace_back(word);
  body["Cmd"] = std::move(command);
  if (options.tty) body["Env"] = json::array{"TERM=xterm-256color"};
  return json::serialize(body);
}

std::string exec_start_body(const ExecOptions& options) {
  return json::serialize(json::object{{"Detach", false}, {"Tty", options.tty}});
}

// ---- what is answered ----

ExecFacts read_exec(std::string_view inspect) {
  const auto value = parse(inspect);
  ExecFacts out;
  const auto& running = at(value, {"Running"});
  out.running = running.is_bool() && running.as_bool();
  out.exit_code = static_cast<int>(number(at(value, {"ExitCode"})));
  out.pid = number(at(value, {"Pid"}));
  out.container_id = text(at(value, {"ContainerID"}));
  return out;
}

std::int64_t container_pid(std::string_view inspect) { return number(at(parse(inspect), {"State", "Pid"})); }

std::vector<std::string> network_ids(std::string_view list, const std::string& name) {
  std::vector<std::string> used, idle;
  const auto parsed = parse(list);
  if (!parsed.is_array()) return {};
  for (const auto& network : parsed.as_array()) {
    if (text(at(network, {"Name"})) != name) continue;
    const auto& containers = at(network, {"Containers"});
    const bool on_it = containers.is_object() && !containers.as_object().empty();
    (on_it ? used : idle).push_back(text(at(network, {"Id"})));
  }
  used.insert(used.end(), idle.begin(), idle.end());
  return used;
}

std::string words(std::string_view body) {
  auto out = text(at(parse(body), {"message"}));
  if (out.empty()) out = body;
  for (char& c : out)
    if (static_cast<unsigned char>(c) < ' ') c = ' ';
  while (!out.empty() && out.back() == ' ') out.pop_back();
  if (out.size() > words_max) {
    auto cut = words_max;
    while (cut > 0 && (static_cast<unsigned char>(out[cut]) & 0xc0) == 0x80) --cut;  // not inside a character
    out.resize(cut);
    out += "...";
  }
  return out.empty() ? "no reason given" : out;
}

bool podman_missed_an_end(int status, std::string_view body) {
  return status == 500 && words(body).find("/cgroup: no such process") != std::string::npos;
}

EngineInfo read_info(std::string_view version_text, std::string_view info_text, std::string_view mounts) {
  const auto version = parse(version_text), info = parse(info_text);
  EngineInfo out;
  out.name = "docker";
  if (const auto* components = at(version, {"Components"}).if_array())
    for (const auto& component : *components)
      if (text(at(component, {"Name"})) == "Podman Engine") out.name = "podman";
  const bool podman = out.name == "podman";
  out.version = text(at(version, {"Version"}));
  out.api_version = text(at(version, {"ApiVersion"}));
  out.storage_driver = text(at(info, {"Driver"}));
  // Docker bounds a container's layer with overlay2 on xfs with project quotas, and on btrfs, zfs and devicemapper.
  const auto& driver = out.storage_driver;
  const auto root = text(at(info, {"DockerRootDir"}));
  out.data_path = root;
  out.container_disk_limit = !podman && (driver == "btrfs" || driver == "zfs" || driver == "devicemapper" ||
                                         (driver == "overlay2" && has_project_quotas(root, mounts)));
  out.live_restore = podman || flag(at(info, {"LiveRestoreEnabled"}));
  const auto* specs = at(info, {"CDISpecDirs"}).if_array();
  out.cdi = podman || (specs && !specs->empty());
  const auto* runtimes = at(info, {"Runtimes"}).if_object();
  out.nvidia_runtime = runtimes && runtimes->contains("nvidia");
  return out;
}

Result<Container> read_container(std::string_view inspect) {
  const auto value = parse(inspect);
  Container out;
  out.id = text(at(value, {"Id"}));
  if (out.id.empty()) return fail(Reason::engine_refused, {{"detail", "it describes a container without an id"}});
  out.name = text(at(value, {"Name"}));
  if (out.name.starts_with('/')) out.name.erase(0, 1);
  out.labels = labels_of(at(value, {"Config", "Labels"}));
  out.image_id = text(at(value, {"Image"}));
  if (!out.image_id.empty() && !out.image_id.starts_with("sha256:")) out.image_id.insert(0, "sha256:");
  const auto& state = at(value, {"State"});
  const auto status = text(at(state, {"Status"}));
  // What holds memory and GPUs counts as running, frozen or not. Podman: configured, initialized, stopping, stopped.
  if (status == "running" || status == "paused" || status == "restarting" || status == "stopping")
    out.state = ContainerState::running;
  else if (status == "created" || status == "configured" || status == "initialized")
    out.state = ContainerState::created;
  else if (status == "removing")
    out.state = ContainerState::removing;
  else
    out.state = ContainerState::exited;
  out.started_at = moment(at(state, {"StartedAt"}));
  if (out.state == ContainerState::exited) out.finished_at = moment(at(state, {"FinishedAt"}));
  out.exit_code = static_cast<int>(number(at(state, {"ExitCode"})));
  out.oom_killed = flag(at(state, {"OOMKilled"}));
  out.error = text(at(state, {"Error"}));
  out.ip_address = text(at(value, {"NetworkSettings", "IPAddress"}));
  if (const auto* networks = at(value, {"NetworkSettings", "Networks"}).if_object(); networks && out.ip_address.empty())
    for (const auto& [name, network] : *networks)
      if (out.ip_address.empty()) out.ip_address = text(at(network, {"IPAddress"}));
  if (out.state != ContainerState::running) return out;  // Podman goes on telling addresses and ports of what has ended
  out.ports = port_bindings(at(value, {"NetworkSettings", "Ports"}));
  return out;
}

Image read_image(std::string_view inspect) {
  const auto value = parse(inspect);
  Image out;
  out.id = text(at(value, {"Id"}));
  if (!out.id.empty() && !out.id.starts_with("sha256:")) out.id.insert(0, "sha256:");
  out.os = text(at(value, {"Os"}));
  out.architecture = text(at(value, {"Architecture"}));
  out.entrypoint = texts(at(value, {"Config", "Entrypoint"}));
  out.command = texts(at(value, {"Config", "Cmd"}));
  if (const auto* ports = at(value, {"Config", "ExposedPorts"}).if_object())
    for (const auto& [name, nothing] : *ports) out.exposed_ports.emplace_back(name);
  out.bytes = number(at(value, {"Size"}));
  return out;
}

std::vector<std::string> image_environment(std::string_view inspect) {
  return texts(at(parse(inspect), {"Config", "Env"}));
}

std::vector<std::string> repo_digests(std::string_view inspect, const std::string& name) {
  // Docker leaves out the default registry: "python@sha256:..." for docker.io/library/python.
  std::string familiar = name;
  if (familiar.starts_with("docker.io/")) familiar.erase(0, 10);
  if (familiar.starts_with("library/")) familiar.erase(0, 8);
  std::vector<std::string> out;
  for (const auto& entry : texts(at(parse(inspect), {"RepoDigests"}))) {
    const auto at_sign = entry.find('@');
    if (at_sign == std::string::npos) continue;
    const auto repository = entry.substr(0, at_sign);
    if (repository == name || repository == familiar) out.push_back(entry.substr(at_sign + 1));
  }
  return out;
}

std::vector<std::string> read_ids(std::string_view list) {
  const auto value = parse(list);
  std::vector<std::string> out;
  if (const auto* array = value.if_array())
    for (const auto& item : *array) out.push_back(text(at(item, {"Id"})));
  return out;
}

std::int64_t layer_bytes(std::string_view inspect) { return number(at(parse(inspect), {"SizeRw"})); }

std::string volume_folder(std::string_view inspect) { return text(at(parse(inspect), {"Mountpoint"})); }

std::optional<ContainerStats> read_stats(std::string_view stats) {
  const auto read = parse(stats);
  // Of what does not run Docker shows zeros, and no processes.
  const auto nanoseconds = number(at(read, {"cpu_stats", "cpu_usage", "total_usage"}));
  const auto usage = number(at(read, {"memory_stats", "usage"}));
  if (nanoseconds == 0 && usage == 0) return std::nullopt;
  ContainerStats out;
  out.cpu_microseconds = nanoseconds / 1000;
  // As `docker stats` counts: pages of files that nobody used lately are the kernel's, not the container's.
  auto reclaimable = number(at(read, {"memory_stats", "stats", "inactive_file"}));                         // cgroup 2
  if (reclaimable == 0) reclaimable = number(at(read, {"memory_stats", "stats", "total_inactive_file"}));  // cgroup 1
  out.memory_bytes = std::max<std::int64_t>(0, usage - reclaimable);
  if (const auto* networks = at(read, {"networks"}).if_object())
    for (const auto& [name, counters] : *networks) {
      out.received_bytes += number(at(counters, {"rx_bytes"}));
      out.sent_bytes += number(at(counters, {"tx_bytes"}));
    }
  return out;
}

std::string read_id(std::string_view created_or_inspect) { return text(at(parse(created_or_inspect), {"Id"})); }

std::vector<PortBinding> wanted_ports(std::string_view inspect) {
  auto out = port_bindings(at(parse(inspect), {"HostConfig", "PortBindings"}));
  std::erase_if(out, [](const PortBinding& port) { return port.host_port == 0; });
  return out;
}

bool includes(const Labels& labels, const Labels& wanted) {
  return std::all_of(wanted.begin(), wanted.end(), [&](const auto& label) {
    const auto found = labels.find(label.first);
    return found != labels.end() && found->second == label.second;
  });
}

bool has_labels(std::string_view inspect, const Labels& wanted) {
  return includes(labels_of(at(parse(inspect), {"Config", "Labels"})), wanted);
}

std::optional<ContainerEvent> read_event(std::string_view line) {
  const auto value = parse(line);
  ContainerEvent out;
  out.action = text(at(value, {"Action"}));
  if (out.action.empty()) out.action = text(at(value, {"status"}));
  // Podman has words of its own.
  if (out.action == "died") out.action = "die";
  if (out.action == "remove") out.action = "destroy";
  if (out.action != "start" && out.action != "die" && out.action != "oom" && out.action != "destroy")
    return std::nullopt;
  out.container_id = text(at(value, {"Actor", "ID"}));
  if (out.container_id.empty()) out.container_id = text(at(value, {"id"}));
  if (out.container_id.empty()) return std::nullopt;
  out.labels = labels_of(at(value, {"Actor", "Attributes"}));
  return out;
}

Error pull_error(const std::string& image, std::string_view said) {
  const auto low = lower_case(said);
  auto because = [&](Reason reason) { return Error{reason, {{"image", image}, {"detail", words(said)}}, ""}; };
  if (has_any(low, {"operating system \"windows\"", "os \"windows\"", "image os windows"}))
    return because(Reason::image_for_windows);
  if (has_any(low,
              {"no matching manifest for", "no image found in manifest list", "no image found in image index",
               "does not match the specified platform", "no match for platform", "cannot be used on this platform"}))
    return Error{Reason::image_wrong_platform, {{"image", image}, {"platform", "other platforms"}}, ""};
  if (has_any(low, {"no space left on device", "disk quota exceeded"}))
    return Error{Reason::host_disk_full, {{"detail", words(said)}}, ""};
  if (has_any(low, {"toomanyrequests", "too many requests", "rate limit"}))
    return because(Reason::registry_rate_limited);
  if (has_any(low, {"unauthorized", "no basic auth credentials", "authentication required", "access denied",
                    "access to the resource is denied", "denied:", "403 forbidden", "incorrect username or password",
                    "login attempt"}))
    return because(Reason::image_access_denied);
  if (has_any(low, {"invalid reference format", "invalid repository name", "invalid tag format"}))
    return because(Reason::image_name_invalid);
  // Before "not found": a name server's answer says that too.
  if (has_any(low, {"no such host",
                    "name resolution",
                    "server misbehaving",
                    "connection refused",
                    "connection reset",
                    "i/o timeout",
                    "timeout exceeded",
                    "handshake timeout",
                    "deadline exceeded",
                    "no route to host",
                    "network is unreachable",
                    "host is down",
                    "x509:",
                    "tls:",
                    "http response to https client",
                    "unexpected eof",
                    ": eof",
                    "bad gateway",
                    "service unavailable",
                    "gateway timeout",
                    "internal server error",
                    "pinging container registry"}))
    return because(Reason::registry_unreachable);
  if (has_any(low, {"manifest unknown", "not found", "name unknown", "repository does not exist", "no such image"}))
    return because(Reason::image_not_found);
  return Error{Reason::engine_refused, {{"detail", words(said)}}, ""};
}

Error start_error(std::string_view said) {
  const auto low = lower_case(said);
  const auto detail = words(said);
  if (has_any(low, {"executable file not found", "executable file `", "no such file or directory"})) {
    for (const auto& command : {quoted_after(said, "exec: \\\"", '"'), quoted_after(said, "exec: \"", '"'),
                                quoted_after(said, "executable file `", '`')})
      if (!command.empty()) return Error{Reason::command_not_found, {{"command", command}, {"detail", detail}}, ""};
  }
  if (has_any(low, {"port is already allocated", "address already in use"})) {
    // "Bind for 0.0.0.0:8888 failed", "listen tcp4 0.0.0.0:8888: bind: address already in use"
    std::string port = "?";
    for (std::size_t colon = detail.find(':'); colon != std::string::npos; colon = detail.find(':', colon + 1)) {
      auto end = colon + 1;
      while (end < detail.size() && detail[end] >= '0' && detail[end] <= '9') ++end;
      if (end == colon + 1 || colon == 0) continue;
      const char before = detail[colon - 1];
      if ((before >= '0' && before <= '9') || before == ']') port = detail.substr(colon + 1, end - colon - 1);
    }
    return Error{Reason::host_port_taken, {{"port", port}, {"detail", detail}}, ""};
  }
  if (has_any(low, {"could not select device driver", "nvidia-container", "unresolvable cdi", "cdi device",
                    "nvidia.com/gpu"}))
    return Error{Reason::gpu_not_given, {{"detail", detail}}, ""};
  if (has_any(low, {"no space left on device"})) return Error{Reason::host_disk_full, {{"detail", detail}}, ""};
  // What a daemon that was killed halfway through a start left behind: its own trouble, not the container's, and it
  // goes.
  if ((low.find("task") != std::string::npos && low.find("already exists") != std::string::npos) ||
      low.find("id already in use") != std::string::npos)
    return Error{Reason::engine_refused, {{"detail", detail}}, ""};
  return Error{Reason::container_start_failed, {{"detail", detail}}, ""};
}

Error port_taken(const PortBinding& port, std::string_view said) {
  return Error{Reason::host_port_taken, {{"port", std::to_string(port.host_port)}, {"detail", words(said)}}, ""};
}

Error create_error(const ContainerSpec& spec, int status, std::string_view said) {
  const auto low = lower_case(said);
  if (status == 404 && has_any(low, {"no such image", "image not known", "not found: manifest unknown"}))
    return Error{Reason::image_not_on_host, {{"image", spec.image}}, ""};
  if (has_any(low, {"unable to find network", "network not found"}) ||
      (has_any(low, {"network"}) && has_any(low, {"not found"})))
    return Error{Reason::network_not_found, {{"network", spec.network}}, ""};
  for (const auto& mount : spec.mounts)
    if (mount.kind == Mount::Kind::folder && has_any(low, {"bind source path does not exist"}))
      return Error{Reason::volume_not_found, {{"volume", mount.folder}}, ""};
  if (has_any(low, {"no command specified", "no command or entrypoint"}))
    return Error{Reason::container_start_failed, {{"detail", words(said)}}, ""};
  const auto as_start = start_error(said);
  if (as_start.reason != Reason::container_start_failed) return as_start;
  return Error{Reason::engine_refused, {{"detail", words(said)}}, ""};
}

bool in_use(std::string_view said) {
  return has_any(lower_case(said), {"in use", "being used", "active endpoints", "has associated containers"});
}

bool no_container(std::string_view said) {
  const auto low = lower_case(said);
  return has_any(low, {"no such container", "no container with"}) && !has_any(low, {"network"});
}

std::optional<Error> platform_error(const std::string& image, const Image& pulled) {
  if (pulled.os == "windows") return Error{Reason::image_for_windows, {{"image", image}}, ""};
  if (pulled.os == "linux" && pulled.architecture == "amd64") return std::nullopt;
  return Error{
      Reason::image_wrong_platform, {{"image", image}, {"platform", pulled.os + "/" + pulled.architecture}}, ""};
}

std::vector<std::string> command_places(const std::string& command, const std::vector<std::string>& environment,
                                        const ContainerSpec& spec) {
  auto below_a_mount = [&](const std::string& path) {
    return std::any_of(spec.mounts.begin(), spec.mounts.end(),
                       [&](const Mount& mount) { return path == mount.path || path.starts_with(mount.path + "/"); });
  };
  std::vector<std::string> out;
  if (command.find('/') != std::string::npos) {
    if (command.front() != '/' || below_a_mount(command)) return {};  // relative to a folder that we do not know
    return {command};
  }
  std::string path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  for (const auto& variable : environment)
    if (variable.starts_with("PATH=")) path = variable.substr(5);
  if (const auto own = spec.env.find("PATH"); own != spec.env.end()) path = own->second;
  for (std::size_t start = 0; start <= path.size();) {
    const auto end = std::min(path.find(':', start), path.size());
    const auto folder = path.substr(start, end - start);
    start = end + 1;
    if (folder.empty()) continue;
    if (folder.front() != '/' || below_a_mount(folder + "/" + command)) return {};
    out.push_back(folder + "/" + command);
  }
  return out;
}

// ---- streams ----

void Lines::feed(std::string_view bytes, const std::function<void(std::string_view)>& line) {
  while (!bytes.empty()) {
    const auto end = bytes.find('\n');
    const auto part = bytes.substr(0, end);
    if (rest_.size() + part.size() > line_max) {
      too_long_ = true;
      rest_.clear();
    }
    if (!too_long_) rest_ += part;
    if (end == std::string_view::npos) return;
    if (!too_long_ && !rest_.empty()) line(rest_);
    too_long_ = false;
    rest_.clear();
    bytes.remove_prefix(end + 1);
  }
}

void PullTracker::line(std::string_view line) {
  const auto value = parse(line);
  if (const auto problem = text(at(value, {"error"})); !problem.empty()) error_ = problem;
  const auto status = text(at(value, {"status"}));
  constexpr std::string_view digest = "Digest: ";
  if (status.starts_with(digest)) digest_ = status.substr(digest.size());
  const auto id = text(at(value, {"id"}));
  if (id.empty() || status.starts_with("Pulling from")) return;
  auto& layer = layers_[id];
  const auto current = number(at(value, {"progressDetail", "current"}));
  const auto total = number(at(value, {"progressDetail", "total"}));
  if (status == "Downloading") {
    layer.done = std::max(layer.done, current);
    layer.total = std::max({layer.total, total, layer.done});
  } else if (status == "Download complete" || status == "Extracting" || status == "Verifying Checksum") {
    if (status == "Extracting") layer.total = std::max(layer.total, total);
    layer.done = layer.total;
    layer.downloaded = true;
  } else if (status == "Pull complete" || status == "Already exists") {
    layer.done = layer.total;
    layer.downloaded = layer.complete = true;
  }
}

PullProgress PullTracker::progress() const {
  PullProgress out;
  bool all_downloaded = true;
  for (const auto& [id, layer] : layers_) {
    ++out.layers_total;
    if (layer.complete) ++out.layers_done;
    out.bytes_total += layer.total;
    out.bytes_done += layer.done;
    all_downloaded = all_downloaded && layer.downloaded;
  }
  out.phase = layers_.empty() ? "resolving" : all_downloaded ? "extracting" : "downloading";
  return out;
}

PullProgress PullTracker::finished() const {
  auto out = progress();
  out.layers_done = out.layers_total;
  out.bytes_done = out.bytes_total;
  out.phase = "extracting";
  return out;
}

bool LogFrames::feed(std::string_view bytes, const std::function<void(Output, std::string_view)>& piece) {
  constexpr std::size_t header_size = 8;
  while (!bytes.empty()) {
    if (left_ > 0) {
      const auto part = bytes.substr(0, left_);
      left_ -= part.size();
      bytes.remove_prefix(part.size());
      piece(output_, part);
      continue;
    }
    const auto part = bytes.substr(0, header_size - header_.size());
    header_ += part;
    bytes.remove_prefix(part.size());
    if (header_.size() < header_size) return true;
    const auto byte = [&](std::size_t i) { return static_cast<std::size_t>(static_cast<unsigned char>(header_[i])); };
    if (byte(0) > 2 || byte(1) != 0 || byte(2) != 0 || byte(3) != 0) return false;
    output_ = byte(0) == 2 ? Output::standard_error : Output::standard_output;
    left_ = byte(4) << 24 | byte(5) << 16 | byte(6) << 8 | byte(7);
    header_.clear();
  }
  return true;
}

}  // namespace gyre::engine::docker
