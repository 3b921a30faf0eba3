#include "cli/findings.hpp"

#include <boost/json.hpp>

#include "cli/output.hpp"
#include "cli/views.hpp"

namespace gyre::cli {

namespace json = boost::json;

namespace {

Tone tone_of(std::string_view level) {
  return level == "ok" ? Tone::good : level == "warn" ? Tone::waiting : Tone::bad;
}

const Kind& finding_kind() {
  static const Kind kind{.columns = {{.key = "level",
                                      .title = Word::col_level,
                                      .shown =
                                          [](const Row& row) {
                                            const auto level = text_of(row.value, "level");
                                            return Cell{say_named("level_", level, row.language), tone_of(level)};
                                          },
                                      .least_width = 4},
                                     {.key = "check",
                                      .title = Word::col_check,
                                      .shown = [](const Row& row) { return Cell{text_of(row.value, "check")}; },
                                      .least_width = 8},
                                     {.key = "text",
                                      .title = Word::col_finding,
                                      .shown = [](const Row& row) { return Cell{text_of(row.value, "text")}; },
                                      .least_width = 20},
                                     {.key = "code",
                                      .title = Word::code_prefix,
                                      .shown = [](const Row& row) { return Cell{text_of(row.value, "code")}; },
                                      .wide = true},
                                     {.key = "fix",
                                      .title = Word::label_fix,
                                      .shown = [](const Row& row) { return Cell{text_of(row.value, "fix")}; },
                                      .wide = true}},
                         .none = Word::none_yet,
                         .name = "check"};
  return kind;
}

// Sentences are read whole, and what to do stands under each.
void print_for_people(const Terminal& terminal, const json::array& findings) {
  for (const auto& finding : findings) {
    const auto level = text_of(finding, "level");
    const auto word = say_named("level_", level, terminal.language);
    const auto padding = std::string(6 - std::min<std::size_t>(6, display_width(word)), ' ');
    terminal.print(colored(word, tone_of(level), terminal.color_out) + padding + printable(text_of(finding, "text")) +
                   "\n");
    if (level == "ok") continue;
    terminal.print("      " + terminal.word(Word::fix_prefix) + ": " + printable(text_of(finding, "fix")) + "\n");
    terminal.print(colored("      " + terminal.word(Word::code_prefix) + ": " + text_of(finding, "code"), Tone::dim,
                           terminal.color_out) +
                   "\n");
  }
}

}  // namespace

json::object finding(std::string_view check, std::string_view level, std::optional<Reason> reason, const Args& args,
                     const std::string& words, Language language) {
  json::object out{{"check", check}, {"level", level}};
  out["code"] = reason ? json::value(reason_text(*reason)) : json::value();
  out["text"] = reason ? sentence(*reason, args, language) : words;
  out["fix"] = reason ? json::value(way_out(*reason, args, language)) : json::value();
  return out;
}

void show_findings(const Terminal& terminal, Time now, const json::array& findings) {
  if (terminal.format == Format::table)
    print_for_people(terminal, findings);
  else
    show_list(terminal, now, finding_kind(), findings, {});
}

}  // namespace gyre::cli
