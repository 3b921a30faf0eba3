#include "templates/template_routes.hpp"

#include "http/resource_routes.hpp"

namespace gyre {
namespace {

using http::Request;
using http::Response;
using http::Route;

using Env = std::map<std::string, std::string>;
using Words = std::vector<std::string>;

// The words that bodies and answer share.
const json::Fields shared{
    {"name", "what you call it; unique in the workspace", R"("pytorch")"},
    {"imageName", "the image its pods run", R"("ubuntu:22.04")"},
    {"containerDiskInGb", "container disk of its pods, in GB", "50"},
    {"volumeInGb", "own volume of its pods, in GB; 0 for none", "20"},
    {"volumeMountPath", "where the volume is mounted", R"("/workspace")"},
    {"ports", "ports its pods expose", R"(["8888/http","22/tcp"])"},
    {"env", "variables of its pods; readable by all who may use the template", R"({"MODEL":"llama"})"},
    {"dockerEntrypoint", "replaces the image's ENTRYPOINT; empty: the image's own", "[]"},
    {"dockerStartCmd", "replaces the image's CMD; empty: the image's own", R"(["python3","app.py"])"},
    {"isPublic", "every workspace of this installation may use it", "false"},
    {"readme", "for people, in Markdown", R"("# PyTorch")"},
    {"containerRegistryAuthId", "stored registry credential; for pods of the same workspace only", "null"},
    {"isRunpod", "official: shown to everybody; only the installation's operator may set it", "false"},
};
const json::Field category{"category", "what it needs: NVIDIA, AMD or CPU; pods of a CPU template have no GPUs",
                           R"("NVIDIA")"};
const json::Field serverless{"isServerless", "for serverless endpoints: no pods are made from it", "false"};

struct TemplateUpdateInput {
  std::optional<std::string> name, imageName;
  std::optional<int> containerDiskInGb, volumeInGb;
  std::optional<std::string> volumeMountPath;
  std::optional<Words> ports;
  std::optional<Env> env;
  std::optional<Words> dockerEntrypoint, dockerStartCmd;
  std::optional<bool> isPublic;
  std::optional<std::string> readme, containerRegistryAuthId;
  std::optional<bool> isRunpod;
};
BOOST_DESCRIBE_STRUCT(TemplateUpdateInput, (),
                      (name, imageName, containerDiskInGb, volumeInGb, volumeMountPath, ports, env, dockerEntrypoint,
                       dockerStartCmd, isPublic, readme, containerRegistryAuthId, isRunpod))
json::Fields fields(const TemplateUpdateInput*) { return shared; }

struct TemplateCreateInput : TemplateUpdateInput {
  std::optional<TemplateCategory> category;
  std::optional<bool> isServerless;
};
BOOST_DESCRIBE_STRUCT(TemplateCreateInput, (TemplateUpdateInput), (category, isServerless))
json::Fields fields(const TemplateCreateInput*) {
  auto all = shared;
  all.push_back(category);
  all.push_back(serverless);
  return all;
}

struct TemplateView {
  TemplateId id;
  std::string name, imageName;
  int containerDiskInGb = 0, volumeInGb = 0;
  std::string volumeMountPath;
  Words ports;
  Env env;
  Words dockerEntrypoint, dockerStartCmd;
  bool isPublic = false;
  std::string readme;
  std::optional<RegistryAuthId> containerRegistryAuthId;
  bool isRunpod = false;
  TemplateCategory category = TemplateCategory::NVIDIA;
  bool isServerless = false;
  double earned = 0;
  std::int64_t runtimeInMin = 0;
  Time createdAt{};
};
BOOST_DESCRIBE_STRUCT(TemplateView, (),
                      (id, name, imageName, containerDiskInGb, volumeInGb, volumeMountPath, ports, env,
                       dockerEntrypoint, dockerStartCmd, isPublic, readme, containerRegistryAuthId, isRunpod, category,
                       isServerless, earned, runtimeInMin, createdAt))
json::Fields fields(const TemplateView*) {
  auto all = shared;
  all.insert(all.begin(), {"id", "what pods name as templateId", R"("30zmvf89kd")"});
  all.push_back(category);
  all.push_back(serverless);
  all.push_back({"earned", "always 0: templates earn nothing here", "0"});
  all.push_back({"runtimeInMin", "always 0: not counted", "0"});
  all.push_back({"createdAt", "when it was made", R"("2026-11-22T01:15:00.250Z")"});
  return all;
}

TemplateView view(const Template& made, const WorkspaceId& reader) {
  const auto settings = settings_from_text(made.spec);
  TemplateView out;
  out.id = made.id;
  out.name = made.name;
  out.imageName = settings.image;
  out.containerDiskInGb = settings.container_disk_gb;
  out.volumeInGb = settings.volume_gb;
  out.volumeMountPath = settings.volume_path;
  out.ports = settings.ports;
  out.env = settings.env;
  out.dockerEntrypoint = settings.entrypoint;
  out.dockerStartCmd = settings.command;
  out.isPublic = made.is_public;
  out.readme = settings.readme;
  // The id of a credential is its workspace's own business.
  if (made.workspace == reader) out.containerRegistryAuthId = made.registry_auth;
  out.isRunpod = made.is_official;
  out.category = settings.category;
  out.isServerless = settings.serverless;
  out.createdAt = made.created_at;
  return out;
}

// The wish with what the body gives.
TemplateWish with(TemplateWish wish, const TemplateUpdateInput& input) {
  const auto take = [](auto& into, const auto& from) {
    if (from) into = *from;
  };
  take(wish.name, input.name);
  take(wish.settings.image, input.imageName);
  take(wish.settings.container_disk_gb, input.containerDiskInGb);
  take(wish.settings.volume_gb, input.volumeInGb);
  take(wish.settings.volume_path, input.volumeMountPath);
  take(wish.settings.ports, input.ports);
  take(wish.settings.env, input.env);
  take(wish.settings.entrypoint, input.dockerEntrypoint);
  take(wish.settings.command, input.dockerStartCmd);
  take(wish.is_public, input.isPublic);
  take(wish.settings.readme, input.readme);
  take(wish.registry_auth_id, input.containerRegistryAuthId);
  take(wish.is_official, input.isRunpod);
  return wish;
}

TemplateWish wish_of(const Template& made) {
  return {made.name, settings_from_text(made.spec), made.registry_auth ? made.registry_auth->str() : std::string(),
          made.is_public, made.is_official};
}

TemplateId id_of(const Request& request) { return TemplateId(request.param("id")); }

Response shown(const Template& made, const Request& request) {
  return http::with_version(http::json_response(200, json::encode(view(made, request.caller.workspace))), made.version);
}

}  // namespace

boost::json::object template_json(const Template& shown, const WorkspaceId& reader) {
  return json::to_json(view(shown, reader)).as_object();
}

std::vector<Route> template_routes(TemplateService& templates, json::UnknownKeys unknown) {
  http::Resource out{.path = "/v1/templates",
                     .tag = "Templates",
                     .one = "a template",
                     .many = "templates",
                     .not_found = Reason::template_not_found,
                     .create_body = json::schema<TemplateCreateInput>(),
                     .update_body = json::schema<TemplateUpdateInput>(),
                     .answer = json::schema<TemplateView>(),
                     .answers = json::schema_list<TemplateView>()};
  out.create = {
      "Checked as the pod it would make. Its name is unique in the workspace.",
      {Reason::template_name_taken, Reason::access_denied},
      [&templates, unknown](const Request& request) -> Result<Response> {
        const auto input = TRY(json::decode<TemplateCreateInput>(request.body, unknown));
        for (const auto& [value, field] : {std::pair{&input.name, "name"}, std::pair{&input.imageName, "imageName"}})
          if (!*value) return fail(Reason::missing_field, {{"field", field}}, field);
        auto wish = with({}, input);
        wish.settings.category = input.category.value_or(TemplateCategory::NVIDIA);
        wish.settings.serverless = input.isServerless.value_or(false);
        return shown(TRY(templates.create(request.caller, wish)), request);
      }};
  out.list = {"The workspace's own and, when asked for, others; by name.",
              {},
              [&templates](const Request& request) -> Result<Response> {
                const TemplateList wanted{request.query.flag("includePublicTemplates"),
                                          request.query.flag("includeRunpodTemplates")};
                const auto by_name = [](const Template& found) { return std::vector{found.name, found.id.str()}; };
                const auto shown = [&](const Template& found) { return view(found, request.caller.workspace); };
                return http::list_response(request, templates.list(request.caller, wanted), by_name, shown);
              },
              {{"includePublicTemplates", "also those that other workspaces share", "true"},
               {"includeRunpodTemplates", "also the official ones of this installation", "true"},
               {"includeEndpointBoundTemplates", "accepted; they are listed anyway", "true"}}};
  out.get = {"One of the workspace, a public or an official one.",
             {},
             [&templates](const Request& request) -> Result<Response> {
               return shown(TRY(templates.get(request.caller, id_of(request))), request);
             },
             {{"includePublicTemplates", "accepted; they are found anyway", "true"},
              {"includeRunpodTemplates", "accepted; they are found anyway", "true"},
              {"includeEndpointBoundTemplates", "accepted; they are found anyway", "true"}}};
  out.update = {"Pods made from it stay as they are; endpoints of the workspace take it over as a new version.",
                {Reason::template_name_taken, Reason::access_denied},
                [&templates, unknown](const Request& request) -> Result<Response> {
                  const auto input = TRY(json::decode<TemplateUpdateInput>(request.body, unknown));
                  const auto change = [&](const Template& now) -> Result<TemplateWish> {
                    TRY(http::check_version(request, now.version));
                    return with(wish_of(now), input);
                  };
                  return shown(TRY(templates.update(request.caller, id_of(request), change)), request);
                }};
  out.remove = {"Refused while a pod or an endpoint of the workspace that was made from it exists.",
                {Reason::template_in_use, Reason::access_denied},
                [&templates](const Request& request) -> Result<Response> {
                  TRY(templates.remove(request.caller, id_of(request)));
                  return Response{.status = 204};
                }};
  return http::resource_routes(std::move(out));
}

}  // namespace gyre
