#include "templates/template.hpp"

#include "db/db.hpp"
#include "json/codec.hpp"
#include "pods/pod_wish.hpp"

namespace gyre {
namespace {

constexpr std::size_t readme_max = 100'000;

}  // namespace

std::string settings_to_text(const TemplateSettings& settings) { return json::encode(settings); }

TemplateSettings settings_from_text(const std::string& text) {
  auto settings = json::decode<TemplateSettings>(text, json::UnknownKeys::ignore);
  if (!settings) throw db::DbError("a template's stored settings cannot be read");
  return std::move(*settings);
}

CreatePod pod_settings(const TemplateSettings& settings, const std::optional<RegistryAuthId>& registry_auth) {
  CreatePod out;
  out.imageName = settings.image;
  if (settings.category == TemplateCategory::CPU) out.computeType = "CPU";
  out.containerDiskInGb = settings.container_disk_gb;
  out.volumeInGb = settings.volume_gb;
  out.volumeMountPath = settings.volume_path;
  out.ports = json::to_json(settings.ports);
  out.dockerEntrypoint = json::to_json(settings.entrypoint);
  out.dockerStartCmd = json::to_json(settings.command);
  out.env = settings.env;
  if (registry_auth) out.containerRegistryAuthId = registry_auth->str();
  return out;
}

Result<> check(const TemplateSettings& settings) {
  if (settings.readme.size() > readme_max)
    return invalid("readme", Detail::bytes_at_most, {{"limit", std::to_string(readme_max)}});
  TRY(wish_from(pod_settings(settings, std::nullopt), [](const std::string&) { return std::string(); }));
  return {};
}

}  // namespace gyre
