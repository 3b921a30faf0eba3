#include "http/admission.hpp"

#include <algorithm>
#include <cmath>

#include "base/secrets.hpp"

namespace gyre::http {

Admission::Client& Admission::client_of(const std::string& name, Duration uptime) {
  auto found = clients_.find(name);
  if (found == clients_.end()) {
    // Forgetting one that has nothing in hand costs at most that its burst is full again.
    for (auto oldest = idle_order_.begin();
         clients_.size() >= limits_.clients_remembered && oldest != idle_order_.end();) {
      const auto next = std::next(oldest);
      if (const auto idle = clients_.find(*oldest); idle->second.in_hand == 0) {
        clients_.erase(idle);
        idle_order_.erase(oldest);
      }
      oldest = next;
    }
    found = clients_.try_emplace(name).first;
    found->second.tokens = limits_.burst;
    found->second.counted_at = uptime;
    found->second.place = idle_order_.insert(idle_order_.end(), name);
  }
  auto& client = found->second;
  const auto seconds = std::chrono::duration<double>(uptime - client.counted_at).count();
  if (seconds > 0) {
    client.tokens = std::min(limits_.burst, client.tokens + seconds * limits_.requests_per_second);
    client.counted_at = uptime;
  }
  idle_order_.splice(idle_order_.end(), idle_order_, client.place);
  return client;
}

Result<std::shared_ptr<Admission::Ticket>> Admission::enter(const std::string& name, Duration uptime) {
  const std::lock_guard lock(mutex_);
  auto& client = client_of(name, uptime);
  const auto wait = [&](double seconds) {
    ++counters_.told_to_wait;
    return fail(Reason::too_many_requests,
                {{"seconds", std::to_string(std::max(1L, std::lround(std::ceil(seconds))))}});
  };
  if (client.tokens < 1) return wait((1 - client.tokens) / limits_.requests_per_second);
  if (client.in_hand >= limits_.in_hand_per_client) return wait(1);
  // Who has nothing in hand is let in where others are turned away: an overload that one client makes is its own.
  const auto room = client.in_hand == 0 ? limits_.in_hand * 2 : limits_.in_hand;
  if (counters_.in_hand >= room) {
    ++counters_.shed;
    return fail(Reason::overloaded, {{"seconds", "1"}});
  }
  client.tokens -= 1;
  ++client.in_hand;
  ++counters_.in_hand;
  ++counters_.admitted;
  return std::make_shared<Ticket>(*this, name);
}

void Admission::leave(const std::string& name) {
  const std::lock_guard lock(mutex_);
  --counters_.in_hand;
  --clients_.at(name).in_hand;
}

Admission::Counters Admission::counters() const {
  const std::lock_guard lock(mutex_);
  auto out = counters_;
  out.clients = clients_.size();
  return out;
}

std::string Admission::policy() const {
  const std::lock_guard lock(mutex_);
  const auto seconds = std::ceil(limits_.burst / std::max(limits_.requests_per_second, 0.001));
  return "\"requests\";q=" + std::to_string(static_cast<long long>(limits_.burst)) +
         ";w=" + std::to_string(static_cast<long long>(std::clamp(seconds, 1.0, 86'400.0)));
}

void Admission::set_limits(AdmissionLimits limits) {
  const std::lock_guard lock(mutex_);
  limits_ = limits;
}

std::string client_of(const Request& request) {
  if (const auto key = request.headers.get("Authorization"); !key.empty()) return "k" + sha256_hex(std::string(key));
  if (const auto key = request.query.get("api_key")) return "k" + sha256_hex(*key);
  if (const auto cookie = request.headers.get("Cookie"); cookie.find("gyre_session=") != std::string_view::npos)
    return "c" + sha256_hex(std::string(cookie));
  return "a" + request.remote_address;
}

}  // namespace gyre::http
