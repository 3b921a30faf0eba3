// Who waits for a place, by precedence and in the order in which they came, what the hosts mean for each of them, and
// who makes room for them. Gives the answers of `place_queue` and `evict_for_queue` (property tests compare them), but
// keeps what it has worked out: pods that ask for the same are examined once, who comes last is examined alone, and a
// question about one pod costs no look at the others but a count. Pure; belongs to one thread.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "scheduler/eviction.hpp"

namespace gyre::scheduler {

class WaitingLine {
 public:
  // In at its place (by precedence, then lowest `order` first), or again with another order or another request. False:
  // as it was before.
  bool put(std::int64_t order, const Request& request);
  bool leave(const PodId& pod);  // false: it was not there
  void clear();

  bool empty() const { return line_.empty(); }
  std::size_t size() const { return line_.size(); }
  std::int64_t last_order() const { return last_order_; }  // the highest since the line was empty; 0: nobody waits

  // The hosts as they are now, with what pods hold taken off, and those pods whose place may become free.
  void against(std::vector<Host> hosts, std::vector<Occupant> occupants = {});

  struct Placed {
    PodId pod;
    Placement placement;
  };
  // Who gets a place now, in their order. They stay in line until they `leave`.
  const std::vector<Placed>& placed();
  // Who is to be stopped, and for whom of those who get no place now.
  std::vector<Eviction> evictions();

  struct Standing {
    int position = 0;  // 1: next in its pools
    Verdict verdict;
  };
  std::optional<Standing> standing(const PodId& pod);  // none: it is not in line
  // For one who came last of its precedence; and what those before it hold, as `fit` wants to know.
  Verdict at_end(const Request& asked);
  std::set<std::string> blocked_for(const Request& asked);
  // The same, where others may be stopped for it: none, or where it would then be and how many they are.
  struct Room {
    Placement placement;
    int stopped = 0;
  };
  std::optional<Room> room_made(const Request& asked);

  // How many wait in each pool; who would take any of several counts in each.
  std::map<std::string, int> lengths();

 private:
  // All that ask for the same. Slots are used again when nobody is left.
  struct Kind {
    Request asked;  // without the pod; of its bid only that there is one
    int waiting = 0;
    std::vector<std::string> pools;
    bool pools_known = false;   // with the hosts at hand
    std::uint64_t refused = 0;  // the round in which it was last refused
  };
  using Key = std::tuple<std::int64_t, std::int64_t, PodId>;  // precedence, order, pod
  struct Entry {
    std::int64_t order = 0;
    std::optional<Money> bid;
    PodId pod;
    std::size_t kind = 0;
    Key key() const { return {precedence(bid), order, pod}; }
  };
  struct ByWhatIsAsked {
    bool operator()(const Request& a, const Request& b) const;
  };

  std::vector<Entry>::iterator at(const Key& key);
  std::size_t kind_of(const Request& request);
  const std::vector<std::string>& pools(Kind& kind);
  static Key last_with(const std::optional<Money>& bid);  // of one who comes now
  std::set<std::string> blocked_before(const Key& key) const;
  std::optional<Outlook> look_ahead(const Key& until);  // none: nobody can be stopped
  void work();                                          // brings what follows up to date
  void start_over();                                    // when the next question comes

  std::vector<Entry> line_;  // by key
  std::unordered_map<PodId, Key> keys_;
  std::int64_t last_order_ = 0;
  std::vector<Kind> kinds_;
  std::vector<std::size_t> unused_kinds_;
  std::map<Request, std::size_t, ByWhatIsAsked> kind_index_;

  std::vector<Host> hosts_, left_;  // as given; without what `placed_` takes
  std::vector<Occupant> occupants_;
  bool over_ = false;                    // what follows is of before
  std::size_t worked_ = 0;               // how many of the line are in what follows
  std::map<std::string, Key> blocked_;   // the pools in which somebody waits who holds their place, and since whom
  std::set<std::string> blocked_names_;  // the same without whom
  std::vector<Placed> placed_;
  std::uint64_t round_ = 1;  // another when something changed that may turn an answer
};

}  // namespace gyre::scheduler
