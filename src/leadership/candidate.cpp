#include "leadership/candidate.hpp"

#include "base/check.hpp"
#include "base/log.hpp"

namespace gyre {

struct Candidate::Seat {
  std::unique_ptr<db::Connection> connection;
  std::string holder, url;
  LeaseTimes times;
  std::optional<Duration> answering_since;  // by uptime; none: the last look failed.

  std::mutex mutex;  // what follows is written by a worker and read elsewhere
  std::optional<Epoch> won;
  std::string leader_url, problem;

  void look(Duration uptime) {
    std::string leader, wrong;
    std::optional<Epoch> epoch;
    try {
      LeadershipStore store(*connection);
      const auto seen = store.look();
      if (!answering_since) answering_since = uptime;
      if (may_take(seen, uptime - *answering_since, times))
        epoch = store.take(seen, holder, url, times.length);
      else if (!seen.free())
        leader = seen.url;
    } catch (const db::DbError& broken) {
      wrong = broken.what();
      answering_since.reset();
    }
    const std::lock_guard lock(mutex);
    leader_url = std::move(leader);
    problem = std::move(wrong);
    won = epoch;
  }
};

Candidate::Candidate(Runtime& runtime, std::unique_ptr<db::Connection> connection, std::string holder, std::string url,
                     LeaseTimes times, Won won)
    : runtime_(runtime), times_(times), won_(std::move(won)), seat_(std::make_shared<Seat>()), timer_(runtime) {
  seat_->connection = std::move(connection);
  seat_->holder = std::move(holder);
  seat_->url = std::move(url);
  seat_->times = times;
  seat_->answering_since = runtime.uptime() - times.length;
}

std::optional<Epoch> Candidate::try_at_once() {
  seat_->look(runtime_.uptime());
  if (!seat_->problem.empty()) throw db::DbError(seat_->problem);
  if (seat_->won) seat_->connection->set_fence(LeadershipStore::fence(*seat_->won));
  return seat_->won;
}

std::unique_ptr<db::Connection> Candidate::connection() {
  CHECK(seat_->won);
  return std::move(seat_->connection);
}

void Candidate::start() {
  log::info("standing by", {{"leader", leader_url()}});
  timer_.start(times_.look_every, [this] { look(); });
}

std::string Candidate::leader_url() const {
  const std::lock_guard lock(seat_->mutex);
  return seat_->leader_url;
}

void Candidate::look() {
  runtime_.work([seat = seat_, now = runtime_.uptime()] { seat->look(now); }, alive_.guard([this] { looked(); }));
}

void Candidate::looked() {
  std::optional<Epoch> won;
  std::string problem;
  {
    const std::lock_guard lock(seat_->mutex);
    won = seat_->won;
    problem = seat_->problem;
  }
  if (problem != last_problem_) {
    if (problem.empty())
      log::info("standing by; the database answers again");
    else
      log::warn("standing by; the database does not answer", {{"problem", problem}});
    last_problem_ = problem;
  }
  const auto next = after(standing_, won ? Turn::was_quicker : Turn::saw_another);
  CHECK(next);
  standing_ = *next;
  if (standing_ != Standing::leading) return timer_.start(times_.look_every, [this] { look(); });
  seat_->connection->set_fence(LeadershipStore::fence(*won));
  log::info("taking the lead", {{"epoch", std::to_string(*won)}});
  won_(std::move(seat_->connection), *won);
}

Leadership::Leadership(Core& core, Epoch epoch, LeaseTimes times, std::function<void()> deposed)
    : core_(core), epoch_(epoch), times_(times), deposed_(std::move(deposed)) {
  core_.on_fenced(alive_.guard([this] { turned(Turn::refused); }));
  renewal_ = core_.every(times_.renew_every, "renew the lease", [this] { renew(); });
}

// Among the core's own tasks: a core that does no work does not keep the lead. The row's epoch is what the fence has
// just read, so that a refusal here means that the row was changed by hand.
void Leadership::renew() {
  if (!leads()) return;
  const bool renewed = LeadershipStore(core_.db()).renew(epoch_, times_.length);
  core_.after_commit(alive_.guard([this, renewed] { turned(renewed ? Turn::renewed : Turn::refused); }));
}

void Leadership::give_back(std::function<void()> done) {
  renewal_.reset();
  core_.post(
      "give the lease back",
      [this, done] {
        const bool given = LeadershipStore(core_.db()).give_back(epoch_);
        core_.after_commit(alive_.guard([this, done, given] {
          turned(given ? Turn::given_back : Turn::saw_another);
          done();
        }));
      },
      done);
}

void Leadership::turned(Turn turn) {
  const bool led = leads();
  if (!led && turn == Turn::renewed) return;  // the answer of a renewal from before
  const auto next = after(standing_, turn);
  CHECK(next);
  standing_ = *next;
  if (led && standing_ == Standing::deposed) {
    renewal_.reset();
    log::error("another server has taken the lead", {{"epoch", std::to_string(epoch_)}});
    deposed_();
  }
}

}  // namespace gyre
