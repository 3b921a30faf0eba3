// Who waits for a place, in the order in which they came, and what the hosts mean for each of them. Gives the answers
// of `place_queue` (a property test compares them), but keeps what it has worked out: pods that ask for the same are
// examined once, who comes last is examined alone, and a question about one pod costs no look at the others but a
// count. Pure; belongs to one thread.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "scheduler/placement.hpp"

namespace gyre::scheduler {

class WaitingLine {
 public:
  // In at its place (lowest `order` first), or again with another order or another request. False: as it was before.
  bool put(std::int64_t order, const Request& request);
  bool leave(const PodId& pod);  // false: it was not there
  void clear();

  bool empty() const { return line_.empty(); }
  std::size_t size() const { return line_.size(); }
  std::int64_t last_order() const { return line_.empty() ? 0 : line_.back().order; }  // 0: nobody waits

  // The hosts as they are now, with what running pods hold taken off.
  void against(std::vector<Host> hosts);

  struct Placed {
    PodId pod;
    Placement placement;
  };
  // Who gets a place now, first come first. They stay in line until they `leave`.
  const std::vector<Placed>& placed();

  struct Standing {
    int position = 0;  // 1: next in its pools
    Verdict verdict;
  };
  std::optional<Standing> standing(const PodId& pod);  // none: it is not in line
  Verdict at_end(const Request& asked);                // for one who came last

  // How many wait in each pool; who would take any of several counts in each.
  std::map<std::string, int> lengths();

 private:
  // All that ask for the same. Slots are used again when nobody is left.
  struct Kind {
    Request asked;  // without the pod
    int waiting = 0;
    std::vector<std::string> pools;
    bool pools_known = false;   // with the hosts at hand
    std::uint64_t refused = 0;  // the round in which it was last refused
  };
  struct Entry {
    std::int64_t order = 0;
    PodId pod;
    std::size_t kind = 0;
    auto key() const { return std::pair(order, pod); }
  };
  struct ByWhatIsAsked {
    bool operator()(const Request& a, const Request& b) const;
  };
  using Key = std::pair<std::int64_t, PodId>;

  std::vector<Entry>::iterator at(const Key& key);
  std::size_t kind_of(const Request& request);
  const std::vector<std::string>& pools(Kind& kind);
  void work();        // brings what follows up to date
  void start_over();  // when the next question comes

  std::vector<Entry> line_;  // by key
  std::unordered_map<PodId, std::int64_t> orders_;
  std::vector<Kind> kinds_;
  std::vector<std::size_t> unused_kinds_;
  std::map<Request, std::size_t, ByWhatIsAsked> kind_index_;

  std::vector<Host> hosts_, left_;       // as given; without what `placed_` takes
  bool over_ = false;                    // what follows is of before
  std::size_t worked_ = 0;               // how many of the line are in what follows
  std::map<std::string, Key> blocked_;   // the pools in which somebody waits who holds their place, and since whom
  std::set<std::string> blocked_names_;  // the same without whom
  std::vector<Placed> placed_;
  std::uint64_t round_ = 1;  // another when something changed that may turn an answer
};

}  // namespace gyre::scheduler
