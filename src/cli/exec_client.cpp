#include "cli/exec_client.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <cerrno>
#include <chrono>
#include <csignal>

#include "http/client.hpp"
#include "http/web_socket_client.hpp"

namespace gyre::cli {
namespace {

namespace json = boost::json;
using Clock = std::chrono::steady_clock;

constexpr std::size_t input_window = 256 * 1024;  // sent and not yet taken by the program
constexpr std::size_t input_piece = 32 * 1024;
constexpr std::size_t seen_every = 32 * 1024;
constexpr Duration lives_on = 5min;
constexpr char ctrl_c = 3;

// A pipe to wake `poll` from a signal handler and from another thread.
int wake_write = -1;
void on_window_change(int) {
  const int saved = errno;
  const char one = 'w';
  if (wake_write >= 0) static_cast<void>(!::write(wake_write, &one, 1));
  errno = saved;
}

class Waker {
 public:
  Waker() {
    if (::pipe2(ends_.data(), O_CLOEXEC | O_NONBLOCK) == 0) wake_write = ends_[1];
    struct sigaction action {};
    action.sa_handler = on_window_change;
    action.sa_flags = SA_RESTART;
    ::sigaction(SIGWINCH, &action, &before_);
  }
  ~Waker() {
    ::sigaction(SIGWINCH, &before_, nullptr);
    wake_write = -1;
    for (const int end : ends_)
      if (end >= 0) ::close(end);
  }
  Waker(const Waker&) = delete;
  Waker& operator=(const Waker&) = delete;
  int file() const { return ends_[0]; }
  void wake() const { on_window_change(0); }
  bool was_woken() const {
    std::array<char, 64> bytes;
    bool any = false;
    while (::read(ends_[0], bytes.data(), bytes.size()) > 0) any = true;
    return any;
  }

 private:
  std::array<int, 2> ends_{-1, -1};
  struct sigaction before_ {};
};

// Keys go to the program as they are; undone whatever happens.
class RawTerminal {
 public:
  explicit RawTerminal(int file) : file_(file) {
    if (file < 0 || ::tcgetattr(file, &before_) != 0) return;
    auto raw = before_;
    ::cfmakeraw(&raw);
    raw_ = ::tcsetattr(file, TCSADRAIN, &raw) == 0;
  }
  ~RawTerminal() {
    if (raw_) ::tcsetattr(file_, TCSADRAIN, &before_);
  }
  RawTerminal(const RawTerminal&) = delete;
  RawTerminal& operator=(const RawTerminal&) = delete;

