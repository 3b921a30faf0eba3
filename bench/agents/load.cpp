// Simulated agents for a real server: each with its own certificate and its own connection, real gRPC with mutual TLS,
// a report every five seconds.
//   agents_load DATA_DIR COUNT     enrols them in the database of a server that does not run, then does what it reads:
//                                    go ADDRESS   they connect and report until the end
//                                    silence      the first of them says nothing from now on
//                                  and prints, every tenth of a second, how many are connected and how many reports
//                                  left so far; "prepared", and the id of the first, before anything else.
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <thread>

#include "base/files.hpp"
#include "base/log.hpp"
#include "db/db.hpp"
#include "fleet/host_store.hpp"
#include "link/grpc_client.hpp"
#include "runtime/asio_runtime.hpp"

namespace {

using namespace gyre;

constexpr Duration report_every = 5s;

std::string host_name(int host) {
  auto number = std::to_string(host);
  return "bench" + std::string(9 - number.size(), '0') + number;
}

Time wall_now() { return std::chrono::floor<Time::duration>(std::chrono::system_clock::now()); }

// One key for all: what costs the server something is the certificate and the handshake, which each has of its own.
std::vector<link::Credentials> enrol(const std::filesystem::path& data_dir, int count) {
  const auto authority = link::Authority::open(data_dir / "authority", wall_now());
  const auto key = link::make_key_and_request("bench");
  const auto database = db::open("sqlite://" + std::filesystem::absolute(data_dir / "gyre.db").string());
  const auto workspace = database->value<WorkspaceId>("SELECT id FROM workspaces ORDER BY created_at LIMIT 1");
  HostStore store(*database);
  std::vector<link::Credentials> out;
  database->begin();
  for (int i = 0; i < count; ++i) {
    Host host;
    host.id = HostId(host_name(i));
    host.workspace = workspace;
    host.name = host_name(i);
    const auto certificate = authority->sign(key.csr_pem, host.id, wall_now()).value();
    host.fingerprint = link::read_certificate(certificate)->fingerprint;
    host.created_at = wall_now();
    store.insert(host);
    out.push_back({key.key_pem, certificate, authority->certificate_pem()});
  }
  database->commit();
  return out;
}

std::atomic<int> connected{0};
std::atomic<std::uint64_t> reports{0};

class OneAgent final : public link::ServerEvents {
 public:
  OneAgent(Runtime& runtime, std::string name, link::GrpcClientConfig config)
      : runtime_(runtime), name_(std::move(name)), link_(runtime, std::move(config)), beat_(runtime) {}

  void start(Duration first) {
    link_.start(*this);
    beat_.start(first, [this] {
      report();
      beat_.repeat(report_every, [this] { report(); });
    });
  }
  void fall_silent() { beat_.stop(); }

  void server_connected() override {
    ++connected;
    link::HostFacts facts;
    facts.hostname = name_;
    facts.os = "Debian GNU/Linux 12";
    facts.kernel = "6.1";
    facts.architecture = "x86_64";
    facts.agent_version = "bench";
    facts.boot_id = "boot-" + name_;
    facts.public_address = "192.0.2.1";
    facts.cpus = 32;
    facts.memory_bytes = 128'000'000'000;
    facts.disk_bytes = 1'000'000'000'000;
    for (int i = 0; i < 4; ++i)
      facts.gpus.push_back({"GPU-" + name_ + "-" + std::to_string(i), "NVIDIA A40", "0000:0" + std::to_string(i),
                            48'000'000'000, false});
    facts.engine_name = "docker";
    facts.engine_version = "20.10";
    link_.send(link::Hello{facts});
    report();
  }
  void server_disconnected() override { --connected; }
  void server_said(const link::ServerMessage&) override {}

 private:
  void report() {
    if (!link_.connected()) return;
    link::Report out;
    out.sequence = ++sequence_;
    out.boot_id = "boot-" + name_;
    out.sent_at = runtime_.now();
    out.engine_reachable = true;
    out.disk_free_bytes = 900'000'000'000;
    for (int i = 0; i < 4; ++i) {
      link::GpuReadingFacts reading;
      reading.uuid = "GPU-" + name_ + "-" + std::to_string(i);
      reading.utilisation_percent = static_cast<int>(sequence_ % 100);
      reading.memory_used_bytes = 1'000'000'000;
      out.gpus.push_back(std::move(reading));
    }
    link_.send(std::move(out));
    ++reports;
  }

  Runtime& runtime_;
  std::string name_;
  std::uint64_t sequence_ = 0;
  link::GrpcClient link_;
  Timer beat_;
};

}  // namespace

int main(int count, char** arguments) {
  if (count != 3) return 2;
  const std::filesystem::path data_dir = arguments[1];
  const int agents = std::atoi(arguments[2]);
  log::set_level(log::Level::error);
  raise_file_limit();
  const auto credentials = enrol(data_dir, agents);
  std::printf("prepared %s\n", host_name(0).c_str());
  std::fflush(stdout);

  AsioRuntime runtime;
  std::thread core([&] { runtime.run(); });
  std::thread([] {
    for (;; std::this_thread::sleep_for(std::chrono::milliseconds(100))) {
      std::printf("%d %llu\n", connected.load(), static_cast<unsigned long long>(reports.load()));
      std::fflush(stdout);
    }
  }).detach();
  std::vector<std::unique_ptr<OneAgent>> all;
  for (std::string word; std::cin >> word;) {
    if (word == "go") {
      std::string address;
      std::cin >> address;
      runtime.post([&, address] {
        for (int i = 0; i < agents; ++i) {
          all.push_back(std::make_unique<OneAgent>(
              runtime, host_name(i),
              link::GrpcClientConfig{.servers = {address}, .credentials = credentials[static_cast<std::size_t>(i)]}));
          all.back()->start(report_every * i / agents);
        }
      });
    } else if (word == "silence") {
      runtime.post([&] { all.front()->fall_silent(); });
    }
  }
  ::_exit(0);  // nobody takes ten thousand connections down
}
