#include "ssh_gateway/connection.hpp"

#include <libssh/callbacks.h>
#include <libssh/libssh.h>
#include <libssh/server.h>
#include <poll.h>

#include <algorithm>

#include "base/log.hpp"
#include "ssh_gateway/words.hpp"

// The callbacks that libssh would rather have us use must answer at once; ours ask the core first.
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

namespace gyre::ssh {

struct Connection::Counter {
  ssh_counter_struct socket{};
};

struct Connection::Channel {
  Channel(std::uint64_t number, ssh_channel made, std::function<void()> wake)
      : id(number), channel(made), stream(std::move(wake)) {
    ssh_callbacks_init(&callbacks);
    callbacks.userdata = this;
    callbacks.channel_signal_function = [](ssh_session, ssh_channel, const char* name, void* self) {
      auto& heard = static_cast<Channel*>(self)->signals;
      if (heard.size() < 16) heard.emplace_back(name ? name : "");
    };
    ssh_add_channel_callbacks(channel, &callbacks);
  }
  ~Channel() {
    ssh_remove_channel_callbacks(channel, &callbacks);
    ssh_channel_free(channel);
  }

  std::uint64_t id;
  ssh_channel channel;
  ssh_channel_callbacks_struct callbacks{};
  std::vector<std::string> signals;

  bool terminal = false;
  std::string term;
  int columns = 0, rows = 0;
  Language language = Language::en;

