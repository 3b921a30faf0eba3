#include "cli/agent_command.hpp"

#include <boost/json.hpp>
#include <chrono>
#include <filesystem>

#include "agent/enrol.hpp"
#include "agent/run.hpp"
#include "cli/output.hpp"
#include "server/config.hpp"

namespace gyre::cli {
namespace {

Time now() { return std::chrono::floor<Duration>(std::chrono::system_clock::now()); }

// Beside the server's data, so that one folder is all there is to keep.
std::string folder_of(const std::string& given) {
  return std::filesystem::absolute(given.empty() ? server::default_data_dir() + "/agent" : given).lexically_normal();
}

}  // namespace

std::string agent_lock_file(const std::string& folder) { return agent::lock_file(folder); }

Result<std::optional<HostId>> joined_host(const std::string& folder) {
  const auto identity = agent::load_identity(folder);
  if (identity) return identity->host;
  if (identity.error().reason == Reason::not_joined) return std::nullopt;
  return fail(identity.error());
}

Result<> join_server(const std::string& server, const std::string& token, const std::string& folder,
                     Language language) {
  agent::JoinOptions options;
  options.server = server;
  options.token = token;
  options.data_dir = folder;
  options.language = language;
  TRY(agent::join(options, now()));
  return {};
}

int agent_join(const Terminal& terminal, const AgentJoinFlags& flags) {
  const auto refuse = [&](const Error& error) { return terminal.report(Failure::from(error, terminal.language)); };
  if (flags.server.empty()) return refuse(Error{Reason::no_server_known, {}, ""});
  const auto folder = folder_of(flags.data);
  if (const auto joined = join_server(flags.server, flags.token, folder, terminal.language); !joined)
    return refuse(joined.error());
  const auto host = joined_host(folder);
  if (!host) return refuse(host.error());
  const std::string id = *host ? (*host)->str() : "";
  tell(terminal, boost::json::object{{"hostId", id}, {"dataDir", folder}},
       terminal.word(Word::joined, {{"host", id}, {"folder", folder}}), "hostId");
  return exit_ok;
}

std::string engine_socket_path(const std::string& given, const std::map<std::string, std::string>& environment) {
  auto path = given;
  if (const auto host = environment.find("DOCKER_HOST"); path.empty() && host != environment.end()) path = host->second;
  if (path.starts_with("unix://")) path.erase(0, 7);
  return path.empty() ? path : std::filesystem::absolute(path).lexically_normal().string();
}

int agent_run(const Terminal& terminal, const AgentRunFlags& flags,
              const std::map<std::string, std::string>& environment) {
  agent::AgentRunOptions options;
  options.data_dir = folder_of(flags.data);
  options.simulate_gpus = flags.simulate_gpus;
  options.servers = flags.servers;
  options.host_ports_for_containers = flags.host_ports;
  options.advertise = flags.advertise;
  options.http_address = flags.http_address;
  options.network_volumes = flags.network_volumes;
  if (!flags.listen_address.empty()) options.listen_address = flags.listen_address;
  const auto socket = engine_socket_path(flags.engine, environment);
  if (!socket.empty()) options.engine_socket = socket;
  const auto ended = agent::run_agent(options);
  if (!ended) return terminal.report(Failure::from(ended.error(), terminal.language));
  return exit_ok;
}

}  // namespace gyre::cli
