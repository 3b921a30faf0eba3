#include "cli/program.hpp"

#include <signal.h>

#include <CLI/CLI.hpp>
#include <boost/json.hpp>
#include <iostream>

#include "base/secrets.hpp"
#include "cli/agent_command.hpp"
#include "cli/commands.hpp"
#include "cli/completion.hpp"
#include "cli/context.hpp"
#include "cli/exec_commands.hpp"
#include "cli/http_api.hpp"
#include "cli/server_command.hpp"
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

const CLI::Validator time_span(
    [](const std::string& text) {
      return parse_time_span(text) ? std::string() : "expected a time, as 90s, 10m or 2h";
    },
    "TIME", "time span");

// Everything the parser writes into; one object, so that the tree below reads as a list.
struct Parsed {
  TerminalWishes terminal;
  Wishes server;
  PodCreateFlags create;
  PodListFlags list;
  PodLogFlags logs;
  PodExecFlags exec;
  std::string copy_from, copy_to;
  bool wait = false, yes = false, force = false;
  std::string timeout, pod, host, name, since, shell;
  std::vector<std::string> pods;
  std::optional<int> gpus;
  UpFlags up;
  DownFlags down;
  AgentJoinFlags join;
  AgentRunFlags agent;
  ServerFlags server_flags;
  std::map<std::string, std::vector<std::string>> settings;  // key -> what its flag said
};

class Program {
 public:
  Program() : environment_(whole_environment()) {}

  int run(int argc, char** argv) {
    describe();
    // What stands after -- is the container's, whatever it looks like; the parser never sees it.
    const std::vector<std::string> all(argv, argv + argc);
    const auto dashes = std::find(all.begin(), all.end(), "--");
    if (dashes != all.end()) after_dashes_.assign(dashes + 1, all.end());
    try {
      app_.parse(static_cast<int>(dashes - all.begin()), argv);
      const auto* pod = app_.get_subcommand("pod");
      if (!after_dashes_.empty() && !pod->get_subcommand("create")->parsed() && !pod->get_subcommand("exec")->parsed())
        throw CLI::ExtrasError(after_dashes_);
    } catch (const CLI::ParseError& problem) {
      const int code = app_.exit(problem, std::cout, std::cerr);
      return code == 0 ? exit_ok : exit_usage;
    }
    terminal_ = make_terminal(parsed_.terminal, environment_);
    return action_ ? action_() : exit_usage;
  }

 private:
  using Action = std::function<int()>;
  void when(CLI::App* command, Action action) {
    command->callback([this, action = std::move(action)] { action_ = action; });
  }
  // A command that talks to a server.
  void ask(CLI::App* command, std::function<int(Commands&)> action) {
    when(command, [this, action = std::move(action)] {
      stop_ = catch_interrupts();
      const auto contexts = read_contexts(contexts_file(environment_));
      if (!contexts) return terminal_.report(Failure::from(contexts.error(), terminal_.language));
      const auto context = choose(parsed_.server, environment_, *contexts);
      if (!context) return terminal_.report(Failure::from(context.error(), terminal_.language));
      const auto api = http_api(*context, terminal_.language, stop_);
      OsRandom random;
      Commands commands{*api, terminal_, environment_, stop_, [&] { return hex(random.bytes(16)); }, system_now};
      return action(commands);
    });
  }

  void describe() {
    app_.description("Gyre: a self-hosted GPU cloud. Server, agent and command line in one program.");
    app_.require_subcommand(1);
    app_.fallthrough();
    app_.get_formatter()->column_width(34);
    app_.set_version_flag("--version", "gyre " GYRE_VERSION);
    app_.add_option("-o,--output", parsed_.terminal.format, "table (for people) or json")
        ->check(CLI::IsMember({"table", "json"}));
    app_.add_option("--server", parsed_.server.server, "the server to talk to; also GYRE_SERVER");
    app_.add_option("--api-key", parsed_.server.api_key,
                    "also GYRE_API_KEY, which does not show in the list of processes");
    app_.add_option("--context", parsed_.server.context, "a saved server; also GYRE_CONTEXT");
    app_.add_option("--lang", parsed_.terminal.language, "en or ko; else from LC_ALL and LANG")
        ->check(CLI::IsMember({"en", "ko"}));
    app_.add_flag("--no-color", parsed_.terminal.no_color, "no colours; also NO_COLOR");
    app_.footer(
        "Exit codes: 0 done, 1 failed, 2 wrong command line, 3 not found, 4 refused by the server, 5 server "
        "unreachable, "
        "130 interrupted.");
    describe_local();
    describe_pods();
    describe_hosts();
    describe_processes();
    auto* version = app_.add_subcommand("version", "the version of this program");
    when(version, [this] {
      if (terminal_.format == Format::json)
        terminal_.print(boost::json::serialize(boost::json::object{{"version", GYRE_VERSION}}) + "\n");
      else
        terminal_.print("gyre " GYRE_VERSION "\n");
      return exit_ok;
    });
    auto* completion =
        app_.add_subcommand("completion", "a script that completes commands: source <(gyre completion bash)");
    completion->add_option("shell", parsed_.shell)->check(CLI::IsMember({"bash", "zsh"}))->default_val("bash");
    when(completion, [this] {
      terminal_.print(completion_script(app_, parsed_.shell));
      return exit_ok;
    });
  }

