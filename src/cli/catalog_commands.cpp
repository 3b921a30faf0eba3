// gyre gpu and gyre data-center: what there is to run on, what it costs and where it is.
#include <boost/json.hpp>

#include "base/money.hpp"
#include "cli/ask.hpp"
#include "cli/bodies.hpp"
#include "cli/views.hpp"
#include "http/client.hpp"

namespace gyre::cli {

namespace json = boost::json;

namespace {

constexpr const char* centers_path = "/v1/catalog/datacenters";
constexpr const char* types_path = "/v1/catalog/gputypes";

std::string type_path(const std::string& type) { return std::string(types_path) + "/" + http::url_encode(type); }

int show_rows(Commands& c, const std::string& path, const Kind& kind, const ListFlags& flags) {
  const auto rows = ask(c, "GET", path);
  if (!rows) return c.terminal.report(rows.error());
  return show_list(c.terminal, c.now(), kind, rows->is_array() ? rows->get_array() : json::array(), flags);
}

Result<> put_price(json::object& body, const char* field, const std::string& flag, const std::string& text) {
  if (!text.empty()) body[field] = TRY(dollars(flag, text)).as_double();
  return {};
}

}  // namespace

Result<json::object> price_body(const PriceFlags& flags) {
  json::object body;
  TRY(put_price(body, "securePrice", "--secure", flags.secure));
  TRY(put_price(body, "communityPrice", "--community", flags.community));
  TRY(put_price(body, "secureSpotPrice", "--secure-spot", flags.secure_spot));
  TRY(put_price(body, "communitySpotPrice", "--community-spot", flags.community_spot));
  if (body.empty()) return wrong("--secure", "expected a price: --secure, --community or both");
  if (!flags.from.empty()) body["from"] = flags.from;
  return body;
}

int data_center_list(Commands& c, const ListFlags& flags) {
  return show_rows(c, centers_path, data_center_kind(), flags);
}

int data_center_add(Commands& c, const DataCenterFlags& flags) {
  json::object body{{"id", flags.id}};
  if (!flags.name.empty()) body["name"] = flags.name;
  if (!flags.location.empty()) body["location"] = flags.location;
  if (!flags.country.empty()) body["countryCode"] = flags.country;
  const auto made = ask(c, "POST", centers_path, json::serialize(body));
  if (!made) return c.terminal.report(made.error());
  tell(c.terminal, c.now(), data_center_kind(), *made,
       c.terminal.word(Word::thing_made, {{"name", printable(text_of(*made, "name"))}, {"id", flags.id}}));
  return exit_ok;
}

int gpu_list(Commands& c, const ListFlags& flags) { return show_rows(c, "/v1/gpus", gpu_kind(), flags); }

int gpu_types(Commands& c, const ListFlags& flags) { return show_rows(c, types_path, gpu_type_kind(), flags); }

int gpu_get(Commands& c, const std::string& type) {
  const auto found = ask(c, "GET", type_path(type));
  if (!found) return c.terminal.report(found.error());
  return show_one(c.terminal, c.now(), gpu_type_kind(), *found);
}

int gpu_add(Commands& c, const GpuTypeFlags& flags) {
  json::object body{
      {"id", flags.id}, {"displayName", flags.name.empty() ? flags.id : flags.name}, {"memoryInGb", flags.memory_gb}};
  if (!flags.pool.empty()) body["pool"] = flags.pool;
  const auto made = ask(c, "POST", types_path, json::serialize(body));
  if (!made) return c.terminal.report(made.error());
  tell(c.terminal, c.now(), gpu_type_kind(), *made,
       c.terminal.word(Word::thing_made, {{"name", printable(text_of(*made, "displayName"))}, {"id", flags.id}}));
  return exit_ok;
}

int gpu_prices(Commands& c, const std::string& type, const ListFlags& flags) {
  return show_rows(c, type_path(type) + "/prices", gpu_price_kind(), flags);
}

int gpu_price(Commands& c, const std::string& type, const PriceFlags& flags) {
  const auto body = price_body(flags);
  if (!body) return c.terminal.report(Failure::from(body.error(), c.terminal.language));
  const auto set = ask(c, "POST", type_path(type) + "/prices", json::serialize(*body));
  if (!set) return c.terminal.report(set.error());
  return show_one(c.terminal, c.now(), gpu_price_kind(), *set);
}

}  // namespace gyre::cli
