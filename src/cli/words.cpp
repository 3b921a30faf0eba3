#include "cli/words.hpp"

#include <algorithm>
#include <string_view>

namespace gyre::cli {
namespace {

struct Entry {
  std::string_view name, en, ko;
};
constexpr Entry entries[] = {
#define WORD(name, en, ko) {#name, en, ko},
#include "cli/words.def"
#undef WORD
};

std::string fill(std::string_view text, const Args& args) {
  std::string out(text);
  for (const auto& [name, value] : args) {
    const auto placeholder = "{" + name + "}";
    for (std::size_t at = 0; (at = out.find(placeholder, at)) != std::string::npos; at += value.size())
      out.replace(at, placeholder.size(), value);
  }
  return out;
}

}  // namespace

std::string say(Word word, Language language, const Args& args) {
  const auto& entry = entries[static_cast<std::size_t>(word)];
  return fill(language == Language::ko ? entry.ko : entry.en, args);
}

std::string say_named(const std::string& prefix, const std::string& name, Language language, const Args& args) {
  const auto wanted = prefix + name;
  const auto* found =
      std::find_if(std::begin(entries), std::end(entries), [&](const Entry& e) { return e.name == wanted; });
  if (found == std::end(entries)) return name;
  return fill(language == Language::ko ? found->ko : found->en, args);
}

Language language_of(const std::string& flag, const std::map<std::string, std::string>& environment) {
  const auto variable = [&](const char* name) {
    const auto found = environment.find(name);
    return found == environment.end() ? std::string() : found->second;
  };
  for (const auto& wish : {flag, variable("GYRE_LANG"), variable("LC_ALL"), variable("LC_MESSAGES"), variable("LANG")})
    if (!wish.empty()) return wish.starts_with("ko") ? Language::ko : Language::en;
  return Language::en;
}

}  // namespace gyre::cli
