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

std::string fill(std::string_view text, const Args& args) {
  std::string out;
  while (!text.empty()) {
    const auto open = text.find('{');
    out += text.substr(0, open);
    if (open == std::string_view::npos) break;
    const auto close = text.find('}', open);
    if (close == std::string_view::npos) return out.append(text.substr(open));
    const auto name = text.substr(open + 1, close - open - 1);
    const auto found = std::find_if(args.begin(), args.end(), [&](const auto& arg) { return arg.first == name; });
    if (found != args.end())
      out += found->second;
    else
      out.append("?");  // a missing argument is our bug; the sentence still reads
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
  return fill(language == Language::ko ? of(reason).ko : of(reason).en, args);
}

std::string way_out(Reason reason, const Args& args, Language language) {
  return fill(language == Language::ko ? of(reason).fix_ko : of(reason).fix_en, args);
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
