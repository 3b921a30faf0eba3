#include "cli/context.hpp"

#include <unistd.h>
#include <yaml-cpp/yaml.h>

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

Result<Context> choose(const Wishes& wishes, const std::map<std::string, std::string>& environment,
                       const Contexts& contexts) {
  Context out;
  out.server = without_slash(!wishes.server.empty() ? wishes.server : variable(environment, "GYRE_SERVER"));
  out.api_key = !wishes.api_key.empty() ? wishes.api_key : variable(environment, "GYRE_API_KEY");
  auto name = !wishes.context.empty() ? wishes.context : variable(environment, "GYRE_CONTEXT");
  if (!name.empty() && !contexts.by_name.contains(name)) {
    std::string known;
    for (const auto& [other, context] : contexts.by_name) known += (known.empty() ? "" : ", ") + other;
    return fail(Reason::bad_argument,
                {{"argument", "--context"}, {"detail", "no context " + name + "; known: " + known}});
  }
  if (name.empty()) name = contexts.current;
  const auto saved = contexts.by_name.find(name);
  if (out.server.empty()) {
    if (saved == contexts.by_name.end() || saved->second.server.empty()) return fail(Reason::no_server_known);
    out.server = without_slash(saved->second.server);
    out.data_dir = saved->second.data_dir;
  }
  // A saved key is sent only to the server it was saved for.
  if (out.api_key.empty())
    for (const auto& [other, context] : contexts.by_name)
      if (without_slash(context.server) == out.server && (out.api_key.empty() || other == name))
        out.api_key = context.api_key;
  const bool scheme = out.server.starts_with("http://") || out.server.starts_with("https://");
  if (!scheme)
    return fail(Reason::bad_argument,
                {{"argument", "--server"}, {"detail", "expected http:// or https:// and a host"}});
  return out;
}

}  // namespace gyre::cli
