// Is this machine fit to run pods? Looks, changes nothing, and takes a few seconds at most.
#pragma once

#include <boost/describe.hpp>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "base/time.hpp"
#include "engine/gpu_probe.hpp"

namespace gyre::doctor {

enum class Level { ok, warn, fail };
BOOST_DESCRIBE_ENUM(Level, ok, warn, fail)

struct Finding {
  std::string check;  // "engine", "disk", ...: what was looked at; never changes
  Level level = Level::ok;
  std::optional<Reason> reason;  // why it is not ok
  Args args;                     // of the reason; of an ok finding: what was seen
};

struct Disk {
  std::int64_t free_bytes = 0, total_bytes = 0;
};

// Where to look. The defaults are this machine.
struct Machine {
  std::string root;  // put before /proc, /sys and /etc; empty: the machine's own
  std::string engine_socket = "/var/run/docker.sock";
  std::string nvml_library = "libnvidia-ml.so.1";
  std::string search_path = "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin";  // for iptables
  std::function<std::optional<Disk>(const std::string& path)> disk;                          // empty: statvfs
  std::function<std::uint64_t()> file_limit;  // empty: the hard limit of open files

  std::string listen_address = "0.0.0.0";  // where pods' ports will be bound
  std::vector<int> ports;                  // that somebody wants free

  std::string server;                     // https://...; empty: none is known
  std::string server_ca_pem;              // trusted instead of the system's authorities; empty: those
  std::vector<std::string> agents_ports;  // HOST:PORT that this machine's agent connects to
  std::string agent_certificate_pem;      // empty: this machine has not joined
  std::function<Time()> now;              // required
};

// All checks, in the order in which one mends.
std::vector<Finding> examine(const Machine& machine);

// The worst of them.
Level worst(const std::vector<Finding>& findings);

}  // namespace gyre::doctor
