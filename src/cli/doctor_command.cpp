#include "cli/doctor_command.hpp"

#include <boost/json.hpp>

#include "agent/enrol.hpp"
#include "base/enum_text.hpp"
#include "cli/agent_command.hpp"
#include "cli/output.hpp"
#include "cli/views.hpp"
#include "doctor/doctor.hpp"
#include "server/config.hpp"

namespace gyre::cli {

namespace json = boost::json;

namespace {

json::object shown(const doctor::Finding& finding, Language language) {
  json::object out{{"check", finding.check}, {"level", enum_text(finding.level)}};
  out["code"] = finding.reason ? json::value(reason_text(*finding.reason)) : json::value();
  out["text"] = finding.reason ? sentence(*finding.reason, finding.args, language)
                               : say_named("doctor_", finding.check, language, finding.args);
  out["fix"] = finding.reason ? json::value(way_out(*finding.reason, finding.args, language)) : json::value();
  return out;
}

const Kind& finding_kind() {
  static const Kind kind{.columns = {{.key = "level",
                                      .title = Word::col_level,
                                      .shown =
                                          [](const Row& row) {
                                            const auto level = text_of(row.value, "level");
                                            return Cell{say_named("level_", level, row.language),
                                                        level == "ok"     ? Tone::good
                                                        : level == "warn" ? Tone::waiting
                                                                          : Tone::bad};
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
    const auto tone = level == "ok" ? Tone::good : level == "warn" ? Tone::waiting : Tone::bad;
    const auto padding = std::string(6 - std::min<std::size_t>(6, display_width(word)), ' ');
    terminal.print(colored(word, tone, terminal.color_out) + padding + printable(text_of(finding, "text")) + "\n");
    if (level == "ok") continue;
    terminal.print("      " + terminal.word(Word::fix_prefix) + ": " + printable(text_of(finding, "fix")) + "\n");
    terminal.print(colored("      " + terminal.word(Word::code_prefix) + ": " + text_of(finding, "code"), Tone::dim,
                           terminal.color_out) +
                   "\n");
  }
}

}  // namespace

int doctor_command(const Terminal& terminal, const DoctorFlags& flags, const std::string& server,
                   const std::map<std::string, std::string>& environment) {
  doctor::Machine machine;
  if (const auto socket = engine_socket_path(flags.engine, environment); !socket.empty())
    machine.engine_socket = socket;
  if (!flags.listen_address.empty()) machine.listen_address = flags.listen_address;
  machine.ports = flags.ports;
  machine.server = server;
  machine.now = [] { return std::chrono::floor<Duration>(std::chrono::system_clock::now()); };
  const auto folder = flags.agent_data.empty() ? server::default_data_dir() + "/agent" : flags.agent_data;
  if (const auto identity = agent::load_identity(folder)) {
    machine.agents_ports = identity->servers;
    machine.agent_certificate_pem = identity->credentials.certificate_pem;
  }
  const auto findings = doctor::examine(machine);
  json::array rows;
  for (const auto& finding : findings) rows.push_back(shown(finding, terminal.language));
  if (terminal.format == Format::table)
    print_for_people(terminal, rows);
  else
    show_list(terminal, machine.now(), finding_kind(), rows, {});
  return doctor::worst(findings) == doctor::Level::fail ? exit_failed : exit_ok;
}

}  // namespace gyre::cli
