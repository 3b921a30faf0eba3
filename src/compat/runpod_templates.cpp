#include "compat/runpod_resolvers.hpp"
#include "pods/parse.hpp"

namespace gyre::compat {
namespace {

using graphql::Ask;

struct RunpodTemplate {
  TemplateId id;
  std::string name, imageName, dockerArgs;
  int containerDiskInGb = 0, volumeInGb = 0;
  std::string volumeMountPath, ports;
  std::vector<KeyValue> env;
  bool isServerless = false, isPublic = false, isRunpod = false;
  TemplateCategory category = TemplateCategory::NVIDIA;
  std::optional<RegistryAuthId> containerRegistryAuthId;
  std::string readme;
  bool startSsh = true, startJupyter = false;
  std::string startScript;
  bool advancedStart = false;
};
BOOST_DESCRIBE_STRUCT(RunpodTemplate, (),
                      (id, name, imageName, dockerArgs, containerDiskInGb, volumeInGb, volumeMountPath, ports, env,
                       isServerless, isPublic, isRunpod, category, containerRegistryAuthId, readme, startSsh,
                       startJupyter, startScript, advancedStart))

struct TemplatePort {
  std::string port, name;
};
BOOST_DESCRIBE_STRUCT(TemplatePort, (), (port, name))

struct SaveInput {
  std::optional<std::string> id;
  std::string name, imageName;
  std::optional<std::string> dockerArgs;
  int containerDiskInGb = 0, volumeInGb = 0;
  std::optional<std::string> volumeMountPath, ports;
  std::vector<KeyValue> env;
  std::optional<bool> isServerless, isPublic;
  std::optional<std::string> containerRegistryAuthId, readme;
  std::optional<TemplateCategory> category;
};
BOOST_DESCRIBE_STRUCT(SaveInput, (),
                      (id, name, imageName, dockerArgs, containerDiskInGb, volumeInGb, volumeMountPath, ports, env,
                       isServerless, isPublic, containerRegistryAuthId, readme, category))

struct ListInput {
  std::optional<bool> isRunpod;
};
BOOST_DESCRIBE_STRUCT(ListInput, (), (isRunpod))

RunpodTemplate shown(const Template& made, const WorkspaceId& reader) {
  const auto settings = settings_from_text(made.spec);
  RunpodTemplate out;
  out.id = made.id;
  out.name = made.name;
  out.imageName = settings.image;
  out.dockerArgs = command_line(settings.command);
  out.containerDiskInGb = settings.container_disk_gb;
  out.volumeInGb = settings.volume_gb;
  out.volumeMountPath = settings.volume_path;
  out.ports = joined(settings.ports);
  out.env = env_list(settings.env);
  out.isServerless = settings.serverless;
  out.isPublic = made.is_public;
  out.isRunpod = made.is_official;
  out.category = settings.category;
  if (made.workspace == reader) out.containerRegistryAuthId = made.registry_auth;
  out.readme = settings.readme;
  return out;
}

// What the input gives over what there was.
Result<TemplateWish> wish_of(const SaveInput& in, TemplateWish wish) {
  auto& settings = wish.settings;
  wish.name = in.name;
  settings.image = in.imageName;
  settings.container_disk_gb = in.containerDiskInGb;
  settings.volume_gb = in.volumeInGb;
  settings.env = env_of(in.env);
  if (given(in.volumeMountPath)) settings.volume_path = *in.volumeMountPath;
  if (in.ports) settings.ports = TRY(split_ports(*in.ports, "ports"));
  if (in.dockerArgs) {
    auto command = TRY(parse_docker_args(*in.dockerArgs, "dockerArgs"));
    settings.entrypoint = command.entrypoint.value_or(std::vector<std::string>());
    settings.command = command.command.value_or(std::vector<std::string>());
  }
  if (in.isServerless) settings.serverless = *in.isServerless;
  if (in.isPublic) wish.is_public = *in.isPublic;
  if (in.readme) settings.readme = *in.readme;
  if (in.category) settings.category = *in.category;
  if (in.containerRegistryAuthId) wish.registry_auth_id = *in.containerRegistryAuthId;
  return wish;
}

}  // namespace

void add_templates(graphql::Resolvers& resolvers, const Services& services) {
  auto& templates = services.resources.templates();
  resolvers.type<KeyValue>("EnvironmentVariable").members();
  resolvers.type<TemplatePort>("TemplatePort").members();
  resolvers.type<RunpodTemplate>("Template").members().field("portsConfig", [](const RunpodTemplate&, Ask&) {
    return std::vector<TemplatePort>();
  });

  const auto list = [&templates](const Caller& caller, const TemplateList& wanted, const auto& lets_through) {
    std::vector<RunpodTemplate> out;
    for (const auto& one : templates.list(caller, wanted))
      if (lets_through(one)) out.push_back(shown(one, caller.workspace));
    return out;
  };
  resolvers.type<Myself>("User").field("podTemplates", [list](const Myself&, Ask& ask) {
    return list(caller_of(ask), {}, [](const Template&) { return true; });
  });
  resolvers.query().field("podTemplates", [list](Ask& ask) -> Result<std::vector<RunpodTemplate>> {
    const auto input = TRY(input_of<std::optional<ListInput>>(ask)).value_or(ListInput{});
    const auto& caller = caller_of(ask);
    if (input.isRunpod.value_or(false))
      return list(caller, {.with_official = true}, [](const Template& one) { return one.is_official; });
    return list(caller, {.with_public = true}, [&](const Template& one) {
      return one.is_public && !one.is_official && one.workspace != caller.workspace;
    });
  });
  resolvers.query().field("podTemplate", [&templates](Ask& ask) -> Result<std::optional<RunpodTemplate>> {
    const auto& caller = caller_of(ask);
    const auto found = templates.get(caller, TemplateId(TRY(ask.get<std::string>("id"))));
    if (!found) return std::nullopt;
    return shown(*found, caller.workspace);
  });
  mutation(resolvers, "saveTemplate", [&templates](Ask& ask) -> Result<std::optional<RunpodTemplate>> {
    const auto input = TRY(input_of<SaveInput>(ask));
    const auto& caller = caller_of(ask);
    if (!given(input.id)) {
      TemplateWish fresh;
      return shown(TRY(templates.create(caller, TRY(wish_of(input, fresh)))), caller.workspace);
    }
    const auto change = [&](const Template& was) {
      return wish_of(input, {was.name, settings_from_text(was.spec), was.registry_auth ? was.registry_auth->str() : "",
                             was.is_public, was.is_official});
    };
    return shown(TRY(templates.update(caller, TemplateId(*input.id), change)), caller.workspace);
  });
  mutation(resolvers, "deleteTemplate", [&templates](Ask& ask) -> Result<std::optional<std::string>> {
    const auto name = TRY(ask.get<std::string>("templateName"));
    std::vector<std::string> ids;  // one for pods and one for endpoints may be called the same
    for (const auto& one : templates.list(caller_of(ask), {}))
      if (one.name == name) ids.push_back(one.id.str());
    if (ids.empty()) return fail(Reason::template_not_found, {{"id", name}});
    if (ids.size() > 1)
      return invalid("templateName", Detail::several_templates, {{"value", name}, {"ids", joined(ids, ", ")}});
    TRY(templates.remove(caller_of(ask), TemplateId(ids.front())));
    return std::nullopt;
  });
}

}  // namespace gyre::compat