  void describe_local() {
    auto* up_command = app_.add_subcommand("up", "start a server and an agent on this machine");
    up_command->add_option("--data", parsed_.up.data,
                           "where everything is kept; /var/lib/gyre, or ~/.local/share/gyre");
    up_command
        ->add_option("--listen", parsed_.up.listen,
                     "HOST:PORT of the API and the console; 127.0.0.1:8080 the first time")
        ->allow_extra_args(false);
    up_command->add_option("--simulate-gpus", parsed_.up.simulate_gpus,
                           "pretend GPUs on this machine, as \"NVIDIA A40:4\"");
    up_command->add_option("--engine", parsed_.up.engine, "socket of the container engine; also DOCKER_HOST");
    up_command->add_flag("-d,--detach", parsed_.up.detach,
                         "come back once it runs; else stay and start again what crashes");
    up_command->add_flag("--no-context", parsed_.up.no_context, "leave ~/.config/gyre/config.yaml alone");
    when(up_command, [this] { return up(terminal_, parsed_.up, environment_, catch_interrupts()); });

    auto* down_command =
        app_.add_subcommand("down", "stop the server and the agent of this machine; containers run on");
    down_command->add_option("--data", parsed_.down.data, "as given to gyre up");
    down_command->add_flag("--stop-pods", parsed_.down.stop_pods, "stop all pods first, and wait for them");
    when(down_command, [this] { return down(terminal_, parsed_.down, catch_interrupts()); });
  }

  void add_wait(CLI::App* command) {
    command->add_flag("-w,--wait", parsed_.wait, "follow it until it is done");
    command->add_option("--timeout", parsed_.timeout, "how long to wait, as 90s or 10m; for ever when not given")
        ->check(time_span);
  }
  WaitFlags waiting() const { return {parsed_.wait, parse_time_span(parsed_.timeout).value_or(Duration(0))}; }

