// gyre/app: a small web program for the tests of the proxy, linked statically so that its image is this one file.
//
//   GET  /head             the head of the request, as it arrived
//   GET  /big?N            N bytes; byte i is (i / 4096) modulo 251; understands `Range: bytes=FROM-`
//   GET  /sleep?S          answers after S seconds
//   POST /count            how many bytes the body has (Content-Length, or chunks taken as they are until their end)
//   any  Upgrade: ...      101, and then every byte is sent back, until the client's end
//
// Listens on $PORT (8888). A thread for each connection; upgraded ones share one thread, so that ten thousand can rest.
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <strings.h>
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>

namespace {

bool send_all(int fd, const char* bytes, std::size_t size) {
  while (size > 0) {
    const auto sent = ::send(fd, bytes, size, MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes += sent;
    size -= static_cast<std::size_t>(sent);
  }
  return true;
}

bool answer(int fd, const std::string& body) {
  const auto all = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: " + std::to_string(body.size()) +
                   "\r\n\r\n" + body;
  return send_all(fd, all.data(), all.size());
}

std::string header(const std::string& head, const char* name) {
  const auto size = std::string(name).size();
  for (auto at = head.find("\r\n"); at != std::string::npos; at = head.find("\r\n", at + 2))
    if (::strncasecmp(head.c_str() + at + 2, name, size) == 0 && head[at + 2 + size] == ':') {
      const auto begin = head.find_first_not_of(' ', at + 3 + size);
      return head.substr(begin, head.find("\r\n", begin) - begin);
    }
  return "";
}

bool big(int fd, const std::string& head, std::uint64_t size) {
  std::uint64_t from = 0;
  const auto range = header(head, "Range");
  if (range.rfind("bytes=", 0) == 0) from = std::strtoull(range.c_str() + 6, nullptr, 10);
  auto start = "HTTP/1.1 " + std::string(from > 0 ? "206 Partial Content" : "200 OK") +
               "\r\nAccept-Ranges: bytes\r\nContent-Length: " + std::to_string(size - from) + "\r\n";
  if (from > 0)
    start += "Content-Range: bytes " + std::to_string(from) + "-" + std::to_string(size - 1) + "/" +
             std::to_string(size) + "\r\n";
  start += "\r\n";
  if (!send_all(fd, start.data(), start.size())) return false;
  static thread_local char piece[256 * 1024];
  while (from < size) {
    const auto count = std::min<std::uint64_t>(sizeof piece, size - from);
    for (std::uint64_t i = 0; i < count; ++i) piece[i] = static_cast<char>((from + i) / 4096 % 251);
    if (!send_all(fd, piece, count)) return false;
    from += count;
  }
  return true;
}

void serve(int fd, int echoes) {
  std::string in;
  char buffer[64 * 1024];
  for (;;) {
    auto end = in.find("\r\n\r\n");
    while (end == std::string::npos) {
      const auto got = ::recv(fd, buffer, sizeof buffer, 0);
      if (got <= 0) return void(::close(fd));
      in.append(buffer, static_cast<std::size_t>(got));
      end = in.find("\r\n\r\n");
    }
    const auto head = in.substr(0, end + 4);
    in.erase(0, end + 4);
    const auto target = head.substr(head.find(' ') + 1, head.find(' ', head.find(' ') + 1) - head.find(' ') - 1);
    const auto question = target.find('?');
    const auto number = question == std::string::npos ? 0 : std::strtoull(target.c_str() + question + 1, nullptr, 10);
    const auto path = target.substr(0, question);
    bool goes_on = true;
    if (const auto protocol = header(head, "Upgrade"); !protocol.empty()) {
      const auto yes =
          "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: " + protocol + "\r\n\r\n" + in;
      epoll_event event{};
      event.events = EPOLLIN;
      event.data.fd = fd;
      if (!send_all(fd, yes.data(), yes.size()) || ::epoll_ctl(echoes, EPOLL_CTL_ADD, fd, &event) != 0) ::close(fd);
      return;
    }
    if (path == "/big") {
      goes_on = big(fd, head, number);
    } else if (path == "/sleep") {
      ::sleep(static_cast<unsigned>(number));
      goes_on = answer(fd, "awake\n");
    } else if (path == "/count") {
      std::uint64_t left = std::strtoull(header(head, "Content-Length").c_str(), nullptr, 10), count = left;
      if (header(head, "Expect") == "100-continue") goes_on = send_all(fd, "HTTP/1.1 100 Continue\r\n\r\n", 25);
      left -= std::min<std::uint64_t>(left, in.size());
      in.clear();
      while (goes_on && left > 0) {
        const auto got = ::recv(fd, buffer, std::min<std::uint64_t>(left, sizeof buffer), 0);
        goes_on = got > 0;
        if (goes_on) left -= static_cast<std::uint64_t>(got);
      }
      goes_on = goes_on && answer(fd, std::to_string(count) + "\n");
    } else {
      goes_on = answer(fd, head);
    }
    if (!goes_on) return void(::close(fd));
  }
}

void echo(int echoes) {
  char buffer[64 * 1024];
  epoll_event events[64];
  for (;;) {
    const int ready = ::epoll_wait(echoes, events, 64, -1);
    for (int i = 0; i < ready; ++i) {
      const int fd = events[i].data.fd;
      const auto got = ::recv(fd, buffer, sizeof buffer, 0);
      if (got <= 0 || !send_all(fd, buffer, static_cast<std::size_t>(got))) ::close(fd);
    }
  }
}

}  // namespace

int main() {
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGTERM, [](int) { ::_exit(0); });
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &files);
  const char* port = std::getenv("PORT");
  const int listener = ::socket(AF_INET, SOCK_STREAM, 0);
  const int yes = 1;
  ::setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port == nullptr ? 8888 : std::atoi(port)));
  if (::bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 || ::listen(listener, 4096) != 0)
    return std::perror("listen"), 1;
  std::puts("listening");
  std::fflush(stdout);
  const int echoes = ::epoll_create1(0);
  std::thread(echo, echoes).detach();
  for (;;) {
    const int fd = ::accept(listener, nullptr, nullptr);
    if (fd >= 0) std::thread(serve, fd, echoes).detach();
  }
}
