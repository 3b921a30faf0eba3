#include "agent/host_facts.hpp"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/files.hpp"

namespace gyre::agent {
namespace {

std::string file_text(const std::filesystem::path& path) {
  const auto text = read_file(path);
  return text && *text ? **text : std::string();
}

std::string first_line(std::string text) { return text.substr(0, text.find('\n')); }

}  // namespace

std::string os_name(std::string_view os_release) {
  constexpr std::string_view key = "PRETTY_NAME=";
  while (!os_release.empty()) {
    auto line = os_release.substr(0, os_release.find('\n'));
    os_release.remove_prefix(std::min(line.size() + 1, os_release.size()));
    if (!line.starts_with(key)) continue;
    line.remove_prefix(key.size());
    if (line.size() >= 2 && (line.front() == '"' || line.front() == '\'') && line.back() == line.front())
      line = line.substr(1, line.size() - 2);
    return std::string(line);
  }
  return {};
}

std::string own_address() {
  constexpr const char* nowhere = "127.0.0.1";
  const int probe = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (probe < 0) return nowhere;
  sockaddr_in far{};
  far.sin_family = AF_INET;
  far.sin_port = htons(9);
  ::inet_pton(AF_INET, "192.0.2.1", &far.sin_addr);  // TEST-NET: routed like the rest of the world, and nobody's
  sockaddr_in own{};
  socklen_t size = sizeof own;
  // Connecting a datagram socket only chooses the route.
  const bool routed = ::connect(probe, reinterpret_cast<const sockaddr*>(&far), sizeof far) == 0 &&
                      ::getsockname(probe, reinterpret_cast<sockaddr*>(&own), &size) == 0;
  ::close(probe);
  char text[INET_ADDRSTRLEN] = "";
  if (!routed || ::inet_ntop(AF_INET, &own.sin_addr, text, sizeof text) == nullptr) return nowhere;
  return text;
}

std::string own_network() {
  char name[64] = "";
  const auto size = ::readlink("/proc/self/ns/net", name, sizeof name - 1);
  const auto boot = first_line(file_text("/proc/sys/kernel/random/boot_id"));
  return size <= 0 || boot.empty() ? "" : boot + " " + std::string(name, static_cast<std::size_t>(size));
}

bool is_own_address(const std::string& address) {
  if (address.starts_with("127.") || address == "::1") return true;
  ifaddrs* all = nullptr;
  if (::getifaddrs(&all) != 0) return false;
  bool found = false;
  for (const auto* one = all; one != nullptr && !found; one = one->ifa_next) {
    if (one->ifa_addr == nullptr) continue;
    char text[INET6_ADDRSTRLEN] = "";
    if (one->ifa_addr->sa_family == AF_INET)
      ::inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in*>(one->ifa_addr)->sin_addr, text, sizeof text);
    else if (one->ifa_addr->sa_family == AF_INET6)
      ::inet_ntop(AF_INET6, &reinterpret_cast<const sockaddr_in6*>(one->ifa_addr)->sin6_addr, text, sizeof text);
    found = address == text;
  }
  ::freeifaddrs(all);
  return found;
}

std::filesystem::path engine_data_path(const std::string& engine_socket) {
  std::error_code ignored;
  const bool podman = engine_socket.find("podman") != std::string::npos;
  for (const char* path :
       {podman ? "/var/lib/containers" : "/var/lib/docker", "/var/lib/docker", "/var/lib/containers"})
    if (std::filesystem::is_directory(path, ignored)) return path;
  return "/";
}

link::HostFacts gather_host_facts(const std::string& advertise) {
  link::HostFacts facts;
  utsname kernel{};
  if (::uname(&kernel) == 0) {
    facts.hostname = kernel.nodename;
    facts.kernel = kernel.release;
    facts.architecture = kernel.machine;
  }
  facts.os = os_name(file_text("/etc/os-release"));
  facts.agent_version = GYRE_VERSION;
  facts.boot_id = first_line(file_text("/proc/sys/kernel/random/boot_id"));
  facts.network = own_network();
  facts.public_address = advertise.empty() ? own_address() : advertise;
  facts.cpus = static_cast<int>(::sysconf(_SC_NPROCESSORS_ONLN));
  struct sysinfo memory {};
  if (::sysinfo(&memory) == 0) facts.memory_bytes = static_cast<std::int64_t>(memory.totalram) * memory.mem_unit;
  return facts;
}

}  // namespace gyre::agent
