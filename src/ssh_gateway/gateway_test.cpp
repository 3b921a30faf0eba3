// The gateway with a real client of SSH (libssh's own), and programs that are not there.
#include "ssh_gateway/gateway.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <libssh/libssh.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <thread>

#include "ssh_gateway/connection.hpp"
#include "ssh_gateway/test_exec.hpp"
#include "ssh_gateway/tries.hpp"

namespace gyre::ssh {
namespace {

namespace fs = std::filesystem;

// Programs that echo, run by a thread of theirs.
class Programs {
 public:
  Programs() : thread_([this] { run(); }) {}
  ~Programs() {
    {
      const std::lock_guard lock(mutex_);
      over_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }

  std::size_t program_holds = 64 * 1024, kept_max = 256 * 1024;
  link::ExecRequest last;

  std::shared_ptr<http::WebSocket> open(const link::ExecRequest& request) {
    auto exec = std::make_shared<TestExec>();
    exec->program_holds = program_holds;
    exec->kept_max = kept_max;
    exec->socket->on_message([this] {
      const std::lock_guard lock(mutex_);
      moved_ = true;
      changed_.notify_all();
    });
    const std::lock_guard lock(mutex_);
    last = request;
    execs_.push_back(exec);
    return exec->socket;
  }

 private:
  void run() {
    std::unique_lock lock(mutex_);
    while (!over_) {
      const auto execs = execs_;
      moved_ = false;
      lock.unlock();
      bool moved = false;
      for (const auto& exec : execs) moved = exec->turn() || moved;
      lock.lock();
      if (!moved && !moved_ && !over_) changed_.wait(lock);
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::shared_ptr<TestExec>> execs_;
  bool moved_ = false, over_ = false;
  std::thread thread_;
};

struct Key {
  Key() { ssh_pki_generate(SSH_KEYTYPE_ED25519, 0, &key); }
  ~Key() { ssh_key_free(key); }
  std::string text() const {
    char* out = nullptr;
    ssh_pki_export_pubkey_base64(key, &out);
    std::string copy = out;
    ssh_string_free_char(out);
    return copy;
  }
  ssh_key key = nullptr;
};

class Client {
 public:
  explicit Client(int port) : session(ssh_new()) {
    const unsigned number = static_cast<unsigned>(port);
    ssh_options_set(session, SSH_OPTIONS_HOST, "127.0.0.1");
    ssh_options_set(session, SSH_OPTIONS_PORT, &number);
    ssh_options_set(session, SSH_OPTIONS_USER, "pod1-00000000");
    const bool no = false;
    ssh_options_set(session, SSH_OPTIONS_PROCESS_CONFIG, &no);
    const long seconds = 120;
    ssh_options_set(session, SSH_OPTIONS_TIMEOUT, &seconds);
    connected = ssh_connect(session) == SSH_OK;
  }
  ~Client() {
    if (channel) ssh_channel_free(channel);
    ssh_disconnect(session);
    ssh_free(session);
  }
  int log_in(const Key& key) const { return ssh_userauth_publickey(session, nullptr, key.key); }
  // With keys that nobody knows, until the connection ends.
  int refusals() const {
    const long seconds = 10;  // libssh's client does not notice that it was closed
    ssh_options_set(session, SSH_OPTIONS_TIMEOUT, &seconds);
    int out = 0;
    while (log_in(Key()) == SSH_AUTH_DENIED) ++out;
    return out;
  }
  void start(const char* command) {
    channel = ssh_channel_new(session);
    ASSERT_EQ(ssh_channel_open_session(channel), SSH_OK) << ssh_get_error(session);
    ASSERT_EQ(ssh_channel_request_exec(channel, command), SSH_OK) << ssh_get_error(session);
  }
  // Writes all of it and reads what comes back, whichever can go on; to the end of the output.
  std::string exchange(const std::string& data) {
    ssh_set_blocking(session, 0);
    std::string back;
    std::size_t at = 0;
    bool eof_sent = false;
    std::vector<char> buffer(64 * 1024);
    const auto until = std::chrono::steady_clock::now() + 120s;
    while (std::chrono::steady_clock::now() < until) {
      bool moved = false;
      const auto window = ssh_channel_window_size(channel);
      if (at < data.size() && window > 0) {
        const auto size = std::min({data.size() - at, static_cast<std::size_t>(window), std::size_t{32'000}});
        const int wrote = ssh_channel_write(channel, data.data() + at, static_cast<std::uint32_t>(size));
        if (wrote > 0) at += static_cast<std::size_t>(wrote);
        moved = wrote > 0;
      } else if (at == data.size() && !eof_sent) {
        ssh_channel_send_eof(channel);
        eof_sent = true;
      }
      const int got =
          ssh_channel_read_nonblocking(channel, buffer.data(), static_cast<std::uint32_t>(buffer.size()), 0);
      if (got > 0) back.append(buffer.data(), static_cast<std::size_t>(got));
      if (got == SSH_EOF || got == SSH_ERROR || ssh_channel_is_eof(channel)) {
        if (got <= 0) break;
      }
      if (moved || got > 0) continue;
      pollfd one{static_cast<int>(ssh_get_fd(session)), POLLIN, 0};
      ::poll(&one, 1, 20);
    }
    ssh_set_blocking(session, 1);
    return back;
  }

  ssh_session session;
  ssh_channel channel = nullptr;
  bool connected = false;
};

class SshGateway : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/gyre-ssh-XXXXXX";
    folder = ::mkdtemp(name);
    start({});
  }
  void TearDown() override {
    gateway.reset();
    fs::remove_all(folder);
  }
  void start(Settings settings) {
    gateway.reset();
    settings.host_key = (folder / "host_key").string();
    Decisions decisions;
    decisions.may_enter = [this](const Login& login, std::function<void(bool)> answer) {
      answer(login.user == "pod1-00000000" && login.key == known);
    };
    decisions.open = [this](const Login& login, link::ExecRequest request, Language, Decisions::Opened answer) {
      if (login.key != known) return answer(fail(Reason::access_denied, {{"needed", "READ_WRITE"}}));
      answer(programs.open(request));
    };
    auto made = Gateway::start(std::move(settings), std::move(decisions));
    ASSERT_TRUE(made) << made.error().message();
    gateway = std::move(*made);
  }

  fs::path folder;
  Key key;
  std::string known = key.text();
  Programs programs;
  std::unique_ptr<Gateway> gateway;
};

std::string pattern(std::size_t size) {
  std::string out(size, '\0');
  std::uint32_t state = 7;
  for (auto& c : out) c = static_cast<char>((state = state * 1664525u + 1013904223u) >> 24);
  return out;
}

TEST_F(SshGateway, GivesBackEveryByte) {
  const auto data = pattern(8'000'000);
  for (int i = 0; i < 3; ++i) {
    Client client(gateway->port());
    ASSERT_TRUE(client.connected) << ssh_get_error(client.session);
    ASSERT_EQ(client.log_in(key), SSH_AUTH_SUCCESS);
    client.start("cat");
    const auto back = client.exchange(data);
    EXPECT_TRUE(back == data) << back.size() << " of " << data.size();
    EXPECT_EQ(ssh_channel_get_exit_status(client.channel), 0);
  }
  EXPECT_EQ(programs.last.command.back(), "cat");
}

TEST_F(SshGateway, GivesBackEveryByteThroughSmallBuffers) {
  programs.program_holds = 3'000;
  programs.kept_max = 5'000;
  const auto data = pattern(1'000'000);
  Client client(gateway->port());
  ASSERT_EQ(client.log_in(key), SSH_AUTH_SUCCESS);
  client.start("cat");
  const auto back = client.exchange(data);
  EXPECT_TRUE(back == data) << back.size() << " of " << data.size();
}

TEST_F(SshGateway, LetsNobodyInWithAnotherKeyOrAPassword) {
  const Key other;
  Client client(gateway->port());
  EXPECT_EQ(client.log_in(other), SSH_AUTH_DENIED);
  EXPECT_NE(ssh_userauth_password(client.session, nullptr, "secret"), SSH_AUTH_SUCCESS);
  EXPECT_EQ(ssh_userauth_list(client.session, nullptr), SSH_AUTH_METHOD_PUBLICKEY);
  EXPECT_EQ(client.log_in(key), SSH_AUTH_SUCCESS);
}

TEST_F(SshGateway, AConnectionHasOnlySoManyTries) {
  Client client(gateway->port());
  EXPECT_EQ(client.refusals(), Connection::tries_max - 1);  // the last one is the end of it
}

TEST_F(SshGateway, OnlySoManyConnectionsAreOpen) {
  Settings settings;
  settings.connections_per_address = 2;
  start(settings);
  const Client one(gateway->port()), two(gateway->port()), three(gateway->port());
  EXPECT_TRUE(one.connected);
  EXPECT_TRUE(two.connected);
  EXPECT_FALSE(three.connected);
}

TEST_F(SshGateway, OnlySoManyChannelsAreOpenInAConnection) {
  Client client(gateway->port());
  ASSERT_EQ(client.log_in(key), SSH_AUTH_SUCCESS);
  std::vector<ssh_channel> channels;
  int opened = 0;
  for (std::size_t i = 0; i < Connection::channels_max + 3; ++i) {
    channels.push_back(ssh_channel_new(client.session));
    opened += ssh_channel_open_session(channels.back()) == SSH_OK ? 1 : 0;
  }
  EXPECT_EQ(opened, static_cast<int>(Connection::channels_max));
  for (auto* channel : channels) ssh_channel_free(channel);
}

TEST_F(SshGateway, AConnectionThatRestsTooLongIsClosed) {
  Settings settings;
  settings.idle_time = 5s;  // more than a log-in rests on a busy machine
  start(settings);
  Client client(gateway->port());
  ASSERT_EQ(client.log_in(key), SSH_AUTH_SUCCESS);
  pollfd gone{static_cast<int>(ssh_get_fd(client.session)), POLLIN, 0};
  EXPECT_EQ(::poll(&gone, 1, 120'000), 1);
}

TEST_F(SshGateway, WhoNeverLogsInIsClosed) {
  Settings settings;
  settings.login_time = 500ms;
  start(settings);
  const int silent = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(gateway->port()));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(::connect(silent, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  char bytes[1000];
  while (::recv(silent, bytes, sizeof bytes, 0) > 0) {
  }
  ::close(silent);
}

TEST_F(SshGateway, AKeyThatWasTakenAwayOpensNothingMore) {
  Client client(gateway->port());
  ASSERT_EQ(client.log_in(key), SSH_AUTH_SUCCESS);
  gateway.reset();
  start({});
  Client again(gateway->port());
  ASSERT_EQ(again.log_in(key), SSH_AUTH_SUCCESS);
  known = "another";
  again.start("id");
  EXPECT_EQ(again.exchange(""), "");
  EXPECT_EQ(ssh_channel_get_exit_status(again.channel), 255);
}

TEST_F(SshGateway, KeepsItsHostKeyAndRefusesAFileThatIsNone) {
  const auto file = folder / "host_key";
  EXPECT_EQ(fs::status(file).permissions() & fs::perms::all, fs::perms::owner_read | fs::perms::owner_write);
  gateway.reset();
  fs::resize_file(file, 10);
  Settings settings;
  settings.host_key = file.string();
  const auto made = Gateway::start(settings, {});
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().reason, Reason::file_unusable);
}

TEST_F(SshGateway, ATerminalHasItsSize) {
  Client client(gateway->port());
  ASSERT_EQ(client.log_in(key), SSH_AUTH_SUCCESS);
  client.channel = ssh_channel_new(client.session);
  ASSERT_EQ(ssh_channel_open_session(client.channel), SSH_OK);
  ASSERT_EQ(ssh_channel_request_pty_size(client.channel, "xterm", 100, 30), SSH_OK);
  ASSERT_EQ(ssh_channel_request_shell(client.channel), SSH_OK);
  EXPECT_EQ(client.exchange("hello"), "hello");
  EXPECT_TRUE(programs.last.tty);
  EXPECT_EQ(programs.last.columns, 100);
  EXPECT_EQ(programs.last.rows, 30);
}

}  // namespace
}  // namespace gyre::ssh
