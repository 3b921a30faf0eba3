// gyre template, secret, registry, volume, endpoint, image: what pods are made from.
#include <boost/json.hpp>

#include "base/check.hpp"
#include "cli/ask.hpp"
#include "cli/bodies.hpp"
#include "cli/views.hpp"
#include "http/client.hpp"

namespace gyre::cli {

namespace json = boost::json;

namespace {

std::string target_of(const Resource& resource, const json::value& thing) {
  return resource.path + "/" + http::url_encode(text_of(thing, "id"));
}

Args args_of(const json::value& thing) {
  return {{"name", printable(text_of(thing, "name"))}, {"id", text_of(thing, "id")}};
}

int made(Commands& c, const Resource& resource, const json::object& body) {
  const auto thing = ask(c, "POST", resource.path, json::serialize(body));
  if (!thing) return c.terminal.report(thing.error());
  tell(c.terminal, c.now(), resource.kind(), *thing, c.terminal.word(Word::thing_made, args_of(*thing)));
  return exit_ok;
}

int refuse(Commands& c, const Error& error) { return c.terminal.report(Failure::from(error, c.terminal.language)); }

// Without the line's end that an editor or `echo` leaves behind it.
Result<std::string> hidden_value(const std::string& file) {
  auto value = TRY(read_all(file.empty() ? "-" : file));
  while (value.ends_with('\n') || value.ends_with('\r')) value.pop_back();
  return value;
}

}  // namespace

const std::vector<Resource>& resources() {
  static const std::vector<Resource> all{
      {"template", "/v1/templates", template_kind, Reason::template_not_found, Word::help_template,
       Word::confirm_thing},
      {"secret", "/v1/secrets", secret_kind, Reason::secret_not_found, Word::help_secret, Word::confirm_thing},
      {"registry", "/v1/containerregistryauth", registry_kind, Reason::registry_auth_not_found, Word::help_registry,
       Word::confirm_thing},
      {"volume", "/v1/networkvolumes", volume_kind, Reason::network_volume_not_found, Word::help_network_volume,
       Word::confirm_volume},
      {"endpoint", "/v1/endpoints", endpoint_kind, Reason::endpoint_not_found, Word::help_endpoint,
       Word::confirm_thing}};
  return all;
}

const Resource& resource(std::string_view noun) {
  for (const auto& one : resources())
    if (one.noun == noun) return one;
  CHECK(false);
  return resources().front();
}

int resource_list(Commands& c, const Resource& resource, const ListFlags& flags) {
  std::string cursor;
  const auto rows = ask_all(c, resource.path, cursor, false);
  if (!rows) return c.terminal.report(rows.error());
  return show_list(c.terminal, c.now(), resource.kind(), *rows, flags);
}

int resource_get(Commands& c, const Resource& resource, const std::string& id_or_name) {
  const auto found = find_named(c, resource.path, id_or_name, resource.not_found);
  if (!found) return c.terminal.report(found.error());
  return show_one(c.terminal, c.now(), resource.kind(), *found);
}

int resource_delete(Commands& c, const Resource& resource, const std::vector<std::string>& ids_or_names, bool yes) {
  for (const auto& id_or_name : ids_or_names) {
    const auto found = find_named(c, resource.path, id_or_name, resource.not_found);
    if (!found) return c.terminal.report(found.error());
    const auto args = args_of(*found);
    if (const auto ended = ask_first(c, c.terminal.word(resource.confirm, args), yes)) return *ended;
    const auto gone = ask(c, "DELETE", target_of(resource, *found));
    if (!gone) return c.terminal.report(gone.error());
    tell(c.terminal, json::object{{"id", text_of(*found, "id")}, {"deleted", true}},
         c.terminal.word(Word::thing_deleted, args));
  }
  return exit_ok;
}

Result<json::object> template_body(const std::string& name, const TemplateFlags& flags,
                                   const std::map<std::string, std::string>& environment) {
  auto body = TRY(body_of_file(flags.file));
  const auto put = [&](const char* field, const std::string& value) {
    if (!value.empty()) body[field] = value;
  };
  put("name", name);
  put("imageName", flags.image);
  put("volumeMountPath", flags.mount);
  put("containerRegistryAuthId", flags.registry_auth);
  if (!flags.env.empty() || !flags.env_file.empty())
    body["env"] = TRY(variables(body["env"], flags.env_file, flags.env, environment));
  if (!flags.ports.empty()) body["ports"] = texts(flags.ports);
  if (flags.disk_gb) body["containerDiskInGb"] = *flags.disk_gb;
  if (flags.volume_gb) body["volumeInGb"] = *flags.volume_gb;
  if (flags.serverless) body["isServerless"] = true;
  if (!flags.command.empty()) body["dockerStartCmd"] = texts(flags.command);
  return body;
}

int template_create(Commands& c, const std::string& name, const TemplateFlags& flags) {
  const auto body = template_body(name, flags, c.environment);
  return body ? made(c, resource("template"), *body) : refuse(c, body.error());
}

int secret_create(Commands& c, const std::string& name, const std::string& file, const std::string& description) {
  auto value = hidden_value(file);
  if (!value) return refuse(c, value.error());
  json::object body{{"name", name}, {"value", std::move(*value)}};
  if (!description.empty()) body["description"] = description;
  return made(c, resource("secret"), body);
}

int registry_create(Commands& c, const std::string& name, const std::string& username, const std::string& file) {
  auto password = hidden_value(file);
  if (!password) return refuse(c, password.error());
  return made(c, resource("registry"),
              json::object{{"name", name}, {"username", username}, {"password", std::move(*password)}});
}

int volume_create(Commands& c, const std::string& name, std::int64_t size_gb, const std::string& data_center) {
  return made(c, resource("volume"), json::object{{"name", name}, {"size", size_gb}, {"dataCenterId", data_center}});
}

int volume_grow(Commands& c, const std::string& id_or_name, std::int64_t size_gb) {
  const auto& volumes = resource("volume");
  const auto found = find_named(c, volumes.path, id_or_name, volumes.not_found);
  if (!found) return c.terminal.report(found.error());
  const auto after = ask(c, "PATCH", target_of(volumes, *found), json::serialize(json::object{{"size", size_gb}}));
  if (!after) return c.terminal.report(after.error());
  return show_one(c.terminal, c.now(), volumes.kind(), *after);
}

int image_check(Commands& c, const std::string& image, const std::string& registry_auth) {
  json::object body{{"image", image}};
  if (!registry_auth.empty()) body["containerRegistryAuthId"] = registry_auth;
  const auto facts = ask(c, "POST", "/v1/images/check", json::serialize(body));
  if (!facts) return c.terminal.report(facts.error());
  return show_one(c.terminal, c.now(), image_kind(), *facts);
}

}  // namespace gyre::cli
