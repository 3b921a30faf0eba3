#include "doctor/sockets.hpp"

#include <arpa/inet.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

namespace gyre::doctor {
namespace {

constexpr int reach_ms = 3'000;

struct Addresses {
  addrinfo* first = nullptr;
  std::string problem;
  ~Addresses() {
    if (first) ::freeaddrinfo(first);
  }
};

void look_up(Addresses& out, const std::string& host, const std::string& port, int flags) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags | AI_NUMERICSERV;
  if (const int problem = ::getaddrinfo(host.c_str(), port.c_str(), &hints, &out.first); problem != 0)
    out.problem = ::gai_strerror(problem);
}

class Socket {
 public:
  Socket(int family, int flags) : number_(::socket(family, SOCK_STREAM | SOCK_CLOEXEC | flags, 0)) {}
  ~Socket() {
    if (number_ >= 0) ::close(number_);
  }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  int number() const { return number_; }

 private:
  int number_;
};

std::optional<std::string> connect_within(const addrinfo& address, int milliseconds) {
  Socket socket(address.ai_family, SOCK_NONBLOCK);
  if (socket.number() < 0) return std::strerror(errno);
  if (::connect(socket.number(), address.ai_addr, address.ai_addrlen) == 0) return std::nullopt;
  if (errno != EINPROGRESS) return std::strerror(errno);
  pollfd waiting{socket.number(), POLLOUT, 0};
  if (::poll(&waiting, 1, milliseconds) != 1) return "no answer within 3 s";
  int error = 0;
  socklen_t size = sizeof error;
  ::getsockopt(socket.number(), SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) return std::strerror(error);
  return std::nullopt;
}

}  // namespace

std::optional<std::string> cannot_open(const std::string& address, int port) {
  Addresses found;
  look_up(found, address, std::to_string(port), AI_PASSIVE | AI_NUMERICHOST);
  if (!found.first) return found.problem;
  Socket socket(found.first->ai_family, 0);
  if (socket.number() < 0) return std::strerror(errno);
  const int yes = 1;  // a connection that has just ended does not make a port taken
  ::setsockopt(socket.number(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  if (::bind(socket.number(), found.first->ai_addr, found.first->ai_addrlen) != 0 || ::listen(socket.number(), 1) != 0)
    return std::strerror(errno);
  return std::nullopt;
}

std::optional<std::string> cannot_reach(const std::string& host_port) {
  const auto colon = host_port.rfind(':');
  if (colon == std::string::npos) return "expected HOST:PORT";
  auto host = host_port.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  Addresses found;
  look_up(found, host, host_port.substr(colon + 1), 0);
  if (!found.first) return found.problem;
  std::optional<std::string> problem;
  for (const auto* address = found.first; address; address = address->ai_next) {
    problem = connect_within(*address, reach_ms);
    if (!problem) return std::nullopt;
  }
  return problem;
}

}  // namespace gyre::doctor
