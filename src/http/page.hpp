// Pages of a list: `?limit=` and an opaque `?cursor=` that says after which row the next page begins. Rows are found by
// the values of what they are sorted by (never by counting), so that what is added or deleted in between shifts
// nothing.
//
//   const auto page = TRY(page_of(request, "-createdAt", 2));
//   auto rows = store.list({.after = page.after, .limit = page.limit + 1});          // one more: is there a next page?
//   ... if (rows.size() > page.limit) { rows.pop_back(); add_next(response, request, page, {created, id}); }
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "http/message.hpp"
#include "http/router.hpp"

namespace gyre::http {

inline constexpr std::int64_t page_limit_max = 1000;

struct Page {
  std::int64_t limit = page_limit_max;
  std::string order;                              // what the rows are sorted by, as the caller of page_of named it
  std::optional<std::vector<std::string>> after;  // values of the sort columns of the last row already seen
};

// invalid_field for a limit outside 1..1000; bad_cursor for one that is not ours, was cut or edited, was made for
// another order, or does not hold `columns` values. Without ?limit= a client that knows nothing of pages gets 1000.
Result<Page> page_of(const Request& request, std::string_view order, std::size_t columns);

// There are more rows after `last`: `X-Next-Cursor`, and `Link: <...>; rel="next"` with the same query (without a key).
void add_next(Response& response, const Request& request, const Page& page, const std::vector<std::string>& last);

// The two parameters of every list, for Route::query.
std::vector<QueryParameter> page_parameters();

// base64url of a check sum and [1, order, values...]. The sum tells a damaged cursor; it keeps nothing secret, nor
// needs to: a cursor only says where to go on in rows that its bearer may read anyway.
std::string write_cursor(std::string_view order, const std::vector<std::string>& values);
Result<std::vector<std::string>> read_cursor(std::string_view cursor, std::string_view order, std::size_t columns);

}  // namespace gyre::http
