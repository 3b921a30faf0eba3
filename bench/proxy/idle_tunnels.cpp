// What connections carried through tunnels cost while nobody says anything: one process as the server's end of the
// link, one as the agents of some hosts, real gRPC with mutual TLS between them.
//   proxy_idle_tunnels HOSTS TUNNELS_OF_EACH      prints JSON: KiB for each at either end, and how many answered
//                                                 a byte afterwards
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <future>
#include <thread>

#include "base/log.hpp"
#include "db/db.hpp"
#include "link/grpc_client.hpp"
#include "link/grpc_server.hpp"
#include "runtime/asio_runtime.hpp"

namespace {

using namespace gyre;

std::string host_name(int host) { return "h" + std::to_string(host); }
std::string token_of(int host, int tunnel) { return host_name(host) + "-" + std::to_string(tunnel); }

double private_kib(pid_t pid) {
  std::ifstream in("/proc/" + std::to_string(pid) + "/smaps_rollup");
  double sum = 0, kib = 0;
  for (std::string word; in >> word;)
    if ((word == "Private_Clean:" || word == "Private_Dirty:") && in >> kib) sum += kib;
  return sum;
}

// A number from the other process: it says that it is ready, with it.
int hear(int pipe) {
  int said = -1;
  return ::read(pipe, &said, sizeof said) == sizeof said ? said : -1;
}
void say(int pipe, int what) {
  if (::write(pipe, &what, sizeof what) != sizeof what) std::abort();
}

// Counts to a number, on any threads.
class CountDown {
 public:
  explicit CountDown(int from) : left_(from) {}
  void one() {
    if (--left_ == 0) done_.set_value();
  }
  bool wait() { return done_.get_future().wait_for(std::chrono::minutes(5)) == std::future_status::ready; }

