#include "base/reasons.hpp"

#include <algorithm>

namespace gyre {
namespace {

struct Words {
  std::string_view code;
  ErrorCode kind;
  std::string_view en, ko, fix_en, fix_ko;
};

constexpr Words words[] = {
#define REASON(name, kind, en, ko, fix_en, fix_ko) {#name, ErrorCode::kind, en, ko, fix_en, fix_ko},
#include "base/reasons/all.def"
#undef REASON
};

struct DetailWords {
  std::string_view en, ko;
};

constexpr DetailWords detail_words[] = {
#define DETAIL(name, en, ko) {en, ko},
#include "base/details.def"
#undef DETAIL
};

constexpr std::string_view korean = ":ko";  // behind the name of a value that is words

bool is_korean_of(std::string_view key, std::string_view name) {
  return key.size() == name.size() + korean.size() && key.starts_with(name) && key.ends_with(korean);
}

const std::string* value_of(std::string_view name, const Args& args, Language language) {
  const std::string* found = nullptr;
  for (const auto& [key, value] : args) {
    if (language == Language::ko && is_korean_of(key, name)) return &value;
    if (found == nullptr && key == name) found = &value;
  }
  return found;
}

std::string fill(std::string_view text, const Args& args, Language language) {
  std::string out;
  while (!text.empty()) {
    const auto open = text.find('{');
    out += text.substr(0, open);
    if (open == std::string_view::npos) break;
    const auto close = text.find('}', open);
    if (close == std::string_view::npos) return out.append(text.substr(open));
    const auto name = text.substr(open + 1, close - open - 1);
    const auto* value = value_of(name, args, language);
    out += value != nullptr ? *value : "?";  // a missing argument is our bug; the sentence still reads
    text.remove_prefix(close + 1);
  }
  return out;
}

const Words& of(Reason reason) { return words[static_cast<std::size_t>(reason)]; }

}  // namespace

std::string_view reason_text(Reason reason) { return of(reason).code; }
ErrorCode error_code(Reason reason) { return of(reason).kind; }
std::size_t reason_count() { return std::size(words); }

std::optional<Reason> reason_from_text(std::string_view text) {
  for (std::size_t i = 0; i < std::size(words); ++i)
    if (words[i].code == text) return static_cast<Reason>(i);
  return std::nullopt;
}

std::string sentence(Reason reason, const Args& args, Language language) {
  return fill(language == Language::ko ? of(reason).ko : of(reason).en, args, language);
}

std::string way_out(Reason reason, const Args& args, Language language) {
  return fill(language == Language::ko ? of(reason).fix_ko : of(reason).fix_en, args, language);
}

std::string detail_text(Detail detail, const Args& args, Language language) {
  const auto& found = detail_words[static_cast<std::size_t>(detail)];
  return fill(language == Language::ko ? found.ko : found.en, args, language);
}

std::size_t detail_count() { return std::size(detail_words); }

Args in_both_languages(const std::string& name, Detail detail, const Args& args) {
  return {{name, detail_text(detail, args, Language::en)},
          {name + std::string(korean), detail_text(detail, args, Language::ko)}};
}

Args in_both_languages(const std::string& name, Reason reason, const Args& args) {
  return {{name, sentence(reason, args, Language::en)},
          {name + std::string(korean), sentence(reason, args, Language::ko)}};
}

Args args_in(const Args& args, Language language) {
  Args out;
  for (const auto& [key, value] : args)
    if (!std::string_view(key).ends_with(korean)) out.emplace_back(key, *value_of(key, args, language));
  return out;
}

std::vector<std::string> argument_names(Reason reason) {
  std::vector<std::string> out;
  for (std::string_view text : {of(reason).en, of(reason).ko, of(reason).fix_en, of(reason).fix_ko})
    for (auto open = text.find('{'); open != std::string_view::npos; open = text.find('{')) {
      const auto close = text.find('}', open);
      if (close == std::string_view::npos) break;
      std::string name(text.substr(open + 1, close - open - 1));
      if (std::find(out.begin(), out.end(), name) == out.end()) out.push_back(std::move(name));
      text.remove_prefix(close + 1);
    }
  return out;
}

}  // namespace gyre
