// How many calls gRPC may still call back for; an owner's destructor waits for none.
#pragma once

#include <condition_variable>
#include <mutex>

namespace gyre::link {

class CallCount {
 public:
  void up() {
    std::lock_guard lock(mutex_);
    ++count_;
  }
  void down() {  // notifies within the lock: the waiter may destroy us right after
    std::lock_guard lock(mutex_);
    --count_;
    changed_.notify_all();
  }
  void wait_for_none() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return count_ == 0; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int count_ = 0;
};

}  // namespace gyre::link
