#include "cli/up.hpp"

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/files.hpp"
#include "base/free_port.hpp"
#include "cli/agent_command.hpp"
#include "cli/api.hpp"
#include "cli/context.hpp"
#include "cli/http_api.hpp"
#include "cli/output.hpp"
#include "cli/processes.hpp"
#include "cli/views.hpp"
#include "cli/wait.hpp"
#include "server/config.hpp"

namespace gyre::cli {
namespace {

namespace json = boost::json;
namespace fs = std::filesystem;

constexpr Duration server_start_limit{60'000};  // a large database is migrated and checked first
constexpr Duration host_report_limit{20'000};
constexpr Duration stop_limit{30'000};

// Every path in the data directory, spelled once.
struct Paths {
  fs::path data;
  std::string config() const { return data / "gyre.yaml"; }
  std::string choices() const { return data / "up.json"; }
  std::string ready() const { return data / "server.json"; }
  std::string key() const { return data / "api-key"; }
  std::string agent() const { return data / "agent"; }
  std::string log(const std::string& what) const { return data / (what + ".log"); }
  std::string lock(const std::string& what) const { return data / (what + ".lock"); }
};

Paths paths_of(const std::string& data) {
  const auto folder = data.empty() ? server::default_data_dir() : data;
  return Paths{fs::absolute(folder).lexically_normal()};
}

Result<json::object> read_object(const std::string& file) {
  const auto text = TRY(read_file(file));
  if (!text) return json::object();
  boost::system::error_code error;
  auto value = json::parse(*text, error);
  if (error || !value.is_object())
    return fail(Reason::context_unreadable, {{"file", file}, {"detail", error ? error.message() : "not an object"}});
  return value.as_object();
}

Result<> usable(const Paths& paths) {
  const auto refuse = [&](std::string detail) {
    return fail(Reason::data_dir_unusable, {{"path", paths.data.string()}, {"detail", std::move(detail)}});
  };
  if (const auto made = make_private_folder(paths.data); !made) return refuse(made.error().message());
  if (::access(paths.data.c_str(), R_OK | W_OK | X_OK) != 0) return refuse(std::strerror(errno));
  return {};
}

// What the server said when it was ready, or the error that it said instead.
struct ServerReady {
  std::string url, local_url, agents, login, network_volumes;
  std::vector<std::string> listen;
};
ServerReady ready_from(const json::value& said) {
  ServerReady out{text_of(said, "url"),   text_of(said, "localUrl"),       text_of(said, "agents"),
                  text_of(said, "login"), text_of(said, "networkVolumes"), {}};
  for (const auto& address : list_of(said, "listen")) out.listen.emplace_back(address.as_string());
  return out;
}

class Up {
 public:
  Up(const Terminal& terminal, const UpFlags& flags, const std::map<std::string, std::string>& environment,
     std::stop_token stop)
      : terminal_(terminal),
        flags_(flags),
        environment_(environment),
        stop_(std::move(stop)),
        paths_(paths_of(flags.data)) {}

  int run() {
    const auto started = bring_up();
    if (!started) return terminal_.report(started.error());
    print();
    if (flags_.detach || (!server_started_ && !agent_started_)) return exit_ok;
    if (terminal_.for_people()) terminal_.line(terminal_.word(Word::up_foreground));
    return stay();
  }

 private:
  template <class T>
  tl::unexpected<Failure> refused(const Result<T>& result) const {
    return tl::unexpected(Failure::from(result.error(), terminal_.language));
  }

  Outcome<> bring_up() {
    if (const auto fine = usable(paths_); !fine) return refused(fine);
    const auto turn = lock(paths_.lock("up"));  // two `gyre up` at once: the second finds what the first started
    if (!turn) return refused(turn);
    if (const auto done = bring_up_server(); !done) return tl::unexpected(done.error());
    const auto key = read_file(paths_.key());
    if (!key) return refused(key);
    key_ = key->value_or("");
    while (key_.ends_with('\n')) key_.pop_back();
    api_ = http_api({ready_.local_url, key_, paths_.data.string()}, terminal_.language, stop_);
    if (const auto done = bring_up_agent(); !done) return tl::unexpected(done.error());
    if (const auto saved = save_context(); !saved) return refused(saved);
    return {};
  }

  // ---- the server ----

  Outcome<> bring_up_server() {
    if (auto running = holder(paths_.lock("server"))) {
      const auto said = read_object(paths_.ready());
      if (!said) return refused(said);
      if (!said->empty()) {
        server_ = std::move(running);
        ready_ = ready_from(*said);
        return {};
      }
    }
    return start_server();
  }

  Outcome<> start_server() {
    const bool first = !fs::exists(paths_.config());
    if (first)
      if (const auto made = make_config(); !made) return refused(made);
    auto done = start_configured_server(first ? std::vector<std::string>{} : flags_.listen);
    if (!done && first) fs::remove(paths_.config());  // what did not work is not kept
    return done;
  }

  // The configuration of the first start: addresses as wished, and what the system may choose chosen now, so that they
  // stay the same from then on (the agent remembers where its server is). Afterwards the file is its owner's.
  Result<> make_config() const {
    const auto wished = flags_.listen.empty() ? server::Config{}.listen : flags_.listen;
    std::ostringstream text;
    text << "# The server of this directory; every key: gyre server --print-config\nlisten:\n";
    for (const auto& address : wished) text << "  - \"" << with_port(address) << "\"\n";
    text << "agents:\n  listen: \"" << with_port("127.0.0.1:0") << "\"\n";
    return write_private_file(paths_.config(), text.str());
  }

  static std::string with_port(const std::string& address) {
    const auto parsed = server::parse_host_port(address);
    if (!parsed || parsed->port != 0) return address;
    return address.substr(0, address.rfind(':') + 1) + std::to_string(lasting_free_port("0.0.0.0"));
  }

  Outcome<> start_configured_server(const std::vector<std::string>& listen) {
    Start what{.arguments = {"server", "-o", "json", "--data-dir", paths_.data.string(), "--first-key", paths_.key(),
                             "--config", paths_.config(), "--ready-fd", "3"},
               .log = paths_.log("server")};
    for (const auto& address : listen) what.arguments.insert(what.arguments.end(), {"--listen", address});
    auto started = start(what);
    if (!started) return refused(started);
    const auto said = read_ready(*started, server_start_limit);
    boost::system::error_code error;
    const auto answer = json::parse(said.value_or(""), error);
    if (const auto& problem = part_of(answer, "error"); problem.is_object()) {
      started->process.wait(stop_limit);
      return tl::unexpected(Failure{exit_failed, text_of(problem, "code"), text_of(problem, "detail"),
                                    text_of(problem, "fix"), "", "", ""});
    }
    if (!said || error) return tl::unexpected(start_failed("server", *started, said.has_value(), server_start_limit));
    server_ = std::move(started->process);
    server_started_ = true;
    ready_ = ready_from(answer);
    // Started again it must be where it was.
    flags_.listen.clear();
    for (const auto& address : list_of(answer, "listen")) flags_.listen.emplace_back(address.as_string());
    return {};
  }

  Failure start_failed(const std::string& what, const Started& started, bool ended, Duration limit) {
    if (ended) {
      started.process.wait(Duration(1'000));
      Args args{{"what", what}, {"detail", last_words(paths_.log(what))}, {"log", paths_.log(what)}};
      return Failure::from(Error{Reason::child_failed, std::move(args), ""}, terminal_.language);
    }
    Args args{{"what", what}, {"seconds", std::to_string(limit.count() / 1000)}, {"log", paths_.log(what)}};
    return Failure::from(Error{Reason::not_started_in_time, std::move(args), ""}, terminal_.language);
  }

  // ---- the agent ----

  Outcome<> bring_up_agent() {
    if (const auto made = make_private_folder(paths_.agent()); !made) return refused(made);
    auto choices = read_object(paths_.choices());
    if (!choices) return refused(choices);
    if (!flags_.simulate_gpus.empty()) (*choices)["simulateGpus"] = flags_.simulate_gpus;
    const bool first = text_of(*choices, "engine").empty();
    if (const auto engine = engine_socket_path(flags_.engine, environment_);
        !engine.empty() && (first || !flags_.engine.empty()))
      (*choices)["engine"] = engine;
    if (const auto kept = write_private_file(paths_.choices(), json::serialize(*choices) + "\n"); !kept)
      return refused(kept);
    choices_ = *choices;

    auto host = joined_host(paths_.agent());
    if (!host) return refused(host);
    if (!*host) {
      const auto joined = join();
      if (!joined) return tl::unexpected(joined.error());
      host = joined_host(paths_.agent());
      if (!host) return refused(host);
    }
    host_ = (*host)->str();
    agent_ = holder(agent_lock_file(paths_.agent()));
    if (!agent_) {
      auto started = start(agent_start());
      if (!started) return refused(started);
      agent_ = std::move(started->process);
      agent_started_ = true;
    }
    return await_report();
  }

  static std::optional<int> public_port(const std::string& address) {
    const auto parsed = server::parse_host_port(address);
    if (!parsed || parsed->host == "localhost" || parsed->host == "::1" || parsed->host.starts_with("127."))
      return std::nullopt;
    return parsed->port;
  }

  Start agent_start() const {
    Start what{.arguments = {"agent", "run", "-o", "json", "--data", paths_.agent()}, .log = paths_.log("agent")};
    if (const auto spec = text_of(choices_, "simulateGpus"); !spec.empty())
      what.arguments.insert(what.arguments.end(), {"--simulate-gpus", spec});
    if (const auto engine = text_of(choices_, "engine"); !engine.empty())
      what.arguments.insert(what.arguments.end(), {"--engine", engine});
    if (!ready_.network_volumes.empty())
      what.arguments.insert(what.arguments.end(), {"--network-volumes", ready_.network_volumes});
    // Pods are kept away from this machine's addresses. Its API is for them too, as it is for anybody who can reach it:
    // runpodctl in a pod talks to it. What listens on loopback alone is nobody else's.
    for (const auto& address : ready_.listen)
      if (const auto port = public_port(address))
        what.arguments.insert(what.arguments.end(), {"--host-port", std::to_string(*port)});
    return what;
  }

  Outcome<> join() {
    Call call;
    call.method = "POST";
    call.target = "/v1/hosts/tokens";
    call.body = "{}";
    const auto made = api_->call(call);
    if (!made) return tl::unexpected(made.error());
    boost::system::error_code error;
    const auto token = text_of(json::parse(made->body, error), "token");
    const auto joined = join_server(ready_.local_url, token, paths_.agent(), terminal_.language);
    if (!joined) return refused(joined);
    return {};
  }

  // Until the host has said what it is. An agent that cannot say it is a warning, not a failure: it goes on trying.
  Outcome<> await_report() {
    const auto until = std::chrono::steady_clock::now() + host_report_limit;
    Call call;
    call.target = "/v1/hosts/" + http::url_encode(host_);
    while (std::chrono::steady_clock::now() < until && !stop_.stop_requested()) {
      const auto answer = api_->call(call);
      if (!answer && answer.error().exit != exit_unreachable && answer.error().exit != exit_not_found)
        return tl::unexpected(answer.error());
      boost::system::error_code error;
      const auto host = json::parse(answer ? answer->body : "null", error);
      const auto& engine = part_of(host, "engine");
      const auto problem = text_of(engine, "error");
      if (flag_of(host, "online") && (flag_of(engine, "reachable") || !problem.empty())) {
        if (!flag_of(engine, "reachable")) engine_problem_ = problem;
        return {};
      }
      // An agent that ended will not report.
      if (agent_->wait(Duration(100))) {
        Args args{{"what", "agent"}, {"detail", last_words(paths_.log("agent"))}, {"log", paths_.log("agent")}};
        return tl::unexpected(Failure::from(Error{Reason::child_failed, std::move(args), ""}, terminal_.language));
      }
    }
    host_is_late_ = true;
    return {};
  }

  // ---- the end of the start ----

  Result<> save_context() {
    const Context context{ready_.url, key_, paths_.data.string()};
    Contexts own;
    remember(own, "local", context);
    TRY(write_contexts(paths_.data / "context.yaml", own));
    const auto file = contexts_file(environment_);
    if (flags_.no_context || file.empty()) return {};
    auto contexts = TRY(read_contexts(file));
    remember(contexts, "local", context);
    return write_contexts(file, contexts);
  }

  void print() const {
    const auto console = ready_.login.empty() ? ready_.url + "/" : ready_.login;
    if (!terminal_.for_people()) {
      json::object out{{"url", ready_.url},        {"apiKey", key_},
                       {"console", console},       {"pid", server_->id()},
                       {"agentPid", agent_->id()}, {"dataDir", paths_.data.string()},
                       {"hostId", host_},          {"alreadyRunning", !server_started_ && !agent_started_}};
      out["engineError"] = engine_problem_.empty() ? json::value() : json::value(engine_problem_);
      tell(terminal_, out, "", "dataDir");
    } else {
      const bool already = !server_started_ && !agent_started_;
      terminal_.line(terminal_.word(already ? Word::up_already : Word::up_running));
      const auto line = [&](Word label, const std::string& value) {
        const auto name = terminal_.word(label);
        terminal_.print("  " + name + std::string(10 - std::min<std::size_t>(10, display_width(name)), ' ') + value +
                        "\n");
      };
      line(Word::label_url, ready_.url);
      line(Word::label_console, console);
      line(Word::label_api_key, paths_.key());
      line(Word::label_data_dir, paths_.data.string());
      terminal_.line(terminal_.word(Word::up_first_pod));
    }
    if (!engine_problem_.empty())
      terminal_.line(terminal_.word(Word::up_engine_warning, {{"detail", printable(engine_problem_)}}));
    if (host_is_late_) terminal_.line(terminal_.word(Word::up_host_waiting, {{"log", paths_.log("agent")}}));
  }

  // ---- the foreground ----

  // Starts again what crashed, each with its own back-off, until we are told to stop or both have ended by themselves.
  int stay() {
    const FileLockHeld supervisor(paths_.lock("supervisor"));
    const Descriptor wake(::eventfd(0, EFD_CLOEXEC));
    const std::stop_callback on_stop(stop_, [&] { ::eventfd_write(wake.number(), 1); });
    Watched watched[] = {{"server", std::move(server_)}, {"agent", std::move(agent_)}};
    for (;;) {
      std::vector<pollfd> waits{{wake.number(), POLLIN, 0}};
      auto timeout = Duration(-1);
      const auto now = std::chrono::steady_clock::now();
      for (const auto& one : watched) {
        if (one.process) {
          waits.push_back({one.process->descriptor(), POLLIN, 0});
        } else if (one.next_try) {
          const auto left = std::max(Duration(0), std::chrono::ceil<Duration>(*one.next_try - now));
          timeout = timeout < Duration(0) ? left : std::min(timeout, left);
        }
      }
      if (waits.size() == 1 && timeout < Duration(0)) return exit_ok;  // both ended as they were told
      ::poll(waits.data(), waits.size(), static_cast<int>(timeout.count()));
      if (stop_.stop_requested()) return stop_children(watched);
      for (auto& one : watched) look_after(one);
    }
  }

  struct Watched {
    std::string name;
    std::optional<Process> process;
    Duration pause{1'000};
    std::optional<std::chrono::steady_clock::time_point> next_try;
    std::chrono::steady_clock::time_point started = std::chrono::steady_clock::now();
  };

  // The lock that `gyre down` looks at: its holder stops both children itself.
  class FileLockHeld {
   public:
    explicit FileLockHeld(const std::string& file) {
      if (auto lock = FileLock::try_lock(file)) lock_ = std::move(*lock);
    }

   private:
    std::unique_ptr<FileLock> lock_;
  };

  void look_after(Watched& one) {
    const auto now = std::chrono::steady_clock::now();
    if (one.process && one.process->wait(Duration(0))) {
      const bool well = one.process->ended_well();
      const auto how = one.process->how_it_ended();
      one.process.reset();
      if (well) return;  // somebody told it to stop
      if (now - one.started > std::chrono::minutes(1)) one.pause = Duration(1'000);
      Args args{{"what", one.name}, {"how", how}, {"seconds", std::to_string(one.pause.count() / 1000)}};
      terminal_.line(terminal_.word(Word::up_restarting, args));
      one.next_try = now + one.pause;
      one.pause = std::min(one.pause * 2, Duration(60'000));
      return;
    }
    if (!one.process && one.next_try && *one.next_try <= now) {
      one.next_try.reset();
      one.started = now;
      restart(one);
    }
  }

  void restart(Watched& one) {
    if (one.name == "server") {
      const auto done = start_server();
      if (done) one.process = std::move(server_);
      if (!done) {
        terminal_.report(done.error());
        one.next_try = std::chrono::steady_clock::now() + one.pause;
      }
      return;
    }
    auto started = start(agent_start());
    if (started) one.process = std::move(started->process);
    if (!started) terminal_.report(Failure::from(started.error(), terminal_.language));
  }

  int stop_children(std::span<Watched> watched) {
    for (auto& one : watched)
      if (one.process) one.process->signal(SIGTERM);
    for (auto& one : watched)
      if (one.process && !one.process->wait(stop_limit)) one.process->signal(SIGKILL);
    if (terminal_.for_people()) {
      terminal_.line(terminal_.word(Word::down_done, {{"data", paths_.data.string()}}));
      terminal_.line(terminal_.word(Word::down_left));
    }
    return exit_ok;
  }

  const Terminal& terminal_;
  UpFlags flags_;
  const std::map<std::string, std::string>& environment_;
  std::stop_token stop_;
  Paths paths_;
  std::optional<Process> server_, agent_;
  bool server_started_ = false, agent_started_ = false, host_is_late_ = false;
  ServerReady ready_;
  json::object choices_;
  std::string key_, host_, engine_problem_;
  std::unique_ptr<Api> api_;
};

// All pods told to stop, then waited for.
Outcome<> stop_pods(const Terminal& terminal, const Paths& paths, std::stop_token stop) {
  const auto contexts = read_contexts(paths.data / "context.yaml");
  if (!contexts) return tl::unexpected(Failure::from(contexts.error(), terminal.language));
  const auto choice = choose({}, {}, *contexts);
  if (!choice) return tl::unexpected(Failure::from(choice.error(), terminal.language));
  const auto api = http_api(choice->context, terminal.language, stop);
  Call list;
  list.target = "/v1/pods?desiredStatus=RUNNING&limit=1000";
  const auto answer = api->call(list);
  if (!answer) return tl::unexpected(answer.error());
  boost::system::error_code error;
  const auto pods = json::parse(answer->body, error);
  if (error || !pods.is_array()) return {};
  for (const auto& pod : pods.as_array()) {
    Args args{{"name", printable(text_of(pod, "name"))}, {"id", text_of(pod, "id")}};
    terminal.line(terminal.word(Word::down_stopping_pod, args));
    Call call;
    call.method = "POST";
    call.target = "/v1/pods/" + http::url_encode(text_of(pod, "id")) + "/stop";
    const auto stopped = api->call(call);
    // One that failed or went meanwhile has no container to stop.
    if (!stopped && stopped.error().exit != exit_conflict && stopped.error().exit != exit_not_found)
      return tl::unexpected(stopped.error());
  }
  for (const auto& pod : pods.as_array()) {
    WaitOptions options;
    options.goal = Goal::stopped;
    options.timeout = Duration(120'000);
    options.stop = stop;
    const auto end = wait_for(*api, terminal, text_of(pod, "id"), options);
    const bool hopeless = !end && (end.error().exit == exit_interrupted || end.error().code == "wait_timed_out" ||
                                   end.error().exit == exit_unreachable);
    if (hopeless) return tl::unexpected(end.error());
  }
  return {};
}

}  // namespace

int up(const Terminal& terminal, const UpFlags& flags, const std::map<std::string, std::string>& environment,
       std::stop_token stop) {
  return Up(terminal, flags, environment, std::move(stop)).run();
}

int down(const Terminal& terminal, const DownFlags& flags, std::stop_token stop) {
  const auto paths = paths_of(flags.data);
  const auto supervisor = holder(paths.lock("supervisor"));
  const auto server = holder(paths.lock("server"));
  const auto agent = holder(agent_lock_file(paths.agent()));
  const bool running = server || agent || supervisor;
  if (running && flags.stop_pods)
    if (const auto stopped = stop_pods(terminal, paths, stop); !stopped) return terminal.report(stopped.error());
  // The agent last: the server would otherwise tell the world that a host went offline.
  for (const auto* process : {&supervisor, &server, &agent}) {
    if (!*process) continue;
    (*process)->signal(SIGTERM);
    if (!(*process)->wait(stop_limit)) {
      (*process)->signal(SIGKILL);  // by the law of the house this loses nothing
      (*process)->wait(stop_limit);
    }
  }
  if (!terminal.for_people()) {
    tell(terminal, json::object{{"stopped", running}, {"dataDir", paths.data.string()}}, "", "dataDir");
    return exit_ok;
  }
  terminal.line(terminal.word(running ? Word::down_done : Word::down_not_running, {{"data", paths.data.string()}}));
  if (running && !flags.stop_pods) terminal.line(terminal.word(Word::down_left));
  return exit_ok;
}

}  // namespace gyre::cli
