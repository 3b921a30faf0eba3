#include "json/codec.hpp"

#include "base/check.hpp"
#include "pods/pod_input.hpp"
#include "targets.hpp"

namespace gyre::fuzz {

void json(std::string_view bytes) {
  const auto value = gyre::json::parse(bytes);
  if (!value) return;
  // What we write, we read, and it is written the same again.
  const auto text = gyre::json::serialize(*value);
  const auto again = gyre::json::parse(text);
  CHECK(again);
  CHECK(gyre::json::serialize(*again) == text);
  // A request made of it is refused in words that name a field, or is one.
  for (const auto unknown : {gyre::json::UnknownKeys::refuse, gyre::json::UnknownKeys::ignore}) {
    const auto input = gyre::json::decode<CreatePod>(bytes, unknown);
    if (input) {
      const auto written = gyre::json::encode(*input);
      CHECK(gyre::json::decode<CreatePod>(written));
    } else {
      CHECK(!input.error().message(Language::ko).empty());
    }
  }
}

}  // namespace gyre::fuzz