 private:
  std::atomic<int> left_;
  std::promise<void> done_;
};

template <class F>
auto on_core(Runtime& runtime, F work) -> decltype(work()) {
  std::packaged_task<decltype(work())()> task(std::move(work));
  auto outcome = task.get_future();
  runtime.post([&task] { task(); });
  return outcome.get();
}

struct OneAgent final : link::ServerEvents {
  CountDown* ready = nullptr;
  std::unique_ptr<link::GrpcClient> link;
  void server_connected() override { ready->one(); }
  void server_disconnected() override {}
  void server_said(const link::ServerMessage&) override {}
};

// Opens every tunnel, says so, and gives every byte back.
void be_the_agents(int in, int out, const std::vector<link::Credentials>& hosts, int each) {
  const int port = hear(in);
  AsioRuntime runtime;
  std::thread core([&] { runtime.run(); });
  CountDown connected(static_cast<int>(hosts.size()));
  std::vector<std::unique_ptr<OneAgent>> agents;
  for (const auto& credentials : hosts) {
    agents.push_back(std::make_unique<OneAgent>());
    auto& agent = *agents.back();
    agent.ready = &connected;
    on_core(runtime, [&] {
      agent.link = std::make_unique<link::GrpcClient>(
          runtime,
          link::GrpcClientConfig{.servers = {"127.0.0.1:" + std::to_string(port)}, .credentials = credentials});
      agent.link->start(agent);
    });
  }
  say(out, connected.wait() ? 1 : 0);
  hear(in);  // the server has measured itself
  std::vector<std::shared_ptr<link::Carry>> tunnels;
  for (std::size_t host = 0; host < hosts.size(); ++host)
    for (int tunnel = 0; tunnel < each; ++tunnel) {
      auto carry =
          on_core(runtime, [&] { return agents[host]->link->carry(token_of(static_cast<int>(host), tunnel)); });
      auto* const held = carry.get();  // as long as `tunnels`
      held->attach({.read = [held](std::string bytes, bool) { held->write(std::move(bytes), false); },
                    .written = [] {},
                    .broken = [] {}});
      held->read();
      tunnels.push_back(std::move(carry));
    }
  hear(in);  // that all is over
  ::_exit(0);
}

struct Nobody final : link::AgentEvents {
  void agent_connected(const HostId&) override {}
  void agent_disconnected(const HostId&) override {}
  void agent_said(const HostId&, const link::AgentMessage&) override {}
};

int be_the_server(int in, int out, const link::Authority& authority, int hosts, int each, pid_t agents,
                  const std::filesystem::path& folder) {
  const int all = hosts * each;
  AsioRuntime runtime;
  const auto database = db::open("sqlite::memory:");
  Core core(runtime, *database);
  std::thread thread([&] { runtime.run(); });
  Nobody nobody;
  std::unique_ptr<link::GrpcServer> server;
  const auto port = on_core(runtime, [&] {
    server = std::make_unique<link::GrpcServer>(
        core, authority, link::GrpcServerConfig{.listen = "127.0.0.1:0", .carries_per_host = each},
        link::Admission{.is_known = [](const HostId&, const std::string&) { return true; },
                        .renew = [](const HostId&, const std::string&) -> Result<link::IssuedCertificate> {
                          return fail(Reason::unavailable);
                        }});
    return server->start(nobody);
  });
  if (!port) return 1;
  say(out, *port);
  if (hear(in) != 1) return 1;
  CountDown open(all), answered(all);
  std::mutex mutex;
  std::vector<std::shared_ptr<link::Carry>> tunnels;
  tunnels.reserve(static_cast<std::size_t>(all));
  for (int host = 0; host < hosts; ++host)
    for (int tunnel = 0; tunnel < each; ++tunnel)
      server->expect(HostId(host_name(host)), token_of(host, tunnel), [&](Result<std::shared_ptr<link::Carry>> carry) {
        if (!carry) return;
        (*carry)->attach({.read = [&](std::string, bool) { answered.one(); }, .written = [] {}, .broken = [] {}});
        (*carry)->read();
        {
          std::lock_guard lock(mutex);
          tunnels.push_back(std::move(*carry));
        }
        open.one();
      });
  const double before = private_kib(::getpid()), agents_before = private_kib(agents);
  say(out, 1);
  if (!open.wait()) return std::fputs("not all tunnels opened\n", stderr), 1;
  const double here = (private_kib(::getpid()) - before) / all, there = (private_kib(agents) - agents_before) / all;
  for (const auto& tunnel : tunnels) tunnel->write("m", false);
  const bool alive = answered.wait();
  std::printf("{\"tunnels\": %d, \"server_kib\": %.1f, \"agent_kib\": %.1f, \"all_answered\": %s}\n", all, here, there,
              alive ? "true" : "false");
  std::fflush(stdout);
  say(out, 1);
  std::filesystem::remove_all(folder);
  ::_exit(alive ? 0 : 1);  // nobody takes fifty thousand tunnels down
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 3) return 2;
  const int hosts = std::atoi(arguments[1]), each = std::atoi(arguments[2]);
  log::set_level(log::Level::error);
  std::string pattern = (std::filesystem::temp_directory_path() / "gyre-tunnels-XXXXXX").string();
  const std::filesystem::path folder = ::mkdtemp(pattern.data());
  const auto now = std::chrono::floor<Time::duration>(std::chrono::system_clock::now());
  int to_agents[2], to_server[2];
  if (::pipe(to_agents) != 0 || ::pipe(to_server) != 0) return 1;
  const auto authority = link::Authority::open(folder, now);
  std::vector<link::Credentials> credentials;
  for (int host = 0; host < hosts; ++host) {
    const auto made = link::make_key_and_request(host_name(host));
    const auto issued = authority->sign(made.csr_pem, HostId(host_name(host)), now);
    credentials.push_back({made.key_pem, issued.value(), authority->certificate_pem()});
  }
  const pid_t agents = ::fork();  // before either end has threads
  if (agents == 0) be_the_agents(to_agents[0], to_server[1], credentials, each);
  return be_the_server(to_server[0], to_agents[1], *authority, hosts, each, agents, folder);
}
