// Programs that users started in containers of this host. A session belongs to the agent, not to a connection: it lives
// on for five minutes after its reader went away, keeps the output that nobody has seen (a bounded amount, then the
// program waits), and goes on where a reader resumes it. Offsets both ways make every byte arrive exactly once,
// whatever the link loses, doubles or delays. A session ends with its agent; a program that goes on without one (the
// agent was killed, the engine's connection broke) is known to the journal and ended five minutes later.
//
//   starting --engine--> running --exit--> ended      each of them: attached to one channel, or detached
//      detached for 5 minutes: given up (SIGHUP), forgotten          ended and detached for 5 minutes: forgotten
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "agent/journal.hpp"
#include "engine/engine.hpp"
#include "link/messages.hpp"
#include "runtime/runtime.hpp"

namespace gyre::agent {

class ExecSessions {
 public:
  static constexpr std::size_t sessions_max = 32;
  static constexpr std::size_t left_programs_max = 64;  // without a session, still to be ended; then no new sessions
  static constexpr std::size_t kept_bytes_max = 256 * 1024;   // of output nobody has seen; then the program waits
  static constexpr std::size_t input_bytes_max = 512 * 1024;  // given to the engine, not yet taken by the program
  static constexpr std::size_t data_bytes_max = 32 * 1024;    // one ExecOutput
  static constexpr Duration lives_on{5 * 60'000};             // without a reader
  static constexpr Duration remembered{10 * 60'000};  // that a session was, so that a late order starts no second
  static constexpr Duration say_again{2'000};
  static constexpr Duration say_alive{30'000};  // so that a channel which the server has forgotten is noticed

  // Where a request leads now.
  struct Place {
    bool pod_known = false, container_known = false;
    std::string container_id;  // empty: it does not run
  };
  using Find = std::function<Place(const link::ExecRequest&)>;
  using Send = std::function<void(link::AgentMessage)>;

  ExecSessions(Runtime& runtime, engine::Engine& engine, Journal& journal, Find find, Send send);
  ~ExecSessions();  // gives up all programs

  void open(std::uint64_t channel, const link::ExecRequest& request);
  void input(const link::ExecInput& input);
  void resize(const link::ExecResize& resize);
  void seen(const link::ExecSeen& seen);
  void close(std::uint64_t channel);  // its reader is gone; may come back
  void end(std::uint64_t channel);    // its reader has done with it: given up now
  void detach_all();                  // the connection to the server is gone
  std::size_t size() const { return sessions_.size(); }

 private:
  struct Piece {
    bool error = false;
    std::string bytes;
  };
  struct Session {
    PodId pod;
    std::string exec;  // the engine's name of the program, once it is made
    std::unique_ptr<engine::ExecProcess> process;
    std::deque<Piece> kept;
    std::uint64_t first = 0, end = 0;       // of the output that is kept
    std::uint64_t sent = 0;                 // up to here, over the present channel
    std::uint64_t received = 0, taken = 0;  // of the input
    bool input_ended = false, paused = false;
    std::uint64_t resized = 0;
    std::optional<int> exit_code;
    std::uint64_t channel = 0, last_channel = 0;  // 0: detached
    Duration detached_at{0}, spoke_at{0}, moved_at{0};
  };
  using Sessions = std::map<std::string, Session>;
  struct Left {  // a program without a session
    PodId pod;
    Duration due{0};
    bool ending = false;
  };

  void start(const std::string& id, const link::ExecRequest& request, const std::string& container);
  void attach(Session& session, std::uint64_t channel, std::uint64_t from);
  void detach(Session& session);
  void on_chunk(const std::string& id, engine::Output output, std::string_view bytes);
  bool on_made(const std::string& id, const std::string& exec);
  void on_end(const std::string& id, const Result<int>& result);
  void forget_output(Session& session, std::uint64_t before);
  void flush(Session& session);
  void say(Session& session);
  void refuse(std::uint64_t channel, Reason reason, Args args = {});
  Sessions::iterator of_channel(std::uint64_t channel);
  void drop(std::unique_ptr<engine::ExecProcess> process);
  void remove(Sessions::iterator session);
  bool make_room();
  void leave(const std::string& exec, const PodId& pod, Duration for_so_long);
  void forget_program(const std::string& exec);
  void end_left();
  void tick();

  Runtime& runtime_;
  engine::Engine& engine_;
  Journal& journal_;
  Find find_;
  Send send_;
  Sessions sessions_;
  std::map<std::string, Left> left_;       // by the engine's name
  std::map<std::string, Duration> ended_;  // sessions that were, until when that is remembered
  Timer timer_;
  Alive alive_;
};

}  // namespace gyre::agent
