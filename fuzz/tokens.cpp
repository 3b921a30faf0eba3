#include "accounts/credentials.hpp"
#include "base/check.hpp"
#include "http/page.hpp"
#include "link/join_token.hpp"
#include "targets.hpp"

namespace gyre::fuzz {

void tokens(std::string_view bytes) {
  // A cursor that is read is one that we could have written.
  for (const std::size_t columns : {1u, 2u})
    if (const auto values = http::read_cursor(bytes, "-createdAt", columns)) {
      CHECK(values->size() == columns);
      const auto again = http::read_cursor(http::write_cursor("-createdAt", *values), "-createdAt", columns);
      CHECK(again && *again == *values);
    }
  if (const auto token = link::parse_join_token(bytes)) {
    CHECK(token->text == bytes);
    CHECK(token->ca_fingerprint.size() == 16);
  }
  http::Request request;
  request.headers.add("Authorization", std::string(bytes));
  if (const auto key = api_key_of(request)) CHECK(key->size() <= bytes.size());
  http::Request with_cookie;
  with_cookie.headers.add("Cookie", std::string(bytes));
  if (const auto token = session_token_of(with_cookie)) CHECK(token->size() <= bytes.size());
}

}  // namespace gyre::fuzz
