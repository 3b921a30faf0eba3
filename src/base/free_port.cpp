#include "base/free_port.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sodium.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>

namespace gyre {
namespace {

constexpr int lowest = 10'000;  // below live the ports that people know by heart
constexpr int highest = 65'535;

bool can_be_bound(const sockaddr_in& any_port, int port) {
  const int probe = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (probe < 0) return false;
  auto address = any_port;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  const bool bound = ::bind(probe, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  ::close(probe);
  return bound;
}

int first_usable(int from, int to, std::uint32_t start, const std::function<bool(int)>& usable) {
  if (from > to) return 0;
  const auto count = static_cast<std::uint32_t>(to - from + 1);
  for (std::uint32_t i = 0; i < count; ++i) {
    const int port = from + static_cast<int>((start + i) % count);
    if (usable(port)) return port;
  }
  return 0;
}

}  // namespace

EphemeralPorts ephemeral_ports() {
  EphemeralPorts read;
  std::ifstream file("/proc/sys/net/ipv4/ip_local_port_range");
  if (!(file >> read.first >> read.last) || read.first > read.last) return {};
  return read;
}

int choose_lasting_port(EphemeralPorts taken, std::uint32_t start, const std::function<bool(int)>& usable) {
  if (const int below = first_usable(lowest, taken.first - 1, start, usable); below != 0) return below;
  if (const int above = first_usable(taken.last + 1, highest, start, usable); above != 0) return above;
  // The range leaves no room from 10000 up: what is left is below, or any port at all, which may be lost in a restart.
  if (const int low = first_usable(1024, std::min(lowest, taken.first) - 1, start, usable); low != 0) return low;
  return first_usable(taken.first, taken.last, start, usable);
}

int lasting_free_port(const std::string& address) {
  sockaddr_in any_port{};
  any_port.sin_family = AF_INET;
  if (::inet_pton(AF_INET, address.c_str(), &any_port.sin_addr) != 1 || !can_be_bound(any_port, 0)) return 0;
  return choose_lasting_port(ephemeral_ports(), ::randombytes_random(),
                             [&](int port) { return can_be_bound(any_port, port); });
}

}  // namespace gyre
