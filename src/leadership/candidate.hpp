// A server on a PostgreSQL that it may share: stands by until the lease is free, then leads, renews the lease, and says
// when it has lost it. In one process it leads once at most: whoever was deposed starts anew, with nothing remembered.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "leadership/leadership_store.hpp"
#include "runtime/core.hpp"

namespace gyre {

// Before leading. Looks from the worker pool, so that a database that does not answer keeps nobody waiting.
class Candidate {
 public:
  // `won` gets the connection, with its fence set. The connection is nobody else's meanwhile. Core thread.
  using Won = std::function<void(std::unique_ptr<db::Connection>, Epoch)>;
  Candidate(Runtime& runtime, std::unique_ptr<db::Connection> connection, std::string holder, std::string url,
            LeaseTimes times, Won won);

  // Once, before `start`, blocking: the lease, when it is free right now. DbError.
  std::optional<Epoch> try_at_once();
  std::unique_ptr<db::Connection> connection();  // after try_at_once has won

  void start();

  // Where the leader answers; empty: nobody leads at the moment, or the database does not answer. Any thread.
  std::string leader_url() const;

 private:
  struct Seat;  // what the worker works with
  void look();
  void looked();

  Runtime& runtime_;
  LeaseTimes times_;
  Won won_;
  std::shared_ptr<Seat> seat_;
  Standing standing_ = Standing::standing_by;
  std::string last_problem_;
  Timer timer_;
  Alive alive_;
};

// While leading. `deposed` is called once, at the first sign that somebody else leads; from then on no transaction of
// this core begins. Core thread.
class Leadership {
 public:
  Leadership(Core& core, Epoch epoch, LeaseTimes times, std::function<void()> deposed);

  Epoch epoch() const { return epoch_; }
  bool leads() const { return standing_ == Standing::leading; }

  // On the way out, after the last request: whoever stands by takes over at its next look. `done` once, also when the
  // database did not answer (the lease then runs out by itself).
  void give_back(std::function<void()> done);

 private:
  void renew();
  void turned(Turn turn);

  Core& core_;
  Epoch epoch_;
  LeaseTimes times_;
  std::function<void()> deposed_;
  Standing standing_ = Standing::leading;
  std::unique_ptr<Timer> renewal_;
  Alive alive_;
};

}  // namespace gyre
