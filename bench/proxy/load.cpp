// What stands on both sides of a proxy that is measured; one epoll thread, closed loop.
//   proxy_load upstream                                          prints its port, ends with its input
//   proxy_load load PORT HOST BYTES CONNECTIONS SECONDS          GET /BYTES again and again; prints JSON
//   proxy_load echo PORT HOST BYTES CONNECTIONS SECONDS          the same with messages over upgraded connections
//   proxy_load idle PORT HOST CONNECTIONS                        opens upgraded connections, prints "open"; at the next
//                                                                line of its input sends a message over each, prints
//                                                                how many came back
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

void quick(int fd) {
  const int yes = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
}

bool send_all(int fd, const std::string& bytes) {  // blocking sockets
  for (std::size_t at = 0; at < bytes.size();) {
    const auto sent = ::send(fd, bytes.data() + at, bytes.size() - at, MSG_NOSIGNAL);
    if (sent <= 0) return false;
    at += static_cast<std::size_t>(sent);
  }
  return true;
}

void watch(int poll, int fd, std::uint64_t what) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = what;
  ::epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event);
}

// ---- upstream ----

int upstream() {
  const int listener = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_ANY);  // two addresses of this machine stand for two hosts
  socklen_t size = sizeof address;
  if (::bind(listener, reinterpret_cast<sockaddr*>(&address), size) != 0 || ::listen(listener, 4096) != 0) return 1;
  ::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size);
  std::printf("%d\n", ntohs(address.sin_port));
  std::fflush(stdout);
  std::thread([] {
    while (std::getchar() != EOF) {
    }
    ::_exit(0);
  }).detach();
  const int poll = ::epoll_create1(0);
  watch(poll, listener, static_cast<std::uint64_t>(listener));
  struct Peer {
    std::string in;
    bool echo = false;
  };
  std::vector<Peer> peers(1 << 17);
  std::vector<char> buffer(1 << 17);
  std::vector<epoll_event> events(256);
  for (;;) {
    const int ready = ::epoll_wait(poll, events.data(), static_cast<int>(events.size()), -1);
    for (int i = 0; i < ready; ++i) {
      const int fd = static_cast<int>(events[static_cast<std::size_t>(i)].data.u64);
      if (fd == listener) {
        const int made = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
        if (made < 0) continue;
        quick(made);
        peers[static_cast<std::size_t>(made)] = {};
        watch(poll, made, static_cast<std::uint64_t>(made));
        continue;
      }
      auto& peer = peers[static_cast<std::size_t>(fd)];
      const auto got = ::recv(fd, buffer.data(), buffer.size(), 0);
      if (got <= 0) {
        ::close(fd);
        continue;
      }
      if (peer.echo) {
        if (!send_all(fd, std::string(buffer.data(), static_cast<std::size_t>(got)))) ::close(fd);
        continue;
      }
      peer.in.append(buffer.data(), static_cast<std::size_t>(got));
      for (auto end = peer.in.find("\r\n\r\n"); end != std::string::npos; end = peer.in.find("\r\n\r\n")) {
        const auto bytes = std::strtoul(peer.in.c_str() + peer.in.find('/') + 1, nullptr, 10);
        peer.echo = std::min(peer.in.find("Upgrade: websocket"), peer.in.find("upgrade: websocket")) < end;
        peer.in.erase(0, end + 4);
        const auto answer =
            peer.echo ? "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
                      : "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: " +
                            std::to_string(bytes) + "\r\n\r\n" + std::string(bytes, 'x');
        if (!send_all(fd, answer)) break;
      }
    }
  }
}

// ---- client ----

struct Client {
  int fd = -1;
  std::string head;
  std::size_t left = 0;  // of the body
  bool in_body = false;
  Clock::time_point begun;
};

int connected(int port) {  // -1: it could not
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  to.sin_port = htons(static_cast<std::uint16_t>(port));
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  if (::connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0) return std::perror("connect"), -1;
  quick(fd);
  return fd;
}