 private:
  int file_;
  bool raw_ = false;
  termios before_{};
};

std::pair<int, int> terminal_size() {
  winsize size{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return {80, 24};
  return {size.ws_col, size.ws_row};
}

class Session {
 public:
  Session(Commands& c, const ExecWish& wish) : c_(c), wish_(wish) {}

  Outcome<int> run() {
    std::stop_callback on_stop(c_.stop, [this] { waker_.wake(); });
    auto first = open();
    if (!first) return tl::unexpected(first.error());
    const RawTerminal raw(wish_.tty ? wish_.input : -1);
    for (;;) {
      auto outcome = talk();
      socket_.reset();
      if (outcome) return *outcome;
      if (const auto end = come_back()) return tl::unexpected(*end);
    }
  }

 private:
  Failure failure(Reason reason, Args args = {}) const {
    return Failure::from(Error{reason, std::move(args), {}}, c_.terminal.language);
  }

  // Nothing: connected.
  Outcome<> open() {
    std::string query;
    const auto add = [&](const char* name, const std::string& value) {
      query += (query.empty() ? "?" : "&") + std::string(name) + "=" + http::url_encode(value);
    };
    if (!session_.empty()) {
      add("session", session_);
      add("from", std::to_string(received_));
    } else {
      for (const auto& word : wish_.command) add("command", word);
      if (!wish_.container.empty()) add("container", wish_.container);
      if (wish_.tty) {
        const auto [columns, rows] = terminal_size();
        add("tty", "true");
        add("cols", std::to_string(columns));
        add("rows", std::to_string(rows));
      }
    }
    auto made = c_.api.socket("/v1/pods/" + http::url_encode(wish_.pod) + "/exec" + query, "gyre.exec.v1");
    if (!made) return tl::unexpected(made.error());
    socket_ = std::move(*made);
    in_session_ = false;
    return {};
  }

  // Until it is over, one way or the other, or wants to be another try: then the failure to show.
  std::optional<Failure> come_back() {
    if (over_) return over_;
    if (session_.empty())
      return failure(Reason::server_unreachable,
                     {{"server", c_.api.url()}, {"detail", "the connection broke before the session began"}});
    const auto lost_at = Clock::now();
    bool said = false;
    for (auto pause = Duration(100); Clock::now() - lost_at < lives_on; pause = std::min(pause * 2, Duration(3'000))) {
      if (c_.stop.stop_requested()) return interrupted();
      auto again = open();
      if (again) {
        if (said) note(Word::exec_resumed);
        return std::nullopt;
      }
      const auto exit = again.error().exit;
      const bool passes = exit == exit_unreachable || again.error().code == reason_text(Reason::pod_host_unreachable);
      if (!passes) return again.error();
      if (!said) note(Word::exec_lost);
      said = true;
      if (wait(pause)) return interrupted();
    }
    return failure(Reason::session_lost, {{"minutes", "5"}});
  }

  Failure interrupted() const {
    Failure out;
    out.exit = exit_interrupted;
    out.code = reason_text(Reason::request_cancelled);
    return out;
  }
  void note(Word word) const {
    std::fputs(wish_.tty ? "\r\n" : "", c_.terminal.err);
    std::fputs((c_.terminal.word(word) + (wish_.tty ? "\r\n" : "\n")).c_str(), c_.terminal.err);
    std::fflush(c_.terminal.err);
  }

  // True: the user wants no more (Ctrl C, also where the terminal is raw).
  bool wait(Duration pause) {
    const auto until = Clock::now() + pause;
    for (;;) {
      const auto left = std::chrono::duration_cast<Duration>(until - Clock::now());
      if (left <= 0ms) return false;
      std::array<pollfd, 2> files{{{waker_.file(), POLLIN, 0}, {wish_.tty ? wish_.input : -1, POLLIN, 0}}};
      ::poll(files.data(), files.size(), static_cast<int>(left.count()));
      if (waker_.was_woken()) resized_ = true;
      if (c_.stop.stop_requested()) return true;
      if (files[1].revents == 0) continue;
      std::array<char, 4096> keys;
      const auto size = ::read(wish_.input, keys.data(), keys.size());
      if (size <= 0) return true;
      if (std::find(keys.begin(), keys.begin() + size, ctrl_c) != keys.begin() + size) return true;
    }
  }

  // The exit code; nothing when the connection broke, or `over_` says why it is over.
  std::optional<int> talk() {
    while (true) {
      // Read before waiting: TLS may hold bytes that the socket no longer shows.
      bool alive = socket_->read([this](http::WebSocketEvent event) { hear(std::move(event)); });
      if (exit_) return exit_;
      if (over_ || !alive) return std::nullopt;
      say_seen(false);
      if (!socket_->flush()) return std::nullopt;
      // Asked after the reading: what was just heard may be that there is room for input, or a session at all.
      const bool wants_input = in_session_ && !input_ended_ && wish_.input >= 0 && input_.size() < input_window &&
                               socket_->unsent_bytes() < input_window;
      std::array<pollfd, 3> files{
          {{socket_->socket(), POLLIN, 0}, {waker_.file(), POLLIN, 0}, {wants_input ? wish_.input : -1, POLLIN, 0}}};
      if (socket_->wants_to_write()) files[0].events |= POLLOUT;
      // Nothing for long is a dead connection: the server pings every 20 s.
      if (::poll(files.data(), files.size(), 60'000) == 0) return std::nullopt;
      if (c_.stop.stop_requested()) {
        over_ = interrupted();
        return std::nullopt;
      }
      if (waker_.was_woken()) resized_ = true;
      if (in_session_ && resized_) say_size();
      if (files[2].revents != 0) read_input();
    }
  }

  void read_input() {
    std::string bytes(std::min(input_piece, input_window - input_.size()), '\0');  // never beyond the window
    const auto size = ::read(wish_.input, bytes.data(), bytes.size());
    if (size < 0 && (errno == EINTR || errno == EAGAIN)) return;
    if (size <= 0) {
      input_ended_ = true;
      say(json::object{{"endOfInput", true}});
      return;
    }
    bytes.resize(static_cast<std::size_t>(size));
    input_ += bytes;
    send_input(input_.size() - bytes.size());
  }
  void send_input(std::size_t from) {
    for (; from < input_.size(); from += input_piece)
      socket_->send(http::Opcode::binary, std::string(1, '\0') + input_.substr(from, input_piece));
  }

  void say(const json::object& object) { socket_->send(http::Opcode::text, json::serialize(object)); }
  void say_size() {
    resized_ = false;
    if (!wish_.tty) return;
    const auto [columns, rows] = terminal_size();
    say(json::object{{"resize", {{"cols", columns}, {"rows", rows}}}});
  }
  void say_seen(bool now) {
    if (received_ == seen_ || (!now && received_ - seen_ < seen_every)) return;
    seen_ = received_;
    say(json::object{{"seen", seen_}});
  }

  void hear(http::WebSocketEvent event) {
    if (event.kind == http::Opcode::binary && !event.bytes.empty()) {
      const bool error = event.bytes.front() == '\2';
      received_ += event.bytes.size() - 1;
      if (!wish_.output(error, std::string_view(event.bytes).substr(1)) && !over_) {
        Failure out;
        out.exit = exit_failed;
        over_ = out;
      }
      return;
    }
    if (event.kind != http::Opcode::text) return;
    boost::system::error_code ignored;
    const auto value = json::parse(event.bytes, ignored);
    const auto* said = value.if_object();
    if (!said) return;
    if (const auto* begun = said->if_contains("session"); begun && begun->is_object())
      return begin(begun->get_object());
    if (const auto* taken = said->if_contains("input")) return input_taken(taken->to_number<std::uint64_t>(ignored));
    if (const auto* ended = said->if_contains("exit"); ended && ended->is_object()) {
      const auto* code = ended->get_object().if_contains("code");
      exit_ = code ? code->to_number<int>(ignored) : exit_failed;
      return;
    }
    if (const auto* error = said->if_contains("error"); error && error->is_object()) {
      const auto text = [&](const char* name) {
        const auto* one = error->get_object().if_contains(name);
        return one && one->is_string() ? std::string(one->get_string()) : std::string();
      };
      Failure out;
      out.code = text("code");
      out.detail = text("message");
      out.fix = text("fix");
      // The host's engine or connection: the session may come back.
      if (out.code == reason_text(Reason::engine_unreachable) && !session_.empty()) return;
      const auto reason = reason_from_text(out.code);
      out.exit = reason ? exit_of(*reason) : exit_failed;
      over_ = out;
    }
  }

  void begin(const json::object& begun) {
    boost::system::error_code ignored;
    const auto number = [&](const char* name) {
      const auto* one = begun.if_contains(name);
      return one ? one->to_number<std::uint64_t>(ignored) : 0;
    };
    if (const auto* id = begun.if_contains("id"); id && id->is_string()) session_ = id->get_string();
    in_session_ = true;
    seen_ = received_;
    input_taken(number("input"));
    send_input(0);
    if (wish_.input < 0) input_ended_ = true;
    if (input_ended_) say(json::object{{"endOfInput", true}});
    if (wish_.tty) say_size();
  }

  void input_taken(std::uint64_t until) {
    if (until <= taken_ || until - taken_ > input_.size()) return;
    input_.erase(0, static_cast<std::size_t>(until - taken_));
    taken_ = until;
  }

  Commands& c_;
  const ExecWish& wish_;
  Waker waker_;
  std::unique_ptr<http::WebSocketClient> socket_;
  std::string session_;
  bool in_session_ = false, input_ended_ = false, resized_ = false;
  std::uint64_t received_ = 0, seen_ = 0, taken_ = 0;
  std::string input_;  // not yet taken by the program
  std::optional<int> exit_;
  std::optional<Failure> over_;
};

}  // namespace

Outcome<int> run_exec(Commands& c, const ExecWish& wish) {
  std::signal(SIGPIPE, SIG_IGN);
  return Session(c, wish).run();
}

}  // namespace gyre::cli
