#include "pods/pod_sources.hpp"

#include <boost/mp11.hpp>

namespace gyre {
namespace {

struct Reference {
  std::size_t begin = 0, end = 0;  // of the whole "{{ ... }}" in its text
  std::string name;
};

std::vector<Reference> references_in(std::string_view text) {
  constexpr std::string_view prefix = "RUNPOD_SECRET_";
  constexpr std::string_view name_characters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";
  std::vector<Reference> out;
  for (auto open = text.find("{{"); open != std::string_view::npos; open = text.find("{{", open + 1)) {
    const auto close = text.find("}}", open);
    if (close == std::string_view::npos) break;
    auto inside = text.substr(open + 2, close - open - 2);
    while (inside.starts_with(' ')) inside.remove_prefix(1);
    while (inside.ends_with(' ')) inside.remove_suffix(1);
    if (!inside.starts_with(prefix)) continue;
    inside.remove_prefix(prefix.size());
    if (inside.empty() || inside.find_first_not_of(name_characters) != std::string_view::npos) continue;
    out.push_back({open, close + 2, std::string(inside)});
    open = close;
  }
  return out;
}

bool given(const std::optional<std::string>& text) { return text && !text->empty(); }

}  // namespace

CreatePod with_template(const CreatePod& settings, CreatePod body) {
  auto base = settings;
  // Old clients send "" for what they leave to the template.
  if (!given(body.imageName)) body.imageName.reset();
  if (!given(body.containerRegistryAuthId)) body.containerRegistryAuthId.reset();
  if (!given(body.dockerArgs)) body.dockerArgs.reset();
  // Two ways to say one thing: the body's way counts.
  if (body.dockerArgs) base.dockerStartCmd.reset();
  if (body.registryAuth) base.containerRegistryAuthId.reset();
  auto env = base.env.value_or(std::map<std::string, std::string>());
  if (body.env)
    for (const auto& [name, value] : *body.env) env[name] = value;
  using Members = boost::describe::describe_members<CreatePod, boost::describe::mod_public>;
  boost::mp11::mp_for_each<Members>([&](auto member) {
    if (!(body.*member.pointer)) body.*member.pointer = base.*member.pointer;
  });
  body.env = std::move(env);
  return body;
}

std::vector<std::string> secrets_in(std::string_view text) {
  std::vector<std::string> out;
  for (auto& reference : references_in(text)) out.push_back(std::move(reference.name));
  return out;
}

std::string with_secrets(std::string_view text,
                         const std::function<std::optional<std::string>(const std::string&)>& value_of) {
  std::string out;
  std::size_t done = 0;
  for (const auto& reference : references_in(text)) {
    const auto value = value_of(reference.name);
    if (!value) continue;
    out.append(text.substr(done, reference.begin - done)).append(*value);
    done = reference.end;
  }
  return out.append(text.substr(done));
}

void add_ssh_keys(std::map<std::string, std::string>& env, const std::string& keys) {
  const auto own = env.find("SSH_PUBLIC_KEY");
  if (own != env.end()) {
    env.try_emplace("PUBLIC_KEY", own->second);
  } else if (!keys.empty() && !env.contains("PUBLIC_KEY")) {
    env["PUBLIC_KEY"] = env["SSH_PUBLIC_KEY"] = keys;
  }
}

}  // namespace gyre
