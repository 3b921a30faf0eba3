#include "http/message.hpp"

#include <algorithm>

namespace gyre::http {
namespace {

constexpr std::pair<Method, std::string_view> methods[] = {
    {Method::get, "GET"},     {Method::head, "HEAD"},  {Method::post, "POST"},       {Method::put, "PUT"},
    {Method::patch, "PATCH"}, {Method::del, "DELETE"}, {Method::options, "OPTIONS"},
};

}  // namespace

bool same_header_name(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [&](char x, char y) { return lower(x) == lower(y); });
}

std::string_view method_text(Method method) { return methods[static_cast<std::size_t>(method)].second; }

std::optional<Method> method_from_text(std::string_view text) {
  for (const auto& [method, name] : methods)
    if (name == text) return method;
  return std::nullopt;
}

void Headers::set(std::string_view name, std::string value) {
  std::erase_if(lines_, [&](const auto& line) { return same_header_name(line.first, name); });
  lines_.emplace_back(std::string(name), std::move(value));
}

std::string_view Headers::get(std::string_view name) const {
  for (const auto& [header, value] : lines_)
    if (same_header_name(header, name)) return value;
  return {};
}

bool Headers::has(std::string_view name) const {
  return std::any_of(lines_.begin(), lines_.end(),
                     [&](const auto& line) { return same_header_name(line.first, name); });
}

// Callbacks are called without the lock, so that they may use the stream.

bool Stream::write(std::string chunk) {
  std::function<void()> notify;
  bool room = false;
  {
    const std::lock_guard lock(mutex_);
    if (gone_ || ended_) return false;
    if (buffer_.empty() && !chunk.empty()) notify = on_data_;
    if (buffer_.empty())
      buffer_ = std::move(chunk);
    else
      buffer_ += chunk;
    room = buffer_.size() <= window_bytes;
  }
  if (notify) notify();
  return room;
}

void Stream::close() {
  std::function<void()> notify;
  {
    const std::lock_guard lock(mutex_);
    if (gone_ || ended_) return;
    ended_ = true;
    notify = on_data_;
  }
  if (notify) notify();
}

void Stream::abort() {
  std::function<void()> notify;
  {
    const std::lock_guard lock(mutex_);
    if (gone_ || ended_) return;
    ended_ = aborted_ = true;
    notify = on_data_;
  }
  if (notify) notify();
}

bool Stream::closed_by_reader() const {
  const std::lock_guard lock(mutex_);
  return gone_;
}

void Stream::on_room(std::function<void()> callback) {
  {
    const std::lock_guard lock(mutex_);
    if (gone_) return;
    if (buffer_.size() >= window_bytes / 2) {
      on_room_.swap(callback);
      return;  // what was there before is let go of after the lock
    }
  }
  callback();
}

void Stream::on_closed(std::function<void()> callback) {
  {
    const std::lock_guard lock(mutex_);
    if (!gone_) {
      on_closed_.push_back(std::move(callback));
      return;
    }
  }
  callback();
}

Stream::Next Stream::take() {
  Next next;
  std::function<void()> room;
  {
    const std::lock_guard lock(mutex_);
    next.bytes.swap(buffer_);
    next.ended = ended_;
    next.aborted = aborted_;
    room.swap(on_room_);
  }
  if (room) room();
  return next;
}

void Stream::on_data(std::function<void()> callback) {
  std::function<void()> now;
  {
    const std::lock_guard lock(mutex_);
    if (gone_) return;
    if (!buffer_.empty() || ended_) now = callback;
    on_data_.swap(callback);
  }
  if (now) now();
}

void Stream::reader_gone() {
  std::vector<std::function<void()>> closed;
  std::function<void()> data, room;  // destroyed after the lock: they may hold what holds us
  std::string unread;
  {
    const std::lock_guard lock(mutex_);
    if (gone_) return;
    gone_ = true;
    unread.swap(buffer_);
    data.swap(on_data_);
    room.swap(on_room_);
    closed.swap(on_closed_);
  }
  for (auto& callback : closed) callback();
}

void Later::complete(Response response) {
  if (done_) return;
  done_ = true;
  if (auto receiver = std::move(receiver_)) {
    receiver_ = nullptr;
    receiver(std::move(response));
  } else {
    response_ = std::make_unique<Response>(std::move(response));
  }
}

void Later::when_done(std::function<void(Response)> receiver) {
  if (auto response = std::move(response_))
    receiver(std::move(*response));
  else if (!done_)
    receiver_ = std::move(receiver);
}

Response json_response(int status, std::string json) {
  Response response;
  response.status = status;
  response.headers.add("Content-Type", "application/json");
  response.body = std::move(json);
  return response;
}

Response later_response(std::shared_ptr<Later> later) {
  Response response;
  response.later = std::move(later);
  return response;
}

Response stream_response(std::string content_type, std::shared_ptr<Stream> stream) {
  Response response;
  response.headers.add("Content-Type", std::move(content_type));
  response.stream = std::move(stream);
  return response;
}

}  // namespace gyre::http
