// Logs on their way from an agent to a reader: one channel each, never more than its window in memory. The agent sends
// what it was credited; the credit comes back when the reader has taken the bytes. Core thread, but for Stream's calls.
#pragma once

#include <map>
#include <memory>

#include "http/message.hpp"
#include "link/link.hpp"
#include "runtime/core.hpp"

namespace gyre {

class PodLogs {
 public:
  PodLogs(Core& core, link::AgentLink& link);

  // At most `channels_max` are open on one host; then too_many_requests.
  Result<std::shared_ptr<http::Stream>> open(const HostId& host, link::LogRequest request);

  void said(const HostId& host, const link::AgentMessage& message);
  void lost(const HostId& host);  // its connection broke: every reader sees that the log was cut off

  static constexpr std::size_t channels_max = 64;

 private:
  using Key = std::pair<HostId, std::uint64_t>;
  struct Channel {
    std::shared_ptr<http::Stream> stream;
    std::int64_t owed = 0;  // bytes taken over but not credited again
    bool room_asked = false;
  };
  void credit(const Key& key);
  void credit_later(const Key& key);
  void reader_gone(const Key& key);

  Core& core_;
  link::AgentLink& link_;
  std::map<Key, Channel> channels_;
  std::uint64_t next_channel_;
  Alive alive_;
};

}  // namespace gyre
