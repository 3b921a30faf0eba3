// The command line's way to the server: the public API and nothing else. A port, so that commands are tested without a
// socket; http_api.hpp is the real one.
#pragma once

#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "http/client.hpp"
#include "http/web_socket_client.hpp"

namespace gyre::cli {

// What the process says to its caller when it ends. Part of the command line's contract: docs/cli.md.
enum Exit : int {
  exit_ok = 0,
  exit_failed = 1,         // it was tried and did not work out: a pod failed, our own error
  exit_usage = 2,          // what was asked for is wrong: the command line, a field of it
  exit_not_found = 3,      // no such pod, host, key, context
  exit_log_in = 4,         // no key, or one that is not accepted
  exit_forbidden = 5,      // the key may not do this
  exit_conflict = 6,       // the state of things does not permit it
  exit_limit = 7,          // quota, funds, rate, or no capacity
  exit_timed_out = 8,      // a wait or an answer took too long
  exit_unreachable = 9,    // no answer from the server
  exit_interrupted = 130,  // Ctrl C
};

// The one table of it: what a kind of error means for the exit code.
Exit exit_of(ErrorCode kind);
// The same with what is known of one reason beyond its kind.
Exit exit_of(Reason reason);

// Why a command ended otherwise than wished, in words that are ready to show (already in the user's language).
struct Failure {
  Exit exit = exit_failed;
  std::string code;  // a reason's code
  std::string detail, why, fix, field, request_id;
  std::string body;  // the server's own JSON, for -o json; may be empty

  static Failure from(const Error& error, Language language);
};

template <class T = void>
using Outcome = tl::expected<T, Failure>;

struct Call {
  std::string method = "GET";
  std::string target;           // "/v1/pods?limit=10", encoded
  std::string body;             // JSON, or empty
  std::string idempotency_key;  // a call that has one is tried again when the connection breaks
};

using Answer = http::ClientResponse;

class Api {
 public:
  virtual ~Api() = default;
  // 2xx is an answer, everything else a failure with the server's words. May be called from several threads at once.
  virtual Outcome<Answer> call(const Call& call) = 0;
  // A body that goes on (logs, events). Returns when it ended, when `chunk` returned false, or when `stop` was
  // requested.
  using Chunk = std::function<bool(std::string_view)>;
  virtual Outcome<> stream(const Call& call, const Chunk& chunk, std::stop_token stop) = 0;
  // A WebSocket, open and agreed on `protocol`.
  virtual Outcome<std::unique_ptr<http::WebSocketClient>> socket(const std::string& target,
                                                                 const std::string& protocol);
  virtual const std::string& url() const = 0;
};

// What a status other than 2xx means, from the problem body when there is one.
Failure failure_of(const Answer& answer, const std::string& url, Language language);

}  // namespace gyre::cli
