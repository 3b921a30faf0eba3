// What waits to be written to one stream. Bounded by bytes: over the bound the stream is closed rather than a message
// dropped in the middle, since a channel's bytes must not have holes and orders and reports are sent again anyway.
#pragma once

#include <cstddef>
#include <deque>

namespace gyre::link {

template <class Wire>
class Outbox {
 public:
  Outbox(std::size_t message_limit, std::size_t limit) : message_limit_(message_limit), limit_(limit) {}

  enum class Put { queued, too_large, full };
  Put put(Wire message) {
    const std::size_t bytes = message.ByteSizeLong();
    if (bytes > message_limit_) return Put::too_large;
    if (bytes_ + bytes > limit_) return Put::full;
    bytes_ += bytes;
    waiting_.push_back({std::move(message), bytes});
    return Put::queued;
  }
  bool empty() const { return waiting_.empty(); }
  const Wire& front() const { return waiting_.front().message; }  // stays where it is until `pop`
  void pop() {
    bytes_ -= waiting_.front().bytes;
    waiting_.pop_front();
  }
  void clear() {
    waiting_.clear();
    bytes_ = 0;
  }

 private:
  struct Waiting {
    Wire message;
    std::size_t bytes;
  };
  std::size_t message_limit_, limit_, bytes_ = 0;
  std::deque<Waiting> waiting_;
};

// Bounds of a stream, the same at both ends.
struct StreamLimits {
  std::size_t message_bytes = 4 * 1024 * 1024;   // a larger message is not sent (and said in the log)
  std::size_t waiting_bytes = 16 * 1024 * 1024;  // more than this unsent closes the stream
};

}  // namespace gyre::link
