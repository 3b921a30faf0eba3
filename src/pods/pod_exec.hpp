// Terminals and programs on their way between a WebSocket and an agent's session. Keeps nothing that must survive: the
// session is the agent's, what the client has not acknowledged is in the agent (output) or the client (input), so a
// server that was killed is resumed like a connection that broke. Never more than two windows of one session in memory.
// What client and server say to each other is in docs/exec.md. Core thread, but for WebSocket's calls.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "http/web_socket.hpp"
#include "link/link.hpp"
#include "runtime/core.hpp"

namespace gyre {

class PodExec {
 public:
  static constexpr const char* protocol = "gyre.exec.v1";
  static constexpr std::size_t channels_max = 64;             // to one host
  static constexpr std::size_t input_bytes_max = 256 * 1024;  // not yet taken by the program
  static constexpr Duration say_again{2'000};

  PodExec(Core& core, link::AgentLink& link);

  // Opens a session, or resumes it (request.resume, request.from). `counts`: the client speaks our subprotocol and says
  // itself what it has seen; else it counts as seen once it is on its way to it.
  Result<std::shared_ptr<http::WebSocket>> open(const HostId& host, link::ExecRequest request, bool counts,
                                                Language language);

  void said(const HostId& host, const link::AgentMessage& message);
  void lost(const HostId& host);  // its connection broke: clients are asked to come back (1012)
  std::size_t size() const { return channels_.size(); }

 private:
  using Key = std::pair<HostId, std::uint64_t>;
  struct Channel {
    std::shared_ptr<http::WebSocket> socket;
    link::ExecRequest request;
    Language language = Language::en;
    bool counts = false, confirmed = false;
    std::uint64_t next = 0;   // of the output: passed on up to here
    std::uint64_t seen = 0;   // ... and seen by the client
    std::uint64_t taken = 0;  // of the input
    std::string input;        // from there on
    bool input_ends = false, input_ended = false;
    std::uint64_t resize = 0, resized = 0;  // number of the last one; of the last one obeyed
    int columns = 0, rows = 0;
    bool room_asked = false;
    bool ends = false;  // the client wants the program ended
    Duration spoke_at{0};
  };
  using Channels = std::map<Key, Channel>;

  void said(Channels::iterator at, const link::ExecState& state);
  void said(Channels::iterator at, const link::ExecOutput& output);
  void refused(Channels::iterator at, const Error& error);
  void client_said(const Key& key);
  bool understand(const Key& key, Channel& channel, const http::WebSocketMessage& message);
  void end(Channels::iterator at);
  void client_gone(const Key& key);
  void count_as_seen(const Key& key);
  void send_open(const Key& key, const Channel& channel);
  void send_input(const Key& key, const Channel& channel, std::size_t from);
  void close(Channels::iterator at, int code, const std::string& words);
  void tick();

  Core& core_;
  link::AgentLink& link_;
  Channels channels_;
  std::uint64_t next_channel_;
  Timer timer_;
  Alive alive_;
};

}  // namespace gyre
