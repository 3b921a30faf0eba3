// The SSH gateway: `ssh <podHostId>@<this server> -p PORT`, for pods without an SSH daemon. It carries bytes between a
// client of SSH and a session of exec (docs/exec.md) and decides nothing: who may enter, and what is opened, is asked
// of the core. One thread of its own; docs/ssh.md says what it does.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/result.hpp"
#include "base/time.hpp"
#include "http/web_socket.hpp"
#include "link/messages.hpp"

namespace gyre::ssh {

struct Settings {
  std::string host = "127.0.0.1";
  int port = 0;          // 0: the system chooses
  std::string host_key;  // a file in OpenSSH's format; made (ed25519) when it is not there
  std::size_t connections = 500, connections_per_address = 50;
  Duration idle_time = 24h;  // of a connection on which nothing moves
  Duration login_time = 30s;
};

struct Login {
  std::string user;     // podHostId
  std::string key;      // the public key, in base64 as in authorized_keys
  std::string address;  // of the client
};

// Asked on the gateway's thread, answered once, on any thread. Whether somebody still may is asked again each time that
// something is opened.
struct Decisions {
  std::function<void(const Login&, std::function<void(bool)> answer)> may_enter;
  using Opened = std::function<void(Result<std::shared_ptr<http::WebSocket>>)>;
  // The pod is the login's; `counts` as in PodExec: we say ourselves what was seen.
  std::function<void(const Login&, link::ExecRequest, Language, Opened answer)> open;
};

class Gateway {
 public:
  // Errors: cannot_listen, file_unusable.
  static Result<std::unique_ptr<Gateway>> start(Settings settings, Decisions decisions);
  ~Gateway();  // closes all connections; programs in pods live on as exec says

  int port() const;
  std::size_t connections() const;  // any thread

 private:
  struct Impl;
  explicit Gateway(std::shared_ptr<Impl> impl);
  std::shared_ptr<Impl> impl_;
};

}  // namespace gyre::ssh
