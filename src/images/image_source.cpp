#include "images/image_source.hpp"

namespace gyre {
namespace {

// As parse_image_reference decides it: a first component with a dot or a port, or localhost, is a registry.
bool names_registry(std::string_view text) {
  const auto slash = text.find('/');
  if (slash == std::string_view::npos) return false;
  const auto first = text.substr(0, slash);
  return first.find_first_of(".:[") != std::string_view::npos || first == "localhost";
}

}  // namespace

std::string_view registry_host(RegistryKind kind) {
  switch (kind) {
    case RegistryKind::DOCKER_HUB:
      return "docker.io";
    case RegistryKind::NGC:
      return "nvcr.io";
    case RegistryKind::GITHUB:
      return "ghcr.io";
    case RegistryKind::QUAY:
      return "quay.io";
    case RegistryKind::HUGGING_FACE:
      return "registry.hf.space";
    case RegistryKind::OTHER:
      return "";
  }
  return "";
}

Result<ImageReference> image_in(std::optional<RegistryKind> kind, std::string_view text) {
  if (!kind) return parse_image_reference(text);
  const auto host = std::string(registry_host(*kind));
  const bool named = names_registry(text);
  if (*kind == RegistryKind::OTHER) {
    if (named) return parse_image_reference(text);
    auto args = in_both_languages("detail", Detail::image_without_registry);
    args.emplace_back("image", std::string(text));
    return fail(Reason::image_name_invalid, std::move(args), "image");
  }
  if (!named && !text.empty()) return parse_image_reference(host + "/" + std::string(text));
  auto out = TRY(parse_image_reference(text));
  if (out.registry != host)
    return fail(Reason::image_other_registry, {{"image", std::string(text)}, {"registry", host}}, "image");
  return out;
}

}  // namespace gyre
