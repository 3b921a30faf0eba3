// The server's side of a session of exec, for tests: a program that echoes, with the bounds of PodExec and of the
// agent.
#pragma once

#include <boost/json.hpp>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "http/web_socket.hpp"

namespace gyre::ssh {

class TestExec {
 public:
  TestExec() { resume(0); }

  std::size_t program_holds = 64 * 1024;  // as a pipe; it reads while less than that is to be written
  std::size_t kept_max = 256 * 1024;      // output that nobody has seen
  std::size_t input_max = 256 * 1024;     // at this nothing more is received, whatever it is
  bool echo = true;
  std::shared_ptr<http::WebSocket> socket;
  std::size_t moved = 0, seen = 0;
  std::vector<std::pair<int, int>> sizes;
  bool hung_up = false;

  bool ended() const { return exit_said_; }
  void print(const std::string& bytes) { output_ += bytes; }
  void break_off() { socket->close(http::close_service_restart, "the host's connection broke"); }
  void resume(std::size_t from) {
    socket = std::make_shared<http::WebSocket>();
    output_.erase(0, from - first_);
    first_ = sent_ = from;
    input_.clear();
    ends_ = input_ended_;
    exit_said_ = false;
    socket->send(words(
        {{"session", {{"id", "the-session"}, {"output", from}, {"input", taken_}, {"inputEnded", input_ended_}}}}));
  }

  // Does what there is to do, once. True when something moved.
  bool turn() {
    const auto before = moved;
    while (input_.size() < input_max) {
      const auto message = socket->receive();
      if (!message) break;
      hear(*message);
    }
    const auto holds = output_.size();
    const auto size =
        std::min(input_.size(), echo ? (holds < program_holds ? program_holds - holds : 0) : program_holds);
    if (size > 0) {
      if (echo) output_ += input_.substr(0, size);
      input_.erase(0, size);
      taken_ += size;
      moved += size;
      socket->send(words({{"input", taken_}}));
    }
    while (sent_ < first_ + output_.size() && sent_ - first_ < kept_max) {
      const auto bytes = output_.substr(sent_ - first_, std::min<std::size_t>(32 * 1024, kept_max - (sent_ - first_)));
      socket->send({false, "\1" + bytes});
      sent_ += bytes.size();
      moved += bytes.size();
    }
    if (ends_ && input_.empty()) input_ended_ = true;
    if (echo && input_ended_ && !exit_said_ && sent_ == first_ + output_.size()) {
      exit_said_ = true;
      socket->send(words({{"exit", {{"code", 0}, {"output", sent_}}}}));
      socket->close(http::close_normal, "the program has ended");
    }
    return moved != before;
  }

 private:
  static http::WebSocketMessage words(const boost::json::object& object) {
    return {true, boost::json::serialize(object)};
  }
  void hear(const http::WebSocketMessage& message) {
    if (!message.text) {
      input_ += message.bytes.substr(1);
      return;
    }
    const auto said = boost::json::parse(message.bytes).as_object();
    if (const auto* until = said.if_contains("seen")) {
      seen = until->to_number<std::size_t>();
      if (seen <= first_) return;  // said before it was resumed
      output_.erase(0, seen - first_);
      first_ = seen;
    } else if (const auto* size = said.if_contains("resize")) {
      sizes.emplace_back(size->at("cols").to_number<int>(), size->at("rows").to_number<int>());
    } else if (said.contains("endOfInput")) {
      ends_ = true;
    } else if (said.contains("end")) {
      hung_up = true;
    }
  }

  std::string input_, output_;  // output_: from byte first_ on
  std::size_t taken_ = 0, first_ = 0, sent_ = 0;
  bool ends_ = false, input_ended_ = false, exit_said_ = false;
};

}  // namespace gyre::ssh
