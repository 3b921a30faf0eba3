#include "images/registry_answers.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <charconv>

#include "json/codec.hpp"

namespace gyre::images {
namespace {

namespace bj = boost::json;

constexpr std::size_t entries_max = 200, layers_max = 500, ports_max = 200, words_max = 200, error_max = 300;

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
bool same(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) { return lower(x) == lower(y); });
}

bool token_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view("!#$%&'*+-.^_`|~/").find(c) != std::string_view::npos;  // '/' is in no token, and yet is sent
}

class Text {
 public:
  explicit Text(std::string_view text) : rest_(text) {}
  void blanks(bool commas = false) {
    while (!rest_.empty() && (rest_.front() == ' ' || rest_.front() == '\t' || (commas && rest_.front() == ',')))
      rest_.remove_prefix(1);
  }
  std::string_view token() {
    const auto end = std::find_if_not(rest_.begin(), rest_.end(), token_character);
    const auto size = static_cast<std::size_t>(end - rest_.begin());
    const auto out = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return out;
  }
  bool take(char c) {
    if (rest_.empty() || rest_.front() != c) return false;
    rest_.remove_prefix(1);
    return true;
  }
  std::optional<std::string> value() {
    if (!take('"')) return std::string(token());
    std::string out;
    while (!rest_.empty()) {
      char c = rest_.front();
      rest_.remove_prefix(1);
      if (c == '"') return out;
      if (c == '\\') {
        if (rest_.empty()) return std::nullopt;
        c = rest_.front();
        rest_.remove_prefix(1);
      }
      out += c;
    }
    return std::nullopt;
  }
  bool empty() const { return rest_.empty(); }
  std::string_view rest() const { return rest_; }
  void back_to(std::string_view rest) { rest_ = rest; }

 private:
  std::string_view rest_;
};

const bj::value* member(const bj::value& value, std::string_view name) {
  const auto* object = value.if_object();
  return object ? object->if_contains(bj::string_view(name.data(), name.size())) : nullptr;
}
std::string text_of(const bj::value* value) {
  const auto* text = value ? value->if_string() : nullptr;
  return text ? std::string(text->data(), text->size()) : std::string();
}
std::string text_in(const bj::value& value, std::string_view name) { return text_of(member(value, name)); }

