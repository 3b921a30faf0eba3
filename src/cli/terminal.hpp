// How this command talks: in which language, as a table or for programs, with colours or not, how wide. Decided once,
// at the start, from flags and environment. Data goes to standard output, talk to standard error.
#pragma once

#include <boost/describe.hpp>
#include <cstdio>
#include <map>
#include <string>
#include <string_view>

#include "cli/api.hpp"
#include "cli/table.hpp"
#include "cli/words.hpp"

namespace gyre::cli {

enum class Format { table, wide, json, jsonl, yaml, csv, name };
BOOST_DESCRIBE_ENUM(Format, table, wide, json, jsonl, yaml, csv, name)

struct Terminal {
  Language language = Language::en;
  Format format = Format::table;
  bool color_out = false, color_err = false;
  bool out_is_tty = false, err_is_tty = false, in_is_tty = false;
  bool may_ask = true;    // not with --no-input
  std::size_t width = 0;  // 0: not a terminal, nothing is cut
  std::FILE* out = stdout;
  std::FILE* err = stderr;

  bool for_people() const { return format == Format::table || format == Format::wide; }
  std::string word(Word w, const Args& args = {}) const { return say(w, language, args); }
  void print(std::string_view text) const;  // to standard output, as it is
  void line(std::string_view text) const;   // a line of talk
  void show(const Table& table) const;
  // error:, why:, try:, code: lines; one JSON object with -o json or jsonl. Returns the exit code.
  int report(const Failure& failure) const;
  // A question on the terminal; false without one, and for anything but a yes.
  bool confirmed(std::string_view question) const;
};

struct TerminalWishes {
  std::string language, format = "table";
  bool no_color = false, no_input = false;
};
Terminal make_terminal(const TerminalWishes& wishes, const std::map<std::string, std::string>& environment);

// One line that is written over again on a terminal; on anything else a line per change.
class Progress {
 public:
  explicit Progress(const Terminal& terminal) : terminal_(terminal) {}
  ~Progress() { finish(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // `stage` is what matters when every change costs a line: a new line is written only when it differs.
  void show(const std::string& stage, const std::string& detail);
  void finish();

 private:
  const Terminal& terminal_;
  std::string stage_, shown_;
};

}  // namespace gyre::cli
