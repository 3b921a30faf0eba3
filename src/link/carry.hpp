// One connection to a port of a pod, carried between the agent and the server on a stream of its own. Both ends look
// the same. Bytes wait in the reader's window only (256 KiB at most), so that a slow reader holds its own writer back.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/ids.hpp"
#include "base/result.hpp"

namespace gyre::link {

inline constexpr int carry_window_bytes = 256 * 1024;

class Carry {
 public:
  static constexpr std::size_t frame_bytes = 64 * 1024;  // at most so many in one write

  // Called on threads of the link; `read` and `written` may come at the same time. They must not hold the carry.
  struct Events {
    std::function<void(std::string bytes, bool last)>
        read;                       // answers `read`; `last`: the other side has ended properly
    std::function<void()> written;  // answers `write`
    std::function<void()> broken;   // nothing follows; also instead of the two above
  };

  virtual ~Carry() = default;                            // cuts it off, unless both sides have ended
  virtual void attach(Events events) = 0;                // once, before anything else
  virtual void read() = 0;                               // one at a time, none after the last
  virtual void write(std::string bytes, bool last) = 0;  // one at a time; `last`: our side has ended
  virtual void cancel() = 0;                             // cuts it off; an event that is on its way may still come
};

// The server's end: carries that agents will open because they were asked to. Any thread.
class CarryDesk {
 public:
  using Arrived = std::function<void(Result<std::shared_ptr<Carry>>)>;
  virtual ~CarryDesk() = default;
  // `arrived` is called once, on any thread, when this host opens a carry with this token, or says why it cannot; not
  // after `forget`. Nobody else can answer the token, and nobody twice.
  virtual void expect(const HostId& host, const std::string& token, Arrived arrived) = 0;
  virtual void forget(const std::string& token) = 0;
};

}  // namespace gyre::link
