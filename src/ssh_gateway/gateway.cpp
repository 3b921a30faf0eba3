#include "ssh_gateway/gateway.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <libssh/libssh.h>
#include <libssh/server.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstring>
#include <map>
#include <mutex>
#include <thread>

#include "base/files.hpp"
#include "base/log.hpp"
#include "ssh_gateway/connection.hpp"

namespace gyre::ssh {
namespace {

constexpr int tick_ms = 1'000;
constexpr int accepted_at_once = 16;

std::string last_problem() { return std::strerror(errno); }

// ---- the key of this host ----

Result<ssh_key> host_key(const std::string& file) {
  const auto unusable = [&](const std::string& detail) {
    return fail(Reason::file_unusable, {{"path", file}, {"detail", detail}});
  };
  if (!TRY(read_file(file))) {
    ssh_key made = nullptr;
    if (ssh_pki_generate(SSH_KEYTYPE_ED25519, 0, &made) != SSH_OK) return unusable("no key could be made");
    char* text = nullptr;
    const int done = ssh_pki_export_privkey_base64(made, nullptr, nullptr, nullptr, &text);
    ssh_key_free(made);
    if (done != SSH_OK) return unusable("no key could be made");
    const std::string content = text;
    ssh_string_free_char(text);
    TRY(write_private_file(file, content));
  }
  ssh_key key = nullptr;
  if (ssh_pki_import_privkey_file(file.c_str(), nullptr, nullptr, nullptr, &key) != SSH_OK)
    return unusable("it does not hold a private key of SSH without a passphrase");
  return key;
}

std::string fingerprint(ssh_key key) {
  unsigned char* hash = nullptr;
  std::size_t size = 0;
  if (ssh_get_publickey_hash(key, SSH_PUBLICKEY_HASH_SHA256, &hash, &size) != 0) return "";
  char* text = ssh_get_fingerprint_hash(SSH_PUBLICKEY_HASH_SHA256, hash, size);
  std::string out = text ? text : "";
  ssh_string_free_char(text);
  ssh_clean_pubkey_hash(&hash);
  return out;
}

// ---- sockets ----

Result<int> listening(const std::string& host, int port) {
  const auto refused = [&](const std::string& detail) {
    const bool is_v6 = host.find(':') != std::string::npos;
    const auto address = (is_v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
    return fail(Reason::cannot_listen, {{"address", address}, {"detail", detail}});
  };
  addrinfo hints{}, *found = nullptr;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  if (const int problem = getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found); problem != 0)
    return refused(gai_strerror(problem));
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> held(found, freeaddrinfo);
  const int out = ::socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (out < 0) return refused(last_problem());
  const int on = 1;
  ::setsockopt(out, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (::bind(out, found->ai_addr, found->ai_addrlen) != 0 || ::listen(out, 128) != 0) {
    const auto problem = last_problem();
    ::close(out);
    return refused(problem);
  }
  return out;
}

int port_of(int listener) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size) != 0) return 0;
  char port[16] = {};
  ::getnameinfo(reinterpret_cast<sockaddr*>(&address), size, nullptr, 0, port, sizeof port, NI_NUMERICSERV);
  return std::atoi(port);
}

std::string text_of(const sockaddr_storage& address, socklen_t size) {
  char host[INET6_ADDRSTRLEN + 16] = {};
  ::getnameinfo(reinterpret_cast<const sockaddr*>(&address), size, host, sizeof host, nullptr, 0, NI_NUMERICHOST);
  return host;
}

// A peer that has gone without a word is noticed after two minutes.
void notice_the_lost(int connection) {
  const auto set = [&](int level, int what, int value) { ::setsockopt(connection, level, what, &value, sizeof value); };
  set(SOL_SOCKET, SO_KEEPALIVE, 1);
  set(IPPROTO_TCP, TCP_KEEPIDLE, 60);
  set(IPPROTO_TCP, TCP_KEEPINTVL, 15);
  set(IPPROTO_TCP, TCP_KEEPCNT, 4);
  set(IPPROTO_TCP, TCP_USER_TIMEOUT, 120'000);
  set(IPPROTO_TCP, TCP_NODELAY, 1);
}

Duration uptime() { return std::chrono::duration_cast<Duration>(std::chrono::steady_clock::now().time_since_epoch()); }

}  // namespace

struct Gateway::Impl : std::enable_shared_from_this<Gateway::Impl> {
  using Step = std::function<void(Connection&)>;

  Impl(Settings given, Decisions deciding) : settings(std::move(given)), decisions(std::move(deciding)) {}
  ~Impl() {
    if (listener >= 0) ::close(listener);
    if (waker >= 0) ::close(waker);
    if (bind) ssh_bind_free(bind);
  }

  Result<> prepare() {
    bind = ssh_bind_new();
    const bool no = false;
    ssh_bind_options_set(bind, SSH_BIND_OPTIONS_PROCESS_CONFIG, &no);  // ours alone
    ssh_bind_options_set(bind, SSH_BIND_OPTIONS_BANNER, "gyre");
    auto* key = TRY(host_key(settings.host_key));
    log::info("ssh: the key of this host", {{"fingerprint", fingerprint(key)}, {"path", settings.host_key}});
    if (ssh_bind_options_set(bind, SSH_BIND_OPTIONS_IMPORT_KEY, key) != SSH_OK) {
      ssh_key_free(key);
      return fail(Reason::file_unusable, {{"path", settings.host_key}, {"detail", "its kind of key is not known"}});
    }
    listener = TRY(listening(settings.host, settings.port));
    waker = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (waker < 0) return fail(Reason::cannot_listen, {{"address", settings.host}, {"detail", last_problem()}});
    return {};
  }

