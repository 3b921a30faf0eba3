// A connection to a port of a pod, straight or through the tunnel, and the idle ones of a thread that are kept for the
// next request.
#pragma once

#include <memory>
#include <unordered_map>
#include <vector>

#include "edge/buffer.hpp"
#include "edge/routes.hpp"
#include "http/wire.hpp"

namespace gyre::edge {

class Pool;

class Upstream final : public http::WireOwner, public std::enable_shared_from_this<Upstream> {
 public:
  class User {  // told on the loop's thread, while it is attached
   public:
    virtual ~User() = default;
    virtual void upstream_open() = 0;
    virtual void upstream_failed() = 0;  // could not be opened
    virtual void upstream_read(Read what) = 0;
    virtual void upstream_written(bool ok, std::size_t size) = 0;
  };

  Upstream(std::shared_ptr<const Route> to, std::shared_ptr<http::Wire> through, bool straight)
      : route(std::move(to)), wire(std::move(through)), is_straight(straight) {}

  void read();  // unless a read is out or the pod has ended
  void write(std::string_view bytes) {
    writing = true;
    wire->write(bytes);
  }
  void close() {
    user = nullptr;
    pool.reset();
    if (!gone) wire->close(false);
    gone = true;
  }

  void on_open() override;
  void on_read(Read what, std::size_t size) override;
  void on_written(bool ok, std::size_t size) override;
  void on_time() override {}
  void on_gone() override;

  const std::shared_ptr<const Route> route;
  const std::shared_ptr<http::Wire> wire;
  const bool is_straight;
  Buffer in;
  User* user = nullptr;
  std::weak_ptr<Pool> pool;  // while idle
  http::TimePoint idle_since{};
  bool open = false, reading = false, writing = false, ended = false, broken = false, gone = false, reused = false;
};

// Of one thread. A program that closes an idle connection after five seconds, as many do, must not find a request on it
// in that moment: ours rest for four at most.
class Pool : public std::enable_shared_from_this<Pool> {
 public:
  // Over these bounds a connection is closed instead of kept.
  Pool(http::Loop& loop, std::size_t of_route_max, std::size_t in_all_max)
      : loop_(loop), of_route_max_(of_route_max), in_all_max_(in_all_max) {}
  ~Pool();
  std::shared_ptr<Upstream> take(const Route* route);  // or null
  void put(std::shared_ptr<Upstream> upstream);
  void drop(Upstream& upstream);  // it ended while it rested
  static constexpr Duration rest = 4s;

 private:
  void sweep();
  http::Loop& loop_;
  const std::size_t of_route_max_, in_all_max_;
  std::unordered_map<const Route*, std::vector<std::shared_ptr<Upstream>>> idle_;
  std::size_t resting_ = 0;
  bool sweeping_ = false;
};

}  // namespace gyre::edge
