#include "base/image_reference.hpp"

#include "base/check.hpp"
#include "targets.hpp"

namespace gyre::fuzz {

// A name in full names the same image as the name it was made from.
void image(std::string_view bytes) {
  const auto reference = parse_image_reference(bytes);
  if (!reference) return;
  CHECK(!reference->registry.empty() && !reference->repository.empty());
  CHECK(!reference->tag.empty() || !reference->digest.empty());
  const auto again = parse_image_reference(reference->str());
  CHECK(again && again->str() == reference->str());
}

}  // namespace gyre::fuzz