  // ---- from any thread ----

  void post(std::uint64_t id, Step step) {
    const std::lock_guard lock(mutex);
    if (ended) return;
    posted.emplace_back(id, std::move(step));
    if (posted.size() > 1) return;  // it knows
    wake();
  }
  void wake() const {
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto written = ::write(waker, &one, sizeof one);
  }

  // ---- the thread ----

  void run() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, nullptr);  // signals are for others; and SIGPIPE, which libssh does not prevent
    std::vector<pollfd> polled;
    std::vector<std::uint64_t> ids;
    while (!stopping) {
      polled.assign({{waker, POLLIN, 0}, {listener, POLLIN, 0}});
      ids.clear();
      for (const auto& [id, connection] : connections) {
        const int descriptor = connection->descriptor();
        if (descriptor < 0) continue;
        polled.push_back({descriptor, connection->events(), 0});
        ids.push_back(id);
      }
      ::poll(polled.data(), polled.size(), connections.empty() ? -1 : tick_ms);
      now = uptime();
      if (polled[0].revents != 0) hear_posts();
      if (polled[1].revents != 0) accept_some();
      std::map<std::uint64_t, bool> ready;
      for (std::size_t i = 0; i < ids.size(); ++i)
        if (polled[i + 2].revents != 0) ready[ids[i]] = true;
      for (auto it = connections.begin(); it != connections.end();) {
        it->second->step(now, ready.contains(it->first));
        it = it->second->over() ? connections.erase(it) : std::next(it);
      }
      open = connections.size();
    }
    for (auto& [id, connection] : connections) connection->closing();
    connections.clear();
    open = 0;
  }

  void hear_posts() {
    std::uint64_t ignored = 0;
    [[maybe_unused]] const auto count = ::read(waker, &ignored, sizeof ignored);
    std::vector<std::pair<std::uint64_t, Step>> mine;
    {
      const std::lock_guard lock(mutex);
      mine.swap(posted);
    }
    for (auto& [id, step] : mine)
      if (const auto found = connections.find(id); found != connections.end()) step(*found->second);
  }

  void accept_some() {
    for (int i = 0; i < accepted_at_once; ++i) {
      sockaddr_storage from{};
      socklen_t size = sizeof from;
      const int made = ::accept4(listener, reinterpret_cast<sockaddr*>(&from), &size, SOCK_CLOEXEC | SOCK_NONBLOCK);
      if (made < 0) return;
      take(made, text_of(from, size));
    }
  }

  // A line before the version of the protocol (RFC 4253, 4.2), and no more of it.
  static void turn_away(int made, const Error& why) {
    const auto words = why.message() + "; " + why.fix() + "\r\n";
    [[maybe_unused]] const auto sent = ::send(made, words.data(), words.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    ::close(made);
  }

  void take(int made, const std::string& address) {
    if (const int seconds = tries.wait(address, now); seconds > 0)
      return turn_away(made, Error{Reason::too_many_log_ins, {{"seconds", std::to_string(seconds)}}, {}});
    std::size_t same = 0;
    for (const auto& [id, connection] : connections) same += connection->address() == address ? 1 : 0;
    if (connections.size() >= settings.connections || same >= settings.connections_per_address)
      return turn_away(made, Error{Reason::too_many_requests, {{"seconds", "5"}}, {}});
    notice_the_lost(made);
    auto* session = ssh_new();
    if (!session) {
      ::close(made);
      return;
    }
    ssh_options_set(session, SSH_OPTIONS_COMPRESSION, "no");  // what leaves is counted as it was written
    if (ssh_bind_accept_fd(bind, session, made) != SSH_OK) {
      log::warn("ssh: a connection could not be taken", {{"problem", ssh_get_error(bind)}});
      ssh_free(session);
      return;
    }
    const auto id = next_id++;
    auto post_to = [weak = weak_from_this(), id](Step step) {
      if (const auto self = weak.lock()) self->post(id, std::move(step));
    };
    connections.emplace(
        id, std::make_unique<Connection>(session, address, settings, decisions, tries, std::move(post_to), now));
  }

  const Settings settings;
  const Decisions decisions;
  ssh_bind bind = nullptr;
  int listener = -1, waker = -1;
  std::thread thread;
  std::atomic<bool> stopping{false};
  std::atomic<std::size_t> open{0};

  std::mutex mutex;
  std::vector<std::pair<std::uint64_t, Step>> posted;
  bool ended = false;

  // The thread's own.
  Duration now{0};
  Tries tries;
  std::uint64_t next_id = 1;
  std::map<std::uint64_t, std::unique_ptr<Connection>> connections;
};

Gateway::Gateway(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}

Result<std::unique_ptr<Gateway>> Gateway::start(Settings settings, Decisions decisions) {
  auto impl = std::make_shared<Impl>(std::move(settings), std::move(decisions));
  TRY(impl->prepare());
  impl->thread = std::thread([raw = impl.get()] { raw->run(); });
  return std::unique_ptr<Gateway>(new Gateway(std::move(impl)));
}

Gateway::~Gateway() {
  impl_->stopping = true;
  impl_->wake();
  impl_->thread.join();
  std::vector<std::pair<std::uint64_t, Impl::Step>>
      left;  // they may hold what is open in pods: let go outside the lock
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->ended = true;
    left.swap(impl_->posted);
  }
}

int Gateway::port() const { return port_of(impl_->listener); }
std::size_t Gateway::connections() const { return impl_->open; }

}  // namespace gyre::ssh
