#include "agent/run.hpp"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <csignal>
#include <cstring>

#include "agent/agent.hpp"
#include "agent/enrol.hpp"
#include "agent/host_facts.hpp"
#include "agent/tunnels.hpp"
#include "base/files.hpp"
#include "base/log.hpp"
#include "link/grpc_client.hpp"
#include "runtime/asio_runtime.hpp"

namespace gyre::agent {
namespace {

Result<std::unique_ptr<db::Connection>> open_journal(const std::filesystem::path& path) {
  try {
    return db::open("sqlite://" + std::filesystem::absolute(path).string());
  } catch (const db::DbError& problem) {
    return fail(Reason::file_unusable, {{"path", path.string()}, {"detail", problem.what()}});
  }
}

AgentConfig config_of(const AgentRunOptions& options, const HostId& host) {
  AgentConfig config;
  config.host = host;
  config.facts = gather_host_facts(options.advertise);
  config.http_address = options.http_address;
  config.listen_address = options.listen_address;
  config.network_volumes = options.network_volumes;
  return config;
}

}  // namespace

void tell_systemd(const std::string& state) {
  const char* path = std::getenv("NOTIFY_SOCKET");
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path == nullptr || std::strlen(path) < 2 || std::strlen(path) >= sizeof address.sun_path) return;
  std::strcpy(address.sun_path, path);
  if (address.sun_path[0] == '@') address.sun_path[0] = '\0';  // the abstract name space
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + std::strlen(path));
  const int socket = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (socket < 0) return;
  const auto sent =
      ::sendto(socket, state.data(), state.size(), MSG_NOSIGNAL, reinterpret_cast<const sockaddr*>(&address), size);
  if (sent < 0) log::debug("systemd was not told", {{"state", state}});
  ::close(socket);
}

Result<> run_agent(const AgentRunOptions& options, const AgentParts& parts) {
  raise_file_limit();
  ::umask(0077);  // the journal holds registry passwords
  std::signal(SIGPIPE, SIG_IGN);
  const auto identity = TRY(load_identity(options.data_dir));
  const auto lock = TRY(FileLock::try_lock(lock_file(options.data_dir)));
  if (!lock) return fail(Reason::agent_already_running, {{"path", options.data_dir.string()}});
  const auto journal = TRY(open_journal(options.data_dir / "journal.db"));
  const auto gpus = TRY(parts.gpus(identity.host.str()));
  const auto disk = engine_data_path(options.engine_socket);

  AsioRuntime runtime;
  const auto engine = parts.engine(runtime);
  bool retired = false;
  {
    std::optional<Agent> agent;
    link::GrpcClient* link = nullptr;
    Tunnels tunnels(runtime, [&link](const std::string& token, const std::optional<Error>& why) {
      return link ? link->carry(token, why) : nullptr;
    });
    auto tools = system_host_tools(disk.string());
    tools.carry = [&tunnels](const std::string& token, const Result<HostTools::Target>& target) {
      if (!target) return tunnels.open(token, fail(target.error()));
      tunnels.open(token, Tunnels::Target{target->pod.str(), target->address, target->container_port, target->port});
    };
    try {
      agent.emplace(runtime, *engine, *gpus, *journal, config_of(options, identity.host), std::move(tools));
    } catch (const db::DbError& problem) {
      return fail(Reason::file_unusable,
                  {{"path", (options.data_dir / "journal.db").string()}, {"detail", problem.what()}});
    }
    link::GrpcClientConfig client_config;
    client_config.servers = options.servers.empty() ? identity.servers : options.servers;
    client_config.credentials = identity.credentials;
    link::GrpcClient client(runtime, client_config);
    link = &client;
    Renewal renewal(runtime, client, options.data_dir, identity);

    runtime.on_signal({SIGTERM, SIGINT}, [&runtime](int signal) {
      log::info("the agent stops; containers run on", {{"signal", std::to_string(signal)}});
      runtime.stop();
    });
    agent->start(client, [&] {
      log::info("the server has retired this host");
      retired = true;
      runtime.stop();
    });
    client.start(*agent);
    renewal.start();
    log::info("the agent runs", {{"host", identity.host.str()}, {"version", GYRE_VERSION}});
    tell_systemd("READY=1");
    runtime.run();
    tell_systemd("STOPPING=1");
    // What is built above ends in the opposite order: the link hangs up before the agent goes.
  }
  if (retired) TRY(retire_identity(options.data_dir));
  return {};
}

}  // namespace gyre::agent
