// The core: every decision of the server, one after another, on one thread. Tasks that are waiting run together in one
// database transaction (group commit, up to 200), each inside its own savepoint; what they want to happen outside
// (answers, orders to agents, wake-ups) is an effect and leaves after the commit, in order. Nothing acknowledged can be
// lost, and nothing is sent that was rolled back.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "db/db.hpp"
#include "runtime/runtime.hpp"

namespace gyre {

class Core {
 public:
  Core(Runtime& runtime, db::Connection& db);

  Runtime& runtime() { return runtime_; }
  db::Connection& db() { return db_; }
  Time now() const { return runtime_.now(); }
  Random& random() { return runtime_.random(); }

  // From any thread. `failed` runs instead of the effects when the task threw or its commit failed.
  void post(std::string_view name, std::function<void()> task, std::function<void()> failed = {});

  // Within a task: another one behind those that wait, in the same transaction while the batch has room. It runs even
  // if this one is undone; when its batch fails, so does this.
  void follow(std::string_view name, std::function<void()> task, std::function<void()> failed = {});

  // Within a `failed`: the database did not take the batch, so that the same may well work in a moment; otherwise the
  // task threw.
  bool database_failed() const { return database_failed_; }

  // Called when the fence of the connection has refused a batch, before the `failed` of its tasks.
  void on_fenced(std::function<void()> callback) { on_fenced_ = std::move(callback); }

  // Timers whose callbacks are tasks; the timer ends with the returned object.
  std::unique_ptr<Timer> every(Duration period, std::string_view name, std::function<void()> task);
  void after(Duration delay, std::string_view name, std::function<void()> task);

  // Within a task: runs once the task's changes are durable; dropped if they are rolled back.
  void after_commit(std::function<void()> effect);

  // Within a task: a savepoint around `work`, which returns a Result; an error or exception undoes its rows and
  // effects.
  template <class Work>
  auto transact(Work&& work) -> decltype(work()) {
    const auto effects_before = effects_.size();
    try {
      auto result = db::transact(db_, work);
      if (!result) effects_.resize(effects_before);
      return result;
    } catch (...) {
      effects_.resize(effects_before);
      throw;
    }
  }

  struct Counters {
    std::uint64_t tasks = 0, commits = 0, failed_tasks = 0, failed_commits = 0, slow_tasks = 0;  // slow: over 20 ms
    std::size_t waiting = 0;
  };
  Counters counters() const;

 private:
  struct Task {
    std::string_view name;  // a literal
    std::function<void()> run, failed;
  };
  void enqueue(Task task);
  void drain();

  Runtime& runtime_;
  db::Connection& db_;
  std::deque<Task> waiting_;
  bool drain_posted_ = false, database_failed_ = false;
  std::vector<std::function<void()>> effects_;
  std::function<void()> on_fenced_;
  Counters counters_;
  Alive alive_;
};

}  // namespace gyre
