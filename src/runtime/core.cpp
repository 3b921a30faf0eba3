#include "runtime/core.hpp"

#include "base/log.hpp"

namespace gyre {
namespace {
constexpr std::size_t batch_max = 200;
constexpr Duration slow_task = 20ms;

using Callbacks = std::vector<std::function<void()>>;

// The changes are durable whatever an effect does: one that throws does not keep its neighbours' answers back.
void call_all(const Callbacks& callbacks) {
  for (const auto& callback : callbacks) try {
      if (callback) callback();
    } catch (const std::exception& problem) {
      log::error("effect failed", {{"problem", problem.what()}});
    }
}
}  // namespace

Core::Core(Runtime& runtime, db::Connection& db) : runtime_(runtime), db_(db) {}

void Core::post(std::string_view name, std::function<void()> task, std::function<void()> failed) {
  auto enter = alive_.guard([this](Task entered) { enqueue(std::move(entered)); });
  runtime_.post([enter = std::move(enter), entered = Task{name, std::move(task), std::move(failed)}]() mutable {
    enter(std::move(entered));
  });
}

void Core::follow(std::string_view name, std::function<void()> task, std::function<void()> failed) {
  enqueue(Task{name, std::move(task), std::move(failed)});
}

std::unique_ptr<Timer> Core::every(Duration period, std::string_view name, std::function<void()> task) {
  auto timer = std::make_unique<Timer>(runtime_);
  timer->repeat(period, alive_.guard([this, name, task = std::move(task)] { enqueue({name, task, {}}); }));
  return timer;
}

void Core::after(Duration delay, std::string_view name, std::function<void()> task) {
  runtime_.after(delay, alive_.guard([this, name, task = std::move(task)] { enqueue({name, task, {}}); }));
}

void Core::after_commit(std::function<void()> effect) { effects_.push_back(std::move(effect)); }

Core::Counters Core::counters() const {
  auto out = counters_;
  out.waiting = waiting_.size();
  return out;
}

void Core::enqueue(Task task) {
  waiting_.push_back(std::move(task));
  if (drain_posted_) return;
  drain_posted_ = true;
  runtime_.post(alive_.guard([this] { drain(); }));
}

void Core::drain() {
  drain_posted_ = database_failed_ = false;
  if (waiting_.empty()) return;  // what followed has been taken along
  Callbacks on_failed_commit;    // of the tasks that have run so far, for when nothing of the batch is kept
  Callbacks failures;
  std::size_t left = batch_max;
  try {
    db_.begin();
    for (; left > 0 && !waiting_.empty(); --left) {
      Task task = std::move(waiting_.front());
      waiting_.pop_front();
      on_failed_commit.push_back(std::move(task.failed));
      const auto effects_before = effects_.size();
      const auto started = runtime_.uptime();
      ++counters_.tasks;
      db_.begin();  // a savepoint: one task's accident does not undo its neighbours
      try {
        task.run();
        db_.commit();
      } catch (const std::exception& problem) {
        effects_.resize(effects_before);
        ++counters_.failed_tasks;
        log::error("task failed", {{"task", std::string(task.name)}, {"problem", problem.what()}});
        failures.push_back(std::move(on_failed_commit.back()));
        on_failed_commit.pop_back();
        db_.rollback();
      }
      if (runtime_.uptime() - started > slow_task) {
        ++counters_.slow_tasks;
        log::warn("slow task", {{"task", std::string(task.name)},
                                {"milliseconds", std::to_string((runtime_.uptime() - started).count())}});
      }
    }
    db_.commit();
    ++counters_.commits;
  } catch (const std::exception& problem) {
    // The commit itself failed, or the connection is gone: nothing of this batch happened. What the batch had not come
    // to fails with it: a database that does not answer is asked once a batch, not once a task, and nobody is kept
    // waiting for it to come back.
    ++counters_.failed_commits;
    database_failed_ = true;
    log::error("commit failed", {{"problem", problem.what()}});
    effects_.clear();
    while (db_.depth() > 0) try {
        db_.rollback();
      } catch (const std::exception&) {  // the connection is gone; depth is counted down all the same
      }
    for (; left > 0 && !waiting_.empty(); --left) {
      on_failed_commit.push_back(std::move(waiting_.front().failed));
      waiting_.pop_front();
    }
    if (dynamic_cast<const db::Fenced*>(&problem) != nullptr) failures.insert(failures.begin(), on_fenced_);
    failures.insert(failures.end(), std::make_move_iterator(on_failed_commit.begin()),
                    std::make_move_iterator(on_failed_commit.end()));
  }
  auto effects = std::move(effects_);
  effects_.clear();
  if (!waiting_.empty() && !drain_posted_) {
    drain_posted_ = true;
    runtime_.post(alive_.guard([this] { drain(); }));
  }
  // `this` may be destroyed by an effect (the simulator crashes servers); nothing below touches members.
  call_all(effects);
  call_all(failures);
}

}  // namespace gyre
