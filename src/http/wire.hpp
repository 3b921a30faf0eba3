// The seam between sockets and what is said over them: bytes (Wire), who is told of them (WireOwner), and the thread on
// which both live (Loop). server.cpp has the real ones, tests have their own; nothing here knows a socket.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/time.hpp"

namespace gyre::http {

using TimePoint = std::chrono::steady_clock::time_point;

// What the wire tells its owner. On the owner's thread.
class WireOwner {
 public:
  enum class Read { bytes, end, broken };
  virtual ~WireOwner() = default;
  virtual void on_open() = 0;
  virtual void on_read(Read what, std::size_t size) = 0;
  virtual void on_written(bool ok, std::size_t size) = 0;
  virtual void on_time() = 0;
  virtual void on_gone() = 0;
};

// The bytes. Called on the owner's thread only; each call is answered by the owner's method of the same name, never
// from within the call (except `open` of a plain socket that a client has opened). One read and one write at a time.
class Wire {
 public:
  virtual ~Wire() = default;
  virtual void open(const std::shared_ptr<WireOwner>& owner) = 0;     // -> on_open, or on_gone
  virtual void hand_to(const std::shared_ptr<WireOwner>& owner) = 0;  // an open one, while nothing is asked of it
  virtual void read(char* into, std::size_t max) = 0;                 // at least one byte -> on_read
  virtual void write(std::string_view bytes) = 0;                     // at least one of them -> on_written
  virtual void end_writes() = 0;       // after the last on_written: the other side sees our end, and may go on
  virtual void finish() = 0;           // says goodbye, discards what still comes, and after its goodbye -> on_gone
  virtual void close(bool reset) = 0;  // at once. `reset`: the other side sees that something is missing
  virtual void wake_at(TimePoint when) = 0;       // -> on_time, not before `when`; the latest call counts
  virtual bool refused() const { return false; }  // on_gone of a dialled one: the machine answered, the port did not
};

// Who lives on a loop until it says that it is over: one client's connection, whatever is made of it.
class Member : public WireOwner {
 public:
  virtual void drain() = 0;                   // ends when what it is about is done
  virtual void end_now() = 0;                 // says that it is over where that can still be said, then ends
  virtual void give_up(const char* why) = 0;  // ends at once
};

// One thread and those who live on it.
class Loop : public std::enable_shared_from_this<Loop> {
 public:
  virtual ~Loop() = default;
  virtual void post(std::function<void()> callback) = 0;  // from any thread
  virtual TimePoint now() const = 0;
  virtual void forget(Member& member) = 0;                             // it is over; its owner lets go of it
  virtual void replace(Member& old, std::shared_ptr<Member> now) = 0;  // `now` has taken over from `old`
  virtual void after(Duration delay, std::function<void()> callback) = 0;
  // A wire to a TCP port; `open` dials. `address` is numeric.
  virtual std::shared_ptr<Wire> dial(const std::string& address, int port) = 0;

  // Whoever takes connections over keeps here what they share on this thread. Goes with the loop.
  std::shared_ptr<void> shared;
};

// A client's connection that is not for the API, as it is handed over: nothing of it has been answered.
struct HandOver {
  std::shared_ptr<Wire> wire;
  Loop& loop;
  std::string bytes;           // read from it already: at least one whole head
  std::string peer;            // address of who holds the connection
  bool tls = false;            // it came over TLS
  std::shared_ptr<void> seat;  // its place among the server's connections; let go of it when it is over
};

}  // namespace gyre::http
