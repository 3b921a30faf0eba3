#include "cli/backup_command.hpp"

#include <unistd.h>

#include <boost/json.hpp>

#include "cli/views.hpp"
#include "server/backup.hpp"

namespace gyre::cli {
namespace {

namespace json = boost::json;

constexpr const char* usual_config = "/etc/gyre/gyre.yaml";

int refuse(const Terminal& terminal, const Error& error) {
  return terminal.report(Failure::from(error, terminal.language));
}

// The configuration of the server whose data this is: as `gyre server` reads it, or as `gyre up` keeps it in the
// folder.
tl::expected<server::Config, std::vector<Error>> config_of(const BackupFlags& flags,
                                                           const std::map<std::string, std::string>& environment) {
  server::ConfigSources sources;
  sources.environment = environment;
  const auto data = flags.data.empty() ? server::default_data_dir() : flags.data;
  const auto own = data + "/gyre.yaml";
  sources.file = flags.config;
  if (flags.config.empty() && ::access(own.c_str(), R_OK) == 0)
    sources.file = own;
  else if (flags.config.empty() && flags.data.empty() && ::access(usual_config, R_OK) == 0)
    sources.file = usual_config;
  if (!flags.data.empty()) sources.flags.push_back({"data_dir", {flags.data}, "--data"});
  auto loaded = server::load(sources);
  if (!loaded) return tl::unexpected(loaded.error());
  return std::move(loaded->config);
}

json::object json_of(const server::BackupFacts& facts) {
  return {{"file", facts.file},         {"gyreVersion", facts.gyre_version}, {"schema", facts.schema},
          {"database", facts.database}, {"madeAt", rfc3339(facts.made_at)},  {"bytes", facts.bytes}};
}

Time now() { return std::chrono::floor<Duration>(std::chrono::system_clock::now()); }

}  // namespace

int backup_command(const Terminal& terminal, const BackupFlags& flags,
                   const std::map<std::string, std::string>& environment) {
  const auto config = config_of(flags, environment);
  if (!config) return refuse(terminal, config.error().front());
  const auto made = server::make_backup(*config, flags.file, flags.metrics, now());
  if (!made) return refuse(terminal, made.error());
  if (terminal.format == Format::json)
    terminal.print(json::serialize(json_of(*made)) + "\n");
  else
    terminal.print(terminal.word(Word::backup_done, {{"file", made->file}, {"size", bytes_text(made->bytes)}}) + "\n");
  terminal.line(terminal.word(Word::backup_secret));
  return exit_ok;
}

int restore_command(const Terminal& terminal, const BackupFlags& flags,
                    const std::map<std::string, std::string>& environment) {
  const auto config = config_of(flags, environment);
  if (!config) return refuse(terminal, config.error().front());
  const auto restored = server::restore_backup(*config, flags.file, flags.replace, now());
  if (!restored) return refuse(terminal, restored.error());
  if (terminal.format == Format::json) {
    auto out = json_of(restored->backup);
    out["dataDir"] = config->data_dir;
    out["setAside"] = restored->set_aside.empty() ? json::value() : json::value(restored->set_aside);
    terminal.print(json::serialize(out) + "\n");
    return exit_ok;
  }
  terminal.print(
      terminal.word(Word::restore_done, {{"time", rfc3339(restored->backup.made_at)}, {"data", config->data_dir}}) +
      "\n");
  if (!restored->set_aside.empty())
    terminal.line(terminal.word(Word::restore_set_aside, {{"place", restored->set_aside}}));
  terminal.line(terminal.word(Word::restore_next));
  return exit_ok;
}

}  // namespace gyre::cli
