// Ids of everything that has a name of its own. A PodId does not convert to a HostId; both are short strings that fit
// the small-string buffer, so an id never allocates.
#pragma once

#include <compare>
#include <functional>
#include <string>
#include <string_view>

namespace gyre {

template <class Tag>
class Id {
 public:
  Id() = default;
  explicit Id(std::string text) : text_(std::move(text)) {}
  explicit Id(std::string_view text) : text_(text) {}
  explicit Id(const char* text) : text_(text) {}

  const std::string& str() const { return text_; }
  bool empty() const { return text_.empty(); }
  auto operator<=>(const Id&) const = default;

 private:
  std::string text_;
};

using AccountId = Id<struct AccountTag>;
using WorkspaceId = Id<struct WorkspaceTag>;
using ApiKeyId = Id<struct ApiKeyTag>;
using SessionId = Id<struct SessionTag>;
using HostId = Id<struct HostTag>;
using PodId = Id<struct PodTag>;
using RegistryAuthId = Id<struct RegistryAuthTag>;
using TemplateId = Id<struct TemplateTag>;
using SecretId = Id<struct SecretTag>;
using NetworkVolumeId = Id<struct NetworkVolumeTag>;
using EndpointId = Id<struct EndpointTag>;
using CloudSyncId = Id<struct CloudSyncTag>;
using EventId = std::int64_t;  // position in the event feed; grows without gaps being promised

}  // namespace gyre

template <class Tag>
struct std::hash<gyre::Id<Tag>> {
  std::size_t operator()(const gyre::Id<Tag>& id) const noexcept { return std::hash<std::string>{}(id.str()); }
};
