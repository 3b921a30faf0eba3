// "python:3.11" names an image as people write it; engines and registries mean docker.io/library/python:3.11.
// The grammar is that of the OCI distribution specification, as Docker has widened it.
#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"

namespace gyre {

struct ImageReference {
  std::string registry;    // "docker.io", "registry.example.com:5000"
  std::string repository;  // "library/python"
  std::string tag;         // "3.11"; "latest" when nothing was said; empty when only a digest was given
  std::string digest;      // "sha256:..." or empty; wins over the tag

  std::string name() const { return registry + "/" + repository; }
  bool operator==(const ImageReference&) const = default;
  std::string str() const;  // in full: "docker.io/library/python:3.11", "r/x@sha256:..."
};

// Refuses with image_name_invalid, which names the field of the input that is to blame.
Result<ImageReference> parse_image_reference(std::string_view text, const std::string& field = "image");

}  // namespace gyre
