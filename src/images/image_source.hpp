// Which registry an image is in, as a person chooses it, and what they may leave out of its name then. Pure.
#pragma once

#include <boost/describe.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "base/image_reference.hpp"

namespace gyre {

enum class RegistryKind { DOCKER_HUB, NGC, GITHUB, QUAY, HUGGING_FACE, OTHER };
BOOST_DESCRIBE_ENUM(RegistryKind, DOCKER_HUB, NGC, GITHUB, QUAY, HUGGING_FACE, OTHER)

std::string_view registry_host(RegistryKind kind);  // "ghcr.io"; "" for OTHER

// The image in full. With a kind the registry's name may be left out ("owner/app:1" of GITHUB is ghcr.io/owner/app:1)
// and another one's is refused (image_other_registry); OTHER wants it named. Without a kind it is read as `docker pull`
// reads it. The refusal names the field `image`.
Result<ImageReference> image_in(std::optional<RegistryKind> kind, std::string_view text);

}  // namespace gyre
