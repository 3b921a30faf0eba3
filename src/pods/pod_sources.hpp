// What the body of a pod only names and other folders hold: templates, registry credentials, secrets, a person's SSH
// keys, prices. PodService is given functions, so that it knows none of those folders; an empty one: not offered.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.hpp"
#include "base/money.hpp"
#include "base/result.hpp"
#include "base/time.hpp"
#include "pods/pod_input.hpp"

namespace gyre {

struct RegistryUser {
  std::string username, password;
};

struct GpuOffer {
  std::string display_name;
  std::optional<Money> per_gpu_hour;  // absent: it has no price
  Money lowest_bid;                   // of a spot pod, for each GPU and hour
};

struct NetworkVolumeFacts {
  std::string name, data_center;
  std::int64_t bytes = 0;                  // what it may hold
  std::optional<std::int64_t> used_bytes;  // absent: not counted yet
};

// Called within core tasks.
struct PodSources {
  // The settings of a template that this workspace may make pods from; its refusal names `templateId`.
  std::function<Result<CreatePod>(const WorkspaceId&, const std::string& template_id)> template_settings;
  std::function<std::optional<RegistryUser>(const WorkspaceId&, const std::string& registry_auth_id)> registry_user;
  std::function<std::optional<std::string>(const WorkspaceId&, const std::string& name)> secret;
  // Absent: there is none of this id.
  std::function<std::optional<NetworkVolumeFacts>(const WorkspaceId&, const std::string& id)> network_volume;
  std::function<std::string(const AccountId&)> ssh_keys;  // one a line; "" for none
  // What a GPU of the type costs (`cloud` is SECURE, COMMUNITY or ALL) for a pod made at that time.
  std::function<GpuOffer(const std::string& gpu_type, const std::string& cloud, Time made_at)> gpu_offer;
};

// ---- pure ----

// The body with what it leaves out taken from the template. Its own fields win; variables are merged by name, its own
// values win; any other list replaces the template's whole.
CreatePod with_template(const CreatePod& settings, CreatePod body);

// "{{ RUNPOD_SECRET_name }}" anywhere in the text, blanks inside the braces as one likes: the names, in order.
std::vector<std::string> secrets_in(std::string_view text);
// Each put in its place; one that the function does not know stays as it is written.
std::string with_secrets(std::string_view text,
                         const std::function<std::optional<std::string>(const std::string& name)>& value_of);

// PUBLIC_KEY and SSH_PUBLIC_KEY for images that start an SSH server. The pod's own variables win: SSH_PUBLIC_KEY stands
// for PUBLIC_KEY too, and with PUBLIC_KEY alone nothing is added.
void add_ssh_keys(std::map<std::string, std::string>& env, const std::string& keys);

}  // namespace gyre
