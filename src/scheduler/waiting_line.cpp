#include "scheduler/waiting_line.hpp"

#include <algorithm>
#include <limits>
#include <tuple>

#include "base/check.hpp"

namespace gyre::scheduler {
namespace {

constexpr auto last = std::numeric_limits<std::int64_t>::max();

}  // namespace

WaitingLine::Key WaitingLine::last_with(const std::optional<Money>& bid) { return {precedence(bid), last, PodId()}; }

bool WaitingLine::ByWhatIsAsked::operator()(const Request& a, const Request& b) const {
  const auto asked = [](const Request& r) {
    return std::tie(r.gpu_count, r.gpu_types, r.types_in_order, r.gpu_memory_min, r.vcpus, r.memory_bytes, r.disk_bytes,
                    r.cuda_min, r.cuda_allowed, r.bound_to, r.network_volume, r.data_centers, r.centers_in_order,
                    r.countries, r.rescue, r.bid);
  };
  return asked(a) < asked(b);
}

std::vector<WaitingLine::Entry>::iterator WaitingLine::at(const Key& key) {
  return std::lower_bound(line_.begin(), line_.end(), key,
                          [](const Entry& entry, const Key& sought) { return entry.key() < sought; });
}

std::size_t WaitingLine::kind_of(const Request& request) {
  auto asked = request;
  asked.pod = PodId();
  if (asked.bid) asked.bid = Money();
  if (const auto found = kind_index_.find(asked); found != kind_index_.end()) return found->second;
  std::size_t slot = kinds_.size();
  if (unused_kinds_.empty()) {
    kinds_.emplace_back();
  } else {
    slot = unused_kinds_.back();
    unused_kinds_.pop_back();
  }
  kinds_[slot] = Kind{asked, 0, {}, false, 0};
  kind_index_.emplace(std::move(asked), slot);
  return slot;
}

bool WaitingLine::put(std::int64_t order, const Request& request) {
  const auto kind = kind_of(request);
  Entry entry{order, request.bid, request.pod, kind};
  const auto key = entry.key();
  if (const auto known = keys_.find(request.pod); known != keys_.end()) {
    if (known->second == key && at(key)->kind == kind) return false;
    ++kinds_[kind].waiting;  // not forgotten with the entry that it replaces
    leave(request.pod);
    --kinds_[kind].waiting;
  }
  const auto place = at(key);
  if (static_cast<std::size_t>(place - line_.begin()) < worked_) start_over();
  line_.insert(place, std::move(entry));
  keys_[request.pod] = key;
  last_order_ = std::max(last_order_, order);
  ++kinds_[kind].waiting;
  return true;
}

bool WaitingLine::leave(const PodId& pod) {
  const auto known = keys_.find(pod);
  if (known == keys_.end()) return false;
  const auto key = known->second;
  const auto entry = at(key);
  CHECK(entry != line_.end() && entry->pod == pod);
  if (static_cast<std::size_t>(entry - line_.begin()) < worked_) {
    const bool in_the_way =
        std::any_of(blocked_.begin(), blocked_.end(), [&](const auto& pool) { return pool.second == key; }) ||
        std::any_of(placed_.begin(), placed_.end(), [&](const auto& placed) { return placed.pod == pod; });
    if (in_the_way)
      start_over();
    else
      --worked_;  // it held nothing: the others stand as before
  }
  auto& kind = kinds_[entry->kind];
  if (--kind.waiting == 0) {
    kind_index_.erase(kind.asked);
    unused_kinds_.push_back(entry->kind);
  }
  line_.erase(entry);
  keys_.erase(known);
  if (line_.empty()) last_order_ = 0;
  return true;
}

void WaitingLine::clear() { *this = WaitingLine(); }

void WaitingLine::against(std::vector<Host> hosts, std::vector<Occupant> occupants) {
  hosts_ = std::move(hosts);
  occupants_ = std::move(occupants);
  for (auto& kind : kinds_) kind.pools_known = false;
  start_over();
}

void WaitingLine::start_over() {
  over_ = true;
  worked_ = 0;
}

const std::vector<std::string>& WaitingLine::pools(Kind& kind) {
  if (!kind.pools_known) kind.pools = pools_of(kind.asked, hosts_);
  kind.pools_known = true;
  return kind.pools;
}

void WaitingLine::work() {
  if (over_) {
    over_ = false;
    left_ = hosts_;
    blocked_.clear();
    blocked_names_.clear();
    placed_.clear();
    ++round_;
  }
  for (; worked_ < line_.size(); ++worked_) {
    const auto& entry = line_[worked_];
    auto& kind = kinds_[entry.kind];
    if (kind.refused == round_) continue;  // one who asked for the same was refused, and nothing has changed since
    auto verdict = fit(kind.asked, left_, blocked_names_);
    if (verdict.placement) {
      take(left_, kind.asked, *verdict.placement);
      placed_.push_back({entry.pod, std::move(*verdict.placement)});
      ++round_;
      continue;
    }
    if (verdict.possible)
      for (const auto& pool : blocks(kind.asked, pools(kind)))
        if (blocked_names_.insert(pool).second) {
          blocked_.emplace(pool, entry.key());
          ++round_;
        }
    kind.refused = round_;
  }
}

const std::vector<WaitingLine::Placed>& WaitingLine::placed() {
  work();
  return placed_;
}

std::optional<Outlook> WaitingLine::look_ahead(const Key& until) {
  const bool any = std::any_of(occupants_.begin(), occupants_.end(),
                               [](const Occupant& occupant) { return occupant.bid && !occupant.leaving; });
  if (!any) return std::nullopt;
  work();
  Outlook out(hosts_, occupants_);
  std::set<PodId> placed;
  for (const auto& one : placed_) {
    const auto& key = keys_.at(one.pod);
    if (!(key < until)) break;
    take(out.hosts, kinds_[at(key)->kind].asked, one.placement);
    placed.insert(one.pod);
  }
  // One who asks for the same and has no higher bid is refused as well, while nothing has changed.
  std::vector<std::uint64_t> refused(kinds_.size());
  std::uint64_t round = 1;
  for (const auto& entry : line_) {
    if (!(entry.key() < until)) break;
    if (placed.contains(entry.pod) || refused[entry.kind] == round) continue;
    auto request = kinds_[entry.kind].asked;
    request.pod = entry.pod;
    request.bid = entry.bid;
    const auto blocked = out.blocked.size();
    if (out.serve(request)) {
      ++round;
      continue;
    }
    if (out.blocked.size() != blocked) ++round;
    refused[entry.kind] = round;
  }
  return out;
}

std::vector<Eviction> WaitingLine::evictions() {
  if (line_.empty()) return {};
  auto outlook = look_ahead({last, last, PodId()});
  return outlook ? std::move(outlook->evictions) : std::vector<Eviction>();
}

std::set<std::string> WaitingLine::blocked_before(const Key& key) const {
  std::set<std::string> out;
  for (const auto& [pool, since] : blocked_)
    if (since < key) out.insert(pool);
  return out;
}

std::optional<WaitingLine::Standing> WaitingLine::standing(const PodId& pod) {
  const auto known = keys_.find(pod);
  if (known == keys_.end()) return std::nullopt;
  work();
  const auto key = known->second;
  const auto entry = at(key);
  auto& kind = kinds_[entry->kind];

  Standing out;
  const auto& mine = pools(kind);
  std::vector<char> meets(kinds_.size());  // in one of its pools
  for (std::size_t i = 0; i < kinds_.size(); ++i) {
    const auto& theirs = pools(kinds_[i]);
    meets[i] = std::find_first_of(theirs.begin(), theirs.end(), mine.begin(), mine.end()) != theirs.end();
  }
  // From the nearer end: most who ask have just come.
  if (entry - line_.begin() < line_.end() - entry) {
    for (auto other = line_.begin(); other <= entry; ++other) out.position += meets[other->kind];
  } else {
    for (std::size_t i = 0; i < kinds_.size(); ++i) out.position += meets[i] ? kinds_[i].waiting : 0;
    for (auto other = std::next(entry); other != line_.end(); ++other) out.position -= meets[other->kind];
  }
  out.position = std::max(out.position, 1);  // where no host has what it wants, it has no pool

  const auto got = std::find_if(placed_.begin(), placed_.end(), [&](const auto& placed) { return placed.pod == pod; });
  if (got != placed_.end()) {
    out.verdict.placement = got->placement;
    out.verdict.possible = true;
    return out;
  }
  out.verdict = fit(kind.asked, left_, blocked_before(key));
  return out;
}

Verdict WaitingLine::at_end(const Request& asked) {
  work();
  const auto key = last_with(asked.bid);
  if (placed_.empty() || keys_.at(placed_.back().pod) < key) return fit(asked, left_, blocked_before(key));
  auto hosts = hosts_;  // others get a place now, but after this one
  for (const auto& one : placed_) {
    const auto& theirs = keys_.at(one.pod);
    if (theirs < key) take(hosts, kinds_[at(theirs)->kind].asked, one.placement);
  }
  return fit(asked, hosts, blocked_before(key));
}

std::set<std::string> WaitingLine::blocked_for(const Request& asked) {
  work();
  return blocked_before(last_with(asked.bid));
}

std::optional<WaitingLine::Room> WaitingLine::room_made(const Request& asked) {
  auto outlook = look_ahead(last_with(asked.bid));
  if (!outlook) return std::nullopt;
  const auto stopped = whom_to_stop(asked, outlook->hosts, outlook->occupants, outlook->blocked);
  if (!stopped || stopped->empty()) return std::nullopt;
  for (const auto& occupant : outlook->occupants)
    if (std::find(stopped->begin(), stopped->end(), occupant.pod) != stopped->end()) vacate(outlook->hosts, occupant);
  const auto verdict = fit(asked, outlook->hosts, outlook->blocked);
  CHECK(verdict.placement);
  return Room{*verdict.placement, static_cast<int>(stopped->size())};
}

std::map<std::string, int> WaitingLine::lengths() {
  std::map<std::string, int> out;
  for (auto& kind : kinds_)
    if (kind.waiting > 0)
      for (const auto& pool : pools(kind)) out[pool] += kind.waiting;
  return out;
}

}  // namespace gyre::scheduler
