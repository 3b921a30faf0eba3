#include "cli/server_command.hpp"

#include <unistd.h>

#include <boost/json.hpp>

#include "agent/run.hpp"
#include "base/log.hpp"
#include "server/server.hpp"

namespace gyre::cli {
namespace {

constexpr const char* usual_config = "/etc/gyre/gyre.yaml";

void write_all(int descriptor, std::string_view text) {
  while (!text.empty()) {
    const auto count = ::write(descriptor, text.data(), text.size());
    if (count <= 0) return;  // nobody listens any more
    text.remove_prefix(static_cast<std::size_t>(count));
  }
}

// Whoever started us waits on a descriptor; a person reads standard error.
int refuse(const Terminal& terminal, const ServerFlags& flags, const std::vector<Error>& problems) {
  int code = exit_failed;
  for (const auto& problem : problems) code = terminal.report(Failure::from(problem, terminal.language));
  if (flags.ready_fd >= 0 && !problems.empty()) {
    const auto& first = problems.front();
    const boost::json::object error{{"code", reason_text(first.reason)},
                                    {"detail", first.message(terminal.language)},
                                    {"fix", first.fix(terminal.language)}};
    write_all(flags.ready_fd, boost::json::serialize(boost::json::object{{"error", error}}));
    ::close(flags.ready_fd);
  }
  return code;
}

void tell_ready(const ServerFlags& flags, const Terminal& terminal, const server::Ready& ready) {
  if (flags.ready_fd < 0) {
    // The link lets its reader in: it goes to whoever started the server, and never into the log.
    if (!ready.login.empty()) terminal.print(ready.login + "\n");
    return;
  }
  boost::json::array listen;
  for (const auto& address : ready.listen) listen.emplace_back(address);
  const boost::json::object said{{"url", ready.url},       {"localUrl", ready.local_url},
                                 {"agents", ready.agents}, {"listen", listen},
                                 {"login", ready.login},   {"networkVolumes", ready.network_volumes}};
  write_all(flags.ready_fd, boost::json::serialize(said));
  ::close(flags.ready_fd);
}

}  // namespace

int server_command(const Terminal& terminal, const ServerFlags& flags,
                   const std::map<std::string, std::string>& environment) {
  if (flags.print_document) {
    terminal.print(server::configuration_document());
    return exit_ok;
  }
  server::ServerOptions options;
  options.sources.file = flags.config;
  if (flags.config.empty() && ::access(usual_config, R_OK) == 0) options.sources.file = usual_config;
  options.sources.environment = environment;
  options.sources.flags = flags.settings;
  auto loaded = server::load(options.sources);
  if (!loaded) return refuse(terminal, flags, loaded.error());
  if (flags.print_config) {
    terminal.print(server::print_config(*loaded));
    return exit_ok;
  }
  for (const auto& warning : loaded->warnings) log::warn(warning);
  options.config = std::move(loaded->config);
  options.first_key_file = flags.first_key;
  auto left_to_tell = flags;  // what ends a server later is for its log: whoever waited on the descriptor has heard
  options.ready = [&](const server::Ready& ready) {
    tell_ready(flags, terminal, ready);
    left_to_tell.ready_fd = -1;
    agent::tell_systemd("READY=1");
  };
  const auto ended = server::run_server(options);
  if (!ended) return refuse(terminal, left_to_tell, {ended.error()});
  return exit_ok;
}

}  // namespace gyre::cli