bool upgrade(int fd, const std::string& host) {
  send_all(fd, "GET /0 HTTP/1.1\r\nHost: " + host +
                   "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                   "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
  std::string head;
  while (head.find("\r\n\r\n") == std::string::npos) {
    char next = 0;
    if (::recv(fd, &next, 1, 0) <= 0) return std::fputs("no upgrade\n", stderr), false;
    head += next;
  }
  if (head.find(" 101 ") != std::string::npos) return true;
  std::fputs(head.c_str(), stderr);
  return false;
}

int idle(char** arguments) {
  std::vector<int> all;
  for (int left = std::atoi(arguments[4]); left > 0; --left) {
    all.push_back(connected(std::atoi(arguments[2])));
    if (all.back() < 0 || !upgrade(all.back(), arguments[3])) return 1;
  }
  std::puts("open");
  std::fflush(stdout);
  std::getchar();
  int back = 0;
  for (const int fd : all) {
    char answer = 0;
    back += send_all(fd, "m") && ::recv(fd, &answer, 1, 0) == 1 && answer == 'm';
  }
  std::printf("%d\n", back);
  return 0;
}

int load(char** arguments, bool echo) {
  const std::string host = arguments[3];
  const auto bytes = std::strtoul(arguments[4], nullptr, 10);
  const auto connections = std::strtoul(arguments[5], nullptr, 10);
  const std::chrono::duration<double> span(std::atof(arguments[6]));
  const auto request = "GET /" + std::to_string(bytes) + " HTTP/1.1\r\nHost: " + host + "\r\n\r\n";
  const std::string message(bytes, 'm');
  const int poll = ::epoll_create1(0);
  std::vector<Client> clients(connections);
  std::vector<char> buffer(1 << 17);
  std::vector<std::uint32_t> took;  // microseconds
  took.reserve(1 << 20);
  std::uint64_t failed = 0;
  const auto begin = [&](Client& client) {
    client.begun = Clock::now();
    client.in_body = echo;
    client.left = echo ? bytes : 0;
    client.head.clear();
    if (!send_all(client.fd, echo ? message : request)) ++failed;
  };
  for (std::size_t i = 0; i < clients.size(); ++i) {
    clients[i].fd = connected(std::atoi(arguments[2]));
    if (clients[i].fd < 0) return 1;
    watch(poll, clients[i].fd, i);
    if (echo && !upgrade(clients[i].fd, host)) return 1;
  }
  const auto started = Clock::now();
  const auto over = started + std::chrono::duration_cast<Clock::duration>(span);
  for (auto& client : clients) begin(client);
  std::vector<epoll_event> events(256);
  while (Clock::now() < over) {
    const int ready = ::epoll_wait(poll, events.data(), static_cast<int>(events.size()), 100);
    for (int i = 0; i < ready; ++i) {
      auto& client = clients[events[static_cast<std::size_t>(i)].data.u64];
      const auto got = ::recv(client.fd, buffer.data(), buffer.size(), 0);
      if (got <= 0) {
        ++failed;
        ::epoll_ctl(poll, EPOLL_CTL_DEL, client.fd, nullptr);
        continue;
      }
      auto body = static_cast<std::size_t>(got);
      if (!client.in_body) {
        client.head.append(buffer.data(), static_cast<std::size_t>(got));
        const auto end = client.head.find("\r\n\r\n");
        if (end == std::string::npos) continue;
        if (!client.head.starts_with("HTTP/1.1 200")) ++failed;
        client.in_body = true;
        client.left = bytes;
        body = client.head.size() - end - 4;
      }
      client.left -= std::min(client.left, body);
      if (client.left > 0) continue;
      took.push_back(static_cast<std::uint32_t>(
          std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - client.begun).count()));
      begin(client);
    }
  }
  const std::chrono::duration<double> real = Clock::now() - started;
  if (took.empty()) return std::fputs("no answer at all\n", stderr), 1;
  std::sort(took.begin(), took.end());
  std::printf("{\"requests\": %zu, \"per_second\": %.1f, \"p50_us\": %u, \"p99_us\": %u, \"failed\": %llu}\n",
              took.size(), static_cast<double>(took.size()) / real.count(), took[took.size() / 2],
              took[took.size() * 99 / 100], static_cast<unsigned long long>(failed));
  return 0;
}

}  // namespace

int main(int count, char** arguments) {
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &files);
  const std::string what = count > 1 ? arguments[1] : "";
  if (what == "upstream") return upstream();
  if (count == 7 && (what == "load" || what == "echo")) return load(arguments, what == "echo");
  if (count == 5 && what == "idle") return idle(arguments);
  std::fputs("proxy_load upstream | load|echo PORT HOST BYTES CONNECTIONS SECONDS | idle PORT HOST CONNECTIONS\n",
             stderr);
  return 2;
}
