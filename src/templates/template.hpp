// An image with settings, kept under a name: what pods are made from.
#pragma once

#include <boost/describe.hpp>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.hpp"
#include "base/result.hpp"
#include "base/time.hpp"
#include "pods/pod_input.hpp"

namespace gyre {

enum class TemplateCategory { NVIDIA, AMD, CPU };
BOOST_DESCRIBE_ENUM(TemplateCategory, NVIDIA, AMD, CPU)

// What its owner writes; stored as JSON.
struct TemplateSettings {
  std::string image;
  TemplateCategory category = TemplateCategory::NVIDIA;
  int container_disk_gb = 50, volume_gb = 20;
  std::string volume_path = "/workspace";
  std::vector<std::string> ports, entrypoint, command;  // empty entrypoint or command: the image's own
  std::map<std::string, std::string> env;
  bool serverless = false;
  std::string readme;
};
BOOST_DESCRIBE_STRUCT(TemplateSettings, (),
                      (image, category, container_disk_gb, volume_gb, volume_path, ports, entrypoint, command, env,
                       serverless, readme))

struct Template {
  TemplateId id;
  WorkspaceId workspace;
  std::string name;
  std::string spec;                             // JSON of TemplateSettings
  std::optional<RegistryAuthId> registry_auth;  // of the same workspace
  bool is_public = false, is_official = false;
  Time created_at{};
  std::int64_t version = 0;
};
BOOST_DESCRIBE_STRUCT(Template, (),
                      (id, workspace, name, spec, registry_auth, is_public, is_official, created_at, version))

std::string settings_to_text(const TemplateSettings& settings);
TemplateSettings settings_from_text(const std::string& text);  // of the database; throws DbError when it is none

// As the body of POST /v1/pods would say it, without a name.
CreatePod pod_settings(const TemplateSettings& settings, const std::optional<RegistryAuthId>& registry_auth);

// As the pod that it would make is checked; errors name the same fields.
Result<> check(const TemplateSettings& settings);

}  // namespace gyre
