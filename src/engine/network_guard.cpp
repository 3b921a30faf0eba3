#include "engine/network_guard.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>

#include "base/secrets.hpp"

extern char** environ;

namespace gyre::engine {
namespace {

constexpr std::string_view bridges = "gyre+";  // iptables' way to say: that begin with gyre
constexpr std::size_t output_max = 4096;
constexpr int lock_seconds = 10;  // somebody else may be changing the rules

struct Ran {
  int status = -1;
  std::string output;
};

// Runs a program with its input from a string, and keeps what it writes.
Ran run(const std::vector<std::string>& command, const std::string& input) {
  std::vector<char*> argv;
  for (const auto& word : command) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  int in[2], out[2];
  if (::pipe2(in, O_CLOEXEC) != 0) return {-1, std::strerror(errno)};
  if (::pipe2(out, O_CLOEXEC) != 0) {
    ::close(in[0]);
    ::close(in[1]);
    return {-1, std::strerror(errno)};
  }
  posix_spawn_file_actions_t files;
  ::posix_spawn_file_actions_init(&files);
  ::posix_spawn_file_actions_adddup2(&files, in[0], 0);
  ::posix_spawn_file_actions_adddup2(&files, out[1], 1);
  ::posix_spawn_file_actions_adddup2(&files, out[1], 2);
  pid_t child = 0;
  const int problem = ::posix_spawnp(&child, argv[0], &files, nullptr, argv.data(), environ);
  ::posix_spawn_file_actions_destroy(&files);
  ::close(in[0]);
  ::close(out[1]);
  Ran ran;
  if (problem == 0) {
    // The rules are shorter than a pipe holds: writing them cannot block, whatever the child does.
    [[maybe_unused]] const auto written = ::write(in[1], input.data(), input.size());
    ::close(in[1]);
    char buffer[512];
    for (ssize_t got; (got = ::read(out[0], buffer, sizeof buffer)) > 0;)
      if (ran.output.size() < output_max) ran.output.append(buffer, static_cast<std::size_t>(got));
    int status = 0;
    ::waitpid(child, &status, 0);
    ran.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  } else {
    ::close(in[1]);
    ran.output = std::string(argv[0]) + ": " + std::strerror(problem);
  }
  ::close(out[0]);
  return ran;
}

// The jump stands first, before anything that would let the packets in.
Result<void> jump_first(const std::string& program, const std::string& table, const std::string& chain) {
  const std::string wait = std::to_string(lock_seconds);
  const std::vector<std::string> rule{"-i", std::string(bridges), "-j", "GYRE-GUARD"};
  auto call = [&](const std::string& verb, std::vector<std::string> more) {
    std::vector<std::string> command{program, "-w", wait, "-t", table, verb, chain};
    command.insert(command.end(), more.begin(), more.end());
    return run(command, "");
  };
  if (call("-S", {"1"}).output == "-A " + chain + " -i " + std::string(bridges) + " -j GYRE-GUARD\n") return {};
  while (call("-D", rule).status == 0) {
  }
  auto first = rule;
  first.insert(first.begin(), "1");
  const auto inserted = call("-I", first);
  if (inserted.status != 0) return fail(Reason::network_guard_failed, {{"detail", inserted.output}});
  return {};
}

Result<void> set_rules(IpFamily family, const std::vector<int>& allowed_tcp_ports) {
  const std::string program = family == IpFamily::v4 ? "iptables" : "ip6tables";
  const auto set = run({program + "-restore", "--noflush", "--wait", std::to_string(lock_seconds)},
                       guard_rules(family, allowed_tcp_ports));
  if (set.status != 0) return fail(Reason::network_guard_failed, {{"detail", set.output}});
  if (family == IpFamily::v4) TRY(jump_first(program, "raw", "PREROUTING"));
  return jump_first(program, "filter", "INPUT");
}

}  // namespace

std::string bridge_name(const std::string& network) {
  return std::string(bridge_prefix) + "-" + sha256_hex(network).substr(0, 10);
}

std::string guard_rules(IpFamily family, const std::vector<int>& allowed_tcp_ports) {
  // Naming a chain of ours empties it first; each table changes at once or not at all.
  std::string out;
  if (family == IpFamily::v4) out += "*raw\n:GYRE-GUARD - [0:0]\n-A GYRE-GUARD -d 169.254.0.0/16 -j DROP\nCOMMIT\n";
  out +=
      "*filter\n:GYRE-GUARD - [0:0]\n"
      "-A GYRE-GUARD -m conntrack --ctstate ESTABLISHED,RELATED -j RETURN\n"
      "-A GYRE-GUARD -p udp -m udp --dport 53 -j RETURN\n"
      "-A GYRE-GUARD -p tcp -m tcp --dport 53 -j RETURN\n";
  // Our networks have no IPv6, but every interface has a link-local address, and neighbours ask for each other on it.
  if (family == IpFamily::v6) out += "-A GYRE-GUARD -p ipv6-icmp -j RETURN\n";
  for (const int port : allowed_tcp_ports)
    out += "-A GYRE-GUARD -p tcp -m tcp --dport " + std::to_string(port) + " -j RETURN\n";
  out += "-A GYRE-GUARD -j REJECT\nCOMMIT\n";
  return out;
}

Result<void> guard_networks(const std::vector<int>& allowed_tcp_ports) {
  TRY(set_rules(IpFamily::v4, allowed_tcp_ports));
  if (::access("/proc/net/if_inet6", F_OK) != 0) return {};  // a kernel without IPv6 has nothing to guard
  return set_rules(IpFamily::v6, allowed_tcp_ports);
}

Result<void> test_guard(const std::string& iptables_restore) {
  const auto tried = run({iptables_restore, "--test", "--noflush"}, guard_rules(IpFamily::v4, {}));
  if (tried.status == 0) return {};
  auto words = tried.output.substr(0, tried.output.find('\n'));
  if (words.empty()) words = iptables_restore + ": exit code " + std::to_string(tried.status);
  return fail(Reason::network_guard_failed, {{"detail", std::move(words)}});
}

}  // namespace gyre::engine
