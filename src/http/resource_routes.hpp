// The routes that every kept thing of a workspace has (templates, secrets, volumes, ...): make, list, get, change and
// its POST twin, delete. Their words, statuses and pages are the same for all; what differs is in the handlers.
//
//   Resource out{.path = "/v1/secrets", .tag = "Secrets", .one = "a secret", .many = "secrets"};
//   out.create = {"A pod's variable may refer to it.", {Reason::secret_name_taken}, [&](const Request& request) {...}};
//   return resource_routes(std::move(out));
#pragma once

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "http/page.hpp"
#include "http/router.hpp"
#include "json/codec.hpp"

namespace gyre::http {

struct Resource {
  struct Part {
    std::string description;
    std::vector<Reason> errors;  // beyond those that follow from what the route does
    Handler handler;             // none: there is no such route
    std::vector<QueryParameter> query = {};
  };
  std::string path, tag;  // "/v1/secrets", "Secrets"
  std::string one, many;  // "a secret", "secrets"
  Reason not_found = Reason::internal_error;
  int made = 200;  // the status of `create`: RunPod answers 200 for its own, we 201 for ours
  // Its body holds a secret, whose digest does not belong on disk: no Idempotency-Key. Names are unique, so that doing
  // it twice is refused.
  bool secret_body = false;
  json::SchemaRef create_body, update_body, answer, answers;
  Part create, list, get, update, remove;
};
std::vector<Route> resource_routes(Resource resource);

// An answer with the tag of its version; `check_version` refuses an If-Match of another one.
Response with_version(Response response, std::int64_t version);
Result<> check_version(const Request& request, std::int64_t version);

// The page that the request asks for of rows that are all here: those of one workspace, which are bounded. `key` says
// in which order (its parts are compared one after another, and tell every row from every other), `view` what is shown.
inline constexpr std::size_t key_parts = 2;
template <class Row, class Key, class View>
Result<Response> list_response(const Request& request, std::vector<Row> rows, Key key, View view) {
  const auto page = TRY(page_of(request, "name", key_parts));
  std::sort(rows.begin(), rows.end(), [&](const Row& a, const Row& b) { return key(a) < key(b); });
  auto first = rows.begin();
  if (page.after)
    first = std::find_if(rows.begin(), rows.end(), [&](const Row& row) { return *page.after < key(row); });
  const auto last = rows.end() - first > page.limit ? first + page.limit : rows.end();
  std::vector<decltype(view(*first))> views;
  for (auto row = first; row != last; ++row) views.push_back(view(*row));
  auto response = json_response(200, json::encode(views));
  if (last != rows.end()) add_next(response, request, page, key(*(last - 1)));
  return response;
}

}  // namespace gyre::http
