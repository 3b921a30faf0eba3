// One client's connection: its key exchange, its log-in, its channels. A step never blocks. On the gateway's thread.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "ssh_gateway/exec_stream.hpp"
#include "ssh_gateway/gateway.hpp"
#include "ssh_gateway/tries.hpp"

// libssh's, which only .cpp files see.
struct ssh_session_struct;
struct ssh_message_struct;
struct ssh_event_struct;

namespace gyre::ssh {

class Connection {
 public:
  static constexpr int tries_max = 6;      // refused keys of a connection
  static constexpr int requests_max = 64;  // before it is in
  static constexpr std::size_t channels_max = 10;
  static constexpr std::size_t write_bytes_max = 256 * 1024;  // in one step
  static constexpr std::size_t backlog_bytes_max = 4 * 1024 * 1024;
  static constexpr Duration come_back_time = 60s;  // for a host whose connection broke
  static constexpr Duration come_back_every = 1s;

  // How others reach it again: an answer of the core is a step on the gateway's thread, if it is still there.
  using Post = std::function<void(std::function<void(Connection&)>)>;

  // Takes the session over, which has been accepted.
  Connection(ssh_session_struct* session, std::string address, const Settings& settings, const Decisions& decisions,
             Tries& tries, Post post, Duration now);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void step(Duration now, bool ready);  // `ready`: its socket has something
  bool over() const { return over_; }
  int descriptor() const;  // -1: it waits for the core, and reads nothing meanwhile
  short events() const;    // as poll() wants them
  const std::string& address() const { return address_; }
  void closing() { closing_ = true; }  // by us: what runs in pods is not given up

 private:
  enum class State { key_exchange, log_in, in };
  struct Channel;

  void hear_messages();
  bool hear(ssh_message_struct* message);  // true: it is answered and may be freed
  bool hear_log_in(ssh_message_struct* message);
  void refuse(ssh_message_struct* message);
  void hear_open(ssh_message_struct* message);
  void hear_request(ssh_message_struct* message);
  void answered(bool may);
  void start(Channel& channel, std::vector<std::string> command);
  void open(Channel& channel, bool resume);
  void opened(std::uint64_t id, bool resume, Result<std::shared_ptr<http::WebSocket>> socket);

  void carry(Channel& channel);
  void left_alone(Channel& channel);
  void carry_in(Channel& channel);
  void carry_out(Channel& channel);
  void carry_signals(Channel& channel);
  void meet_end(Channel& channel);
  void refused(Channel& channel, const std::string& message, const std::string& fix);
  void finish(Channel& channel, int code);
  bool write_room() const;

  ssh_session_struct* session_;
  ssh_event_struct* event_ = nullptr;
  struct Counter;
  std::unique_ptr<Counter> counter_;
  std::string address_;
  const Settings& settings_;
  const Decisions& decisions_;
  Tries& tries_;
  Post post_;
  State state_ = State::key_exchange;
  bool over_ = false, closing_ = false;
  Duration now_, began_, moved_at_;

  ssh_message_struct* asked_ = nullptr;  // its answer is the core's
  bool signed_ = false;
  Login login_;
  int refused_ = 0, requests_ = 0;

  std::vector<std::unique_ptr<Channel>> channels_;
  std::uint64_t next_channel_ = 1;
  std::uint64_t out_before_ = 0;  // bytes that had left before we last wrote
  bool wrote_ = false;
};

}  // namespace gyre::ssh