  void describe_pods() {
    auto* pod = app_.add_subcommand(
        "pod", "containers with GPUs: create, list, get, logs, exec, cp, stop, start, restart, reset, delete");
    pod->require_subcommand(1);
    describe_create(pod->add_subcommand("create", "make a pod and start it"));

    auto* list = pod->add_subcommand("list", "all pods");
    list->add_option("-f,--filter", parsed_.list.filters, "NAME=VALUE, as status=running; repeatable")
        ->allow_extra_args(false);
    list->add_option("--sort", parsed_.list.sort, "name, createdAt or -createdAt");
    list->add_option("--limit", parsed_.list.limit, "at most so many")->check(CLI::Range(1, 1000));
    list->add_option("--cursor", parsed_.list.cursor, "where the page before ended");
    ask(list, [this](Commands& c) { return pod_list(c, parsed_.list); });

    auto* get = pod->add_subcommand("get", "one pod, and why it is as it is");
    get->add_option("pod", parsed_.pod, "id or name")->required();
    add_wait(get);
    ask(get, [this](Commands& c) { return pod_get(c, parsed_.pod, waiting()); });

    auto* logs = pod->add_subcommand("logs", "what its containers wrote");
    logs->add_option("pod", parsed_.pod, "id or name")->required();
    logs->add_option("-c,--container", parsed_.logs.container, "which one; the main one when not given");
    logs->add_flag("-f,--follow", parsed_.logs.follow, "go on as more is written");
    logs->add_option("--stream", parsed_.logs.stream, "only stdout, or only stderr")
        ->check(CLI::IsMember({"stdout", "stderr"}));
    logs->add_flag("-t,--timestamps", parsed_.logs.timestamps, "the time before each line");
    logs->add_option("--tail", parsed_.logs.tail, "only the last lines")->check(CLI::NonNegativeNumber);
    logs->add_option("--since", parsed_.since, "from this time on: RFC 3339, or a time ago as 10m");
    ask(logs, [this](Commands& c) {
      auto flags = parsed_.logs;
      flags.since = parsed_.since;
      if (const auto ago = parse_time_span(parsed_.since)) flags.since = rfc3339(system_now() - *ago);
      return pod_logs(c, parsed_.pod, flags);
    });

    auto* exec = pod->add_subcommand("exec", "run a program in it: gyre pod exec -it POD -- bash");
    exec->add_option("pod", parsed_.pod, "id or name")->required();
    exec->add_option("-c,--container", parsed_.exec.container, "which one; the main one when not given");
    exec->add_flag("-i,--stdin", parsed_.exec.input, "give it this command's standard input");
    exec->add_flag("-t,--tty", parsed_.exec.tty, "with a terminal");
    exec->footer("The exit code is the program's own. A connection that breaks is resumed for five minutes.");
    ask(exec, [this](Commands& c) {
      auto flags = parsed_.exec;
      flags.command = after_dashes_;
      return pod_exec(c, parsed_.pod, flags);
    });

    auto* copy = pod->add_subcommand("cp", "copy files to it or from it: gyre pod cp ./data POD:/workspace");
    copy->add_option("from", parsed_.copy_from, "PATH or POD:PATH")->required();
    copy->add_option("to", parsed_.copy_to, "PATH or POD:PATH")->required();
    copy->add_option("-c,--container", parsed_.exec.container, "which one; the main one when not given");
    ask(copy, [this](Commands& c) { return pod_copy(c, parsed_.copy_from, parsed_.copy_to, parsed_.exec.container); });

    const auto verb = [&](const char* name, const char* words, PodVerb which) {
      auto* command = pod->add_subcommand(name, words);
      command->add_option("pod", parsed_.pod, "id or name")->required();
      if (which == PodVerb::start)
        command->add_option("--gpus", parsed_.gpus, "start with so many; 0 to reach the files without a GPU");
      add_wait(command);
      ask(command, [this, which](Commands& c) { return pod_verb(c, which, parsed_.pod, parsed_.gpus, waiting()); });
    };
    verb("start", "start a stopped pod", PodVerb::start);
    verb("stop", "stop it; its volume is kept, its container disk is not", PodVerb::stop);
    verb("restart", "stop and start it", PodVerb::restart);
    verb("reset", "start it anew from its image", PodVerb::reset);

    auto* remove = pod->add_subcommand("delete", "delete pods with all that is theirs");
    remove->add_option("pod", parsed_.pods, "ids or names")->required();
    remove->add_flag("-y,--yes", parsed_.yes, "do not ask");
    add_wait(remove);
    ask(remove, [this](Commands& c) { return pod_delete(c, parsed_.pods, parsed_.yes, waiting()); });
  }

  void describe_create(CLI::App* create) {
    auto& flags = parsed_.create;
    create->footer("gyre pod create IMAGE [OPTIONS] [-- COMMAND ARGS...]");
    create->add_option("--name", flags.name, "what you call it");
    create
        ->add_option("--gpu-type", flags.gpu_types, "which GPU, as \"NVIDIA A40\"; repeatable, in order of preference")
        ->allow_extra_args(false);
    create->add_option("--gpus,--gpu-count", flags.gpus, "how many GPUs");
    create->add_flag("--cpu", flags.cpu, "no GPU at all");
    create->add_option("--vcpu", flags.vcpus, "how many vCPUs a CPU pod has");
    create->add_option("-e,--env", flags.env, "NAME=VALUE, or NAME to take it from here; repeatable")
        ->allow_extra_args(false);
    create->add_option("--env-file", flags.env_file, "a file of NAME=VALUE lines");
    create->add_option("-p,--port", flags.ports, "8888/http or 22/tcp; repeatable")->allow_extra_args(false);
    create->add_option("--disk", flags.disk_gb, "container disk in GB; gone when the pod stops");
    create->add_option("--volume", flags.volume_gb, "volume in GB; kept while the pod is stopped");
    create->add_option("--mount", flags.mount, "where the volume is mounted; /workspace");
    create->add_option("--shm", flags.shm_gb, "shared memory in GB");
    create->add_option("--restart", flags.restart, "what happens when it exits")
        ->check(CLI::IsMember({"always", "on_failure", "never"}));
    create->add_option("--min-cuda", flags.min_cuda, "oldest CUDA version that will do, as 12.2");
    create->add_option("--entrypoint", flags.entrypoint, "instead of the image's; repeatable for its arguments")
        ->allow_extra_args(false);
    create->add_option("--file", flags.file,
                       "begin with this JSON body (as POST /v1/pods takes it); - is standard input");
    create->add_flag("--dry-run", flags.dry_run, "only say whether, where and why not");
    add_wait(create);
    create->add_option("IMAGE,--image", flags.image, "what to run; the command of the container may follow after --");
    ask(create, [this](Commands& c) {
      parsed_.create.command = after_dashes_;
      return pod_create(c, parsed_.create, waiting());
    });
  }

