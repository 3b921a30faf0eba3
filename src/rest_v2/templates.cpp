#include "pods/parse.hpp"
#include "rest_v2/parts.hpp"

namespace gyre::rest_v2 {
namespace {

using http::Request;
using http::Response;
using http::Route;

struct TemplatePersistentMount {
  int size = 0;
  std::string path;
};
BOOST_DESCRIBE_STRUCT(TemplatePersistentMount, (), (size, path))
json::Fields fields(const TemplatePersistentMount*) {
  return {{"size", "in GB", "20"}, {"path", "where it is mounted", R"("/workspace")"}};
}

struct TemplateMounts {
  std::optional<TemplatePersistentMount> persistent;
};
BOOST_DESCRIBE_STRUCT(TemplateMounts, (), (persistent))
json::Fields fields(const TemplateMounts*) {
  return {{"persistent", "volume of its pods' own", R"({"size":20,"path":"/workspace"})"}};
}

const json::Fields shared{
    {"name", "what you call it; unique in the workspace", R"("pytorch")"},
    {"image", "the image its pods run", R"("ubuntu:22.04")"},
    {"args", "arguments of the container, one line as a shell would cut it; empty: the image's own",
     R"("python3 app.py")"},
    {"disk", "container disk of its pods in GB", "50"},
    {"env", "variables of its pods; readable by all who may use the template", R"({"MODEL":"llama"})"},
    {"ports", "ports its pods expose", R"(["8888/http","22/tcp"])"},
    {"registry", "a registry credential, for pods of the same workspace only", "null"},
    {"mounts", "what its pods mount", R"({"persistent":{"size":20,"path":"/workspace"}})"},
    {"public", "every workspace of this installation may use it", "false"},
    {"serverless", "for serverless endpoints: no pods are made from it; chosen when it is made", "false"},
    {"category", "what it needs: NVIDIA, AMD or CPU; chosen when it is made", R"("NVIDIA")"},
    {"startSsh", "always true: pods get their owner's public keys", "true"},
    {"startJupyter", "always false: set JUPYTER_PASSWORD in env", "false"},
    {"allowedCudaVersions", "always empty: name them when a pod is made", "[]"},
};

struct TemplateInputV2 {
  std::optional<std::string> name, image, args;
  std::optional<int> disk;
  std::optional<std::map<std::string, std::string>> env;
  std::optional<std::vector<std::string>> ports;
  std::optional<std::string> registry;
  std::optional<TemplateMounts> mounts;
  std::optional<bool> public_, serverless;
  std::optional<TemplateCategory> category;
  std::optional<bool> startSsh, startJupyter;
  std::optional<std::vector<std::string>> allowedCudaVersions;
};
BOOST_DESCRIBE_STRUCT(TemplateInputV2, (),
                      (name, image, args, disk, env, ports, registry, mounts, public_, serverless, category, startSsh,
                       startJupyter, allowedCudaVersions))
json::Fields fields(const TemplateInputV2*) { return shared; }

struct TemplateV2 {
  TemplateId id;
  std::string name, image, args;
  int disk = 0;
  std::map<std::string, std::string> env;
  std::vector<std::string> ports;
  std::optional<RegistryAuthId> registry;
  TemplateMounts mounts;
  bool public_ = false, serverless = false;
  TemplateCategory category = TemplateCategory::NVIDIA;
  bool startSsh = true, startJupyter = false;
  std::vector<std::string> allowedCudaVersions;
};
BOOST_DESCRIBE_STRUCT(TemplateV2, (),
                      (id, name, image, args, disk, env, ports, registry, mounts, public_, serverless, category,
                       startSsh, startJupyter, allowedCudaVersions))
json::Fields fields(const TemplateV2*) {
  auto all = shared;
  all.insert(all.begin(), {"id", "what pods name as templateId", R"("30zmvf89kd")"});
  return all;
}

struct TemplateV2List {
  std::vector<TemplateV2> templates;
};
BOOST_DESCRIBE_STRUCT(TemplateV2List, (), (templates))
json::Fields fields(const TemplateV2List*) { return {{"templates", "by name", "[]"}}; }

boost::json::value shown(const Template& made, const WorkspaceId& reader) {
  auto settings = settings_from_text(made.spec);
  TemplateV2 out;
  out.id = made.id;
  out.name = made.name;
  out.image = std::move(settings.image);
  out.args = command_line(settings.command);
  out.disk = settings.container_disk_gb;
  out.env = std::move(settings.env);
  out.ports = std::move(settings.ports);
  // The id of a credential is its workspace's own business.
  if (made.workspace == reader) out.registry = made.registry_auth;
  if (settings.volume_gb > 0) out.mounts.persistent = {settings.volume_gb, std::move(settings.volume_path)};
  out.public_ = made.is_public;
  out.serverless = settings.serverless;
  out.category = settings.category;
  auto shown = json::to_json(out);
  if (!out.mounts.persistent) shown.at("mounts").get_object().stable_erase("persistent");
  return shown;
}

// The wish with what the body gives.
Result<TemplateWish> with(TemplateWish wish, const TemplateInputV2& in) {
  if (in.startJupyter.value_or(false)) return fail(Reason::not_offered, {{"what", "startJupyter"}}, "startJupyter");
  if (in.allowedCudaVersions && !in.allowedCudaVersions->empty())
    return fail(Reason::not_offered, {{"what", "allowedCudaVersions"}}, "allowedCudaVersions");
  const auto take = [](auto& into, const auto& from) {
    if (from) into = *from;
  };
  auto& settings = wish.settings;
  take(wish.name, in.name);
  take(settings.image, in.image);
  take(settings.container_disk_gb, in.disk);
  take(settings.env, in.env);
  take(settings.ports, in.ports);
  take(wish.registry_auth_id, in.registry);
  take(wish.is_public, in.public_);
  if (in.args) {
    const auto command = TRY(parse_docker_args(*in.args, "args"));
    settings.command = command.command.value_or(std::vector<std::string>());
    if (command.entrypoint) settings.entrypoint = *command.entrypoint;
  }
  if (in.mounts && in.mounts->persistent) {
    settings.volume_gb = in.mounts->persistent->size;
    settings.volume_path = in.mounts->persistent->path;
  }
  return wish;
}

TemplateWish wish_of(const Template& made) {
  return {made.name, settings_from_text(made.spec), made.registry_auth ? made.registry_auth->str() : std::string(),
          made.is_public, made.is_official};
}

const Names names{{"imageName", "image"},
                  {"containerDiskInGb", "disk"},
                  {"containerRegistryAuthId", "registry"},
                  {"dockerStartCmd", "args"},
                  {"dockerArgs", "args"},
                  {"volumeInGb", "mounts.persistent.size"},
                  {"volumeMountPath", "mounts.persistent.path"},
                  {"isPublic", "public"},
                  {"isServerless", "serverless"}};

TemplateId id_of(const Request& request) { return TemplateId(request.param("id")); }

Response answer(int status, const Template& made, const Request& request) {
  return http::with_version(http::json_response(status, json::encode(shown(made, request.caller.workspace))),
                            made.version);
}

Result<Response> list(const Request& request, std::vector<Template> found) {
  const auto by_name = [](const Template& one) { return std::vector{one.name, one.id.str()}; };
  const auto view = [&](const Template& one) { return shown(one, request.caller.workspace); };
  return wrapped("templates", http::list_response(request, std::move(found), by_name, view));
}

}  // namespace

std::vector<Route> template_routes(const Services& services) {
  auto& templates = services.resources.templates();
  http::Resource out{.path = "/v2/templates",
                     .tag = "Templates (v2)",
                     .one = "a template",
                     .many = "templates",
                     .not_found = Reason::template_not_found,
                     .made = 201,
                     .create_body = json::schema<TemplateInputV2>(),
                     .update_body = json::schema<TemplateInputV2>(),
                     .answer = json::schema<TemplateV2>(),
                     .answers = json::schema<TemplateV2List>()};
  out.create = {"Checked as the pod it would make. Its name is unique in the workspace.",
                {Reason::template_name_taken, Reason::access_denied, Reason::not_offered},
                [&services, &templates](const Request& request) -> Result<Response> {
                  const auto input = TRY(json::decode<TemplateInputV2>(request.body, services.config.unknown));
                  for (const auto& [value, field] : {std::pair{&input.name, "name"}, std::pair{&input.image, "image"}})
                    if (!*value) return fail(Reason::missing_field, {{"field", field}}, field);
                  TemplateWish fresh;
                  fresh.settings.volume_gb = 0;  // nothing is mounted unasked
                  fresh.settings.category = input.category.value_or(TemplateCategory::NVIDIA);
                  fresh.settings.serverless = input.serverless.value_or(false);
                  const auto wish = TRY(with(std::move(fresh), input));
                  return answer(201, TRY(renamed(templates.create(request.caller, wish), names)), request);
                }};
  out.list = {"The workspace's own, by name.", {}, [&templates](const Request& request) -> Result<Response> {
                return list(request, templates.list(request.caller, {}));
              }};
  out.get = {"One of the workspace, a public or an official one.",
             {},
             [&templates](const Request& request) -> Result<Response> {
               return answer(200, TRY(templates.get(request.caller, id_of(request))), request);
             }};
  out.update = {"Pods made from it stay as they are; endpoints of the workspace take it over as a new version.",
                {Reason::template_name_taken, Reason::access_denied, Reason::not_offered},
                [&services, &templates](const Request& request) -> Result<Response> {
                  const auto input = TRY(json::decode<TemplateInputV2>(request.body, services.config.unknown));
                  const auto change = [&](const Template& now) -> Result<TemplateWish> {
                    TRY(http::check_version(request, now.version));
                    auto wish = wish_of(now);
                    if (input.category && *input.category != wish.settings.category)
                      return invalid("category", Detail::chosen_when_made);
                    if (input.serverless && *input.serverless != wish.settings.serverless)
                      return invalid("serverless", Detail::chosen_when_made);
                    return with(std::move(wish), input);
                  };
                  return answer(200, TRY(renamed(templates.update(request.caller, id_of(request), change), names)),
                                request);
                }};
  out.remove = {"Refused while a pod or an endpoint of the workspace that was made from it exists.",
                {Reason::template_in_use, Reason::access_denied},
                [&templates](const Request& request) -> Result<Response> {
                  TRY(templates.remove(request.caller, id_of(request)));
                  return Response{.status = 204};
                }};
  auto routes = http::resource_routes(std::move(out));
  // Not in v2: the POST twins of PATCH.
  std::erase_if(routes, [](const Route& route) { return route.path.ends_with("/update"); });

  auto query = http::page_parameters();
  query.push_back(
      {"source", "official; verified (there are none here); community; all of them without it", "official"});
  routes.push_back({.method = http::Method::get,
                    .path = "/v2/catalog/templates",
                    .access = http::Access::reader,
                    .summary = "List templates that are shared",
                    .description = "Official ones of this installation, and those that workspaces share; by name.",
                    .tag = "Catalogue (v2)",
                    .query = std::move(query),
                    .answer = json::schema<TemplateV2List>(),
                    .errors = {Reason::invalid_field, Reason::bad_cursor},
                    .handler = [&templates](const Request& request) -> Result<Response> {
                      const auto source = TRY(choice(request, "source", {"official", "verified", "community"}));
                      const TemplateList wanted{.with_public = source != "official",
                                                .with_official = !source || source == "official"};
                      auto found = templates.list(request.caller, wanted);
                      std::erase_if(found, [&](const Template& one) {
                        if (source == "verified") return true;
                        if (source == "official") return !one.is_official;
                        return source == "community" ? !one.is_public || one.is_official
                                                     : !one.is_public && !one.is_official;
                      });
                      return list(request, std::move(found));
                    }});
  return routes;
}

}  // namespace gyre::rest_v2
