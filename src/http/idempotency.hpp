// One key, one effect: what was answered to a request that carried an Idempotency-Key. Kept in the same transaction as
// the effect itself, so that there is never one without the other. Only successes are kept: a refusal changed nothing,
// and its sender may correct the request and use the same key again.
#pragma once

#include <optional>
#include <string>

#include "db/db.hpp"
#include "http/message.hpp"

namespace gyre::http {

inline constexpr Duration idempotency_kept_for = 24h;
inline constexpr std::size_t idempotency_key_max = 255;

// The key that the request carries; nothing when it carries none; invalid_field unless it is 1 to 255 visible
// characters.
Result<std::optional<std::string>> idempotency_key(const Request& request);

class IdempotencyStore {
 public:
  explicit IdempotencyStore(db::Connection& db) : db_(db) {}

  // The answer to give again (marked `Idempotent-Replayed: true`), nothing when the key is new, idempotency_key_reused
  // when it came with another request.
  Result<std::optional<Response>> find(const std::string& key, const Request& request, Time now);
  void keep(const std::string& key, const Request& request, const Response& response, Time now);

 private:
  db::Connection& db_;
};

}  // namespace gyre::http