  void describe_hosts() {
    auto* host = app_.add_subcommand("host", "machines that run pods: list, get, token, drain, undrain, retire");
    host->require_subcommand(1);
    ask(host->add_subcommand("list", "all hosts"), [](Commands& c) { return host_list(c); });
    auto* get = host->add_subcommand("get", "one host, its GPUs and what is on them");
    get->add_option("host", parsed_.host, "id or name")->required();
    ask(get, [this](Commands& c) { return host_get(c, parsed_.host); });
    auto* token = host->add_subcommand("token", "a token that lets one machine join, for an hour");
    token->add_option("--name", parsed_.name, "what the host will be called");
    ask(token, [this](Commands& c) { return host_token(c, parsed_.name); });
    for (const bool drain : {true, false}) {
      auto* command =
          host->add_subcommand(drain ? "drain" : "undrain", drain ? "give it no new pods" : "give it pods again");
      command->add_option("host", parsed_.host, "id or name")->required();
      ask(command, [this, drain](Commands& c) { return host_drain(c, parsed_.host, drain); });
    }
    auto* retire = host->add_subcommand("retire", "take it out for good");
    retire->add_option("host", parsed_.host, "id or name")->required();
    retire->add_flag("--force", parsed_.force, "also when pods are on it and it will not come back");
    retire->add_flag("-y,--yes", parsed_.yes, "do not ask");
    ask(retire, [this](Commands& c) { return host_retire(c, parsed_.host, parsed_.force, parsed_.yes); });
  }

  void describe_processes() {
    auto* agent = app_.add_subcommand("agent", "the agent of this machine: join, run");
    agent->require_subcommand(1);
    auto* join = agent->add_subcommand("join", "make this machine a host of a server");
    join->add_option("--token", parsed_.join.token, "from gyre host token; also GYRE_AGENT_TOKEN")
        ->envname("GYRE_AGENT_TOKEN")
        ->required();
    join->add_option("--data", parsed_.join.data, "where the agent keeps its identity and journal")
        ->envname("GYRE_AGENT_DATA");
    when(join, [this] {
      parsed_.join.server = parsed_.server.server;
      if (const auto found = environment_.find("GYRE_SERVER");
          parsed_.join.server.empty() && found != environment_.end())
        parsed_.join.server = found->second;
      return agent_join(terminal_, parsed_.join);
    });
    auto* run = agent->add_subcommand("run", "run the agent");
    run->add_option("--data", parsed_.agent.data, "as given to agent join")->envname("GYRE_AGENT_DATA");
    run->add_option("--simulate-gpus", parsed_.agent.simulate_gpus, "pretend GPUs, as \"NVIDIA A40:4\"")
        ->envname("GYRE_AGENT_SIMULATE_GPUS");
    run->add_option("--engine", parsed_.agent.engine, "socket of the container engine; also DOCKER_HOST")
        ->envname("GYRE_AGENT_ENGINE");
    run->add_option("--advertise", parsed_.agent.advertise,
                    "address at which mapped ports are reached; this machine's own")
        ->envname("GYRE_AGENT_ADVERTISE");
    run->add_option("--listen-address", parsed_.agent.listen_address, "where mapped ports are bound; 0.0.0.0")
        ->envname("GYRE_AGENT_LISTEN_ADDRESS");
    run->add_option("--connect", parsed_.agent.servers,
                    "HOST:PORT instead of the addresses that the server named; repeatable")
        ->allow_extra_args(false);
    when(run, [this] { return agent_run(terminal_, parsed_.agent, environment_); });

    auto* server = app_.add_subcommand("server", "run the server; see docs/configuration.md");
    auto& flags = parsed_.server_flags;
    server->add_option("--config", flags.config, "the configuration file")->envname("GYRE_CONFIG");
    server->add_flag("--print-config", flags.print_config, "print what holds and where it came from, then end");
    server->add_flag("--print-config-document", flags.print_document, "print docs/configuration.md, then end");
    server->add_option("--first-key", flags.first_key, "write the administrator's first API key to this file")
        ->group("For gyre up");
    server->add_option("--ready-fd", flags.ready_fd, "say on this descriptor when it is ready")->group("For gyre up");
    for (const auto& key : server::keys()) {
      auto* option =
          server->add_option(key.flag(), parsed_.settings[std::string(key.name)], std::string(key.description));
      option->type_name(std::string(key.type))->group("Configuration")->allow_extra_args(false);
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
  CLI::App app_;
  Parsed parsed_;
  std::vector<std::string> after_dashes_;
  Terminal terminal_;
  Action action_;
  std::stop_token stop_;
};

}  // namespace

int run(int argc, char** argv) {
  ::signal(SIGPIPE, SIG_IGN);  // a closed pipe is an error where it is written to, not the end
  return Program().run(argc, argv);
}

}  // namespace gyre::cli
