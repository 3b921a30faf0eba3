// What a server is told. One table (`keys()`) says for every key its name, type, default and words; the file, the
// environment, the flags, `gyre server --print-config` and docs/configuration.md are all read from or made of it.
#pragma once

#include <boost/describe.hpp>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/log.hpp"
#include "base/result.hpp"
#include "base/time.hpp"

namespace gyre::server {

enum class UnknownFields { refuse, ignore };
BOOST_DESCRIBE_ENUM(UnknownFields, refuse, ignore)

struct Config {
  std::string data_dir;
  std::vector<std::string> listen{"127.0.0.1:8080"};  // HOST:PORT or [IPv6]:PORT; port 0 lets the system choose
  std::string public_url;                             // empty: made from the first `listen`
  std::string database;                               // empty: sqlite under data_dir
  std::string tls_certificate, tls_key;               // PEM paths; both empty: plain HTTP
  std::vector<std::string> compat_listen;             // for clients with RunPod's host names built in; with TLS
  std::string compat_certificate, compat_key;         // PEM paths
  std::string agents_listen = "127.0.0.1:8081";
  std::vector<std::string> agents_advertise;  // empty: made from public_url and agents_listen
  std::int64_t body_bytes = 1 << 20, header_bytes = 32 << 10;
  int connections = 10'000, connections_per_address = 1'000;
  int requests_per_second = 200, requests_at_once = 400;            // of one client
  int requests_in_hand = 1'024, requests_in_hand_per_client = 128;  // given to the core and not answered yet
  int pods_per_workspace = 10'000;
  Duration header_timeout{10s}, body_timeout{30s}, idle_timeout{75s};
  Duration drain_timeout{10s};
  log::Level log_level = log::Level::info;
  std::vector<std::string> trusted_proxies;  // addresses or networks ("10.0.0.0/8")
  std::string proxy_domain = "proxy.localhost";
  Duration proxy_answer_timeout{100s};
  int proxy_requests_per_pod = 20'000, proxy_requests_per_workspace = 50'000;
  std::string ssh_listen, ssh_host_key;  // empty: no gateway; the key is in data_dir
  int ssh_connections = 500, ssh_connections_per_address = 50;
  Duration ssh_idle_timeout{24h};
  UnknownFields unknown_fields = UnknownFields::refuse;
  Duration events_kept{std::chrono::days(30)};
  bool simulated_stock = false;
  std::map<std::string, std::string> shared_paths;  // of network volumes, by data centre
  std::vector<std::string> trusted_registries;
  std::string sync_image = "docker.io/rclone/rclone:1.69";

  // What is left open above, filled in.
  std::string database_url() const;
  std::string ssh_host_key_file() const;
};

// One key of the configuration.
struct Key {
  std::string_view name;  // as in the file, nested by dots: "limits.body_bytes"
  std::string_view type;  // in words: "size, as 1048576, 512KiB or 1MiB"
  bool list = false;      // several values: a YAML list, or separated by commas in the environment and flags
  bool reloadable = false;
  bool secret = false;                   // its value is never printed whole
  std::string_view description, korean;  // the same in both languages
  // Takes the text of the value(s); returns what is wrong with it in words ("expected a size, as 1MiB"), or nothing.
  std::optional<std::string> (*set)(Config&, const std::vector<std::string>&) = nullptr;
  std::vector<std::string> (*get)(const Config&) = nullptr;

  std::string environment() const;  // "GYRE_LIMITS_BODY_BYTES"
  std::string flag() const;         // "--limits-body-bytes"
};
std::span<const Key> keys();

// One value from one place; later settings win over earlier ones.
struct Setting {
  std::string key;
  std::vector<std::string> values;
  std::string source;  // "gyre.yaml:12", "GYRE_LISTEN", "--listen": said in every error
};

struct ConfigSources {
  std::string file;                                // empty: none
  std::map<std::string, std::string> environment;  // only names that begin with GYRE_ matter
  std::vector<Setting> flags;
};

struct Loaded {
  Config config;
  std::map<std::string, std::string, std::less<>> source_of;  // key -> where its value came from; absent: default
  std::vector<std::string> warnings;                          // what looks like a mistake but may be none
};

// Reads and checks everything. All mistakes are found in one go, so that a file is corrected once, not ten times.
tl::expected<Loaded, std::vector<Error>> load(const ConfigSources& sources);

// The environment of this process, as `load` wants it.
std::map<std::string, std::string> process_environment();

// "/var/lib/gyre" for root, else "~/.local/share/gyre".
std::string default_data_dir();

// "127.0.0.1:8080" -> host and port; empty when it is neither HOST:PORT nor [IPv6]:PORT.
struct HostPort {
  std::string host;
  int port = 0;
};
std::optional<HostPort> parse_host_port(std::string_view text);

// What SIGHUP changed: names of keys that were taken over, and of those that wait for a restart.
struct Reload {
  std::vector<std::string> applied, needs_restart;
};
Reload compare(const Config& running, const Config& wanted);

// The effective configuration as a YAML file with a comment for every key and where its value came from.
std::string print_config(const Loaded& loaded);
// docs/configuration.md
std::string configuration_document();

}  // namespace gyre::server
