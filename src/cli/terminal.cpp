#include "cli/terminal.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <charconv>

#include "base/enum_text.hpp"

namespace gyre::cli {

void Terminal::print(std::string_view text) const {
  std::fwrite(text.data(), 1, text.size(), out);
  std::fflush(out);
}

void Terminal::line(std::string_view text) const {
  std::fwrite(text.data(), 1, text.size(), err);
  std::fputc('\n', err);
  std::fflush(err);
}

void Terminal::show(const Table& table) const { print(table.print(width, color_out)); }

int Terminal::report(const Failure& failure) const {
  if (format == Format::json || format == Format::jsonl) {
    boost::json::object object;
    boost::system::error_code ignored;
    if (auto parsed = boost::json::parse(failure.body, ignored); parsed.is_object()) object = parsed.as_object();
    object["code"] = failure.code;
    object["detail"] = failure.detail;
    if (!failure.why.empty()) object["why"] = failure.why;
    if (!failure.fix.empty()) object["fix"] = failure.fix;
    if (!failure.field.empty()) object["field"] = failure.field;
    object["exit"] = static_cast<int>(failure.exit);
    line(boost::json::serialize(object));
    return failure.exit;
  }
  const auto first = colored(word(Word::error_prefix) + ":", Tone::bad, color_err);
  line(first + " " + printable(failure.detail));
  auto why = failure.why;
  if (why.empty() && !failure.field.empty()) why = word(Word::why_field, {{"field", failure.field}});
  if (!why.empty()) line(word(Word::why_prefix) + ": " + printable(why));
  if (!failure.fix.empty()) line(word(Word::fix_prefix) + ": " + printable(failure.fix));
  auto last = word(Word::code_prefix) + ": " + printable(failure.code);
  if (!failure.request_id.empty()) last += " · " + word(Word::request_prefix) + " " + printable(failure.request_id);
  line(colored(last, Tone::dim, color_err));
  return failure.exit;
}

bool Terminal::confirmed(std::string_view question) const {
  if (!in_is_tty || !err_is_tty) return false;
  std::fwrite(question.data(), 1, question.size(), err);
  std::fflush(err);
  char answer[16] = {};
  if (!std::fgets(answer, sizeof answer, stdin)) return false;
  const std::string_view text = answer;
  return text == "y\n" || text == "Y\n" || text == "yes\n" || text == "예\n";
}

Terminal make_terminal(const TerminalWishes& wishes, const std::map<std::string, std::string>& environment) {
  const auto variable = [&](const char* name) {
    const auto found = environment.find(name);
    return found == environment.end() ? std::string() : found->second;
  };
  Terminal out;
  out.language = language_of(wishes.language, environment);
  out.format = enum_from_text<Format>(wishes.format).value_or(Format::table);
  out.may_ask = !wishes.no_input;
  out.out_is_tty = ::isatty(STDOUT_FILENO) == 1;
  out.err_is_tty = ::isatty(STDERR_FILENO) == 1;
  out.in_is_tty = ::isatty(STDIN_FILENO) == 1;
  const bool color = !wishes.no_color && variable("NO_COLOR").empty() && variable("TERM") != "dumb";
  out.color_out = color && out.out_is_tty;
  out.color_err = color && out.err_is_tty;
  if (out.out_is_tty) {
    winsize size{};
    out.width = ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
    const auto columns = variable("COLUMNS");
    std::size_t wanted = 0;
    if (std::from_chars(columns.data(), columns.data() + columns.size(), wanted).ec == std::errc{} && wanted > 0)
      out.width = wanted;
  }
  return out;
}

void Progress::show(const std::string& stage, const std::string& detail) {
  const auto text = printable(detail.empty() ? stage : stage + ": " + detail);
  if (text == shown_) return;
  if (terminal_.err_is_tty && terminal_.for_people()) {
    const auto room = terminal_.width > 1 ? terminal_.width - 1 : 79;
    const auto line = "\r" + cut_to_width(text, room) + "\033[K";
    std::fwrite(line.data(), 1, line.size(), terminal_.err);
    std::fflush(terminal_.err);
  } else if (stage != stage_) {
    terminal_.line(text);
  }
  stage_ = stage;
  shown_ = text;
}

void Progress::finish() {
  if (!shown_.empty() && terminal_.err_is_tty && terminal_.for_people()) terminal_.line("");
  shown_.clear();
}

}  // namespace gyre::cli
