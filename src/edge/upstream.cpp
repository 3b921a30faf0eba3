#include "edge/upstream.hpp"

#include <algorithm>

namespace gyre::edge {

void Upstream::read() {
  if (reading || ended || broken || gone) return;
  reading = true;
  const auto space = in.space();
  wire->read(space.at, space.size);
}

void Upstream::on_open() {
  open = true;
  if (user) user->upstream_open();
}

void Upstream::on_read(Read what, std::size_t size) {
  reading = false;
  if (what == Read::bytes)
    in.filled(size);
  else
    (what == Read::end ? ended : broken) = true;
  if (user) return user->upstream_read(what);
  const auto self = shared_from_this();
  if (const auto resting_in = pool.lock()) resting_in->drop(*this);  // whatever it says, nobody asked
}

void Upstream::on_written(bool ok, std::size_t size) {
  writing = false;
  if (user) user->upstream_written(ok, size);
}

void Upstream::on_gone() {
  const auto self = shared_from_this();
  if (!gone) wire->close(false);
  gone = true;
  if (user && !open) user->upstream_failed();
}

Pool::~Pool() {
  for (auto& [route, all] : idle_)
    for (auto& upstream : all) upstream->close();
}

std::shared_ptr<Upstream> Pool::take(const Route* route) {
  const auto found = idle_.find(route);
  if (found == idle_.end() || found->second.empty()) return nullptr;
  auto out = std::move(found->second.back());  // the one that rested least
  found->second.pop_back();
  --resting_;
  if (found->second.empty()) idle_.erase(found);
  out->pool.reset();
  out->reused = true;
  return out;
}

void Pool::put(std::shared_ptr<Upstream> upstream) {
  if (resting_ >= in_all_max_) return upstream->close();
  auto& all = idle_[upstream->route.get()];
  if (all.size() >= of_route_max_) return upstream->close();
  ++resting_;
  upstream->user = nullptr;
  upstream->pool = weak_from_this();
  upstream->idle_since = loop_.now();
  upstream->read();  // to hear of its end
  all.push_back(std::move(upstream));
  if (sweeping_) return;
  sweeping_ = true;
  loop_.after(1s, [weak = weak_from_this()] {
    if (const auto pool = weak.lock()) pool->sweep();
  });
}

void Pool::drop(Upstream& upstream) {
  const auto found = idle_.find(upstream.route.get());
  if (found == idle_.end()) return;
  resting_ -= std::erase_if(found->second, [&](const auto& one) { return one.get() == &upstream; });
  if (found->second.empty()) idle_.erase(found);
  upstream.close();
}

void Pool::sweep() {
  sweeping_ = false;
  const auto oldest = loop_.now() - rest;
  for (auto it = idle_.begin(); it != idle_.end();) {
    resting_ -= std::erase_if(it->second, [&](const auto& one) {
      if (one->idle_since > oldest) return false;
      one->close();
      return true;
    });
    it = it->second.empty() ? idle_.erase(it) : std::next(it);
  }
  if (idle_.empty()) return;
  sweeping_ = true;
  loop_.after(1s, [weak = weak_from_this()] {
    if (const auto pool = weak.lock()) pool->sweep();
  });
}

}  // namespace gyre::edge