bool is_digest(std::string_view text) {
  constexpr std::string_view algorithm = "sha256:";
  if (!text.starts_with(algorithm) || text.size() != algorithm.size() + 64) return false;
  return std::all_of(text.begin() + algorithm.size(), text.end(),
                     [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

tl::unexpected<std::string> wrong(const char* words) { return tl::unexpected<std::string>(words); }

std::vector<std::string> words_in(const bj::value* value) {
  std::vector<std::string> out;
  const auto* list = value ? value->if_array() : nullptr;
  if (!list) return out;
  for (const auto& word : *list)
    if (out.size() < words_max) out.push_back(text_of(&word));
  return out;
}

}  // namespace

std::optional<Challenge> read_challenge(std::string_view header) {
  std::optional<Challenge> found;
  Text text(header);
  for (;;) {
    text.blanks(true);
    const auto scheme = text.token();
    if (scheme.empty()) return found;
    Challenge challenge;
    challenge.bearer = same(scheme, "Bearer");
    const bool known = challenge.bearer || same(scheme, "Basic");
    for (;;) {
      text.blanks(true);
      const auto here = text.rest();
      const auto name = text.token();
      text.blanks();
      if (name.empty() || !text.take('=')) {  // the next challenge's scheme, or the end
        text.back_to(here);
        break;
      }
      text.blanks();
      auto value = text.value();
      if (!value) return found;
      if (same(name, "realm"))
        challenge.realm = std::move(*value);
      else if (same(name, "service"))
        challenge.service = std::move(*value);
      else if (same(name, "scope"))
        challenge.scope = std::move(*value);
    }
    if (known && (!found || (challenge.bearer && !found->bearer))) found = std::move(challenge);
  }
}

std::string read_token(std::string_view body) {
  const auto value = json::parse(body);
  if (!value) return "";
  auto token = text_in(*value, "token");
  return token.empty() ? text_in(*value, "access_token") : token;
}

std::string read_error(std::string_view body) {
  const auto value = json::parse(body);
  if (!value) return "";
  std::string words;
  const auto* errors = member(*value, "errors");
  const auto* list = errors ? errors->if_array() : nullptr;
  if (list && !list->empty()) words = text_in(list->front(), "message");
  if (words.empty()) words = text_in(*value, "message");
  if (words.empty()) words = text_in(*value, "details");
  if (words.size() > error_max) words.resize(error_max);
  return words;
}

tl::expected<Manifest, std::string> read_manifest(std::string_view body) {
  const auto value = json::parse(body);
  if (!value || !value->is_object()) return wrong("its manifest is not a JSON object");
  Manifest out;
  if (const auto* entries = member(*value, "manifests")) {
    const auto* list = entries->if_array();
    if (!list) return wrong("its list of platforms is not a list");
    for (const auto& one : *list) {
      if (out.entries.size() == entries_max) break;
      const auto* platform = member(one, "platform");
      Entry entry{platform ? text_in(*platform, "os") : "", platform ? text_in(*platform, "architecture") : "",
                  text_in(one, "digest")};
      if (is_digest(entry.digest)) out.entries.push_back(std::move(entry));
    }
    if (out.entries.empty()) return wrong("its list of platforms is empty");
    return out;
  }
  const auto* config = member(*value, "config");
  out.config_digest = config ? text_in(*config, "digest") : "";
  if (!is_digest(out.config_digest))
    return wrong("its manifest names no configuration; images of schema 1 are too old");
  const auto* layers = member(*value, "layers");
  const auto* list = layers ? layers->if_array() : nullptr;
  if (!list || list->size() > layers_max) return wrong("its manifest lists no layers");
  for (const auto& layer : *list) {
    const auto* size = member(layer, "size");
    const auto* bytes = size ? size->if_int64() : nullptr;
    if (!bytes || *bytes < 0 || *bytes > INT64_MAX - out.layer_bytes) return wrong("a layer has no size");
    out.layer_bytes += *bytes;
  }
  return out;
}

const Entry* for_our_hosts(const Manifest& manifest) {
  for (const auto& entry : manifest.entries)
    if (entry.os == "linux" && entry.architecture == "amd64") return &entry;
  return nullptr;
}

std::string platforms_of(const Manifest& manifest) {
  std::string out;
  for (const auto& entry : manifest.entries) {
    if (entry.os.empty() || entry.os == "unknown") continue;
    const auto platform = entry.os + "/" + entry.architecture;
    if (out.find(platform) == std::string::npos) out += (out.empty() ? "" : ", ") + platform;
  }
  return out;
}

tl::expected<ImageConfig, std::string> read_config(std::string_view body) {
  const auto value = json::parse(body);
  if (!value || !value->is_object()) return wrong("its configuration is not a JSON object");
  ImageConfig out;
  out.os = text_in(*value, "os");
  out.architecture = text_in(*value, "architecture");
  const auto* config = member(*value, "config");
  if (!config) return out;
  out.entrypoint = words_in(member(*config, "Entrypoint"));
  out.command = words_in(member(*config, "Cmd"));
  const auto* exposed = member(*config, "ExposedPorts");
  const auto* ports = exposed ? exposed->if_object() : nullptr;
  std::vector<std::pair<int, std::string>> sorted;
  if (ports)
    for (const auto& [name, ignored] : *ports) {
      const std::string_view text(name.data(), name.size());
      int port = 0;
      const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), port);
      const std::string_view protocol(end, static_cast<std::size_t>(text.data() + text.size() - end));
      if (problem != std::errc{} || port < 1 || port > 65535) continue;
      if (!protocol.empty() && protocol != "/tcp" && protocol != "/udp") continue;
      if (sorted.size() < ports_max)
        sorted.emplace_back(port, std::to_string(port) + (protocol == "/udp" ? "/udp" : "/tcp"));
    }
  std::sort(sorted.begin(), sorted.end());
  for (auto& [port, text] : sorted) out.ports.push_back(std::move(text));
  return out;
}

}  // namespace gyre::images
