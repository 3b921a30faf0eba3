// Bytes on their way: read in at the back, used at the front. Holds no more than one read beyond what waits, and almost
// nothing while idle.
#pragma once

#include <cstring>
#include <memory>
#include <string_view>

namespace gyre::edge {

class Buffer {
 public:
  static constexpr std::size_t small = 1024, large = 64 * 1024;

  std::string_view view() const { return {data_.get() + begin_, end_ - begin_}; }
  std::size_t size() const { return end_ - begin_; }
  bool empty() const { return begin_ == end_; }

  struct Space {
    char* at;
    std::size_t size;
  };
  // Room for the next read, as large as the last reads suggest. Views are not valid afterwards.
  Space space() {
    if (empty()) {
      begin_ = end_ = 0;
      if (capacity_ != next_) fit(next_);
    } else if (capacity_ - end_ < small) {
      if (begin_ > 0) std::memmove(data_.get(), data_.get() + begin_, size());
      end_ -= begin_;
      begin_ = 0;
      if (capacity_ - end_ < small) fit(std::max(capacity_ * 2, small));
    }
    return {data_.get() + end_, capacity_ - end_};
  }
  void filled(std::size_t size) {
    end_ += size;
    if (end_ == capacity_)
      next_ = std::min(std::max(capacity_, small) * 8, large);
    else if (size < small / 2)
      next_ = small;
  }
  void use(std::size_t size) { begin_ += size; }
  void put(std::string_view bytes) {
    fit(std::max(small, this->size() + bytes.size()));
    std::memcpy(data_.get() + end_, bytes.data(), bytes.size());
    end_ += bytes.size();
  }

 private:
  void fit(std::size_t capacity) {
    auto made = std::make_unique_for_overwrite<char[]>(capacity);
    if (!empty()) std::memcpy(made.get(), data_.get() + begin_, size());
    end_ -= begin_;
    begin_ = 0;
    data_ = std::move(made);
    capacity_ = capacity;
  }

  std::unique_ptr<char[]> data_;
  std::size_t capacity_ = 0, begin_ = 0, end_ = 0, next_ = small;
};

}  // namespace gyre::edge
