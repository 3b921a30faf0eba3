// The processes that `gyre up` starts and `gyre down` stops: each with its own session, log and lock, so that none of
// them falls with another. Waiting is done on process descriptors, never by asking again and again.
#pragma once

#include <sys/types.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "base/time.hpp"

namespace gyre::cli {

// A descriptor that closes itself.
class Descriptor {
 public:
  explicit Descriptor(int number = -1) : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept;
  ~Descriptor();
  int number() const { return number_; }
  bool open() const { return number_ >= 0; }

 private:
  int number_;
};

// A process that may or may not be our child; the id is safe from being reused while this lives.
class Process {
 public:
  // Empty when there is no such process any more.
  static std::optional<Process> of(pid_t id);

  pid_t id() const { return id_; }
  bool signal(int number) const;
  // True once it has ended; false after `most`. Interrupted waits go on.
  bool wait(Duration most) const;
  int descriptor() const { return descriptor_.number(); }  // readable once it has ended
  // How a child of ours ended, in words ("exit code 1", "signal 9"); also lets go of it.
  std::string how_it_ended() const;
  bool ended_well() const;  // exit code 0; asks without letting go. False for what is not our child.

 private:
  Process(pid_t id, Descriptor descriptor) : id_(id), descriptor_(std::move(descriptor)) {}
  pid_t id_;
  Descriptor descriptor_;
};

struct Start {
  std::vector<std::string> arguments;  // of our own binary, without its name
  std::string log;                     // standard error and output are appended here, readable by us only
};

struct Started {
  Process process;
  Descriptor ready;  // what the child writes to its descriptor 3 before it closes it
};

// Starts our own binary in a session of its own.
Result<Started> start(const Start& what);

// What the child said on `ready` until it closed it or ended; empty after `most`.
std::optional<std::string> read_ready(const Started& started, Duration most);

// The process that holds the lock file, when one does.
std::optional<Process> holder(const std::string& lock_file);

// Waits until nobody else holds the lock file, and holds it until the descriptor is closed.
Result<Descriptor> lock(const std::string& lock_file);

// The last line of a log that reads like its reason to end: the message of the last JSON line, or the line itself.
std::string last_words(const std::string& log);

}  // namespace gyre::cli
