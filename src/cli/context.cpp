#include "cli/context.hpp"

#include <unistd.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/files.hpp"

namespace gyre::cli {
namespace {

std::string variable(const std::map<std::string, std::string>& environment, const char* name) {
  const auto found = environment.find(name);
  return found == environment.end() ? std::string() : found->second;
}

std::string without_slash(std::string url) {
  while (url.ends_with('/')) url.pop_back();
  return url;
}

}  // namespace

std::string contexts_file(const std::map<std::string, std::string>& environment) {
  if (const auto home = variable(environment, "XDG_CONFIG_HOME"); !home.empty()) return home + "/gyre/config.yaml";
  if (const auto home = variable(environment, "HOME"); !home.empty()) return home + "/.config/gyre/config.yaml";
  return {};
}

Result<Contexts> read_contexts(const std::string& file) {
  Contexts out;
  if (file.empty() || ::access(file.c_str(), F_OK) != 0) return out;
  std::ifstream in(file);
  std::stringstream text;
  text << in.rdbuf();
  if (!in) return fail(Reason::context_unreadable, {{"file", file}, {"detail", std::strerror(errno)}});
  try {
    const auto root = YAML::Load(text.str());
    if (const auto current = root["current"]) out.current = current.as<std::string>();
    if (const auto contexts = root["contexts"])
      for (const auto& entry : contexts) {
        const auto& value = entry.second;
        const auto field = [&](const char* name) {
          return value[name] ? value[name].as<std::string>() : std::string();
        };
        out.by_name[entry.first.as<std::string>()] = Context{field("server"), field("api_key"), field("data_dir")};
      }
  } catch (const YAML::Exception& problem) {
    return fail(Reason::context_unreadable, {{"file", file}, {"detail", problem.what()}});
  }
  return out;
}

Result<> write_contexts(const std::string& file, const Contexts& contexts) {
  YAML::Emitter out;
  out << YAML::BeginMap << YAML::Key << "current" << YAML::Value << contexts.current << YAML::Key << "contexts"
      << YAML::Value << YAML::BeginMap;
  for (const auto& [name, context] : contexts.by_name) {
    out << YAML::Key << name << YAML::Value << YAML::BeginMap;
    out << YAML::Key << "server" << YAML::Value << context.server << YAML::Key << "api_key" << YAML::Value
        << context.api_key;
    if (!context.data_dir.empty()) out << YAML::Key << "data_dir" << YAML::Value << context.data_dir;
    out << YAML::EndMap;
  }
  out << YAML::EndMap << YAML::EndMap;
  TRY(make_private_folder(std::filesystem::path(file).parent_path()));
  return write_private_file(file, std::string(out.c_str()) + "\n");
}

void remember(Contexts& contexts, const std::string& name, Context context) {
  contexts.by_name[name] = std::move(context);
  if (contexts.current.empty() || !contexts.by_name.contains(contexts.current)) contexts.current = name;
}

Result<std::optional<ProjectFile>> find_project_file(const std::string& folder,
                                                     const std::map<std::string, std::string>& environment) {
  std::error_code ignored;
  const std::filesystem::path home = variable(environment, "HOME");
  for (std::filesystem::path here = folder; !here.empty(); here = here.parent_path()) {
    const auto file = here / ".gyre.yaml";
    if (std::filesystem::is_regular_file(file, ignored)) {
      ProjectFile out{file.string(), "", ""};
      const auto text = TRY(read_file(file));
      try {
        const auto root = YAML::Load(text.value_or(""));
        for (const char* name : {"api_key", "apiKey", "key"})
          if (root.IsMap() && root[name]) return fail(Reason::key_in_project_file, {{"file", out.file}});
        if (root.IsMap() && root["context"]) out.context = root["context"].as<std::string>();
        if (root.IsMap() && root["server"]) out.server = root["server"].as<std::string>();
      } catch (const YAML::Exception& problem) {
        return fail(Reason::context_unreadable, {{"file", out.file}, {"detail", problem.what()}});
      }
      return std::optional(out);
    }
    if (here == home || here == here.root_path() || std::filesystem::exists(here / ".git", ignored)) break;
  }
  return std::optional<ProjectFile>();
}

Result<Choice> choose(const Wishes& wishes, const std::map<std::string, std::string>& environment,
                      const Contexts& contexts, const std::optional<ProjectFile>& project) {
  struct Said {
    Source source;
    std::string server, context;
  };
  // In this order; who says anything of a server or a context decides it, the others are not asked.
  const Said all[] = {
      {Source::flag, wishes.server, wishes.context},
      {Source::environment, variable(environment, "GYRE_SERVER"), variable(environment, "GYRE_CONTEXT")},
      {Source::project, project ? project->server : "", project ? project->context : ""},
      {Source::saved, "", contexts.current}};
  const auto* said = std::find_if(std::begin(all), std::end(all),
                                  [](const Said& one) { return !one.server.empty() || !one.context.empty(); });
  if (said == std::end(all)) return fail(Reason::no_server_known);
  Choice out;
  out.source = said->source;
  out.context.server = without_slash(said->server);
  const auto saved = contexts.by_name.find(said->context);
  if (!said->context.empty() && saved == contexts.by_name.end()) {
    std::string known;
    for (const auto& [other, context] : contexts.by_name) known += (known.empty() ? "" : ", ") + other;
    return fail(Reason::context_not_found, {{"name", said->context}, {"known", known.empty() ? "-" : known}});
  }
  if (saved != contexts.by_name.end()) {
    out.name = said->context;
    if (out.context.server.empty()) {
      out.context.server = without_slash(saved->second.server);
      out.context.data_dir = saved->second.data_dir;
    }
  }
  if (out.context.server.empty()) return fail(Reason::no_server_known);
  out.context.api_key = !wishes.api_key.empty() ? wishes.api_key : variable(environment, "GYRE_API_KEY");
  const auto preferred = out.name.empty() ? contexts.current : out.name;
  if (out.context.api_key.empty())
    for (const auto& [other, context] : contexts.by_name)
      if (without_slash(context.server) == out.context.server && (out.context.api_key.empty() || other == preferred))
        out.context.api_key = context.api_key;
  const bool scheme = out.context.server.starts_with("http://") || out.context.server.starts_with("https://");
  if (!scheme)
    return fail(Reason::bad_argument,
                {{"argument", "--server"}, {"detail", "expected http:// or https:// and a host"}});
  return out;
}

}  // namespace gyre::cli
