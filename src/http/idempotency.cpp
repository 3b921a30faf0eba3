#include "http/idempotency.hpp"

#include <algorithm>

#include "base/secrets.hpp"
#include "json/codec.hpp"

namespace gyre::http {
namespace {

constexpr std::string_view header_name = "Idempotency-Key";
constexpr std::string_view kept_headers[] = {"Content-Type", "Location", "ETag"};
constexpr int expired_deleted_at_once = 100;  // more than one request adds, so that the table shrinks to what is due

struct Kept {
  std::string request_digest;
  int status = 0;
  std::string headers, body;
};
BOOST_DESCRIBE_STRUCT(Kept, (), (request_digest, status, headers, body))

std::string operation(const Request& request) { return std::string(method_text(request.method)) + " " + request.path; }

// Lengths stand before the parts, so that no two requests run together into the same bytes. An API key in the query is
// who asks, not what is asked; and its digest does not belong on disk here.
std::string digest(const Request& request) {
  std::string text;
  const auto part = [&](std::string_view value) { text += std::to_string(value.size()) + ":" + std::string(value); };
  part(operation(request));
  for (const auto& [name, value] : request.query.items()) {
    if (name == "api_key") continue;
    part(name);
    part(value);
  }
  part("");
  part(request.body);
  return sha256_hex(text);
}

}  // namespace

Result<std::optional<std::string>> idempotency_key(const Request& request) {
  if (!request.headers.has(header_name)) return std::nullopt;
  const auto key = request.headers.get(header_name);
  const auto visible = [](char c) { return c >= 0x20 && c < 0x7f; };
  if (key.empty() || key.size() > idempotency_key_max || !std::all_of(key.begin(), key.end(), visible))
    return invalid(std::string(header_name), Detail::characters_visible, {{"low", "1"}, {"high", "255"}});
  return std::string(key);
}

Result<std::optional<Response>> IdempotencyStore::find(const std::string& key, const Request& request, Time now) {
  const auto kept = db_.one<Kept>(
      "SELECT request_digest, status, headers, body FROM idempotency_keys "
      "WHERE workspace_id = $1 AND idempotency_key = $2 AND created_at > $3",
      request.caller.workspace, key, now - idempotency_kept_for);
  if (!kept) return std::nullopt;
  if (kept->request_digest != digest(request)) return fail(Reason::idempotency_key_reused);
  Response again;
  again.status = kept->status;
  again.body = kept->body;
  const auto headers = json::decode<std::map<std::string, std::string>>(kept->headers);
  if (!headers) throw db::DbError("idempotency_keys.headers: " + headers.error().message());
  for (const auto& [name, value] : *headers) again.headers.add(name, value);
  again.headers.add("Idempotent-Replayed", "true");
  return again;
}

void IdempotencyStore::keep(const std::string& key, const Request& request, const Response& response, Time now) {
  std::map<std::string, std::string> headers;
  for (const auto name : kept_headers)
    if (response.headers.has(name)) headers[std::string(name)] = response.headers.get(name);
  db_.exec(
      "DELETE FROM idempotency_keys WHERE (workspace_id, idempotency_key) IN (SELECT workspace_id, idempotency_key "
      "FROM idempotency_keys WHERE created_at <= $1 ORDER BY created_at LIMIT $2)",
      now - idempotency_kept_for, expired_deleted_at_once);
  // An expired row of this very key may be beyond the limit above.
  db_.exec(
      "INSERT INTO idempotency_keys (workspace_id, idempotency_key, operation, request_digest, status, headers, body, "
      "created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (workspace_id, idempotency_key) DO UPDATE SET "
      "operation = excluded.operation, request_digest = excluded.request_digest, status = excluded.status, "
      "headers = excluded.headers, body = excluded.body, created_at = excluded.created_at",
      request.caller.workspace, key, operation(request), digest(request), response.status, json::encode(headers),
      response.body, now);
}

}  // namespace gyre::http
