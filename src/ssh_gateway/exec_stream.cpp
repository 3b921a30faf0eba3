#include "ssh_gateway/exec_stream.hpp"

#include <boost/json.hpp>

namespace gyre::ssh {
namespace {

namespace bj = boost::json;

std::uint64_t number(const bj::object& object, const char* name) {
  const auto* value = object.if_contains(name);
  if (value && value->is_uint64()) return value->get_uint64();
  return value && value->is_int64() && value->get_int64() >= 0 ? static_cast<std::uint64_t>(value->get_int64()) : 0;
}

std::string text(const bj::object& object, const char* name) {
  const auto* value = object.if_contains(name);
  return value && value->is_string() ? std::string(value->get_string()) : "";
}

}  // namespace

void ExecStream::attach(std::shared_ptr<http::WebSocket> socket) {
  let_go();
  socket_ = std::move(socket);
  begun_ = false;
  end_.reset();
  socket_->on_output(wake_);
}

void ExecStream::let_go() {
  if (socket_) socket_->peer_gone(http::close_going_away);
  socket_.reset();
}

void ExecStream::give_up() {
  if (socket_ && begun_ && !end_) say(R"({"end":true})");
  let_go();
}

void ExecStream::advance() {
  while (socket_) {
    auto out = socket_->take();
    if (out.message) {
      hear(std::move(*out.message));
      continue;
    }
    if (out.close) {
      if (!end_) {
        end_ = End{};
        end_->kind = End::Kind::broken;
        end_->code = out.close->first;
        end_->message = out.close->second;
      }
      let_go();
    }
    break;
  }
  if (!socket_ || !begun_ || end_) return;
  if (seen_ > said_seen_) {
    said_seen_ = seen_;
    say(bj::serialize(bj::object{{"seen", seen_}}));
  }
  if (size_waits_) {
    size_waits_ = false;
    say(bj::serialize(bj::object{{"resize", {{"cols", columns_}, {"rows", rows_}}}}));
  }
  send_input();
}

void ExecStream::hear(http::WebSocketMessage message) {
  if (message.text) return hear_words(message.bytes);
  if (message.bytes.size() < 2) return;
  const bool error = message.bytes.front() == '\2';
  message.bytes.erase(0, 1);
  received_ += message.bytes.size();
  output_.push_back({error, std::move(message.bytes)});
}

void ExecStream::hear_words(const std::string& words) {
  boost::system::error_code problem;
  const auto parsed = bj::parse(words, problem);
  const auto* object = problem ? nullptr : parsed.if_object();
  if (!object) return;
  if (const auto* session = object->if_contains("session"); session && session->is_object()) {
    session_ = text(session->get_object(), "id");
    begun_ = true;
    said_seen_ = 0;
    taken(number(session->get_object(), "input"));
    sent_ = taken_;
    const auto* ended = session->get_object().if_contains("inputEnded");
    end_said_ = ended && ended->is_bool() && ended->get_bool();
    size_waits_ = columns_ > 0;
  } else if (object->contains("input")) {
    taken(number(*object, "input"));
  } else if (const auto* exit = object->if_contains("exit"); exit && exit->is_object()) {
    end_ = End{};
    end_->code = static_cast<int>(number(exit->get_object(), "code"));
  } else if (const auto* error = object->if_contains("error"); error && error->is_object()) {
    end_ = End{};
    end_->kind = End::Kind::refused;
    end_->message = text(error->get_object(), "message");
    end_->fix = text(error->get_object(), "fix");
  }
}

void ExecStream::taken(std::uint64_t bytes) {
  if (bytes <= taken_) return;
  input_.erase(0, static_cast<std::size_t>(std::min<std::uint64_t>(bytes - taken_, input_.size())));
  taken_ = bytes;
  sent_ = std::max(sent_, taken_);
}

void ExecStream::say(std::string words) { socket_->deliver({true, std::move(words)}); }

// What deliver() says of its window is not asked: we keep below it by what the program has taken.
void ExecStream::send_input() {
  while (sent_ - taken_ < input_.size()) {
    const auto from = static_cast<std::size_t>(sent_ - taken_);
    const auto size = std::min(piece_bytes, input_.size() - from);
    std::string bytes(1, '\0');
    bytes.append(input_, from, size);
    socket_->deliver({false, std::move(bytes)});
    sent_ += size;
  }
  if (!input_ends_ || end_said_) return;
  end_said_ = true;
  say(R"({"endOfInput":true})");
}

std::size_t ExecStream::room() const {
  return input_ends_ || end_ || input_.size() >= under_way_max ? 0 : under_way_max - input_.size();
}

void ExecStream::write(std::string_view bytes) {
  if (!input_ends_) input_ += bytes;
}

void ExecStream::end_input() { input_ends_ = true; }

void ExecStream::resize(int columns, int rows) {
  columns_ = columns;
  rows_ = rows;
  size_waits_ = true;
}

std::optional<ExecStream::Output> ExecStream::output() const {
  if (output_.empty()) return std::nullopt;
  return Output{output_.front().error, std::string_view(output_.front().bytes).substr(front_)};
}

void ExecStream::read(std::size_t bytes) {
  seen_ += bytes;
  front_ += bytes;
  if (front_ < output_.front().bytes.size()) return;
  output_.pop_front();
  front_ = 0;
}

}  // namespace gyre::ssh
