#include "base/image_reference.hpp"

#include <algorithm>

namespace gyre {
namespace {

constexpr std::size_t name_max = 255, tag_max = 128;

bool lower_or_digit(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }
bool letter_or_digit(char c) { return lower_or_digit(c) || (c >= 'A' && c <= 'Z'); }

// Lower-case words joined by one dot, one or two underscores, or any number of dashes.
bool path_component(std::string_view text) {
  if (text.empty() || !lower_or_digit(text.front()) || !lower_or_digit(text.back())) return false;
  for (std::size_t i = 0; i < text.size();) {
    if (lower_or_digit(text[i])) {
      ++i;
      continue;
    }
    const char separator = text[i];
    std::size_t length = 0;
    while (i < text.size() && text[i] == separator) ++i, ++length;
    const bool allowed = separator == '-' || (separator == '.' && length == 1) || (separator == '_' && length <= 2);
    if (!allowed || !lower_or_digit(text[i])) return false;  // the last character is one, so text[i] exists
  }
  return true;
}

bool registry_host(std::string_view text) {
  if (text.starts_with('[')) {  // an IPv6 address
    const auto close = text.find(']');
    if (close == std::string_view::npos) return false;
    text.remove_prefix(close + 1);
    if (text.empty()) return true;
  } else {
    const auto end = text.find(':');
    const auto host = text.substr(0, end);
    if (host.empty() || !letter_or_digit(host.front()) || !letter_or_digit(host.back())) return false;
    if (!std::all_of(host.begin(), host.end(), [](char c) { return letter_or_digit(c) || c == '.' || c == '-'; }))
      return false;
    if (end == std::string_view::npos) return true;
    text.remove_prefix(end);
  }
  if (!text.starts_with(':') || text.size() < 2 || text.size() > 6) return false;
  return std::all_of(text.begin() + 1, text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

bool tag_text(std::string_view text) {
  if (text.empty() || text.size() > tag_max) return false;
  if (!letter_or_digit(text.front()) && text.front() != '_') return false;
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return letter_or_digit(c) || c == '_' || c == '.' || c == '-'; });
}

bool digest_text(std::string_view text) {
  constexpr std::string_view algorithm = "sha256:";
  if (!text.starts_with(algorithm) || text.size() != algorithm.size() + 64) return false;
  text.remove_prefix(algorithm.size());
  return std::all_of(text.begin(), text.end(), [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

}  // namespace

std::string ImageReference::str() const { return digest.empty() ? name() + ":" + tag : name() + "@" + digest; }

Result<ImageReference> parse_image_reference(std::string_view text, const std::string& field) {
  const std::string whole(text);
  auto refuse = [&](Detail detail, const Args& args = {}) {
    auto values = in_both_languages("detail", detail, args);
    values.emplace_back("image", whole);
    return fail(Reason::image_name_invalid, std::move(values), field);
  };
  if (text.empty()) return refuse(Detail::empty);

  ImageReference out;
  if (const auto at = text.find('@'); at != std::string_view::npos) {
    out.digest = text.substr(at + 1);
    if (!digest_text(out.digest)) return refuse(Detail::image_digest);
    text = text.substr(0, at);
  }
  // A colon after the last slash starts the tag; one before it is the registry's port.
  const auto slash = text.rfind('/');
  const auto colon = text.find(':', slash == std::string_view::npos ? 0 : slash);
  if (colon != std::string_view::npos) {
    out.tag = text.substr(colon + 1);
    if (!tag_text(out.tag)) return refuse(Detail::image_tag, {{"value", out.tag}});
    text = text.substr(0, colon);
  }
  if (out.tag.empty() && out.digest.empty()) out.tag = "latest";

  // The first component is a registry when it looks like a host: it has a dot or a port, or is localhost.
  const auto first = text.substr(0, text.find('/'));
  const bool has_registry =
      first.size() < text.size() && (first.find_first_of(".:[") != std::string_view::npos || first == "localhost");
  if (has_registry) {
    if (!registry_host(first)) return refuse(Detail::image_registry, {{"value", std::string(first)}});
    out.registry = first == "index.docker.io" ? std::string_view("docker.io") : first;
    out.repository = text.substr(first.size() + 1);
  } else {
    out.registry = "docker.io";
    out.repository = text;
  }
  if (out.registry == "docker.io" && out.repository.find('/') == std::string::npos)
    out.repository.insert(0, "library/");
  if (out.name().size() > name_max) return refuse(Detail::image_too_long, {{"limit", std::to_string(name_max)}});
  for (std::string_view rest = out.repository;;) {
    const auto component = rest.substr(0, rest.find('/'));
    if (!path_component(component)) return refuse(Detail::image_component, {{"value", std::string(component)}});
    if (component.size() == rest.size()) break;
    rest.remove_prefix(component.size() + 1);
  }
  return out;
}

}  // namespace gyre
