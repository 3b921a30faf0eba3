// Clients of the API; one epoll thread.
//   api_load PORT METHOD PATH BODY_FILE KEYS_FILE CONNECTIONS SECONDS RATE
// Each connection uses the next API key of the file. RATE 0: every connection asks again as soon as it is answered.
// Else so many requests are due in a second whether answers come or not; what is due while no connection is free counts
// as unsent. Prints JSON: how many were answered with each class, refusals (429, 503) without Retry-After, p50 and p99
// of the answers of class 2.
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
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

struct Client {
  int fd = -1;
  std::string request;
  std::string in;
  Clock::time_point begun;
  bool busy = false;
};

struct Counts {
  unsigned long long good = 0, too_many = 0, unavailable = 0, other = 0, without_retry_after = 0;
  unsigned long long closed = 0, cut = 0;  // connections that ended at rest, and with a request unanswered
  unsigned long long unsent = 0;
};

int connected(int port) {  // -1: it could not
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  to.sin_port = htons(static_cast<std::uint16_t>(port));
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  if (fd < 0) return -1;
  if (::connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0) return ::close(fd), -1;
  const int yes = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  return fd;
}

// The length of the answer that `in` begins with; 0: it is not all there.
std::size_t whole_answer(const std::string& in) {
  const auto end = in.find("\r\n\r\n");
  if (end == std::string::npos) return 0;
  std::size_t body = 0;
  auto at = in.find("\r\nContent-Length: ");
  if (at != std::string::npos && at < end) body = std::strtoul(in.c_str() + at + 18, nullptr, 10);
  return in.size() < end + 4 + body ? 0 : end + 4 + body;
}

void count(Counts& counts, const std::string& answer) {
  const int status = std::atoi(answer.c_str() + 9);
  if (status >= 200 && status < 300) {
    ++counts.good;
  } else if (status == 429 || status == 503) {
    ++(status == 429 ? counts.too_many : counts.unavailable);
    if (answer.find("\r\nRetry-After: ") == std::string::npos) ++counts.without_retry_after;
  } else {
    if (counts.other++ == 0) std::fprintf(stderr, "%s\n", answer.c_str());
  }
}

std::string file(const char* path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace

int main(int words, char** arguments) {
  if (words != 9) {
    std::fputs("api_load PORT METHOD PATH BODY_FILE KEYS_FILE CONNECTIONS SECONDS RATE\n", stderr);
    return 2;
  }
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &files);
  const int port = std::atoi(arguments[1]);
  const auto body = file(arguments[4]);
  std::vector<std::string> keys;
  std::ifstream keys_file(arguments[5]);
  for (std::string line; std::getline(keys_file, line);) keys.push_back(line);
  if (keys.empty()) return std::fputs("no keys\n", stderr), 2;
  std::vector<Client> clients(std::strtoul(arguments[6], nullptr, 10));
  const std::chrono::duration<double> span(std::atof(arguments[7]));
  const double rate = std::atof(arguments[8]);
  const int poll = ::epoll_create1(0);
  std::vector<std::size_t> idle;
  const auto open = [&](std::size_t i) {
    auto& client = clients[i];
    client.busy = false;
    client.in.clear();
    client.fd = connected(port);
    if (client.fd < 0) return false;
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = i;
    ::epoll_ctl(poll, EPOLL_CTL_ADD, client.fd, &event);
    idle.push_back(i);
    return true;
  };
  for (std::size_t i = 0; i < clients.size(); ++i) {
    clients[i].request = std::string(arguments[2]) + " " + arguments[3] +
                         " HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer " + keys[i % keys.size()] + "\r\n";
    if (!body.empty())
      clients[i].request += "Content-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) + "\r\n";
    clients[i].request += "\r\n" + body;
    if (!open(i)) return std::perror("connect"), 1;
  }
  Counts counts;
  std::vector<std::uint32_t> took;  // microseconds
  took.reserve(1 << 20);
  std::vector<char> buffer(1 << 17);
  std::vector<epoll_event> events(256);
  const auto started = Clock::now();
  const auto over = started + std::chrono::duration_cast<Clock::duration>(span);
  double begun = 0;
  for (auto now = started; now < over; now = Clock::now()) {
    const auto due = rate > 0 ? std::chrono::duration<double>(now - started).count() * rate : 1e18;
    while (!idle.empty() && begun < due) {
      auto& client = clients[idle.back()];
      idle.pop_back();
      client.begun = Clock::now();
      client.busy = true;
      begun += 1;
      // Small beside what a socket holds; a connection that is gone is found out by its end.
      if (::send(client.fd, client.request.data(), client.request.size(), MSG_NOSIGNAL) < 0) continue;
    }
    if (rate > 0 && begun < due) {
      counts.unsent += static_cast<unsigned long long>(due - begun);
      begun = due;
    }
    const int ready = ::epoll_wait(poll, events.data(), static_cast<int>(events.size()), rate > 0 ? 1 : 100);
    for (int i = 0; i < ready; ++i) {
      const auto which = events[static_cast<std::size_t>(i)].data.u64;
      auto& client = clients[which];
      const auto got = ::recv(client.fd, buffer.data(), buffer.size(), 0);
      if (got <= 0) {
        ++(client.busy ? counts.cut : counts.closed);
        ::close(client.fd);
        std::erase(idle, which);
        if (!open(which)) return std::perror("connect again"), 1;
        continue;
      }
      client.in.append(buffer.data(), static_cast<std::size_t>(got));
      const auto length = whole_answer(client.in);
      if (length == 0 || !client.busy) continue;
      const auto good = counts.good;
      count(counts, client.in);
      const auto micros = std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - client.begun).count();
      if (counts.good > good && took.size() < took.capacity()) took.push_back(static_cast<std::uint32_t>(micros));
      client.in.erase(0, length);
      client.busy = false;
      idle.push_back(which);
    }
  }
  const std::chrono::duration<double> real = Clock::now() - started;
  if (took.empty()) return std::fputs("not one was answered with 2xx\n", stderr), 1;
  std::sort(took.begin(), took.end());
  std::printf(
      "{\"good\": %llu, \"status_429\": %llu, \"status_503\": %llu, \"other\": %llu, \"without_retry_after\": %llu, "
      "\"closed\": %llu, \"cut\": %llu, \"unsent\": %llu, \"seconds\": %.3f, \"p50_us\": %u, \"p99_us\": %u}\n",
      counts.good, counts.too_many, counts.unavailable, counts.other, counts.without_retry_after, counts.closed,
      counts.cut, counts.unsent, real.count(), took[took.size() / 2], took[took.size() * 99 / 100]);
  return 0;
}
