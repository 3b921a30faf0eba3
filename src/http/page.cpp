#include "http/page.hpp"

#include <boost/json/array.hpp>
#include <charconv>

#include "base/secrets.hpp"
#include "json/codec.hpp"

namespace gyre::http {
namespace {

constexpr std::int64_t cursor_version = 1;
constexpr std::size_t sum_size = 8;
constexpr std::size_t cursor_max = 4096;

std::string sum_of(std::string_view content) { return sha256_hex(content).substr(0, sum_size); }

}  // namespace

std::string write_cursor(std::string_view order, const std::vector<std::string>& values) {
  boost::json::array content;
  content.emplace_back(cursor_version);
  content.emplace_back(boost::json::string_view(order.data(), order.size()));
  for (const auto& value : values) content.emplace_back(value);
  const auto text = json::serialize(content);
  return base64url(sum_of(text) + text);
}

Result<std::vector<std::string>> read_cursor(std::string_view cursor, std::string_view order, std::size_t columns) {
  const auto broken = fail(Reason::bad_cursor, {}, "cursor");
  if (cursor.size() > cursor_max) return broken;
  const auto bytes = from_base64url(cursor);
  if (!bytes || bytes->size() < sum_size) return broken;
  const auto text = std::string_view(*bytes).substr(sum_size);
  if (sum_of(text) != std::string_view(*bytes).substr(0, sum_size)) return broken;
  const auto content = json::parse(text);
  if (!content || !content->is_array()) return broken;
  const auto& parts = content->get_array();
  if (parts.size() != columns + 2 || parts[0] != cursor_version) return broken;
  std::vector<std::string> values;
  for (std::size_t i = 1; i < parts.size(); ++i) {
    const auto* value = parts[i].if_string();
    if (!value) return broken;
    values.emplace_back(value->data(), value->size());
  }
  if (values.front() != order) return broken;
  values.erase(values.begin());
  if (write_cursor(order, values) != cursor) return broken;  // blanks, escapes: not as we write it
  return values;
}

Result<Page> page_of(const Request& request, std::string_view order, std::size_t columns) {
  Page page;
  page.order = order;
  if (const auto limit = request.query.get("limit")) {
    const auto* end = limit->data() + limit->size();
    const auto read = std::from_chars(limit->data(), end, page.limit);
    if (read.ec != std::errc{} || read.ptr != end || page.limit < 1 || page.limit > page_limit_max)
      return invalid("limit", Detail::number_between, {{"low", "1"}, {"high", std::to_string(page_limit_max)}});
  }
  if (const auto cursor = request.query.get("cursor"); cursor && !cursor->empty())
    page.after = TRY(read_cursor(*cursor, order, columns));
  return page;
}

void add_next(Response& response, const Request& request, const Page& page, const std::vector<std::string>& last) {
  const auto cursor = write_cursor(page.order, last);
  auto query = request.query;
  query.remove("api_key");
  query.set("cursor", cursor);
  std::string path;
  for (std::string_view rest = request.path; !rest.empty();) {  // the slashes stay
    const auto slash = rest.find('/');
    path += percent_encoded(rest.substr(0, slash));
    if (slash == std::string_view::npos) break;
    path += '/';
    rest.remove_prefix(slash + 1);
  }
  response.headers.set("X-Next-Cursor", cursor);
  response.headers.add("Link", "<" + path + "?" + query.text() + ">; rel=\"next\"");
}

std::vector<QueryParameter> page_parameters() {
  return {
      {"limit", "how many at most, 1 to 1000; 1000 when absent", "100"},
      {"cursor", "the X-Next-Cursor of the page before; absent for the first page", write_cursor("name", {"trainer"})}};
}

}  // namespace gyre::http
