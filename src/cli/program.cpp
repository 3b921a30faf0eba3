#include "cli/program.hpp"

#include <signal.h>

#include <CLI/CLI.hpp>
#include <boost/json.hpp>
#include <filesystem>
#include <iostream>

#include "base/secrets.hpp"
#include "cli/agent_command.hpp"
#include "cli/backup_command.hpp"
#include "cli/commands.hpp"
#include "cli/compat_command.hpp"
#include "cli/completion.hpp"
#include "cli/context.hpp"
#include "cli/doctor_command.hpp"
#include "cli/exec_commands.hpp"
#include "cli/http_api.hpp"
#include "cli/output.hpp"
#include "cli/server_command.hpp"
#include "cli/top_command.hpp"
#include "cli/up.hpp"
#include "runtime/os_random.hpp"

extern char** environ;

namespace gyre::cli {
namespace {

std::map<std::string, std::string> whole_environment() {
  std::map<std::string, std::string> out;
  for (char** line = environ; *line != nullptr; ++line) {
    const std::string_view text = *line;
    if (const auto equals = text.find('='); equals != std::string_view::npos)
      out.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  return out;
}

Time system_now() { return std::chrono::floor<Duration>(std::chrono::system_clock::now()); }

// "90s", "10m", "2h" or bare seconds; for --timeout and --since.
std::optional<Duration> parse_time_span(const std::string& text) {
  std::size_t digits = 0;
  std::int64_t number = 0;
  try {
    number = std::stoll(text, &digits);
  } catch (const std::exception&) {
    return std::nullopt;
  }
  const auto unit = text.substr(digits);
  const std::int64_t factor = unit.empty() || unit == "s" ? 1'000
                              : unit == "m"               ? 60'000
                              : unit == "h"               ? 3'600'000
                              : unit == "d"               ? 86'400'000
                                                          : 0;
  if (factor == 0 || number < 0 || number > 1'000'000) return std::nullopt;
  return Duration(number * factor);
}

// Everything the parser writes into; one object, so that the tree below reads as a list.
struct Parsed {
  TerminalWishes terminal;
  Wishes server;
  PodCreateFlags create;
  PodListFlags list;
  PodUpdateFlags update;
  PodLogFlags logs;
  ListFlags show;
  ContextAddFlags context;
  PodExecFlags exec;
  SyncFlags sync;
  GpuTypeFlags gpu_type;
  PriceFlags price;
  TemplateFlags template_flags;
  DataCenterFlags center;
  std::string host_data_center;
  std::string value_file, description, username, data_center = "LOCAL", registry_auth;
  std::int64_t size_gb = 0;
  std::string copy_from, copy_to;
  bool wait = false, yes = false, force = false, read_only = false, all = false;
  std::string timeout, pod, host, name, since, shell, key, locked;
  std::vector<std::string> pods, keys;
  PodStartFlags start;
  UpFlags up;
  DownFlags down;
  DoctorFlags doctor;
  CompatFlags compat;
  AgentJoinFlags join;
  AgentRunFlags agent;
  ServerFlags server_flags;
  BackupFlags backup;
  std::string range;
  bool once = false;
  std::map<std::string, std::vector<std::string>> settings;  // key -> what its flag said
};

// The parser's own sentences that people meet most, in the language of everything else.
std::string in_our_words(const std::string& said, const std::vector<std::string>& left_over, Language language) {
  if (said == "A subcommand is required") {
    if (left_over.empty()) return say(Word::usage_no_command, language);
    return say(Word::usage_unexpected, language, {{"name", left_over.front()}});
  }
  for (const std::string_view end : {" is required"})
    if (said.ends_with(end))
      return say(Word::usage_required, language, {{"name", said.substr(0, said.size() - end.size())}});
  constexpr std::string_view unexpected = "The following argument was not expected: ",
                             several = "The following arguments were not expected: ";
  for (const auto begin : {unexpected, several})
    if (said.starts_with(begin)) return say(Word::usage_unexpected, language, {{"name", said.substr(begin.size())}});
  return said;
}

// The heads of groups, which the parser has in English.
class OurFormatter final : public CLI::Formatter {
 public:
  explicit OurFormatter(Language language) : language_(language) {}
  std::string make_group(std::string group, bool is_positional,
                         std::vector<const CLI::Option*> options) const override {
    if (group == "Options") group = say(Word::usage_options, language_);
    return CLI::Formatter::make_group(std::move(group), is_positional, std::move(options));
  }
  std::string make_subcommands(const CLI::App* app, CLI::AppFormatMode mode) const override {
    auto text = CLI::Formatter::make_subcommands(app, mode);
    constexpr std::string_view theirs = "Subcommands";
    if (const auto at = text.find(theirs); at != std::string::npos)
      text.replace(at, theirs.size(), say(Word::usage_commands, language_));
    return text;
  }

 private:
  Language language_;
};

class Program {
 public:
  Program(std::map<std::string, std::string> environment, Language language)
      : environment_(std::move(environment)), language_(language) {
    describe();
  }

  CommandWords words() const { return words_of(app_); }

  int run(int argc, char** argv) {
    // What stands after -- is the container's, whatever it looks like; the parser never sees it.
    const std::vector<std::string> all(argv, argv + argc);
    const auto dashes = std::find(all.begin(), all.end(), "--");
    if (dashes != all.end()) after_dashes_.assign(dashes + 1, all.end());
    try {
      app_.parse(static_cast<int>(dashes - all.begin()), argv);
      const auto* pod = app_.get_subcommand("pod");
      if (!after_dashes_.empty() && !pod->get_subcommand("create")->parsed() &&
          !pod->get_subcommand("update")->parsed() && !pod->get_subcommand("exec")->parsed())
        throw CLI::ExtrasError(after_dashes_);
    } catch (const CLI::ParseError& problem) {
      // Help and versions are no mistakes, and the parser prints them.
      if (problem.get_exit_code() == 0) return app_.exit(problem, std::cout, std::cerr);
      return wrong_command_line(problem.what());
    }
    terminal_ = make_terminal(parsed_.terminal, environment_);
    return action_ ? action_() : exit_usage;
  }

 private:
  using Action = std::function<int()>;
  std::string h(Word word) const { return say(word, language_); }
  void when(CLI::App* command, Action action) {
    command->callback([this, action = std::move(action)] { action_ = action; });
  }
  // A command that talks to a server.
  void ask(CLI::App* command, std::function<int(Commands&)> action) {
    when(command, [this, action = std::move(action)] {
      stop_ = catch_interrupts();
      const auto choice = chosen();
      if (!choice) return terminal_.report(Failure::from(choice.error(), terminal_.language));
      const auto api = http_api(choice->context, terminal_.language, stop_);
      OsRandom random;
      Commands commands{*api, terminal_, environment_, stop_, [&] { return hex(random.bytes(16)); }, system_now};
      commands.context =
          choice->name.empty() ? choice->context.server : choice->name + " (" + choice->context.server + ")";
      return action(commands);
    });
  }
  Result<Choice> chosen() const {
    const auto contexts = TRY(read_contexts(contexts_file(environment_)));
    std::error_code ignored;
    const auto project = TRY(find_project_file(std::filesystem::current_path(ignored).string(), environment_));
    return choose(parsed_.server, environment_, contexts, project);
  }

  int wrong_command_line(const std::string& said) {
    // The command as far as it was understood, for "see ... --help".
    std::string command = "gyre";
    for (const auto* level = &app_; level != nullptr;) {
      const auto next = level->get_subcommands();
      level = next.empty() ? nullptr : next.front();
      if (level) command += " " + level->get_name();
    }
    auto wishes = parsed_.terminal;
    wishes.language = language_ == Language::ko ? "ko" : "en";
    terminal_ = make_terminal(wishes, environment_);
    Args args{{"detail", in_our_words(said, app_.remaining(true), language_)}, {"command", command}};
    return terminal_.report(Failure::from(Error{Reason::command_line_wrong, std::move(args), ""}, language_));
  }

  void describe() {
    app_.name("gyre");
    app_.description(h(Word::help_program));
    app_.require_subcommand(1);
    app_.fallthrough();
    const auto formatter = std::make_shared<OurFormatter>(language_);
    formatter->column_width(34);
    formatter->label("Usage", h(Word::usage_words));
    formatter->label("Options", h(Word::usage_options));
    formatter->label("OPTIONS", h(Word::usage_options));
    formatter->label("Positionals", h(Word::usage_positionals));
    formatter->label("Subcommands", h(Word::usage_commands));
    formatter->label("SUBCOMMAND", h(Word::usage_commands));
    app_.formatter(formatter);
    app_.set_help_flag("-h,--help", h(Word::help_help));
    app_.set_version_flag("--version", "gyre " GYRE_VERSION, h(Word::help_version_flag));
    app_.add_option("-o,--output", parsed_.terminal.format, h(Word::help_output))
        ->check(CLI::IsMember({"table", "wide", "json", "jsonl", "yaml", "csv", "name"}));
    app_.add_option("--server", parsed_.server.server, h(Word::help_server));
    app_.add_option("--api-key", parsed_.server.api_key, h(Word::help_api_key));
    app_.add_option("--context", parsed_.server.context, h(Word::help_context));
    app_.add_option("--lang", parsed_.terminal.language, h(Word::help_lang))->check(CLI::IsMember({"en", "ko"}));
    app_.add_flag("--no-color", parsed_.terminal.no_color, h(Word::help_no_color));
    app_.add_flag("--no-input", parsed_.terminal.no_input, h(Word::help_no_input));
    app_.footer(h(Word::help_exit_codes));
    describe_local();
    describe_pods();
    describe_hosts();
    describe_syncs();
    describe_resources();
    describe_keys();
    describe_contexts();
    describe_compat();
    describe_processes();
    auto* version = app_.add_subcommand("version", h(Word::help_version));
    when(version, [this] {
      tell(terminal_, boost::json::object{{"version", GYRE_VERSION}}, "gyre " GYRE_VERSION, "version");
      return exit_ok;
    });
    auto* completion = app_.add_subcommand("completion", h(Word::help_completion));
    completion->add_option("shell", parsed_.shell, h(Word::help_shell))
        ->check(CLI::IsMember({"bash", "zsh", "fish"}))
        ->default_val("bash");
    when(completion, [this] {
      terminal_.print(completion_script(words(), parsed_.shell));
      return exit_ok;
    });
  }

  void describe_local() {
    auto* up_command = app_.add_subcommand("up", h(Word::help_up));
    up_command->add_option("--data", parsed_.up.data, h(Word::help_up_data));
    up_command->add_option("--listen", parsed_.up.listen, h(Word::help_up_listen))->allow_extra_args(false);
    up_command->add_option("--simulate-gpus", parsed_.up.simulate_gpus, h(Word::help_simulate));
    up_command->add_option("--engine", parsed_.up.engine, h(Word::help_engine));
    up_command->add_flag("-d,--detach", parsed_.up.detach, h(Word::help_detach));
    up_command->add_flag("--no-context", parsed_.up.no_context, h(Word::help_no_context));
    when(up_command, [this] { return up(terminal_, parsed_.up, environment_, catch_interrupts()); });

    auto* down_command = app_.add_subcommand("down", h(Word::help_down));
    down_command->add_option("--data", parsed_.down.data, h(Word::help_down_data));
    down_command->add_flag("--stop-pods", parsed_.down.stop_pods, h(Word::help_stop_pods));
    when(down_command, [this] { return down(terminal_, parsed_.down, catch_interrupts()); });

    auto& backup = parsed_.backup;
    const auto of_server = [&](CLI::App* command) {
      command->add_option("file", backup.file, h(Word::help_backup_file))->required();
      command->add_option("--data", backup.data, h(Word::help_backup_data));
      command->add_option("--config", backup.config, h(Word::help_config))->envname("GYRE_CONFIG");
    };
    auto* backup_app = app_.add_subcommand("backup", h(Word::help_backup));
    of_server(backup_app);
    backup_app->add_flag("--metrics", backup.metrics, h(Word::help_backup_metrics));
    when(backup_app, [this] { return backup_command(terminal_, parsed_.backup, environment_); });
    auto* restore_app = app_.add_subcommand("restore", h(Word::help_restore));
    of_server(restore_app);
    restore_app->add_flag("--replace", backup.replace, h(Word::help_restore_replace));
    when(restore_app, [this] { return restore_command(terminal_, parsed_.backup, environment_); });

    auto* doctor = app_.add_subcommand("doctor", h(Word::help_doctor));
    doctor->add_option("--engine", parsed_.doctor.engine, h(Word::help_engine))->envname("GYRE_AGENT_ENGINE");
    doctor->add_option("--data", parsed_.doctor.agent_data, h(Word::help_doctor_agent_data))
        ->envname("GYRE_AGENT_DATA");
    doctor->add_option("--listen-address", parsed_.doctor.listen_address, h(Word::help_doctor_listen))
        ->envname("GYRE_AGENT_LISTEN_ADDRESS");
    doctor->add_option("--port", parsed_.doctor.ports, h(Word::help_doctor_port))
        ->allow_extra_args(false)
        ->check(CLI::Range(1, 65535));
    when(doctor, [this] {
      const auto choice = chosen();
      // Without a server the machine can be looked at all the same; what is wrong with a choice is said.
      if (!choice && choice.error().reason != Reason::no_server_known)
        return terminal_.report(Failure::from(choice.error(), terminal_.language));
      return doctor_command(terminal_, parsed_.doctor, choice ? choice->context.server : "", environment_);
    });
  }

  // A list: which of its rows and columns.
  void add_show(CLI::App* command, ListFlags& flags) {
    command->add_option("-f,--filter", flags.filters, h(Word::help_filter))->allow_extra_args(false);
    command->add_option("--columns", flags.columns, h(Word::help_columns))->delimiter(',')->allow_extra_args(false);
  }
  void add_yes(CLI::App* command) { command->add_flag("-y,--yes", parsed_.yes, h(Word::help_yes)); }
  void add_wait(CLI::App* command) {
    command->add_flag("-w,--wait", parsed_.wait, h(Word::help_wait));
    const auto language = language_;
    const CLI::Validator time_span(
        [language](const std::string& text) {
          return parse_time_span(text) ? std::string() : say(Word::bad_time, language);
        },
        "TIME", "time span");
    command->add_option("--timeout", parsed_.timeout, h(Word::help_timeout))->check(time_span);
  }
  WaitFlags waiting() const { return {parsed_.wait, parse_time_span(parsed_.timeout).value_or(Duration(0))}; }

  void describe_pods() {
    auto* pod = app_.add_subcommand("pod", h(Word::help_pod));
    pod->require_subcommand(1);
    describe_create(pod->add_subcommand("create", h(Word::help_pod_create)));

    auto* list = pod->add_subcommand("list", h(Word::help_pod_list));
    add_show(list, parsed_.list.show);
    list->add_option("--sort", parsed_.list.sort, h(Word::help_sort));
    list->add_option("--limit", parsed_.list.limit, h(Word::help_limit))->check(CLI::Range(1, 1000));
    list->add_option("--cursor", parsed_.list.cursor, h(Word::help_cursor));
    ask(list, [this](Commands& c) { return pod_list(c, parsed_.list); });

    auto* ps = app_.add_subcommand("ps", h(Word::help_ps));
    add_show(ps, parsed_.list.show);
    ps->add_flag("-a,--all", parsed_.all, h(Word::help_ps_all));
    ask(ps, [this](Commands& c) {
      parsed_.list.only_active = !parsed_.all;
      return pod_list(c, parsed_.list);
    });

    auto* get = pod->add_subcommand("get", h(Word::help_pod_get));
    add_pod(get);
    add_wait(get);
    ask(get, [this](Commands& c) { return pod_get(c, parsed_.pod, waiting()); });

    describe_update(pod->add_subcommand("update", h(Word::help_pod_update)));

    for (auto* parent : {pod, &app_}) {  // gyre pod logs, and gyre logs for every day
      describe_logs(parent->add_subcommand("logs", h(Word::help_pod_logs)));
      describe_verb(parent->add_subcommand("start", h(Word::help_pod_start)), PodVerb::start);
      describe_verb(parent->add_subcommand("stop", h(Word::help_pod_stop)), PodVerb::stop);
    }
    describe_verb(pod->add_subcommand("restart", h(Word::help_pod_restart)), PodVerb::restart);
    describe_verb(pod->add_subcommand("reset", h(Word::help_pod_reset)), PodVerb::reset);

    describe_exec(pod->add_subcommand("exec", h(Word::help_exec)));
    describe_copy(pod->add_subcommand("cp", h(Word::help_cp)));
    describe_top(pod->add_subcommand("top", h(Word::help_top)));

    auto* remove = pod->add_subcommand("delete", h(Word::help_pod_delete));
    remove->add_option("pod", parsed_.pods, h(Word::help_pod_ids))->required();
    add_yes(remove);
    add_wait(remove);
    ask(remove, [this](Commands& c) { return pod_delete(c, parsed_.pods, parsed_.yes, waiting()); });
  }

  void add_pod(CLI::App* command) { command->add_option("pod", parsed_.pod, h(Word::help_pod_id))->required(); }

  void describe_logs(CLI::App* logs) {
    add_pod(logs);
    logs->add_option("-c,--container", parsed_.logs.container, h(Word::help_container));
    logs->add_flag("-f,--follow", parsed_.logs.follow, h(Word::help_follow));
    logs->add_option("--stream", parsed_.logs.stream, h(Word::help_stream))->check(CLI::IsMember({"stdout", "stderr"}));
    logs->add_flag("-t,--timestamps", parsed_.logs.timestamps, h(Word::help_timestamps));
    logs->add_option("--tail", parsed_.logs.tail, h(Word::help_tail))->check(CLI::NonNegativeNumber);
    logs->add_option("--since", parsed_.since, h(Word::help_since));
    ask(logs, [this](Commands& c) {
      auto flags = parsed_.logs;
      flags.since = parsed_.since;
      if (const auto ago = parse_time_span(parsed_.since)) flags.since = rfc3339(system_now() - *ago);
      return pod_logs(c, parsed_.pod, flags);
    });
  }

  void describe_verb(CLI::App* command, PodVerb verb) {
    add_pod(command);
    if (verb == PodVerb::start) {
      command->add_option("--gpus", parsed_.start.gpus, h(Word::help_start_gpus));
      command->add_option("--bid", parsed_.start.bid, h(Word::help_start_bid));
    }
    add_wait(command);
    ask(command, [this, verb](Commands& c) { return pod_verb(c, verb, parsed_.pod, parsed_.start, waiting()); });
  }

  void describe_exec(CLI::App* exec) {
    add_pod(exec);
    exec->add_option("-c,--container", parsed_.exec.container, h(Word::help_container));
    exec->add_flag("-i,--stdin", parsed_.exec.input, h(Word::help_stdin));
    exec->add_flag("-t,--tty", parsed_.exec.tty, h(Word::help_tty));
    exec->footer(h(Word::help_exec_footer));
    ask(exec, [this](Commands& c) {
      auto flags = parsed_.exec;
      flags.command = after_dashes_;
      return pod_exec(c, parsed_.pod, flags);
    });
  }

  void describe_copy(CLI::App* copy) {
    copy->add_option("from", parsed_.copy_from, h(Word::help_cp_path))->required();
    copy->add_option("to", parsed_.copy_to, h(Word::help_cp_path))->required();
    copy->add_option("-c,--container", parsed_.exec.container, h(Word::help_container));
    ask(copy, [this](Commands& c) { return pod_copy(c, parsed_.copy_from, parsed_.copy_to, parsed_.exec.container); });
  }

  void describe_top(CLI::App* top) {
    top->add_option("pod", parsed_.pod, h(Word::help_top_pod));
    top->add_option("--range", parsed_.range, h(Word::help_top_range));
    top->add_flag("--once", parsed_.once, h(Word::help_top_once));
    ask(top, [this](Commands& c) { return pod_top(c, parsed_.pod, parsed_.range, parsed_.once); });
  }

  void describe_create(CLI::App* create) {
    auto& flags = parsed_.create;
    create->footer(h(Word::help_pod_create_usage));
    create->add_option("--name", flags.name, h(Word::help_name));
    create->add_option("--gpu-type", flags.gpu_types, h(Word::help_gpu_type))->allow_extra_args(false);
    create->add_option("--gpus,--gpu-count", flags.gpus, h(Word::help_gpus));
    create->add_flag("--spot", flags.spot, h(Word::help_spot));
    create->add_option("--bid", flags.bid, h(Word::help_bid));
    create->add_option("--stop-after", flags.stop_after, h(Word::help_stop_after));
    create->add_option("--terminate-after", flags.terminate_after, h(Word::help_terminate_after));
    create->add_flag("--cpu", flags.cpu, h(Word::help_cpu));
    create->add_option("--vcpu", flags.vcpus, h(Word::help_vcpu));
    create->add_option("-e,--env", flags.env, h(Word::help_env))->allow_extra_args(false);
    create->add_option("--env-file", flags.env_file, h(Word::help_env_file));
    create->add_option("-p,--port", flags.ports, h(Word::help_port))->allow_extra_args(false);
    create->add_option("--disk", flags.disk_gb, h(Word::help_disk));
    create->add_option("--volume", flags.volume_gb, h(Word::help_volume));
    create->add_option("--mount", flags.mount, h(Word::help_mount));
    create->add_option("--network-volume", flags.network_volume, h(Word::help_pod_network_volume));
    create->add_option("--template", flags.template_id, h(Word::help_pod_template));
    create->add_option("--registry-auth", flags.registry_auth, h(Word::help_registry_auth));
    create->add_option("--shm", flags.shm_gb, h(Word::help_shm));
    create->add_option("--restart", flags.restart, h(Word::help_restart))
        ->check(CLI::IsMember({"always", "on_failure", "never"}));
    create->add_option("--min-cuda", flags.min_cuda, h(Word::help_min_cuda));
    create->add_option("--entrypoint", flags.entrypoint, h(Word::help_entrypoint))->allow_extra_args(false);
    create->add_option("--file", flags.file, h(Word::help_create_file));
    create->add_flag("--dry-run", flags.dry_run, h(Word::help_dry_run));
    add_wait(create);
    create->add_option("IMAGE,--image", flags.image, h(Word::help_image));
    ask(create, [this](Commands& c) {
      parsed_.create.command = after_dashes_;
      return pod_create(c, parsed_.create, waiting());
    });
  }

  void describe_update(CLI::App* update) {
    auto& flags = parsed_.update;
    add_pod(update);
    update->add_option("--name", flags.name, h(Word::help_name));
    update->add_option("--image", flags.image, h(Word::help_update_image));
    update->add_option("-e,--env", flags.env, h(Word::help_env))->allow_extra_args(false);
    update->add_option("--env-file", flags.env_file, h(Word::help_env_file));
    update->add_option("-p,--port", flags.ports, h(Word::help_port))->allow_extra_args(false);
    update->add_option("--disk", flags.disk_gb, h(Word::help_disk));
    update->add_option("--volume", flags.volume_gb, h(Word::help_volume));
    update->add_option("--mount", flags.mount, h(Word::help_mount));
    update->add_option("--restart", flags.restart, h(Word::help_restart))
        ->check(CLI::IsMember({"always", "on_failure", "never"}));
    update->add_option("--entrypoint", flags.entrypoint, h(Word::help_entrypoint))->allow_extra_args(false);
    update->add_option("--locked", parsed_.locked, h(Word::help_locked))->check(CLI::IsMember({"true", "false"}));
    update->add_option("--file", flags.file, h(Word::help_update_file));
    add_wait(update);
    ask(update, [this](Commands& c) {
      parsed_.update.command = after_dashes_;
      if (!parsed_.locked.empty()) parsed_.update.locked = parsed_.locked == "true";
      return pod_update(c, parsed_.pod, parsed_.update, waiting());
    });
  }

  void describe_hosts() {
    auto* host = app_.add_subcommand("host", h(Word::help_host));
    host->require_subcommand(1);
    auto* list = host->add_subcommand("list", h(Word::help_host_list));
    add_show(list, parsed_.show);
    ask(list, [this](Commands& c) { return host_list(c, parsed_.show); });
    auto* get = host->add_subcommand("get", h(Word::help_host_get));
    get->add_option("host", parsed_.host, h(Word::help_pod_id))->required();
    ask(get, [this](Commands& c) { return host_get(c, parsed_.host); });
    auto* token = host->add_subcommand("token", h(Word::help_host_token));
    token->add_option("--name", parsed_.name, h(Word::help_host_name));
    token->add_option("--data-center", parsed_.host_data_center, h(Word::help_host_data_center));
    ask(token, [this](Commands& c) { return host_token(c, parsed_.name, parsed_.host_data_center); });
    auto* place = host->add_subcommand("place", h(Word::help_host_place));
    place->add_option("host", parsed_.host, h(Word::help_pod_id))->required();
    place->add_option("--data-center", parsed_.host_data_center, h(Word::help_volume_data_center))->required();
    ask(place, [this](Commands& c) { return host_place(c, parsed_.host, parsed_.host_data_center); });
    for (const bool drain : {true, false}) {
      auto* command =
          host->add_subcommand(drain ? "drain" : "undrain", h(drain ? Word::help_host_drain : Word::help_host_undrain));
      command->add_option("host", parsed_.host, h(Word::help_pod_id))->required();
      ask(command, [this, drain](Commands& c) { return host_drain(c, parsed_.host, drain); });
    }
    auto* retire = host->add_subcommand("retire", h(Word::help_host_retire));
    retire->add_option("host", parsed_.host, h(Word::help_pod_id))->required();
    retire->add_flag("--force", parsed_.force, h(Word::help_force));
    add_yes(retire);
    ask(retire, [this](Commands& c) { return host_retire(c, parsed_.host, parsed_.force, parsed_.yes); });

    auto* center = app_.add_subcommand("data-center", h(Word::help_data_center));
    center->require_subcommand(1);
    auto* centers = center->add_subcommand("list", h(Word::help_data_center_list));
    add_show(centers, parsed_.show);
    ask(centers, [this](Commands& c) { return data_center_list(c, parsed_.show); });
    auto* add_center = center->add_subcommand("add", h(Word::help_data_center_add));
    add_center->add_option("id", parsed_.center.id, h(Word::help_data_center_id))->required();
    add_center->add_option("--name", parsed_.center.name, h(Word::help_data_center_name));
    add_center->add_option("--location", parsed_.center.location, h(Word::help_data_center_location));
    add_center->add_option("--country", parsed_.center.country, h(Word::help_data_center_country));
    ask(add_center, [this](Commands& c) { return data_center_add(c, parsed_.center); });

    auto* gpu = app_.add_subcommand("gpu", h(Word::help_gpu));
    gpu->require_subcommand(1);
    auto* gpus = gpu->add_subcommand("list", h(Word::help_gpu_list));
    add_show(gpus, parsed_.show);
    ask(gpus, [this](Commands& c) { return gpu_list(c, parsed_.show); });
    auto* types = gpu->add_subcommand("types", h(Word::help_gpu_types));
    add_show(types, parsed_.show);
    ask(types, [this](Commands& c) { return gpu_types(c, parsed_.show); });
    auto* add = gpu->add_subcommand("add", h(Word::help_gpu_add));
    add->add_option("type", parsed_.gpu_type.id, h(Word::help_gpu_type_id))->required();
    add->add_option("--name", parsed_.gpu_type.name, h(Word::help_gpu_type_name));
    add->add_option("--memory", parsed_.gpu_type.memory_gb, h(Word::help_gpu_type_memory))->required();
    add->add_option("--pool", parsed_.gpu_type.pool, h(Word::help_gpu_type_pool));
    ask(add, [this](Commands& c) { return gpu_add(c, parsed_.gpu_type); });
    const auto of_type = [this, gpu](const char* name, Word help) {
      auto* command = gpu->add_subcommand(name, h(help));
      command->add_option("type", parsed_.name, h(Word::help_gpu_type_id))->required();
      return command;
    };
    ask(of_type("get", Word::help_gpu_get), [this](Commands& c) { return gpu_get(c, parsed_.name); });
    auto* prices = of_type("prices", Word::help_gpu_prices);
    add_show(prices, parsed_.show);
    ask(prices, [this](Commands& c) { return gpu_prices(c, parsed_.name, parsed_.show); });
    auto* price = of_type("price", Word::help_gpu_price);
    price->add_option("--secure", parsed_.price.secure, h(Word::help_price_secure));
    price->add_option("--community", parsed_.price.community, h(Word::help_price_community));
    price->add_option("--secure-spot", parsed_.price.secure_spot, h(Word::help_price_secure_spot));
    price->add_option("--community-spot", parsed_.price.community_spot, h(Word::help_price_community_spot));
    price->add_option("--from", parsed_.price.from, h(Word::help_price_from));
    ask(price, [this](Commands& c) { return gpu_price(c, parsed_.name, parsed_.price); });
  }

  void describe_syncs() {
    auto* sync = app_.add_subcommand("sync", h(Word::help_sync));
    sync->require_subcommand(1);
    auto* create = sync->add_subcommand("create", h(Word::help_sync_create));
    add_pod(create);
    create->add_option("--to", parsed_.sync.to, h(Word::help_sync_to));
    create->add_option("--from", parsed_.sync.from, h(Word::help_sync_from));
    create->add_option("--path", parsed_.sync.path, h(Word::help_sync_path));
    create->add_option("--region", parsed_.sync.region, h(Word::help_sync_region));
    create->add_option("--endpoint-url", parsed_.sync.endpoint_url, h(Word::help_sync_endpoint));
    create->add_flag("-d,--detach", parsed_.sync.detach, h(Word::help_sync_detach));
    ask(create, [this](Commands& c) { return sync_create(c, parsed_.pod, parsed_.sync); });
    auto* list = sync->add_subcommand("list", h(Word::help_sync_list));
    list->add_option("pod", parsed_.pod, h(Word::help_pod_id));
    add_show(list, parsed_.show);
    ask(list, [this](Commands& c) { return sync_list(c, parsed_.pod, parsed_.show); });
    const auto of_one = [this, sync](const char* name, Word help) {
      auto* command = sync->add_subcommand(name, h(help));
      command->add_option("sync", parsed_.name, h(Word::help_sync_id))->required();
      return command;
    };
    ask(of_one("get", Word::help_sync_get), [this](Commands& c) { return sync_get(c, parsed_.name); });
    auto* logs = of_one("logs", Word::help_sync_logs);
    logs->add_flag("-f,--follow", parsed_.logs.follow, h(Word::help_follow));
    logs->add_option("--tail", parsed_.logs.tail, h(Word::help_tail))->check(CLI::NonNegativeNumber);
    ask(logs, [this](Commands& c) { return sync_logs(c, parsed_.name, parsed_.logs.follow, parsed_.logs.tail); });
    auto* cancel = sync->add_subcommand("cancel", h(Word::help_sync_cancel));
    cancel->add_option("sync", parsed_.keys, h(Word::help_sync_id))->required();
    ask(cancel, [this](Commands& c) { return sync_cancel(c, parsed_.keys); });
  }

  void describe_resources() {
    std::map<std::string, CLI::App*> nouns;
    for (const auto& resource : resources()) {
      auto* noun = nouns[resource.noun] = app_.add_subcommand(resource.noun, h(resource.help));
      noun->require_subcommand(1);
      auto* list = noun->add_subcommand("list", h(Word::help_thing_list));
      add_show(list, parsed_.show);
      ask(list, [this, &resource](Commands& c) { return resource_list(c, resource, parsed_.show); });
      auto* get = noun->add_subcommand("get", h(Word::help_thing_get));
      get->add_option(resource.noun, parsed_.name, h(Word::help_thing_id))->required();
      ask(get, [this, &resource](Commands& c) { return resource_get(c, resource, parsed_.name); });
      auto* remove = noun->add_subcommand("delete", h(Word::help_thing_delete));
      remove->add_option(resource.noun, parsed_.keys, h(Word::help_thing_id))->required();
      add_yes(remove);
      ask(remove, [this, &resource](Commands& c) { return resource_delete(c, resource, parsed_.keys, parsed_.yes); });
    }
    const auto create = [&](const char* noun) {
      auto* command = nouns[noun]->add_subcommand("create", h(Word::help_thing_create));
      command->add_option("name", parsed_.name, h(Word::help_thing_name))->required();
      return command;
    };
    auto& flags = parsed_.template_flags;
    auto* of_template = create("template");
    of_template->add_option("--image", flags.image, h(Word::help_template_image));
    of_template->add_option("-e,--env", flags.env, h(Word::help_env))->allow_extra_args(false);
    of_template->add_option("--env-file", flags.env_file, h(Word::help_env_file));
    of_template->add_option("-p,--port", flags.ports, h(Word::help_port))->allow_extra_args(false);
    of_template->add_option("--disk", flags.disk_gb, h(Word::help_disk));
    of_template->add_option("--volume", flags.volume_gb, h(Word::help_volume));
    of_template->add_option("--mount", flags.mount, h(Word::help_mount));
    of_template->add_option("--registry-auth", flags.registry_auth, h(Word::help_registry_auth));
    of_template->add_flag("--serverless", flags.serverless, h(Word::help_template_serverless));
    of_template->add_option("--file", flags.file, h(Word::help_template_file));
    ask(of_template, [this](Commands& c) {
      parsed_.template_flags.command = after_dashes_;
      return template_create(c, parsed_.name, parsed_.template_flags);
    });
    auto* of_secret = create("secret");
    of_secret->add_option("--value-file", parsed_.value_file, h(Word::help_secret_file));
    of_secret->add_option("--description", parsed_.description, h(Word::help_secret_description));
    ask(of_secret,
        [this](Commands& c) { return secret_create(c, parsed_.name, parsed_.value_file, parsed_.description); });
    auto* of_registry = create("registry");
    of_registry->add_option("--username", parsed_.username, h(Word::help_registry_username))->required();
    of_registry->add_option("--password-file", parsed_.value_file, h(Word::help_secret_file));
    ask(of_registry,
        [this](Commands& c) { return registry_create(c, parsed_.name, parsed_.username, parsed_.value_file); });
    auto* of_volume = create("volume");
    of_volume->add_option("--size", parsed_.size_gb, h(Word::help_volume_size))->required();
    of_volume->add_option("--data-center", parsed_.data_center, h(Word::help_volume_data_center));
    ask(of_volume,
        [this](Commands& c) { return volume_create(c, parsed_.name, parsed_.size_gb, parsed_.data_center); });
    auto* grow = nouns["volume"]->add_subcommand("grow", h(Word::help_volume_grow));
    grow->add_option("volume", parsed_.name, h(Word::help_thing_id))->required();
    grow->add_option("--size", parsed_.size_gb, h(Word::help_volume_size))->required();
    ask(grow, [this](Commands& c) { return volume_grow(c, parsed_.name, parsed_.size_gb); });

    auto* image = app_.add_subcommand("image", h(Word::help_image_noun));
    image->require_subcommand(1);
    auto* check = image->add_subcommand("check", h(Word::help_image_check));
    check->add_option("image", parsed_.name, h(Word::help_image_name))->required();
    check->add_option("--registry-auth", parsed_.registry_auth, h(Word::help_registry_auth));
    ask(check, [this](Commands& c) { return image_check(c, parsed_.name, parsed_.registry_auth); });
  }

  void describe_keys() {
    auto* key = app_.add_subcommand("key", h(Word::help_key));
    key->require_subcommand(1);
    auto* create = key->add_subcommand("create", h(Word::help_key_create));
    create->add_option("name", parsed_.name, h(Word::help_key_name));
    create->add_flag("--read-only", parsed_.read_only, h(Word::help_read_only));
    ask(create, [this](Commands& c) { return key_create(c, parsed_.name, parsed_.read_only); });
    auto* list = key->add_subcommand("list", h(Word::help_key_list));
    add_show(list, parsed_.show);
    ask(list, [this](Commands& c) { return key_list(c, parsed_.show); });
    for (const bool enable : {false, true}) {
      auto* command = key->add_subcommand(enable ? "enable" : "disable",
                                          h(enable ? Word::help_key_enable : Word::help_key_disable));
      command->add_option("key", parsed_.key, h(Word::help_pod_id))->required();
      ask(command, [this, enable](Commands& c) { return key_enable(c, parsed_.key, enable); });
    }
    auto* remove = key->add_subcommand("delete", h(Word::help_key_delete));
    remove->add_option("key", parsed_.keys, h(Word::help_pod_ids))->required();
    add_yes(remove);
    ask(remove, [this](Commands& c) { return key_delete(c, parsed_.keys, parsed_.yes); });
  }

  // A command about what is saved here; no server is asked.
  void here(CLI::App* command, std::function<int(const ContextCommands&)> action) {
    when(command, [this, action = std::move(action)] {
      return action(ContextCommands{terminal_, contexts_file(environment_), environment_});
    });
  }

  void describe_contexts() {
    auto* context = app_.add_subcommand("context", h(Word::help_contexts));
    context->require_subcommand(1);
    auto* list = context->add_subcommand("list", h(Word::help_context_list));
    add_show(list, parsed_.show);
    here(list, [this](const ContextCommands& c) { return context_list(c, parsed_.show); });
    const auto name = [this](CLI::App* command) {
      command->add_option("name", parsed_.context.name, h(Word::help_context_name))->required();
    };
    auto* use = context->add_subcommand("use", h(Word::help_context_use));
    name(use);
    here(use, [this](const ContextCommands& c) { return context_use(c, parsed_.context.name); });
    auto* add = context->add_subcommand("add", h(Word::help_context_add));
    name(add);
    add->add_option("--key-file", parsed_.context.key_file, h(Word::help_key_file));
    add->add_flag("--use", parsed_.context.use, h(Word::help_use));
    add->add_flag("--replace", parsed_.context.replace, h(Word::help_replace));
    here(add, [this](const ContextCommands& c) {
      parsed_.context.server = parsed_.server.server;
      parsed_.context.api_key = parsed_.server.api_key;
      if (const auto key = environment_.find("GYRE_API_KEY");
          parsed_.context.api_key.empty() && key != environment_.end())
        parsed_.context.api_key = key->second;
      return context_add(c, parsed_.context);
    });
    auto* remove = context->add_subcommand("remove", h(Word::help_context_remove));
    name(remove);
    add_yes(remove);
    here(remove, [this](const ContextCommands& c) { return context_remove(c, parsed_.context.name, parsed_.yes); });
    auto* show = context->add_subcommand("show", h(Word::help_context_show));
    here(show, [this](const ContextCommands& c) { return context_show(c, parsed_.server); });
  }

  void describe_compat() {
    auto& flags = parsed_.compat;
    auto* compat = app_.add_subcommand("compat", h(Word::help_compat));
    auto* check = compat->add_subcommand("check", h(Word::help_compat_check));
    const auto add = [&](CLI::App* command) {
      command->add_option("--address", flags.address, h(Word::help_compat_address))->check(CLI::ValidIPV4);
      command->add_option("--authority", flags.authority, h(Word::help_compat_authority));
      return command->add_option("client", flags.clients, h(Word::help_compat_client));
    };
    add(compat);
    add(check)->required();
    const auto with_server = [this](std::function<int(const Context&)> action) {
      const auto choice = chosen();
      if (!choice) return terminal_.report(Failure::from(choice.error(), terminal_.language));
      return action(choice->context);
    };
    when(check, [this, with_server] {
      return with_server(
          [this](const Context& context) { return compat_check(terminal_, parsed_.compat, context, environment_); });
    });
    compat->callback([this, check, with_server] {  // runs after the check's own
      if (check->parsed()) return;
      action_ = [this, with_server] {
        return with_server([this](const Context& context) { return compat_show(terminal_, parsed_.compat, context); });
      };
    });
  }

  void describe_processes() {
    auto* agent = app_.add_subcommand("agent", h(Word::help_agent));
    agent->require_subcommand(1);
    auto* join = agent->add_subcommand("join", h(Word::help_agent_join));
    join->add_option("--token", parsed_.join.token, h(Word::help_join_token))->envname("GYRE_AGENT_TOKEN")->required();
    join->add_option("--data", parsed_.join.data, h(Word::help_agent_data))->envname("GYRE_AGENT_DATA");
    when(join, [this] {
      parsed_.join.server = parsed_.server.server;
      if (const auto found = environment_.find("GYRE_SERVER");
          parsed_.join.server.empty() && found != environment_.end())
        parsed_.join.server = found->second;
      return agent_join(terminal_, parsed_.join);
    });
    auto* run = agent->add_subcommand("run", h(Word::help_agent_run));
    run->add_option("--data", parsed_.agent.data, h(Word::help_agent_run_data))->envname("GYRE_AGENT_DATA");
    run->add_option("--simulate-gpus", parsed_.agent.simulate_gpus, h(Word::help_simulate))
        ->envname("GYRE_AGENT_SIMULATE_GPUS");
    run->add_option("--engine", parsed_.agent.engine, h(Word::help_engine))->envname("GYRE_AGENT_ENGINE");
    run->add_option("--advertise", parsed_.agent.advertise, h(Word::help_advertise))->envname("GYRE_AGENT_ADVERTISE");
    run->add_option("--listen-address", parsed_.agent.listen_address, h(Word::help_listen_address))
        ->envname("GYRE_AGENT_LISTEN_ADDRESS");
    run->add_option("--http-address", parsed_.agent.http_address, h(Word::help_http_address))
        ->check(CLI::ValidIPV4)
        ->envname("GYRE_AGENT_HTTP_ADDRESS");
    run->add_option("--network-volumes", parsed_.agent.network_volumes, h(Word::help_network_volumes))
        ->envname("GYRE_AGENT_NETWORK_VOLUMES");
    run->add_option("--host-port", parsed_.agent.host_ports, h(Word::help_host_port))
        ->check(CLI::Range(1, 65535))
        ->allow_extra_args(false)
        ->envname("GYRE_AGENT_HOST_PORT");
    run->add_option("--connect", parsed_.agent.servers, h(Word::help_connect))->allow_extra_args(false);
    when(run, [this] { return agent_run(terminal_, parsed_.agent, environment_); });

    auto* server = app_.add_subcommand("server", h(Word::help_server_command));
    auto& flags = parsed_.server_flags;
    server->add_option("--config", flags.config, h(Word::help_config))->envname("GYRE_CONFIG");
    server->add_flag("--print-config", flags.print_config, h(Word::help_print_config));
    server->add_flag("--print-config-document", flags.print_document, h(Word::help_print_document));
    server->add_option("--first-key", flags.first_key, h(Word::help_first_key))->group(h(Word::usage_for_up));
    server->add_option("--ready-fd", flags.ready_fd, h(Word::help_ready_fd))->group(h(Word::usage_for_up));
    for (const auto& key : server::keys()) {
      auto* option = server->add_option(key.flag(), parsed_.settings[std::string(key.name)],
                                        std::string(language_ == Language::ko ? key.korean : key.description));
      option->type_name(std::string(key.type))->group(h(Word::usage_configuration))->allow_extra_args(false);
      if (!key.list) option->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
    }
    when(server, [this] {
      auto given = parsed_.server_flags;
      for (const auto& key : server::keys()) {
        const auto& values = parsed_.settings[std::string(key.name)];
        if (!values.empty()) given.settings.push_back({std::string(key.name), values, key.flag()});
      }
      return server_command(terminal_, given, environment_);
    });
  }

  std::map<std::string, std::string> environment_;
  Language language_;  // of help; the terminal's is the same, and known only after parsing
  CLI::App app_;
  Parsed parsed_;
  std::vector<std::string> after_dashes_;
  Terminal terminal_;
  Action action_;
  std::stop_token stop_;
};

// --lang as it stands in the arguments: help and mistakes are told before they are parsed.
std::string wished_language(const std::vector<std::string>& arguments) {
  for (std::size_t i = 1; i < arguments.size() && arguments[i] != "--"; ++i) {
    if (arguments[i] == "--lang" && i + 1 < arguments.size()) return arguments[i + 1];
    if (arguments[i].starts_with("--lang=")) return arguments[i].substr(7);
  }
  return {};
}

}  // namespace

CommandWords command_words(Language language) { return Program({}, language).words(); }

int run(int argc, char** argv) {
  ::signal(SIGPIPE, SIG_IGN);  // a closed pipe is an error where it is written to, not the end
  auto environment = whole_environment();
  const auto language = language_of(wished_language({argv, argv + argc}), environment);
  return Program(std::move(environment), language).run(argc, argv);
}

}  // namespace gyre::cli