  std::vector<std::string> command;  // not empty: it was started
  bool opening = false;
  std::string backlog;  // of input, read and not yet with the stream
  std::size_t backlog_front = 0;
  bool eof = false, finished = false;
  std::optional<Duration> broken_at, try_again_at;
  ExecStream stream;
};

Connection::Connection(ssh_session_struct* session, std::string address, const Settings& settings,
                       const Decisions& decisions, Tries& tries, Post post, Duration now)
    : session_(session),
      counter_(std::make_unique<Counter>()),
      address_(std::move(address)),
      settings_(settings),
      decisions_(decisions),
      tries_(tries),
      post_(std::move(post)),
      now_(now),
      began_(now),
      moved_at_(now) {
  ssh_set_blocking(session_, 0);
  ssh_set_counters(session_, &counter_->socket, nullptr);
  ssh_set_auth_methods(session_, SSH_AUTH_METHOD_PUBLICKEY);
}

Connection::~Connection() {
  if (asked_) ssh_message_free(asked_);
  for (auto& channel : channels_) closing_ ? channel->stream.let_go() : left_alone(*channel);
  channels_.clear();
  if (event_) {
    ssh_event_remove_session(event_, session_);
    ssh_event_free(event_);
  }
  ssh_disconnect(session_);
  ssh_free(session_);
}

int Connection::descriptor() const { return asked_ ? -1 : static_cast<int>(ssh_get_fd(session_)); }

short Connection::events() const {
  const bool writes = (ssh_get_poll_flags(session_) & SSH_WRITE_PENDING) != 0;
  return static_cast<short>(writes ? POLLIN | POLLOUT : POLLIN);
}

void Connection::step(Duration now, bool ready) {
  now_ = now;
  if (over_) return;
  if (ready) moved_at_ = now;
  if (state_ != State::in && now - began_ > settings_.login_time) over_ = true;
  if (now - moved_at_ > settings_.idle_time) over_ = true;
  if (over_ || asked_) return;
  if (state_ == State::key_exchange) {
    const int done = ssh_handle_key_exchange(session_);
    if (done == SSH_AGAIN) return;
    if (done != SSH_OK) {
      over_ = true;
      return;
    }
    state_ = State::log_in;
    event_ = ssh_event_new();
    ssh_event_add_session(event_, session_);
    ready = true;
  }
  if (ready && ssh_event_dopoll(event_, 0) == SSH_ERROR) over_ = true;
  hear_messages();
  if (!ssh_is_connected(session_) || (ssh_get_status(session_) & (SSH_CLOSED | SSH_CLOSED_ERROR)) != 0) over_ = true;
  if (over_ || asked_ || state_ != State::in) return;
  if (channels_.size() > 1)
    std::rotate(channels_.begin(), channels_.begin() + 1, channels_.end());  // each is first once
  for (std::size_t i = 0; i < channels_.size(); ++i) carry(*channels_[i]);
  std::erase_if(channels_, [](const auto& channel) { return channel->finished; });
}

// ---- what the client asks for ----

void Connection::hear_messages() {
  while (!over_ && !asked_) {
    auto* message = ssh_message_get(session_);
    if (!message) return;
    if (hear(message)) ssh_message_free(message);
  }
}

bool Connection::hear(ssh_message_struct* message) {
  const int type = ssh_message_type(message);
  if (state_ != State::in && ++requests_ > requests_max) {
    over_ = true;
    return true;
  }
  if (type == SSH_REQUEST_AUTH && state_ == State::log_in) return hear_log_in(message);
  if (type == SSH_REQUEST_CHANNEL_OPEN && state_ == State::in)
    hear_open(message);
  else if (type == SSH_REQUEST_CHANNEL && state_ == State::in)
    hear_request(message);
  else
    ssh_message_reply_default(message);  // services: yes; forwarding and the rest: no
  return true;
}

bool Connection::hear_log_in(ssh_message_struct* message) {
  const auto* user = ssh_message_auth_user(message);
  auto* key = ssh_message_subtype(message) == SSH_AUTH_METHOD_PUBLICKEY ? ssh_message_auth_pubkey(message) : nullptr;
  if (!user || !key) {
    // "none" is how clients ask what there is; only keys are.
    ssh_message_auth_set_methods(message, SSH_AUTH_METHOD_PUBLICKEY);
    ssh_message_reply_default(message);
    return true;
  }
  const auto proof = ssh_message_auth_publickey_state(message);
  char* text = nullptr;
  if (proof == SSH_PUBLICKEY_STATE_WRONG || proof == SSH_PUBLICKEY_STATE_ERROR ||
      ssh_pki_export_pubkey_base64(key, &text) != SSH_OK) {
    refuse(message);
    return true;
  }
  login_ = {user, text, address_};
  ssh_string_free_char(text);
  signed_ = proof == SSH_PUBLICKEY_STATE_VALID;
  asked_ = message;
  decisions_.may_enter(login_, [post = post_](bool may) { post([may](Connection& self) { self.answered(may); }); });
  return false;
}

void Connection::answered(bool may) {
  if (!asked_) return;
  auto* message = std::exchange(asked_, nullptr);
  if (!may) {
    refuse(message);
  } else if (!signed_) {
    ssh_message_auth_reply_pk_ok_simple(message);
  } else {
    ssh_message_auth_reply_success(message, 0);
    state_ = State::in;
    tries_.welcome(address_);
    log::debug("ssh: somebody is in", {{"user", login_.user}, {"address", address_}});
  }
  ssh_message_free(message);
}

void Connection::refuse(ssh_message_struct* message) {
  tries_.refused(address_, now_);
  if (++refused_ >= tries_max || tries_.wait(address_, now_) > 0) {
    log::info("ssh: too many keys were refused", {{"address", address_}});
    over_ = true;
    return;
  }
  ssh_message_auth_set_methods(message, SSH_AUTH_METHOD_PUBLICKEY);
  ssh_message_reply_default(message);
}

void Connection::hear_open(ssh_message_struct* message) {
  if (ssh_message_subtype(message) != SSH_CHANNEL_SESSION || channels_.size() >= channels_max) {
    ssh_message_reply_default(message);
    return;
  }
  auto* made = ssh_message_channel_request_open_reply_accept(message);
  if (!made) return;
  auto wake = [post = post_] { post([](Connection&) {}); };
  channels_.push_back(std::make_unique<Channel>(next_channel_++, made, std::move(wake)));
}

void Connection::hear_request(ssh_message_struct* message) {
  const auto* about = ssh_message_channel_request_channel(message);
  const auto found =
      std::find_if(channels_.begin(), channels_.end(), [&](const auto& one) { return one->channel == about; });
  if (found == channels_.end()) return;  // it is closed: libssh may not even know it any more
  auto& channel = **found;
  const auto size = [&] {
    channel.columns = std::clamp(ssh_message_channel_request_pty_width(message), 0, 1000);
    channel.rows = std::clamp(ssh_message_channel_request_pty_height(message), 0, 1000);
  };
  const auto text = [](const char* from) { return std::string(from ? from : ""); };
  std::vector<std::string> command;
  switch (ssh_message_subtype(message)) {
    case SSH_CHANNEL_REQUEST_PTY:
      channel.terminal = true;
      channel.term = text(ssh_message_channel_request_pty_term(message));
      size();
      ssh_message_channel_request_reply_success(message);
      return;
    case SSH_CHANNEL_REQUEST_WINDOW_CHANGE:
      size();
      if (channel.terminal && channel.columns > 0 && channel.rows > 0)
        channel.stream.resize(channel.columns, channel.rows);
      return;
    case SSH_CHANNEL_REQUEST_ENV: {
      const auto name = text(ssh_message_channel_request_env_name(message));
      if (name == "LANG" || name == "LC_ALL" || name == "LC_MESSAGES")
        channel.language = language_of(text(ssh_message_channel_request_env_value(message)));
      ssh_message_reply_default(message);
      return;
    }
    case SSH_CHANNEL_REQUEST_SHELL:
      command = shell_command(channel.term);
      break;
    case SSH_CHANNEL_REQUEST_EXEC:
      command = program_command(text(ssh_message_channel_request_command(message)), channel.term);
      break;
    case SSH_CHANNEL_REQUEST_SUBSYSTEM:
      if (text(ssh_message_channel_request_subsystem(message)) == "sftp") command = sftp_command();
      break;
    default:
      break;
  }
  if (command.empty() || !channel.command.empty()) {
    ssh_message_reply_default(message);
    return;
  }
  ssh_message_channel_request_reply_success(message);
  start(channel, std::move(command));
}

// ---- programs in pods ----

void Connection::start(Channel& channel, std::vector<std::string> command) {
  channel.command = std::move(command);
  open(channel, false);
}

void Connection::open(Channel& channel, bool resume) {
  link::ExecRequest request;
  request.resume = resume;
  if (resume) {
    request.session = channel.stream.session();
    request.from = channel.stream.received();
  } else {
    request.command = channel.command;
    request.tty = channel.terminal;
    request.columns = channel.columns;
    request.rows = channel.rows;
  }
  channel.opening = true;
  decisions_.open(login_, std::move(request), channel.language,
                  [post = post_, id = channel.id, resume](Result<std::shared_ptr<http::WebSocket>> socket) {
                    // Nobody may be there any more to take it.
                    auto held = std::shared_ptr<Result<std::shared_ptr<http::WebSocket>>>(
                        new Result<std::shared_ptr<http::WebSocket>>(std::move(socket)), [](auto* result) {
                          if (*result && **result) (**result)->peer_gone(http::close_going_away);
                          delete result;
                        });
                    post([id, resume, held](Connection& self) {
                      auto mine = std::move(*held);
                      *held = fail(Reason::internal_error);
                      self.opened(id, resume, std::move(mine));
                    });
                  });
}

void Connection::opened(std::uint64_t id, bool resume, Result<std::shared_ptr<http::WebSocket>> socket) {
  const auto found = std::find_if(channels_.begin(), channels_.end(), [&](const auto& one) { return one->id == id; });
  if (found == channels_.end()) {
    if (socket) (*socket)->peer_gone(http::close_going_away);
    return;
  }
  auto& channel = **found;
  channel.opening = false;
  if (socket) {
    channel.broken_at.reset();
    return channel.stream.attach(std::move(*socket));
  }
  const auto& error = socket.error();
  const bool in_time = channel.broken_at && now_ - *channel.broken_at < come_back_time;
  if (resume && error.reason == Reason::pod_host_unreachable && in_time) {
    channel.try_again_at = now_ + come_back_every;
    return;
  }
  refused(channel, error.message(channel.language), error.fix(channel.language));
}

// ---- bytes ----

void Connection::carry(Channel& channel) {
  if (channel.finished) return;
  if (ssh_channel_is_closed(channel.channel)) {
    left_alone(channel);
    channel.finished = true;
    return;
  }
  if (channel.command.empty()) return;
  if (channel.try_again_at && now_ >= *channel.try_again_at) {
    channel.try_again_at.reset();
    open(channel, true);
  }
  channel.stream.advance();
  carry_signals(channel);
  if (channel.finished) return;
  carry_out(channel);
  carry_in(channel);
  channel.stream.advance();
  meet_end(channel);
}

// Its client has gone. A terminal hangs up; another program sees the end of its input, and lives on as exec says.
void Connection::left_alone(Channel& channel) {
  if (channel.terminal) return channel.stream.give_up();
  channel.stream.end_input();
  channel.stream.advance();
  channel.stream.let_go();
}

// All that libssh holds is taken at once, and only when we hold nothing: each time that something is read it opens its
// window again in full, so that reading in small pieces would let its buffer grow without end.
void Connection::carry_in(Channel& channel) {
  for (;;) {
    if (channel.backlog_front == channel.backlog.size()) {
      channel.backlog.clear();
      channel.backlog_front = 0;
      if (channel.eof) return;
      const int there = ssh_channel_poll(channel.channel, 0);
      if (there == SSH_EOF || (there == 0 && ssh_channel_is_eof(channel.channel))) {
        channel.eof = true;
        channel.stream.end_input();
        return;
      }
      if (there <= 0 || channel.stream.room() == 0) return;
      channel.backlog.resize(std::min(static_cast<std::size_t>(there), backlog_bytes_max));
      const int got = ssh_channel_read_nonblocking(channel.channel, channel.backlog.data(),
                                                   static_cast<std::uint32_t>(channel.backlog.size()), 0);
      channel.backlog.resize(static_cast<std::size_t>(std::max(got, 0)));
      if (got <= 0) return;
      moved_at_ = now_;
    }
    const auto size = std::min(channel.stream.room(), channel.backlog.size() - channel.backlog_front);
    if (size == 0) return;
    channel.stream.write(std::string_view(channel.backlog).substr(channel.backlog_front, size));
    channel.backlog_front += size;
  }
}

// Not while what we wrote before has not left: then the client's network is slow, or it exchanges keys, and libssh
// would keep it all.
bool Connection::write_room() const {
  if ((ssh_get_poll_flags(session_) & SSH_WRITE_PENDING) != 0) return false;
  return !wrote_ || counter_->socket.out_bytes != out_before_;
}

void Connection::carry_out(Channel& channel) {
  if (!channel.stream.output() || !write_room()) return;
  const auto before = counter_->socket.out_bytes;
  std::size_t left = write_bytes_max;
  bool wrote = false;
  while (left > 0) {
    const auto output = channel.stream.output();
    if (!output) break;
    const auto window = static_cast<std::size_t>(ssh_channel_window_size(channel.channel));
    const auto size = std::min({output->bytes.size(), window, left});
    if (size == 0) break;
    const auto bytes = static_cast<std::uint32_t>(size);
    const int written = output->error ? ssh_channel_write_stderr(channel.channel, output->bytes.data(), bytes)
                                      : ssh_channel_write(channel.channel, output->bytes.data(), bytes);
    if (written < 0) over_ = true;
    if (written <= 0) break;
    wrote = true;
    left -= static_cast<std::size_t>(written);
    channel.stream.read(static_cast<std::size_t>(written));
  }
  if (!wrote) return;
  moved_at_ = now_;
  wrote_ = true;
  out_before_ = before;
}

// A terminal has keys for some; the others end the program, as when nobody comes back to it.
void Connection::carry_signals(Channel& channel) {
  for (const auto& name : std::exchange(channel.signals, {})) {
    if (const char key = channel.terminal ? key_of_signal(name) : '\0') {
      channel.stream.write(std::string(1, key));
      continue;
    }
    if (name != "INT" && name != "TERM" && name != "HUP" && name != "QUIT" && name != "KILL") continue;
    channel.stream.give_up();
    ssh_channel_request_send_exit_signal(channel.channel, name.c_str(), 0, "", "");
    ssh_channel_send_eof(channel.channel);
    ssh_channel_close(channel.channel);
    channel.finished = true;
    return;
  }
}

void Connection::meet_end(Channel& channel) {
  const auto& end = channel.stream.end();
  if (!end || channel.finished || channel.opening || channel.try_again_at) return;
  if (end->kind == ExecStream::End::Kind::broken && !channel.stream.session().empty()) {
    if (!channel.broken_at) channel.broken_at = now_;
    channel.try_again_at = now_ + come_back_every;
    return;
  }
  if (channel.stream.output()) return;
  if (end->kind == ExecStream::End::Kind::exited) return finish(channel, end->code);
  refused(channel, end->message, end->fix);
}

// Said where the client shows it: on its standard error.
void Connection::refused(Channel& channel, const std::string& message, const std::string& fix) {
  const std::string line_end = channel.terminal ? "\r\n" : "\n";
  const auto words = "gyre: " + message + (fix.empty() ? "" : "; " + fix) + line_end;
  const auto window = static_cast<std::size_t>(ssh_channel_window_size(channel.channel));
  ssh_channel_write_stderr(channel.channel, words.data(), static_cast<std::uint32_t>(std::min(words.size(), window)));
  finish(channel, 255);
}

void Connection::finish(Channel& channel, int code) {
  ssh_channel_request_send_exit_status(channel.channel, code);
  ssh_channel_send_eof(channel.channel);
  ssh_channel_close(channel.channel);
  channel.finished = true;
}

}  // namespace gyre::ssh
