// What the agent asks of the machine: free ports, whether a port answers, how much disk is left.
#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>

#include "agent/agent.hpp"
#include "base/free_port.hpp"

namespace gyre::agent {
namespace {

constexpr int connect_ms = 500;
constexpr int stay_ms = 100;

class Socket {
 public:
  explicit Socket(int flags) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0)) {}
  ~Socket() {
    if (fd_ >= 0) ::close(fd_);
  }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  int fd() const { return fd_; }

 private:
  int fd_;
};

bool fill(sockaddr_in& address, const std::string& text, int port) {
  std::memset(&address, 0, sizeof address);
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  return ::inet_pton(AF_INET, text.c_str(), &address.sin_addr) == 1;
}

const sockaddr* plain(const sockaddr_in& address) { return reinterpret_cast<const sockaddr*>(&address); }

bool accepts(const std::string& text, int port) {
  sockaddr_in address;
  Socket socket(SOCK_NONBLOCK);
  if (socket.fd() < 0 || !fill(address, text, port)) return false;
  pollfd waiting{socket.fd(), POLLOUT, 0};
  if (::connect(socket.fd(), plain(address), sizeof address) != 0) {
    if (errno != EINPROGRESS || ::poll(&waiting, 1, connect_ms) != 1) return false;
    int error = 0;
    socklen_t size = sizeof error;
    if (::getsockopt(socket.fd(), SOL_SOCKET, SO_ERROR, &error, &size) != 0 || error != 0) return false;
  }
  // Docker's proxy accepts for a container that does not listen, and hangs up as soon as it has noticed: what counts is
  // a connection that stays, or one that has something to say.
  waiting.events = POLLIN;
  if (::poll(&waiting, 1, stay_ms) == 0) return true;
  char byte = 0;
  return ::recv(socket.fd(), &byte, 1, MSG_PEEK) > 0;
}

// The first line of /proc/stat and two of /proc/meminfo; absent when they are not what they have been for decades.
std::optional<Meter::Host> usage() {
  Meter::Host out;
  std::ifstream stat("/proc/stat");
  std::string name;
  stat >> name;
  std::int64_t ticks[8] = {};  // user nice system idle iowait irq softirq steal
  for (auto& one : ticks) stat >> one;
  if (!stat || name != "cpu") return std::nullopt;
  for (const auto one : ticks) out.cpu_all_ticks += one;
  out.cpu_busy_ticks = out.cpu_all_ticks - ticks[3] - ticks[4];
  std::ifstream memory("/proc/meminfo");
  std::int64_t total = -1, available = -1;
  for (std::string line; std::getline(memory, line);) {
    if (line.starts_with("MemTotal:")) total = std::atoll(line.c_str() + 9);
    if (line.starts_with("MemAvailable:")) available = std::atoll(line.c_str() + 13);
  }
  if (total < 0 || available < 0) return std::nullopt;
  out.memory_bytes = (total - available) * 1024;
  return out;
}

}  // namespace

HostTools system_host_tools(std::string disk_path) {
  HostTools tools;
  tools.free_port = lasting_free_port;  // a container that is started again has the same ports
  tools.accepts = accepts;
  tools.disk = [path = std::move(disk_path)](const std::string& engine_data) -> HostTools::Disk {
    struct statvfs disk {};
    const bool told = !engine_data.empty() && ::statvfs(engine_data.c_str(), &disk) == 0;
    if (!told && ::statvfs(path.c_str(), &disk) != 0) return {};
    const auto block = static_cast<std::int64_t>(disk.f_frsize);
    return {static_cast<std::int64_t>(disk.f_blocks) * block, static_cast<std::int64_t>(disk.f_bavail) * block};
  };
  tools.folder_is_there = [](const std::string& path) {
    std::error_code unreachable;
    return std::filesystem::is_directory(path, unreachable);
  };
  tools.usage = usage;
  return tools;
}

}  // namespace gyre::agent
