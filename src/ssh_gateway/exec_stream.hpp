// One program in a pod, as a client of gyre.exec.v1 (docs/exec.md) sees it, on the connection's side of an
// http::WebSocket. Bytes go in and come out; neither way ever waits for the other:
//   - all that the server says is taken at once, so that "input taken" never stands behind output that nobody reads.
//     Output is bounded by what we call seen: only what the reader has taken, and the agent keeps 256 KiB at most.
//   - less input is under way than the server's window holds, so that our "seen" never stands behind input that the
//     program does not read.
// One thread; the WebSocket's other side may be on another.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "http/web_socket.hpp"

namespace gyre::ssh {

class ExecStream {
 public:
  static constexpr std::size_t under_way_max = 128 * 1024;  // of input that the program has not taken; PodExec: 256 KiB
  static constexpr std::size_t piece_bytes = 32 * 1024;

  // `wake`: from any thread, whenever `advance` has something to do.
  explicit ExecStream(std::function<void()> wake) : wake_(std::move(wake)) {}
  ~ExecStream() { let_go(); }
  ExecStream(const ExecStream&) = delete;
  ExecStream& operator=(const ExecStream&) = delete;

  void attach(std::shared_ptr<http::WebSocket> socket);  // the first time, and each time that it is resumed
  void advance();                                        // takes what is there, says what is to be said
  void let_go();                                         // the session lives on for a while without us
  void give_up();                                        // the program is to be ended

  std::size_t room() const;  // for input
  void write(std::string_view bytes);
  void end_input();
  void resize(int columns, int rows);

  struct Output {
    bool error = false;
    std::string_view bytes;
  };
  std::optional<Output> output() const;  // what is to be read next
  void read(std::size_t bytes);          // so much of it has been

  // How it ended. `broken`: the connection to its host; it may be resumed.
  struct End {
    enum class Kind { exited, refused, broken } kind = Kind::exited;
    int code = 0;
    std::string message, fix;
  };
  const std::optional<End>& end() const { return end_; }  // all output may not have been read yet
  const std::string& session() const { return session_; }
  std::uint64_t received() const { return received_; }  // bytes of output: from here it is resumed

 private:
  void hear(http::WebSocketMessage message);
  void hear_words(const std::string& text);
  void taken(std::uint64_t bytes);
  void say(std::string words);
  void send_input();

  std::function<void()> wake_;
  std::shared_ptr<http::WebSocket> socket_;
  bool begun_ = false;  // the server has said where we are

  std::string input_;  // from byte taken_ on
  std::uint64_t taken_ = 0, sent_ = 0;
  bool input_ends_ = false, end_said_ = false;
  int columns_ = 0, rows_ = 0;
  bool size_waits_ = false;

  struct Piece {
    bool error = false;
    std::string bytes;
  };
  std::deque<Piece> output_;
  std::size_t front_ = 0;  // of its first piece: read
  std::uint64_t received_ = 0, seen_ = 0, said_seen_ = 0;
  std::string session_;
  std::optional<End> end_;
};

}  // namespace gyre::ssh
