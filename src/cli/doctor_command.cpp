#include "cli/doctor_command.hpp"

#include <boost/json.hpp>

#include "agent/enrol.hpp"
#include "base/enum_text.hpp"
#include "cli/agent_command.hpp"
#include "cli/findings.hpp"
#include "doctor/doctor.hpp"
#include "server/config.hpp"

namespace gyre::cli {

namespace json = boost::json;

namespace {

json::object shown(const doctor::Finding& found, Language language) {
  return finding(found.check, enum_text(found.level), found.reason, found.args,
                 say_named("doctor_", found.check, language, found.args), language);
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
  show_findings(terminal, machine.now(), rows);
  return doctor::worst(findings) == doctor::Level::fail ? exit_failed : exit_ok;
}

}  // namespace gyre::cli
