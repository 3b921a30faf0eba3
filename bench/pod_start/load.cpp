// The client and the ear of `pod_start/run.py`.
//   pod_start_load LISTEN_SOCKET ENGINE_SOCKET
// Relays LISTEN_SOCKET to the engine's socket and prints, as a line of JSON, what the agent asks there: when its first
// byte came, the request's line, and the body of a container's creation. A line `PORT KEY BODY` on standard input is
// sent as `POST /v1/pods` over a connection that is kept: when it was sent, when it was answered, and the answer are
// printed. Times are microseconds of the machine's clock, as the engine's are.
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <mutex>
#include <string>
#include <thread>

namespace {

std::mutex printing;

long long now_us() {
  return std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

void say(const std::string& line) {
  const std::lock_guard lock(printing);
  std::printf("%s\n", line.c_str());
  std::fflush(stdout);
}

[[noreturn]] void die(const char* what) {
  std::perror(what);
  std::exit(1);
}

sockaddr_un at(const char* path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (std::strlen(path) >= sizeof address.sun_path) die("the path of a socket is too long");
  std::strcpy(address.sun_path, path);
  return address;
}

void send_all(int to, const std::string& bytes) {
  for (std::size_t sent = 0; sent < bytes.size();) {
    const auto n = ::send(to, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    if (n <= 0) return;
    sent += static_cast<std::size_t>(n);
  }
}

// False: the peer has ended.
bool receive(int from, std::string& into) {
  char some[65536];
  const auto n = ::recv(from, some, sizeof some, 0);
  if (n <= 0) return false;
  into.append(some, static_cast<std::size_t>(n));
  return true;
}

// The length of the message that `in` begins with, heads and body; 0: it is not all there.
std::size_t whole_message(const std::string& in) {
  const auto end = in.find("\r\n\r\n");
  if (end == std::string::npos) return 0;
  const auto length = in.find("\r\nContent-Length: ");
  const std::size_t body = length < end ? std::strtoul(in.c_str() + length + 18, nullptr, 10) : 0;
  return in.size() < end + 4 + body ? 0 : end + 4 + body;
}

std::string quoted(const std::string& text) {  // what agents and servers write here has no control characters
  std::string made = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') made += '\\';
    made += c;
  }
  return made + '"';
}

void carry(int from, int to) {
  for (std::string bytes; receive(from, bytes); bytes.clear()) send_all(to, bytes);
  ::shutdown(from, SHUT_RDWR);
  ::shutdown(to, SHUT_RDWR);
}

// One request comes on each connection: that is how our agent asks, but for streams.
void relay(int agent, const sockaddr_un& engine) {
  const int far = ::socket(AF_UNIX, SOCK_STREAM, 0);
  if (::connect(far, reinterpret_cast<const sockaddr*>(&engine), sizeof engine) != 0) {
    ::close(far);
    ::close(agent);
    return;
  }
  std::thread back(carry, far, agent);
  std::string request;
  if (receive(agent, request)) {
    const auto came = now_us();
    const bool creates = request.rfind("POST ", 0) == 0 && request.find("/containers/create") < request.find("\r\n");
    while (creates && whole_message(request) == 0 && receive(agent, request)) {
    }
    send_all(far, request);
    std::string line =
        "{\"at\":" + std::to_string(came) + ",\"asks\":" + quoted(request.substr(0, request.find("\r\n")));
    if (creates) line += ",\"body\":" + request.substr(request.find("\r\n\r\n") + 4);
    say(line + "}");
    carry(agent, far);
  }
  ::shutdown(far, SHUT_RDWR);
  back.join();
  ::close(far);
  ::close(agent);
}

void hear(const char* path, const char* engine) {
  const int listener = ::socket(AF_UNIX, SOCK_STREAM, 0);
  const auto address = at(path);
  if (::bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) die(path);
  if (::listen(listener, 64) != 0) die(path);
  while (true) {
    const int agent = ::accept(listener, nullptr, nullptr);
    if (agent >= 0) std::thread(relay, agent, at(engine)).detach();
  }
}

int connected(int port) {
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  to.sin_port = htons(static_cast<std::uint16_t>(port));
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  if (fd < 0 || ::connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0) die("the server");
  const int yes = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  return fd;
}

}  // namespace

int main(int count, char** words) {
  if (count != 3) return std::fprintf(stderr, "pod_start_load LISTEN_SOCKET ENGINE_SOCKET\n"), 2;
  std::thread(hear, words[1], words[2]).detach();
  int server = -1;
  int port = 0;
  std::string key, body;
  while (std::cin >> port >> key && std::getline(std::cin, body)) {
    if (server < 0) server = connected(port);
    const std::string request = "POST /v1/pods HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer " + key +
                                "\r\nContent-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) +
                                "\r\n\r\n" + body;
    const auto sent = now_us();
    send_all(server, request);
    std::string answer;
    while (whole_message(answer) == 0)
      if (!receive(server, answer)) die("the server's answer");
    const auto answered = now_us();
    say("{\"sent\":" + std::to_string(sent) + ",\"answered\":" + std::to_string(answered) +
        ",\"answer\":" + answer.substr(answer.find("\r\n\r\n") + 4) + "}");
  }
  std::_Exit(0);  // the relay's threads wait for ever
}
