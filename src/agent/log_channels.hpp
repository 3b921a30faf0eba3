// The log streams that the server has opened on this host. Each sends no more than it was credited, and pauses the
// engine's stream when its credit is used up, so that a slow reader costs a bounded amount of memory.
//
// With `follow` a stream goes on across restarts of the container, and into the next run, for as long as the pod shall
// run; it also waits for a container that is not there yet.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "engine/engine.hpp"
#include "link/messages.hpp"
#include "runtime/runtime.hpp"

namespace gyre::agent {

class LogChannels {
 public:
  static constexpr std::size_t channels_max = 64;
  static constexpr std::size_t data_bytes_max = 64 * 1024;  // one ChannelData
  static constexpr Duration gather{20};  // lines that come together are sent together: a message costs more than a line
  static constexpr std::size_t backlog_bytes_max = 1 << 20;  // what an engine may still hand over after pause()

  // Where a request leads now.
  struct Source {
    bool pod_known = false;
    bool container_known = false;  // the order names it
    std::string container_id;      // of the current run; empty: there is none, or it has never run
    bool running = false;
    std::optional<Time> started_at;
    bool will_run = false;  // it may yet run (again)
  };
  using Find = std::function<Source(const link::LogRequest&)>;
  using Send = std::function<void(link::AgentMessage)>;

  LogChannels(Runtime& runtime, engine::Engine& engine, Find find, Send send);
  ~LogChannels();

  void open(const link::ChannelOpen& request);  // a known channel: nothing happens
  void credit(const link::ChannelCredit& credit);
  void close(std::uint64_t channel);  // the server does not want it any more
  void close_all();                   // the connection is gone, and with it everybody who listened
  void pods_changed();                // a container may have started or be gone for good
  std::size_t size() const { return channels_.size(); }

 private:
  struct Channel {
    link::LogRequest request;
    std::unique_ptr<engine::Subscription> subscription;
    std::uint64_t stream = 0;        // counts subscriptions; callbacks of an older one are not heard
    std::string container_id;        // of the last subscription
    std::optional<Time> started_at;  // ... and which of its lives it showed
    bool streaming = false, paused = false, gathering = false;
    std::string backlog;
    std::int64_t credit = link::channel_window_bytes;
  };
  void subscribe(std::uint64_t id, const Source& source);
  void advance(std::uint64_t id);
  void on_chunk(std::uint64_t id, std::uint64_t stream, std::string_view bytes);
  void on_end(std::uint64_t id, std::uint64_t stream, const Result<void>& result);
  void flush(std::uint64_t id);
  void end(std::uint64_t id, std::optional<Error> error);
  void drop(std::unique_ptr<engine::Subscription> subscription);

  Runtime& runtime_;
  engine::Engine& engine_;
  Find find_;
  Send send_;
  std::map<std::uint64_t, Channel> channels_;
  std::uint64_t streams_ = 0;
  Alive alive_;
};

}  // namespace gyre::agent
